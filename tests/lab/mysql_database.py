"""One database on a MySQL or MariaDB server with a connection of root's in autocommit mode, and what the tests of all engines
ask of it; lab.postgres_database has the same for PostgreSQL."""
import contextlib
import itertools
import json
import os
import random

import pymysql

from .counted import Writers
from .mysql_proxy import KillAt, MyProxy
from .wait import until

_numbers = itertools.count(1)


class Person:
    """A connection of somebody else, used as psycopg's are."""

    def __init__(self, connection):
        self.connection, self.number = connection, connection.thread_id()

    def execute(self, sql, parameters=None):
        cursor = self.connection.cursor()
        cursor.execute(sql, parameters)
        return cursor

    def commit(self):
        self.connection.commit()

    def rollback(self):
        self.connection.rollback()

    @contextlib.contextmanager
    def transaction(self):
        self.connection.begin()
        try:
            yield
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()


class MyDatabase:
    """The daemon comes as user backfill; this connection is root's, in autocommit mode."""

    errors = pymysql.err.Error

    def __init__(self, cluster, name, server=None):
        self.cluster, self.name, self.engine = cluster, name, cluster.flavour
        self.server = server or cluster.primary
        self._connection = None

    def create(self):
        self.server.sql(f"CREATE DATABASE `{self.name}`")
        return self

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    @property
    def target(self) -> dict:
        """Keys of the daemon's section for this database."""
        return {"password_file": self.cluster.password_file}

    def connect(self, **more):
        return self.server.connect(self.name, **more)

    def forget_statements(self):
        """What the server remembers of them: a full memory takes no further ones."""
        self.execute("TRUNCATE TABLE performance_schema.events_statements_summary_by_digest")

    def fill_statements(self):
        """Until the server remembers no further ones."""
        for many in range(100):
            for one in range(500):
                self.execute(f"SELECT 1 AS c{many}_{one}")
            if self.value("SELECT COUNT(*) FROM performance_schema.events_statements_summary_by_digest WHERE DIGEST IS NULL"):
                return
        raise AssertionError("50,000 statements are remembered")

    def execute(self, sql, parameters=None):
        for attempt in (1, 2):
            if self._connection is None:
                self._connection = self.connect()
            try:
                cursor = self._connection.cursor()
                cursor.execute(sql, parameters)
                return cursor
            except (pymysql.err.OperationalError, pymysql.err.InterfaceError) as error:
                # the server was restarted since the last statement
                if attempt == 2 or error.args[0] not in (0, 2006, 2013):
                    raise
                self._connection = None
        raise AssertionError("not reached")

    def rows(self, sql, parameters=None) -> list:
        return list(self.execute(sql, parameters).fetchall())

    def row(self, sql, parameters=None):
        return self.execute(sql, parameters).fetchone()

    def value(self, sql, parameters=None):
        row = self.row(sql, parameters)
        return row[0] if row else None

    def close(self):
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def person(self, name, autocommit=True) -> Person:
        """A connection of somebody else; no server here tells its name."""
        return Person(self.connect(autocommit=autocommit))

    def called(self, person) -> str:
        """What a reason says of it."""
        return f"connection {person.number} of root@"

    def lock_every_100th(self, person, table, key, rows, remainder) -> int:
        """Of those that nobody else has locked; how many. `rows`: the highest key. By their keys: a scan that looks for them
        would lock every row for a moment."""
        keys = ", ".join(str(number) for number in range(remainder or 100, rows + 1, 100))
        return person.execute(f"SELECT COUNT(*) FROM {table} WHERE {key} IN ({keys}) FOR UPDATE SKIP LOCKED").fetchone()[0]

    def drop(self):
        """Also where somebody's transaction, of a test that failed, still holds its tables: a DROP would wait for ever."""
        for number, in self.rows("SELECT ID FROM information_schema.PROCESSLIST WHERE DB = %s AND ID <> CONNECTION_ID()", self.name):
            with contextlib.suppress(self.errors):  # it has gone by itself
                self.execute(f"KILL {number}")
        self.execute(f"DROP DATABASE {self.name}")
        self.close()
        self.cluster.check_replication()

    # tables

    def table(self, name) -> str:
        """As a document names it."""
        return name

    def number_rows(self, insert, rows):
        """Runs `insert`, which reads `numbers`: i from 1 to rows."""
        number_rows(self, insert, rows)

    def analyze(self, name):
        self.execute(f"ANALYZE TABLE {name}")

    def make_counted(self, rows, name="counted"):
        make_table(self, rows, name)
        self.analyze(name)

    def slow(self, each, per="STATEMENT", name="counted", when=None, user="backfill", definer="root@localhost", several=False):
        """Triggers are for rows only here; what is the time within one is the time of its statement. While one runs, MySQL
        takes the session for its definer's, whom a common account may not KILL. `several` sessions that sleep share a mutex on
        MariaDB, for which a KILL of some of them looks for 2 s; so they wait for a lock that we hold."""
        wait = f"SLEEP({each})"
        if several and self.engine == "mariadb":
            self.value(f"SELECT GET_LOCK('slow {self.name}', 0)")
            wait = f"GET_LOCK('slow {self.name}', {each})"
        rest = "AND (@slow_at IS NULL OR @slow_at <> NOW(6))" if per == "STATEMENT" else ""
        self.execute(f"CREATE DEFINER = {definer} TRIGGER slow_{name} BEFORE UPDATE ON {name} FOR EACH ROW BEGIN "
                     f"IF USER() LIKE '{user}@%' AND ({when or 'TRUE'}) {rest} THEN SET @slow_at = NOW(6); DO {wait}; END IF; END")

    def full_speed(self, name="counted"):
        self.execute(f"DROP TRIGGER slow_{name}")

    def writers(self, rows, name="counted", most_deletes=None, cluster=None) -> "MyWriters":
        """`cluster`: its primary may change."""
        return MyWriters(self, rows, name, most_deletes, [cluster.primary, cluster.replica] if cluster else None)

    # the daemon's sessions

    def has_schema(self) -> bool:
        return bool(self.rows("SHOW DATABASES LIKE 'backfilld'"))

    def sessions(self, job) -> list:
        """Numbers of the connections that work for this job, by the locks that they hold."""
        names = " UNION ALL ".join(f"SELECT IS_USED_LOCK('backfilld {job['id']}{slice_} {i}')" for i in range(8)
                                   for slice_ in ("", "/1", "/2", "/3"))
        return [number for number, in self.rows(names) if number]

    def _sessions_where(self, job, condition, columns="id") -> list:
        numbers = [str(number) for number in self.sessions(job)] or ["0"]
        return self.rows(f"SELECT {columns} FROM information_schema.processlist WHERE {condition} AND id IN ({', '.join(numbers)})")

    def active(self, job) -> list:
        """Those that run a statement now, with what they do."""
        return self._sessions_where(job, "command NOT IN ('Sleep', 'Killed', 'Quit')", "id, command, state, LEFT(info, 200)")

    def slowed(self, job) -> list:
        """Those that are in a slow batch now."""
        return [number for number, in self._sessions_where(job, "state IN ('User sleep', 'User lock')")]

    def waits_for_lock(self, job) -> bool:
        """The list of transactions is made anew only every 0.1 s, and not while it is read more often; this is always right."""
        waiting = self.row("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'")[1]
        return int(waiting) > 0 and bool(self.active(job))

    def position(self, job) -> list:
        """Of what is committed; [] at the start."""
        position = self.value("SELECT position FROM backfilld.checkpoint WHERE job = %s", (job["id"],))
        return json.loads(position) if position else []

    def watchers(self) -> list:
        """Numbers of the connections that look who waits."""
        names = " UNION ".join(f"SELECT IS_USED_LOCK('backfilld watcher {i}')" for i in range(8))
        return [number for number, in self.rows(names) if number]

    def end(self, number):
        self.execute(f"KILL CONNECTION {number}")

    def end_session(self, job):
        """A person ends the job's session while it works."""
        number = until(lambda: self.slowed(job), 20, "a session of the job to end", every=0.001)[0]
        self.execute(f"KILL CONNECTION {number}")

    def cancel_statements(self, job):
        """A person cancels what the job's sessions run."""
        for number in self.sessions(job):
            try:
                self.execute(f"KILL QUERY {number}")
            except pymysql.err.OperationalError as error:
                if error.args[0] != 1094:  # it is gone
                    raise

    def batches_under_way_end(self):
        """Waits until every batch that is under way at this moment has ended: each holds the lock of its checkpoint. Who
        waited for that lock when we got it has it next, so it is asked for twice."""
        connection = self.connect(autocommit=False)
        for _ in range(2):
            connection.cursor().execute("SELECT seq FROM backfilld.checkpoint FOR UPDATE")
            connection.rollback()
        connection.close()

    def wait_quiet(self):
        """Until no session of a killed daemon works here any more: it ends what it had begun. (In a trigger the list shows
        the trigger's maker as the user.)"""
        until(lambda: not self.rows("SELECT id FROM information_schema.processlist WHERE db = %s AND id <> CONNECTION_ID()",
                                    (self.name,)), 30, "no session of the daemon is left")

    def seconds_since(self, moment) -> float:
        return float(self.value("SELECT TIMESTAMPDIFF(MICROSECOND, %s, UTC_TIMESTAMP(6)) / 1000000", (moment,)))

    # between it and the daemon

    def proxy(self) -> MyProxy:
        return MyProxy(self.server)

    def kill_at(self, boundary, pid, chosen=lambda number: True) -> KillAt:
        return KillAt(boundary, pid, self, chosen)


