"""`remaining` and its passes, the canary, and the operator's checks, on every engine."""
import pytest

from lab.daemon import document, pace, promised
from lab.engines import ENGINES
from lab.wait import until

pytestmark = pytest.mark.engines(*ENGINES)
ROWS = 2000


@pytest.fixture
def orders(database):
    return make_orders(database)


def make_orders(database, rows=ROWS):
    database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, status varchar(10), touched integer NOT NULL DEFAULT 0)")
    database.number_rows("INSERT INTO orders (id, status) SELECT 10 * i, 'old' FROM numbers", rows)
    return database


def the_job(database, **more):
    more.setdefault("pace", pace(100))
    return document(database.table("orders"), {"status": "'new'", "touched": "touched + 1"}, **more)


class Late:
    """A transaction of the application's that inserts a row behind the position, and is not over yet."""

    def __init__(self, database):
        self.connection = database.connect(autocommit=False)
        self.cursor = self.connection.cursor()

    def __enter__(self):
        self.cursor.execute("INSERT INTO orders (id, status) VALUES (5, 'old')")
        return self

    def __exit__(self, *_):
        self.connection.rollback()
        self.connection.close()


def wait_older(daemon, job) -> dict:
    """It waits for a transaction that it names: the line is drawn. Before that InnoDB may have shown an old picture."""
    return until(lambda: (found := daemon.job(job)) and "begun before" in (found["reason"] or {}).get("text", "") and found, 30,
                 lambda _: f"it waits for an older transaction: {daemon.job(job)}\n{daemon.log_tail()}")


def each_once(database, rows):
    return tuple(database.row("SELECT min(touched), max(touched), count(*) FROM orders WHERE status = 'new'")) == (1, 1, rows)


def test_late_rows_are_found_by_a_further_pass(make_daemon, orders):
    """A row is inserted behind the position, in a transaction that was open before the pass that would miss it."""
    daemon = make_daemon(orders)
    with Late(orders) as late:
        job = daemon.submit(the_job(orders, remaining="status = 'old'"))
        waiting = wait_older(daemon, job)
        assert waiting["activity"] == "holding" and waiting["progress"]["rows_changed"] == ROWS
        assert orders.value("SELECT count(*) FROM orders WHERE status = 'old'") == 0  # not committed yet
        number = {"postgresql": "session ", "mariadb": "connection ", "mysql": "connection "}[orders.engine]
        assert number in waiting["reason"]["text"] and "still under way" in waiting["reason"]["text"], waiting["reason"]
        late.connection.commit()
    done = daemon.wait(job, "completed")
    assert done["progress"]["pass"] >= 2
    assert done["progress"]["rows_changed"] == ROWS + 1
    assert each_once(orders, ROWS + 1)


def test_who_wrote_before_the_pass_is_waited_for_and_nobody_else(make_daemon, orders):
    """A transaction counts from its first write: readers hold nobody up, however old, nor does who begins during the wait."""
    daemon = make_daemon(orders)
    reader = orders.connect(autocommit=False)
    reader.cursor().execute("SELECT count(*) FROM orders")
    with Late(orders) as late:
        job = daemon.submit(the_job(orders, remaining="status = 'old'"))
        since = wait_older(daemon, job)["reason"]["since"]
        younger = orders.connect(autocommit=False)
        younger.cursor().execute("INSERT INTO orders (id, status) VALUES (30000, 'new')")
        assert daemon.wait_reason(job, "old_transaction")["reason"]["since"] == since
        late.connection.commit()
        # the pass begins, for younger and reader are no reason to wait; the end finds younger older than the next pass
        until(lambda: daemon.job(job)["progress"]["pass"] >= 2, 20, lambda _: daemon.job(job))
    daemon.wait_reason(job, "old_transaction")
    younger.rollback()
    younger.close()
    daemon.wait(job, "completed")
    assert each_once(orders, ROWS + 1)
    reader.close()


