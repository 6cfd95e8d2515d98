"""Stopping, on every engine: pause and abort are in effect within a second, also while the statement waits for a lock; a DBA
stops a job by SQL alone, with the daemon's HTTP out of reach."""
import random
import time

import pytest

from lab.counted import full_speed, make_table, slow_batches
from lab.daemon import document, pace, promised
from lab.engines import ENGINES
from lab.wait import until

pytestmark = pytest.mark.engines(*ENGINES)
ROWS = 4000


def patient_job(database, name="job", rows=30, locked=False):
    """`locked`: of a single row, because batches wait for none, and only what is left over does."""
    one = {"where": "id = 10"} if locked else {}
    return document(database.table("counted"), {"n": "n + 1"}, name=name, pace=pace(rows),
                    limits={"lock_timeout": "20s", "statement_timeout": "30s"}, **one)


def tries_of(database, campaign) -> int:
    return 200 if campaign else 6 if database.engine == "postgresql" else 4


def wait_in_batch(daemon, database, job, waiting_for_lock):
    until(lambda: (database.waits_for_lock if waiting_for_lock else database.slowed)(job), 30, lambda _: f"a batch that {'waits for a lock' if waiting_for_lock else 'runs'}: {daemon.job(job)}\n"
          f"{daemon.log_tail()}", 0.005)


class Blocker:
    """Another session that holds the lock of a row of the next batch."""

    def __init__(self, database):
        self.connection = database.connect(autocommit=False)

    def __enter__(self):
        cursor = self.connection.cursor()
        cursor.execute("SELECT min(id) FROM counted WHERE n = 0")
        cursor.execute("UPDATE counted SET other = other + 1 WHERE id = %s", cursor.fetchone())
        return self

    def __exit__(self, *_):
        self.connection.rollback()
        self.connection.close()


class Nobody:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def timed(daemon, database, job, order, state) -> float:
    """Seconds from the order until the job shows the state; then nothing of it may run."""
    start = time.monotonic()
    order(job)
    daemon.wait(job, state, seconds=20, every=0.004)
    taken = time.monotonic() - start
    active = database.active(job)
    assert not active, f"a statement of the job runs after the stop: {active}"
    return taken


@pytest.fixture
def slow(database):
    make_table(database, ROWS)
    slow_batches(database, 0.1, per="ROW")  # 30 rows: 3 s a batch


@pytest.mark.alone
@pytest.mark.parametrize("locked", [False, True], ids=["running", "waiting for a lock"])
def test_pause_within_a_second(locked, slow, daemon, database, campaign):
    tries, chance, times = tries_of(database, campaign), random.Random(1), []
    for number in range(tries):
        with Blocker(database) if locked else Nobody():
            if number:
                daemon.resume(job)
            else:
                job = daemon.submit(patient_job(database, locked=locked))
            wait_in_batch(daemon, database, job, locked)
            until(lambda end=time.monotonic() + chance.uniform(0, 0.2): time.monotonic() > end)
            times.append(timed(daemon, database, job, daemon.pause, "paused"))
    times.sort()
    assert times[-1] <= promised(daemon), f"of {tries} pauses the slowest took {times[-5:]} s"
    assert database.value("SELECT count(*) FROM counted WHERE n > 1") == 0


@pytest.mark.alone
@pytest.mark.parametrize("locked", [False, True], ids=["running", "waiting for a lock"])
def test_abort_within_a_second(locked, slow, daemon, database, campaign):
    tries, chance, times = tries_of(database, campaign), random.Random(2), []
    for number in range(tries):
        with Blocker(database) if locked else Nobody():
            job = daemon.submit(patient_job(database, f"job-{number}", locked=locked))
            wait_in_batch(daemon, database, job, locked)
            until(lambda end=time.monotonic() + chance.uniform(0, 0.1): time.monotonic() > end)
            times.append(timed(daemon, database, job, daemon.abort, "aborted"))
    times.sort()
    assert times[-1] <= promised(daemon), f"of {tries} aborts the slowest took {times[-5:]} s"
    assert database.value("SELECT max(n) FROM counted") == 0, "an aborted batch changed rows"


