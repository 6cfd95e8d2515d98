"""A job whose daemon, or whose daemon's state, is lost is adopted from what stands on its target: it goes on, or back, and every
row is done exactly once."""
import json

import pytest

from lab.counted import full_speed, make_table, slow_batches
from lab.daemon import Client, document, pace
from lab.engines import ENGINES
from lab.wait import until

pytestmark = pytest.mark.engines(*ENGINES)
ROWS = 1200


def the_job(database, slices=1, **more):
    made = document(database.table("counted"), {"n": "n + 1"}, pace={**pace(20), "slices": slices}, **more)
    del made["undo"]  # a journal
    return made


def lose_store(daemon):
    for suffix in ("", "-wal", "-shm"):
        daemon.state.with_name(daemon.state.name + suffix).unlink(missing_ok=True)


def foreign(daemon) -> list:
    """Asked until the target answers in time, which is null else."""
    shown = until(lambda: (one := daemon.get("/v1/targets/shop").json)["foreign_jobs"] is not None and one, 30, "the target says it")
    return shown["foreign_jobs"]


def adopt(daemon, job, **body):
    return daemon.post("/v1/targets/shop/adopt", {"job": job["id"], "confirm": "job", **body})


def count(database) -> list:
    """How many rows were changed how often."""
    return [tuple(row) for row in database.rows("SELECT n, count(*) FROM counted GROUP BY n ORDER BY n")]


def tuned(daemon, job, **pace_):
    answer = daemon.request("PATCH", f"/v1/jobs/{job['id']}", {"pace": pace_})
    assert answer.status == 200, answer.text


@pytest.mark.parametrize("slices", [1, 2])
def test_a_job_goes_on_and_back_from_the_targets_record_alone(slices, database, make_daemon, build):
    make_table(database, ROWS)
    slow_batches(database, 0.1)
    daemon = make_daemon(database)
    job = daemon.submit(the_job(database, slices, labels={"why": "test"}))
    daemon.wait_progress(job, 3)
    tuned(daemon, job, nice=0.25)
    until(lambda: "0.25" in str(database.value("SELECT record FROM backfilld.job_record")), 30, "the target knows the new pace")
    before = daemon.job(job)
    daemon.kill9()
    database.wait_quiet()
    full_speed(database)
    lose_store(daemon)
    daemon.start()
    assert daemon.get("/v1/jobs").json["jobs"] == []
    (found,) = foreign(daemon)
    assert {key: found[key] for key in ("id", "name", "table", "state", "direction", "slices", "way_back", "owner_may_live")} == {
        "id": job["id"], "name": "job", "table": database.table("counted"), "state": "running", "direction": "forward",
        "slices": slices, "way_back": "journal", "owner_may_live": False}
    assert found["owner"] and found["rows_scanned"] >= before["progress"]["rows_scanned"]
    client = Client(build, daemon.url)
    assert f"({job['id']}) is not this daemon's: running" in client("targets", code=0).stderr
    refused = client("adopt", "shop", job["id"], code=1)
    assert "--confirm" in refused.stderr
    said = client("adopt", "shop", job["id"], "--confirm", "job", "--reason", "the disk broke", code=0)
    assert said.stdout == "job is paused\n"
    adopted = daemon.job(job)
    assert adopted["state"] == "paused" and adopted["reason"]["code"] == "adopted"
    same = ("name", "document", "started_at", "created_at", "labels", "submitted_by", "approved_by", "plan")
    assert {key: adopted[key] for key in same} == {key: before[key] for key in same}
    assert adopted["document"]["pace"]["nice"] == 0.25, "what was in force when it was lost"
    assert len(adopted["progress"]["positions"]) == slices
    assert adopted["progress"]["rows_changed"] <= found["rows_changed"] < ROWS
    (event,) = daemon.events(job)
    assert event["to"] == "paused" and "adopted from target shop, which says running" in event["text"] and "the disk broke" in event["text"]
    assert foreign(daemon) == []
    daemon.resume(job)
    done = daemon.wait(job, "completed")
    assert count(database) == [(1, ROWS)] and done["progress"]["rows_changed"] == ROWS
    daemon.order(job, "rollback", {})
    assert daemon.wait(job, "rolled_back")["rollback"]["rows_restored"] == ROWS
    assert count(database) == [(0, ROWS)]


def test_a_job_that_was_going_back_goes_on_back(database, make_daemon):
    make_table(database, ROWS)
    daemon = make_daemon(database)
    job = daemon.submit(the_job(database, 2))
    daemon.wait(job, "completed")
    slow_batches(database, 0.1)
    daemon.order(job, "rollback", {})
    daemon.wait(job, "rolling_back")
    seen = until(lambda: daemon.job(job)["rollback"]["rows_seen"], 30, "some are taken back")
    assert seen < ROWS
    daemon.kill9()
    database.wait_quiet()
    full_speed(database)
    lose_store(daemon)
    daemon.start()
    (found,) = foreign(daemon)
    assert found["direction"] == "back" and found["state"] == "rolling_back"
    answer = adopt(daemon, job)
    assert answer.status == 201 and answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert answer.json["state"] == "paused" and answer.json["direction"] == "back"
    assert answer.json["rollback"]["rows_seen"] >= seen
    daemon.resume(job)
    assert daemon.wait(job, "rolled_back")["rollback"]["rows_restored"] == ROWS
    assert count(database) == [(0, ROWS)]


