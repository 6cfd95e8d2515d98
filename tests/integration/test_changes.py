"""A job while it is there: pace and limits changed under way, clones, pauses with an end, pause-all, keys that make a repeat
safe, and jobs that are forgotten. On a real server, over HTTP and by backfillctl."""
import json
import re
import sqlite3
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from lab.counted import check, full_speed, make_table, slow_batches
from lab.daemon import document, pace
from lab.engines import ENGINES
from lab.wait import until

ROOT = Path(__file__).resolve().parents[2]
every_engine = pytest.mark.engines(*ENGINES)  # where the server has a part in it


def slow_job(name="job", table="public.counted", rows=20, **more):
    return document(table, {"n": "n + 1"}, name=name, pace=pace(rows), **more)


def patch(daemon, job, change, **headers):
    return daemon.request("PATCH", f"/v1/jobs/{job['id']}", change, {key.replace("_", "-"): value for key, value in headers.items()})


def events(daemon, job, kind="state") -> list:
    return [event for event in daemon.events(job) if event["type"] == kind]


# ---- pace and limits

@every_engine
def test_a_running_job_takes_another_pace_before_its_next_batch(daemon, database):
    make_table(database, 2000)
    job = daemon.submit(document(database.table("counted"), {"n": "n + 1"}, pace={**pace(20), "nice": 100}))
    slow_batches(database, 0.02)
    daemon.wait_progress(job, 2)
    before = daemon.get(f"/v1/jobs/{job['id']}")
    full_speed(database)
    answer = patch(daemon, job, {"pace": {"nice": 0, "batch_rows": {"start": 500, "min": 500, "max": 500}}},
                   If_Match=before.headers["etag"])
    assert answer.status == 200 and answer.json["document"]["pace"]["nice"] == 0, daemon.log_tail()
    assert answer.headers["etag"] != before.headers["etag"]
    done = daemon.wait(job, "completed")  # with the old pace it would sleep for minutes
    check(database, 2000)
    assert done["progress"]["batches"] < 50
    tuned, = events(daemon, job, "tune")
    assert tuned["actor"] == "operator" and re.search(r"pace\.nice 100(\.0)? -> 0\b", tuned["text"])
    assert "pace.batch_rows.max 20 -> 500" in tuned["text"]
    # the document of record is the one that was submitted
    again = daemon.post("/v1/jobs", document(database.table("counted"), {"n": "n + 1"}, pace={**pace(20), "nice": 100}))
    assert (again.status, again.json["code"]) == (422, "already_done")
    assert patch(daemon, job, {"pace": {"nice": 1}}).status == 409


def test_a_row_that_is_left_alone_on_the_way_back_is_one_row_whatever_the_pace(daemon, database):
    """It was tried by itself for the size of a batch was one; the next batch is larger."""
    make_table(database, 60)
    job = daemon.submit({**document("public.counted", {"n": "n + 1"}, pace=pace(20)), "undo": "journal"})
    daemon.wait(job, "completed")
    database.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                     "IF new.id IN (20, 60) THEN PERFORM pg_advisory_lock(new.id); PERFORM pg_advisory_unlock(new.id); END IF; "
                     "IF new.id = 20 THEN RAISE 'not this one' USING ERRCODE = '23514'; END IF; RETURN new; END $$")
    database.execute("CREATE TRIGGER refuse BEFORE UPDATE ON counted FOR EACH ROW EXECUTE FUNCTION refuse()")
    waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"
    with database.person("gate") as gate:
        gate.execute("SELECT pg_advisory_lock(20), pg_advisory_lock(60)")
        daemon.order(job, "rollback", {"reason": "a test"})
        for row, rows in (60, 1), (20, 20):
            until(lambda: database.value(waits, (row,)), 20, lambda _: f"row {row}: {daemon.job(job)}\n{daemon.log_tail()}")
            assert patch(daemon, job, {"pace": pace(rows)}).status == 200
            gate.execute(f"SELECT pg_advisory_unlock({row})")
        back = daemon.wait(job, "rolled_back")
    assert back["rollback"]["conflicts"] == 1 and back["rollback"]["rows_restored"] == 59
    assert [key for (key,) in database.rows("SELECT id FROM counted WHERE n <> 0")] == [20]


@every_engine
def test_timeouts_change_by_a_new_session_and_no_row_is_done_twice(daemon, database):
    make_table(database, 6000)
    slow_batches(database, 0.02)
    job = daemon.submit(slow_job(table=database.table("counted")))
    for seconds in (3, 4, 5):
        reached = daemon.job(job)["progress"]["batches"]
        daemon.wait_progress(job, reached + 2)
        assert patch(daemon, job, {"limits": {"lock_timeout": f"{seconds}s", "statement_timeout": "20s"}}).status == 200
    until(lambda: len(events(daemon, job, "epoch")) >= 4, 30, "it was taken up with every new timeout")
    assert patch(daemon, job, {"limits": {"statement_timeout": "1ms"}}).status == 422
    assert patch(daemon, job, {"pace": pace(500)}).status == 200
    full_speed(database)
    daemon.wait(job, "completed")
    check(database, 6000)


