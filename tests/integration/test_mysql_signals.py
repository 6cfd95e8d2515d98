"""Signals, active sessions and caps on MariaDB and MySQL; what is not built there is refused."""
import threading
import time

import pymysql

from lab.daemon import document, pace
from lab.mysql_database import make_table
from lab.wait import until


def job_of(rows=50, **more):
    limited = {**pace(rows), "max_rows_per_second": 1000, **more.pop("pace", {})}
    return document("counted", {"n": "n + 1"}, pace=limited, **more)


def wait_holding(daemon, job, code, seconds=10):
    last = {}

    def holds():
        last.update(daemon.job(job))
        return last["activity"] == "holding" and (last["reason"] or {}).get("code") == code
    until(holds, seconds, lambda _: f"holding for {code}: {last.get('activity')}, {last.get('reason')}\n{daemon.log_tail()}")
    return last


def wait_going_on(daemon, job, batches, seconds=10):
    until(lambda: daemon.job(job)["progress"]["batches"] > batches, seconds,
          lambda _: f"it goes on: {daemon.job(job)['reason']}\n{daemon.log_tail()}")


def test_a_signal_of_the_documents_own(my_database, make_daemon):
    make_table(my_database, 30000)
    my_database.execute("CREATE TABLE queue (id INTEGER PRIMARY KEY)")
    daemon = make_daemon(my_database, **my_database.target)
    job = daemon.submit(job_of(signals=[{"name": "queue", "sql": "SELECT COUNT(*) FROM queue", "limit": 2},
                                        {"name": "slow", "sql": "SELECT SLEEP(0.1)", "limit": 1}]))
    daemon.wait_progress(job, 3)
    my_database.execute("INSERT INTO queue VALUES (1), (2), (3)")
    held = wait_holding(daemon, job, "signal")
    assert held["reason"]["text"] == "signal queue is 3 (limit 2)"
    my_database.execute("DELETE FROM queue")
    wait_going_on(daemon, job, held["progress"]["batches"])
    my_database.execute("RENAME TABLE queue TO away")
    held = wait_holding(daemon, job, "signal_stale", 12)
    assert "doesn't exist" in held["reason"]["text"], held["reason"]
    my_database.execute("RENAME TABLE away TO queue")
    wait_going_on(daemon, job, held["progress"]["batches"])
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_active_sessions(my_database, make_daemon):
    make_table(my_database, 30000)
    daemon = make_daemon(my_database, **my_database.target)
    cap = daemon.post("/v1/jobs", job_of(pace={"max_log_bytes_per_second": "1MiB"}))
    assert cap.status == 422 and cap.json["errors"][0]["pointer"] == "/pace/max_log_bytes_per_second"
    job = daemon.submit(job_of(limits={"active_sessions": 4}))
    may_look = my_database.value("SELECT COUNT(*) FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'PROCESS' "
                                 "AND GRANTEE LIKE '''backfill''@%%'")
    if not may_look:  # an account that sees its own sessions alone does not take that for a quiet server
        held = wait_holding(daemon, job, "signal_stale")
        assert "GRANT PROCESS" in held["reason"]["text"] and held["progress"]["batches"] == 0, held["reason"]
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
        held = wait_holding(daemon, job, "active_sessions")
        assert held["reason"]["value"] >= 5
        signals = {one["name"]: one for one in daemon.get("/v1/targets/shop").json["signals"]}
        assert signals["active_sessions"]["limit"] == 4 and signals["history_list"]["value"] >= 0 and "log_rate" not in signals
        for number in ids:
            my_database.execute(f"KILL QUERY {number}")
        for thread in threads:
            thread.join(10)
        wait_going_on(daemon, job, held["progress"]["batches"])
        for connection in busy:
            connection.close()
        first, began = daemon.job(job)["progress"]["rows_changed"], time.monotonic()
        until(lambda: daemon.job(job)["progress"]["rows_changed"] >= first + 3000, 20, "3,000 rows more")
        assert 2 < time.monotonic() - began < 8, "1,000 rows a second at most"
    finally:
        if not may_look:
            my_database.execute("REVOKE PROCESS ON *.* FROM backfill")
    daemon.abort(job)
    daemon.wait(job, "aborted")