def test_a_job_at_its_end_comes_in_at_its_end(database, make_daemon):
    """And its way back is there, as long as its journal is."""
    make_table(database, ROWS)
    daemon = make_daemon(database)
    done = daemon.wait(daemon.submit(the_job(database)), "completed")
    daemon.kill9()
    lose_store(daemon)
    daemon.start()
    (found,) = foreign(daemon)
    assert found["state"] == "completed" and found["owner"] is None and found["way_back"] == "journal"
    answer = adopt(daemon, done)
    assert answer.status == 201 and answer.json["state"] == "completed" and answer.json["reason"] is None
    assert answer.json["ended_at"] and answer.json["progress"]["rows_changed"] == ROWS
    daemon.restart()  # it is stored
    daemon.order(done, "rollback", {})
    daemon.wait(done, "rolled_back")
    assert count(database) == [(0, ROWS)]
    assert foreign(make_daemon(database)) == [], "there is nothing to be done about it any more"


def test_an_owner_that_lives_keeps_its_job(database, make_daemon):
    make_table(database, ROWS)
    slow_batches(database, 0.1)
    first, second = make_daemon(database), make_daemon(database)
    job = first.submit(the_job(database))
    first.wait_progress(job, 3)
    (found,) = foreign(second)
    assert found["owner_may_live"] and found["silent_seconds"] < 30
    refused = adopt(second, job)
    assert refused.status == 409 and refused.json["code"] == "owned_elsewhere"
    assert found["owner"] in refused.json["detail"]
    assert second.get("/v1/jobs").json["jobs"] == []
    full_speed(database)
    first.wait(job, "completed")
    assert count(database) == [(1, ROWS)]


def test_what_cannot_be_adopted_says_why(database, make_daemon):
    make_table(database, ROWS)
    daemon = make_daemon(database)
    done = daemon.wait(daemon.submit(the_job(database)), "completed")
    known = adopt(daemon, done)
    assert known.status == 409 and known.json["code"] == "wrong_state" and known.json["job"] == done["id"]
    other = make_daemon(database)
    wrong = adopt(other, done, confirm="another")
    assert wrong.status == 422 and wrong.json["code"] == "confirm"
    nobody = adopt(other, {"id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"})
    assert nobody.status == 404 and "knows no job" in nobody.json["detail"]
    assert adopt(other, {"id": "job"}).status == 404
    assert other.post("/v1/targets/nowhere/adopt", {"job": done["id"]}).status == 404
    identity = database.value("SELECT identity FROM backfilld.checkpoint WHERE job = %s", (done["id"],))
    database.execute("UPDATE backfilld.checkpoint SET identity = 'another' WHERE job = %s", (done["id"],))
    copy = adopt(other, done)
    assert copy.status == 409 and copy.json["code"] == "target_changed" and foreign(other) == []
    database.execute("UPDATE backfilld.checkpoint SET identity = %s WHERE job = %s", (identity, done["id"]))
    database.execute("UPDATE backfilld.checkpoint SET rows_scanned = -1 WHERE job = %s", (done["id"],))
    assert adopt(other, done).json["code"] == "checkpoint_lost"
    database.execute("UPDATE backfilld.checkpoint SET rows_scanned = rows_changed WHERE job = %s", (done["id"],))
    known = database.value("SELECT document FROM backfilld.job WHERE id = %s", (done["id"],))
    forged = json.loads(known) if isinstance(known, str) else known
    database.execute("UPDATE backfilld.job SET document = %s WHERE id = %s", (json.dumps({**forged, "set": {"n": "99"}}), done["id"]))
    refused = adopt(other, done)
    assert refused.status == 422 and refused.json["code"] == "checkpoint_lost", refused.text
    assert other.get("/v1/jobs").json["jobs"] == []


def test_the_record_of_a_former_release_is_enough(database, make_daemon):
    """Its control schema is brought up to this release; pace and limits are those of the submission."""
    make_table(database, ROWS)
    slow_batches(database, 0.1)
    daemon = make_daemon(database)
    job = daemon.submit(the_job(database))
    daemon.wait_progress(job, 3)
    daemon.kill9()
    database.wait_quiet()
    full_speed(database)
    lose_store(daemon)
    key = "key" if database.engine == "postgresql" else "`key`"
    now = database.value(f"SELECT value FROM backfilld.meta WHERE {key} = 'schema_version'")
    database.execute("DROP TABLE backfilld.job_record")
    database.execute(f"UPDATE backfilld.meta SET value = '{int(now) - 1}' WHERE {key} = 'schema_version'")
    daemon.start()
    answer = adopt(daemon, job)
    assert answer.status == 201 and "those of the submission" in daemon.events(job)[0]["text"]
    assert database.value(f"SELECT value FROM backfilld.meta WHERE {key} = 'schema_version'") == now
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert count(database) == [(1, ROWS)]
