"""Limits other than replication lag, on a real server: signals of the document's own, active sessions, windows, caps; and
that a change of them counts at once."""
import datetime
import threading
import time

import psycopg
import pytest

from lab.counted import check, make_table
from lab.daemon import document, pace
from lab.wait import until


def job_of(rows=50, **more):
    limited = {**pace(rows), "max_rows_per_second": 2000, **more.pop("pace", {})}
    return document("public.counted", {"n": "n + 1"}, pace=limited, **more)


def change(daemon, job, body, status=200):
    answer = daemon.request("PATCH", f"/v1/jobs/{job['id']}", body)
    assert answer.status == status, answer.text
    return answer.json


def test_a_signal_of_the_documents_own(daemon, database):
    make_table(database, 60000)
    database.execute("CREATE TABLE queue (state text)")
    job = daemon.submit(job_of(signals=[{"name": "queue", "sql": "SELECT count(*) FROM queue", "limit": 10}]))
    daemon.wait_progress(job, 3)
    database.execute("INSERT INTO queue SELECT 'ready' FROM generate_series(1, 20)")
    held = daemon.wait_holding(job, "signal")
    assert (held["reason"]["signal"], held["reason"]["value"], held["reason"]["limit"]) == ("signal:queue", 20, 10)
    assert held["reason"]["text"] == "signal queue is 20 (limit 10)"
    signals = {one["name"]: one for one in daemon.get("/v1/targets/shop").json["signals"]}
    assert signals["signal:queue"]["value"] == 20 and signals["signal:queue"]["limit"] == 10
    database.execute("DELETE FROM queue WHERE ctid IN (SELECT ctid FROM queue LIMIT 11)")
    time_low = time.monotonic()
    until(lambda: "stayed low" in (daemon.job(job)["reason"] or {}).get("text", ""), 30, "why it still holds is said")
    database.execute("DELETE FROM queue WHERE ctid IN (SELECT ctid FROM queue LIMIT 5)")
    daemon.wait_going_on(job, held)
    assert 2 <= time.monotonic() - time_low
    database.execute("DROP TABLE queue")
    held = daemon.wait_holding(job, "signal_stale", 30, says='relation "queue" does not exist')
    assert held["reason"]["value"] is None
    database.execute("CREATE TABLE queue (state text)")
    daemon.wait_going_on(job, held)
    assert daemon.job(job)["progress"]["seconds"]["holding/signal:queue"] > 3
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_a_signal_that_is_no_query_is_refused(daemon, database):
    make_table(database, 10)
    answer = daemon.post("/v1/jobs", job_of(signals=[{"name": "a", "sql": "DELETE FROM counted; SELECT 1", "limit": 1}]))
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/signals/0/sql", answer.text
    # it is read-only, whatever it says
    database.execute("CREATE SEQUENCE s")
    job = daemon.submit(job_of(signals=[{"name": "a", "sql": "SELECT nextval('s')", "limit": 1}]))
    held = daemon.wait_holding(job, "signal_stale")
    assert held["progress"]["batches"] == 0
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_active_sessions(daemon, database):
    make_table(database, 60000)
    job = daemon.submit(job_of(limits={"active_sessions": 4}))
    daemon.wait_progress(job, 3)
    busy = [psycopg.connect(database.url, autocommit=True, application_name=f"app {n}") for n in range(5)]

    def work(connection):
        try:
            connection.execute("SELECT pg_sleep(60)")
        except psycopg.errors.QueryCanceled:
            pass
    threads = [threading.Thread(target=work, args=(connection,), daemon=True) for connection in busy]
    for thread in threads:
        thread.start()
    held = daemon.wait_holding(job, "active_sessions")
    assert held["reason"]["value"] >= 5 and held["reason"]["limit"] == 4
    # a change counts at once
    change(daemon, job, {"limits": {"active_sessions": None}})
    daemon.wait_going_on(job, held, 30)
    change(daemon, job, {"limits": {"active_sessions": 4}})
    held = daemon.wait_holding(job, "active_sessions")
    for connection in busy:
        connection.cancel()
    for thread in threads:
        thread.join(10)
    daemon.wait_going_on(job, held)
    for connection in busy:
        connection.close()
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_a_window(daemon, database):
    make_table(database, 200)
    now = datetime.datetime.now(datetime.timezone.utc)
    opens = (now + datetime.timedelta(hours=3)).replace(minute=0, second=0, microsecond=0)
    closed = [{"from": opens.strftime("%H:%M"), "to": (opens + datetime.timedelta(hours=1)).strftime("%H:%M")}]
    answer = daemon.post("/v1/jobs", job_of(pace={"window": [{"from": "22:00", "to": "06:00", "zone": "Europe/Berlyn"}]}))
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/pace/window/0/zone"
    job = daemon.submit(job_of(pace={"window": closed}))
    held = daemon.wait_holding(job, "window")
    assert held["progress"]["batches"] == 0 and held["reason"]["until"].startswith(opens.strftime("%Y-%m-%dT%H:%M"))
    assert change(daemon, job, {"pace": {"window": [{"from": "00:00", "to": "24:00", "zone": "Nowhere/At_All"}]}}, 422)
    change(daemon, job, {"pace": {"window": [{"from": "00:00", "to": "24:00", "zone": "Europe/Berlin"}]}})
    daemon.wait(job, "completed")
    check(database, 200)


