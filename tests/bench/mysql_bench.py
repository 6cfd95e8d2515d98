"""The ways of tests/bench/throughput on MariaDB and MySQL, and the replica's worst lag in each. `throughput --engine` runs
it; measure() and report() of throughput do the rest."""
import subprocess
import sys
import threading
import time

from lab.mysql import MyCluster, mysql_missing
from lab.mysql_database import number_rows, MyDatabase
from lab.wait import until

# way: (what it is, the least ratio; None: none is set)
WAYS = {
    "a": ("one single UPDATE", {"mariadb": 0.80, "mysql": 0.72}),
    "c1000": ("pymysql, key ranges of 1,000", None),
    "c10000": ("pymysql, key ranges of 10,000", None),
    "d": ("C loop, backfilld's batch size", {"mariadb": 0.95, "mysql": 0.95}),
}
EXPRESSION = "id % 100"


def ways(engine) -> dict:
    return {way: (title, least[engine] if least else 0.0) for way, (title, least) in WAYS.items()}


def cluster(engine):
    if engine == "mysql" and mysql_missing():
        sys.exit(f"throughput: {mysql_missing()}")
    return MyCluster(engine, settings={"innodb-buffer-pool-size": "1G"})


class Lag:
    """The replica's worst lag in seconds while the block runs and until it has caught up."""

    def __init__(self, running):
        self.replica, self.flavour, self.worst = running.replica, running.flavour, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def behind(self):
        import pymysql
        words = ("SHOW SLAVE STATUS", "Seconds_Behind_Master") if self.flavour == "mariadb" else \
            ("SHOW REPLICA STATUS", "Seconds_Behind_Source")
        connection = self.replica.connect(cursorclass=pymysql.cursors.DictCursor)
        try:
            with connection.cursor() as cursor:
                cursor.execute(words[0])
                return cursor.fetchone()[words[1]] or 0
        finally:
            connection.close()

    def _watch(self):
        while not self._over.is_set():
            self.worst = max(self.worst, self.behind())
            self._over.wait(0.2)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()


def position(running) -> tuple:
    """What the primary has written, and whether the replica has it."""
    if running.flavour == "mariadb":
        wanted = running.primary.sql("SELECT @@gtid_binlog_pos")[0][0]
        return lambda: running.replica.sql(f"SELECT MASTER_GTID_WAIT('{wanted}', 0.2)")[0][0] == 0
    wanted = running.primary.sql("SELECT @@global.gtid_executed")[0][0].replace("\n", "")
    return lambda: running.replica.sql(f"SELECT WAIT_FOR_EXECUTED_GTID_SET('{wanted}', 1)")[0][0] == 0


class MyEngine:
    """What Bench of throughput asks of an engine."""

    def __init__(self, running, root, work):
        self.running, self.lags = running, {}
        self.database = MyDatabase(running, "bench").create()
        self.loop = work / "loop"
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "mysqlclient"], check=True, capture_output=True,
                               text=True)
        subprocess.run(["cc", "-O2", "-o", self.loop, root / "tests/bench/mysql_loop.c", *flags.stdout.split()], check=True)

    @property
    def target(self) -> dict:
        return {"primary": self.database.url, **self.database.target}

    def fresh_table(self, rows):
        execute = self.database.execute
        execute("DROP DATABASE IF EXISTS backfilld")
        execute("DROP TABLE IF EXISTS bench")
        execute("CREATE TABLE bench (id BIGINT NOT NULL PRIMARY KEY, v INTEGER, customer BIGINT NOT NULL, status VARCHAR(20) "
                "NOT NULL, created_at DATETIME NOT NULL, note VARCHAR(100) NOT NULL)")
        number_rows(self.database, "INSERT INTO bench SELECT i, NULL, i % 5000, 'delivered', TIMESTAMP('2020-01-01') + "
                    "INTERVAL i MINUTE, REPEAT('x', 30) FROM numbers", rows)
        execute("ANALYZE TABLE bench")
        until(position(self.running), 600, "the replica has caught up", 0.05)

    def timed(self, way, work):
        """Seconds that `work` took; notes the replica's worst lag until it has caught up."""
        with Lag(self.running) as lag:
            start = time.monotonic()
            result = work()
            seconds = time.monotonic() - start
            until(position(self.running), 600, "the replica has caught up", 0.05)
        self.lags.setdefault(way, []).append(lag.worst)
        return seconds if result is None else result

    def reference(self, way, rows, batch):
        def one():
            self.database.execute(f"UPDATE bench SET v = {EXPRESSION}")

        def loop():
            subprocess.run([self.loop, self.running.primary.socket, "bench", "bench", str(rows), str(batch)], check=True)

        def ranges():
            step = int(way[1:])
            for low in range(0, rows, step):
                self.database.execute(f"UPDATE bench SET v = {EXPRESSION} WHERE id > {low} AND id <= {low + step}")
        return self.timed(way, {"a": one, "d": loop}.get(way, ranges))

    def wrong(self) -> int:
        return self.database.value(f"SELECT COUNT(*) FROM bench WHERE NOT (v <=> {EXPRESSION})")

    def report_lags(self):
        print("the replica's worst lag, s: " +
              ", ".join(f"{way} {max(lags)}" for way, lags in sorted(self.lags.items())))
