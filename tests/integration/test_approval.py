"""A job between its submission and its start: it is there while it is planned, what is approved is the plan that was looked
at, and right before the start only a worse risk asks again."""
import sqlite3
import threading

import pytest

from lab.counted import full_speed, make_table, slow_batches
from lab.daemon import document, pace
from lab.engines import ENGINES
from lab.wait import until


def fill(database, name="job", **more):
    return document(database.table("counted"), {"n": "n + 1"}, name=name, pace=more.pop("pace", pace(100)), **more)


def submit_later(daemon, job):
    """Sends the document, and does not wait for its plan; gives the answer when called."""
    answers = []

    def send():
        try:
            answers.append(daemon.post("/v1/jobs", job))
        except ConnectionError as error:  # the daemon was killed
            answers.append(error)
    sender = threading.Thread(target=send)
    sender.start()

    def answer():
        sender.join(20)
        assert answers, "the submission is not answered"
        return answers[0]
    return answer


def planned_slowly(make_daemon, database):
    """A daemon that plans for as long as a test needs to look: the writes of others are watched, then slow batches are tried."""
    make_table(database, 500)
    slow_batches(database, 5)
    return make_daemon(database, plan_window="5s", require_approval="all")


def in_planning(daemon, name="job"):
    until(lambda: daemon.get(f"/v1/jobs/{name}").status == 200, 30, "the job is there before its plan is")
    job = daemon.job(name)
    assert job["state"] == "planning" and job["plan"] is None, job
    return job


@pytest.mark.engines(*ENGINES)
def test_a_job_is_there_while_it_is_planned(make_daemon, database):
    """Its progress is shown, it can be aborted; whoever sent it hears how it is."""
    daemon = planned_slowly(make_daemon, database)
    answer = submit_later(daemon, fill(database))
    job = in_planning(daemon)
    until(lambda: "writes of others" in daemon.job(job)["reason"]["text"], 30, "it shows what is measured")
    assert daemon.job(job)["reason"]["code"] == "measuring"
    assert daemon.get(f"/v1/jobs/{job['id']}/plan").status == 404
    assert daemon.post(f"/v1/jobs/{job['id']}/approve", {"confirm": "job"}).status == 409
    assert daemon.post("/v1/jobs", fill(database)).json["code"] == "name_in_use"
    assert daemon.abort(job)["state"] == "aborted"
    sent = answer()
    assert sent.status == 201 and sent.json["id"] == job["id"] and sent.json["state"] == "aborted"
    moves = [(event["from"], event["to"]) for event in daemon.events(job) if event["type"] == "state"]
    assert moves == [(None, "planning"), ("planning", "aborted")]
    assert not database.has_schema()


def test_a_restart_in_planning_plans_again(make_daemon, database):
    daemon = planned_slowly(make_daemon, database)
    answer = submit_later(daemon, fill(database))
    job = in_planning(daemon)
    daemon.kill9()
    database.wait_quiet()
    full_speed(database)
    daemon.configuration.write_text(daemon.configuration.read_text().replace("plan_window = 5s", "plan_window = 20ms"))
    assert isinstance(answer(), ConnectionError)
    daemon.start()
    waiting = daemon.wait(job, "awaiting_approval")
    assert waiting["plan"]["risk"] == "RED" and len(waiting["plan"]["hash"]) == 64
    assert len([event for event in daemon.events(job) if event["to"] == "planning"]) == 1


@pytest.mark.engines(*ENGINES)
def test_an_approval_is_of_the_plan_that_was_looked_at(make_daemon, database):
    make_table(database, 500)
    daemon = make_daemon(database, require_approval="all")
    job = daemon.submit(fill(database))
    shown = daemon.get("/v1/jobs/job/plan").json["hash"]
    assert shown == job["plan"]["hash"] and job["approved_plan"] is None
    card = daemon.get("/v1/jobs/job/plan", headers={"Accept": "text/plain"}).text
    assert f"\nPLAN        {shown}\n" in card
    other = daemon.post("/v1/jobs/job/approve", {"confirm": "job", "plan": "0" * 64})
    assert other.status == 412 and other.json["code"] == "precondition_failed" and shown in other.json["detail"]
    assert daemon.job(job)["state"] == "awaiting_approval"
    assert daemon.post("/v1/jobs/job/approve", {"confirm": "job", "plan": shown}).status == 200
    done = daemon.wait(job, "completed")
    assert done["approved_plan"] == shown and done["approved_by"] == "operator"


