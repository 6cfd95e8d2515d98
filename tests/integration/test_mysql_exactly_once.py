"""Exactly once on MariaDB and MySQL: the campaign of test_exactly_once.py. SET n = n + 1 with four writers beside it, and the
daemon, its connection or its server ended at every bad moment. At the end each old row is at exactly one."""
import random
import threading

import pytest

from lab.counted import check
from lab.daemon import document, pace
from lab.mysql_database import MyDatabase, MyWriters, full_speed, make_table, slow_batches, wait_quiet
from lab.mysql_fixtures import make_my_database
from lab.mysql_proxy import BOUNDARIES, KillAt, MyProxy
from lab.wait import until

from test_exactly_once import cut_at, revive_until_done

ROWS = 400


def job_document(rows_a_batch, **more):
    return document("counted", {"n": "n + 1"}, pace=pace(rows_a_batch), **more)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_killed_at_every_boundary_of_every_batch(boundary, my_database, my_cluster, make_daemon):
    make_table(my_database, ROWS)
    with MyProxy(my_cluster.primary) as proxy, MyWriters(my_database, ROWS) as writers:
        # where a strike takes the batch back, its second try passes; else every batch is struck
        every = 2 if boundary in BOUNDARIES[:2] else 1
        daemon = make_daemon(proxy.url(my_database.name), **my_database.target)
        strike = KillAt(boundary, lambda: daemon.pid, my_database, lambda number: number % every == 0)
        proxy.handler = strike
        job = revive_until_done(daemon, daemon.submit(job_document(20)), strike)
        proxy.handler = None
    assert strike.kills >= ROWS // 20 - 1
    assert job["progress"]["resumed"] >= strike.kills - 1
    check(my_database, ROWS, writers)


def test_killed_a_hundred_times_at_random(my_database, make_daemon, campaign):
    kills, rows = (1000, 200_000) if campaign else (100, 20_000)
    chance = random.Random(20261121)
    make_table(my_database, rows)
    slow_batches(my_database, 0.02, every=20)
    daemon = make_daemon(my_database, **my_database.target)
    with MyWriters(my_database, rows) as writers:
        job = daemon.submit(job_document(20))
        for number in range(kills):
            # waits for life or not: also a start is a moment to die in
            if number % 3:
                daemon.wait_up()
            threading.Event().wait(chance.uniform(0, 0.2))
            daemon.kill9()
            daemon.start(wait=False)
        daemon.wait_up()
        left = my_database.value("SELECT COUNT(*) FROM counted WHERE n = 0 AND id % 10 = 0")
        assert left > 0, f"the job was done before the last of {kills} kills"
        full_speed(my_database)
        job = daemon.wait(job, "completed", seconds=300)
    check(my_database, rows, writers)
    assert my_database.value("SELECT rows_changed FROM backfilld.checkpoint") == job["progress"]["rows_changed"]


def test_the_old_session_still_runs_when_the_daemon_is_back(my_database, make_daemon):
    """A batch takes 3 s; the daemon is back while the server still works on its predecessor's batch."""
    rows = 90
    make_table(my_database, rows)
    slow_batches(my_database, 0.1)
    daemon = make_daemon(my_database, **my_database.target)
    with MyWriters(my_database, rows, most_deletes=10) as writers:
        job = daemon.submit(job_document(30, limits={"statement_timeout": "30s", "lock_timeout": "1s"}))
        killed = set()
        for _ in range(3):
            busy = until(lambda: set(my_database.slowed(job)) - killed, 30,
                         lambda _: f"a batch is under way: {daemon.job(job)}")
            daemon.kill9()
            killed |= busy
            assert set(my_database.slowed(job)) & busy, "the old session is over already"
            daemon.start()
        full_speed(my_database)
        daemon.wait(job, "completed", seconds=90)
    check(my_database, rows, writers)


def test_cut_after_everything_was_sent(my_database, my_cluster, make_daemon):
    """The client's side is cut while the batch is on its way: the server carries it out unseen."""
    make_table(my_database, ROWS)

    def act(command):
        command.forward()
        command.connection.cut_client()
    with MyProxy(my_cluster.primary) as proxy, MyWriters(my_database, ROWS) as writers:
        proxy.handler = cut_at(7, act)
        daemon = make_daemon(proxy.url(my_database.name), **my_database.target)
        daemon.wait(daemon.submit(job_document(20)), "completed")
        assert proxy.handler.done.is_set()
    check(my_database, ROWS, writers)


@pytest.mark.parametrize("outcome", ["committed", "rolled back"])
def test_cut_while_the_lost_session_keeps_its_locks(outcome, my_database, my_cluster, make_daemon):
    """The lost session sits in its transaction, then commits or ends: only its end shows which, and the job waits."""
    make_table(my_database, ROWS)
    lost = []

    def act(command):
        command.connection.mute = True
        command.forward_without_commit()
        lost.append(command)
        command.connection.cut_client()
    with MyProxy(my_cluster.primary) as proxy, MyWriters(my_database, ROWS, most_deletes=20) as writers:
        proxy.handler = cut_at(7, act)
        daemon = make_daemon(proxy.url(my_database.name), **my_database.target)
        job = daemon.submit(job_document(20))
        daemon.wait_reason(job, "lost_session")
        connection = lost[0].connection
        if outcome == "committed":
            connection.to_server(b"\x07\0\0\0\x03COMMIT")
        else:
            connection.close_server()
        daemon.wait(job, "completed")
        connection.close_server()
    check(my_database, ROWS, writers)


