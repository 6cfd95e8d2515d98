"""Signals, active sessions and caps on MariaDB and MySQL; replicas are in test_replicas.py and test_mysql_replicas.py."""
import threading
import time

import pymysql

from lab.daemon import document, pace
from lab.mysql import PASSWORD
from lab.mysql_database import make_table
from lab.wait import until


def job_of(rows=50, **more):
    limited = {**pace(rows), "max_rows_per_second": 1000, **more.pop("pace", {})}
    return document("counted", {"n": "n + 1"}, pace=limited, **more)


def test_a_signal_of_the_documents_own(my_database, make_daemon):
    make_table(my_database, 30000)
    my_database.execute("CREATE TABLE queue (id INTEGER PRIMARY KEY)")
    daemon = make_daemon(my_database, **my_database.target)
    job = daemon.submit(job_of(signals=[{"name": "queue", "sql": "SELECT COUNT(*) FROM queue", "limit": 2},
                                        {"name": "slow", "sql": "SELECT SLEEP(0.1)", "limit": 1}]))
    daemon.wait_progress(job, 3)
    my_database.execute("INSERT INTO queue VALUES (1), (2), (3)")
    held = daemon.wait_holding(job, "signal")
    assert held["reason"]["text"] == "signal queue is 3 (limit 2)"
    my_database.execute("DELETE FROM queue")
    daemon.wait_going_on(job, held)
    my_database.execute("RENAME TABLE queue TO away")
    held = daemon.wait_holding(job, "signal_stale", 30, says="doesn't exist")
    my_database.execute("RENAME TABLE away TO queue")
    daemon.wait_going_on(job, held)
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_active_sessions(my_database, make_daemon):
    make_table(my_database, 30000)
    daemon = make_daemon(my_database, **my_database.target)
    job = daemon.submit(job_of(limits={"active_sessions": 4}))
    may_look = my_database.value("SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'PROCESS' "
                                 "AND GRANTEE LIKE '''backfill''@%%'")
    if not may_look:  # an account that sees its own sessions alone does not take that for a quiet server
        held = daemon.wait_holding(job, "signal_stale", says="GRANT PROCESS")
        assert held["progress"]["batches"] == 0, held["progress"]
        my_database.execute("GRANT PROCESS ON *.* TO backfill")
    try:
        daemon.wait_progress(job, 3)
        busy = [my_database.connect() for _ in range(5)]
        ids = [connection.thread_id() for connection in busy]

        def work(connection):
            try:
                connection.cursor().execute("SELECT SLEEP(60)")
            except pymysql.err.Error:
                pass
        threads = [threading.Thread(target=work, args=(connection,), daemon=True) for connection in busy]
        for thread in threads:
            thread.start()
        held = daemon.wait_holding(job, "active_sessions")
        assert held["reason"]["value"] >= 5
        signals = {one["name"]: one for one in daemon.get("/v1/targets/shop").json["signals"]}
        assert signals["active_sessions"]["limit"] == 4 and signals["history_list"]["value"] >= 0
        assert signals["log_rate"]["value"] >= 0
        for number in ids:
            my_database.execute(f"KILL QUERY {number}")
        for thread in threads:
            thread.join(10)
        daemon.wait_going_on(job, held)
        for connection in busy:
            connection.close()
        began, first = time.monotonic(), daemon.job(job)["progress"]["rows_changed"]
        until(lambda: daemon.job(job)["progress"]["rows_changed"] >= first + 3000, 60, "3,000 rows more")
        assert time.monotonic() - began > 2, "1,000 rows a second at most"
    finally:
        if not may_look:
            my_database.execute("REVOKE PROCESS ON *.* FROM backfill")
    daemon.abort(job)
    daemon.wait(job, "aborted")



def sightless_account(my_database) -> str:
    """The URL of one that may do its work, and see nothing of the others."""
    my_database.execute("CREATE DATABASE IF NOT EXISTS backfilld")
    my_database.execute(f"CREATE USER IF NOT EXISTS sightless@'%%' IDENTIFIED BY '{PASSWORD}'")
    for granted in ("backfilld", my_database.name):
        my_database.execute(f"GRANT ALL ON `{granted}`.* TO sightless@'%%'")
    return my_database.url.replace("//backfill@", "//sightless@")


