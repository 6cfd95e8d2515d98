"""One database on a PostgreSQL server with a connection in autocommit mode, and what the tests of all engines ask of it;
lab.mysql_database has the same for MariaDB and MySQL."""
import itertools
import json
import os

import psycopg

from .counted import Writers
from .proxy import KillAt, Proxy
from .rights import least, narrow_database
from .wait import until

_numbers = itertools.count(1)
OF_JOB = "application_name LIKE 'backfilld ' || %s || '%%'"  # each slice has a session


class Database:
    engine = "postgresql"
    errors = psycopg.Error
    target = {}  # keys of the daemon's section for this database, beside `primary`

    def __init__(self, server, name):
        self.server, self.name, self._connection = server, name, None

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def connect(self, **arguments):
        return self.server.connect(self.name, **arguments)

    @property
    def connection(self):
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = self.connect()
        return self._connection

    def execute(self, sql, parameters=None):
        try:
            return self.connection.execute(sql, parameters)
        except psycopg.OperationalError:
            if not self._connection.closed:
                raise
            return self.connection.execute(sql, parameters)  # the server was restarted since the last statement

    def rows(self, sql, parameters=None) -> list:
        return self.execute(sql, parameters).fetchall()

    def row(self, sql, parameters=None):
        return self.execute(sql, parameters).fetchone()

    def value(self, sql, parameters=None):
        return self.row(sql, parameters)[0]

    def close(self):
        if self._connection is not None:
            self._connection.close()

    def person(self, name, autocommit=True):
        """A connection of somebody else."""
        return self.connect(application_name=name, autocommit=autocommit)

    def called(self, person) -> str:
        """What a reason says of it."""
        return f"process {person.info.backend_pid} "

    def lock_every_100th(self, person, table, key, rows, remainder) -> int:
        """Of those that nobody else has locked; how many. `rows`: the highest key."""
        return person.execute(f"SELECT count(*) FROM (SELECT 1 FROM {table} WHERE {key} % 100 = {remainder} FOR UPDATE SKIP "
                              "LOCKED) l").fetchone()[0]

    def drop(self):
        self.close()
        with self.server.connect() as connection:
            connection.execute(f'DROP DATABASE "{self.name}" WITH (FORCE)')

    # tables

    def table(self, name) -> str:
        """As a document names it."""
        return f"public.{name}"

    def number_rows(self, insert, rows):
        """Runs `insert`, which reads `numbers`: i from 1 to rows."""
        self.execute(insert.replace("FROM numbers", f"FROM generate_series(1, {rows}) numbers(i)"))

    def analyze(self, name):
        self.execute(f"VACUUM ANALYZE {name}")

    def make_counted(self, rows, name="counted"):
        self.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, n integer NOT NULL DEFAULT 0, "
                     "other integer NOT NULL DEFAULT 0, payload text NOT NULL DEFAULT repeat('x', 40))")
        self.execute(f"INSERT INTO {name} (id) SELECT g * 10 FROM generate_series(1, %s) g", (rows,))
        self.analyze(name)

    def slow(self, each, per="STATEMENT", name="counted", when=None, several=False):
        """`several`: makes no difference here."""
        self.execute("""CREATE OR REPLACE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF current_setting('application_name') LIKE 'backfilld%' THEN PERFORM pg_sleep(tg_argv[0]::float); END IF;
            RETURN new; END $$""")
        self.execute(f"CREATE TRIGGER slow BEFORE UPDATE ON {name} FOR EACH {per} "
                     f"{f'WHEN ({when}) ' if when else ''}EXECUTE FUNCTION slow('{each}')")

    def full_speed(self, name="counted"):
        self.execute(f"DROP TRIGGER slow ON {name}")

    def writers(self, rows, name="counted", most_deletes=None, cluster=None) -> Writers:
        """`cluster`: its primary may change."""
        return Writers(cluster.url(self.name) if cluster else self.url, rows, name, most_deletes)

    # the daemon's sessions

    def has_schema(self) -> bool:
        return self.value("SELECT to_regclass('backfilld.meta') IS NOT NULL")

    def sessions(self, job) -> list:
        """Numbers of the sessions that work for this job."""
        return [pid for pid, in self.rows(f"SELECT pid FROM pg_stat_activity WHERE {OF_JOB}", (job["id"],))]

    def active(self, job) -> list:
        """Those that run a statement now."""
        return [pid for pid, in self.rows(f"SELECT pid FROM pg_stat_activity WHERE {OF_JOB} AND state <> 'idle' "
                                          "AND backend_type = 'client backend'", (job["id"],))]

    def slowed(self, job) -> list:
        """Those that are in a slow batch now."""
        return [pid for pid, in self.rows(f"SELECT pid FROM pg_stat_activity WHERE {OF_JOB} AND wait_event = 'PgSleep'",
                                          (job["id"],))]

    def waits_for_lock(self, job) -> bool:
        return self.value(f"SELECT count(*) FROM pg_stat_activity WHERE {OF_JOB} AND wait_event_type = 'Lock'",
                          (job["id"],)) > 0

    def position(self, job) -> list:
        """Of what is committed; [] at the start."""
        position = self.value("SELECT position FROM backfilld.checkpoint WHERE job = %s", (job["id"],))
        return json.loads(position) if position else []

    def watchers(self) -> list:
        """Numbers of the sessions that look who waits."""
        return [pid for pid, in self.rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'backfilld watcher' "
                                          "AND datname = current_database()")]

    def end(self, number):
        self.execute("SELECT pg_terminate_backend(%s)", (number,))

    def end_session(self, job):
        """A person ends the job's session."""
        until(lambda: self.value(f"SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity "
                                 f"WHERE {OF_JOB}", (job["id"],)), 20, "a session of the job to end")

    def cancel_statements(self, job):
        """A person cancels what the job's sessions run."""
        self.rows(f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {OF_JOB}", (job["id"],))

    def batches_under_way_end(self):
        """Waits until every batch that is under way at this moment has ended."""
        moment = self.value("SELECT clock_timestamp()")
        until(lambda: self.value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'backfilld %%' "
                                 "AND xact_start <= %s", (moment,)) == 0, 30, "the batch under way has ended", 0.001)

    def wait_quiet(self):
        """Until no session of a killed daemon works here any more: it ends what it had begun."""
        until(lambda: self.value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'backfilld %'") == 0,
              30, "no session of the daemon is left")

    def seconds_since(self, moment) -> float:
        return float(self.value("SELECT extract(epoch FROM clock_timestamp() - %s)", (moment,)))

    # between it and the daemon

    def proxy(self) -> Proxy:
        return Proxy(("127.0.0.1", self.server.port))

    def kill_at(self, boundary, pid, chosen=lambda number: True) -> KillAt:
        return KillAt(boundary, pid, chosen)


def make_database(server, name=None) -> Database:
    name = name or f"test_{os.getpid()}_{next(_numbers)}"
    with server.connect() as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        if least():
            narrow_database(connection, name)
    return Database(server, name)
