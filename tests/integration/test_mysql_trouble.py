"""What goes wrong on MariaDB and MySQL, and the class of each: locks, deadlocks, definitions, data, rights, hosts, orders."""
import threading
import time

import pytest

from lab.daemon import document, pace, promised
from lab.mysql_database import full_speed, make_table, slow_batches
from lab.wait import until


def counted(**more):
    return document("counted", {"n": "n + 1"}, **more)


def all_once(database, rows):
    assert dict(database.rows("SELECT n, COUNT(*) FROM counted GROUP BY n")) == {1: rows}


@pytest.mark.alone
@pytest.mark.parametrize("lock_timeout", ["300ms", "1s"])
def test_a_locked_row_is_waited_for_no_longer_than_the_lock_timeout(lock_timeout, my_database, make_daemon):
    make_table(my_database, 200)
    daemon = make_daemon(my_database, **my_database.target)
    other = my_database.connect(autocommit=False)
    other.cursor().execute("UPDATE counted SET other = 1 WHERE id = 1000")
    job = daemon.submit(counted(pace=pace(20), limits={"lock_timeout": lock_timeout}))
    reason = daemon.wait_reason(job, "lock_conflict")
    waited = reason["progress"]["seconds"]["batching"]  # and not what it takes to submit and to connect
    other.rollback()  # or a failure below would leave the lock to the tests behind this one
    other.close()
    assert 0.2 < waited < promised(daemon, 2 if lock_timeout == "1s" else 1), f"{waited:.2f} s: {reason}"
    daemon.wait(job, "completed")
    all_once(my_database, 200)


def test_a_lock_takes_the_whole_batch_back(my_database, make_daemon):
    """1205 rolls back the statement alone; nothing of the transaction may be left. By a key that is not the primary one no
    row is set aside, but the batch tried again."""
    make_table(my_database, 100)
    my_database.execute("CREATE TABLE pairs (id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b INTEGER NOT NULL, "
                        "n INTEGER NOT NULL DEFAULT 0, UNIQUE (a, b))")
    my_database.execute("INSERT INTO pairs (id, a, b) SELECT id, id DIV 100, id FROM counted")
    daemon = make_daemon(my_database, **my_database.target)
    other = my_database.connect(autocommit=False)
    other.cursor().execute("SELECT 1 FROM pairs WHERE id = 300 FOR UPDATE")
    job = daemon.submit(document("pairs", {"n": "n + 1"}, key=["a", "b"], pace=pace(15), limits={"lock_timeout": "1s"}))
    daemon.wait_reason(job, "lock_conflict")
    # the first leg of that batch was done before the second met the lock: it must not be seen, nor become so
    seen = my_database.value("SELECT COUNT(*) FROM pairs WHERE n = 1")
    assert seen == my_database.value("SELECT rows_changed FROM backfilld.checkpoint") and seen < 30
    other.rollback()
    other.close()
    daemon.wait(job, "completed")
    assert dict(my_database.rows("SELECT n, COUNT(*) FROM pairs GROUP BY n")) == {1: 100}


@pytest.mark.alone
def test_pause_and_abort_within_a_second_also_while_it_waits_for_a_lock(my_database, make_daemon):
    make_table(my_database, 200)
    daemon = make_daemon(my_database, **my_database.target)
    slowest = 0
    for number in range(6):
        other = my_database.connect(autocommit=False)
        other.cursor().execute("UPDATE counted SET other = 1 WHERE id = 20")
        job = daemon.submit(counted(name=f"j{number}", where="id = 20", pace=pace(20), limits={"lock_timeout": "30s"}))
        until(lambda: daemon.job(job)["activity"] == "batching", 20, "it batches")
        threading.Event().wait(0.1 * number)
        begun = time.monotonic()
        if number % 2:
            daemon.abort(job)
            daemon.wait(job, "aborted")
        else:
            daemon.pause(job)
            daemon.wait(job, "paused")
        slowest = max(slowest, time.monotonic() - begun)
        other.rollback()
        other.close()
        if not number % 2:
            daemon.abort(job)
            daemon.wait(job, "aborted")
    print(f"slowest of 6: {slowest:.2f} s")
    assert slowest < promised(daemon)
    assert my_database.value("SELECT COUNT(*) FROM counted WHERE n <> 0") == 0