def test_a_change_survives_a_crash_and_an_old_tag_changes_nothing(daemon, database):
    make_table(database, 400)
    slow_batches(database, 0.3)
    job = daemon.submit(slow_job())
    daemon.wait_progress(job, 2)
    tag = daemon.get(f"/v1/jobs/{job['id']}").headers["etag"]
    assert patch(daemon, job, {"pace": {"nice": 2}}, If_Match=f'"other", {tag}').status == 200
    stale = patch(daemon, job, {"pace": {"nice": 50}}, If_Match=tag)
    assert (stale.status, stale.json["code"]) == (412, "precondition_failed")
    daemon.restart()
    assert daemon.job(job)["document"]["pace"]["nice"] == 2
    assert patch(daemon, job, {"pace": {"nice": None}}, If_Match="*").json["document"]["pace"].get("nice") is None
    patch(daemon, job, {"pace": {"nice": 0}})
    full_speed(database)
    daemon.wait(job, "completed")
    check(database, 400)


# ---- clones

@every_engine
def test_a_clone_goes_on_where_the_old_job_stood(daemon, database):
    make_table(database, 1000)
    slow_batches(database, 0.1)
    job = daemon.submit(slow_job(table=database.table("counted")))
    daemon.wait_progress(job, 5)
    running = daemon.post(f"/v1/jobs/{job['id']}/clone", {"name": "second", "from": "position"})
    assert (running.status, running.json["code"], running.json["state"]) == (409, "wrong_state", "running")
    daemon.pause(job)
    paused = daemon.wait(job, "paused")
    position = paused["progress"]["positions"][0]["position"]
    full_speed(database)
    answer = daemon.post(f"/v1/jobs/{job['id']}/clone", {"name": "second", "from": "position"})
    assert answer.status == 201 and answer.headers["location"] == f"/v1/jobs/{answer.json['id']}"
    assert answer.json["document"]["range"]["after"] == position and answer.json["document"]["again"] is True
    daemon.abort(job)
    daemon.wait(answer.json, "completed")
    check(database, 1000)  # what the old one did, and what the new one did: every row once
    # from the start, although the same was done before
    third = daemon.post(f"/v1/jobs/{answer.json['id']}/clone", {"name": "third"})
    assert third.status == 201
    daemon.wait(third.json, "completed")
    assert database.value("SELECT max(n) FROM counted") == 2


# ---- pauses with an end

def test_a_pause_with_an_end_over_a_restart(daemon, database):
    make_table(database, 400)
    slow_batches(database, 0.3)
    job = daemon.submit(slow_job())
    daemon.wait_progress(job, 1)
    before = datetime.now(timezone.utc)
    daemon.order(job, "pause", {"for": "3s", "reason": "lunch"})
    after = datetime.now(timezone.utc)
    paused = daemon.wait_stored(job, "paused")
    until_ = datetime.fromisoformat(paused["reason"]["until"].replace("Z", "+00:00"))
    assert before + timedelta(seconds=2.9) < until_ < after + timedelta(seconds=3.1)
    daemon.restart()
    assert daemon.job(job)["state"] == "paused" or datetime.now(timezone.utc) >= until_
    full_speed(database)
    until(lambda: daemon.job(job)["state"] == "completed", 30, "it went on by itself")
    back, = [event for event in events(daemon, job) if event["from"] == "paused"]
    assert back["actor"] == "timer" and datetime.fromisoformat(back["at"].replace("Z", "+00:00")) >= until_
    check(database, 400)


# ---- pause-all

