"""Targets that come, go and move while jobs run (SIGHUP), and what a target says of its jobs."""
import pytest

from conftest import make_database
from lab.counted import check, full_speed, make_table, slow_batches
from lab.daemon import document, pace
from lab.wait import until

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


def job_of(name="job", table="public.counted", rows=20, **more):
    return document(table, {"n": "n + 1"}, name=name, pace=pace(rows), **more)


def sessions(database, job):
    return {pid for pid, in database.rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'backfilld ' || %s",
                                          (job["id"],))}


def section(database, **keys):
    return {"primary": database if isinstance(database, str) else database.url, "require_approval": "none", **keys}


@pytest.fixture
def second(cluster):
    """Another database of the same server."""
    made = make_database(cluster.primary)
    yield made
    made.close()
    with cluster.primary.connect() as connection:
        connection.execute(f'DROP DATABASE "{made.name}" WITH (FORCE)')


def test_defaults_and_ceilings_of_a_target(make_daemon, database):
    make_table(database, 300)
    daemon = make_daemon(database, **{"pace.batch_rows.max": "30", "pace.nice": "0", "ceiling.statement_timeout": "20s",
                                      "ceiling.pace.batch_rows.max": "100"})
    silent = document("public.counted", {"n": "n + 1"})
    done = daemon.wait(daemon.submit(silent), "completed")
    assert done["progress"]["batch_rows"] == 30 and done["progress"]["batches"] >= 10
    assert done["document"]["pace"]["batch_rows"]["max"] == 30, "what is in force is shown"
    twice = daemon.post("/v1/jobs", {**silent, "pace": {"batch_rows": {"max": 30}}})
    assert twice.status == 201, "what its author wrote is what makes it the same document"
    daemon.wait(twice.json, "completed")
    over = {**silent, "name": "over", "again": True, "limits": {"statement_timeout": "30s"},
            "pace": {"batch_rows": {"max": 101}}}
    answer = daemon.post("/v1/jobs", over)
    assert answer.status == 422, answer.text
    said = {error["pointer"]: error["detail"] for error in answer.json["errors"]}
    assert said.keys() == {"/limits/statement_timeout", "/pace/batch_rows/max"}
    assert "over the ceiling of target shop, 20" in said["/limits/statement_timeout"]
    assert said["/pace/batch_rows/max"].endswith("100")
    below = {**over, "limits": {"statement_timeout": "20s"}, "pace": {"batch_rows": {"max": 100}}}
    assert daemon.wait(daemon.submit(below), "completed")["progress"]["batch_rows"] == 100
    # at once, for what is submitted from now on
    daemon.configure({"shop": section(database, **{"pace.batch_rows.max": "7", "ceiling.batch_rows.max": "50"})})
    daemon.hang_up("target shop: defaults and ceilings: pace.batch_rows.max = 30", "-> pace.batch_rows.max = 7")
    assert daemon.post("/v1/jobs", below).json["errors"][0]["pointer"] == "/pace/batch_rows/max"
    changed = daemon.wait(daemon.submit({**silent, "name": "third", "again": True}), "completed")
    assert changed["progress"]["batch_rows"] == 7


def test_a_changed_number_of_jobs_counts_at_once(make_daemon, database):
    daemon = make_daemon(database, max_jobs="1")
    with daemon.held_back():
        for name in ("counted", "other_table"):
            make_table(database, 300, name)
        first = daemon.submit(job_of("first"))
        second = daemon.submit(job_of("second", "public.other_table"))
        for name in ("counted", "other_table"):
            slow_batches(database, 0.5, name=name)
    daemon.wait_reason(second, "max_jobs")
    daemon.configure({"shop": section(database, max_jobs="2", require_approval="all")})
    daemon.hang_up("target shop: max_jobs: 1 -> 2", "target shop: require_approval: none -> all", "2 changes")
    daemon.wait(second, "running", "completed")
    third = daemon.submit(job_of("third", "public.counted"))
    assert third["state"] == "awaiting_approval"
    for name in ("counted", "other_table"):
        full_speed(database, name)
    for job in (first, second):
        daemon.wait(job, "completed")
    assert "0 changes" in daemon.hang_up()