def test_a_prepared_transaction_is_waited_for(own_cluster, make_daemon):
    """No session holds it, nobody knows when it will be committed: but it will."""
    postgresql = hasattr(own_cluster.primary, "psql")
    if postgresql:
        own_cluster.primary.configure(max_prepared_transactions=5)
        own_cluster.primary.restart()
    orders = make_orders(own_cluster.make_database(), 300)
    daemon = make_daemon(orders)
    connection = orders.connect(autocommit=postgresql)
    cursor = connection.cursor()
    for statement in (["BEGIN", "INSERT INTO orders (id, status) VALUES (5, 'old')", "PREPARE TRANSACTION 'x'"] if postgresql
                      else ["XA START 'x'", "INSERT INTO orders (id, status) VALUES (5, 'old')", "XA END 'x'", "XA PREPARE 'x'"]):
        cursor.execute(statement)
    connection.close()
    job = daemon.submit(the_job(orders, remaining="status = 'old'"))
    daemon.wait_reason(job, "old_transaction")
    until(lambda: "repared" in daemon.job(job)["reason"]["text"], 20, lambda _: daemon.job(job)["reason"])
    orders.execute("COMMIT PREPARED 'x'" if postgresql else "XA COMMIT 'x'")
    daemon.wait(job, "completed")
    assert each_once(orders, 301)
    orders.close()


def test_passes_go_on_after_kills(make_daemon, orders):
    daemon = make_daemon(orders)
    with Late(orders) as late:
        job = daemon.submit(the_job(orders, remaining="status = 'old'"))
        daemon.wait_reason(job, "old_transaction")
        daemon.kill9()
        daemon.start()
        daemon.wait_reason(job, "old_transaction")
        late.connection.commit()
    daemon.wait(job, "completed")
    assert each_once(orders, ROWS + 1)


def test_a_remaining_that_is_not_cleared_is_refused_and_nothing_is_written(make_daemon, orders):
    daemon = make_daemon(orders)
    answer = daemon.post("/v1/jobs", the_job(orders, remaining="touched < 5"))
    assert answer.status == 422, answer.text
    assert answer.json["code"] == "remaining_not_cleared", answer.text
    assert answer.json["errors"][0]["pointer"] == "/remaining"
    assert "100 of 100 rows" in answer.text
    assert orders.value("SELECT count(*) FROM orders WHERE touched > 0") == 0
    assert not orders.has_schema()


def test_rows_that_come_as_fast_as_they_are_done_fail_the_job(make_daemon, orders):
    """Someone makes as many rows 'old' again as the pass before found."""
    daemon = make_daemon(orders)
    with Late(orders) as late:
        job = daemon.submit(the_job(orders, remaining="status = 'old'"))
        daemon.wait_reason(job, "old_transaction")
        orders.execute("UPDATE orders SET status = 'old' WHERE id > 5")
        late.connection.commit()
    failed = daemon.wait(job, "failed")
    assert failed["reason"]["code"] == "remaining_not_shrinking", failed["reason"]


@pytest.mark.engines("mariadb", "mysql", because="PostgreSQL tells every role how far its transactions are; InnoDB whom it "
                     "trusts with PROCESS")
def test_without_the_right_to_see_transactions_remaining_is_refused(make_daemon, orders, tmp_path):
    orders.execute("CREATE USER blind@'%' IDENTIFIED BY 'blind'")
    try:
        orders.execute(f"GRANT ALL ON `{orders.name}`.* TO blind@'%'")
        orders.execute("GRANT ALL ON backfilld.* TO blind@'%'")
        password = tmp_path / "password"
        password.write_text("blind\n")
        password.chmod(0o600)
        daemon = make_daemon(orders.server.url(orders.name, "blind"), password_file=password)
        answer = daemon.post("/v1/jobs", the_job(orders, remaining="status = 'old'"))
        assert (answer.status, answer.json["errors"][0]["pointer"]) == (422, "/remaining"), answer.text
        assert "GRANT PROCESS" in answer.text
        orders.execute("GRANT PROCESS ON *.* TO blind@'%'")
        job = daemon.submit(the_job(orders, remaining="status = 'old'"))
        daemon.wait(job, "completed")
        # taken away in mid-run: what cannot be seen is never taken for nothing
        with Late(orders) as late:
            job = daemon.submit(the_job(orders, name="second", again=True, remaining="status = 'old' OR touched = 0"))
            daemon.wait_reason(job, "old_transaction")
            orders.execute("REVOKE PROCESS ON *.* FROM blind@'%'")
            for number in orders.sessions(job):
                orders.execute(f"KILL CONNECTION {number}")
            late.connection.commit()
        stuck = until(lambda: (lambda now: now if now["state"] == "failed" or "PROCESS" in (now["reason"] or {}).get("text", "")
                               else None)(daemon.job(job)), 20, lambda _: daemon.job(job))
        assert stuck["state"] != "completed"
        assert orders.value("SELECT count(*) FROM orders WHERE status = 'old'") == 1
    finally:
        orders.execute("DROP USER blind@'%'")


