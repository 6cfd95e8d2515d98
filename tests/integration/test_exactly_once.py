"""Exactly once, whatever breaks: SET n = n + 1 with four writers beside it, and the daemon, its connection or its server
ended at every bad moment. At the end each old row is at exactly one."""
import random
import threading
import time

import pytest

from lab.counted import Writers, check, full_speed, make_table, slow_batches
from lab.daemon import FINAL, document, pace
from lab.proxy import BOUNDARIES, KillAt, Proxy
from lab.wait import until

from conftest import Database, make_database

ROWS = 400


def job_document(rows_a_batch, **more):
    return document("public.counted", {"n": "n + 1"}, pace=pace(rows_a_batch), **more)


def upstream(server):
    return "127.0.0.1", server.port


def revive_until_done(daemon, job, strike, seconds=120):
    """Starts the daemon again after each strike until the job is completed."""
    last = {}

    def struck_or_done():
        if strike.struck.is_set():
            return True
        try:
            last.update(daemon.job(job))
        except (OSError, AssertionError):
            return False  # it died while it answered, or just now came up
        return last["state"] in FINAL
    while True:
        until(struck_or_done, seconds, lambda _: f"a strike or the end: {last}\n{daemon.log_tail()}")
        if not strike.struck.is_set():
            break
        daemon.killed()
        strike.struck.clear()
        daemon.start()
    assert last["state"] == "completed", f"{last}\n{daemon.log_tail()}"
    return last


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_killed_at_every_boundary_of_every_batch(boundary, database, cluster, make_daemon):
    make_table(database, ROWS)
    with Proxy(upstream(cluster.primary)) as proxy, Writers(database.url, ROWS) as writers:
        # where a strike takes the batch back, its second try passes; else every batch is struck
        every = 2 if boundary in BOUNDARIES[:2] else 1
        daemon = make_daemon(proxy.url(database.name))
        strike = KillAt(boundary, lambda: daemon.pid, lambda number: number % every == 0)
        proxy.handler = strike
        job = revive_until_done(daemon, daemon.submit(job_document(20)), strike)
        proxy.handler = None
    assert strike.kills >= ROWS // 20 - 1
    assert job["progress"]["resumed"] >= strike.kills - 1
    check(database, ROWS, writers)


class KillAnywhere:
    """At each batch one of the boundaries by chance, or none."""

    def __init__(self, seed, pid):
        self._chance = random.Random(seed)
        self.struck = threading.Event()
        self._strikes = [KillAt(boundary, pid) for boundary in BOUNDARIES]
        for strike in self._strikes:
            strike.struck = self.struck

    @property
    def kills(self):
        return sum(strike.kills for strike in self._strikes)

    def __call__(self, group):
        if not group.is_batch or self._chance.random() < 0.4:
            return False
        return self._chance.choice(self._strikes)(group)


def test_killed_at_boundaries_by_chance_in_several_rounds(database, cluster, make_daemon, campaign):
    kills = 0
    for seed in range(40 if campaign else 4):
        database.execute("DROP TABLE IF EXISTS counted")
        make_table(database, ROWS)
        with Proxy(upstream(cluster.primary)) as proxy, Writers(database.url, ROWS) as writers:
            daemon = make_daemon(proxy.url(database.name))
            strike = KillAnywhere(seed, lambda d=daemon: d.pid)
            proxy.handler = strike
            revive_until_done(daemon, daemon.submit(job_document(20, name=f"round-{seed}")), strike)
            proxy.handler = None
        check(database, ROWS, writers)
        assert strike.kills >= 5, f"seed {seed}: only {strike.kills} kills"
        kills += strike.kills
        assert daemon.stop() == 0


def test_killed_a_hundred_times_at_random(database, make_daemon, campaign):
    kills, rows = (1000, 200_000) if campaign else (100, 30_000)
    chance = random.Random(20261121)
    make_table(database, rows)
    slow_batches(database, 0.01)
    daemon = make_daemon(database)
    with Writers(database.url, rows) as writers:
        job = daemon.submit(job_document(20))
        for number in range(kills):
            # waits for life or not: also a start is a moment to die in
            if number % 3:
                daemon.wait_up()
            threading.Event().wait(chance.uniform(0, 0.2))
            daemon.kill9()
            daemon.start(wait=False)
        daemon.wait_up()
        left = database.value("SELECT count(*) FROM counted WHERE n = 0 AND id % 10 = 0")
        assert left > 0, f"the job was done before the last of {kills} kills"
        full_speed(database)
        daemon.wait(job, "completed", seconds=300)
    check(database, rows, writers)


