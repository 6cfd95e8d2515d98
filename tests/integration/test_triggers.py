"""Triggers on real servers: what an application or the job itself suffers stops the job by itself, in time, and the events say
what was seen. The timing of each trigger, reading by reading, is in tests/unit/test_trigger.c."""
import time

import pytest

from lab.daemon import document, pace
from lab.engines import ENGINES
from lab.wait import until

ROWS = 60000
QUERY = "SELECT failed / total FROM checkout"


def job_of(database, triggers, **more):
    slow = {**pace(50), "max_rows_per_second": 1000}
    return document(database.table("counted"), {"n": "n + 1"}, pace=slow, triggers=triggers, **more)


@pytest.fixture
def checkout(database):
    """A table of the application's: how many of its requests fail."""
    database.make_counted(ROWS)
    database.execute("CREATE TABLE checkout (id INTEGER PRIMARY KEY, failed DOUBLE PRECISION, total DOUBLE PRECISION)")
    database.execute("INSERT INTO checkout VALUES (1, 0, 1000)")
    return database


def fired(daemon, job) -> list:
    return [event for event in daemon.events(job) if event["type"] == "trigger"]


@pytest.mark.engines(*ENGINES)
def test_an_error_rate_of_the_application_stops_the_job(daemon, checkout):
    trigger = {"name": "checkout", "sql": QUERY, "above": 0.01, "for": "1s", "settle": "1s", "then": "abort"}
    job = daemon.submit(job_of(checkout, [trigger]))
    daemon.wait_progress(job, 10)
    assert not fired(daemon, job)
    injected = time.monotonic()
    checkout.execute("UPDATE checkout SET failed = 30")
    ended = daemon.wait(job, "aborted", seconds=30)
    assert time.monotonic() - injected >= 2, "for and settle"
    reason = ended["reason"]
    assert (reason["code"], reason["signal"], reason["value"], reason["limit"]) == ("trigger", "trigger:checkout", 0.03, 0.01)
    first, second = fired(daemon, job)
    assert first["actor"] == second["actor"] == "trigger:checkout"
    assert first["text"] == ("trigger checkout: its query gives 0.03, above 0.01 for 1.0 s; aborted if that is still so after "
                             "1.0 s of pause")
    assert second["text"] == "trigger checkout: its query gives 0.03, above 0.01, also after 1.0 s of pause: aborted"
    moves = [(event["to"], event["actor"]) for event in daemon.events(job) if event["type"] == "state"]
    assert ("pausing", "trigger:checkout") in moves and ("aborting", "trigger:checkout") in moves
    assert moves.index(("paused", "daemon")) < moves.index(("aborting", "trigger:checkout"))


@pytest.mark.alone
def test_an_error_rate_of_the_application_takes_the_job_back_in_time(daemon, checkout):
    trigger = {"name": "checkout", "sql": QUERY, "above": 0.01, "for": "1s", "settle": "1s", "then": "rollback"}
    job = daemon.submit(job_of(checkout, [trigger], undo="journal"))
    daemon.wait_progress(job, 10)
    injected = time.monotonic()
    checkout.execute("UPDATE checkout SET failed = 30")
    daemon.wait(job, "rolling_back", "rolled_back", seconds=30)
    took = time.monotonic() - injected
    assert 2 <= took < 4, f"{took:.1f} s instead of at most for + settle + 2 s"
    back = daemon.wait(job, "rolled_back", seconds=30)  # the errors go on: they stop no way back
    assert checkout.value("SELECT count(*) FROM counted WHERE n <> 0") == 0
    moves = [(event["to"], event["actor"]) for event in daemon.events(job) if event["type"] == "state"]
    assert ("pausing", "trigger:checkout") in moves and ("aborting", "trigger:checkout") in moves, moves
    assert back["progress"]["rows_changed"] >= 500 or back["direction"] == "back"
    assert len(fired(daemon, job)) == 2


def test_what_ends_in_the_pause_goes_no_further(daemon, checkout, client):
    trigger = {"name": "checkout", "sql": QUERY, "above": 0.01, "settle": "5s", "every": "200ms", "then": "abort"}
    job = daemon.submit(job_of(checkout, [trigger]))
    daemon.wait_progress(job, 3)
    until(lambda: daemon.job(job)["triggers"][0]["value"] == 0, 30, "it looked")
    assert daemon.job(job)["triggers"] == [
        {"name": "checkout", "watching": True, "value": 0, "limit": 0.01, "true_seconds": None, "trouble": None}]
    assert "trigger   checkout: 0 (limit 0.01)" in client("show", job["id"], code=0).stdout
    checkout.execute("UPDATE checkout SET failed = 30")
    paused = daemon.wait(job, "paused")
    assert paused["reason"]["until"] is not None and paused["triggers"][0]["watching"] and paused["triggers"][0]["value"] == 0.03
    checkout.execute("UPDATE checkout SET failed = 0")
    until(lambda: daemon.job(job)["reason"]["until"] is None, 30, "it is settled")
    assert "its condition ended in the pause (0, not above 0.01 any more)" in daemon.job(job)["reason"]["text"]
    daemon.resume(job)
    daemon.wait_progress(job, daemon.job(job)["progress"]["batches"] + 3)
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_the_job_itself_and_the_targets_signals(daemon, checkout):
    cases = {"batch_time": {"signal": "batch_time", "above": 0.000001, "for": "500ms"},
             "log": {"signal": "log_rate", "above": 1, "every": "200ms"},
             "own": {"signal": "queue", "below": 7.5, "every": "200ms"},
             "waits": {"signal": "active_sessions", "below": "0.5x baseline", "baseline": "1s", "every": "200ms"}}
    jobs = {}
    for name, case in cases.items():
        signals = [{"name": "queue", "sql": "SELECT 7", "limit": 100}] if name == "own" else None
        job = job_of(checkout, [{"name": name, **case}], name=name, again=True, **({"signals": signals} if signals else {}))
        jobs[name] = daemon.submit(job)
        if name == "waits":  # nobody else is there, so it is at 0, which is not below half of 0
            daemon.wait_progress(jobs[name], 20)
            assert daemon.job(jobs[name])["state"] == "running"
            daemon.abort(jobs[name])
            continue
        paused = daemon.wait(jobs[name], "paused", seconds=30)
        assert paused["reason"]["code"] == "trigger" and paused["reason"]["signal"] == f"trigger:{name}", paused["reason"]
        daemon.abort(jobs[name])
        daemon.wait(jobs[name], "aborted")
    assert "queue is 7, below 7.5" in fired(daemon, jobs["own"])[0]["text"]
    assert "/s, above 1 B/s" in fired(daemon, jobs["log"])[0]["text"]