@pytest.mark.engines("mariadb", "mysql", because="PostgreSQL makes each snapshot anew; InnoDB's list of transactions is kept "
                     "while someone reads it more than ten times a second")
def test_an_old_picture_of_the_transactions_proves_nothing(make_daemon, orders):
    import threading
    stop = threading.Event()
    connection = orders.connect()

    def read_always():
        cursor = connection.cursor()
        while not stop.is_set():
            cursor.execute("SELECT count(*) FROM information_schema.innodb_trx")
            cursor.fetchall()
    reader = threading.Thread(target=read_always)
    reader.start()
    try:
        until(lambda: reader.is_alive())
        daemon = make_daemon(orders)
        job = daemon.submit(the_job(orders, remaining="status = 'old'"))
        waiting = daemon.wait_reason(job, "old_transaction")
        assert "old picture" in waiting["reason"]["text"], waiting["reason"]
    finally:
        stop.set()
        reader.join()
        connection.close()
    daemon.wait(job, "completed")
    assert each_once(orders, ROWS)


def check(name, sql, **comparison):
    return {"name": name, "sql": sql, **comparison}


def test_a_check_before_that_fails_pauses_and_writes_nothing(make_daemon, orders):
    orders.execute("CREATE TABLE backup (fresh integer)")
    daemon = make_daemon(orders)
    job = daemon.submit(the_job(orders, checks={"before": [check("backup is fresh", "SELECT fresh FROM backup", equals="1")]}))
    paused = daemon.wait(job, "paused")
    assert paused["reason"]["code"] == "check_failed"
    assert "backup is fresh" in paused["reason"]["text"] and "no row" in paused["reason"]["text"]
    assert orders.value("SELECT count(*) FROM orders WHERE touched > 0") == 0
    orders.execute("INSERT INTO backup VALUES (1)")
    daemon.resume(job)
    daemon.wait(job, "completed")


def test_an_after_check_decides_whether_the_job_is_completed(make_daemon, orders):
    daemon = make_daemon(orders)
    job = daemon.submit(the_job(orders, where="id <= 10000", checks={"after": [
        check("rows there", "SELECT '?1 ?; %' FROM orders LIMIT 3", rows=3),
        check("none left", "SELECT count(*) FROM orders WHERE status = 'old'", at_most="0")]}))
    failed = daemon.wait(job, "failed")
    assert failed["reason"]["code"] == "check_failed"
    assert "none left" in failed["reason"]["text"] and "1000" in failed["reason"]["text"], failed["reason"]
    orders.execute("UPDATE orders SET status = 'new' WHERE status = 'old'")
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert orders.value("SELECT max(touched) FROM orders") == 1


WRITES = {"postgresql": "CREATE FUNCTION touch() RETURNS int LANGUAGE sql AS 'UPDATE orders SET touched = 99; SELECT 1'",
          "mysql": "CREATE FUNCTION touch() RETURNS int NOT DETERMINISTIC BEGIN UPDATE orders SET touched = 99; RETURN 1; END"}


def test_a_check_that_writes_or_takes_too_long_does_not_hold(make_daemon, orders):
    if orders.engine != "postgresql":
        for server in (orders.cluster.primary, orders.cluster.replica):  # which makes the function, too
            server.sql("SET GLOBAL log_bin_trust_function_creators = 1")
    orders.execute(WRITES["postgresql" if orders.engine == "postgresql" else "mysql"])
    daemon = make_daemon(orders)
    job = daemon.submit(the_job(orders, checks={"before": [check("it writes", "SELECT touch()", equals="1")]}))
    paused = daemon.wait(job, "paused")
    assert "read-only" in paused["reason"]["text"].lower().replace("read only", "read-only"), paused["reason"]
    daemon.abort(job)
    daemon.wait(job, "aborted")
    sleep = "SELECT pg_sleep(10)" if orders.engine == "postgresql" else "SELECT SLEEP(10)"
    work = "SELECT count(*) FROM orders a, orders b, orders c, orders d WHERE a.touched + b.touched + c.touched + d.touched < 0"
    for number, query in enumerate((sleep, work)):
        job = daemon.submit(the_job(orders, name=f"slow-{number}", checks={"before": [
            check("it takes long", query, at_least=0, timeout="50ms")]}))
        paused = daemon.wait(job, "paused")
        assert "timeout" in paused["reason"]["text"], paused["reason"]
        # the time of a check is no time of what comes behind it
        daemon.abort(job)
        daemon.wait(job, "aborted")
    assert orders.value("SELECT max(touched) FROM orders") == 0


