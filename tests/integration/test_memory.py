"""Out of memory in any allocation: the daemon ends with a word, or lives and says what failed; whatever it was doing, no row is
lost or changed twice, and the next daemon takes the job up. Out of descriptors: the jobs that run go on."""
import http.client
import os
import random
import resource
import signal
import socket
from pathlib import Path

import pytest

from lab import fail_allocation
from lab.counted import check, full_speed, make_table, slow_batches
from lab.daemon import document, pace
from lab.engines import ENGINES
from lab.wait import until

pytestmark = pytest.mark.engines(*ENGINES)
ROWS = 2000
CHANCE = random.Random(20261121)


@pytest.fixture(scope="module")
def library(build, tmp_path_factory):
    return fail_allocation.make(build, tmp_path_factory.mktemp("preloaded"))


def the_job(database, name="job", slices=1):
    made = document(database.table("counted"), {"n": "n + 1"}, name=name, pace={**pace(20), "slices": slices})
    del made["undo"]
    return made


def look_around(daemon):
    for path in ("/v1/jobs", "/v1/targets", "/metrics", "/v1/events", "/"):
        try:
            daemon.get(path, timeout=2)
        except OSError:
            return False
    return True


def ended_in_order(daemon) -> bool:
    """By abort, or refused at its start, for want of memory; not by a pointer to nowhere. Mostly with a word, but a library may
    abort by itself, as libuv does that gets no thread."""
    code = daemon.process.wait(10)
    daemon.process = None
    assert code in (-signal.SIGABRT, 1, 78), f"the daemon ended with {code}:\n{daemon.log_tail(40)}"
    return True


@pytest.mark.engines("postgresql", "mariadb", because="the client of MySQL is that of MariaDB")
def test_the_nth_allocation_fails(database, make_daemon, library, campaign):
    make_table(database, ROWS)
    slow_batches(database, 0.005)
    daemon = make_daemon(database, start=False)
    said = daemon.directory / "allocations"  # how many: from the start, over some work and questions, to the end
    daemon.environment = {"LD_PRELOAD": str(library), "COUNT_ALLOCATIONS": str(said)}
    daemon.start()
    job = daemon.submit(the_job(database, slices=2))
    daemon.wait_progress(job, 3)
    look_around(daemon)
    assert daemon.stop() == 0
    most, died, round_ = int(said.read_text()), 0, 1
    for turn in range(400 if campaign else 6):
        # one alone, anywhere; or all from one on, early, of which it dies in any case
        number = CHANCE.randint(1, most // 10 if turn % 3 == 0 else most)
        daemon.environment = {"LD_PRELOAD": str(library), "FAIL_ALLOCATION": f"{number}{'+' if turn % 3 == 0 else ''}"}
        daemon.start(wait=False)
        before = batches(database, job)

        def struck_or_at_work():
            if daemon.process.poll() is not None:
                return True
            look_around(daemon)
            return batches(database, job) > before + 5 or ended(database, job)
        until(struck_or_at_work, 30, lambda _: f"allocation {number}: it dies or works\n{daemon.log_tail()}")
        if daemon.process.poll() is not None:
            died += ended_in_order(daemon)
        else:
            daemon.kill9()
        if ended(database, job):
            check(database, ROWS)
            round_ += 1
            daemon.environment = {}
            database.execute("DROP TABLE counted")
            make_table(database, ROWS)
            slow_batches(database, 0.005)
            daemon.start()
            job = daemon.submit(the_job(database, f"round-{round_}", slices=2))
            daemon.wait_progress(job, 1)
            daemon.kill9()
    daemon.environment = {}
    full_speed(database)
    daemon.start()
    daemon.wait(job, "completed")
    check(database, ROWS)
    assert died > 0, "it lived without memory"


def batches(database, job) -> int:
    return database.value("SELECT sum(seq) FROM backfilld.checkpoint WHERE job = %s", (job["id"],))


def ended(database, job) -> bool:
    return database.value("SELECT state FROM backfilld.job WHERE id = %s", (job["id"],)) == "completed"


def test_out_of_descriptors_the_jobs_go_on(database, make_daemon):
    make_table(database, 3 * ROWS)
    slow_batches(database, 0.02)
    daemon = make_daemon(database)
    job = daemon.submit(the_job(database))
    daemon.wait_progress(job, 3)
    host, port = daemon.listen.rsplit(":", 1)
    kept = http.client.HTTPConnection(host, int(port), timeout=20)
    assert asked(kept, "/healthz")[0] == 200
    usual = cpu_of_batches(daemon, database, job, 20)
    limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{daemon.pid}/fd")), limits[1]))
    waiting = [socket.create_connection((host, int(port))) for _ in range(3)]
    used = cpu_of_batches(daemon, database, job, 20)
    assert used < 4 * usual + 0.1, f"it spins for a descriptor: {usual:.3f} s before, {used:.3f} s with clients that it cannot accept"
    status, said = asked(kept, "/readyz")
    assert status == 503 and "open files" in said, said
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)
    for client in waiting:
        client.close()
    kept.close()
    full_speed(database)
    daemon.wait(job, "completed")
    check(database, 3 * ROWS)


def asked(connection, path) -> tuple:
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def cpu_of_batches(daemon, database, job, count) -> float:
    """Seconds of processor time that the daemon takes while it runs so many."""
    first, began = batches(database, job), cpu(daemon)
    until(lambda: batches(database, job) >= first + count, 30, lambda _: f"it goes on\n{daemon.log_tail()}")
    return cpu(daemon) - began


def cpu(daemon) -> float:
    fields = Path(f"/proc/{daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
