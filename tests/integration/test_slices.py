"""Slices: one job, its key range cut once into parts that run side by side, each with a session, an epoch and a checkpoint of
its own. (Killed at every moment with slices: test_exactly_once.py; keys of every kind: test_keys.py, test_mysql_keys.py.)"""
import threading
import time

import pytest

from lab.counted import full_speed, make_table, slow_batches
from lab.daemon import document, pace, promised
from lab.engines import ENGINES
from lab.wait import until

pytestmark = pytest.mark.engines(*ENGINES)
ROWS = 4000


def in_slices(slices, rows, **more):
    return {**pace(rows), "slices": slices, **more}


def job_in_slices(database, slices=4, rows=50, name="job", pace_more=None, **more):
    return document(database.table("counted"), {"n": "n + 1"}, name=name, pace=in_slices(slices, rows, **(pace_more or {})),
                    **more)


def limits(database) -> list:
    return [tuple(row) for row in database.rows("SELECT after, through FROM backfilld.checkpoint ORDER BY slice")]


def all_once(database, rows=ROWS):
    return [tuple(row) for row in database.rows("SELECT n, count(*) FROM counted GROUP BY n")] == [(1, rows)]


def moving(database, seconds=1.5) -> set:
    """The numbers of the slices that commit batches within so many seconds."""
    look = "SELECT slice, batches FROM backfilld.checkpoint"
    before, end = dict(database.rows(look)), time.monotonic() + seconds
    until(lambda: time.monotonic() > end)
    after = dict(database.rows(look))
    return {slice_ for slice_ in after if after[slice_] > before[slice_]}


def end_sessions(database, sessions):
    """A person ends them, one after the other and at once."""
    for number in sessions:
        database.execute(f"SELECT pg_terminate_backend({number})" if database.engine == "postgresql"
                         else f"KILL CONNECTION {number}")


def wait_all_work(daemon, database, job, slices):
    def working():
        return sum(one["position"] is not None for one in daemon.job(job)["progress"]["positions"])
    until(lambda: working() == slices, 30, lambda _: f"every slice works: {daemon.job(job)}\n{daemon.log_tail()}")


def test_the_range_is_cut_and_every_row_is_done_once(database, daemon, client):
    make_table(database, ROWS)
    done = daemon.wait(daemon.submit(job_in_slices(database)), "completed")
    assert all_once(database)
    positions = done["progress"]["positions"]
    assert len(positions) == 4 and all(position["done"] for position in positions)
    assert positions[0]["after"] is None
    assert [one["through"] for one in positions[:-1]] == [one["after"] for one in positions[1:]]
    assert positions[-1]["through"] == ["40000"]
    assert done["progress"]["rows_changed"] == done["progress"]["rows_scanned"] == ROWS
    shown = client("show", done["id"], code=0).stdout
    assert all(f"slice {i + 1}" in shown for i in range(4)) and "through 40000, done" in shown, shown
    ends = [int(one["through"][0]) for one in positions]
    sizes = [high - low for low, high in zip([0] + ends, ends)]
    assert max(sizes) < 3 * min(sizes), sizes


@pytest.mark.parametrize("rows, slices", [(0, 1), (1, 1), (99, 1), (100, 2), (1000, 4)])
def test_a_small_table_has_fewer(rows, slices, database, daemon):
    make_table(database, rows)
    done = daemon.wait(daemon.submit(job_in_slices(database)), "completed")
    assert len(done["progress"]["positions"]) == slices
    assert rows == 0 or all_once(database, rows)


def test_a_range_of_the_document_is_what_is_cut(database, daemon):
    make_table(database, ROWS)
    job = daemon.submit(job_in_slices(database, range={"after": ["1000"], "through": ["21000"]}))
    positions = daemon.wait(job, "completed")["progress"]["positions"]
    assert len(positions) == 4
    assert positions[0]["after"] == ["1000"] and positions[-1]["through"] == ["21000"]
    assert database.row("SELECT min(id), max(id), count(*) FROM counted WHERE n = 1") == (1010, 21000, 2000)


