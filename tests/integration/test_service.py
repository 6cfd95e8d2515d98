"""The daemon as a service of systemd: what its manager and the journal are told."""
import re
import signal
import time

import pytest

from lab.counted import make_table, slow_batches
from lab.daemon import document, pace
from lab.service import Journal, Manager
from lab.wait import until

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
WATCHDOG = 0.5  # seconds


@pytest.fixture
def manager(tmp_path):
    made = Manager(tmp_path, WATCHDOG)
    yield made
    made.close()


def test_the_manager_hears_of_the_whole_life(make_daemon, database, manager):
    make_table(database, 40)
    database.execute("CREATE TABLE queue AS SELECT 10 AS length")
    daemon = make_daemon(database, start=False)
    daemon.environment = manager.environment
    daemon.start(wait=False)
    ready = manager.wait_for("READY=1")
    assert ready == 0, "nothing is said before"
    assert daemon.get("/readyz").status == 200, "it listens, and its store is open, when it says so"
    assert manager.wait_for("STATUS=no unfinished job") == 1
    job = daemon.submit(document("public.counted", {"n": "n + 1"}, pace=pace(10),
                                 signals=[{"name": "queue", "sql": "SELECT length FROM queue", "limit": 5}]))
    daemon.wait_holding(job, "signal")
    manager.wait_for("STATUS=jobs: 1 running; 1 holding (signal)")
    # the configuration is read again while it runs
    before, heard = time.monotonic_ns() // 1000, len(manager.listen())
    daemon.hang_up("0 changes")
    reloading = manager.wait_for_part("RELOADING=1", after=heard)
    said = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)", reloading)
    assert said and before <= int(said[1]) <= time.monotonic_ns() // 1000
    manager.wait_for("READY=1", after=manager.wait_for(reloading, after=heard))
    # with faults, too, or the manager would wait for ever
    heard = len(manager.listen())
    good = daemon.configuration.read_text()
    daemon.configuration.write_text(good + "no_such = 1\n")
    daemon.hang_up("nothing changed")
    manager.wait_for("READY=1", after=heard)
    of_job = "STATUS=jobs: 1 running; 1 holding (signal)"
    faulty = manager.wait_for(f"{of_job}; the configuration has 1 fault and was not taken over", after=heard)
    daemon.configuration.write_text(good)
    daemon.hang_up("0 changes")
    manager.wait_for(of_job, after=faulty)
    # the loop feeds the watchdog, whatever the job waits for
    until(lambda: manager.listen()[heard:].count("WATCHDOG=1") >= 3, 20, lambda _: manager.heard)
    heard = len(manager.listen())
    assert daemon.stop() == 0
    assert manager.wait_for("STATUS=stopping: running batches end", after=heard) > manager.wait_for("STOPPING=1", after=heard)


def test_it_is_fed_while_it_drains(make_daemon, database, manager):
    """A batch that takes its time is no loop that hangs."""
    make_table(database, 100)
    daemon = make_daemon(database, start=False)
    daemon.environment = manager.environment
    daemon.start()
    job = daemon.submit(document("public.counted", {"n": "n + 1"}, pace=pace(50), limits={"statement_timeout": "60s"}))
    slow_batches(database, 30)
    until(lambda: database.slowed(job), 20, "a batch is under way")
    daemon.process.send_signal(signal.SIGTERM)
    stopping = manager.wait_for("STOPPING=1")
    until(lambda: manager.listen()[stopping:].count("WATCHDOG=1") >= 2, 20, lambda _: manager.heard)
    assert daemon.process.poll() is None
    daemon.process.send_signal(signal.SIGTERM)  # it has been seen
    assert daemon.process.wait(10) == 128 + signal.SIGTERM
    daemon.process = None


def test_who_cannot_start_is_never_ready(make_daemon, manager, tmp_path):
    daemon = make_daemon(NOWHERE, start=False)
    daemon.environment = manager.environment
    daemon.state.write_text("no database\n")
    daemon.start(wait=False)
    assert daemon.process.wait(20) == 1
    daemon.process = None
    assert manager.listen() == []


def test_the_journal_has_fields(make_daemon, database, tmp_path):
    make_table(database, 60)
    daemon = make_daemon(database, start=False)
    journal = Journal(tmp_path, daemon.log)
    daemon.environment = journal.environment
    daemon.start(wait=False)
    about_itself = journal.wait_for("1 target, state in")
    assert about_itself["PRIORITY"] == "5" and not about_itself.keys() & {"JOB", "JOB_ID", "TARGET"}
    daemon.wait_up()
    job = daemon.submit(document("public.counted", {"n": "n + 1"}, name="with-fields"))
    daemon.wait(job, "completed")
    done = journal.wait_for("with-fields: verifying -> completed")
    assert (done["JOB"], done["JOB_ID"], done["TARGET"], done["PRIORITY"]) == ("with-fields", job["id"], "shop", "6")
    assert done["SYSLOG_IDENTIFIER"] == "backfilld"
    assert done["ACTOR"] == "daemon" and done["MESSAGE"].endswith("verified")
    assert daemon.post("/v1/pause-all", {"reason": "lunch"}).status == daemon.post("/v1/resume-all").status == 200
    ordered = journal.wait_for("pause_all: all jobs: lunch (operator)")
    assert ordered["ACTOR"] == "operator" and "JOB" not in ordered
    good = daemon.configuration.read_text()
    daemon.configuration.write_text(good + "no_such = 1\n")
    daemon.process.send_signal(signal.SIGHUP)
    assert journal.wait_for("1 fault in the configuration")["PRIORITY"] == "3"
    daemon.configure({"shop": {"primary": database.url, "require_approval": "all", "max_jobs": "3"}})
    daemon.process.send_signal(signal.SIGHUP)
    changed = journal.wait_for("target shop: max_jobs: 2 -> 3")
    assert changed["TARGET"] == "shop" and "JOB" not in changed
    assert "max_jobs" not in daemon.log.read_text(), "the journal has it, stderr does not"
    # a journal that does not listen: its stream takes the lines, with their level
    journal.close()
    daemon.configure({"shop": {"primary": database.url, "max_jobs": "4"}})
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "<5>target shop: max_jobs: 3 -> 4\n" in daemon.log.read_text(), 20, lambda _: daemon.log_tail())
