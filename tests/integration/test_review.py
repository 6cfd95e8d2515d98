"""Corner cases of the protocols on a real server: what fails closed, what is said on the target, what must not block."""
import os
import signal
import socket
import struct
import subprocess
import threading
import time

import psycopg

from lab.counted import check, full_speed, make_table, slow_batches
from lab.daemon import document, pace
from lab.proxy import Proxy
from lab.wait import until
from test_ownership import copy_store


def the_job(rows=20, **more):
    return document("public.counted", {"n": "n + 1"}, pace=pace(rows), **more)


def test_a_check_for_already_done_that_fails_does_not_let_the_job_in(make_daemon, database):
    """The store is lost and backfilld.job cannot be read for a moment: nobody knows whether it ran, so it must not run."""
    make_table(database, 100)
    first = make_daemon(database)
    first.wait(first.submit(the_job()), "completed")
    first.stop()
    second = make_daemon(database)
    with database.connect(autocommit=False) as other:
        other.execute("LOCK TABLE backfilld.job IN ACCESS EXCLUSIVE MODE")
        answer = second.post("/v1/jobs", the_job())
        other.rollback()
    assert answer.status == 503, f"{answer.status}: {answer.text}"
    assert database.value("SELECT max(n) FROM counted") == 1


def test_a_table_that_is_locked_for_a_moment_does_not_make_the_document_invalid(daemon, database):
    """CREATE INDEX holds a SHARE lock for minutes: the document is fine, the server was busy."""
    make_table(database, 100)
    with database.connect(autocommit=False) as other:
        other.execute("LOCK TABLE counted IN SHARE MODE")
        answer = daemon.post("/v1/jobs", the_job())
        other.rollback()
    assert answer.status == 503, f"{answer.status}: {answer.text}"


def test_a_server_that_stalls_between_two_messages_does_not_block_the_loop(cluster, database, make_daemon):
    make_table(database, 100)
    with Proxy(("127.0.0.1", cluster.primary.port)) as proxy:
        daemon = make_daemon(proxy.url(database.name))
        proxy.delay = 2.0
        submitting = threading.Thread(target=lambda: daemon.post("/v1/jobs", the_job(), timeout=60))
        submitting.start()
        slowest, end = 0, time.monotonic() + 5
        while time.monotonic() < end:
            start = time.monotonic()
            assert daemon.get("/healthz").status == 200
            slowest = max(slowest, time.monotonic() - start)
        proxy.delay = 0
        submitting.join()
    assert slowest < 1.5, f"GET /healthz took {slowest:.1f} s while a session was set up"


def test_a_reset_that_comes_with_the_last_bytes_is_noticed_at_once(cluster, database, make_daemon):
    make_table(database, 400)
    struck = threading.Event()

    def strike(group):
        if not group.is_batch or group.batch_number != 5:
            return False
        connection = group.connection
        os.kill(daemon.pid, signal.SIGSTOP)
        group.connection.mute = True
        group.forward()
        connection.wait_answered()
        # BindComplete and CommandComplete of BEGIN, then a reset: both are there when the daemon looks
        connection.client.sendall(b"2\0\0\0\4" + b"n\0\0\0\4" + b"C\0\0\0\x0aBEGIN\0")
        connection.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.cut_client(keep_server=False)
        os.kill(daemon.pid, signal.SIGCONT)
        struck.set()
        return True
    with Proxy(("127.0.0.1", cluster.primary.port), strike) as proxy:
        daemon = make_daemon(proxy.url(database.name))
        job = daemon.submit(the_job())
        assert struck.wait(30)
        start = time.monotonic()
        daemon.wait(job, "completed")
        taken = time.monotonic() - start
        check(database, 400)
    assert taken < 15, f"the lost connection was noticed after {taken:.1f} s"


