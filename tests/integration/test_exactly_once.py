"""Exactly once, whatever breaks, on every engine: SET n = n + 1 with four writers beside it, and the daemon, its connection or
its server ended at every bad moment. At the end each old row is at exactly one."""
import random
import threading

import pytest

from lab.counted import check, full_speed, make_table, slow_batches
from lab.daemon import FINAL, document, pace
from lab.engines import ENGINES
from lab.proxy import BOUNDARIES
from lab.wait import until

pytestmark = pytest.mark.engines(*ENGINES)
ROWS = 400


def job_document(database, rows_a_batch, slices=1, **more):
    return document(database.table("counted"), {"n": "n + 1"}, pace={**pace(rows_a_batch), "slices": slices}, **more)


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
        daemon.start(wait=False)  # the next strike may come before it answers
    assert last["state"] == "completed", f"{last}\n{daemon.log_tail()}"
    return last


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_killed_at_every_boundary_of_every_batch(boundary, database, make_daemon, campaign):
    rows = ROWS if campaign or database.engine == "postgresql" else ROWS // 2
    make_table(database, rows)
    with database.proxy() as proxy, database.writers(rows) as writers:
        # where a strike takes the batch back, its second try passes; else every batch is struck
        every = 2 if boundary in BOUNDARIES[:2] else 1
        daemon = make_daemon(proxy.url(database.name), **database.target)
        strike = database.kill_at(boundary, lambda: daemon.pid, lambda number: number % every == 0)
        proxy.handler = strike
        job = revive_until_done(daemon, daemon.submit(job_document(database, 20)), strike)
        proxy.handler = None
    assert strike.kills >= rows // 20 - 1
    assert job["progress"]["resumed"] >= strike.kills - 1
    check(database, rows, writers)


class KillAnywhere:
    """At each batch one of the boundaries by chance, or none."""

    def __init__(self, seed, pid, database):
        self._chance = random.Random(seed)
        self.struck = threading.Event()
        self._strikes = [database.kill_at(boundary, pid) for boundary in BOUNDARIES]
        for strike in self._strikes:
            strike.struck = self.struck

    @property
    def kills(self):
        return sum(strike.kills for strike in self._strikes)

    def __call__(self, group):
        if not group.is_batch or self._chance.random() < 0.4:
            return False
        return self._chance.choice(self._strikes)(group)


@pytest.mark.parametrize("slices", [1, 3])
def test_killed_at_boundaries_by_chance_in_several_rounds(slices, database, make_daemon, campaign):
    kills = 0
    for seed in range(40 if campaign else 2 if database.engine == "postgresql" else 1):
        database.execute("DROP TABLE IF EXISTS counted")
        make_table(database, ROWS)
        with database.proxy() as proxy, database.writers(ROWS) as writers:
            daemon = make_daemon(proxy.url(database.name), **database.target)
            strike = KillAnywhere(seed, lambda d=daemon: d.pid, database)
            proxy.handler = strike
            revive_until_done(daemon, daemon.submit(job_document(database, 20, slices, name=f"round-{seed}")), strike)
            proxy.handler = None
        check(database, ROWS, writers)
        assert strike.kills >= 5, f"seed {seed}: only {strike.kills} kills"
        kills += strike.kills
        assert daemon.stop() == 0