def test_pause_all_over_a_restart_and_only_what_it_paused_goes_on(make_daemon, database, build):
    daemon = make_daemon(database, max_jobs=2)
    for name in ("one", "two", "three"):
        make_table(database, 400, name)
        slow_batches(database, 0.3, name=name)
    one, two = (daemon.submit(slow_job(name, f"public.{name}", labels={"team": name})) for name in ("one", "two"))
    for job in (one, two):
        daemon.wait_progress(job, 1)
    daemon.pause(two)
    daemon.wait(two, "paused")
    held = daemon.post("/v1/pause-all", {"target": "shop", "reason": "fire"})
    assert held.status == 200 and [job["name"] for job in held.json["jobs"]] == ["one"]
    assert daemon.wait_stored(one, "paused")["reason"]["code"] == "pause_all"
    three = daemon.submit(slow_job("three", "public.three"))
    waits = daemon.wait_reason(three, "pause_all")
    assert waits["state"] == "queued" and "fire" in waits["reason"]["text"]
    before = database.value("SELECT sum(n) FROM one")
    daemon.restart()
    refused = daemon.post(f"/v1/jobs/{one['id']}/resume")
    assert (refused.status, refused.json["code"]) == (409, "pause_all")
    assert daemon.get("/v1/targets/shop").json["latches"][0]["reason"] == "fire"
    assert daemon.post("/v1/resume-all").json["jobs"] == []  # another scope
    assert daemon.job(one)["state"] == "paused" and database.value("SELECT sum(n) FROM one") == before
    for name in ("one", "two", "three"):
        full_speed(database, name)
    released = daemon.post("/v1/resume-all", {"target": "shop"}).json
    assert [job["name"] for job in released["jobs"]] == ["one", "three"] and released["latches"] == []
    daemon.wait(one, "completed")
    daemon.wait(three, "completed")
    assert daemon.job(two)["state"] == "paused"
    everything = daemon.get("/v1/events?after=0&limit=500").json["events"]
    assert [event["type"] for event in everything if event["job"] is None] == ["pause_all", "resume_all"]


# ---- keys and retention

def test_a_key_makes_a_repeat_safe_even_at_once_and_after_a_crash(daemon, database):
    make_table(database, 100)
    job, key = slow_job(), {"Idempotency-Key": "deploy-42"}
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(daemon.post("/v1/jobs", job, headers=key))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} == {201}
    made, = {answer.json["id"] for answer in answers}
    assert {answer.headers["location"] for answer in answers} == {f"/v1/jobs/{made}"}
    assert len(daemon.get("/v1/jobs").json["jobs"]) == 1
    daemon.wait({"id": made}, "completed")
    daemon.restart()
    daemon.wait({"id": made}, "completed")
    repeat = daemon.post("/v1/jobs", json.dumps(job, indent=4).encode(), headers=key)
    assert (repeat.status, repeat.json["id"], repeat.json["state"]) == (201, made, "completed")
    other = daemon.post("/v1/jobs", slow_job(rows=30), headers=key)
    assert (other.status, other.json["code"]) == (422, "idempotency_mismatch")
    check(database, 100)


def test_ended_jobs_are_forgotten_with_their_events(make_daemon, database):
    daemon = make_daemon(database, settings={"keep_jobs": "100d"})
    make_table(database, 100)
    old = daemon.wait(daemon.submit(slow_job("old")), "completed")
    young = daemon.wait(daemon.submit(slow_job("young", again=True)), "completed")
    kept = daemon.wait(daemon.post("/v1/jobs", slow_job("kept", again=True), headers={"Idempotency-Key": "k"}).json, "completed")
    daemon.stop()
    with sqlite3.connect(daemon.state) as store:
        store.execute("UPDATE job SET ended_at = ended_at - 101 * 86400000 WHERE name IN ('old', 'kept')")
    store.close()
    daemon.start()
    until(lambda: daemon.get(f"/v1/jobs/{old['id']}").status == 404, 30, "it is forgotten")
    assert [job["name"] for job in daemon.get("/v1/jobs").json["jobs"]] == ["kept", "young"]
    found = daemon.get("/v1/events?after=0&limit=500").json["events"]
    assert {event["job"] for event in found} == {young["id"], kept["id"]}
    assert daemon.submit(slow_job("old", again=True))["id"] != old["id"]


# ---- everybody at once

MOVES = set(re.findall(r"X\(([A-Z_]+), ([A-Z_]+), \"", (ROOT / "include/backfilld/states.h").read_text()))