def test_a_paused_copy_does_not_end_the_sessions_of_the_owner(make_daemon, database):
    """P6: we never end anyone else's session, and the session of another daemon is not ours."""
    make_table(database, 300)
    slow_batches(database, 0.1, per="ROW")
    first, second = make_daemon(database), make_daemon(database, start=False)
    job = first.submit(the_job(30, limits={"statement_timeout": "30s", "lock_timeout": "10s"}))
    first.wait_progress(job, 1)
    ours = "SELECT array_agg(pid ORDER BY pid) FROM pg_stat_activity WHERE application_name = 'backfilld ' || %s"
    copy_store(first.state, second.state)
    before = database.value(ours, (job["id"],))
    second.start()
    second.wait_reason(job, "owned_elsewhere")
    second.pause(job)
    second.wait(job, "paused")
    until(lambda: len(database.value(ours, (job["id"],)) or []) == 1, 30, "the second daemon's session is gone")
    assert database.value(ours, (job["id"],)) == before, "the owner's session was ended"
    full_speed(database)
    first.wait(job, "completed")
    assert not [e["text"] for e in first.events(job) if "ended" in e["text"] and "session" in e["text"]]


def test_the_targets_own_record_follows_the_job(daemon, database):
    """P4: state and times stand on the target, for a DBA and for the day when the state store is lost."""
    make_table(database, 2000)
    slow_batches(database, 0.05)
    job = daemon.submit(the_job())
    daemon.wait_progress(job, 2)
    state = "SELECT state, started_at IS NOT NULL, ended_at IS NOT NULL FROM backfilld.job"
    assert database.row(state) == ("running", True, False)
    daemon.pause(job)
    daemon.wait(job, "paused")
    assert database.row(state)[0] == "paused"
    done = daemon.job(job)["progress"]["batches"]
    daemon.resume(job)
    daemon.wait_progress(job, done + 2)
    assert database.row(state)[0] == "running", "it works, and the target says paused"
    daemon.pause(job)
    daemon.wait(job, "paused")
    daemon.abort(job)
    daemon.wait(job, "aborted")
    until(lambda: database.row(state)[0] == "aborted", 30, lambda _: f"the target says aborted: {database.row(state)}")


def test_rows_changed_is_exact_after_a_pause_that_had_to_settle(cluster, database, make_daemon):
    make_table(database, 400)

    def cut(group):
        if not group.is_batch or group.batch_number != 5:
            return False
        group.connection.mute = True
        group.forward()
        group.connection.wait_answered()
        proxy.refuse = True
        group.connection.cut_client(keep_server=False)
        return True
    with Proxy(("127.0.0.1", cluster.primary.port), cut) as proxy:
        daemon = make_daemon(proxy.url(database.name))
        job = daemon.submit(the_job())
        until(lambda: proxy.refuse, 20, "the connection is cut")
        daemon.pause(job)
        until(lambda: daemon.job(job)["state"] == "pausing", 30, "it waits for the server")
        proxy.refuse = False
        daemon.wait(job, "paused")
        assert database.row("SELECT sum(n) FROM counted")[0] == 100
        daemon.resume(job)
        done = daemon.wait(job, "completed")
        check(database, 400)
    assert done["progress"]["rows_changed"] == 400
    assert database.value("SELECT rows_changed FROM backfilld.checkpoint") == 400


def test_a_stop_of_the_daemon_does_not_call_a_job_paused_whose_lost_session_still_works(cluster, database, make_daemon):
    make_table(database, 400)

    def cut(group):
        if not group.is_batch or group.batch_number != 5:
            return False
        slow_batches(database, 0.2, per="ROW")  # 4 s
        group.connection.mute = True
        group.forward()
        proxy.refuse = True
        group.connection.cut_client(keep_server=True)
        return True
    with Proxy(("127.0.0.1", cluster.primary.port), cut) as proxy:
        daemon = make_daemon(proxy.url(database.name))
        job = daemon.submit(the_job())
        until(lambda: proxy.refuse, 20, "the connection is cut")
        daemon.pause(job)
        until(lambda: daemon.job(job)["state"] == "pausing", 30, "it waits for the server")
        assert daemon.stop() == 0
        daemon.start()
        state, count = daemon.job(job)["state"], database.value("SELECT sum(n) FROM counted")
        proxy.refuse = False
        daemon.wait(job, "paused")
        until(lambda: database.value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backfilld ' || %s "
                                     "AND state <> 'idle'", (job["id"],)) == 0, 20, "the lost session's batch ended")
        if state == "paused":
            assert database.value("SELECT sum(n) FROM counted") == count, "a batch was committed while the job was paused"


