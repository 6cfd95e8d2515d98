"""A job's life as people see it: submit, approve, queue, pause, resume, abort, restart; and one round trip per batch."""
import pytest

from lab.counted import check, full_speed, make_table, slow_batches
from lab.daemon import document, pace
from lab.proxy import Proxy
from lab.wait import until


def slow_job(name="job", table="public.counted", **more):
    return document(table, {"n": "n + 1"}, name=name, pace=pace(20), **more)


def test_a_job_from_submission_to_completion(daemon, database):
    make_table(database, 500)
    submitted = daemon.submit(document("public.counted", {"n": "n + 1", "payload": "'new'"}, where="id <= 4000",
                                       owner="team-orders", labels={"campaign": "test"}, pace=pace(30)))
    done = daemon.wait(submitted, "completed")
    assert done["id"] == submitted["id"] and done["name"] == "job"
    assert done["direction"] == "forward" and not done.get("reason")
    progress = done["progress"]
    assert progress["rows_changed"] == 400 and progress["rows_scanned"] == 500
    assert progress["batches"] >= 500 // 30 and progress["fraction"] == 1
    assert database.row("SELECT count(*) FILTER (WHERE n = 1 AND payload = 'new'), count(*) FILTER (WHERE n = 0) "
                        "FROM counted") == (400, 100)
    texts = [event["text"] for event in daemon.events(done)]
    assert any("everything is done and verified" in text for text in texts), texts
    # what the target itself says
    assert database.row("SELECT name, state FROM backfilld.job WHERE id = %s", (done["id"],)) == ("job", "completed")
    assert database.row("SELECT done, rows_changed, owner FROM backfilld.checkpoint") == (True, 400, "")


def test_an_or_in_where_changes_only_rows_of_the_range(daemon, database):
    make_table(database, 300)
    job = daemon.submit(document("public.counted", {"n": "n + 1"}, where="id < 500 OR payload IS NOT NULL",
                                 range={"after": ["1000"], "through": ["2000"]}, pace=pace(7)))
    daemon.wait(job, "completed")
    assert database.row("SELECT min(id), max(id), count(*), max(n) FROM counted WHERE n > 0") == (1010, 2000, 100, 1)


@pytest.mark.parametrize("where", ["1=1) OR (1=1", "1=1 --", "1=1; DROP TABLE counted", "payload = 'open", "no_such = 1"])
def test_a_bad_predicate_is_refused_before_anything_is_written(where, daemon, database):
    make_table(database, 10)
    answer = daemon.post("/v1/jobs", slow_job(where=where))
    assert answer.status == 422, answer.text
    assert [error["pointer"] for error in answer.json["errors"]] == ["/where"], answer.text
    assert database.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'backfilld'") == 0
    assert database.value("SELECT max(n) FROM counted") == 0


def test_a_second_assignment_in_one_expression_is_refused(daemon, database):
    make_table(database, 10)
    answer = daemon.post("/v1/jobs", document("public.counted", {"payload": "'x', other = 1"}))
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/set/payload", answer.text


def test_nothing_runs_before_a_person_approves(make_daemon, database):
    make_table(database, 50)
    daemon = make_daemon(database, require_approval="all")
    job = daemon.submit(slow_job())
    waiting = daemon.wait(job, "awaiting_approval")
    assert database.value("SELECT max(n) FROM counted") == 0
    daemon.restart()
    assert daemon.wait(job, "awaiting_approval")["id"] == waiting["id"]
    assert database.value("SELECT max(n) FROM counted") == 0
    daemon.approve(job, confirm="job")
    daemon.wait(job, "completed")
    check(database, 50)


def test_the_queue_keeps_its_order_and_max_jobs(make_daemon, database):
    daemon = make_daemon(database, max_jobs=1)
    jobs = []
    names = ("first", "second", "third")
    with daemon.held_back():
        for name in names:
            make_table(database, 200, name)
            jobs.append(daemon.submit(slow_job(name, f"public.{name}")))
            slow_batches(database, 1, name=name)
    first, second, third = jobs
    daemon.wait(first, "running")
    waiting = daemon.wait_reason(third, "max_jobs")
    assert waiting["state"] == "queued" and daemon.job(second)["state"] == "queued"
    for name in names:
        full_speed(database, name)
    sampled = set()

    def all_completed():
        # one answer, so one moment; newest first
        states = [job["state"] for job in reversed(daemon.get("/v1/jobs").json["jobs"])]
        sampled.add(tuple(states))
        return states == ["completed"] * 3
    until(all_completed, 60, lambda _: f"all completed: {sampled}")
    for states in sampled:
        assert sum(state in ("running", "verifying") for state in states) <= 1, states
        assert "queued" not in states[:2] or states[2] in ("queued",), f"the third overtook: {states}"
    started = [daemon.job(job)["started_at"] for job in jobs]
    assert started == sorted(started)


def test_max_jobs_run_side_by_side_but_one_per_table(make_daemon, database):
    daemon = make_daemon(database, max_jobs=2)
    for name in ("first", "second"):
        make_table(database, 200, name)
    with daemon.held_back():
        one = daemon.submit(slow_job("one", "public.first"))
        same = daemon.submit(document("first", {"other": "1"}, name="same", pace=pace(20)))
        two = daemon.submit(slow_job("two", "public.second"))
        for name in ("first", "second"):
            slow_batches(database, 1, name=name)
    daemon.wait(one, "running")
    daemon.wait(two, "running")
    assert daemon.wait_reason(same, "table_busy")["state"] == "queued"
    for name in ("first", "second"):
        full_speed(database, name)
    for job in (one, two, same):
        daemon.wait(job, "completed")
    assert database.row("SELECT min(n), max(n), min(other) FROM first") == (1, 1, 1)


