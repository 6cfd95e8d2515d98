"""On PostgreSQL a batch is committed before it is on the disk. A server that dies takes back rows and checkpoint together, and
what a job says of its end is on the disk. The log's writer is slowed down here, so that there is something to lose."""
import pytest

from lab.counted import full_speed, make_table, slow_batches
from lab.daemon import document, pace
from lab.wait import until

ROWS = 3000


@pytest.fixture
def lazy_cluster(own_cluster):
    """Only who asks for it has the log flushed."""
    own_cluster.primary.configure(wal_writer_delay="10s", wal_writer_flush_after="1GB", autovacuum="off", bgwriter_delay="10s")
    own_cluster.primary.restart()
    return own_cluster


def the_job(**more):
    return document("counted", {"n": "n + 1"}, pace=pace(20), **more)


def test_a_crash_takes_back_whole_batches(lazy_cluster, make_daemon):
    database = lazy_cluster.make_database()
    make_table(database, ROWS)
    slow_batches(database, 0.02)
    daemon = make_daemon(database)
    job = daemon.submit(the_job())
    lost = 0
    for crash in range(1, 6):
        daemon.wait_progress(job, crash * 15)
        daemon.sigstop()
        until(lambda: not database.value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'backfilld %' "
                                         "AND state <> 'idle'"), 20, "the batch under way has ended")
        before = database.value("SELECT seq FROM backfilld.checkpoint")
        lazy_cluster.primary.restart("immediate")
        lost = before - database.value("SELECT seq FROM backfilld.checkpoint")
        changed, scanned = database.row("SELECT (SELECT count(*) FROM counted WHERE n = 1), rows_scanned FROM backfilld.checkpoint")
        assert changed == scanned
        daemon.sigcont()
        if lost:
            break
    assert lost > 0, "no crash took anything back: then this test shows nothing"
    full_speed(database)
    done = daemon.wait(job, "completed", seconds=90)
    assert done["progress"]["rows_changed"] == ROWS
    lazy_cluster.primary.restart("immediate")
    assert database.row("SELECT min(n), max(n), count(*) FROM counted") == (1, 1, ROWS)
    assert database.row("SELECT done, owner, rows_changed FROM backfilld.checkpoint") == (True, "", ROWS)
    assert database.value("SELECT state FROM backfilld.job") == "completed"
    database.close()


def test_a_pause_is_on_the_disk(lazy_cluster, make_daemon):
    database = lazy_cluster.make_database()
    make_table(database, ROWS)
    slow_batches(database, 0.02)
    daemon = make_daemon(database)
    job = daemon.submit(the_job())
    daemon.wait_progress(job, 10)
    daemon.pause(job)
    changed = daemon.wait(job, "paused")["progress"]["rows_changed"]
    lazy_cluster.primary.restart("immediate")
    assert database.value("SELECT count(*) FROM counted WHERE n = 1") == changed
    assert database.value("SELECT rows_changed FROM backfilld.checkpoint") == changed
    database.close()


def test_a_replica_is_asked_when_it_has_the_last_batch(lazy_cluster, make_daemon):
    database = lazy_cluster.make_database()
    make_table(database, 200)
    lazy_cluster.primary.psql("CHECKPOINT")
    replica = lazy_cluster.replica
    until(lambda: replica.psql(f"SELECT count(*) FROM pg_database WHERE datname = '{database.name}'") == "1", 20, "it is replayed")
    left = "SELECT count(*) FROM counted WHERE n = 0"
    daemon = make_daemon(database, replicas=replica.url(database.name))
    job = daemon.submit(the_job(canary={"rows": 20}, checks={
        "canary": [{"name": "the rest is left", "sql": left, "equals": "180", "on": "replica"}],
        "after": [{"name": "none is left", "sql": left, "equals": "0", "on": "replica"}]}))
    assert daemon.wait(job, "completed")["progress"]["rows_changed"] == 200
    database.close()
