"""A replica that is slow: what replays on it stands still for a share of the time, which may be changed meanwhile."""
import os
import signal
import threading
from pathlib import Path

PERIOD = 0.1  # seconds


def replaying(cluster) -> list:
    """The processes that replay. The threads of a MySQL server cannot be told apart from outside: all of it."""
    replica = cluster.replica.pid()
    if not replica or cluster.engine != "postgresql":
        return [replica] if replica else []
    found = []
    for pid in Path(f"/proc/{replica}/task/{replica}/children").read_text().split():
        try:
            if b"startup" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(int(pid))
        except FileNotFoundError:
            continue  # another child, which ended meanwhile
    return found


class SlowReplay:
    def __init__(self, cluster, share=0.0):
        self.cluster, self.share = cluster, share
        self._over, self._failed = threading.Event(), None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _signal(self, number):
        for pid in replaying(self.cluster):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def _run(self):
        try:
            while not self._over.is_set():
                share = self.share
                if share > 0:
                    self._signal(signal.SIGSTOP)
                    self._over.wait(PERIOD * share)
                    self._signal(signal.SIGCONT)
                self._over.wait(PERIOD * (1 - share))
        except Exception as error:
            self._failed = error

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self._signal(signal.SIGCONT)
        if self._failed:
            raise self._failed
