"""The table of the exactly-once tests, the four writers beside the job, and the count at the end.

Old rows have ids that are multiples of ten; the job does SET n = n + 1. What the writers insert has other ids and may or
may not be met by the job; an old row that still exists at the end must have n = 1."""
import random

import psycopg

from .threads import Threads


def make_table(database, rows, name="counted"):
    database.make_counted(rows, name)


def slow_batches(database, each, per="STATEMENT", name="counted", when=None, several=False):
    """Each statement (or row) of the daemon takes `each` seconds longer; everyone else is not slowed. `when`: which rows.
    `several`: of several sessions at once, which somebody is about to end."""
    database.slow(each, per, name, when, several=several)


def full_speed(database, name="counted"):
    database.full_speed(name)


class Writers(Threads):
    """Insert, update of another column, delete, and a transaction of all three; each a thread with a connection of its
    own that comes back after every lost one."""

    def __init__(self, url, rows, name="counted", most_deletes=None):
        self.url, self.rows, self.name = url, rows, name
        self.deletes_left = rows // 5 if most_deletes is None else most_deletes
        self.inserts_left = rows  # on a slow machine a job would else have to do with ever more rows
        self.done = {"insert": 0, "update": 0, "delete": 0, "mixed": 0}
        super().__init__(self.done)

    def work(self, kind):
        chance = random.Random(f"{kind} of the writers")
        connection = None
        while not self.stopping.is_set():
            try:
                if connection is None:
                    connection = psycopg.connect(self.url, autocommit=True, connect_timeout=5,
                                                 application_name=f"writer {kind}")
                with connection.transaction():
                    self._once(connection, kind, chance)
                self.done[kind] += 1
            except (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction):
                # a restart, a fail-over or a deadlock: an application would try again, and so do we
                if connection is not None:
                    connection.close()
                connection = None
            self.stopping.wait(0.004)
        if connection is not None:
            connection.close()

    def _once(self, connection, kind, chance):
        old = chance.randrange(1, self.rows + 1) * 10
        if kind in ("insert", "mixed") and self.inserts_left > 0:
            self.inserts_left -= 1
            connection.execute(f"INSERT INTO {self.name} (id) VALUES (%s) ON CONFLICT DO NOTHING",
                               (old + chance.randrange(1, 10),))
        if kind in ("update", "mixed"):
            connection.execute(f"UPDATE {self.name} SET other = other + 1 WHERE id = %s", (old,))
        if kind in ("delete", "mixed") and self.deletes_left > 0:
            self.deletes_left -= 1
            connection.execute(f"DELETE FROM {self.name} WHERE id = %s", (chance.randrange(1, self.rows + 1) * 10,))


def check(database, rows, writers=None, name="counted"):
    """Each old row ends at exactly one, and no row of any age was done twice."""
    wrong = database.rows(f"SELECT id, n FROM {name} WHERE (id % 10 = 0 AND n <> 1) OR n NOT IN (0, 1) ORDER BY id LIMIT 20")
    assert not wrong, f"rows (id, n) that were not changed exactly once: {wrong}"
    left = database.value(f"SELECT count(*) FROM {name} WHERE id % 10 = 0")
    assert left >= rows * 0.6, f"{left} of {rows} old rows are left: the test lost its subject"
    if writers:
        assert all(writers.done.values()), f"a writer did nothing: {writers.done}"