def test_jobs_of_a_target_that_is_gone_wait_for_it(make_daemon, database, second):
    rows = 2000
    make_table(database, rows)
    make_table(database, 10, "waiting")
    make_table(second, rows)
    slow_batches(database, 0.05)
    daemon = make_daemon(database, targets={"staging": section(second)})
    running = daemon.submit(job_of())
    queued = daemon.submit(job_of("queued"))  # the same table: it waits for the first
    daemon.wait_progress(running, 2)
    daemon.configure({"staging": section(second)})
    daemon.hang_up("target shop: gone; 2 unfinished jobs wait", "1 change")
    seen = daemon.wait_reason(running, "target_gone")
    assert seen["state"] == "running" and "shop" in seen["reason"]["text"]
    assert daemon.wait_reason(queued, "target_gone")["state"] == "queued"
    until(lambda: not sessions(database, running), 30, "the job's session is closed")
    # between two batches, and its checkpoint is let go
    assert database.value("SELECT owner FROM backfilld.checkpoint") == ""
    changed = database.value("SELECT count(*) FROM counted WHERE n = 1")
    assert 0 < changed < rows and changed % 20 == 0
    assert daemon.post("/v1/jobs", job_of("new")).json["errors"][0]["pointer"] == "/target"
    shown = {target["name"]: target for target in daemon.get("/v1/targets").json["targets"]}
    assert list(shown) == ["staging", "shop"]
    assert shown["staging"]["reachability"] == "reachable"
    gone = daemon.get("/v1/targets/shop").json
    assert gone == shown["shop"] and gone["reachability"] == "gone" and gone["engine"] is None
    assert (gone["running"], gone["queued"]) == (1, 1)
    assert daemon.get("/readyz").status == 200
    # the other target works, and a restart changes nothing
    daemon.wait(daemon.submit({**job_of("elsewhere"), "target": "staging"}), "completed")
    daemon.restart()
    assert daemon.wait_reason(running, "target_gone")["state"] == "running"
    assert daemon.wait_reason(queued, "target_gone")["state"] == "queued"
    assert database.value("SELECT count(*) FROM counted WHERE n = 1") == changed
    full_speed(database)
    daemon.configure({"shop": section(database), "staging": section(second)})
    daemon.hang_up("target shop: new")
    done = daemon.wait(running, "completed")
    assert done["progress"]["resumed"] >= 1
    daemon.wait(queued, "completed")
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(2, rows)]
    texts = [event["text"] for event in daemon.events(running)]
    assert any("not in the configuration any more" in text for text in texts), texts
    assert any("is there again" in text for text in texts), texts


def test_what_the_servers_say_of_themselves(make_daemon, database, cluster, my_database):
    """Asked at most every two seconds; a replica is said to be one, and so is a primary that takes no writes."""
    daemon = make_daemon(database, targets={"replica": {"primary": database.url.replace(
        f":{cluster.primary.port}/", f":{cluster.replica.port}/")}, "legacy": {"primary": my_database.url, **my_database.target},
        "away": {"primary": "postgresql://postgres@127.0.0.1:1/shop"}})

    def seen():
        shown = {target["name"]: target for target in daemon.get("/v1/targets").json["targets"]}
        return {name: (target["engine"], target["reachability"], target["role"]) for name, target in shown.items()}, shown
    until(lambda: seen()[0]["replica"][1] == "reachable", 20, "the database is replayed", 0.5)
    words, shown = seen()
    assert words == {"shop": ("postgresql", "reachable", "primary"), "replica": ("postgresql", "reachable", "replica"),
                     "legacy": ("mysql", "reachable", "primary"), "away": ("postgresql", "unreachable", None)}
    assert shown["legacy"]["version"] and shown["away"]["version"] is None and "refused" in shown["away"]["trouble"]
    database.execute(f'ALTER DATABASE "{database.name}" SET default_transaction_read_only = on')
    until(lambda: seen()[0]["shop"] == ("postgresql", "reachable", "read_only"), 30, "it takes no writes", 0.2)


def test_a_job_of_a_target_that_is_gone_can_be_stopped(daemon, database):
    make_table(database, 2000)
    slow_batches(database, 0.05)
    jobs = [daemon.submit(job_of())]
    daemon.wait_progress(jobs[0], 1)
    daemon.configure({})
    daemon.hang_up("target shop: gone")
    daemon.wait_reason(jobs[0], "target_gone")
    daemon.pause(jobs[0])
    assert daemon.wait(jobs[0], "paused")["reason"]["code"] == "operator"
    daemon.resume(jobs[0])
    assert daemon.wait_reason(jobs[0], "target_gone")["state"] == "queued"
    daemon.abort(jobs[0])
    daemon.wait(jobs[0], "aborted")


def test_another_address_of_the_same_database(daemon, database):
    rows = 2000
    make_table(database, rows)
    slow_batches(database, 0.05)
    job = daemon.submit(job_of())
    daemon.wait_progress(job, 2)
    before = sessions(database, job)
    assert len(before) == 1
    daemon.configure({"shop": section(database.url.replace("127.0.0.1", "localhost"))})
    daemon.hang_up("target shop: primary changed: its jobs connect anew")
    until(lambda: sessions(database, job) - before, 20, "the job has another session")
    until(lambda: not sessions(database, job) & before, 20, "the former one is closed")
    assert daemon.get("/readyz").status == 200
    full_speed(database)
    assert daemon.wait(job, "completed")["progress"]["resumed"] == 1
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(1, rows)]
    check(database, rows)


