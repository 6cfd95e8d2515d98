"""The server's own pressures, each with a limit of the document's: the job holds, says by which name and number, and goes on
when it is over. What an account may not see is not measured, and never zero."""
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from lab.counted import make_table
from lab.daemon import document, pace
from lab.postgres import Cluster, TEST_SETTINGS
from lab.wait import until

from conftest import make_database

MIB = 1 << 20


def job_of(table="public.counted", rows=50, **more):
    """It lasts for half a minute and more: at most 1,000 rows a second of 60,000."""
    limited = {**pace(rows), "max_rows_per_second": 1000, **more.pop("pace", {})}
    return document(table, {"n": "n + 1"}, pace=limited, **more)


def signals(daemon) -> dict:
    return {one["name"]: one for one in daemon.get("/v1/targets/shop").json["signals"]}


def end(daemon, job):
    daemon.abort(job)
    daemon.wait(job, "aborted")


def check_reason(held, code, signal, limit, *words):
    reason = held["reason"]
    assert (reason["code"], reason["signal"], reason["limit"]) == (code, signal, limit), reason
    assert reason["value"] >= limit, reason
    for word in words:
        assert word in reason["text"], reason["text"]


def test_log_kept_by_a_slot_that_nobody_uses(daemon, database):
    make_table(database, 60000)
    job = daemon.submit(job_of(limits={"slot_retained": "24MiB"}))
    daemon.wait_progress(job, 3)
    database.execute("SELECT pg_create_physical_replication_slot('forgotten', true)")
    try:
        for _ in range(30):
            database.execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 1000000))")
        held = daemon.wait_holding(job, "slot_retained", 30)
        check_reason(held, "slot_retained", "slot:forgotten", 24 * MIB, "the log kept by slot forgotten is", "MiB (limit 24 MiB)")
        shown = signals(daemon)
        assert shown["slot:forgotten"]["value"] >= 24 * MIB and shown["slot:forgotten"]["limit"] == 24 * MIB
        assert shown["slot:replica"]["limit"] == 24 * MIB and shown["slot:replica"]["age_seconds"] < 3
    finally:
        database.execute("SELECT pg_drop_replication_slot('forgotten')")
    daemon.wait_going_on(job, held, 25)
    assert daemon.job(job)["progress"]["seconds"]["holding/slot:forgotten"] > 1
    end(daemon, job)


@pytest.mark.parametrize("user", ["postgres", "backfill"])
def test_the_archiver_is_behind(make_daemon, user):
    """Whoever has pg_monitor counts what is ready; another one estimates it by the archiver's last file, and says that it is
    not measured before there was one."""
    with archiving() as (database, gate):
        database.execute("CREATE ROLE backfill LOGIN; GRANT ALL ON counted TO backfill; GRANT CREATE ON DATABASE shop TO backfill")
        database.execute("SELECT pg_stat_reset_shared('archiver')")
        daemon = make_daemon(database.url.replace("postgres@", f"{user}@"))
        job = daemon.submit(job_of(limits={"archive_backlog": "40MiB"}))
        if user == "backfill":
            held = daemon.wait_holding(job, "signal_stale", 20, says="the log that waits for the archiver cannot be measured")
            assert "GRANT pg_monitor TO it" in held["reason"]["text"]
            assert signals(daemon)["archive_backlog"]["text"] == "unmeasured: our account lacks pg_monitor"
            switch(database, 1)
            until(lambda: database.value("SELECT last_archived_wal IS NOT NULL FROM pg_stat_archiver"), 20, "a file is archived")
        daemon.wait_progress(job, 3, 20)
        gate.unlink()
        switch(database, 4)
        held = daemon.wait_holding(job, "archive_backlog", 30)
        check_reason(held, "archive_backlog", "archive_backlog", 40 * MIB, "the log that waits for the archiver is", "(limit 40 MiB)")
        assert held["reason"]["value"] % (16 * MIB) == 0
        gate.touch()
        switch(database, 1)  # the archiver would look again within a minute
        daemon.wait_going_on(job, held, 30)
        end(daemon, job)


