"""What is particular to replicas that are asked themselves: why they stand still, which of them get no heartbeat, who is
promoted, what the account may not see; and how much log a batch may write."""
import os
import signal
import struct
import time

import pytest

from lab.daemon import document, pace
from lab.mysql_database import make_database, make_table
from lab.wait import until

from test_replicas import replica_of, target, wait_batches

ROWS = 60000
COM_BINLOG_DUMP = 18


@pytest.fixture
def own_my_database(own_my_cluster):
    made = make_database(own_my_cluster)
    make_table(made, ROWS)
    yield made
    made.close()


@pytest.fixture
def watching(own_my_cluster, own_my_database, make_daemon):
    return make_daemon(own_my_database, replicas=own_my_cluster.replicas_setting())


def long_job(rows=100, **more):
    limited = {**pace(rows), "max_rows_per_second": 2000, **more.pop("pace", {})}
    return document("counted", {"n": "n + 1"}, pace=limited, **more)


def end(daemon, job):
    daemon.abort(job)
    daemon.wait(job, "aborted")


def wait_words(daemon, job, words, seconds=30):
    last = {}

    def said():
        last.update(daemon.job(job))
        return words in ((last["reason"] or {}).get("text") or "")
    until(said, seconds, lambda _: f"{words!r} in the reason: {last.get('activity')}, {last.get('reason')}\n"
          f"{target(daemon)['replicas']}\n{daemon.log_tail()}")
    return last


def test_the_reason_has_the_words_of_the_replica(own_my_cluster, own_my_database, watching):
    """Its IO thread is stopped; then a row that it has to change is not there, and its SQL thread stops by itself."""
    daemon, replica, name = watching, own_my_cluster.replica, own_my_cluster.replica_name()
    job = daemon.submit(long_job())
    wait_batches(daemon, job)
    own_my_cluster.replication("STOP", "IO_THREAD")
    held = wait_words(daemon, job, "its IO thread is stopped")
    assert held["reason"]["code"] == "replication_lag" and held["reason"]["text"].startswith(f"{name} is "), held["reason"]
    own_my_cluster.replication("START", "IO_THREAD")
    until(lambda: daemon.job(job)["progress"]["batches"] > held["progress"]["batches"], 30, "it goes on")
    assert replica_of(daemon, name)["trouble"] is None
    replica.sql("SET sql_log_bin = 0", f"DELETE FROM {own_my_database.name}.counted WHERE id > {10 * (ROWS - 100)}")
    own_my_database.execute(f"UPDATE counted SET other = 1 WHERE id = {10 * ROWS}")
    held = wait_words(daemon, job, "its SQL thread is stopped: ")
    assert held["reason"]["code"] == "replication_lag", held["reason"]
    end(daemon, job)


def test_a_replica_that_hangs(own_my_cluster, watching):
    """Nothing is known of it, and nobody else waits for it."""
    daemon, name = watching, own_my_cluster.replica_name()
    job = daemon.submit(long_job())
    wait_batches(daemon, job)
    pid = own_my_cluster.replica.pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        stopped_at = time.monotonic()
        slowest = 0.0
        while daemon.job(job)["activity"] != "holding":
            began = time.monotonic()
            daemon.get("/healthz")
            slowest = max(slowest, time.monotonic() - began)
            assert time.monotonic() - stopped_at < 30, f"it does not hold: {target(daemon)['replicas']}"
        assert slowest < 3, "the loop waits for the replica"
        held = daemon.wait_holding(job, "signal_stale", 30)
        assert held["reason"]["signal"] == f"lag:{name}"
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: daemon.job(job)["progress"]["batches"] > held["progress"]["batches"], 30, "it goes on")
    end(daemon, job)


def test_the_heartbeat_has_to_be_seen_before_the_first_batch(own_my_cluster, own_my_database, make_daemon):
    """A replica that leaves the schema out follows all the same, and is not measured by it: never zero."""
    cluster, replica, name = own_my_cluster, own_my_cluster.replica, own_my_cluster.replica_name()
    cluster.replication("STOP")
    if cluster.flavour == "mariadb":
        replica.sql("SET GLOBAL replicate_wild_ignore_table = 'backfilld.%'")
    else:
        replica.sql("CHANGE REPLICATION FILTER REPLICATE_WILD_IGNORE_TABLE = ('backfilld.%')")
    cluster.replication("START")
    daemon = make_daemon(own_my_database, replicas=cluster.replicas_setting())
    job = daemon.submit(long_job())
    held = wait_words(daemon, job, "does not show the heartbeat")
    assert held["reason"]["code"] == "signal_stale" and held["progress"]["batches"] == 0, held["reason"]
    assert replica_of(daemon, name)["lag_seconds"] is None
    assert daemon.post(f"/v1/targets/shop/replicas/{name}/ignore", {"for": "1m"}).status == 200
    wait_batches(daemon, job)
    end(daemon, job)