def test_statement_timeout(my_database, make_daemon):
    make_table(my_database, 50)
    slow_batches(my_database, 0.1)
    daemon = make_daemon(my_database, **my_database.target)
    job = daemon.submit(counted(pace=pace(50), limits={"statement_timeout": "1s"}))
    daemon.wait_reason(job, "statement_timeout")
    full_speed(my_database)
    daemon.wait(job, "completed")
    all_once(my_database, 50)


@pytest.mark.parametrize("what", ["warning", "out of range", "duplicate", "check", "signal"])
def test_data_errors_fail_the_job_and_name_the_row(what, my_database, make_daemon):
    my_database.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, n TINYINT, s VARCHAR(20), u INTEGER UNIQUE, "
                        "CHECK (n < 100))")
    my_database.execute("INSERT INTO t (id, s) VALUES (1, '1'), (2, 'two'), (3, 'žluť')")
    if what == "signal":
        my_database.execute("CREATE TRIGGER no BEFORE UPDATE ON t FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'")
    value = {"warning": {"s": "CAST(s AS CHAR(1))"}, "out of range": {"n": "1000"}, "duplicate": {"u": "1"},
             "check": {"n": "120"}, "signal": {"n": "1"}}[what]
    daemon = make_daemon(my_database, **my_database.target)
    failed = daemon.wait(daemon.submit(document("t", value)), "failed")
    row = 2 if what in ("warning", "duplicate") else 1  # the first that is refused; a value that is there once is no duplicate
    assert failed["reason"]["code"] == "data_error" and failed["reason"]["text"].startswith(f'row ["{row}"] of '), failed["reason"]
    assert "two" not in failed["reason"]["text"]
    assert my_database.rows("SELECT n, s, u FROM t WHERE id = 2") == [(None, "two", None)]


@pytest.mark.parametrize("what", ["dropped", "column dropped", "key retyped"])
def test_ddl_under_our_feet(what, my_database, make_daemon):
    make_table(my_database, 1500)
    slow_batches(my_database, 0.005)
    daemon = make_daemon(my_database, **my_database.target)
    job = daemon.submit(counted(pace=pace(20)))
    daemon.wait_progress(job, 3)
    my_database.execute({"dropped": "DROP TABLE counted", "column dropped": "ALTER TABLE counted DROP COLUMN n",
                         "key retyped": "ALTER TABLE counted MODIFY id DECIMAL(30,0) NOT NULL"}[what])
    if what == "key retyped":
        daemon.restart()
    rested = daemon.wait(job, "paused", "failed")
    assert rested["reason"]["code"] in ("table_changed", "statement_failed"), rested["reason"]


def test_control_on_the_target_stops_the_job(my_database, make_daemon):
    make_table(my_database, 1000)
    slow_batches(my_database, 0.005)
    daemon = make_daemon(my_database, **my_database.target)
    job = daemon.submit(counted(pace=pace(20)))
    daemon.wait_progress(job, 3)
    my_database.execute("UPDATE backfilld.control SET goal = 'pause' WHERE job = '*'")
    assert daemon.wait(job, "paused")["reason"]["code"] == "control"
    my_database.execute("UPDATE backfilld.control SET goal = 'run'")
    full_speed(my_database)
    daemon.resume(job)
    daemon.wait(job, "completed")
    all_once(my_database, 1000)


def test_a_restart_takes_a_job_with_several_columns_up(my_database, make_daemon):
    make_table(my_database, 500)
    slow_batches(my_database, 0.002)
    daemon = make_daemon(my_database, **my_database.target)
    job = daemon.submit(document("counted", {"payload": "'y'", "n": "n + 1", "other": "other + 1"}, pace=pace(20)))
    daemon.wait_progress(job, 3)
    daemon.restart()
    full_speed(my_database)
    daemon.wait(job, "completed")
    assert my_database.rows("SELECT DISTINCT payload, n, other FROM counted") == [("y", 1, 1)]


def test_a_document_that_ran_is_already_done(my_database, make_daemon):
    make_table(my_database, 10)
    daemon = make_daemon(my_database, **my_database.target)
    daemon.wait(daemon.submit(counted()), "completed")
    daemon.stop()
    daemon.state.unlink()
    daemon.start()
    answer = daemon.post("/v1/jobs", counted())
    assert answer.status == 422 and answer.json["code"] == "already_done", answer.text


