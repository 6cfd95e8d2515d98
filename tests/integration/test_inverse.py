"""The way back by an inverse that the author states: over what the job has passed, up to its checkpoint, each row once, whatever
is killed; and what the plan says of it before anything is written."""
import random

import pytest

from lab.daemon import document, pace
from lab.engines import ENGINES
from lab.wait import until

pytestmark = pytest.mark.engines(*ENGINES)
COUNT = {"set": {"n": "n - 1"}}


def job_document(database, set_=None, undo=None, rows_a_batch=20, table="things", **more):
    more.setdefault("pace", pace(rows_a_batch))
    return document(database.table(table), set_ or {"n": "n + 1"}, undo=undo or COUNT, **more)


def make_things(database, rows=400):
    """Every row has a number of its own, so that what is done twice, or to a row too many, is seen."""
    database.execute("CREATE TABLE things (id integer PRIMARY KEY, n integer NOT NULL, status varchar(20) NOT NULL, old integer)")
    database.number_rows("INSERT INTO things (id, n, status) SELECT i, 10 * i, 'open' FROM numbers", rows)
    database.analyze("things")


def numbers(database):
    return dict(database.rows("SELECT id, n FROM things"))


def roll_back(daemon, job, seconds=60):
    daemon.order(job, "rollback", {"reason": "a test"})
    return daemon.wait(job, "rolled_back", seconds=seconds)


def test_over_all_of_it_and_twice_changes_nothing(database, daemon, client):
    make_things(database)
    before = numbers(database)
    job = daemon.submit(job_document(database))
    done = daemon.wait(job, "completed")
    assert {key: n - 1 for key, n in numbers(database).items()} == before
    assert done["undo"] == {"by": "inverse", "rows": None, "bytes": None, "until": None, "dropped": False}
    would = daemon.post(f"/v1/jobs/{job['id']}/rollback?dry_run=true").json
    assert (would["by"], would["rows"], would["bytes"], would["sampled"]) == ("inverse", 400, None, 0)
    assert "the author's inverse" in client("rollback", job["id"], "--dry-run", code=0).stdout
    assert daemon.job(job)["state"] == "completed"
    back = roll_back(daemon, job)
    assert numbers(database) == before
    assert back["rollback"] == {"rows": 400, "rows_seen": 400, "rows_restored": 400, "conflicts": 0, "batches": 20}
    assert back["progress"]["fraction"] == 1 and "400 rows changed back" in client("show", job["id"], code=0).stdout
    assert daemon.post(f"/v1/jobs/{job['id']}/rollback").status == 200
    assert numbers(database) == before
    answer = daemon.post(f"/v1/jobs/{job['id']}/forget", {"confirm": "job"})
    assert answer.status == 409 and "no undo journal" in answer.json["detail"]


def test_up_to_the_checkpoint_of_each_slice(database, daemon):
    """Rows that the job has not come to are not touched, nor are those that it set aside."""
    make_things(database, 600)
    before = numbers(database)
    with database.person("holder", autocommit=False) as holder:
        holder.execute("UPDATE things SET status = 'held' WHERE id IN (5, 7)")
        job = daemon.submit(job_document(database, pace={**pace(10), "max_rows_per_second": 60, "slices": 3}))
        until(lambda: daemon.job(job)["progress"]["rows_set_aside"] == 2, 20, lambda _: f"{daemon.job(job)}\n{daemon.log_tail()}", 0.02)
        daemon.wait_progress(job, 6)
        daemon.order(job, "abort")
        stopped = daemon.wait(job, "aborted")
        holder.commit()
    done = stopped["progress"]["rows_changed"]
    assert 0 < done < 598 and sum(n != before[key] for key, n in numbers(database).items()) == done
    back = roll_back(daemon, job)
    assert numbers(database) == before
    assert back["rollback"]["rows_restored"] == done and back["rollback"]["rows_seen"] == done + 2


def test_killed_again_and_again_on_the_way_back(database, make_daemon, campaign):
    for seed in range(60 if campaign else 1):
        chance = random.Random(seed)
        database.execute("DROP TABLE IF EXISTS things")
        make_things(database, 200)
        before = numbers(database)
        daemon = make_daemon(database, **database.target)
        job = daemon.submit(job_document(database, again=True, pace=pace(5, nice=1)))
        daemon.wait_progress(job, chance.randint(3, 30))
        daemon.order(job, "rollback")
        for number in range(2):
            until(lambda: (daemon.job(job)["rollback"] or {"batches": 0})["batches"] > number * 4 or
                  daemon.job(job)["state"] == "rolled_back", 60, lambda _: daemon.log_tail(), 0.002)
            daemon.restart()
        back = daemon.wait(job, "rolled_back")
        assert numbers(database) == before
        assert back["rollback"]["rows_restored"] == back["rollback"]["rows_seen"]
        daemon.finish()


