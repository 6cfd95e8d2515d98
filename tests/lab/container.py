"""A Debian 12 of its own in a folder, with its own systemd, beside this machine's: debootstrap makes it, systemd-nspawn boots it.
It shares this machine's network, so a server on 127.0.0.1 is there, too. Only root can have one."""
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from .wait import until

BASE = Path(os.environ.get("BACKFILLD_BOOKWORM", "/var/tmp/backfilld-lab/bookworm"))
NSPAWN = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit"]
SOURCES = Path("/etc/apt/sources.list.d/debian.sources")


def mirror() -> str:
    texts = [path.read_text() for path in (SOURCES, Path("/etc/apt/sources.list")) if path.exists()]
    found = re.search(r"^(?:URIs:|deb(?: \[.*?\])?) (http\S+)", "\n".join(texts), re.M)
    assert found, "no Debian mirror is found in /etc/apt"
    return found[1]


def run(*command, seconds=900, **arguments) -> str:
    """To its end; what it said."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=seconds, **arguments)
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-4000:]}"
    return done.stdout


def base() -> Path:
    """Made once for this machine."""
    if not (BASE / "complete").exists():
        shutil.rmtree(BASE, ignore_errors=True)
        BASE.mkdir(parents=True)
        run("debootstrap", "--variant=minbase", "--include=systemd,systemd-sysv", "bookworm", BASE / "root", mirror())
        if SOURCES.exists():  # with the updates that this machine has
            shutil.copy(SOURCES, BASE / "root/etc/apt/sources.list.d/")
            (BASE / "root/etc/apt/sources.list").unlink(missing_ok=True)
        # the lists are read anew for each test: the mirror moves on
        (BASE / "root/etc/apt/apt.conf.d/90lab").write_text('Acquire::Check-Valid-Until "false";\nAcquire::Check-Date "false";\n'
                                                            'Acquire::Languages "none";\nAPT::Install-Recommends "false";\n')
        (BASE / "complete").touch()
    return BASE / "root"


class Container:
    def __init__(self, directory: Path):
        self.root, self.log = directory / "root", directory / "console"
        self._process, self._leader = None, 0
        run("cp", "-a", "--reflink=auto", base(), self.root)

    def unbooted(self, *command) -> str:
        """One command in it while it is not booted."""
        assert self._process is None
        return run(*NSPAWN, "--pipe", "-D", self.root, "--setenv=DEBIAN_FRONTEND=noninteractive", *command)

    def boot(self):
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *NSPAWN, "--boot", "-D", str(self.root)],
                                             stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self._leader = until(self._find_leader, 60, lambda _: f"it boots:\n{self.console()}", 0.1)
        until(lambda: self.status("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"), 120,
              lambda _: f"it is up:\n{self.console()}", 0.2)
        return self

    def _find_leader(self) -> int:
        """systemd-nspawn has one child, the container's systemd, which has been started by the time it reads its arguments."""
        assert self._process.poll() is None, self.console()
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for child in children:
            try:
                if b"systemd" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0] and \
                        os.readlink(f"/proc/{child}/ns/pid") != os.readlink("/proc/self/ns/pid") and \
                        Path(f"/proc/{child}/root/run/systemd/private").exists():
                    return int(child)
            except OSError:
                continue
        return 0

    def console(self) -> str:
        return self.log.read_text(errors="replace")[-3000:] if self.log.exists() else ""

    def status(self, *command, input=None, seconds=300) -> subprocess.CompletedProcess:
        """In it, as root; stdout and stderr."""
        return subprocess.run(["nsenter", "-t", str(self._leader), "-m", "-u", "-i", "-p", "-C", "--", "env", "-i", "LC_ALL=C.UTF-8",
                               "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "DEBIAN_FRONTEND=noninteractive", *map(str, command)],
                              input=input, stdin=None if input is not None else subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=seconds)

    def run(self, *command, input=None, seconds=300) -> str:
        done = self.status(*command, input=input, seconds=seconds)
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    def stop(self):
        if self._process is None:
            return
        if self._leader and self._process.poll() is None:
            os.kill(self._leader, signal.SIGRTMIN + 4)  # power off
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