def test_a_promoted_replica_is_no_replica(own_my_cluster, own_my_database, make_daemon):
    cluster = own_my_cluster
    cluster.keep_commits()
    until(lambda: cluster.replica.sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'counted'")[0][0], 20,
          "the replica has the table")
    daemon = make_daemon(cluster.url(own_my_database.name), password_file=cluster.password_file,
                         replicas=cluster.replicas_setting())
    job = daemon.submit(long_job(accept=["no_replicas"]))
    wait_batches(daemon, job)
    assert replica_of(daemon, cluster.replica_name())["state"] == "heeded"
    until(lambda: (replica_of(daemon, cluster.replica_name())["lag_seconds"] or 1) < 0.5, 30, "the replica follows")
    cluster.primary.stop("immediate")
    cluster.replication("STOP")
    cluster.replica.sql("RESET SLAVE ALL" if cluster.flavour == "mariadb" else "RESET REPLICA ALL")
    cluster.promote()
    until(lambda: (replica_of(daemon, cluster.replica_name()) or {}).get("state") == "promoted", 30,
          lambda _: f"it is promoted: {target(daemon)['replicas']}, {daemon.job(job)['reason']}")
    wait_batches(daemon, job, 3, 40)
    end(daemon, job)


def test_a_replica_that_was_promoted_leaves_none(own_my_cluster, own_my_database, watching):
    """That it is no replica any more is no reason to write faster."""
    daemon = watching
    job = daemon.submit(long_job())
    wait_batches(daemon, job)
    own_my_cluster.replication("STOP")
    own_my_cluster.replica.sql("RESET SLAVE ALL" if own_my_cluster.flavour == "mariadb" else "RESET REPLICA ALL")
    wait_words(daemon, job, "it replicates from nobody")
    own_my_cluster.promote()
    held = daemon.wait_holding(job, "no_replicas")
    assert "every replica that is named is a primary now" in held["reason"]["text"], held["reason"]
    end(daemon, job)


def test_what_the_account_may_not_do(own_my_cluster, own_my_database, make_daemon):
    """Without the right to see the status it is measured all the same, and the reason has no more words."""
    cluster, name = own_my_cluster, own_my_cluster.replica_name()
    own_my_database.execute("CREATE USER modest@'%' IDENTIFIED BY 'bf-secret'")
    for schema in (own_my_database.name, "backfilld"):
        own_my_database.execute(f"GRANT ALL ON {schema}.* TO modest@'%'")
    daemon = make_daemon(cluster.primary.url(own_my_database.name, "modest"), password_file=cluster.password_file,
                         replicas=f"mysql://modest@127.0.0.1:{cluster.replica.port}")
    job = daemon.submit(long_job())
    wait_batches(daemon, job)
    until(lambda: replica_of(daemon, name)["lag_seconds"] < 1, 20, "it is measured")
    cluster.pause_replay()
    held = wait_words(daemon, job, "why cannot be told: ")
    assert held["reason"]["code"] == "replication_lag" and "denied" in held["reason"]["text"], held["reason"]
    cluster.resume_replay()
    until(lambda: daemon.job(job)["progress"]["batches"] > held["progress"]["batches"], 30, "it goes on")
    end(daemon, job)
    if cluster.flavour == "mysql":  # it cannot see how much goes into the files of the log either: then a cap holds
        job = daemon.submit(long_job(name="capped", pace={"max_log_bytes_per_second": "1MiB"}))
        held = wait_words(daemon, job, "file_summary_by_event_name")
        assert held["reason"]["code"] == "signal_stale" and held["progress"]["batches"] == 0, held["reason"]
        own_my_database.execute("GRANT SELECT ON performance_schema.file_summary_by_event_name TO modest@'%'")
        wait_batches(daemon, job)
        end(daemon, job)


def log_written(database) -> int:
    if database.cluster.flavour == "mariadb":
        return int(database.row("SHOW GLOBAL STATUS LIKE 'Binlog_bytes_written'")[1])
    return sum(int(row[1]) for row in database.rows("SHOW BINARY LOGS"))


def test_the_log_of_a_batch_has_a_cap(my_database, make_daemon):
    make_table(my_database, 100000)
    my_database.execute("UPDATE counted SET payload = REPEAT('y', 100)")
    daemon = make_daemon(my_database, **my_database.target)
    job = daemon.submit(document("counted", {"n": "n + 1"}, pace={"nice": 0, "max_log_bytes_per_second": "500KiB"}))
    daemon.wait_progress(job, 3)
    began, first = time.monotonic(), log_written(my_database)
    changed = daemon.job(job)["progress"]["rows_changed"]
    until(lambda: time.monotonic() - began > 5, 6, "five seconds")
    rate = (log_written(my_database) - first) / (time.monotonic() - began)
    assert daemon.job(job)["progress"]["rows_changed"] > changed
    assert 150 * 1024 < rate < 1000 * 1024, f"{rate / 1024:.0f} KiB/s"
    until(lambda: {one["name"]: one["value"] for one in target(daemon)["signals"]}["log_rate"] > 0, 30, "the rate is shown")
    end(daemon, job)