def test_it_can_be_paused_and_gives_way_to_who_holds_a_row(database, daemon):
    make_things(database)
    before = numbers(database)
    job = daemon.submit(job_document(database))
    daemon.wait(job, "completed")
    with database.person("holder", autocommit=False) as holder:
        holder.execute("UPDATE things SET status = 'held' WHERE id = 200")
        daemon.order(job, "rollback")
        until(lambda: daemon.job(job)["progress"]["rows_set_aside"] == 1 and daemon.job(job)["rollback"]["rows_seen"] == 400, 20,
              lambda _: f"{daemon.job(job)}\n{daemon.log_tail()}", 0.02)
        assert sum(n != before[key] for key, n in numbers(database).items()) == 1
        daemon.order(job, "pause")
        assert daemon.wait(job, "paused")["direction"] == "back"
        holder.commit()
    daemon.order(job, "resume")
    back = daemon.wait(job, "rolled_back")
    assert numbers(database) == before and back["rollback"]["rows_restored"] == 400


def test_where_says_what_it_is_for_and_remaining_spares_what_is_not_done(database, daemon):
    make_things(database)
    database.execute("UPDATE things SET status = 'gone' WHERE id % 10 = 0")
    before = dict(database.rows("SELECT id, status FROM things"))
    inverse = {"set": {"status": "'open'", "old": "NULL"}, "where": "old = 1"}
    job = daemon.submit(job_document(database, {"status": "'done'", "old": "1"}, inverse, where="status <> 'gone'",
                                     remaining="status = 'open'"))
    daemon.wait(job, "completed")
    database.execute("INSERT INTO things VALUES (1000, 1, 'open', 1)")  # came since, and is still to be done
    back = roll_back(daemon, job)
    assert dict(database.rows("SELECT id, status FROM things WHERE id < 1000")) == before
    assert database.value("SELECT old FROM things WHERE id = 1000") == 1
    assert back["rollback"]["rows_restored"] == 360


def test_rows_that_are_refused_forward_and_back(database, daemon):
    """What went into quarantine on the way forward was not changed: it is spared. What the server refuses on the way back fails
    that, and another rollback goes on from there."""
    make_things(database)
    before = numbers(database)
    database.execute("ALTER TABLE things ADD CONSTRAINT small CHECK (n <> 31)")
    job = daemon.submit(job_document(database, limits={"bad_rows": 3}))
    assert daemon.wait(job, "completed")["progress"]["rows_bad"] == 1
    database.execute("ALTER TABLE things ADD CONSTRAINT also CHECK (n <> 1500)")
    daemon.order(job, "rollback")
    reason = daemon.wait(job, "failed")["reason"]
    assert reason["code"] == "data_error" and reason["text"].startswith('row ["150"] of '), reason
    assert {key for key, n in numbers(database).items() if n == before[key]} == set(range(1, 150))
    database.execute("ALTER TABLE things DROP CONSTRAINT also")
    back = roll_back(daemon, job)
    assert numbers(database) == before and back["rollback"]["rows_restored"] == 399 and back["progress"]["rows_bad"] == 1


def plan(daemon, document_):
    answer = daemon.post("/v1/jobs?dry_run=true", document_)
    assert answer.status == 200, answer.text
    return answer.json


def test_the_plan_tries_it_and_names_what_does_not_come_back(database, daemon):
    make_things(database, 2000)
    before = list(database.rows("SELECT * FROM things ORDER BY id"))
    good = plan(daemon, job_document(database))
    codes = {reason["code"]: reason["risk"] for reason in good["reasons"]}
    assert codes["inverse_by_author"] == "YELLOW" and not {"no_undo", "rollback_not_proven"} & set(codes)
    assert good["measured"]["rollback_proven"]["value"] == 1 and good["undo"] == "inverse" and "n - 1" in good["inverse_statement"]
    assert "author's inverse" in good["card"]
    bad = plan(daemon, job_document(database, {"status": "'done'", "n": "n + 1"},
                                    {"set": {"status": "'open'", "n": "n - 1", "old": "7"}, "where": "id <> 3"}))
    reason = next(reason for reason in bad["reasons"] if reason["code"] == "rollback_not_proven")
    assert bad["risk"] == reason["risk"] == "RED"
    named = reason["text"].split("does not put the old values into ")[1]
    assert set(named.split(", ")) == {"n", "status", "old"}, reason["text"]
    assert list(database.rows("SELECT * FROM things ORDER BY id")) == before


def test_what_is_wrong_with_it_is_said_at_its_place(database, daemon):
    make_things(database, 10)

    def refused(undo):
        answer = daemon.post("/v1/jobs", job_document(database, undo=undo))
        assert answer.status == 422, answer.text
        return [error["pointer"] for error in answer.json["errors"]]
    assert refused({"set": {"nn": "1"}}) == ["/undo/set/nn"]
    assert refused({"set": {"n": "missing - 1"}, "where": "n = 'x"}) == ["/undo/where"]
    assert refused({"set": {"n": "missing - 1"}, "where": "absent > 1"}) == ["/undo/where", "/undo/set/n"]
    assert refused({"set": {"id": "1"}}) == ["/undo/set/id"]
