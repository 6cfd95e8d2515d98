"""Each error of MariaDB and MySQL in the middle of a batch has its class, takes the whole batch back, and is got over. What
cannot be provoked here (certification needs a Galera or group replication cluster, 1412 a snapshot that lasts longer than a
statement of READ COMMITTED) is raised by the server itself in place of the batch's UPDATE or COMMIT, by SIGNAL."""
import re
import threading

import pytest

from lab.daemon import document, pace
from lab.mysql_database import full_speed, make_table, slow_batches
from lab.mysql_proxy import MyProxy

# error: (SQLSTATE, in place of what, what the job says while it tries again)
RAISED = {
    3101: ("40000", "COMMIT", "serialization"),      # group replication: certification failed
    1180: ("HY000", "COMMIT", "serialization"),      # Galera: certification failed
    1213: ("40001", "COMMIT", "lock_conflict"),      # Galera says a deadlock too
    1213.5: ("40001", "UPDATE", "lock_conflict"),
    1205: ("HY000", "UPDATE", "lock_conflict"),
    3572: ("HY000", "UPDATE", "lock_conflict"),
    1020: ("HY000", "UPDATE", "serialization"),
    1290: ("HY000", "UPDATE", "not_primary"),
    1836: ("HY000", "UPDATE", "not_primary"),
    1792: ("25006", "COMMIT", "not_primary"),
    3100: ("HY000", "COMMIT", "not_primary"),
    1047: ("08S01", "UPDATE", "server_resources"),
    1114: ("HY000", "UPDATE", "server_resources"),
    1021: ("HY000", "COMMIT", "server_resources"),
    1197: ("HY000", "UPDATE", "server_resources"),
    3024: ("HY000", "UPDATE", "statement_timeout"),
    1969: ("70100", "UPDATE", "statement_timeout"),
    1317: ("70100", "COMMIT", "statement_timeout"),
}


def counted(**more):
    return document("counted", {"n": "n + 1"}, **more)


def all_once(database, rows):
    assert dict(database.rows("SELECT n, COUNT(*) FROM counted GROUP BY n")) == {1: rows}


class Raise:
    """A batch's UPDATE (after it, so that there is something to take back) or COMMIT becomes an error of the server's own."""

    def __init__(self, number, sqlstate, place, most=10**9):
        self.sql = f"SIGNAL SQLSTATE '{sqlstate}' SET MYSQL_ERRNO = {int(number)}, MESSAGE_TEXT = 'as if'"
        self.place, self.on, self.raised, self.most = place, True, 0, most

    def __call__(self, command) -> bool:
        if not self.on or not command.is_batch or command.batch_number < 3 or self.raised >= self.most:
            return False
        if self.place == "COMMIT":
            sql, count = re.subn(r"\*/ COMMIT", f"*/ {self.sql}", command.sql)
        else:
            sql, count = re.subn(r"SET @backfilld_changed = @backfilld_changed \+", f"{self.sql}; \\g<0>", command.sql, count=1)
        assert count == 1, command.sql
        self.raised += 1
        command.send(sql)
        return True


@pytest.mark.parametrize("number", RAISED)
def test_an_error_in_the_middle_of_a_batch(number, my_database, my_cluster, make_daemon):
    sqlstate, place, code = RAISED[number]
    make_table(my_database, 200)
    with MyProxy(my_cluster.primary) as proxy:
        proxy.handler = Raise(number, sqlstate, place)
        daemon = make_daemon(proxy.url(my_database.name), **my_database.target)
        job = daemon.submit(counted(pace=pace(20)))
        reason = daemon.wait_reason(job, code)["reason"]["text"]
        assert str(int(number)) in reason, reason
        assert my_database.value("SELECT COUNT(*) FROM counted WHERE n = 1") == 40, "the failed batch left something"
        proxy.handler.on = False
        daemon.wait(job, "completed")
    all_once(my_database, 200)