def test_a_publication_for_all_tables_is_found_before_anything_is_made(daemon, database):
    """New tables in it break its subscribers: their apply workers find no backfilld.checkpoint."""
    make_table(database, 100)
    database.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    for query in ("", "?dry_run=true"):
        answer = daemon.post(f"/v1/jobs{query}", the_job())
        assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/target", answer.text
        assert "publication everything is FOR ALL TABLES" in answer.json["errors"][0]["detail"]
    assert database.value("SELECT to_regnamespace('backfilld') IS NULL")
    # what it says to do: a DBA runs what is printed, and then there is nothing left to make
    schema = subprocess.run([daemon.program, "--print-schema"], capture_output=True, text=True, check=True).stdout
    with database.connect() as dba:
        dba.execute(schema)
    job = daemon.submit(the_job())
    daemon.wait(job, "completed")
    check(database, 100)


def test_a_publication_that_comes_after_the_submission_is_found_too(make_daemon, database):
    make_table(database, 100)
    daemon = make_daemon(database, require_approval="all", targets={"unasked": {"primary": database.url, "require_approval": "none"}})
    job = daemon.submit(the_job())
    unasked = {**the_job(), "name": "unasked", "target": "unasked"}
    daemon.post("/v1/pause-all")
    daemon.submit(unasked)
    database.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    daemon.post("/v1/resume-all")
    daemon.approve(job, confirm="job")
    refused = daemon.wait(job, "refused")  # measured once more before the start
    assert refused["reason"]["code"] == "invalid" and "FOR ALL TABLES" in refused["reason"]["text"], refused["reason"]
    failed = daemon.wait("unasked", "failed")  # where nobody approves nothing is measured again, and the job finds it itself
    assert failed["reason"]["code"] == "schema_missing" and "FOR ALL TABLES" in failed["reason"]["text"], failed["reason"]
    assert database.value("SELECT to_regnamespace('backfilld') IS NULL")


def test_what_waits_for_a_lock_says_which(daemon, database):
    """A lock in the way of the control schema, or of the job's row in it, is no lost session of this job."""
    make_table(database, 100)
    with psycopg.connect(database.url) as other:
        other.execute("SELECT pg_advisory_xact_lock(7089063221083761004)")
        job = daemon.submit(the_job())
        waiting = daemon.wait_reason(job, "lock_conflict")
        assert "could not make the control schema" in waiting["reason"]["text"], waiting["reason"]
    daemon.wait(job, "completed")
    with psycopg.connect(database.url) as other:
        other.execute("LOCK TABLE backfilld.job IN EXCLUSIVE MODE")
        job = daemon.submit({**the_job(), "name": "second", "where": "n = 1"})
        waiting = daemon.wait_reason(job, "lock_conflict")
        assert "could not register the job" in waiting["reason"]["text"], waiting["reason"]
    daemon.wait(job, "completed")