def approved_for(daemon, job, risk):
    """The store of a daemon that is down, as if the plan had been of this class when the job was approved."""
    with sqlite3.connect(daemon.state) as store:
        store.execute("UPDATE job SET approved_risk = ? WHERE id = ?", (risk, job["id"]))
    store.close()


@pytest.mark.engines(*ENGINES)
def test_only_a_worse_risk_asks_again_before_the_start(make_daemon, database):
    """What was approved as YELLOW and is RED when its turn comes; and once that is approved, and begun, nobody asks."""
    make_table(database, 3000)
    daemon = make_daemon(database, require_approval="all")
    job = daemon.submit(fill(database, pace=pace(10, nice=20)))
    first = job["plan"]["hash"]
    daemon.post("/v1/pause-all")
    daemon.approve(job, confirm="job")
    assert daemon.job(job)["state"] == "queued"
    daemon.stop()
    approved_for(daemon, job, "YELLOW")
    daemon.start()
    daemon.post("/v1/resume-all")
    asked = daemon.wait(job, "awaiting_approval")
    assert asked["reason"]["code"] == "approval_lost"
    assert "the risk was YELLOW and is RED now: no_undo" in asked["reason"]["text"]
    assert asked["approved_by"] is None and asked["plan"]["hash"] != first and asked["started_at"] is None
    moves = [(event["from"], event["to"]) for event in daemon.events(job) if event["type"] == "state"]
    assert moves[-3:] == [("awaiting_approval", "queued"), ("queued", "planning"), ("planning", "awaiting_approval")]
    assert not database.has_schema()
    daemon.approve(job, confirm="job")
    daemon.wait_progress(job, 1)
    daemon.pause(job)
    daemon.wait(job, "paused")
    daemon.stop()
    approved_for(daemon, job, "GREEN")
    daemon.start()
    daemon.resume(job)
    daemon.wait(job, "running")
    daemon.abort(job)
    daemon.wait(job, "aborted")


@pytest.mark.parametrize("asked", ["all", "red"])
def test_an_index_that_comes_before_the_start_asks_again(asked, make_daemon, database):
    """GREEN when it was approved, or when nobody had to; RED when its turn comes, and GREEN again behind that."""
    make_table(database, 400)
    daemon = make_daemon(database, require_approval=asked)
    daemon.post("/v1/pause-all")
    job = daemon.submit(fill(database, undo="journal"))
    assert job["plan"]["risk"] == "GREEN", daemon.get("/v1/jobs/job/plan").json["reasons"]
    if asked == "all":
        daemon.approve(job)
    assert daemon.job(job)["state"] == "queued"
    database.execute("UPDATE counted SET n = id")
    database.execute("CREATE UNIQUE INDEX one_n ON counted (n)")
    daemon.post("/v1/resume-all")
    again = daemon.wait(job, "awaiting_approval")
    assert again["plan"]["risk"] == "RED" and again["reason"]["code"] == "approval_lost"
    assert "the risk was GREEN and is RED now: unique_key_column" in again["reason"]["text"]
    assert "one_n" in daemon.events(job)[-2]["text"]
    assert daemon.post("/v1/jobs/job/approve", {}).json["code"] == "confirm"
    database.execute("DROP INDEX one_n")
    daemon.approve(job, confirm="job")
    daemon.wait(job, "completed")


def test_what_cannot_be_measured_any_more_is_refused(make_daemon, database):
    """Measured for the plan, approved, and not to be had when its turn comes."""
    make_table(database, 500)
    name = database.value("SELECT current_database()")
    daemon = make_daemon(database, require_approval="all")
    job = daemon.submit(fill(database))
    daemon.post("/v1/pause-all")
    daemon.approve(job, confirm="job")
    database.execute(f"ALTER DATABASE {name} SET track_counts = off")
    daemon.post("/v1/resume-all")
    refused = daemon.wait(job, "refused")
    assert refused["reason"]["code"] == "unmeasured" and "track_counts is off" in refused["reason"]["text"]
    assert not database.has_schema()