def test_a_check_may_take_longer_than_a_statement_of_the_job(make_daemon, orders):
    sleep = "SELECT 7 FROM (SELECT pg_sleep(1.5)) s" if orders.engine == "postgresql" else "SELECT 7 + SLEEP(1.5)"
    daemon = make_daemon(orders)
    job = daemon.submit(the_job(orders, limits={"statement_timeout": "1s", "lock_timeout": "500ms"}, checks={
        "before": [check("patience", sleep, equals=7, timeout="5s")]}))
    daemon.wait(job, "completed")
    assert each_once(orders, ROWS)


@pytest.mark.alone
def test_a_check_is_stopped_within_a_second(make_daemon, orders):
    """And what a cancelled query says is not taken for its answer."""
    import time
    sleep = "SELECT pg_sleep(20)" if orders.engine == "postgresql" else "SELECT SLEEP(20)"
    daemon = make_daemon(orders)
    job = daemon.submit(the_job(orders, checks={"after": [check("slow", sleep, rows=1, timeout="30s")]}))
    until(lambda: daemon.job(job)["state"] == "verifying" and orders.active(job), 20, lambda _: daemon.job(job))
    begun = time.monotonic()
    daemon.pause(job)
    daemon.wait(job, "paused")
    assert time.monotonic() - begun < promised(daemon)
    assert daemon.job(job)["reason"]["code"] != "check_failed"


def test_the_canary_waits_for_a_person(make_daemon, orders):
    daemon = make_daemon(orders)
    job = daemon.submit(the_job(orders, canary={"rows": 250}))
    paused = daemon.wait(job, "paused")
    assert paused["reason"]["code"] == "canary"
    assert orders.value("SELECT count(*) FROM orders WHERE status = 'new'") == 250
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert each_once(orders, ROWS)


def test_canary_checks_decide_alone(make_daemon, orders):
    daemon = make_daemon(orders)
    good = {"canary": [check("no harm", "SELECT count(*) FROM orders WHERE touched > 1", equals="0")]}
    job = daemon.submit(the_job(orders, canary={"rows": 250}, checks=good))
    daemon.wait(job, "completed")
    bad = {"canary": [check("no change", "SELECT max(touched) FROM orders", at_most=1)]}
    job = daemon.submit(the_job(orders, name="second", canary={"rows": 250}, checks=bad))
    paused = daemon.wait(job, "paused")
    assert paused["reason"]["code"] == "check_failed" and "no change" in paused["reason"]["text"]
    assert orders.value("SELECT count(*) FROM orders WHERE touched = 2") == 250


def test_a_check_that_is_no_query_is_refused(make_daemon, orders):
    daemon = make_daemon(orders)
    answer = daemon.post("/v1/jobs", the_job(orders, checks={"before": [
        check("two", "SELECT 1; DROP TABLE orders", equals="1"), check("write", "DELETE FROM orders", rows=0)],
        "after": [{"name": "none", "sql": "SELECT 1"}]}))
    assert answer.status == 422
    assert {error["pointer"] for error in answer.json["errors"]} >= {"/checks/after/0"}, answer.text
    answer = daemon.post("/v1/jobs", the_job(orders, checks={"before": [
        check("two", "SELECT 1; DROP TABLE orders", equals="1"), check("write", "DELETE FROM orders", rows=0)]}))
    assert {error["pointer"] for error in answer.json["errors"]} == {"/checks/before/0/sql", "/checks/before/1/sql"}