@contextmanager
def archiving():
    """A server whose archiver succeeds while the gate is there."""
    with Cluster(replica=False, settings={**TEST_SETTINGS, "archive_mode": "on", "archive_command": "test -e /nowhere"}) as cluster:
        gate = Path(cluster.directory) / "gate"
        gate.touch()
        cluster.primary.psql(f"ALTER SYSTEM SET archive_command = 'test -e {gate}'")
        cluster.primary.psql("SELECT pg_reload_conf()")
        database = make_database(cluster.primary, "shop")
        make_table(database, 60000)
        try:
            yield database, gate
        finally:
            database.close()


def switch(database, files):
    for _ in range(files):
        database.execute("SELECT pg_logical_emit_message(true, 'test', 'a file that is not empty')")
        database.execute("SELECT pg_switch_wal()")


def test_dead_tuples_of_the_table(daemon, database):
    make_table(database, 60000)
    make_table(database, 100, "other")
    database.execute("ALTER TABLE counted SET (autovacuum_enabled = off)")
    database.execute("ALTER TABLE other SET (autovacuum_enabled = off)")
    job = daemon.submit(job_of(limits={"dead_tuples": 2000}))
    held = daemon.wait_holding(job, "dead_tuples", 20)
    check_reason(held, "dead_tuples", "dead_tuples:public.counted", 2000, "the number of dead tuples of public.counted is")
    assert signals(daemon)["dead_tuples:public.counted"]["limit"] == 2000
    database.execute("VACUUM counted")
    daemon.wait_going_on(job, held, 25)
    end(daemon, job)


def test_dead_tuples_are_those_of_all_partitions(daemon, database):
    database.execute("CREATE TABLE counted (id bigint PRIMARY KEY, n integer NOT NULL DEFAULT 0) PARTITION BY RANGE (id)")
    for number, (low, high) in enumerate([(1, 501), (501, 20001)]):
        database.execute(f"CREATE TABLE part_{number} PARTITION OF counted FOR VALUES FROM ({low}) TO ({high}) "
                         "WITH (autovacuum_enabled = off)")
    database.execute("INSERT INTO counted SELECT g FROM generate_series(1, 20000) g")
    job = daemon.submit(job_of(rows=20, pace={"max_rows_per_second": 200}, limits={"dead_tuples": 700}))
    held = daemon.wait_holding(job, "dead_tuples", 30)
    check_reason(held, "dead_tuples", "dead_tuples:public.counted", 700)
    database.execute("VACUUM counted")
    daemon.wait_going_on(job, held, 25)
    end(daemon, job)


def test_autovacuum_on_the_table(own_cluster, make_daemon):
    own_cluster.primary.configure(autovacuum_naptime="1s")
    own_cluster.primary.psql("SELECT pg_reload_conf()")
    database = make_database(own_cluster.primary, "shop")
    make_table(database, 60000)
    daemon = make_daemon(database)
    job = daemon.submit(job_of(limits={"autovacuum": 1}))
    daemon.wait_progress(job, 3)
    database.execute("ALTER TABLE counted SET (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0, "
                     "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1)")
    held = daemon.wait_holding(job, "autovacuum", 90)
    check_reason(held, "autovacuum", "autovacuum:public.counted", 1, "the number of autovacuum workers on public.counted is 1")
    database.execute("ALTER TABLE counted SET (autovacuum_enabled = off)")  # which ends the worker, too
    daemon.wait_going_on(job, held, 25)
    assert "autovacuum:public.counted" not in signals(daemon)
    end(daemon, job)
    database.close()


def test_an_old_snapshot(daemon, database):
    make_table(database, 60000)
    job = daemon.submit(job_of(limits={"oldest_snapshot": "2s"}))
    daemon.wait_progress(job, 3)
    with database.connect(autocommit=False) as report:
        report.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        pid = report.execute("SELECT pg_backend_pid()").fetchone()[0]
        held = daemon.wait_holding(job, "oldest_snapshot", 30)
        check_reason(held, "oldest_snapshot", "oldest_snapshot", 2, f"pid {pid} (postgres)", "s (limit 2 s)")
        assert signals(daemon)["oldest_snapshot"]["text"] == f"pid {pid} (postgres)"
    daemon.wait_going_on(job, held, 25)
    end(daemon, job)


def test_the_log_of_the_whole_server(daemon, database):
    make_table(database, 60000)
    job = daemon.submit(job_of(limits={"log_rate": "2MiB"}))
    daemon.wait_progress(job, 3)
    stop = threading.Event()

    def write():
        with database.connect() as connection:
            while not stop.wait(0.05):
                connection.execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 500000))")
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        held = daemon.wait_holding(job, "log_rate", 30)
        check_reason(held, "log_rate", "log_rate", 2 * MIB, "the log that the server writes is", "MiB/s (limit 2 MiB/s)")
    finally:
        stop.set()
        thread.join(10)
    daemon.wait_going_on(job, held, 25)
    end(daemon, job)


