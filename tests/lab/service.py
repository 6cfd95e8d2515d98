"""What stands around a service: a manager that hears it (NOTIFY_SOCKET), and a journal that takes its entries."""
import os
import socket
import struct
import subprocess
import time
from pathlib import Path

from .wait import until


class Manager:
    """Hears one daemon. `heard`: every message so far, as (seconds, text)."""

    def __init__(self, directory: Path, watchdog=None):
        path = directory / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.heard = []
        self.environment = {"NOTIFY_SOCKET": str(path)}
        if watchdog:
            self.environment["WATCHDOG_USEC"] = str(int(watchdog * 1e6))

    def listen(self) -> list:
        """What was said until now."""
        while True:
            try:
                self.heard.append((time.monotonic(), self._socket.recv(4096).decode()))
            except BlockingIOError:
                return [text for _, text in self.heard]

    def wait_for(self, text, seconds=20.0, after=0) -> int:
        """Until that is said, behind so many messages; where it stands in `heard`."""
        until(lambda: text in self.listen()[after:], seconds, lambda _: f"the manager hears {text!r}: {self.heard}")
        return after + self.listen()[after:].index(text)

    def wait_for_part(self, part, seconds=20.0, after=0) -> str:
        return until(lambda: next((text for text in self.listen()[after:] if part in text), None), seconds,
                     lambda _: f"the manager hears {part!r}: {self.heard}")

    def close(self):
        self._socket.close()


def entry(message: bytes) -> dict:
    """One datagram of the journal's native protocol: KEY=value, or KEY, its length and as many bytes."""
    fields, rest = {}, message
    while rest:
        line, _, rest = rest.partition(b"\n")
        if b"=" in line:
            key, _, value = line.partition(b"=")
        else:
            key, (length,) = line, struct.unpack("<Q", rest[:8])
            value, rest = rest[8:8 + length], rest[8 + length + 1:]
        fields[key.decode()] = value.decode()
    return fields


class Journal:
    """Takes the entries of a daemon, which has to be started with `environment`, and whose stderr is `log`."""

    def __init__(self, directory: Path, log: Path):
        library, path = directory / "journal.so", directory / "journal"
        subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", str(library), str(Path(__file__).parent / "journal.c")],
                       check=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.entries = []
        log.touch()
        stream = os.stat(log)
        self.environment = {"LD_PRELOAD": str(library), "FAKE_JOURNAL": str(path), "JOURNAL_STREAM": f"{stream.st_dev}:{stream.st_ino}",
                            "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1:verify_asan_link_order=0"}

    def read(self) -> list:
        while True:
            try:
                self.entries.append(entry(self._socket.recv(65536)))
            except BlockingIOError:
                return self.entries

    def wait_for(self, part, seconds=20.0) -> dict:
        return until(lambda: next((one for one in self.read() if part in one["MESSAGE"]), None), seconds,
                     lambda _: f"an entry with {part!r}: {self.entries}")

    def close(self):
        self._socket.close()