def test_an_address_that_does_not_answer_and_back(daemon, database):
    rows = 2000
    make_table(database, rows)
    slow_batches(database, 0.05)
    job = daemon.submit(job_of())
    daemon.wait_progress(job, 2)
    daemon.configure({"shop": section(NOWHERE)})
    daemon.hang_up()
    assert daemon.wait_reason(job, "server_unreachable")["state"] == "running"
    assert daemon.get("/readyz").status == 503
    full_speed(database)
    daemon.configure({"shop": section(database)})
    daemon.hang_up()
    daemon.wait(job, "completed")
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(1, rows)]


@pytest.mark.parametrize("restart", [False, True], ids=["by SIGHUP", "by a restart"])
def test_a_repointed_target_is_told_apart(restart, daemon, database, second):
    rows = 2000
    for one in (database, second):
        make_table(one, rows)
    slow_batches(database, 0.05)
    job = daemon.submit(job_of())
    daemon.wait_progress(job, 2)
    daemon.configure({"shop": section(second)})
    if restart:
        daemon.stop()
        daemon.start()
    else:
        daemon.hang_up()
    assert "another database" in daemon.wait(job, "paused")["reason"]["text"]
    assert daemon.job(job)["reason"]["code"] == "target_changed"
    assert second.value("SELECT max(n) FROM counted") == 0
    assert second.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'backfilld'") == 0, "nothing is made there"
    full_speed(database)
    daemon.configure({"shop": section(database)})
    daemon.hang_up()
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(1, rows)]


def test_a_renamed_target_is_another_one(daemon, database):
    rows = 2000
    make_table(database, rows)
    slow_batches(database, 0.05)
    job = daemon.submit(job_of())
    daemon.wait_progress(job, 1)
    daemon.configure({"store": section(database)})
    daemon.hang_up("target store: new", "target shop: gone; 1 unfinished job waits")
    daemon.wait_reason(job, "target_gone")
    full_speed(database)
    # both names at once: the job goes on under its own, and the same document under the other is another job
    daemon.configure({"store": section(database), "shop": section(database)})
    daemon.hang_up()
    daemon.wait(job, "completed")
    daemon.wait(daemon.submit({**job_of("job"), "target": "store"}), "completed")
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(2, rows)]


def test_two_databases_of_one_server_are_two_targets(make_daemon, database, second):
    rows = 200
    daemon = make_daemon(database, max_jobs="1", targets={"staging": section(second, max_jobs="1")})
    with daemon.held_back():
        for one in (database, second):
            make_table(one, rows)
        first = daemon.submit(job_of("first"))
        other = daemon.submit({**job_of("other"), "target": "staging"})
        for one in (database, second):
            slow_batches(one, 0.5)
    until(lambda: sessions(database, first) and sessions(second, other), 20, "both run, on the table of one name")
    for one in (database, second):
        full_speed(one)
    for job in (first, other):
        daemon.wait(job, "completed")
    for one in (database, second):
        assert one.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(1, rows)]


def test_a_faulty_file_changes_nothing(daemon, database):
    make_table(database, 100)
    good = daemon.configuration.read_text()
    daemon.configuration.write_text(good.replace("require_approval = none", "require_approval = all\nmax_jobs = many") +
                                    "pace.nice = high\n")
    lines = good.splitlines()
    at = next(i for i, line in enumerate(lines, 1) if line.startswith("require_approval")) + 1
    said = daemon.hang_up(f"backfilld.ini:{at}: max_jobs", f"backfilld.ini:{len(lines) + 2}: pace.nice",
                   "2 faults in the configuration: nothing changed")
    assert "require_approval" not in said
    daemon.wait(daemon.submit(job_of()), "completed")
    daemon.configuration.unlink()
    daemon.hang_up("backfilld.ini: cannot be read", "nothing changed")
    assert daemon.get("/healthz").status == 200


def test_what_takes_a_restart_is_said(daemon, database):
    good = daemon.configuration.read_text()
    for _ in range(2):  # also the second time
        daemon.configuration.write_text(good.replace(daemon.listen, "127.0.0.1:1").replace("state.db", "other.db"))
        daemon.hang_up(f"listen: {daemon.listen} -> 127.0.0.1:1 takes a restart", "other.db takes a restart", "0 changes")
    daemon.configuration.write_text(good)
    assert "restart" not in daemon.hang_up()
    assert daemon.get("/readyz").status == 200


@pytest.mark.parametrize("said", [False, True])
def test_nobody_is_asked_for_kerberos_unless_the_connection_says_so(said, database, make_daemon):
    """libpq would do that by itself, and wait for the answer on the loop."""
    make_table(database, 10)
    daemon = make_daemon(database.url + "?gssencmode=prefer" if said else database, start=False)
    trace = daemon.directory / "kerberos"
    daemon.environment = {"KRB5_TRACE": str(trace)}  # made as soon as the library is asked for anything
    daemon.start()
    daemon.wait(daemon.submit(job_of()), "completed")
    assert trace.exists() == said