@pytest.mark.engines(*ENGINES)
def test_a_table_that_goes_before_the_start_refuses_the_job(make_daemon, database):
    make_table(database, 100)
    daemon = make_daemon(database, require_approval="all")
    job = daemon.submit(fill(database))
    daemon.post("/v1/pause-all")
    daemon.approve(job, confirm="job")
    database.execute("DROP TABLE counted")
    daemon.post("/v1/resume-all")
    refused = daemon.wait(job, "refused")
    assert refused["reason"]["code"] == "invalid" and refused["reason"]["text"].startswith("/table: "), refused["reason"]
    assert not database.has_schema()


def test_a_change_past_what_was_approved_asks_again(make_daemon, database):
    make_table(database, 3000)
    daemon = make_daemon(database, require_approval="all")
    job = daemon.submit(fill(database, pace=pace(10, nice=20)))
    daemon.post("/v1/pause-all")
    daemon.approve(job, confirm="job")

    def tune(**fields):
        answer = daemon.request("PATCH", "/v1/jobs/job", {"pace": fields})
        assert answer.status == 200, answer.text
        return answer.json
    assert tune(nice=50)["state"] == "queued" and tune(nice=20)["state"] == "queued"
    tune(nice=19)
    asked = daemon.wait(job, "awaiting_approval")
    assert asked["reason"]["text"] == "pace.nice is past what operator approved" and asked["approved_by"] is None
    daemon.approve(job, confirm="job")
    daemon.post("/v1/resume-all")
    daemon.wait_progress(job, 1)
    assert tune(nice=10)["state"] == "running"  # a job that has begun is not asked for again, and it is said
    texts = [event["text"] for event in daemon.events(job) if event["type"] == "tune"]
    assert texts[-1] == "pace.nice is past what operator approved", texts
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_what_it_took_stands_beside_the_estimate(daemon, client, database):
    make_table(database, 4000)
    job = daemon.submit(fill(database, pace=pace(1000)))
    daemon.wait(job, "completed")
    plan = daemon.get("/v1/jobs/job/plan").json
    took, estimate = plan["took"], plan["estimate"]
    assert took["rows_scanned"] == 4000 and took["rows_changed"] == 4000 and 0 < took["seconds"] <= took["seconds_in_all"] + 0.5
    assert took["as_estimated"] == (estimate["seconds_low"] <= took["seconds"] <= estimate["seconds_high"])
    card = daemon.get("/v1/jobs/job/plan", headers={"Accept": "text/plain"}).text
    assert "\nTOOK        " in card and "4,000 rows scanned" in card and all(len(line) <= 100 for line in card.splitlines())
    shown = client("show", "job", code=0).stdout
    assert "\nestimate  " in shown and "\ntook      " in shown and "MIGRATION" not in shown
    assert "\nMIGRATION   job on shop" in client("show", "job", "--card", code=0).stdout


def log_of(database):
    """How far the server's log is, in bytes."""
    if database.engine == "postgresql":
        return int(database.value("SELECT pg_current_wal_insert_lsn() - '0/0'"))
    return sum(int(row[1]) for row in database.rows("SHOW BINARY LOGS"))


@pytest.mark.engines(*ENGINES)
def test_log_and_journal_stand_beside_their_estimates(daemon, client, database):
    """Measured around the job's own batches: no more than the server wrote meanwhile, and most of it."""
    make_table(database, 20000)
    database.analyze("counted")
    before = log_of(database)
    job = daemon.submit(fill(database, undo="journal", pace={"nice": 0}))
    daemon.wait(job, "completed")
    written = log_of(database) - before
    plan = daemon.get("/v1/jobs/job/plan").json
    took, estimate = plan["took"], plan["estimate"]
    print(f"{database.engine}: log {took['log_bytes']:.0f} of {written}, estimated {estimate['log_bytes']:.0f}; "
          f"journal {took['journal_bytes']:.0f}, estimated {estimate['journal_bytes']:.0f}; measured for {took['log_measured']:.2f}")
    assert 0 < took["log_measured"] <= 1
    assert 0.3 * written < took["log_bytes"] < 1.5 * written  # trial, control schema and checkpoints wrote, too
    assert estimate["log_bytes"] / 2.5 < took["log_bytes"] < estimate["log_bytes"] * 2.5
    assert took["journal_bytes"] == daemon.job(job)["undo"]["bytes"] > 0 and estimate["journal_bytes"] > 0
    assert (took["dead_rows"] is None) == (database.engine != "postgresql")
    card = daemon.get("/v1/jobs/job/plan", headers={"Accept": "text/plain"}).text
    assert "of log, by what the server wrote while batches ran (estimated: " in card and "of undo journal (estimated: " in card
    shown = client("show", "job", code=0).stdout
    assert shown.count(" of log, ") + shown.count(" of\n          log, ") >= 1 and all(len(line) <= 60 for line in shown.splitlines()), shown