def test_who_lost_a_job_does_not_speak_for_it_in_the_targets_own_record(make_daemon, database):
    """Somebody takes the checkpoint while the job stops: the record on the target is not that daemon's any more."""
    make_table(database, 400)
    database.execute("CREATE TABLE taken (yes boolean)")
    database.execute("""CREATE FUNCTION take() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        WHILE NOT pg_try_advisory_xact_lock_shared(4711) LOOP PERFORM pg_sleep(0.01); END LOOP;
        IF EXISTS (SELECT FROM taken) THEN UPDATE backfilld.checkpoint SET epoch = epoch + 1, owner = 'another'; END IF;
        RETURN NULL; END $$""")
    database.execute("CREATE TRIGGER take AFTER UPDATE ON counted FOR EACH STATEMENT EXECUTE FUNCTION take()")
    daemon = make_daemon(database)
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(4711)")
        job = daemon.submit(the_job(limits={"lock_timeout": "60s", "statement_timeout": "60s"}))
        until(lambda: database.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"), 20, "a batch waits")
        daemon.pause(job)  # the batch may end by itself within half a second, and then the job gives its checkpoint back
        other.execute("INSERT INTO taken VALUES (true)")
        other.execute("SELECT pg_advisory_unlock(4711)")
        daemon.wait(job, "paused")
    assert database.value("SELECT owner FROM backfilld.checkpoint") == "another", "the batch was not in time"
    assert database.row("SELECT state, ended_at FROM backfilld.job") == ("running", None)


def test_a_batch_of_more_than_30_seconds_is_not_silence(make_daemon, database):
    """P3: an owner whose batch takes long is alive; its checkpoint moves when that batch is committed."""
    make_table(database, 60)
    slow_batches(database, 34)
    first, second = make_daemon(database), make_daemon(database, start=False)
    # (it would give way to the DROP TRIGGER below, and what was taken back was silent)
    job = first.submit(the_job(20, limits={"statement_timeout": "120s", "lock_timeout": "60s", "yield_after": "5m"}))
    until(lambda: database.value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"), 20, "it runs", .01)
    copy_store(first.state, second.state)
    second.start()
    second.wait_reason(job, "owned_elsewhere")
    first.wait_progress(job, 1)
    full_speed(database)
    first.wait(job, "completed")  # and is never fenced
    check(database, 60)


def test_a_position_that_cannot_be_read_is_not_the_beginning_of_the_table(daemon, database):
    make_table(database, 2000)
    slow_batches(database, 0.05)
    job = daemon.submit(the_job())
    daemon.wait_progress(job, 5)
    daemon.pause(job)
    daemon.wait(job, "paused")
    database.execute("UPDATE backfilld.checkpoint SET position = '1000'")  # somebody meant [\"1000\"]
    daemon.resume(job)
    full_speed(database)
    until(lambda: daemon.job(job)["state"] in ("completed", "failed", "paused"), 20)
    assert database.value("SELECT max(n) FROM counted") == 1


def test_an_error_at_the_end_of_an_implicit_transaction_is_seen(daemon, database):
    """FLUSH stands alone: its transaction is committed at Sync, behind its answer."""
    make_table(database, 2000)
    slow_batches(database, 0.05)
    job = daemon.submit(the_job())
    daemon.wait_progress(job, 1)
    database.execute("""CREATE FUNCTION say_no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF new.done THEN RAISE EXCEPTION 'not yet' USING ERRCODE = '40001'; END IF; RETURN NULL; END $$""")
    database.execute("CREATE CONSTRAINT TRIGGER say_no AFTER UPDATE ON backfilld.checkpoint DEFERRABLE INITIALLY DEFERRED "
                     "FOR EACH ROW EXECUTE FUNCTION say_no()")
    full_speed(database)
    shown = daemon.wait_reason(job, "serialization")
    assert shown["state"] != "completed" or database.value("SELECT done FROM backfilld.checkpoint"), shown
    database.execute("DROP TRIGGER say_no ON backfilld.checkpoint")
    daemon.wait(job, "completed", seconds=30)
    check(database, 2000)


class Refusing:
    """For Proxy.refuse: counts the connections it was asked about."""

    def __init__(self):
        self.count, self.on = 0, True

    def __bool__(self):
        self.count += self.on
        return self.on


def test_a_pause_does_not_sit_out_a_long_back_off(cluster, database, make_daemon):
    """The server answers again: a stop is in effect at once, although the next try was to wait for 3 to 6 s."""
    make_table(database, 400)
    refusing = Refusing()

    def cut(group):
        if not group.is_batch or group.batch_number != 5:
            return False
        proxy.refuse = refusing
        group.connection.cut_client(keep_server=False)
        return True
    with Proxy(("127.0.0.1", cluster.primary.port), cut) as proxy:
        daemon = make_daemon(proxy.url(database.name))
        job = daemon.submit(the_job())
        until(lambda: refusing.count >= 7, 60, "seven connections were refused")
        refusing.on = False
        start = time.monotonic()
        daemon.pause(job)
        daemon.wait(job, "paused", seconds=20)
        taken = time.monotonic() - start
    assert taken < 3, f"paused after {taken:.1f} s"