def test_an_old_transaction_and_the_history_that_it_keeps(my_database, make_daemon):
    """Its age, by the server's own clock, and whose it is; what cannot be purged because of it; and on it goes."""
    make_table(my_database, 30000)
    daemon = make_daemon(my_database, **my_database.target)
    job = daemon.submit(job_of(limits={"oldest_snapshot": "2s", "history_list": 1000000}))
    daemon.wait_progress(job, 3)
    report = my_database.connect()
    cursor = report.cursor()
    cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
    cursor.execute("SELECT COUNT(*) FROM counted")
    began = time.monotonic()
    held = daemon.wait_holding(job, "oldest_snapshot", 30)
    reason = held["reason"]
    assert reason["limit"] == 2 and 2 <= reason["value"] <= time.monotonic() - began + 2, reason
    assert f"connection {report.thread_id()} of root" in reason["text"], reason
    signals = {one["name"]: one for one in daemon.get("/v1/targets/shop").json["signals"]}
    history = signals["history_list"]["value"]
    assert history > 0 and signals["history_list"]["limit"] == 1000000
    assert signals["oldest_snapshot"]["text"] == f"connection {report.thread_id()} of root"
    # the other limit, while the first one is taken out
    change(daemon, job, {"oldest_snapshot": None, "history_list": int(history) + 5})
    held = daemon.wait_holding(job, "history_list", 30)
    assert "the length of InnoDB's history list is" in held["reason"]["text"], held["reason"]
    report.rollback()
    report.close()
    change(daemon, job, {"oldest_snapshot": "2s", "history_list": None})
    daemon.wait_going_on(job, held, 30)
    daemon.abort(job)
    daemon.wait(job, "aborted")


def change(daemon, job, limits):
    answer = daemon.request("PATCH", f"/v1/jobs/{job['id']}", {"limits": limits})
    assert answer.status == 200, answer.text


def test_limits_that_there_are_not(my_database, make_daemon):
    """What the engine does not have is refused; a server without a cluster has no flow control, and that holds nobody."""
    make_table(my_database, 200)
    daemon = make_daemon(my_database, **my_database.target)
    limits = {"slot_retained": "1GiB", "archive_backlog": "1GiB", "autovacuum": 1, "dead_tuples": 5}
    answer = daemon.post("/v1/jobs", job_of(limits=limits))
    assert answer.status == 422, answer.text
    assert {error["pointer"] for error in answer.json["errors"]} == {f"/limits/{name}" for name in limits}, answer.text
    job = daemon.submit(job_of(limits={"flow_control": 0.5}))
    daemon.wait(job, "completed")


def test_what_an_account_may_not_see_is_not_zero(my_database, make_daemon):
    make_table(my_database, 30000)
    daemon = make_daemon(sightless_account(my_database), **my_database.target)
    job = daemon.submit(job_of(limits={"oldest_snapshot": "1h"}))
    held = daemon.wait_holding(job, "signal_stale", says="GRANT PROCESS ON *.* TO it")
    assert held["progress"]["batches"] == 0, held["progress"]
    signals = {one["name"]: one for one in daemon.get("/v1/targets/shop").json["signals"]}
    for name in ("active_sessions", "oldest_snapshot", "history_list"):
        assert signals[name]["value"] is None and signals[name]["text"] == "unmeasured: our account lacks PROCESS ON *.*", signals
    change(daemon, job, {"oldest_snapshot": None, "flow_control": 0.5})
    if my_database.engine == "mysql":  # whether it is in a group is not for everybody's eyes
        daemon.wait_holding(job, "signal_stale", says="GRANT SELECT ON performance_schema.* TO it")
        change(daemon, job, {"flow_control": None})
    daemon.wait_progress(job, 3)
    daemon.abort(job)
    daemon.wait(job, "aborted")