def test_a_restart_goes_on_in_the_same_slices(database, daemon):
    make_table(database, ROWS)
    slow_batches(database, 0.25)
    job = daemon.submit(job_in_slices(database))
    wait_all_work(daemon, database, job, 4)
    cut = limits(database)
    before = daemon.job(job)["progress"]
    daemon.restart()
    after = until(lambda: daemon.job(job), 30, "the job is there")["progress"]
    assert [one["through"] for one in after["positions"]] == [one["through"] for one in before["positions"]]
    daemon.wait_progress(job, before["batches"] + 4)
    daemon.pause(job)
    paused = daemon.wait(job, "paused")["progress"]
    assert paused["batches"] == database.value("SELECT sum(batches) FROM backfilld.checkpoint")
    assert paused["rows_scanned"] == database.value("SELECT sum(rows_scanned) FROM backfilld.checkpoint")
    assert database.value("SELECT count(*) FROM backfilld.checkpoint WHERE owner <> ''") == 0
    full_speed(database)
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert limits(database) == cut and all_once(database)


@pytest.mark.alone
@pytest.mark.parametrize("order", ["pause", "abort"])
def test_a_stop_is_in_effect_within_a_second(order, database, daemon):
    make_table(database, ROWS)
    slow_batches(database, 0.1, per="ROW", several=True)  # 50 rows: 5 s a batch
    job = daemon.submit(job_in_slices(database, limits={"statement_timeout": "30s"}))
    until(lambda: len(database.slowed(job)) == 4, 30, lambda _: f"four batches run: {daemon.job(job)}\n{daemon.log_tail()}")
    begun = time.monotonic()
    getattr(daemon, order)(job)
    daemon.wait(job, {"pause": "paused", "abort": "aborted"}[order], every=0.004)
    taken = time.monotonic() - begun
    assert taken < promised(daemon), f"{taken:.2f} s\n{daemon.log_tail()}"
    assert not database.active(job)
    assert database.value("SELECT count(*) FROM counted WHERE n > 1") == 0


def test_checks_and_canary_are_past_before_the_others_begin(database, daemon):
    make_table(database, ROWS)
    job = daemon.submit(job_in_slices(database, canary={"rows": 300}))
    paused = daemon.wait(job, "paused")
    assert paused["reason"]["code"] == "canary"
    assert database.row("SELECT count(*), max(id) FROM counted WHERE n = 1") == (300, 3000)
    assert database.value("SELECT count(*) FROM backfilld.checkpoint WHERE epoch > 0") == 1
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert all_once(database)


def test_a_canary_of_more_rows_than_the_first_slice_has(database, daemon):
    make_table(database, ROWS)
    job = daemon.submit(job_in_slices(database, canary={"rows": 3000}))
    assert daemon.wait(job, "paused")["reason"]["code"] == "canary"
    assert 0 < database.value("SELECT count(*) FROM counted WHERE n = 1") < 2000
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert all_once(database)


def test_further_passes_are_of_all_slices(database, daemon):
    make_table(database, ROWS)
    slow_batches(database, 0.25)
    job = daemon.submit(job_in_slices(database, remaining="n = 0"))
    wait_all_work(daemon, database, job, 4)
    # behind every slice, and behind the end of the table
    database.execute("INSERT INTO counted (id) VALUES (1), (11001), (21001), (31001), (50001)")
    full_speed(database)
    done = daemon.wait(job, "completed")
    assert done["progress"]["pass"] >= 3
    assert all_once(database, ROWS + 5)
    assert database.row("SELECT min(pass), max(pass) FROM backfilld.checkpoint") == (done["progress"]["pass"],) * 2
    assert done["progress"]["positions"][-1]["through"] == ["50001"]