def changed(database) -> int:
    return database.value("SELECT sum(n) FROM counted")


def order_by_sql(database, goal, job=None) -> int:
    """The DBA's word; the rows changed when every batch that was under way at that moment has ended."""
    done = database.execute("UPDATE backfilld.control SET goal = %s WHERE job = %s", (goal, job["id"] if job else "*"))
    assert done.rowcount == 1
    database.batches_under_way_end()
    return changed(database)


@pytest.mark.parametrize("goal, state", [("pause", "paused"), ("abort", "aborted")])
@pytest.mark.parametrize("scope", ["one job", "all jobs"])
def test_a_dba_stops_by_sql_before_the_next_batch(goal, state, scope, daemon, database):
    make_table(database, ROWS)
    slow_batches(database, 0.05)
    job = daemon.submit(patient_job(database, rows=20))
    daemon.wait_progress(job, 5)
    count = order_by_sql(database, goal, job if scope == "one job" else None)
    stopped = daemon.wait(job, state)
    assert stopped["reason"]["code"] == "control", stopped
    assert changed(database) == count, "a batch began after the order"
    if goal == "abort":
        return
    # resume alone does not overrule the DBA: the order on the target still stands
    daemon.post(f"/v1/jobs/{job['id']}/resume")
    daemon.wait(job, "paused")
    assert changed(database) == count
    database.execute("UPDATE backfilld.control SET goal = 'run'")
    daemon.resume(job)
    full_speed(database)
    daemon.wait(job, "completed")
    assert tuple(database.row("SELECT min(n), max(n) FROM counted")) == (1, 1)


def test_a_dba_stops_by_sql_while_http_is_out_of_reach(make_daemon, database):
    make_table(database, ROWS)
    slow_batches(database, 0.05)
    daemon = make_daemon(database, listen="unix")
    job = daemon.submit(patient_job(database, rows=20))
    daemon.wait_progress(job, 5)
    (daemon.directory / "api.sock").unlink()
    with pytest.raises(OSError):
        daemon.get("/healthz")
    count = order_by_sql(database, "pause", job)
    until(lambda: database.value("SELECT state FROM backfilld.job WHERE id = %s", (job["id"],)) == "paused", 20,
          "the target says that the job is paused")
    assert changed(database) == count
    until(lambda: not database.sessions(job), 30, "the job's session is closed")
    # and it stays so through a restart, which brings HTTP back
    daemon.restart()
    assert daemon.wait(job, "paused")["reason"]["code"] == "control"
    assert changed(database) == count


def test_a_dba_stops_a_daemon_whose_process_is_stopped(daemon, database):
    make_table(database, ROWS)
    slow_batches(database, 0.05)
    job = daemon.submit(patient_job(database, rows=20))
    daemon.wait_progress(job, 5)
    daemon.sigstop()
    count = order_by_sql(database, "pause", job)
    daemon.sigcont()
    assert daemon.wait(job, "paused")["reason"]["code"] == "control"
    assert changed(database) == count, "a batch began after the order"


def test_stopping_while_the_server_is_gone_says_so(own_cluster, make_daemon):
    """The state stays `pausing` with a reason until the server answers; then it is in effect at once."""
    own_cluster.keep_commits()
    database = own_cluster.make_database()
    make_table(database, ROWS)
    slow_batches(database, 0.05)
    daemon = make_daemon(database)
    job = daemon.submit(patient_job(database, rows=20))
    daemon.wait_progress(job, 5)
    own_cluster.primary.stop("immediate")
    daemon.pause(job)
    stuck = daemon.wait_reason(job, "server_unreachable")
    assert stuck["state"] == "pausing"
    own_cluster.primary.start()
    daemon.wait(job, "paused")
    assert database.value("SELECT max(n) FROM counted") == 1
    database.close()
