"""Applications beside a backfill: threads with a connection each, that do one thing again and again and note how long it
took and what went wrong."""
import threading
import time


class Foreground:
    """`work(connection, chance number)` is called until the end; `waits` has the seconds of each call."""

    def __init__(self, database, work, threads=1, pause=0.0, settings=None):
        self.database, self.work, self.pause, self.settings = database, work, pause, settings or []
        self.waits, self.errors = [], []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a foreground session does not end"

    def _run(self, number):
        with self.database.person(f"shop {number}") as connection:
            for setting in self.settings:
                connection.execute(setting)
            while not self._stop.is_set():
                started = time.monotonic()
                try:
                    self.work(connection, number)
                except self.database.errors as error:
                    self.errors.append(error)
                self.waits.append(time.monotonic() - started)
                self._stop.wait(self.pause)


class Lockers:
    """Two sessions that keep every 100th row locked between them, other ones all the time: one takes its rows before the
    other lets go."""

    def __init__(self, database, table, rows, key="id", each=0.3):
        self.database, self.table, self.rows, self.key, self.each = database, table, rows, key, each
        self.locked = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "the lockers do not end"

    def _run(self):
        with self.database.person("locker 0", autocommit=False) as one, \
                self.database.person("locker 1", autocommit=False) as other:
            sessions, remainder = [one, other], 0
            while not self._stop.is_set():
                remainder = (remainder + 37) % 100
                self.locked += self.database.lock_every_100th(sessions[0], self.table, self.key, self.rows, remainder)
                sessions[1].rollback()
                sessions.reverse()
                self._stop.wait(self.each)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