def test_a_query_that_the_server_does_not_know_is_refused_at_once(make_daemon, orders):
    """Not hours later, when it is asked."""
    daemon = make_daemon(orders)
    good = "SELECT '?1 ?; %' FROM orders LIMIT 3"
    wrong = {
        "checks": {"before": [check("fine", good, rows=3), check("a", "SELECT no_such_column FROM orders", rows=3)],
                   "canary": [check("b", "SELECT 1 FROM no_such_table", rows=3)],
                   "after": [check("fine", good, rows=3), check("c", "SELECT no_such_function(id) FROM orders", rows=3)]},
        "canary": {"rows": 100},
        "signals": [{"name": "fine", "sql": "SELECT 1", "limit": 2}, {"name": "d", "sql": "SELECT statu FROM orders", "limit": 2}],
        "triggers": [{"name": "e", "signal": "error_rate", "above": 1}, {"name": "f", "sql": "SELECT 1 FRO orders", "above": 1}
                     if orders.engine != "postgresql" else {"name": "f", "sql": "SELECT sum(status) FROM orders", "above": 1}]}
    answer = daemon.post("/v1/jobs", the_job(orders, **wrong))
    assert answer.status == 422, answer.text
    said = {error["pointer"]: error["detail"] for error in answer.json["errors"]}
    assert set(said) == {"/checks/before/1/sql", "/checks/canary/0/sql", "/checks/after/1/sql", "/signals/1/sql", "/triggers/1/sql"}
    assert "no_such_column" in said["/checks/before/1/sql"] and "no_such_table" in said["/checks/canary/0/sql"], said
    assert daemon.get("/v1/jobs").json["jobs"] == []
    many = {kind: [check(f"{kind} {number}", good, rows=3) for number in range(20)] for kind in ("before", "canary", "after")}
    job = daemon.submit(the_job(orders, checks=many, canary={"rows": 100},
                                signals=[{"name": f"s{number}", "sql": "SELECT 1", "limit": 2} for number in range(10)],
                                triggers=[{"name": f"t{number}", "sql": "SELECT 1", "above": 2} for number in range(20)]))
    daemon.wait(job, "completed")


def test_started_at_is_when_the_job_began(make_daemon, orders):
    """Also after a restart: rows that are younger than the job stay as they are."""
    kind, now = ("timestamptz", "clock_timestamp()") if orders.engine == "postgresql" else ("timestamp(6)", "SYSDATE(6)")
    orders.execute(f"ALTER TABLE orders ADD created_at {kind} NULL")
    orders.execute("UPDATE orders SET created_at = now() - interval '1' day")
    daemon = make_daemon(orders)
    job = daemon.submit(the_job(orders, where="created_at < :started_at AND ':started_at' <> ''", canary={"rows": 100},
                                remaining="status = 'old' AND created_at < :started_at"))
    daemon.wait_stored(job, "paused")
    orders.execute(f"UPDATE orders SET created_at = {now} WHERE id > 19000")
    daemon.restart()
    assert daemon.job(job)["state"] == "paused"
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert orders.value("SELECT count(*) FROM orders WHERE status = 'old'") == 100


KEYS = {"mysql": ("id binary(4) NOT NULL, name varchar(20) NOT NULL, day date NOT NULL, money decimal(30,10) NOT NULL",
                  "UNHEX(LPAD(HEX(i * 256), 8, '0')), CONCAT('É''\\\\\"?`', i), '2024-02-29' + INTERVAL i DAY, "
                  "i * 12345678901.0000000001"),
        "postgresql": ("id bytea NOT NULL, name varchar(20) NOT NULL, day date NOT NULL, money numeric(30,10) NOT NULL",
                       "decode(lpad(to_hex(i * 256), 8, '0'), 'hex'), concat('É''\\\"?`', i), date '2024-02-29' + i::int, "
                       "i * 12345678901.0000000001")}


def test_the_trial_finds_the_rows_that_it_changed_by_any_key(make_daemon, database):
    columns, values = KEYS["postgresql" if database.engine == "postgresql" else "mysql"]
    database.execute(f"CREATE TABLE odd ({columns}, n integer NOT NULL DEFAULT 0, PRIMARY KEY (id, name, day, money))")
    database.number_rows(f"INSERT INTO odd (id, name, day, money) SELECT {values} FROM numbers", 130)
    daemon = make_daemon(database)
    job = document(database.table("odd"), {"n": "n + 1"}, pace=pace(10), remaining="n < 2 AND name <> '?'")
    answer = daemon.post("/v1/jobs", job)
    assert (answer.status, answer.json["code"]) == (422, "remaining_not_cleared"), answer.text
    assert "100 of 100 rows" in answer.text
    assert database.value("SELECT count(*) FROM odd WHERE n <> 0") == 0
    done = daemon.wait(daemon.submit({**job, "remaining": "n < 1 AND name <> '?'"}), "completed")
    assert done["progress"]["rows_changed"] == 130