def test_the_old_session_still_runs_when_the_daemon_is_back(database, make_daemon):
    """A batch takes 3 s; the daemon is back within 100 ms, while the server still works on its predecessor's batch."""
    rows, kills = 120, 3
    make_table(database, rows)
    slow_batches(database, 0.1, per="ROW", when="new.id % 10 = 0")
    at_work = ("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backfilld ' || %s AND state = 'active' "
               "AND query LIKE '%%UPDATE%%counted%%' AND backend_start > %s")
    born = database.value("SELECT clock_timestamp()")
    daemon = make_daemon(database)
    with Writers(database.url, rows, most_deletes=10) as writers:
        job = daemon.submit(job_document(30, limits={"statement_timeout": "30s", "lock_timeout": "1s"}))
        for _ in range(kills):
            until(lambda since=born: database.value(at_work, (job["id"], since)), 60,
                  lambda _: f"a batch of this life is under way: {daemon.job(job)}\n{daemon.log_tail()}")
            killed = time.monotonic()
            daemon.kill9()
            assert database.value(at_work, (job["id"], born)) == 1, "the old session ended with its client"
            born = database.value("SELECT clock_timestamp()")
            daemon.start(wait=False)
            assert time.monotonic() - killed < 0.1
            daemon.wait_up()
        daemon.wait(job, "completed", seconds=90)
    assert daemon.job(job)["progress"]["resumed"] >= kills
    check(database, rows, writers)


def cut_at(number, act):
    """A handler that does `act(group)` with one batch and passes everything else."""
    done = threading.Event()

    def handler(group):
        if not group.is_batch or group.batch_number != number:
            return False
        act(group)
        done.set()
        return True
    handler.done = done
    return handler


def test_cut_after_everything_was_sent(database, cluster, make_daemon):
    """The client's side is cut while COMMIT is on its way: the server carries it out unseen."""
    make_table(database, ROWS)

    def act(group):
        group.forward()
        group.connection.cut_client()
    with Proxy(upstream(cluster.primary)) as proxy, Writers(database.url, ROWS) as writers:
        proxy.handler = cut_at(7, act)
        daemon = make_daemon(proxy.url(database.name))
        daemon.wait(daemon.submit(job_document(20)), "completed")
        assert proxy.handler.done.is_set()
    check(database, ROWS, writers)


@pytest.mark.parametrize("outcome", ["committed", "rolled back"])
def test_cut_while_the_lost_session_keeps_its_locks(outcome, database, cluster, make_daemon):
    """The lost session sits in its transaction, then commits or ends: only its end shows which, and the job waits."""
    make_table(database, ROWS)
    lost = []

    def act(group):
        group.forward_without_commit()
        lost.append(group)
        group.connection.cut_client()
    with Proxy(upstream(cluster.primary)) as proxy, Writers(database.url, ROWS, most_deletes=20) as writers:
        proxy.handler = cut_at(7, act)
        daemon = make_daemon(proxy.url(database.name))
        job = daemon.submit(job_document(20))
        daemon.wait_reason(job, "lost_session")
        # the way to the position is through the lost session's lock
        until(lambda: database.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND "
                                     "application_name = 'backfilld ' || %s AND query LIKE '%%epoch = epoch + 1%%'",
                                     (job["id"],)), 20,
              lambda _: f"the epoch waits for the lost session: {daemon.job(job)['reason']}\n{daemon.log_tail()}\n" + repr(
                  database.rows("SELECT application_name, state, wait_event, query FROM pg_stat_activity")))
        assert daemon.job(job)["reason"]["code"] == "lost_session"
        assert database.row("SELECT epoch, batches FROM backfilld.checkpoint") == (1, 6)
        connection = lost[0].connection
        if outcome == "committed":
            rest = [raw for kind, raw, sql in lost[0].items if kind == b"S" or (sql or "").endswith("COMMIT")]
            connection.to_server(b"".join(rest), 1)
            connection.wait_answered()
        connection.close_server()
        daemon.wait(job, "completed")
    check(database, ROWS, writers)