def test_pause_resume_and_a_restart_that_keeps_paused(daemon, database):
    make_table(database, 1000)
    slow_batches(database, 0.1)
    job = daemon.submit(slow_job())
    daemon.wait_progress(job, 3)
    daemon.pause(job, "lunch")
    paused = daemon.wait_stored(job, "paused")
    assert paused["reason"]["code"] == "operator" and "lunch" in paused["reason"]["text"]
    count = database.value("SELECT sum(n) FROM counted")
    assert 0 < count < 1000
    daemon.restart()
    again = daemon.job(job)
    assert (again["state"], again["reason"]["code"]) == ("paused", "operator")
    # a second job on the table may work meanwhile: paused means that it needs nothing
    other = daemon.submit(document("public.counted", {"other": "1"}, name="other", pace=pace(500)))
    daemon.wait(other, "completed")
    assert daemon.job(job)["state"] == "paused"
    assert database.value("SELECT sum(n) FROM counted") == count
    daemon.resume(job)
    full_speed(database)
    daemon.wait(job, "completed")
    check(database, 1000)


def test_abort_ends_a_job_for_good(daemon, database):
    make_table(database, 1000)
    slow_batches(database, 0.1)
    job = daemon.submit(slow_job())
    daemon.wait_progress(job, 3)
    daemon.abort(job)
    daemon.wait_stored(job, "aborted")
    count = database.value("SELECT sum(n) FROM counted")
    assert daemon.post(f"/v1/jobs/{job['id']}/resume").status == 409
    daemon.restart()
    assert daemon.job(job)["state"] == "aborted"
    assert database.value("SELECT sum(n) FROM counted") == count
    assert database.value("SELECT state FROM backfilld.job WHERE id = %s", (job["id"],)) == "aborted"


def test_sigterm_lets_the_batch_end_and_the_next_start_goes_on(daemon, database):
    make_table(database, 1000)
    slow_batches(database, 0.1)
    job = daemon.submit(slow_job())
    daemon.wait_progress(job, 3)
    assert daemon.stop() == 0
    assert database.value("SELECT owner FROM backfilld.checkpoint") == ""
    count = database.value("SELECT sum(n) FROM counted")
    assert 0 < count < 1000 and count % 20 == 0
    daemon.start()
    full_speed(database)
    daemon.wait(job, "completed")
    check(database, 1000)


def test_a_restart_knows_the_job_whatever_the_order_of_its_fields(daemon, database):
    make_table(database, 1000)
    slow_batches(database, 0.02)
    job = daemon.submit(document("public.counted", {"payload": "'new'", "n": "n + 1", "other": "7"}, pace=pace(20)))
    daemon.wait_progress(job, 3)
    daemon.restart()
    full_speed(database)
    daemon.wait(job, "completed")
    assert database.row("SELECT min(n), max(n), min(other), min(payload) FROM counted") == (1, 1, 7, "new")


def test_a_value_that_does_not_fit_fails_the_job_and_names_the_row(daemon, database):
    make_table(database, 200)
    database.execute("ALTER TABLE counted ADD CHECK (n = 0 OR id < 1000)")
    job = daemon.submit(slow_job())
    failed = daemon.wait(job, "failed")
    assert failed["reason"]["code"] == "data_error"
    assert failed["reason"]["text"].startswith('row ["1000"] of public.counted cannot be changed: '), failed["reason"]
    assert "(23514)" in failed["reason"]["text"], failed["reason"]
    assert database.row("SELECT count(*) FILTER (WHERE n = 1), max(id) FILTER (WHERE n = 1) FROM counted") == (99, 990)


def test_the_same_document_is_done_once(daemon, database):
    make_table(database, 100)
    job = daemon.submit(slow_job())
    daemon.wait(job, "completed")
    answer = daemon.post("/v1/jobs", slow_job())
    assert answer.status == 422 and answer.json["code"] == "already_done" and job["id"] in answer.text
    again = daemon.submit(slow_job(again=True))
    daemon.wait(again, "completed")
    assert database.row("SELECT min(n), max(n) FROM counted") == (2, 2)


def test_one_round_trip_per_batch(cluster, database, make_daemon):
    make_table(database, 2000)
    seen = []

    def note(group):
        if group.is_batch:
            seen.append((group.connection, group.connection.round_trips))
        return False
    with Proxy(("127.0.0.1", cluster.primary.port), note) as proxy:
        # long enough that whatever the daemon sends without waiting for an answer arrives before the answer leaves
        proxy.delay = 0.02
        daemon = make_daemon(proxy.url(database.name))
        daemon.wait(daemon.submit(slow_job()), "completed")
    assert len(seen) >= 100
    first, last = seen[10], seen[90]
    assert first[0] is last[0], "the batches ran on more than one connection"
    assert last[1] - first[1] == 80, f"{last[1] - first[1]} round trips for 80 batches"
    check(database, 2000)