@pytest.mark.parametrize("slices", [1, 3])
def test_killed_a_hundred_times_at_random(slices, database, make_daemon, campaign):
    kills, rows = (1000, 200_000) if campaign else (100, 30_000) if database.engine == "postgresql" and slices == 1 else (40, 12_000)
    chance, rows = random.Random(20261121), rows * slices
    make_table(database, rows)
    slow_batches(database, 0.01)
    daemon = make_daemon(database)
    with database.writers(rows) as writers:
        job = daemon.submit(job_document(database, 20, slices))
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
    """A batch takes 3 s; the daemon is back at once, while the server still works on its predecessor's batch."""
    rows, kills = 120, 3
    make_table(database, rows)
    slow_batches(database, 0.1, per="ROW", when="new.id % 10 = 0")
    daemon = make_daemon(database)
    killed = set()
    with database.writers(rows, most_deletes=10) as writers:
        job = daemon.submit(job_document(database, 30, limits={"statement_timeout": "30s", "lock_timeout": "1s"}))
        for _ in range(kills):
            busy = until(lambda: set(database.slowed(job)) - killed, 60,
                         lambda _: f"a batch of this life is under way: {daemon.job(job)}\n{daemon.log_tail()}")
            daemon.kill9()
            assert set(database.slowed(job)) & busy, "the old session ended with its client"
            killed |= busy
            daemon.start(wait=False)
            daemon.wait_up()
        full_speed(database)
        daemon.wait(job, "completed", seconds=90)
    # where a writer's row took the first batch back, the second life began at the start: nothing was resumed
    assert daemon.job(job)["progress"]["resumed"] >= kills - 1
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


def test_cut_after_everything_was_sent(database, make_daemon):
    """The client's side is cut while COMMIT is on its way: the server carries it out unseen."""
    make_table(database, ROWS)

    def act(group):
        group.forward()
        group.connection.cut_client()
    with database.proxy() as proxy, database.writers(ROWS) as writers:
        proxy.handler = cut_at(7, act)
        daemon = make_daemon(proxy.url(database.name), **database.target)
        daemon.wait(daemon.submit(job_document(database, 20)), "completed")
        assert proxy.handler.done.is_set()
    check(database, ROWS, writers)


@pytest.mark.parametrize("outcome", ["committed", "rolled back"])
def test_cut_while_the_lost_session_keeps_its_locks(outcome, database, make_daemon):
    """The lost session sits in its transaction, then commits or ends: only its end shows which, and the job waits."""
    make_table(database, ROWS)
    lost = []

    def act(group):
        group.forward_without_commit()
        lost.append(group)
        group.connection.cut_client()
    with database.proxy() as proxy, database.writers(ROWS, most_deletes=20) as writers:
        proxy.handler = cut_at(7, act)
        daemon = make_daemon(proxy.url(database.name), **database.target)
        job = daemon.submit(job_document(database, 20))
        daemon.wait_reason(job, "lost_session")
        # the way to the position is through the lost session's lock
        until(lambda: database.waits_for_lock(job), 20,
              lambda _: f"the epoch waits for the lost session: {daemon.job(job)['reason']}\n{daemon.log_tail()}")
        assert daemon.job(job)["reason"]["code"] == "lost_session"
        epoch, batches = database.row("SELECT epoch, batches FROM backfilld.checkpoint")
        assert epoch == 1 and 0 < batches <= 6, "the seventh is not there, nor one before it that a writer was in the way of"
        if outcome == "committed":
            lost[0].forward_commit()
        lost[0].connection.close_server()
        daemon.wait(job, "completed")
    check(database, ROWS, writers)


def test_answers_that_never_come(database, make_daemon):
    """The server works and commits, but no answer reaches the daemon any more on that connection."""
    make_table(database, ROWS)

    def act(group):
        group.connection.mute = True
        group.forward()
    with database.proxy() as proxy, database.writers(ROWS) as writers:
        proxy.handler = cut_at(7, act)
        daemon = make_daemon(proxy.url(database.name), **database.target)
        job = daemon.submit(job_document(database, 20, limits={"statement_timeout": "1s", "lock_timeout": "500ms"}))
        daemon.wait(job, "completed", seconds=90)
        assert proxy.handler.done.is_set()
    check(database, ROWS, writers)


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_server_restarted(mode, own_cluster, make_daemon):
    rows = 4000
    own_cluster.keep_commits()
    database = own_cluster.make_database()
    make_table(database, rows)
    slow_batches(database, 0.02)
    daemon = make_daemon(database)
    with database.writers(rows) as writers:
        job = daemon.submit(job_document(database, 20))
        for batches in (10, 40):
            daemon.wait_progress(job, batches)
            own_cluster.primary.restart(mode)
        daemon.wait_progress(job, 60)
        full_speed(database)
        daemon.wait(job, "completed", seconds=90)
    check(database, rows, writers)
    database.close()


