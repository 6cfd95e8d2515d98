"""Checks with "on": "replica": which replica is asked, what it has to have replayed, and what happens when none can be."""
import signal
import time

import pytest

from lab.counted import make_table
from lab.daemon import document, pace
from lab.engines import ENGINES
from lab.ports import free_port
from lab.wait import until

every_engine = pytest.mark.engines(*ENGINES)
NONE_LEFT = {"name": "none left", "sql": "SELECT count(*) FROM counted WHERE n = 0", "at_most": "0", "on": "replica"}


def is_replica(engine):
    """Holds on the replica alone."""
    sql = "SELECT pg_is_in_recovery()" if engine == "postgresql" else "SELECT IF(@@server_id = 2, 't', 'f')"
    return {"name": "where am I", "sql": sql, "equals": "t", "on": "replica"}


def sleep(engine, seconds):
    return f"SELECT {'pg_sleep' if engine == 'postgresql' else 'SLEEP'}({seconds})"


def the_job(**more):
    return document("counted", {"n": "n + 1"}, pace=pace(50), **more)


def url(server, database):
    return server.url(database.name)


def ignore_the_others(daemon, cluster, wrong):
    """Where replicas are asked for their lag, too, the job would hold for those that are none of its primary's."""
    for one in wrong if cluster.engine != "postgresql" else []:
        name = one.split("@")[1].split("/")[0]
        until(lambda name=name: daemon.post(f"/v1/targets/shop/replicas/{name}/ignore").status == 200, 30, "it is known")


def wait_replayed(cluster, database, rows=200):
    """The replica has the database, and the table in it."""
    if cluster.engine == "postgresql":
        written = cluster.primary.psql("SELECT pg_current_wal_lsn()")
        until(lambda: cluster.replica.psql(f"SELECT pg_last_wal_replay_lsn() >= '{written}'") == "t", 20, "it is replayed")
        return
    there = f"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{database.name}'"
    until(lambda: cluster.replica.sql(there)[0][0] and
          cluster.replica.sql(f"SELECT COUNT(*) FROM {database.name}.counted")[0][0] == rows, 20, "it is replayed")


@pytest.fixture
def cluster(engine, clusters):
    return clusters(engine)


@pytest.fixture
def setup(database, cluster, make_daemon):
    make_table(database, 200)
    wait_replayed(cluster, database)
    return make_daemon(database, replicas=url(cluster.replica, database))


@every_engine
def test_each_moment_can_be_checked_there(setup, engine):
    here = {**is_replica(engine), "name": "and here", "equals": "f", "on": "primary"}
    there = is_replica(engine)
    if engine == "postgresql":
        there["sql"] += " AND current_setting('transaction_read_only')::boolean"
    job = setup.submit(the_job(canary={"rows": 50}, checks={
        "before": [there, here],
        "canary": [here, {"name": "some left", "sql": NONE_LEFT["sql"], "equals": "150", "on": "replica"}],
        "after": [here, NONE_LEFT]}))
    done = setup.wait(job, "completed")
    assert done["progress"]["rows_changed"] == 200
    texts = [event["text"] for event in setup.events(job) if event["type"] == "check"]
    assert texts == ["2 before checks held", "2 canary checks held", "2 after checks held"]


@every_engine
def test_what_does_not_hold_there_fails_as_it_does_here(setup, engine):
    job = setup.submit(the_job(where="id <= 1000", checks={"after": [NONE_LEFT]}))
    failed = setup.wait(job, "failed")
    assert failed["reason"]["code"] == "check_failed" and "found 100" in failed["reason"]["text"], failed["reason"]
    job = setup.submit(the_job(name="wrong", checks={"before": [{**is_replica(engine), "sql": "SELECT (SELECT n FROM counted)"}]}))
    paused = setup.wait(job, "paused")
    assert paused["reason"]["code"] == "check_failed" and "more than" in paused["reason"]["text"], paused["reason"]
    job = setup.submit(the_job(name="slow", checks={"before": [{**is_replica(engine), "sql": sleep(engine, 9), "timeout": "50ms"}]}))
    paused = setup.wait(job, "paused")
    assert paused["reason"]["code"] == "check_failed" and "timeout" in paused["reason"]["text"], paused["reason"]


def test_without_an_address_it_is_refused(make_daemon, database):
    make_table(database, 10)
    for replicas in ("none", "auto"):
        daemon = make_daemon(database, replicas=replicas)
        answer = daemon.post("/v1/jobs", the_job(checks={"after": [NONE_LEFT]}))
        assert answer.status == 422
        assert [error["pointer"] for error in answer.json["errors"]] == ["/checks/after/0/on"]
        assert "has to name their URLs" in answer.json["errors"][0]["detail"]
        answer = daemon.post("/v1/jobs", the_job(checks={"after": [{**NONE_LEFT, "on": "moon"}]}))
        assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/checks/after/0/on", answer.text


