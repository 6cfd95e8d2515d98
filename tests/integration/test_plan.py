"""The plan: what is measured before a job starts, what of it is a reason for which class, what is refused, and that nothing
of it stays behind."""
import threading
import time
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest

from lab.counted import make_table
from lab.daemon import document, pace
from lab.engines import ENGINES
from lab.wait import until

PLAN = "/v1/jobs?dry_run=true"


def orders(**more):
    return document("public.orders", {"n": "n + 1"}, pace=pace(1000), **more)


@pytest.fixture
def planned(daemon, database):
    """A table of orders; gives the plan of a document on it."""
    database.execute("CREATE TABLE customers (id bigint PRIMARY KEY)")
    database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0, code int, customer bigint)")
    database.execute("INSERT INTO orders SELECT i, 0, i FROM generate_series(1, 4000) i")
    database.execute("ANALYZE orders")

    def plan(**more):
        answer = daemon.post(PLAN, orders(**more))
        assert answer.status == 200, answer.text
        return answer.json
    return plan


def as_role(database, role):
    """The database's address with another user."""
    parts = urlsplit(database.url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "user"] + [("user", role)]
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=urlencode(query)))


def codes(plan):
    return {reason["code"]: reason for reason in plan["reasons"]}


RULES = {
    "triggers": ("CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'; "
                 "CREATE TRIGGER touch_it BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch()", "YELLOW", "touch_it"),
    "indexed_column": ("CREATE INDEX by_n ON orders ((n + 1))", "YELLOW", "by_n"),
    "unique_key_column": ("UPDATE orders SET n = id; CREATE UNIQUE INDEX one_n ON orders (n)", "RED", "one_n"),
    "foreign_key_column": ("ALTER TABLE orders ADD CONSTRAINT of_customer FOREIGN KEY (n) REFERENCES customers (id) NOT VALID",
                           "RED", "of_customer"),
    "autovacuum_off": ("ALTER TABLE orders SET (autovacuum_enabled = off)", "YELLOW", "dead rows"),
}


@pytest.mark.parametrize("code", RULES)
def test_what_the_catalogue_says_is_a_reason(code, planned, database):
    change, risk, part = RULES[code]
    assert code not in codes(planned())
    database.execute(change)
    reason = codes(planned())[code]
    assert reason["risk"] == risk and part in reason["text"], reason


def test_a_plan_leaves_nothing_behind(planned, database):
    def picture():
        return (database.rows("SELECT oid, relname, relfilenode FROM pg_class ORDER BY oid"),
                database.rows("SELECT * FROM orders ORDER BY id"), database.has_schema())
    before = picture()
    plan = planned()
    assert plan["measured"]["trial_batches"]["value"] == 3 and plan["measured"]["trial_changed"]["value"] > 0
    assert picture() == before and not database.has_schema()


@pytest.mark.engines(*ENGINES)
def test_batches_are_tried_and_taken_back(daemon, database):
    """Three places behind each other, each rolled back, with what they cost; and what the catalogue says of the column."""
    make_table(database, 9000)
    database.execute("CREATE INDEX by_n ON counted (n)")
    before = database.rows("SELECT id, n FROM counted ORDER BY id")
    plan = daemon.post(PLAN, document(database.table("counted"), {"n": "n + 1"}, where="n >= 0")).json
    assert database.rows("SELECT id, n FROM counted ORDER BY id") == before and not database.has_schema()
    measured = {name: fact["value"] for name, fact in plan["measured"].items()}
    assert measured["trial_batches"] == 3 and measured["trial_changed"] == measured["trial_rows"] > 0, plan["measured"]
    assert measured["trial_seconds"] > 0 and measured["trial_log_bytes"] > 0 and measured["boundary_by_key"] == 1
    assert 4500 <= measured["rows"] <= 18000 and measured["lock_contention"] == 0 and plan["unmeasured"] == []
    assert "by_n" in codes(plan)["indexed_column"]["text"]
    low, high = plan["estimate"]["seconds_low"], plan["estimate"]["seconds_high"]
    assert 0 < low < high <= 2.51 * low
    assert "checkpoint" not in plan["statement"]


def test_the_writes_of_others_are_counted(make_daemon, database, planned):
    daemon = make_daemon(database, plan_window="1500ms")
    over, written = threading.Event(), []

    def write():
        with database.connect() as connection:
            while not over.is_set():
                connection.execute("UPDATE orders SET code = code WHERE id <= 100")
                written.append(100)
                over.wait(0.02)
    begun = time.monotonic()
    writer = threading.Thread(target=write)
    writer.start()
    try:
        until(lambda: sum(written) > 5000, 20, "the writer is at it")  # and its session has told the statistics so
        plan = daemon.post(PLAN, orders()).json
    finally:
        over.set()
        writer.join()
    rate = sum(written) / (time.monotonic() - begun)
    assert rate / 4 < plan["measured"]["write_rate"]["value"] < rate * 4
    assert "high_write_rate" in codes(plan)


