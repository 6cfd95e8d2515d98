"""Many jobs on one daemon cost little memory, and keep nobody waiting; tests/bench/jobs prints the figures of 500 on a release."""
import time

import pytest

from lab.daemon import is_sanitized
from lab.many_jobs import LoopLag, ManyJobs, resident
from lab.postgres import Cluster
from lab.wait import until

JOBS = 200


@pytest.fixture
def jobs():
    with Cluster(replica=False) as cluster:
        database = cluster.make_database()
        made = ManyJobs(database, JOBS, running=8, holding=20, rows=60_000)  # two minutes of work
        made.make_tables()
        yield made
        database.close()


@pytest.mark.alone
def test_many_jobs(make_daemon, jobs):
    targets = jobs.targets()
    daemon = make_daemon(jobs.database, **targets["shop"], targets={"night": targets["night"]})
    jobs.warm_up(daemon)
    before = resident(daemon)
    jobs.submit(daemon)
    each = (resident(daemon) - before) / JOBS
    lag, began = LoopLag(daemon), time.monotonic()
    until(lambda: daemon.get("/v1/jobs?limit=500").status == 200 and time.monotonic() - began > 5, 20, "five seconds", 1)
    shares = lag.shares()
    print(f"{each / 1024:.1f} KiB a job; loop lag: {shares}")
    assert each < 64 * 1024 or is_sanitized(daemon), f"{each / 1024:.1f} KiB for each job"  # a sanitizer keeps freed memory
    in_time = shares[0.1] >= 0.99 or is_sanitized(daemon)  # with a sanitizer each step takes ten times as long
    assert in_time and shares[1.0] == 1, f"the loop came late: {shares}"
    # stopped in time, and all there again
    daemon.stop()
    daemon.start()
    wanted = {"paused": JOBS - 28, "running": 28}
    until(lambda: jobs.states(daemon) == wanted, 30, lambda _: f"{wanted} again: {jobs.states(daemon)}", 0.2)