@every_engine
def test_the_first_one_that_answers_and_is_a_replica_is_asked(make_daemon, database, cluster, own_cluster, engine):
    """A closed port, the primary itself and the replica of another server are passed over."""
    make_table(database, 100)
    nobody = url(cluster.replica, database).replace(f":{cluster.replica.port}/", f":{free_port()}/")
    another = own_cluster.replica.url("postgres" if engine == "postgresql" else "ready")
    none_of_it = (nobody, another)
    wrong = f"{nobody}, {url(cluster.primary, database)}, {another}"
    daemon = make_daemon(database, replicas=f"{wrong}, {url(cluster.replica, database)}")
    job = daemon.submit(the_job(checks={"before": [is_replica(engine)]}))
    ignore_the_others(daemon, cluster, none_of_it)
    daemon.wait(job, "completed")

    # without the right one it is tried again, and says so; a person can stop it meanwhile
    section = {"primary": database.url, "require_approval": "none", **database.target}
    daemon.configure({"shop": {**section, "replicas": wrong}})
    daemon.process.send_signal(signal.SIGHUP)
    until(lambda: "replicas changed" in daemon.log_tail(), 30, "the configuration is read again")
    job = daemon.submit(the_job(name="second", where="n = 1", checks={"before": [is_replica(engine)]}))
    waiting = daemon.wait_reason(job, "replica_unreachable")
    assert waiting["activity"] in ("backing_off", "verifying") and waiting["progress"]["rows_changed"] == 0
    assert str(own_cluster.replica.port) in waiting["reason"]["text"] and "another database" in waiting["reason"]["text"]
    daemon.pause(job)
    daemon.wait(job, "paused", seconds=30)
    daemon.resume(job)
    daemon.wait_reason(job, "replica_unreachable")
    daemon.configure({"shop": {**section, "replicas": url(cluster.replica, database)}})
    daemon.process.send_signal(signal.SIGHUP)
    daemon.wait(job, "completed")
    assert database.row("SELECT min(n), max(n) FROM counted") == (2, 2)


@every_engine
def test_it_waits_until_the_replica_has_replayed_what_the_job_wrote(own_cluster, make_daemon):
    replica = own_cluster.replica
    database = own_cluster.make_database()
    make_table(database, 200)
    wait_replayed(own_cluster, database)
    daemon = make_daemon(database, replicas=url(replica, database))
    with database.person("holder", autocommit=False) as holder:
        holder.execute("SELECT 1 FROM counted WHERE id = 2000 FOR UPDATE")
        job = daemon.submit(document("counted", {"n": "n + 1"}, pace=pace(50), limits={"replication_lag": "1h"}, checks={"after": [NONE_LEFT]}))
        # it has seen that the replica follows, and waits for the last row
        until(lambda: daemon.job(job)["progress"]["rows_changed"] == 199, 30, lambda _: f"{daemon.job(job)}\n{daemon.log_tail()}")
        own_cluster.pause_replay()
        holder.rollback()
    waiting = daemon.wait_reason(job, "replication_lag")
    assert waiting["state"] == "verifying" and waiting["activity"] == "holding"
    assert str(replica.port) in waiting["reason"]["text"]
    daemon.pause(job)
    daemon.wait(job, "paused", seconds=30)
    daemon.resume(job)
    # who has to show the heartbeat anew does not get so far as to be asked for the check
    waits_for = "replication_lag" if own_cluster.engine == "postgresql" else "signal_stale"
    daemon.wait_reason(job, waits_for)
    # however long it takes, the owner of the checkpoint shows that it lives
    silence = ("SELECT extract(epoch FROM clock_timestamp() - updated_at)::float FROM backfilld.checkpoint"
               if own_cluster.engine == "postgresql" else
               "SELECT TIMESTAMPDIFF(SECOND, updated_at, UTC_TIMESTAMP(6)) FROM backfilld.checkpoint")
    until(lambda: database.value(silence) > 5, 60, "nothing is written")
    until(lambda: database.value(silence) < 3, 60, "it shows that it lives")
    assert daemon.job(job)["reason"]["code"] == waits_for
    own_cluster.resume_replay()
    done = daemon.wait(job, "completed")
    assert done["progress"]["rows_changed"] == 200
    database.close()


@pytest.mark.alone
@pytest.mark.parametrize("on", ["primary", "replica"])
def test_a_long_check_can_be_stopped_at_once(setup, database, cluster, on):
    job = setup.submit(the_job(checks={"before": [
        {"name": "long", "sql": "SELECT pg_sleep(100)", "rows": 1, "timeout": "5m", "on": on}]}))
    server = getattr(cluster, on)
    running = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'backfilld %s' AND state = 'active'" % job["id"]
    until(lambda: server.psql(running) == "1", 20, "the check runs")
    start = time.monotonic()
    setup.abort(job)
    setup.wait(job, "aborted", seconds=5)
    assert time.monotonic() - start < 1
    assert server.psql(running) == "0"


@pytest.mark.parametrize("on", ["primary", "replica"])
def test_a_check_has_its_own_time_and_not_that_of_a_batch(setup, database, on):
    """Twice the statement's timeout and 5 s is when an answer of a batch is given up."""
    job = setup.submit(the_job(limits={"statement_timeout": "250ms"}, checks={"before": [
        {"name": "slow and fine", "sql": "SELECT pg_sleep(6)", "rows": 1, "on": on}]}))
    setup.wait(job, "completed")
    assert "retry" not in {event["type"] for event in setup.events(job)}