def test_who_waits_and_who_is_old_is_seen(planned, database):
    quiet = planned()
    assert quiet["measured"]["lock_contention"]["value"] == 0 and "lock_contention" not in codes(quiet)
    holder, waiter = database.connect(autocommit=False), database.connect(autocommit=False)
    holder.execute("UPDATE orders SET code = code WHERE id = 7")
    pid = waiter.execute("SELECT pg_backend_pid()").fetchone()[0]
    waiting = threading.Thread(target=lambda: waiter.execute("UPDATE orders SET code = code WHERE id = 7"))
    waiting.start()
    until(lambda: database.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = %s", (pid,)) == 1, 10, "it waits")
    plan = planned()
    assert codes(plan)["lock_contention"]["value"] == 1
    assert 0 < plan["measured"]["oldest_transaction"]["value"] < 60
    assert plan["measured"]["trial_conflicts"]["value"] == 1 and "trial_conflicts" in codes(plan)  # row 7 is in the first batch
    holder.rollback()
    waiting.join()
    waiter.rollback()
    holder.close()
    waiter.close()


def test_what_is_mandatory_is_measured_or_accepted(make_daemon, database, planned):
    database.execute("CREATE ROLE counts_nothing LOGIN SUPERUSER")
    database.execute("ALTER ROLE counts_nothing SET track_counts = off")
    try:
        daemon = make_daemon(database, primary=as_role(database, "counts_nothing"))
        refused = daemon.submit(orders(name="first"))
        assert refused["state"] == "refused" and refused["reason"]["code"] == "unmeasured"
        assert "write_rate (track_counts is off)" in refused["reason"]["text"]
        plan = daemon.get("/v1/jobs/first/plan").json
        assert plan["unmeasured"] == ["write_rate"] and "unmeasured" in codes(plan)
        job = daemon.submit(orders(name="second", accept=["write_rate"]))
        daemon.wait(job, "completed")
    finally:
        database.execute("DROP OWNED BY counts_nothing")
        database.execute("DROP ROLE counts_nothing")


def test_approval_from_a_risk_on(make_daemon, database, planned):
    """"undo": "none" is RED, whatever else the table is."""
    daemon = make_daemon(database, require_approval="red")
    job = daemon.submit(orders())
    assert job["state"] == "awaiting_approval" and job["plan"]["risk"] == "RED"
    answer = daemon.post(f"/v1/jobs/{job['id']}/approve", {})
    assert answer.status == 422 and answer.json["code"] == "confirm" and "RED" in answer.json["detail"]
    assert daemon.job(job)["state"] == "awaiting_approval"
    daemon.approve(job, confirm="job")
    daemon.wait(job, "completed")


def test_the_card(daemon, planned):
    job = daemon.submit(orders(name="fill", description="why\nand where", owner="team-orders"))
    card = daemon.get("/v1/jobs/fill/plan", headers={"Accept": "text/plain"})
    assert card.status == 200 and card.headers["content-type"].startswith("text/plain")
    for title in ("MIGRATION", "RISK", "TABLE SIZE", "WRITE QPS", "PHASES", "ROLLBACK", "RUNBOOK", "REHEARSAL", "OWNER", "HANDOFF"):
        assert f"\n{title}" in "\n" + card.text, card.text
    assert all(len(line) <= 100 for line in card.text.splitlines()), card.text
    assert "RED    - no_undo" in card.text and "team-orders" in card.text
    daemon.wait(job, "completed")


def test_a_trial_that_the_server_refuses_is_said(daemon, planned, database):
    database.execute("UPDATE orders SET code = 0 WHERE id = 3")
    plan = daemon.post(PLAN, document("public.orders", {"n": "100 / code"})).json
    assert codes(plan)["trial_failed"]["risk"] == "RED" and "division by zero" in codes(plan)["trial_failed"]["text"]


def test_a_role_without_rights_gets_an_honest_plan(make_daemon, database, planned):
    database.execute("CREATE ROLE plain LOGIN")
    database.execute("GRANT SELECT, UPDATE ON orders TO plain")
    database.execute("GRANT CREATE ON DATABASE " + database.value("SELECT current_database()") + " TO plain")
    try:
        daemon = make_daemon(database, primary=as_role(database, "plain"))
        plan = daemon.post(PLAN, orders()).json
        assert plan["unmeasured"] == []
        oldest = plan["measured"]["oldest_transaction"]
        assert oldest["value"] is None and "pg_monitor" in oldest["detail"]
        assert "oldest_transaction is not measured" in " ".join(reason["text"] for reason in plan["reasons"])
    finally:
        database.execute("DROP OWNED BY plain")
        database.execute("DROP ROLE plain")


def test_a_plan_of_a_large_table_reads_little_of_it(make_daemon, database):
    make_table(database, 300000)
    daemon = make_daemon(database)
    database.execute("SELECT pg_stat_force_next_flush()")  # what filling the table read is counted with this statement
    before = database.value("SELECT coalesce(seq_scan, 0) FROM pg_stat_user_tables WHERE relname = 'counted'")
    begun = time.monotonic()
    answer = daemon.post(PLAN, document("public.counted", {"n": "n + 1"}, where="n % 2 = 0"))
    assert answer.status == 200 and time.monotonic() - begun < 10
    plan = answer.json
    assert plan["measured"]["boundary_by_key"]["value"] == 1
    assert plan["estimate"]["seconds_low"] < plan["estimate"]["seconds_high"] <= 2.51 * plan["estimate"]["seconds_low"]
    until(lambda: database.value("SELECT coalesce(idx_scan, 0) > 0 FROM pg_stat_user_tables WHERE relname = 'counted'"), 20,
          "the server counted the plan's scans")
    assert database.value("SELECT coalesce(seq_scan, 0) FROM pg_stat_user_tables WHERE relname = 'counted'") == before
