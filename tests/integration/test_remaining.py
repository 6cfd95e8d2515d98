"""`remaining` and its passes, the canary, and the operator's checks."""
import psycopg

from lab.daemon import document, pace

ROWS = 2000


def make_orders(database, rows=ROWS):
    database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, status text, touched integer NOT NULL DEFAULT 0)")
    database.execute("INSERT INTO orders SELECT g * 10, 'old' FROM generate_series(1, %s) g", (rows,))
    database.execute("VACUUM ANALYZE orders")


def the_job(**more):
    more.setdefault("pace", pace(100))
    return document("public.orders", {"status": "'new'", "touched": "touched + 1"}, **more)


def test_late_rows_are_found_by_a_further_pass(make_daemon, database):
    """A row is inserted behind the position, in a transaction that was open before the pass that would miss it."""
    make_orders(database)
    daemon = make_daemon(database)
    with psycopg.connect(database.url) as late:
        late.execute("INSERT INTO orders (id, status) VALUES (5, 'old')")
        job = daemon.submit(the_job(remaining="status = 'old'"))
        waiting = daemon.wait_reason(job, "old_transaction")
        assert waiting["progress"]["rows_changed"] == ROWS
        assert database.value("SELECT count(*) FROM orders WHERE status = 'old'") == 0  # not committed yet
        late.commit()
    done = daemon.wait(job, "completed")
    assert done["progress"]["pass"] >= 2
    assert done["progress"]["rows_changed"] == ROWS + 1
    assert database.row("SELECT min(touched), max(touched), count(*) FROM orders WHERE status = 'new'") == (1, 1, ROWS + 1)


def test_passes_go_on_after_kills(make_daemon, database):
    make_orders(database)
    daemon = make_daemon(database)
    with psycopg.connect(database.url) as late:
        late.execute("INSERT INTO orders (id, status) VALUES (5, 'old')")
        job = daemon.submit(the_job(remaining="status = 'old'"))
        daemon.wait_reason(job, "old_transaction")
        daemon.kill9()
        daemon.start()
        daemon.wait_reason(job, "old_transaction")
        late.commit()
    daemon.wait(job, "completed")
    assert database.row("SELECT min(touched), max(touched), count(*) FROM orders WHERE status = 'new'") == (1, 1, ROWS + 1)


def test_a_remaining_that_is_not_cleared_is_refused_and_nothing_is_written(make_daemon, database):
    make_orders(database)
    daemon = make_daemon(database)
    answer = daemon.post("/v1/jobs", the_job(remaining="touched < 5"))
    assert answer.status == 422, answer.text
    assert answer.json["code"] == "remaining_not_cleared", answer.text
    assert answer.json["errors"][0]["pointer"] == "/remaining"
    assert database.value("SELECT count(*) FROM orders WHERE touched > 0") == 0
    assert database.value("SELECT to_regnamespace('backfilld') IS NULL")


def test_rows_that_come_as_fast_as_they_are_done_fail_the_job(make_daemon, database):
    """Every change makes another row 'old' again, by a trigger: no pass finds fewer than the one before."""
    make_orders(database, 100)
    database.execute("""CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF new.status = 'new' AND old.status = 'old' AND new.id > 500 THEN
            UPDATE orders SET status = 'old' WHERE id = new.id - 500; END IF; RETURN NULL; END $$""")
    database.execute("CREATE TRIGGER again AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION again()")
    database.execute("""CREATE FUNCTION back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF new.status = 'new' AND old.status = 'old' AND new.id <= 500 THEN
            UPDATE orders SET status = 'old' WHERE id = new.id + 500; END IF; RETURN NULL; END $$""")
    database.execute("CREATE TRIGGER back AFTER UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION back()")
    daemon = make_daemon(database)
    job = daemon.submit(the_job(remaining="status = 'old'", pace=pace(10)))
    failed = daemon.wait(job, "failed")
    assert failed["reason"]["code"] == "remaining_not_shrinking", failed["reason"]


def check(name, sql, **comparison):
    return {"name": name, "sql": sql, **comparison}


def test_a_check_before_that_fails_pauses_and_writes_nothing(make_daemon, database):
    make_orders(database)
    database.execute("CREATE TABLE backup (fresh boolean)")
    daemon = make_daemon(database)
    job = daemon.submit(the_job(checks={"before": [check("backup is fresh", "SELECT fresh FROM backup", equals="t")]}))
    paused = daemon.wait(job, "paused")
    assert paused["reason"]["code"] == "check_failed"
    assert "backup is fresh" in paused["reason"]["text"] and "no row" in paused["reason"]["text"]
    assert database.value("SELECT count(*) FROM orders WHERE touched > 0") == 0
    database.execute("INSERT INTO backup VALUES (true)")
    daemon.resume(job)
    daemon.wait(job, "completed")


