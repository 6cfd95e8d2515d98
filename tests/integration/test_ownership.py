"""One owner, on every engine: two daemons with copies of one store, and a store that is lost while the job runs."""
import json
import sqlite3

import pytest

from lab.counted import check, full_speed, make_table, slow_batches
from lab.daemon import document, pace
from lab.engines import ENGINES
from lab.wait import until

pytestmark = pytest.mark.engines(*ENGINES)
ROWS = 4000


def the_job(database, slices=1):
    return document(database.table("counted"), {"n": "n + 1"}, pace={**pace(20), "slices": slices})


def killed_in_mid_run(make_daemon, database) -> tuple:
    """(daemon, job): some batches are done and none is under way any more."""
    make_table(database, ROWS)
    slow_batches(database, 0.02)
    daemon = make_daemon(database)
    job = daemon.submit(the_job(database))
    daemon.wait_progress(job, 5)
    daemon.kill9()
    database.wait_quiet()
    return daemon, job


def copy_store(source, target):
    with sqlite3.connect(source) as live, sqlite3.connect(target) as copy:
        live.backup(copy)
    live.close()
    copy.close()


def test_a_copy_beside_a_working_daemon_ends_fenced(make_daemon, database):
    """The second daemon finds an owner whose checkpoint moves: one works, the other ends paused: fenced."""
    make_table(database, ROWS)
    slow_batches(database, 0.2)  # until the second one has come, however long that takes
    first, second = make_daemon(database), make_daemon(database, start=False)
    with database.writers(ROWS) as writers:
        job = first.submit(the_job(database))
        first.wait_progress(job, 5)
        copy_store(first.state, second.state)
        epoch = database.value("SELECT epoch FROM backfilld.checkpoint")
        second.start()
        assert second.wait(job, "paused")["reason"]["code"] == "fenced"
        assert database.value("SELECT epoch FROM backfilld.checkpoint") == epoch, "the owner was disturbed"
        full_speed(database)
        first.wait(job, "completed")
        second.restart()
        assert second.wait(job, "paused")["reason"]["code"] == "fenced", "a fenced job must not take itself up"
    check(database, ROWS, writers)


def test_a_frozen_owner_is_fenced_when_it_comes_back(make_daemon, database):
    """The first daemon's process is stopped; after 30 s of silence the second takes the job over. When the first goes
    on, its next batch fails at the fence."""
    make_table(database, ROWS)
    slow_batches(database, 0.02)
    first, second = make_daemon(database), make_daemon(database, start=False)
    with database.writers(ROWS) as writers:
        job = first.submit(the_job(database))
        first.wait_progress(job, 5)
        first.sigstop()
        copy_store(first.state, second.state)
        epoch, silent_since = database.row("SELECT epoch, updated_at FROM backfilld.checkpoint")
        second.start()
        assert second.wait_reason(job, "owned_elsewhere")["state"] == "running"
        until(lambda: database.value("SELECT epoch FROM backfilld.checkpoint") > epoch, 60,
              lambda _: f"the second daemon takes over: {second.job(job)}\n{second.log_tail()}", 0.05)
        assert database.seconds_since(silent_since) >= 30
        second.wait_progress(job, second.job(job)["progress"]["batches"] + 5)
        first.sigcont()
        assert first.wait(job, "paused")["reason"]["code"] == "fenced"
        full_speed(database)
        second.wait(job, "completed")
        assert first.job(job)["state"] == "paused", "a fenced job must not take itself up"
    check(database, ROWS, writers)


@pytest.mark.parametrize("slices", [1, 3])
def test_two_daemons_started_at_once_on_copies_of_one_store(slices, make_daemon, database):
    """Their predecessor is dead, so each may take over at once: only one does, the other waits or is fenced."""
    make_table(database, ROWS)
    slow_batches(database, 0.1)
    first, second = make_daemon(database), make_daemon(database, start=False)
    with database.writers(ROWS) as writers:
        job = first.submit(the_job(database, slices))
        first.wait_progress(job, 5)
        first.kill9()
        copy_store(first.state, second.state)
        first.start(wait=False)
        second.start(wait=False)
        first.wait_up()
        second.wait_up()

        def one_waits():
            reasons = [(daemon.job(job).get("reason") or {}).get("code") for daemon in (first, second)]
            waiting = [reason in ("owned_elsewhere", "fenced") for reason in reasons]
            return sum(waiting) == 1 and (second if waiting[0] else first)
        owner = until(one_waits, 30, lambda _: f"one works, one waits: {first.job(job)}\n{second.job(job)}")
        before = owner.job(job)["progress"]["batches"]
        owner.wait_progress(job, before + 5)
        full_speed(database)
        owner.wait(job, "completed")
    check(database, ROWS, writers)


def test_the_store_is_lost_in_mid_run(make_daemon, database):
    """The target's own record says what ran, and the same document is refused as already_done."""
    daemon, job = killed_in_mid_run(make_daemon, database)
    for suffix in ("", "-wal", "-shm"):
        daemon.state.with_name(daemon.state.name + suffix).unlink(missing_ok=True)
    daemon.start()
    assert daemon.get("/v1/jobs").json["jobs"] == []
    *known, given = database.row("SELECT id, name, state, document FROM backfilld.job")
    assert known == [job["id"], "job", "running"]
    assert (json.loads(given) if isinstance(given, str) else given)["table"] == database.table("counted")
    count = database.value("SELECT sum(n) FROM counted")
    assert 0 < count < ROWS
    answer = daemon.post("/v1/jobs", the_job(database))
    assert answer.status == 422 and answer.json["code"] == "already_done", answer.text
    assert job["id"] in answer.text
    assert database.value("SELECT sum(n) FROM counted") == count


def test_a_lost_checkpoint_is_never_a_new_start(make_daemon, database):
    daemon, job = killed_in_mid_run(make_daemon, database)
    count = database.value("SELECT sum(n) FROM counted")
    database.execute("DELETE FROM backfilld.checkpoint")
    daemon.start()
    assert daemon.wait(job, "paused", "failed")["reason"]["code"] == "checkpoint_lost"
    assert database.value("SELECT sum(n) FROM counted") == count


@pytest.mark.parametrize("wrong", ["split = 1000, rows_changed_counted = false", "rows_scanned = -5", "position = '{}'"])
def test_a_checkpoint_that_nobody_wrote_is_not_believed(wrong, make_daemon, database):
    daemon, job = killed_in_mid_run(make_daemon, database)
    count = database.value("SELECT sum(n) FROM counted")
    database.execute(f"UPDATE backfilld.checkpoint SET {wrong}")
    daemon.start()
    assert daemon.wait(job, "failed")["reason"]["code"] == "checkpoint_lost"
    assert database.value("SELECT sum(n) FROM counted") == count


@pytest.mark.engines("postgresql", because="elsewhere a table has no number that its copy on a replica shares: one of the same "
                     "name, key and columns is the same")
def test_another_table_under_the_same_name_pauses_the_job(make_daemon, database):
    daemon, job = killed_in_mid_run(make_daemon, database)
    database.execute("DROP TABLE counted")
    make_table(database, ROWS)
    daemon.start()
    assert daemon.wait(job, "paused")["reason"]["code"] == "table_changed"
    assert database.value("SELECT max(n) FROM counted") == 0