def test_a_row_that_is_refused_in_one_slice_fails_the_job_and_is_named(database, daemon):
    make_table(database, ROWS)
    slow_batches(database, 0.02)
    database.execute("ALTER TABLE counted ADD CONSTRAINT small CHECK (id <> 35000 OR n < 1)")
    job = daemon.submit(job_in_slices(database))
    failed = daemon.wait(job, "failed")
    assert failed["reason"]["code"] == "data_error" and failed["reason"]["text"].startswith('row ["35000"] of '), failed["reason"]
    until(lambda: not database.sessions(job), 20, "no session of the job is left")
    assert database.value("SELECT count(*) FROM backfilld.checkpoint WHERE owner <> ''") == 0
    database.execute("ALTER TABLE counted DROP CONSTRAINT small")
    full_speed(database)
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert all_once(database)


def test_a_checkpoint_that_is_gone_is_never_a_new_start(database, daemon):
    make_table(database, ROWS)
    slow_batches(database, 0.25)
    job = daemon.submit(job_in_slices(database))
    wait_all_work(daemon, database, job, 4)
    daemon.pause(job)
    daemon.wait(job, "paused")
    database.execute("DELETE FROM backfilld.checkpoint WHERE slice = 3")
    daemon.resume(job)
    failed = daemon.wait(job, "failed")
    assert failed["reason"]["code"] == "checkpoint_lost" and "4 slices" in failed["reason"]["text"]
    until(lambda: not database.sessions(job), 20, "no session of the job is left")


def test_slices_that_do_not_follow_each_other_are_never_completed(database, daemon):
    make_table(database, ROWS)
    slow_batches(database, 0.25)
    job = daemon.submit(job_in_slices(database))
    wait_all_work(daemon, database, job, 4)
    daemon.pause(job)
    daemon.wait(job, "paused")
    database.execute("UPDATE backfilld.checkpoint SET after = '[\"29990\"]' WHERE slice = 2")
    full_speed(database)
    daemon.resume(job)
    failed = daemon.wait(job, "failed")
    assert failed["reason"]["code"] == "checkpoint_lost" and "29990" in failed["reason"]["text"]


def test_a_session_that_a_person_ends_twice(database, daemon):
    make_table(database, 10 * ROWS)
    slow_batches(database, 0.3)  # nobody's session is between two batches when it is ended
    job = daemon.submit(job_in_slices(database, rows=100))
    wait_all_work(daemon, database, job, 4)
    end_sessions(database, database.sessions(job))  # all four at once are one word
    daemon.wait_progress(job, daemon.job(job)["progress"]["batches"] + 12)
    end = time.monotonic() + 6  # what ends within seconds ends together
    until(lambda: time.monotonic() > end)
    end_sessions(database, until(lambda: database.slowed(job), 30, "a batch runs")[:1])
    paused = daemon.wait(job, "paused")
    assert paused["reason"]["code"] == "ended_by_dba"
    until(lambda: not database.sessions(job), 20, "no session of the job is left")
    full_speed(database)
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert all_once(database, 10 * ROWS)


