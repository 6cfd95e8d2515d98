"""Certification that fails for real: a group of two MySQL servers, both writable, and an application that changes rows of a
batch on the other one. (MariaDB's Galera is no package of this suite: what it answers is raised in test_mysql_errors.py.)"""
import pytest

from lab.daemon import document, pace
from lab.engines import new_cluster
from lab.mysql import PASSWORD, TEST_SETTINGS, MyCluster
from lab.mysql_database import MyDatabase, full_speed, make_table, slow_batches
from lab.ports import free_port
from lab.wait import until

ROWS = 400


def start_group(cluster: MyCluster):
    ports = [free_port(), free_port()]
    members = [cluster.primary, cluster.replica]
    cluster._initialise()
    for member, port in zip(members, ports):
        member.configure(**{
            "plugin-load-add": "group_replication.so", "replica_parallel_workers": 1, "loose-group_replication_start_on_boot": "OFF",
            "loose-group_replication_group_name": "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
            "loose-group_replication_local_address": f"127.0.0.1:{port}",
            "loose-group_replication_group_seeds": ",".join(f"127.0.0.1:{port}" for port in ports),
            "loose-group_replication_single_primary_mode": "OFF",
            "loose-group_replication_enforce_update_everywhere_checks": "ON",
            "loose-group_replication_recovery_get_public_key": "ON"})
        member.start()
        member.sql("SET SQL_LOG_BIN = 0", f"CREATE USER backfill@'%' IDENTIFIED BY '{PASSWORD}'",
                   "GRANT ALL ON *.* TO backfill@'%'", "CREATE USER repl@'%' IDENTIFIED BY 'repl'",
                   "GRANT REPLICATION SLAVE, BACKUP_ADMIN, CONNECTION_ADMIN ON *.* TO repl@'%'", "SET SQL_LOG_BIN = 1",
                   "CHANGE REPLICATION SOURCE TO SOURCE_USER = 'repl', SOURCE_PASSWORD = 'repl' FOR CHANNEL "
                   "'group_replication_recovery'")
        if member is members[0]:
            member.sql("SET GLOBAL group_replication_bootstrap_group = ON", "START GROUP_REPLICATION",
                       "SET GLOBAL group_replication_bootstrap_group = OFF")
        else:
            member.sql("START GROUP_REPLICATION")
    until(lambda: members[0].sql("SELECT COUNT(*) FROM performance_schema.replication_group_members WHERE MEMBER_STATE = "
                                 "'ONLINE'")[0][0] == 2, 60, lambda _: f"both are online:\n{members[1].tail()}")


@pytest.fixture
def group():
    cluster = new_cluster("mysql", settings=TEST_SETTINGS)
    try:
        start_group(cluster)
        yield cluster
    finally:
        cluster.stop()


def test_certification_fails_under_a_batch(group, make_daemon):
    """mysql: the batch is taken back and tried again; each row is done once, and nothing of the application is lost."""
    group.primary.sql("CREATE DATABASE shop")
    database, other = (MyDatabase(group, "shop", server) for server in (group.primary, group.replica))
    make_table(database, ROWS)
    database.execute("CREATE TABLE blocker (id INTEGER PRIMARY KEY)")
    slow_batches(database, 0.01)
    until(lambda: other.rows("SHOW TABLES LIKE 'counted'") and other.value("SELECT COUNT(*) FROM counted") == ROWS, 30,
          "the other member has the rows")
    daemon = make_daemon(group.primary.url("shop"), password_file=group.password_file)
    plan = daemon.post("/v1/jobs?dry_run=true", document("counted", {"n": "n + 1"})).json
    assert {"code": "multi_writer", "risk": "RED", "value": 1.0, "text": "the server is part of a cluster that writes on several nodes: "
            "Group Replication, multi-primary"} in plan["reasons"], plan["reasons"]
    job = daemon.submit(document("counted", {"n": "n + 1"}, pace=pace(20)))
    updates = 0

    def change_a_row_of_the_batch():
        nonlocal updates
        position = database.value("SELECT position FROM backfilld.checkpoint")
        done = int("".join(filter(str.isdigit, position or "0")) or 0)
        other.execute("UPDATE counted SET other = other + 1 WHERE id = %s", (done + 10,))
        updates += 1

    # what comes from the other member ends a transaction that holds its rows
    def struck():
        if not database.slowed(job):
            return False
        change_a_row_of_the_batch()
        return (daemon.job(job)["reason"] or {}).get("code") == "lock_conflict"
    until(struck, 30, lambda _: f"a batch is ended for the other member's sake: {daemon.job(job)}", every=0.05)
    # what has come but is not carried out yet is seen by the certification of our COMMIT alone
    blocked = database.connect()
    blocked.cursor().execute("LOCK TABLES blocker WRITE")
    other.execute("INSERT INTO blocker VALUES (1)")
    change_a_row_of_the_batch()
    reason = daemon.wait_reason(job, "serialization")["reason"]["text"]
    assert "3101" in reason, reason
    blocked.close()
    full_speed(database)
    daemon.wait(job, "completed")
    print(f"{updates} changes on the other member; the job said: {reason}")
    for member in (database, other):
        until(lambda: member.rows("SELECT MIN(n), MAX(n), SUM(other) FROM counted") == [(1, 1, updates)], 20,
              lambda _: member.rows("SELECT MIN(n), MAX(n), SUM(other) FROM counted"))
        member.close()


def test_flow_control_of_the_group(group, make_daemon):
    """mysql: the other member does not get on; the job holds before the group would slow its writes down, and goes on by itself."""
    group.primary.sql("CREATE DATABASE shop", "SET GLOBAL group_replication_flow_control_applier_threshold = 100")
    database, other = (MyDatabase(group, "shop", server) for server in (group.primary, group.replica))
    make_table(database, 30000)
    daemon = make_daemon(group.primary.url("shop"), password_file=group.password_file)
    job = daemon.submit(document("counted", {"n": "n + 1"}, limits={"flow_control": 0.5},
                                 pace={**pace(10), "max_rows_per_second": 500}))
    daemon.wait_progress(job, 10)
    until(lambda: other.value("SELECT COUNT(*) FROM counted") == 30000, 30, "the other member has the rows")
    blocker = other.connect()
    blocker.cursor().execute("FLUSH TABLES WITH READ LOCK")
    reason = daemon.wait_reason(job, "flow_control", 60)["reason"]
    assert reason["value"] >= 0.5 and reason["limit"] == 0.5 and reason["signal"] == "flow_control", reason
    assert "the cluster's flow control is" in reason["text"], reason
    batches = daemon.job(job)["progress"]["batches"]
    blocker.cursor().execute("UNLOCK TABLES")
    until(lambda: daemon.job(job)["progress"]["batches"] > batches + 1, 30, lambda _: f"it goes on: {daemon.job(job)['reason']}")
    daemon.abort(job)
    daemon.wait(job, "aborted")
    blocker.close()
    for member in (database, other):
        member.close()