def test_the_control_schema_of_the_release_before(my_database, make_daemon):
    make_table(my_database, 100)
    daemon = make_daemon(my_database)
    daemon.wait(daemon.submit(document("counted", {"n": "n + 1"}, name="first")), "completed")
    newest = my_database.value("SELECT value FROM backfilld.meta WHERE `key` = 'schema_version'")
    my_database.execute("DROP TABLE backfilld.heartbeat")
    my_database.execute("UPDATE backfilld.meta SET value = '1' WHERE `key` = 'schema_version'")
    daemon.wait(daemon.submit(document("counted", {"n": "n + 1"}, name="second", again=True)), "completed")
    assert my_database.value("SELECT value FROM backfilld.meta WHERE `key` = 'schema_version'") == newest
    assert my_database.value("SELECT COUNT(*) FROM backfilld.heartbeat") == 0


def test_auto_finds_those_that_say_where_they_are(own_my_cluster, own_my_database, make_daemon):
    """The primary lists them; one that is gone from its list is expected all the same."""
    cluster, name = own_my_cluster, own_my_cluster.replica_name()
    cluster.keep_replayed()
    daemon = make_daemon(own_my_database, replicas="auto")
    job = daemon.submit(long_job())
    assert daemon.get(f"/v1/jobs/{job['id']}/plan").json["replicas"] == [name]
    wait_batches(daemon, job)
    assert replica_of(daemon, name)["state"] == "heeded"
    until(lambda: replica_of(daemon, name)["lag_seconds"] < 1, 20, "it is measured")
    cluster.pause_replay()
    held = wait_words(daemon, job, "its SQL thread is stopped")
    assert held["reason"]["signal"] == f"lag:{name}"
    cluster.resume_replay()
    until(lambda: daemon.job(job)["progress"]["batches"] > held["progress"]["batches"], 30, "it goes on")
    cluster.replica.stop("immediate")
    held = daemon.wait_holding(job, "signal_stale", 30)
    until(lambda: not log_readers(own_my_database) and not listed(cluster), 20, "the primary lists it no more", every=0.2)
    daemon.pause(job)
    daemon.wait(job, "paused")
    daemon.resume(job)
    held = daemon.wait_holding(job, "signal_stale", 30)
    assert held["reason"]["signal"] == f"lag:{name}", held["reason"]
    cluster.restart_replica()
    until(lambda: daemon.job(job)["progress"]["batches"] > held["progress"]["batches"], 20,
          lambda _: f"it goes on: {daemon.job(job)['reason']}")
    end(daemon, job)


def listed(cluster):
    return cluster.primary.sql("SHOW SLAVE HOSTS" if cluster.flavour == "mariadb" else "SHOW REPLICAS")


def log_readers(database) -> int:
    """A server notices that one is gone when it has something to tell it."""
    database.execute("UPDATE counted SET other = other + 1 LIMIT 1")
    return database.value("SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%%'")


def read_log(cluster):
    """A session that reads the log and never said who it is, as a program that copies changes elsewhere does."""
    connection = cluster.primary.connect()
    with connection.cursor() as cursor:
        cursor.execute("SHOW BINARY LOGS")
        newest = cursor.fetchall()[-1][0]
        cursor.execute("SET @master_binlog_checksum = @@global.binlog_checksum, @source_binlog_checksum = "
                       "@@global.binlog_checksum, @mariadb_slave_capability = 4")
    connection._execute_command(COM_BINLOG_DUMP, struct.pack("<IHI", 4, 0, 99) + newest.encode())
    return connection


def test_auto_does_not_take_the_unknown_for_none(own_my_cluster, own_my_database, make_daemon):
    """Who reads the log and does not say where it can be asked is not measured; that there is none has to be accepted."""
    cluster = own_my_cluster
    reader = read_log(cluster)
    until(lambda: log_readers(own_my_database) == 2, 20, "two read the log", every=0.2)
    daemon = make_daemon(own_my_database, replicas="auto")
    job = daemon.submit(long_job())
    held = wait_words(daemon, job, "1 of those who read the log of target shop do not say where they can be asked (report_host)")
    assert held["reason"]["code"] == "signal_stale" and held["progress"]["batches"] == 0, held["reason"]
    reader._force_close()
    until(lambda: log_readers(own_my_database) == 1, 30, "one of them is gone", every=0.2)
    wait_batches(daemon, job)
    end(daemon, job)
    cluster.replica.stop()
    until(lambda: log_readers(own_my_database) == 0, 30, "nobody reads the log", every=0.2)
    refused = daemon.post("/v1/jobs", long_job(name="alone"))
    assert refused.status == 422 and refused.json["code"] == "no_replicas", refused.text