def test_fewer_run_under_pressure_and_come_back_one_at_a_time(database, daemon):
    make_table(database, 40000)
    slow_batches(database, 0.05)
    database.execute("CREATE TABLE pressure (value integer)")
    database.execute("INSERT INTO pressure VALUES (0)")
    job = daemon.submit(job_in_slices(database, rows=20, signals=[{"name": "p", "sql": "SELECT value FROM pressure",
                                                                  "limit": 100}]))
    wait_all_work(daemon, database, job, 4)
    assert moving(database) == {0, 1, 2, 3}
    database.execute("UPDATE pressure SET value = 60")
    until(lambda: moving(database) == {0, 1, 2}, 60, lambda _: f"three run: {daemon.job(job)}")
    database.execute("UPDATE pressure SET value = 99")
    until(lambda: moving(database, 3) == {0}, 60, lambda _: f"one runs: {daemon.job(job)}")
    database.execute("UPDATE pressure SET value = 200")
    daemon.wait_reason(job, "signal")
    until(lambda: moving(database) == set(), 30, "none runs, but for a batch that was under way")
    database.execute("UPDATE pressure SET value = 0")
    seen = []
    until(lambda: seen.append(len(moving(database, 0.4))) or seen[-1] == 4, 60, lambda _: f"all came back: {seen}")
    assert set(seen) >= {1, 2, 3}, seen
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_a_rate_is_the_jobs_however_many_write(database, daemon):
    make_table(database, ROWS)
    job = daemon.submit(job_in_slices(database, rows=20, pace_more={"max_rows_per_second": 400}))
    wait_all_work(daemon, database, job, 4)
    begun, changed = time.monotonic(), database.value("SELECT count(*) FROM counted WHERE n = 1")
    end = begun + 4
    until(lambda: time.monotonic() > end)
    rate = (database.value("SELECT count(*) FROM counted WHERE n = 1") - changed) / (time.monotonic() - begun)
    assert 250 < rate < 450, rate
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_what_is_changed_while_it_runs_says_how_many_run(database, daemon):
    make_table(database, 10 * ROWS)
    slow_batches(database, 0.05)
    job = daemon.submit(job_in_slices(database, slices=3, rows=20))
    wait_all_work(daemon, database, job, 3)
    cut = limits(database)
    answer = daemon.request("PATCH", f"/v1/jobs/{job['id']}", {"pace": {"slices": 4}})
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/pace/slices"
    assert daemon.request("PATCH", f"/v1/jobs/{job['id']}", {"pace": {"slices": 1}}).status == 200
    until(lambda: moving(database, 1) == {0}, 60, lambda _: f"one runs: {daemon.job(job)}")
    assert daemon.request("PATCH", f"/v1/jobs/{job['id']}", {"pace": {"slices": 3}}).status == 200
    until(lambda: moving(database, 1) == {0, 1, 2}, 60, lambda _: f"three run: {daemon.job(job)}")
    full_speed(database)
    daemon.wait(job, "completed")
    assert limits(database) == cut and all_once(database, 10 * ROWS)


def test_the_watcher_takes_back_the_batch_that_somebody_waits_for_and_no_other(database, daemon):
    make_table(database, ROWS)
    slow_batches(database, 0.1, per="ROW", when="new.id % 10 = 0 AND new.n > 0")
    job = daemon.submit(job_in_slices(database, slices=2, limits={"statement_timeout": "30s", "yield_after": "200ms"}))
    until(lambda: len(database.slowed(job)) == 2, 30, lambda _: f"two batches run: {daemon.job(job)}\n{daemon.log_tail()}")
    first = set(database.slowed(job))
    second_limit = int(daemon.job(job)["progress"]["positions"][1]["after"][0])
    waited = []

    def application():
        begun = time.monotonic()
        database.connect().cursor().execute("UPDATE counted SET other = other + 1 WHERE id = %s", (second_limit + 10,))
        waited.append(time.monotonic() - begun)
    end = time.monotonic() + 0.3  # the row is changed by now
    until(lambda: time.monotonic() > end)
    thread = threading.Thread(target=application)
    thread.start()
    thread.join(30)
    assert waited and waited[0] < 4, "it waits for the 5 s of the batch"
    assert daemon.job(job)["progress"]["yields"] == 1
    assert first & set(database.slowed(job)), "the other slice's batch goes on"
    full_speed(database)
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_a_clone_from_a_position_is_refused(database, daemon):
    make_table(database, ROWS)
    slow_batches(database, 0.25)
    job = daemon.submit(job_in_slices(database))
    wait_all_work(daemon, database, job, 4)
    daemon.pause(job)
    daemon.wait(job, "paused")
    answer = daemon.post(f"/v1/jobs/{job['id']}/clone", {"name": "clone", "from": "position"})
    assert answer.status == 409 and "4 slices" in answer.json["detail"]