@pytest.mark.parametrize("rows", [10, 5000])
def test_rows_per_second(daemon, database, rows):
    make_table(database, 20000)
    job = daemon.submit(job_of(pace={**pace(), "batch_rows": {"start": rows, "min": 1, "max": 50000},
                                     "max_rows_per_second": 1000}))
    daemon.wait_progress(job, 2)
    began, first = time.monotonic(), daemon.job(job)["progress"]["rows_changed"]
    until(lambda: daemon.job(job)["progress"]["rows_changed"] >= first + 4000, 60, "4,000 rows more")
    took = time.monotonic() - began
    assert took > 2.9, f"4,000 rows in {took:.1f} s at 1,000 a second"
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_log_bytes_per_second(daemon, database):
    make_table(database, 100000)
    job = daemon.submit(job_of(pace={**pace(), "max_rows_per_second": None, "max_log_bytes_per_second": "512KiB"}))
    daemon.wait_progress(job, 5)
    position = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')"
    began, from_ = time.monotonic(), database.value(position)
    until(lambda: time.monotonic() - began > 5, 6, "five seconds are over")
    rate = float(database.value(position) - from_) / (time.monotonic() - began)
    assert 0.3 * 524288 < rate < 1.3 * 524288, f"{rate:.0f} bytes of log a second"
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_a_changed_plan_pauses(daemon, database):
    """The index is not used any more: what took a millisecond reads and sorts the table."""
    # numbers of any length, for a fast machine reads and sorts whole ones in less than what counts as slow
    database.execute("CREATE TABLE plain (id numeric PRIMARY KEY, n integer)")
    database.execute("INSERT INTO plain SELECT g, 0 FROM generate_series(1, 4000000) g")
    database.execute("VACUUM ANALYZE plain")
    database.execute(f'ALTER DATABASE "{database.name}" SET max_parallel_workers_per_gather = 0')
    job = daemon.submit(document("public.plain", {"n": "n + 1"}, pace={**pace(100), "max_rows_per_second": 3000}))
    daemon.wait_progress(job, 20)
    database.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'plain_pkey'::regclass")
    database.execute("COMMENT ON TABLE plain IS 'its description in the caches is old'")
    paused = daemon.wait(job, "paused", seconds=60)
    assert paused["reason"]["code"] == "plan_regression" and "its median" in paused["reason"]["text"], paused["reason"]
    database.execute("UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'plain_pkey'::regclass")
    daemon.resume(job)
    daemon.wait_progress(job, paused["progress"]["batches"] + 3)
    daemon.abort(job)
    daemon.wait(job, "aborted")
