"""Applications beside a backfill: threads with a connection each, that do one thing again and again and note how long it
took and what went wrong."""
import time

from .threads import Threads


class Foreground(Threads):
    """once(connection, number of the thread) is called until the end; `waits` has the seconds of each call."""

    def __init__(self, database, once, threads=1, pause=0.0, settings=None):
        self.database, self.once, self.pause, self.settings = database, once, pause, settings or []
        self.waits, self.errors = [], []
        super().__init__(range(threads))

    def work(self, number):
        with self.database.person(f"shop {number}") as connection:
            for setting in self.settings:
                connection.execute(setting)
            while not self.stopping.is_set():
                started = time.monotonic()
                try:
                    self.once(connection, number)
                except self.database.errors as error:
                    self.errors.append(error)
                self.waits.append(time.monotonic() - started)
                self.stopping.wait(self.pause)


class Lockers(Threads):
    """Two sessions that keep every 100th row locked between them, other ones all the time: one takes its rows before the
    other lets go."""

    def __init__(self, database, table, rows, key="id", each=0.3):
        self.database, self.table, self.rows, self.key, self.each = database, table, rows, key, each
        self.locked = 0
        super().__init__(["both"])

    def work(self, name):
        with self.database.person("locker 0", autocommit=False) as one, \
                self.database.person("locker 1", autocommit=False) as other:
            sessions, remainder = [one, other], 0
            while not self.stopping.is_set():
                remainder = (remainder + 37) % 100
                self.locked += self.database.lock_every_100th(sessions[0], self.table, self.key, self.rows, remainder)
                sessions[1].rollback()
                sessions.reverse()
                self.stopping.wait(self.each)


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