@pytest.mark.parametrize("number, sqlstate", [(1412, "HY000"), (1146, "42S02"), (1054, "42S22")])
def test_a_definition_that_changed_is_looked_at_anew_once(number, sqlstate, my_database, my_cluster, make_daemon):
    """A definition that is as it was: the job goes on. The second time in a row it does not help to look again."""
    make_table(my_database, 200)
    with MyProxy(my_cluster.primary) as proxy:
        proxy.handler = Raise(number, sqlstate, "UPDATE", most=1)
        daemon = make_daemon(proxy.url(my_database.name), **my_database.target)
        job = daemon.submit(counted(pace=pace(20)))
        daemon.wait(job, "completed")
        assert proxy.handler.raised == 1
        all_once(my_database, 200)
        proxy.handler = Raise(number, sqlstate, "UPDATE")
        failed = daemon.wait(daemon.submit(counted(pace=pace(20), again=True)), "failed")
        assert failed["reason"]["code"] == "statement_failed" and str(number) in failed["reason"]["text"], failed["reason"]
    all_once(my_database, 200)


@pytest.mark.parametrize("rights", ["few", "all"])
def test_read_only_in_the_middle(rights, own_my_cluster, make_daemon):
    """What a fail-over tool does first. An account with every right could write all the same, and must not."""
    server = own_my_cluster.primary
    server.sql("CREATE DATABASE shop")
    from lab.mysql_database import MyDatabase
    database = MyDatabase(own_my_cluster, "shop")
    make_table(database, 2000)
    slow_batches(database, 0.005, every=5)
    user = "backfill"
    if rights == "few":
        user = "few"
        server.sql("CREATE USER few@'%' IDENTIFIED BY 'bf-secret'", "CREATE DATABASE backfilld",
                   "GRANT SELECT, UPDATE, TRIGGER ON shop.* TO few@'%'", "GRANT ALL ON backfilld.* TO few@'%'")
    daemon = make_daemon(server.url("shop", user), **database.target)
    job = daemon.submit(counted(pace=pace(20)))
    daemon.wait_progress(job, 5)
    server.sql("SET GLOBAL read_only = 1")
    daemon.wait_reason(job, "not_primary")
    before = database.row("SELECT SUM(n), (SELECT SUM(seq + epoch) FROM backfilld.checkpoint) FROM counted")
    threading.Event().wait(1.5)  # some tries of the job
    assert database.row("SELECT SUM(n), (SELECT SUM(seq + epoch) FROM backfilld.checkpoint) FROM counted") == before
    server.sql("SET GLOBAL read_only = 0")
    full_speed(database)
    daemon.wait(job, "completed")
    all_once(database, 2000)
    database.close()


def test_a_server_whose_innodb_is_read_only(own_my_cluster, make_daemon):
    """1036 or 1015 of a server that was started with innodb_read_only: not the primary, and no failure."""
    server = own_my_cluster.primary
    server.sql("CREATE DATABASE shop")
    from lab.mysql_database import MyDatabase
    database = MyDatabase(own_my_cluster, "shop")
    make_table(database, 2000)
    slow_batches(database, 0.005, every=5)
    daemon = make_daemon(server.url("shop"), **database.target)
    job = daemon.submit(counted(pace=pace(20)))
    daemon.wait_progress(job, 5)
    server.configure(innodb_read_only=1)
    server.restart()
    reason = daemon.wait_reason(job, "not_primary", seconds=90)["reason"]["text"]
    assert "is read only" in reason, reason
    server.configure(innodb_read_only=0)
    server.restart()
    full_speed(database)
    daemon.wait(job, "completed")
    all_once(database, 2000)
    database.close()


def test_a_column_more_does_not_stop_the_job(my_database, make_daemon):
    """DDL that leaves key and set columns as they are: the batch in front of it ends, those behind it wait for it."""
    make_table(my_database, 1000)
    slow_batches(my_database, 0.005, every=5)
    daemon = make_daemon(my_database, **my_database.target)
    job = daemon.submit(counted(pace=pace(20)))
    daemon.wait_progress(job, 3)
    my_database.execute("ALTER TABLE counted ADD COLUMN more INTEGER, ADD INDEX (other)")
    my_database.execute("ALTER TABLE counted ENGINE = InnoDB")
    assert daemon.job(job)["state"] == "running"
    full_speed(my_database)
    daemon.wait(job, "completed")
    all_once(my_database, 1000)