@pytest.mark.engines(*ENGINES)
def test_rows_are_counted_while_the_job_waits(make_daemon, database):
    make_table(database, 900)
    daemon = make_daemon(database, require_approval="all")
    job = daemon.submit(fill(database, where="id <= 3000"))
    until(lambda: daemon.get("/v1/jobs/job/plan").json["measured"].get("rows_matching_exact"), 30, "the rows are counted")
    plan = daemon.get("/v1/jobs/job/plan").json
    assert plan["measured"]["rows_matching_exact"] == {"value": 300, "detail": None} and plan["hash"] == job["plan"]["hash"]
    assert abs(plan["estimate"]["rows_changed"] - 300) <= 1
    assert "rows to change: 300 (counted)" in plan["card"]
    assert [event["text"] for event in daemon.events(job) if event["type"] == "note"] == ["counted: 300 rows are asked for"]


@pytest.mark.engines(*ENGINES)
def test_of_a_range_only_its_own_rows_are_counted_and_estimated(make_daemon, database):
    """The bar, the estimate and the count are of what the job will walk, not of the whole table."""
    make_table(database, 9000)
    database.execute("CREATE TABLE pairs (a int, b int, n int, PRIMARY KEY (a, b))")
    database.execute("INSERT INTO pairs SELECT 7, id, 0 FROM counted WHERE id <= 3000")
    for table in ("counted", "pairs"):
        database.analyze(table)
    daemon = make_daemon(database, require_approval="all")

    def counted(job):
        until(lambda: daemon.get(f"/v1/jobs/{job['id']}/plan").json["measured"].get("rows_matching_exact"), 30, "the rows are counted")
        plan = daemon.get(f"/v1/jobs/{job['id']}/plan").json
        return plan["measured"]["rows_matching_exact"]["value"], plan["measured"]["rows_in_range"]["value"], plan["estimate"]
    part = daemon.submit(fill(database, name="part", range={"after": ["1000"], "through": ["10000"]}, where="id <= 5000"))
    matching, walked, estimate = counted(part)
    assert matching == 400 and 300 <= walked <= 2700 and daemon.job(part)["progress"]["rows_estimated"] == walked
    assert abs(estimate["rows_changed"] - 400) <= 1
    open_end = daemon.submit(fill(database, name="end", range={"after": ["89000"]}))
    assert counted(open_end)[0] == 100 and counted(open_end)[1] <= 300
    pairs = {**fill(database, name="pairs", range={"after": ["7", "100"], "through": ["7", "2000"]}), "table": database.table("pairs")}
    assert counted(daemon.submit(pairs))[0] == 190


@pytest.mark.engines(*ENGINES)
def test_a_count_stops_with_the_wait(make_daemon, database):
    """What counts is taken off the server when the job is aborted, however long it would have gone on."""
    make_table(database, 9000)
    daemon = make_daemon(database, require_approval="all")
    slowly = {"postgresql": "pg_sleep(0.01) IS NOT NULL", "mysql": "SLEEP(0.01) = 0", "mariadb": "SLEEP(0.01) = 0"}[database.engine]
    job = daemon.submit(fill(database, where=f"n = 0 AND {slowly}", pace=pace(10)))
    watched = {"postgresql": "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backfilld plan' AND state = 'active'"}
    count = watched.get(database.engine, "SELECT count(*) FROM information_schema.processlist WHERE info LIKE '%rows_matching_exact%' "
                                         "AND id <> connection_id()")
    until(lambda: database.value(count) == 1, 30, "it counts")
    daemon.abort(job)
    until(lambda: database.value(count) == 0, 30, "it counts no more")  # of 90 s
    assert daemon.job(job)["state"] == "aborted"
