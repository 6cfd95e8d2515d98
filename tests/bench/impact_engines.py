"""What tests/bench/impact asks of an engine: servers, the table, a heartbeat."""
import os
import time
from urllib.parse import urlparse

from lab.mysql import MyCluster
from lab.mysql_database import MyDatabase, number_rows
from lab.postgres import Cluster
from lab.wait import until


def application(engine, url):
    """run(id, is_update): one transaction of the foreground on a connection of its own."""
    if engine == "postgresql":
        import psycopg
        connection = psycopg.connect(url, autocommit=True, prepare_threshold=0)

        def run(number, is_update):
            if is_update:
                connection.execute("UPDATE bench SET customer = customer + 1 WHERE id = %s", (number,))
            else:
                connection.execute("SELECT customer, status FROM bench WHERE id = %s", (number,)).fetchone()
        return run
    import pymysql
    place = urlparse(url)
    cursor = pymysql.connect(host=place.hostname, port=place.port, user=place.username, database=place.path[1:],
                             autocommit=True).cursor()

    def run(number, is_update):
        if is_update:
            cursor.execute("UPDATE bench SET customer = customer + 1 WHERE id = %s", (number,))
        else:
            cursor.execute("SELECT customer, status FROM bench WHERE id = %s", (number,))
            cursor.fetchone()
    return run


class PostgreSQL:
    name, table, expression = "postgresql", "public.bench", "(id % 100)::int"

    def __init__(self, rows):
        self.rows, self.cluster = rows, Cluster(settings={})

    def __enter__(self):
        self.cluster.start()
        self._connection = self.connect()
        self._connection.execute("CREATE TABLE beat (at timestamptz)")
        self._connection.execute("INSERT INTO beat VALUES (clock_timestamp())")
        return self

    def __exit__(self, *_):
        self.cluster.stop()

    def version(self):
        return self._connection.execute("SHOW server_version").fetchone()[0]

    @property
    def target(self) -> dict:
        return {"primary": self.cluster.primary.url(), "replicas": "auto"}

    def foreground_url(self):
        return self.cluster.primary.url()

    def connect(self):
        return self.cluster.primary.connect(prepare_threshold=0)

    def connect_replica(self):
        return self.cluster.replica.connect(prepare_threshold=0)

    def beat(self, connection):
        connection.execute("UPDATE beat SET at = clock_timestamp()")

    def newest_beat(self, connection) -> float:
        return float(connection.execute("SELECT extract(epoch FROM at) FROM beat").fetchone()[0])

    def fresh_table(self):
        execute = self._connection.execute
        execute("DROP SCHEMA IF EXISTS backfilld CASCADE")
        execute("DROP TABLE IF EXISTS bench")
        execute("CREATE TABLE bench (id bigint NOT NULL, v integer, customer bigint NOT NULL, status text NOT NULL, "
                "created_at timestamptz NOT NULL, note text NOT NULL)")
        execute(f"INSERT INTO bench SELECT g, NULL, g %% 5000, 'delivered', timestamptz '2020-01-01' + g * interval '1 min', "
                f"repeat('x', 30) FROM generate_series(1, %s) g", (self.rows,))
        execute("ALTER TABLE bench ADD PRIMARY KEY (id)")
        execute("VACUUM (FREEZE, ANALYZE) bench")
        execute("CHECKPOINT")
        until(lambda: execute("SELECT bool_and(replay_lsn >= pg_current_wal_lsn()) FROM pg_stat_replication").fetchone()[0],
              600, "the replica has caught up", 0.05)

    def settle(self):
        """What the way before has left to be written is written."""
        with self.connect_replica() as connection:
            connection.execute("CHECKPOINT")
        os.sync()

    def update_range(self, connection, low, high):
        connection.execute(f"UPDATE bench SET v = (id %% 100)::int WHERE id > %s AND id <= %s", (low, high))

    def single_update(self, over):
        self._connection.execute(f"UPDATE bench SET v = {self.expression}")
        return self.rows


class MariaDB:
    name, table, expression = "mariadb", "bench", "id % 100"

    def __init__(self, rows):
        self.rows, self.cluster = rows, MyCluster("mariadb", settings={"innodb-buffer-pool-size": "1G"})

    def __enter__(self):
        self.cluster.start()
        self._database = MyDatabase(self.cluster, "bench").create()
        self._database.execute("CREATE TABLE beat (id int PRIMARY KEY, at double)")
        self._database.execute(f"INSERT INTO beat VALUES (1, {time.time()})")
        return self

    def __exit__(self, *_):
        self._database.close()
        self.cluster.stop()

    def version(self):
        return self.cluster.primary.version()

    @property
    def target(self) -> dict:
        return {"primary": self._database.url, "replicas": self.cluster.replicas_setting(), **self._database.target}

    def foreground_url(self):
        return self.cluster.primary.url("bench", "root")

    def connect(self):
        return self.cluster.primary.connect("bench")

    def connect_replica(self):
        return self.cluster.replica.connect("bench")

    def beat(self, connection):
        connection.cursor().execute("UPDATE beat SET at = %s", (time.time(),))

    def newest_beat(self, connection) -> float:
        cursor = connection.cursor()
        cursor.execute("SELECT at FROM beat")
        return cursor.fetchone()[0]

    def fresh_table(self):
        execute = self._database.execute
        execute("DROP DATABASE IF EXISTS backfilld")
        execute("DROP TABLE IF EXISTS bench")
        execute("CREATE TABLE bench (id bigint NOT NULL PRIMARY KEY, v int, customer bigint NOT NULL, "
                "status varchar(20) NOT NULL, created_at datetime NOT NULL, note varchar(60) NOT NULL)")
        number_rows(self._database, "INSERT INTO bench SELECT i, NULL, i % 5000, 'delivered', "
                    "'2020-01-01' + INTERVAL i MINUTE, REPEAT('x', 30) FROM numbers", self.rows)
        execute("ANALYZE TABLE bench")
        wanted = self.cluster.primary.sql("SELECT @@gtid_binlog_pos")[0][0]
        until(lambda: self.cluster.replica.sql(f"SELECT MASTER_GTID_WAIT('{wanted}', 0.2)")[0][0] == 0, 600,
              "the replica has caught up", 0.05)

    def settle(self):
        os.sync()

    def update_range(self, connection, low, high):
        connection.cursor().execute("UPDATE bench SET v = id %% 100 WHERE id > %s AND id <= %s", (low, high))

    def single_update(self, over):
        self._database.execute(f"UPDATE bench SET v = {self.expression}")
        return self.rows


ENGINES = {engine.name: engine for engine in (PostgreSQL, MariaDB)}