def test_a_hundred_clients_order_at_random(make_daemon, database):
    """No order leads out of the table of moves, and the events tell every move, one after the other."""
    import random
    daemon = make_daemon(database)
    make_table(database, 3000)
    slow_batches(database, 0.03)
    job = daemon.submit(slow_job(rows=10))
    path = f"/v1/jobs/{job['id']}"
    chance = random.Random(7)
    plans = [[chance.choice(["pause", "resume", "resume", "pause", "for", "tune", "pause-all", "resume-all", "approve", "clone"])
              for _ in range(12)] for _ in range(100)]
    asks = {"pause": lambda: daemon.post(path + "/pause", {"reason": "x"}), "resume": lambda: daemon.post(path + "/resume"),
            "for": lambda: daemon.post(path + "/pause", {"for": "1s"}), "approve": lambda: daemon.post(path + "/approve"),
            "tune": lambda: daemon.request("PATCH", path, {"pace": {"nice": chance.choice([0, 0.1, 0.2])}}),
            "pause-all": lambda: daemon.post("/v1/pause-all"), "resume-all": lambda: daemon.post("/v1/resume-all"),
            "clone": lambda: daemon.post(path + "/clone", {"name": "job", "from": "position"})}
    seen, trouble = set(), []

    def client(plan):
        for what in plan:
            try:
                answer = asks[what]()
            except OSError as error:
                trouble.append(error)
                return
            seen.add((what, answer.status))
            if answer.status not in (200, 202, 409) and (answer.status, answer.json["code"]) != (503, "busy"):
                trouble.append((what, answer.status, answer.text))

    def moves() -> list:
        told, after = [], 0
        while page := daemon.get(f"{path}/events?after={after}&limit=500").json["events"]:
            told += [event for event in page if event["type"] == "state"]
            after = page[-1]["id"]
        return told

    rounds = 0
    while len(moves()) <= 20:  # a pause takes as long as its batch: how many of them fit in beside the orders is a matter of speed
        rounds += 1
        assert rounds <= 20, f"{len(moves())} moves by {rounds * 1200} orders"
        threads = [threading.Thread(target=client, args=(plan,)) for plan in plans]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not trouble, trouble[:3]
        daemon.post("/v1/resume-all")
    assert {("pause", 202), ("resume", 202), ("tune", 200), ("resume", 409)} <= seen, seen
    full_speed(database)
    until(lambda: daemon.job(job)["state"] == "completed" or daemon.post(path + "/resume").status not in (200, 202, 409), 60,
          "it comes to its end")
    check(database, 3000)
    told = moves()
    state = None
    for event in told:
        assert event["from"] == state, event
        assert state is None or (state.upper(), event["to"].upper()) in MOVES, event
        assert event["actor"] in ("operator", "daemon", "timer"), event
        state = event["to"]
    assert state == "completed"


# ---- by backfillctl

def test_the_client_changes_clones_and_holds(client, daemon, database, tmp_path):
    make_table(database, 6000)
    slow_batches(database, 0.05)
    file = tmp_path / "job.json"
    file.write_text(json.dumps(slow_job("orders", labels={"team": "orders"})))
    made = client.json("submit", file, "--idempotency-key", "k1", code=0)
    assert client.json("submit", file, "--idempotency-key", "k1", code=0)["id"] == made["id"]
    daemon.wait_progress(made, 2)
    done = client("tune", "orders", "pace.nice=0.1", "limits.lock_timeout=2s", "pace.batch_rows.max=40", code=0)
    assert done.stdout.startswith("orders is running") and "pace.nice=0.1" in done.stdout
    shown = daemon.job(made)["document"]
    assert shown["pace"]["nice"] == 0.1 and shown["limits"]["lock_timeout"] == "2s" and shown["pace"]["batch_rows"]["max"] == 40
    assert client.json("tune", "orders", "pace.nice=null", code=0)["document"]["pace"].get("nice") is None
    assert "/pace/nise" in client("tune", "orders", "pace.nise=1", code=1).stderr
    assert "FIELD=VALUE" in client("tune", "orders", "pace.nice", code=2).stderr
    assert "twice" in client("tune", "orders", "pace.nice=1", "pace.nice=2", code=2).stderr
    client("tune", "nobody", "pace.nice=1", code=3)

    done = client("pause-all", "--label", "team=orders", "--reason", "fire", code=0)
    assert "pause-all is on for label team=orders" in done.stdout and "1 job held" in done.stdout
    daemon.wait(made, "paused")
    assert "pause-all" in client("resume", "orders", code=4).stderr
    assert "2 hours" in client("pause", "orders", "--for", "2 hours", code=2).stderr
    assert client("resume-all", code=0).stdout.startswith("pause-all is still on for label team=orders")
    assert "1 job released" in client("resume-all", "--label", "team=orders", code=0).stdout
    daemon.wait(made, "running")
    client("pause-all", "--target", "shop", "--label", "a=b", code=2)
    assert "no target is called" in client("pause-all", "--target", "none", code=1).stderr

    client("clone", "orders", "second", "--from", "position", code=4)
    client("pause", "orders", "--for", "1h", "--wait", code=0)
    assert daemon.job(made)["reason"]["until"]
    full_speed(database)
    cloned = client("clone", "orders", "second", "--from", "position", code=0)
    assert re.match(r"submitted second \(\w{26}\), it is queued|submitted second", cloned.stdout)
    client("abort", "orders", "--wait", code=0)
    client("wait", "second", code=0)
    check(database, 6000)
    client("clone", "orders", "third", "--from", "here", code=2)
    client("clone", "orders", "Third", code=1)
    client("tune", "second", "pace.nice=1", code=4)