def test_answers_that_never_come(my_database, my_cluster, make_daemon):
    """The server works and commits, but no answer reaches the daemon any more on that connection."""
    make_table(my_database, ROWS)

    def act(command):
        command.connection.mute = True
        command.forward()
    with MyProxy(my_cluster.primary) as proxy, MyWriters(my_database, ROWS) as writers:
        proxy.handler = cut_at(7, act)
        daemon = make_daemon(proxy.url(my_database.name), **my_database.target)
        job = daemon.submit(job_document(20, limits={"statement_timeout": "1s", "lock_timeout": "500ms"}))
        daemon.wait(job, "completed", seconds=90)
        assert proxy.handler.done.is_set()
    check(my_database, ROWS, writers)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_server_restarted(mode, own_my_cluster, make_daemon):
    rows = 4000
    own_my_cluster.primary.configure(innodb_flush_log_at_trx_commit=1, sync_binlog=1, innodb_doublewrite=1)
    own_my_cluster.primary.restart()
    database = make_my_database(own_my_cluster)
    make_table(database, rows)
    slow_batches(database, 0.02, every=20)
    daemon = make_daemon(database, **database.target)
    with MyWriters(database, rows) as writers:
        job = daemon.submit(job_document(20))
        for batches in (10, 40):
            daemon.wait_progress(job, batches)
            own_my_cluster.primary.restart(mode)
        daemon.wait_progress(job, 60)
        full_speed(database)
        daemon.wait(job, "completed", seconds=90)
    check(database, rows, writers)
    database.close()


def end_session(database, job):
    """A person ends the job's session while it works."""
    number = until(lambda: database.slowed(job), 20, "a session of the job to end", every=0.001)[0]
    database.execute(f"KILL CONNECTION {number}")


def test_session_ended_by_a_person(my_database, make_daemon):
    """Once: the job goes on. Twice within ten minutes while the server stays up: a word from a person, it pauses."""
    rows = 4000
    make_table(my_database, rows)
    slow_batches(my_database, 0.02, every=5)
    daemon = make_daemon(my_database, **my_database.target)
    with MyWriters(my_database, rows) as writers:
        job = daemon.submit(job_document(20))
        daemon.wait_progress(job, 10)
        end_session(my_database, job)
        before = daemon.job(job)["progress"]["batches"]
        assert daemon.wait_progress(job, before + 10)["state"] == "running"
        end_session(my_database, job)
        paused = daemon.wait(job, "paused")
        assert paused["reason"]["code"] == "ended_by_dba"
        wait_quiet(my_database, job)
        full_speed(my_database)
        daemon.resume(job)
        daemon.wait(job, "completed", seconds=90)
    check(my_database, rows, writers)


def test_statements_killed_by_a_person(my_database, make_daemon):
    """KILL QUERY from outside, again and again: each takes a batch back, or comes between two statements of one."""
    rows = 2000
    make_table(my_database, rows)
    slow_batches(my_database, 0.005, every=5)
    daemon = make_daemon(my_database, **my_database.target)
    with MyWriters(my_database, rows) as writers:
        job = daemon.submit(job_document(20))
        daemon.wait_progress(job, 3)
        for _ in range(300):
            for number in my_database.sessions(job):
                my_database.execute(f"KILL QUERY {number}")
        assert daemon.job(job)["state"] == "running"
        full_speed(my_database)
        daemon.wait(job, "completed", seconds=90)
    check(my_database, rows, writers)


@pytest.mark.parametrize("old_primary", ["killed", "demoted"])
def test_fail_over_that_loses_the_last_commits(old_primary, own_my_cluster, make_daemon):
    """`demoted`: the old primary stays up, read-only, and the daemon's account has the right to write there all the same."""
    rows = 4000
    primary, replica = own_my_cluster.primary, own_my_cluster.replica
    database = make_my_database(own_my_cluster)
    make_table(database, rows)
    slow_batches(database, 0.02, every=20)
    url = f"mysql://backfill@127.0.0.1:{primary.port},127.0.0.1:{replica.port}/{database.name}"
    daemon = make_daemon(url, **database.target)
    with MyWriters(database, rows, servers=[primary, replica]) as writers:
        job = daemon.submit(job_document(20))
        daemon.wait_progress(job, 20)
        # from here on the replica hears nothing more: what the primary commits now is lost
        own_my_cluster.cut_replica()
        ahead = daemon.job(job)["progress"]["batches"]
        daemon.wait_progress(job, ahead + 20)
        if old_primary == "killed":
            primary.stop("immediate")
        else:
            primary.sql("SET GLOBAL read_only = 1")
            stopped = primary.sql(f"SELECT MAX(batches) FROM backfilld.checkpoint")[0][0]
        new = MyDatabase(own_my_cluster, database.name, replica)
        kept = new.value("SELECT batches FROM backfilld.checkpoint")
        assert kept <= ahead + 1, "the fail-over lost nothing: the test has no subject"
        own_my_cluster.promote()
        until(lambda: new.value("SELECT batches FROM backfilld.checkpoint") > kept, 60,
              lambda _: f"the job goes on: {daemon.job(job)}\n{daemon.log_tail()}")
        full_speed(new)
        daemon.wait(job, "completed", seconds=90)
        if old_primary == "demoted":
            assert primary.sql("SELECT MAX(batches) FROM backfilld.checkpoint")[0][0] <= stopped + 1
    check(new, rows, writers)
    new.close()
    database.close()