def test_answers_that_never_come(database, cluster, make_daemon):
    """The server works and commits, but no answer reaches the daemon any more on that connection."""
    make_table(database, ROWS)

    def act(group):
        group.connection.mute = True
        group.forward()
    with Proxy(upstream(cluster.primary)) as proxy, Writers(database.url, ROWS) as writers:
        proxy.handler = cut_at(7, act)
        daemon = make_daemon(proxy.url(database.name))
        job = daemon.submit(job_document(20, limits={"statement_timeout": "1s", "lock_timeout": "500ms"}))
        daemon.wait(job, "completed", seconds=90)
        assert proxy.handler.done.is_set()
    check(database, ROWS, writers)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_server_restarted(mode, own_cluster, make_daemon):
    rows = 4000
    database = make_database(own_cluster.primary)
    make_table(database, rows)
    slow_batches(database, 0.02)
    daemon = make_daemon(database)
    with Writers(database.url, rows) as writers:
        job = daemon.submit(job_document(20))
        for batches in (10, 40):
            daemon.wait_progress(job, batches)
            own_cluster.primary.restart(mode)
        daemon.wait_progress(job, 60)
        full_speed(database)
        daemon.wait(job, "completed", seconds=90)
    check(database, rows, writers)


def terminate(database, job) -> int:
    """A person ends the job's session."""
    return until(lambda: database.value(
        "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity "
        "WHERE application_name = 'backfilld ' || %s", (job["id"],)), 20, "a session of the job to end")


def test_session_ended_by_a_person(database, make_daemon):
    """Once: the job goes on. Twice within ten minutes while the server stays up: a word from a person, it pauses."""
    rows = 4000
    make_table(database, rows)
    slow_batches(database, 0.02)
    daemon = make_daemon(database)
    with Writers(database.url, rows) as writers:
        job = daemon.submit(job_document(20))
        daemon.wait_progress(job, 10)
        terminate(database, job)
        before = daemon.job(job)["progress"]["batches"]
        after = daemon.wait_progress(job, before + 10)
        assert after["state"] == "running"
        terminate(database, job)
        paused = daemon.wait(job, "paused")
        assert paused["reason"]["code"] == "ended_by_dba"
        assert database.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backfilld ' || %s",
                              (job["id"],)) == 0
        full_speed(database)
        daemon.resume(job)
        daemon.wait(job, "completed", seconds=90)
    check(database, rows, writers)


@pytest.mark.parametrize("stop_mode", ["immediate", "fast"])
def test_fail_over_that_loses_the_last_commits(stop_mode, own_cluster, make_daemon):
    rows = 4000
    primary, replica = own_cluster.primary, own_cluster.replica
    database = make_database(primary)
    make_table(database, rows)
    slow_batches(database, 0.02)
    url = (f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{replica.port}/{database.name}"
           "?target_session_attrs=read-write")
    daemon = make_daemon(url)
    with Writers(url, rows) as writers:
        job = daemon.submit(job_document(20))
        daemon.wait_progress(job, 20)
        # from here on the replica hears nothing more: what the primary commits now is lost
        replica.psql("ALTER SYSTEM SET primary_conninfo = ''")
        replica.psql("SELECT pg_reload_conf()")
        until(lambda: primary.psql("SELECT count(*) FROM pg_stat_replication") == "0", 20, "the replica is cut off")
        ahead = daemon.job(job)["progress"]["batches"]
        daemon.wait_progress(job, ahead + 20)
        primary.stop(stop_mode)
        done = "SELECT batches FROM backfilld.checkpoint"
        old = Database(replica, database.name)
        kept = old.value(done)
        assert kept <= ahead + 1, "the fail-over lost nothing: the test has no subject"
        replica.promote()
        until(lambda: old.value(done) > kept, 60, lambda _: f"the job goes on: {daemon.job(job)}\n{daemon.log_tail()}")
        full_speed(old)
        daemon.wait(job, "completed", seconds=90)
    check(old, rows, writers)
    old.close()