def make_database(cluster) -> MyDatabase:
    """A new one, and no control schema on the server."""
    cluster.primary.sql("DROP DATABASE IF EXISTS backfilld")
    return MyDatabase(cluster, f"test_{os.getpid()}_{next(_numbers)}").create()


def make_table(database, rows, name="counted"):
    database.execute(f"CREATE TABLE {name} (id BIGINT PRIMARY KEY, n INTEGER NOT NULL DEFAULT 0, "
                     "other INTEGER NOT NULL DEFAULT 0, payload VARCHAR(100) NOT NULL DEFAULT "
                     "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx')")
    number_rows(database, f"INSERT INTO {name} (id) SELECT 10 * i FROM numbers", rows)


def number_rows(database, insert, rows):
    """Runs `insert`, which reads `numbers`: i from 1 to rows."""
    digits = "(SELECT 0 d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL " \
             "SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"
    places = max(1, len(str(rows)))
    total = " + ".join(f"{10 ** place} * p{place}.d" for place in range(places))
    tables = ", ".join(f"{digits} p{place}" for place in range(places))
    database.execute(insert.replace("FROM numbers", f"FROM (SELECT 1 + {total} AS i FROM {tables}) numbers "
                                    f"WHERE i <= {rows}"))


def slow_batches(database, each, name="counted", every=1):
    """Each row (whose number is a multiple of `every`) takes the daemon `each` seconds; nobody else is slowed."""
    database.execute(f"CREATE TRIGGER slow BEFORE UPDATE ON {name} FOR EACH ROW BEGIN "
                     f"IF USER() LIKE 'backfill@%' AND new.id % {10 * every} = 0 THEN DO SLEEP({each}); END IF; END")