def test_session_ended_by_a_person(database, make_daemon):
    """Once: the job goes on. Twice within ten minutes while the server stays up: a word from a person, it pauses."""
    rows = 4000
    make_table(database, rows)
    slow_batches(database, 0.02)
    daemon = make_daemon(database)
    with database.writers(rows) as writers:
        job = daemon.submit(job_document(database, 20))
        daemon.wait_progress(job, 10)
        database.end_session(job)
        before = daemon.job(job)["progress"]["batches"]
        after = daemon.wait_progress(job, before + 10)
        assert after["state"] == "running"
        database.end_session(job)
        paused = daemon.wait(job, "paused")
        assert paused["reason"]["code"] == "ended_by_dba"
        until(lambda: not database.sessions(job), 20, "no session of the job is left")
        full_speed(database)
        daemon.resume(job)
        daemon.wait(job, "completed", seconds=90)
    check(database, rows, writers)


def test_statements_cancelled_by_a_person(database, make_daemon):
    """Again and again: each takes a batch back, or comes between two statements of one."""
    rows = 2000
    make_table(database, rows)
    slow_batches(database, 0.02)
    daemon = make_daemon(database)
    with database.writers(rows) as writers:
        job = daemon.submit(job_document(database, 20))
        daemon.wait_progress(job, 3)
        for _ in range(200):
            database.cancel_statements(job)
        assert daemon.job(job)["state"] == "running"
        full_speed(database)
        daemon.wait(job, "completed", seconds=90)
    check(database, rows, writers)


@pytest.mark.parametrize("old_primary", ["killed", "stopped in order"])
def test_fail_over_that_loses_the_last_commits(old_primary, own_cluster, make_daemon):
    fail_over(old_primary, own_cluster, make_daemon)


@pytest.mark.engines("mariadb", "mysql", because="an old PostgreSQL primary that is up again as a standby writes for nobody; one "
                     "of MariaDB or MySQL that is read-only writes for an account with all rights")
def test_fail_over_from_a_primary_that_stays_up(own_cluster, make_daemon):
    """It is read-only, and the daemon's account has the right to write there all the same."""
    fail_over("demoted", own_cluster, make_daemon)


def fail_over(old_primary, own_cluster, make_daemon):
    rows = 4000
    primary = own_cluster.primary
    database = own_cluster.make_database()
    make_table(database, rows)
    slow_batches(database, 0.02)
    daemon = make_daemon(own_cluster.url(database.name), **database.target)
    with database.writers(rows, cluster=own_cluster) as writers:
        job = daemon.submit(job_document(database, 20))
        daemon.wait_progress(job, 20)
        # what the primary commits from here on is lost
        own_cluster.cut_replica()
        ahead = daemon.job(job)["progress"]["batches"]
        daemon.wait_progress(job, ahead + 20)
        if old_primary == "demoted":
            primary.sql("SET GLOBAL read_only = 1")
            stopped = primary.sql("SELECT MAX(batches) FROM backfilld.checkpoint")[0][0]
        else:
            primary.stop("immediate" if old_primary == "killed" else "fast")
        done = "SELECT batches FROM backfilld.checkpoint"
        new = own_cluster.on_replica(database)
        kept = new.value(done)
        assert kept <= ahead + 1, "the fail-over lost nothing: the test has no subject"
        own_cluster.promote()
        until(lambda: new.value(done) > kept, 60, lambda _: f"the job goes on: {daemon.job(job)}\n{daemon.log_tail()}")
        full_speed(new)
        daemon.wait(job, "completed", seconds=90)
        if old_primary == "demoted":
            assert primary.sql("SELECT MAX(batches) FROM backfilld.checkpoint")[0][0] <= stopped + 1
    check(new, rows, writers)
    new.close()
    database.close()
