"""The plan: what is measured before a job starts, what of it is a reason for which class, what is refused, and that nothing
of it stays behind."""
import random
import threading
import time
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest

from lab.counted import make_table
from lab.daemon import document, pace
from lab.engines import ENGINES
from lab.threads import Threads
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


OF_SIZE = {"late_rows", "not_rehearsed", "no_backup_check", "new_rows_uncovered", "large_table", "no_canary", "long_run", "volatile_predicate"}
OTHER_TOOL = {"postgresql": "CREATE FUNCTION pack() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'; "
                            "CREATE TRIGGER repack_trigger BEFORE INSERT ON counted FOR EACH ROW EXECUTE FUNCTION pack()",
              "mysql": "CREATE TABLE _counted_gho (id int PRIMARY KEY)", "mariadb": "CREATE TABLE _counted_gho (id int PRIMARY KEY)"}
STAMP = "ALTER TABLE counted ADD changed_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP"


@pytest.mark.engines(*ENGINES)
def test_what_document_and_thresholds_make_a_reason(make_daemon, database):
    """The same table, once by a document and thresholds that leave nothing out, once by harmless ones; and what stands around it."""
    make_table(database, 300)
    database.execute("ALTER TABLE counted ADD late int")
    table = database.table("counted")
    tight = make_daemon(database, **{"risk.small": 0, "risk.rows": 10, "risk.duration": "1ms", "risk.freeze_age": 0})
    said = codes(tight.post(PLAN, document(table, {"late": "1"}, where="now() > '2020-01-01'")).json)
    assert OF_SIZE <= set(said) and ("near_wraparound" in said) == (database.engine == "postgresql"), said
    tight.stop()
    calm = make_daemon(database)
    harmless = document(table, {"late": "1"}, where="id > 0", undo="journal")
    plan = calm.post(PLAN, harmless).json
    assert plan["risk"] == "GREEN" and plan["reasons"] == [], plan["reasons"]
    database.execute(OTHER_TOOL[database.engine])
    assert codes(calm.post(PLAN, harmless).json)["other_tool"]["risk"] == "RED"
    if database.engine != "postgresql":
        database.execute(STAMP)
        assert "changed_at" in codes(calm.post(PLAN, harmless).json)["on_update_timestamp"]["text"]


def catalogue(database):
    """Every object of the server that could be made or changed, with what identifies it."""
    if database.engine == "postgresql":
        return database.rows("SELECT oid::text, relname, relfilenode FROM pg_class UNION ALL SELECT oid::text, nspname, 0 FROM pg_namespace "
                             "UNION ALL SELECT oid::text, proname, 0 FROM pg_proc ORDER BY 1, 2")
    return database.rows("SELECT table_schema, table_name, create_time FROM information_schema.tables WHERE table_schema NOT IN "
                         "('mysql', 'sys', 'performance_schema', 'information_schema') ORDER BY 1, 2")


@pytest.mark.engines(*ENGINES)
def test_a_plan_leaves_nothing_behind(daemon, database):
    """Neither without the control schema nor with it, nor in the store."""
    make_table(database, 2000)

    def picture():
        control = ["job", "checkpoint", "control", "aside"] if database.has_schema() else []
        tables = [database.table("counted")] + [f"backfilld.{name}" for name in control]
        return ([database.rows(f"SELECT * FROM {name} ORDER BY 1, 2") for name in tables], catalogue(database),
                daemon.get("/v1/jobs").json["jobs"], daemon.get("/v1/events").json["events"])

    def plan():
        answer = daemon.post(PLAN, document(database.table("counted"), {"n": "n + 1"}, where="n >= 0"))
        assert answer.status == 200 and answer.json["measured"]["trial_changed"]["value"] > 0, answer.text
    before = picture()
    plan()
    assert picture() == before and not database.has_schema()
    done = daemon.wait(daemon.submit(document(database.table("counted"), {"n": "n + 1"}, pace=pace(1000))), "completed")
    until(lambda: daemon.job(done)["state"] == "completed" and daemon.events(done)[-1]["to"] == "completed", 30, "it is stored")
    before = picture()
    assert database.has_schema()
    plan()
    assert picture() == before


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
    small = daemon.post(PLAN, document(database.table("counted"), {"n": "n + 1"}, where="n >= 0", pace=pace(8))).json["measured"]
    assert small["trial_rows"]["value"] == 3 * 8 < measured["trial_rows"], "each is larger, but never larger than the job's own"
    assert 1800 <= measured["rows"] <= 45000 and measured["lock_contention"] == 0 and plan["unmeasured"] == []
    assert "by_n" in codes(plan)["indexed_column"]["text"]
    low, high = plan["estimate"]["seconds_low"], plan["estimate"]["seconds_high"]
    assert 0 < low < high <= 2.51 * low
    assert "checkpoint" not in plan["statement"]