def test_two_daemons_one_is_fenced(my_database, make_daemon, tmp_path):
    make_table(my_database, 2000)
    slow_batches(my_database, 0.005)
    one, two = (make_daemon(my_database, **my_database.target, start=False) for _ in range(2))
    one.start()
    job = one.submit(counted(pace=pace(20)))
    one.wait_progress(job, 3)
    one.kill9()
    two.state.write_bytes(one.state.read_bytes())
    for suffix in ("-wal", "-shm"):
        source = one.state.with_name(one.state.name + suffix)
        if source.exists():
            two.state.with_name(two.state.name + suffix).write_bytes(source.read_bytes())
    two.start()
    two.wait_progress(job, 10)
    one.start()
    fenced = until(lambda: next((d for d in (one, two) if (d.job(job)["reason"] or {}).get("code") == "fenced"), None), 60,
                   "one of them is fenced")
    assert fenced.wait(job, "paused")["reason"]["code"] == "fenced"
    full_speed(my_database)
    (two if fenced is one else one).wait(job, "completed")
    all_once(my_database, 2000)


def test_two_writable_hosts_are_refused(own_my_cluster, make_daemon):
    primary, replica = own_my_cluster.primary, own_my_cluster.replica
    primary.sql("CREATE DATABASE shop", "CREATE TABLE shop.counted (id BIGINT PRIMARY KEY, n INTEGER)",
                "INSERT INTO shop.counted VALUES (1, 0)")
    url = f"mysql://backfill@127.0.0.1:{replica.port},127.0.0.1:{primary.port}/shop"
    daemon = make_daemon(url, password_file=own_my_cluster.password_file)
    until(lambda: replica.sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'shop'")[0][0], 20,
          "the replica has the table")
    daemon.wait(daemon.submit(counted()), "completed")
    assert primary.sql("SELECT n FROM shop.counted")[0][0] == 1
    replica.sql("SET GLOBAL read_only = 0")
    answer = daemon.post("/v1/jobs", counted(again=True))
    assert answer.status == 503 and "writable" in answer.text and str(replica.port) in answer.text, answer.text
    for server in (primary, replica):
        server.sql("SET GLOBAL read_only = 1")
    answer = daemon.post("/v1/jobs", counted(again=True))
    assert answer.status == 503 and "none of the target's hosts" in answer.text, answer.text


def test_wrong_password_and_rights(my_database, my_cluster, make_daemon, tmp_path):
    make_table(my_database, 10)
    wrong = tmp_path / "wrong"
    wrong.write_text("not-it\n")
    wrong.chmod(0o600)
    daemon = make_daemon(my_database, password_file=wrong)
    answer = daemon.post("/v1/jobs", counted())
    assert answer.status == 503 and "denied" in answer.text and "not-it" not in answer.text, answer.text
    my_database.execute("CREATE USER IF NOT EXISTS rightless@'%' IDENTIFIED BY 'poor'")
    my_database.execute(f"GRANT SELECT, UPDATE ON `{my_database.name}`.* TO rightless@'%'")
    poor = tmp_path / "poor"
    poor.write_text("poor\n")
    poor.chmod(0o600)
    daemon = make_daemon(my_cluster.primary.url(my_database.name, "rightless"), password_file=poor)
    failed = daemon.wait(daemon.submit(counted()), "failed")
    assert failed["reason"]["code"] == "schema_missing", failed["reason"]


@pytest.mark.engines("mysql", because="elsewhere an UPDATE can be told not to wait")
def test_the_trial_of_a_plan_locks_its_rows_before_it_writes(database, daemon):
    """An UPDATE waits for a row that somebody holds, who may wait for one that it has written: a deadlock with an application."""
    make_table(database, 2000)
    database.forget_statements()
    plan = daemon.post("/v1/jobs?dry_run=true", document(database.table("counted"), {"n": "n + 1"}))
    assert plan.status == 200, plan.text
    seen = {kind: database.value("SELECT COALESCE(SUM(COUNT_STAR), 0) FROM performance_schema.events_statements_summary_by_digest "
                                 "WHERE SCHEMA_NAME = %s AND DIGEST_TEXT LIKE %s", (database.name, like))
            for kind, like in (("lock", "%`counted`%FOR UPDATE NOWAIT%"), ("change", "UPDATE %`counted`%"))}
    assert seen["lock"] == seen["change"] > 0, seen