def full_speed(database):
    database.execute("DROP TRIGGER slow")


class MyWriters(Writers):
    """`servers`: those that may be the primary; a read-only one is tried again later."""

    def __init__(self, database, rows, name="counted", most_deletes=None, servers=None):
        super().__init__(None, rows, name, most_deletes)
        self.database, self.servers = database, servers or [database.server]

    def _connect(self):
        for server in self.servers:
            try:
                connection = server.connect(self.database.name, autocommit=False)
            except pymysql.err.OperationalError:
                continue
            with connection.cursor() as cursor:
                cursor.execute("SELECT @@global.read_only")
                if not cursor.fetchone()[0]:
                    cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
                    return connection
            connection.close()
        return None

    def work(self, kind):
        chance = random.Random(f"{kind} of the writers")
        connection = None
        while not self.stopping.is_set():
            try:
                connection = connection or self._connect()
                if connection:
                    self._once(connection.cursor(), kind, chance)
                    connection.commit()
                    self.done[kind] += 1
            except (pymysql.err.OperationalError, pymysql.err.InterfaceError):
                # a restart, a fail-over, a deadlock, a lock that lasts: an application would try again, and so do we
                try:
                    connection.close()
                except pymysql.err.Error:
                    pass
                connection = None
            self.stopping.wait(0.004)
        if connection is not None:
            connection.close()

    def _once(self, cursor, kind, chance):
        old = chance.randrange(1, self.rows + 1) * 10
        if kind in ("insert", "mixed") and self.inserts_left > 0:
            self.inserts_left -= 1
            cursor.execute(f"INSERT IGNORE INTO {self.name} (id) VALUES (%s)", (old + chance.randrange(1, 10),))
        if kind in ("update", "mixed"):
            cursor.execute(f"UPDATE {self.name} SET other = other + 1 WHERE id = %s", (old,))
        if kind in ("delete", "mixed") and self.deletes_left > 0:
            self.deletes_left -= 1
            cursor.execute(f"DELETE FROM {self.name} WHERE id = %s", (chance.randrange(1, self.rows + 1) * 10,))