@pytest.mark.engines(*ENGINES)
def test_started_at_asks_for_the_rows_that_the_job_will_change(make_daemon, database):
    """In estimate, trial and count it is now, not a time before everything."""
    make_table(database, 3000)
    daemon = make_daemon(database, require_approval="all")
    job = daemon.submit(document(database.table("counted"), {"n": "n + 1"}, where="n = 0 AND :started_at > '2020-01-01'", undo="journal"))

    def counted():
        return daemon.get(f"/v1/jobs/{job['id']}/plan").json["measured"].get("rows_matching_exact")
    assert until(counted, 30, "the rows are counted") == {"value": 3000, "detail": None}
    plan = daemon.get(f"/v1/jobs/{job['id']}/plan").json
    assert plan["measured"]["trial_changed"]["value"] == plan["measured"]["trial_rows"]["value"] > 0, plan["measured"]
    assert plan["estimate"]["rows_changed"] > 2000 and plan["measured"]["rollback_proven"]["value"] == 1
    daemon.approve(job)
    assert daemon.wait(job, "completed")["progress"]["rows_changed"] == 3000


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
    until(lambda: database.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = %s", (pid,)) == 1, 30, "it waits")
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


def test_the_card_says_how_long_this_way_back_is_kept(make_daemon, database, planned):
    """By the daemon's setting, the target's, the document's: the nearest to the job."""
    daemon = make_daemon(database, keep_undo="30d")
    for more, kept in (({}, "kept 30 d 00 h after the end"), ({"keep_undo": "12h"}, "kept 12 h 00 min after the end")):
        card = daemon.post(PLAN, orders(undo="journal", **more)).json["card"]
        assert kept in " ".join(card.split()), card


@pytest.mark.engines(*ENGINES)
def test_who_gives_new_rows_their_value(daemon, database):
    """The newest rows show whether whoever inserts them writes the column, too."""
    make_table(database, 400)
    database.execute("UPDATE counted SET n = 1 WHERE id > 3000")

    def newest(**more):
        measured = daemon.post(PLAN, document(database.table("counted"), {"n": "n + 1"}, **more)).json["measured"]
        return measured.get("newest_matching")
    assert newest(where="n = 0") == {"value": 0, "detail": "of 100"}
    assert newest(where="n = 1")["value"] == 100 and newest(remaining="id <= 3500 AND n = 1")["value"] == 50
    assert newest() is None


@pytest.mark.engines(*ENGINES)
def test_the_rows_to_change_are_estimated_also_where_the_server_would_guess(daemon, database):
    """The later half was done already. PostgreSQL has statistics of it, MySQL may have a histogram, MariaDB says "all"."""
    make_table(database, 4000)
    database.execute("UPDATE counted SET n = 1 WHERE id > 20000")
    database.analyze("counted")

    def plan(**more):
        return daemon.post(PLAN, document(database.table("counted"), {"n": "n + 1"}, where="n = 0", **more)).json

    def guessed(made):
        return (made["measured"].get("rows_matching_guessed") or {"value": 0})["value"]

    def share(made, of="rows"):
        """Of the rows as the server estimates them: InnoDB may be wrong by far there."""
        return made["estimate"]["rows_changed"] / made["measured"][of]["value"]
    made = plan()
    assert 0.4 < share(made) < 0.6 and f"about {made['estimate']['rows_changed']:,.0f}\n" in made["card"], made["card"]
    assert guessed(made) == (database.engine != "postgresql")
    if database.engine != "postgresql":  # which takes the range and the predicate to have nothing to do with each other
        early = plan(range={"through": ["20000"]})
        assert share(early, "rows_in_range") > 0.95, early["estimate"]
    if database.engine == "mysql":
        database.execute("UPDATE counted SET n = 1 WHERE id > 4000 AND id <= 36000")
        database.execute("UPDATE counted SET n = 0 WHERE id > 36000")
        database.execute("ANALYZE TABLE counted UPDATE HISTOGRAM ON n WITH 2 BUCKETS")
        made = plan()
        assert guessed(made) == 0 and 0.15 < share(made) < 0.25, made["measured"]
    database.execute("CREATE INDEX by_n ON counted (n)")
    database.analyze("counted")
    assert guessed(plan()) == 0


@pytest.mark.engines(*ENGINES)
def test_who_changes_the_key_is_seen(daemon, database):
    """By a foreign key that follows, and by what the server remembers of statements."""
    make_table(database, 50)
    job = document(database.table("counted"), {"n": "n + 1"})
    before = daemon.post(PLAN, job).json
    assert before["measured"]["key_writers"]["value"] == 0 and "key_written" not in codes(before)
    if database.engine == "mysql":
        database.forget_statements()
        database.execute("UPDATE counted SET n = n, id = id WHERE id = 10")
        reason = codes(daemon.post(PLAN, job).json)["key_written"]
        assert reason["risk"] == "YELLOW" and "SET `n` = `n` , `id` = `id`" in reason["text"]
    database.execute("CREATE TABLE parents (id bigint PRIMARY KEY)")
    database.execute("INSERT INTO parents SELECT id FROM counted")
    database.execute("ALTER TABLE counted ADD CONSTRAINT of_parent FOREIGN KEY (id) REFERENCES parents (id) ON UPDATE CASCADE")
    assert "of_parent" in codes(daemon.post(PLAN, job).json)["key_written"]["text"]


@pytest.mark.engines("mysql", because="the others are asked for no memory of statements that may be full")
def test_a_server_that_remembers_no_further_statements_is_seen(daemon, database):
    make_table(database, 50)
    database.fill_statements()
    database.execute("UPDATE counted SET n = n, id = id WHERE id = 10")
    measured = daemon.post(PLAN, document(database.table("counted"), {"n": "n + 1"})).json["measured"]["key_writers"]
    database.forget_statements()
    assert measured["value"] == 0 and "performance_schema_digests_size" in measured["detail"], measured


def test_statements_that_change_the_key_are_remembered(planned, database):
    """As pg_stat_statements shows them, where it is there; this one stands in for it."""
    assert "pg_stat_statements" in planned()["measured"]["key_writers"]["detail"]
    database.execute("CREATE TABLE pg_stat_statements AS SELECT oid AS dbid, ''::text AS query FROM pg_database "
                     "WHERE datname = current_database()")
    for harmless in ("UPDATE orders SET n = $1 WHERE id = $2", "UPDATE orders_old SET id = $1", "SELECT id FROM orders",
                     "UPDATE customers SET id = $1", "update orders set paid = id = $1"):
        database.execute("UPDATE pg_stat_statements SET query = %s", (harmless,))
        assert "key_written" not in codes(planned()), harmless
    for writes in ("UPDATE orders SET id = $1 WHERE id = $2", 'update only public."orders" set n = $1, "id" = $2',
                   "UPDATE public.orders AS o\nSET n=n,id=id+$1"):
        database.execute("UPDATE pg_stat_statements SET query = %s", (writes,))
        assert writes in codes(planned())["key_written"]["text"]


@pytest.mark.engines(*ENGINES)
def test_free_disk_is_measured_or_said_not_to_be(daemon, database):
    make_table(database, 50)
    plan = daemon.post(PLAN, document(database.table("counted"), {"n": "n + 1"}, undo="journal")).json
    disk, card = plan["measured"]["disk_free"], " ".join(plan["card"].split())
    assert disk["value"] is None and f"free: not measured: {disk['detail']}" in card or disk["value"] > 1000000, card
    if disk["value"] is None:
        assert "disk" in disk["detail"].lower() and "Unknown table" not in disk["detail"], disk


def test_a_trial_that_the_server_refuses_is_said(daemon, planned, database):
    database.execute("UPDATE orders SET code = 0 WHERE id = 3")
    plan = daemon.post(PLAN, document("public.orders", {"n": "100 / code"})).json
    assert codes(plan)["trial_failed"]["risk"] == "RED" and "division by zero" in codes(plan)["trial_failed"]["text"]


def plain_account(database):
    """The URL of one as a managed service gives it away: it may change the tables of its database, and sees nothing of the
    server; and how to be rid of it."""
    user = f"plain_{database.name}"
    if database.engine == "postgresql":
        database.execute(f"CREATE ROLE {user} LOGIN; GRANT SELECT, UPDATE ON counted TO {user}; "
                         f"GRANT CREATE ON DATABASE {database.name} TO {user}")
        return as_role(database, user), [f"DROP OWNED BY {user}", f"DROP ROLE {user}"]
    database.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 'bf-secret'")
    database.execute(f"GRANT SELECT, UPDATE ON {database.name}.* TO {user}@'%'")
    return database.url.replace("//backfill@", f"//{user}@"), [f"DROP USER {user}@'%'"]


@pytest.mark.engines(*ENGINES)
def test_a_managed_server_gets_a_plan_that_is_useful_and_honest(make_daemon, database):
    """No superuser, no view of others, none of the disk: what is known is told, what is not says which right is missing."""
    make_table(database, 9000)
    url, leave = plain_account(database)
    try:
        daemon = make_daemon(url, **getattr(database, "target", {}))
        plan = daemon.post(PLAN, document(database.table("counted"), {"n": "n + 1"}, where="n = 0")).json
        measured = plan["measured"]
        assert plan["unmeasured"] == [] and plan["risk"] == "RED"
        assert measured["trial_batches"]["value"] == 3 and measured["boundary_by_key"]["value"] == 1
        assert 0 < plan["estimate"]["seconds_low"] < plan["estimate"]["seconds_high"]
        right = {"postgresql": "pg_monitor", "mysql": "GRANT PROCESS", "mariadb": "GRANT PROCESS"}[database.engine]
        assert measured["oldest_transaction"]["value"] is None and right in measured["oldest_transaction"]["detail"]
        assert measured["disk_free"]["value"] is None and measured["disk_free"]["detail"]
        said = " ".join(reason["text"] for reason in plan["reasons"] if reason["code"] == "unmeasured")
        assert "oldest_transaction is not measured" in said
        assert all(fact["value"] is not None or fact["detail"] for fact in measured.values()), measured
        assert "unmeasured: oldest_transaction" in plan["card"] and all(len(line) <= 100 for line in plan["card"].splitlines())
        daemon.stop()
    finally:
        for statement in leave:
            database.execute(statement)


class Busy(Threads):
    """Somebody who writes to single rows of `counted` all the time, while the plan is made."""

    def __init__(self, database, rows):
        self.database, self.rows, self.done = database, rows, 0
        super().__init__(["one"])

    def work(self, name):
        with self.database.connect() as connection:
            while not self.stopping.is_set():
                connection.execute("UPDATE counted SET other = other + 1 WHERE id = %s", (random.randint(1, self.rows) * 10,))
                self.done += 1

    def __enter__(self):
        super().__enter__()
        until(lambda: self.done > 100, 20, "somebody writes")
        return self


def test_a_plan_of_a_large_table_reads_little_of_it(make_daemon, database, campaign):
    """With live writes, and no scan of the whole. --campaign: ten million rows, and writes counted over a whole second."""
    rows = 10000000 if campaign else 300000
    make_table(database, rows)
    daemon = make_daemon(database, plan_window="1s" if campaign else "20ms")
    database.execute("SELECT pg_stat_force_next_flush()")  # what filling the table read is counted with this statement
    before = database.value("SELECT coalesce(seq_scan, 0) FROM pg_stat_user_tables WHERE relname = 'counted'")
    with Busy(database, rows) as busy:
        begun, written = time.monotonic(), busy.done
        answer = daemon.post(PLAN, document("public.counted", {"n": "n + 1"}, where="n % 2 = 0"))
        took = time.monotonic() - begun
        print(f"a plan of {rows:,} rows took {took:.2f} s beside {(busy.done - written) / took:,.0f} writes/s: "
              f"{answer.json['measured']['write_rate']}")
    assert answer.status == 200 and took < (10 if campaign else 60)
    plan = answer.json
    assert plan["measured"]["boundary_by_key"]["value"] == 1
    assert plan["estimate"]["seconds_low"] < plan["estimate"]["seconds_high"] <= 2.51 * plan["estimate"]["seconds_low"]
    until(lambda: database.value("SELECT coalesce(idx_scan, 0) > 0 FROM pg_stat_user_tables WHERE relname = 'counted'"), 20,
          "the server counted the plan's scans")
    assert database.value("SELECT coalesce(seq_scan, 0) FROM pg_stat_user_tables WHERE relname = 'counted'") == before