def test_sessions_that_wait_for_us(daemon, database):
    make_table(database, 60000)
    database.slow(2)
    job = daemon.submit(job_of(limits={"blocked_sessions": 1, "yield_after": "1m"}))
    until(lambda: database.slowed(job), 20, "a slow batch")

    over = threading.Event()

    def wait():
        with database.connect(autocommit=False) as connection:
            while not over.is_set():  # for one batch after the other, until somebody has looked
                connection.execute("LOCK TABLE counted IN SHARE MODE")
                connection.rollback()
                over.wait(0.1)
    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    held = daemon.wait_holding(job, "blocked_sessions", 30)
    over.set()
    assert held["reason"]["limit"] == 1 and "sessions that wait for our locks" in held["reason"]["text"], held["reason"]
    thread.join(10)
    database.full_speed()
    daemon.wait_going_on(job, held, 25)
    end(daemon, job)


@pytest.mark.parametrize("limit, value", [("oldest_snapshot", "1h"), ("autovacuum", 1), ("blocked_sessions", 5)])
def test_what_an_account_may_not_see_is_not_zero(own_cluster, make_daemon, limit, value):
    database = make_database(own_cluster.primary, "shop")
    make_table(database, 60000)
    database.execute("CREATE ROLE backfill LOGIN; GRANT ALL ON counted TO backfill; GRANT CREATE ON DATABASE shop TO backfill")
    daemon = make_daemon(database.url.replace("postgres@", "backfill@"))
    job = daemon.submit(job_of(limits={limit: value}))
    held = daemon.wait_holding(job, "signal_stale", 20, says="GRANT pg_monitor TO it")
    reason = held["reason"]
    assert held["progress"]["batches"] == 0 and reason["value"] is None
    assert "the account backfill may not see it; GRANT pg_monitor TO it" in reason["text"] and f"limits.{limit}" in reason["text"]
    shown = signals(daemon)["oldest_snapshot"]
    assert shown["value"] is None and shown["age_seconds"] is None and shown["text"] == "unmeasured: our account lacks pg_monitor"
    database.execute("GRANT pg_monitor TO backfill")
    daemon.wait_going_on(job, held, 25)
    end(daemon, job)
    database.close()


def test_limits_of_the_target(make_daemon, database):
    """Defaults and ceilings are for these limits as for the others; what an engine does not have is refused."""
    make_table(database, 100)
    daemon = make_daemon(database, **{"limits.slot_retained": "1GiB", "ceiling.slot_retained": "2GiB",
                                      "ceiling.oldest_snapshot": "1h"})
    answer = daemon.post("/v1/jobs", job_of(limits={"slot_retained": "3GiB", "oldest_snapshot": "2h", "history_list": 5}))
    assert answer.status == 422, answer.text
    errors = {error["pointer"]: error for error in answer.json["errors"]}
    assert set(errors) == {"/limits/slot_retained", "/limits/oldest_snapshot", "/limits/history_list"}, errors
    assert errors["/limits/history_list"]["code"] == "unsupported" and "ceiling" in errors["/limits/slot_retained"]["detail"]
    job = daemon.submit(job_of())
    limits = daemon.job(job)["document"]["limits"]
    assert limits["slot_retained"] == 1 << 30 and limits["oldest_snapshot"] == "3600000ms", limits
    daemon.wait(job, "completed")


def test_signals_that_cost_more_are_looked_at_less_often(daemon, database):
    """The sample twice a second, the others every five: their age says so."""
    make_table(database, 60000)
    job = daemon.submit(job_of())
    daemon.wait_progress(job, 3)
    ages, end_at = [], time.monotonic() + 12
    while time.monotonic() < end_at:
        shown = signals(daemon)
        if "dead_tuples:public.counted" in shown:
            ages.append((shown["dead_tuples:public.counted"]["age_seconds"], shown["active_sessions"]["age_seconds"]))
    slow, quick = zip(*ages)
    assert sorted(quick)[len(quick) // 2] < 1.5 < 3 < max(slow) < 15, ages
    end(daemon, job)