def test_batches_that_are_taken_back(daemon, checkout):
    job = daemon.submit(job_of(checkout, [{"name": "errors", "signal": "error_rate", "above": 0.3, "every": "200ms", "for": "1s"}],
                               limits={"lock_timeout": "100ms"}))
    daemon.wait_progress(job, 3)
    with checkout.connect() as other:
        with other.transaction():
            other.execute("LOCK TABLE counted IN SHARE MODE")
            paused = daemon.wait(job, "paused", seconds=30)
    assert paused["reason"]["signal"] == "trigger:errors" and 0.3 < paused["reason"]["value"] <= 1
    assert "error_rate is " in paused["reason"]["text"]
    daemon.abort(job)
    daemon.wait(job, "aborted")


@pytest.mark.engines(*ENGINES)
def test_one_that_cannot_be_evaluated_pauses_the_job(daemon, checkout):
    job = daemon.submit(job_of(checkout, [{"name": "checkout", "sql": QUERY, "above": 0.01, "every": "200ms"}]))
    daemon.wait_progress(job, 3)
    checkout.execute("DROP TABLE checkout")
    paused = daemon.wait(job, "paused", seconds=30)
    assert paused["reason"]["code"] == "trigger_failed"
    assert "trigger checkout could not be evaluated 5 times in a row: " in paused["reason"]["text"]
    assert "checkout" in paused["reason"]["text"].split("in a row: ")[1]
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_against_a_baseline(daemon, checkout):
    checkout.execute("UPDATE checkout SET failed = 10")
    trigger = {"name": "checkout", "sql": QUERY, "above": "2x baseline", "baseline": "1s", "every": "200ms", "for": "400ms"}
    job = daemon.submit(job_of(checkout, [trigger]))
    until(lambda: daemon.job(job)["triggers"][0]["limit"], 30, "the baseline is measured")
    assert daemon.job(job)["triggers"][0]["limit"] == pytest.approx(0.02)
    checkout.execute("UPDATE checkout SET failed = 19")
    daemon.wait_progress(job, daemon.job(job)["progress"]["batches"] + 15)
    checkout.execute("UPDATE checkout SET failed = 40")
    daemon.wait(job, "paused", seconds=30)
    assert ("its query gives 0.04, above 0.02 (2x its baseline of 0.01) for 400 ms" in fired(daemon, job)[0]["text"]), fired(daemon, job)
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_the_pause_of_one_that_settles_outlives_a_kill(daemon, checkout):
    trigger = {"name": "checkout", "sql": QUERY, "above": 0.01, "settle": "2s", "then": "abort"}
    job = daemon.submit(job_of(checkout, [trigger]))
    daemon.wait_progress(job, 3)
    checkout.execute("UPDATE checkout SET failed = 30")
    daemon.wait(job, "paused")
    until(lambda: any(event["to"] == "paused" for event in daemon.events(job)), 30, "it is stored, too")
    daemon.restart()
    assert daemon.job(job)["state"] in ("paused", "aborting", "aborted")
    ended = daemon.wait(job, "aborted", seconds=30)
    assert ended["reason"]["code"] == "trigger"


def test_what_cannot_be_looked_at_is_refused(daemon, database):
    database.make_counted(10)

    def complaint(pointer, status=422, **trigger):
        answer = daemon.post("/v1/jobs", job_of(database, [{"name": "a", "above": 1, **trigger}]))
        assert answer.status == status and [one["pointer"] for one in answer.json["errors"]] == [f"/triggers/0{pointer}"], answer.text
        return answer.json["errors"][0]
    assert "error_rate" in complaint("/signal", signal="errors")["detail"]
    complaint("/signal", signal="history_list")  # InnoDB's
    complaint("/sql", sql="SELECT 1; SELECT 2")
    complaint("/settle", signal="dead_tuples", settle="1m", then="abort")
    assert "no [source prometheus]" in complaint("/source", source="prometheus", query="up")["detail"]
    assert "no way back" in complaint("/then", signal="error_rate", then="rollback")["detail"]
