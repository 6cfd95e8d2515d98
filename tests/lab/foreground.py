"""Applications beside a backfill: threads with a connection each, that do one thing again and again and note how long it
took and what went wrong."""
import threading
import time

import psycopg


class Foreground:
    """`work(connection, chance number)` is called until the end; `waits` has the seconds of each call."""

    def __init__(self, url, work, threads=1, pause=0.0, settings=None):
        self.url, self.work, self.pause, self.settings = url, work, pause, settings or []
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
        with psycopg.connect(self.url, autocommit=True, application_name=f"shop {number}") as connection:
            for setting in self.settings:
                connection.execute(setting)
            while not self._stop.is_set():
                started = time.monotonic()
                try:
                    self.work(connection, number)
                except psycopg.Error as error:
                    self.errors.append(error)
                self.waits.append(time.monotonic() - started)
                self._stop.wait(self.pause)


class Lockers:
    """Two sessions that keep every 100th row locked between them, other ones all the time: one takes its rows before the
    other lets go."""

    def __init__(self, url, table, key="id", each=0.3):
        self.url, self.table, self.key, self.each = url, table, key, each
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
        with psycopg.connect(self.url, application_name="locker 0") as one, \
                psycopg.connect(self.url, application_name="locker 1") as other:
            sessions, remainder = [one, other], 0
            while not self._stop.is_set():
                remainder = (remainder + 37) % 100
                taken = sessions[0].execute(f"SELECT count(*) FROM (SELECT 1 FROM {self.table} WHERE {self.key} % 100 = "
                                            f"{remainder} FOR UPDATE SKIP LOCKED) l").fetchone()[0]
                self.locked += taken
                sessions[1].rollback()
                sessions.reverse()
                self._stop.wait(self.each)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