def test_an_after_check_decides_whether_the_job_is_completed(make_daemon, database):
    make_orders(database)
    daemon = make_daemon(database)
    job = daemon.submit(the_job(where="id <= 10000", checks={"after": [
        check("rows there", "SELECT 1 FROM orders LIMIT 3", rows=3),
        check("none left", "SELECT count(*) FROM orders WHERE status = 'old'", at_most="0")]}))
    failed = daemon.wait(job, "failed")
    assert failed["reason"]["code"] == "check_failed"
    assert "none left" in failed["reason"]["text"] and "1000" in failed["reason"]["text"], failed["reason"]
    database.execute("UPDATE orders SET status = 'new' WHERE status = 'old'")
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert database.value("SELECT max(touched) FROM orders") == 1


def test_a_check_that_writes_or_takes_too_long_does_not_hold(make_daemon, database):
    make_orders(database)
    database.execute("CREATE FUNCTION touch() RETURNS int LANGUAGE sql AS 'UPDATE orders SET touched = 99; SELECT 1'")
    daemon = make_daemon(database)
    job = daemon.submit(the_job(checks={"before": [check("it writes", "SELECT touch()", equals="1")]}))
    paused = daemon.wait(job, "paused")
    assert "read-only" in paused["reason"]["text"], paused["reason"]
    daemon.abort(job)
    daemon.wait(job, "aborted")
    job = daemon.submit(the_job(name="slow", checks={"before": [
        check("it sleeps", "SELECT pg_sleep(10)", rows=1, timeout="50ms")]}))
    paused = daemon.wait(job, "paused")
    assert "timeout" in paused["reason"]["text"], paused["reason"]
    assert database.value("SELECT max(touched) FROM orders") == 0


def test_the_canary_waits_for_a_person(make_daemon, database):
    make_orders(database)
    daemon = make_daemon(database)
    job = daemon.submit(the_job(canary={"rows": 250}))
    paused = daemon.wait(job, "paused")
    assert paused["reason"]["code"] == "canary"
    assert database.value("SELECT count(*) FROM orders WHERE status = 'new'") == 250
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert database.row("SELECT min(touched), max(touched) FROM orders") == (1, 1)


def test_canary_checks_decide_alone(make_daemon, database):
    make_orders(database)
    daemon = make_daemon(database)
    good = {"canary": [check("no harm", "SELECT count(*) FROM orders WHERE touched > 1", equals="0")]}
    job = daemon.submit(the_job(canary={"rows": 250}, checks=good))
    daemon.wait(job, "completed")
    bad = {"canary": [check("no change", "SELECT max(touched) FROM orders", at_most=1)]}
    job = daemon.submit(the_job(name="second", canary={"rows": 250}, checks=bad))
    paused = daemon.wait(job, "paused")
    assert paused["reason"]["code"] == "check_failed" and "no change" in paused["reason"]["text"]
    assert database.value("SELECT count(*) FROM orders WHERE touched = 2") == 250


def test_a_check_that_is_no_query_is_refused(make_daemon, database):
    make_orders(database)
    daemon = make_daemon(database)
    answer = daemon.post("/v1/jobs", the_job(checks={"before": [
        check("two", "SELECT 1; DROP TABLE orders", equals="1"), check("write", "DELETE FROM orders", rows=0)],
        "after": [{"name": "none", "sql": "SELECT 1"}]}))
    assert answer.status == 422
    assert {error["pointer"] for error in answer.json["errors"]} >= {"/checks/after/0"}, answer.text
    answer = daemon.post("/v1/jobs", the_job(checks={"before": [
        check("two", "SELECT 1; DROP TABLE orders", equals="1"), check("write", "DELETE FROM orders", rows=0)]}))
    assert {error["pointer"] for error in answer.json["errors"]} == {"/checks/before/0/sql", "/checks/before/1/sql"}


def test_started_at_is_when_the_job_began(make_daemon, database):
    """Also after a restart: rows that are younger than the job stay as they are."""
    make_orders(database)
    database.execute("ALTER TABLE orders ADD created_at timestamptz NOT NULL DEFAULT now() - interval '1 day'")
    daemon = make_daemon(database)
    job = daemon.submit(the_job(where="created_at < :started_at", canary={"rows": 100}))
    daemon.wait(job, "paused")
    database.execute("UPDATE orders SET created_at = clock_timestamp() WHERE id > 19000")
    daemon.restart()
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert database.value("SELECT count(*) FROM orders WHERE status = 'old'") == 100
