"""Replication lag on real replicas: held within a batch of the first sample over the limit, named, gone on by itself; lost
and far behind replicas; what an operator can say about them."""
import time

import pytest

from lab.counted import check, make_table
from lab.daemon import document, pace
from lab.engines import ENGINES, new_cluster
from lab.slow_replay import SlowReplay
from lab.wait import until

ROWS = 200000
every_engine = pytest.mark.engines(*ENGINES)


@pytest.fixture
def own_database(own_cluster):
    made = own_cluster.make_database()
    yield made
    made.close()


@pytest.fixture
def watching(own_cluster, own_database, make_daemon):
    """A daemon that heeds the replicas of a cluster of the test's own, and a table that lasts for a while."""
    make_table(own_database, ROWS)
    if own_cluster.engine == "postgresql":
        # replies only when there is something to reply to: what keeps them coming is our heartbeat
        own_cluster.replica.configure(wal_receiver_status_interval="60s")
        own_cluster.replica.psql("SELECT pg_reload_conf()")
        own_cluster.wait_streaming()
    else:
        wait_table(own_cluster, own_database)
    return make_daemon(own_database, replicas=own_cluster.replicas_setting())


def wait_table(cluster, database):
    """The replica has come to the end of the table."""
    copy = cluster.on_replica(database)
    until(lambda: copy.rows(f"SELECT 1 FROM information_schema.tables WHERE table_schema = '{database.name}'") and
          copy.value("SELECT COUNT(*) FROM counted") == ROWS, 60, "the replica has the table")
    copy.close()


def long_job(rows=100, **more):
    """It lasts for minutes: at most 3,000 rows a second of 200,000."""
    limited = {**pace(rows), "max_rows_per_second": 3000, **more.pop("pace", {})}
    return document("counted", {"n": "n + 1"}, pace=limited, **more)


def target(daemon):
    answer = daemon.get("/v1/targets/shop")
    assert answer.status == 200, answer.text
    return answer.json


def replica_of(daemon, name):
    return next((one for one in target(daemon)["replicas"] if one["name"] == name), None)


def wait_batches(daemon, job, more=3, seconds=20):
    before = daemon.job(job)["progress"]["batches"]
    daemon.wait_progress(job, before + more, seconds)


@every_engine
def test_replay_is_paused_for_a_while(own_cluster, own_database, watching):
    """Lag grows, the job holds before another batch and says whose it is, and goes on by itself; the time stands in the ledger."""
    daemon, name = watching, own_cluster.replica_name()
    job = daemon.submit(long_job(limits={"replication_lag": "1500ms"}))
    wait_batches(daemon, job)
    until(lambda: (replica_of(daemon, name) or {}).get("state") == "heeded", 30, "the replica is seen")
    own_cluster.pause_replay()
    paused_at = time.monotonic()
    batches_at_limit = None
    while True:
        view, seen = replica_of(daemon, name), daemon.job(job)
        if view["lag_seconds"] is not None and view["lag_seconds"] >= 1.5 and batches_at_limit is None:
            batches_at_limit = seen["progress"]["batches"]
        if seen["activity"] == "holding":
            break
        assert time.monotonic() - paused_at < 30, f"it does not hold: {view}, {seen['reason']}"
    reason = seen["reason"]
    assert reason["code"] == "replication_lag" and reason["signal"] == f"lag:{name}", reason
    assert reason["value"] >= 1.5 and reason["limit"] == 1.5 and reason["text"].startswith(f"{name} is "), reason
    assert "limit 1.5 s" in reason["text"]
    if batches_at_limit is not None:
        assert seen["progress"]["batches"] <= batches_at_limit + 1
    if own_cluster.engine != "postgresql":  # it can be asked why
        until(lambda: "its SQL thread is stopped" in (daemon.job(job)["reason"] or {}).get("text", ""), 30, "why it stands still")
        assert "its SQL thread is stopped" in replica_of(daemon, name)["trouble"]
    # nothing is written while it holds, and the value grows
    batches = daemon.job(job)["progress"]["batches"]
    first = daemon.job(job)["reason"]["value"]
    until(lambda: (daemon.job(job)["reason"] or {}).get("value", 0) > first + 1, 30, "the lag that is shown grows")
    assert daemon.job(job)["progress"]["batches"] == batches
    own_cluster.resume_replay()
    until(lambda: daemon.job(job)["progress"]["batches"] > batches, 30, lambda _: f"it goes on: {daemon.job(job)}\n{target(daemon)}")
    seconds = daemon.job(job)["progress"]["seconds"]
    assert seconds[f"holding/lag:{name}"] > 1 and seconds["batching"] > 0, seconds
    # the ledger is kept over a restart
    daemon.stop()
    daemon.start()
    wait_batches(daemon, job)
    assert daemon.job(job)["progress"]["seconds"][f"holding/lag:{name}"] >= seconds[f"holding/lag:{name}"]
    daemon.abort(job)
    daemon.wait(job, "aborted")


@pytest.mark.engines("postgresql", because="elsewhere the whole server has to be stopped to slow its replay, and with it what it says")
def test_a_slow_replica_sets_the_pace(own_cluster, own_database, watching):
    """What it can replay is found before it is over its limit; what is slept for it stands in the ledger, with its name."""
    daemon, name = watching, own_cluster.replica_name()
    with SlowReplay(own_cluster, 0.9):
        job = daemon.submit(document("counted", {"n": "n + 1"}, limits={"replication_lag": "4s"}, pace={"nice": 0}))
        done = daemon.wait(job, "completed", 120)
    check(own_database, ROWS)
    seconds = done["progress"]["seconds"]
    assert seconds[f"sleeping/lag:{name}"] > 1.2, f"the slow start alone takes 0.7 s: {seconds}"
    assert seconds.get(f"holding/lag:{name}", 0) < seconds[f"sleeping/lag:{name}"], seconds


def sessions_of_the_daemon(cluster, database) -> int:
    if cluster.engine == "postgresql":
        return database.value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'backfilld %'")
    return sum(server.sql("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'backfill' AND command <> 'Killed'")[0][0]
               for server in (cluster.primary, cluster.replica))


@every_engine
def test_an_idle_replica_does_not_lag(own_cluster, own_database, watching):
    daemon, name = watching, own_cluster.replica_name()
    job = daemon.submit(long_job(rows=10, pace={"nice": 100, "max_rows_per_second": 2}, limits={"replication_lag": "4s"}))
    wait_batches(daemon, job, 1)
    if own_cluster.engine == "postgresql":
        own_database.execute("CHECKPOINT")
    seen = []
    end = time.monotonic() + 6
    while time.monotonic() < end:
        view = replica_of(daemon, name)
        seen.append(view["lag_seconds"] or 0)
        assert view["age_seconds"] < 5, "the heartbeat keeps its replies coming"
        assert daemon.job(job)["activity"] != "holding", daemon.job(job)["reason"]
        until(lambda: True)
    assert max(seen) < 3, f"an idle replica reads as lagging: {max(seen)}"
    signals = {one["name"]: one for one in target(daemon)["signals"]}
    assert signals[f"lag:{name}"]["limit"] == 4 and signals[f"lag:{name}"]["age_seconds"] < 5
    assert signals["active_sessions"]["value"] is not None and signals["active_sessions"]["limit"] is None
    assert signals["log_rate"]["value"] >= 0
    assert own_cluster.engine != "postgresql" or signals["slot:replica"]["value"] >= 0
    daemon.pause(job)
    daemon.wait(job, "paused")
    # nobody watches when nothing runs
    until(lambda: sessions_of_the_daemon(own_cluster, own_database) == 0, 30, "the monitor's sessions are gone")
    assert target(daemon)["watching"] is False
    # what was known is old after a while; what is new lets it go on
    paused_at = time.monotonic()
    until(lambda: time.monotonic() - paused_at > 6, 7, "what was known is stale")
    batches = daemon.job(job)["progress"]["batches"]
    daemon.resume(job)
    until(lambda: daemon.job(job)["progress"]["batches"] > batches, 30, "it goes on")
    daemon.abort(job)
    daemon.wait(job, "aborted")


@every_engine
def test_the_only_replica_is_killed(own_cluster, own_database, watching):
    """Fail closed: no row of its own for 5 s is over the limit; ignoring it lets the job go on, and ends by itself."""
    daemon, name = watching, own_cluster.replica_name()
    own_cluster.keep_replayed()
    job = daemon.submit(long_job())
    wait_batches(daemon, job)
    own_cluster.replica.stop("immediate")
    killed_at = time.monotonic()
    held = daemon.wait_holding(job, "signal_stale", 30)
    assert 4 < time.monotonic() - killed_at
    gone = "does not stream any more" if own_cluster.engine == "postgresql" else "could not be read for"
    assert held["reason"]["text"].startswith(f"{name} {gone}"), held["reason"]
    assert f"backfillctl replica ignore shop {name}" in held["reason"]["text"], held["reason"]
    assert replica_of(daemon, name)["state"] == "lost"
    batches = held["progress"]["batches"]
    until(lambda: daemon.job(job)["reason"]["since"] == held["reason"]["since"], 30, "since stays")
    answer = daemon.post("/v1/targets/shop/replicas/nobody/ignore", {})
    assert answer.status == 404 and name in answer.json["detail"]
    answer = daemon.post(f"/v1/targets/shop/replicas/{name}/ignore", {"for": "8s", "reason": "it is being rebuilt"})
    assert answer.status == 200, answer.text
    view = next(one for one in answer.json["replicas"] if one["name"] == name)
    assert view["state"] == "ignored" and "it is being rebuilt" in view["reason"] and view["until"]
    until(lambda: daemon.job(job)["progress"]["batches"] > batches, 30, "it goes on without the replica")
    assert any(f"{name} is ignored for 8" in event["text"] for event in daemon.events(job))
    daemon.wait_holding(job, "signal_stale", 20)
    batches = daemon.job(job)["progress"]["batches"]
    own_cluster.restart_replica()
    until(lambda: daemon.job(job)["progress"]["batches"] > batches, 20,
          lambda _: f"it goes on when the replica is back: {daemon.job(job)['reason']}")
    assert daemon.post(f"/v1/targets/shop/replicas/{name}/ignore").status == 200
    assert daemon.post(f"/v1/targets/shop/replicas/{name}/heed", {"reason": "rebuilt"}).status == 200
    assert replica_of(daemon, name)["state"] == "heeded"
    daemon.abort(job)
    daemon.wait(job, "aborted")


@every_engine
def test_a_second_replica_is_far_behind_from_the_start(own_cluster, own_database, watching, make_daemon):
    """It is set aside, loudly, and the job goes on at the pace of the other one; the last one is never set aside."""
    name = own_cluster.replica_name()
    second = own_cluster.add_replica("replica-2", delay=3600)
    daemon = watching
    if own_cluster.engine != "postgresql":  # it is told of each
        daemon.stop()
        daemon = make_daemon(own_database, replicas=own_cluster.replicas_setting(second))
    try:
        late = own_cluster.replica_name(second)
        own_database.execute("CREATE TABLE writes AS SELECT id FROM counted")
        if own_cluster.engine == "postgresql":
            own_cluster.primary.psql("SELECT pg_switch_wal()")
        job = daemon.submit(long_job())
        events = until(lambda: [event for event in daemon.events(job) if event["type"] == "set_aside"], 30,
                       lambda _: f"a replica is set aside: {target(daemon)['replicas']}")
        wait_batches(daemon, job, 5, 20)
        assert len(events) == 1 and f"{late} is set aside for an hour" in events[0]["text"], daemon.events(job)
        assert replica_of(daemon, late)["state"] == "set_aside" and replica_of(daemon, name)["state"] == "heeded"
        own_cluster.pause_replay()
        held = daemon.wait_holding(job, "replication_lag")
        assert held["reason"]["signal"] == f"lag:{name}"
        own_cluster.resume_replay()
        wait_batches(daemon, job)
        daemon.abort(job)
        daemon.wait(job, "aborted")
    finally:
        second.stop("immediate")


@every_engine
def test_a_plan_says_which_replica_is_behind_and_which_stands_still(own_cluster, own_database, make_daemon):
    make_table(own_database, 300)
    daemon = make_daemon(own_database, replicas=own_cluster.replicas_setting())
    name = own_cluster.replica_name()
    said = {}

    def reason(code):
        own_database.execute("UPDATE counted SET other = other + 1 WHERE id = 10")
        answer = daemon.post("/v1/jobs?dry_run=true", document(own_database.table("counted"), {"n": "n + 1"}, undo="journal"))
        assert answer.status == 200, answer.text
        said.clear()
        said.update(answer.json)
        return next((each for each in said["reasons"] if each["code"] == code), None)
    until(lambda: not reason("replica_lagging") and said["risk"] == "GREEN", 60, lambda _: f"the replica is there: {said}")
    lag = said["measured"]["replication_lag"]
    assert lag["value"] < 1.5 and lag["detail"] == name, lag
    if own_cluster.engine == "postgresql":
        own_cluster.pause_replay()
    else:
        own_cluster.replication("STOP")
        own_cluster.follow(delay=3600)
    late = until(lambda: reason("replica_lagging"), 60, lambda _: f"it is behind: {said['measured']}")
    assert late["risk"] == "RED" and late["value"] > 1.5 and late["text"].endswith(f"more than the job's limit: {name}"), late
    if own_cluster.engine != "postgresql":  # there it would not stream, and is not seen any more
        own_cluster.replication("STOP", "IO_THREAD")
        stopped = until(lambda: reason("replica_stopped"), 60, lambda _: f"it is stopped: {said['measured']}")
        assert stopped["risk"] == "RED" and f"{name} (its IO thread is stopped" in stopped["text"], stopped
        own_cluster.replica.stop()
        gone = until(lambda: reason("unmeasured"), 60, lambda _: f"it is gone: {said['measured']}")
        assert gone["risk"] == "YELLOW" and f"replication_lag is not measured: {name} (" in gone["text"], gone


def test_no_replicas_have_to_be_accepted(make_daemon, tmp_path):
    with new_cluster("postgresql", replica=False) as cluster:
        database = cluster.make_database()
        make_table(database, 200)
        daemon = make_daemon(database, replicas="auto")
        answer = daemon.post("/v1/jobs", document("counted", {"n": "n + 1"}))
        assert answer.status == 422 and answer.json["code"] == "no_replicas", answer.text
        assert [error["pointer"] for error in answer.json["errors"]] == ["/accept"]
        job = daemon.submit(document("counted", {"n": "n + 1"}, accept=["no_replicas"]))
        daemon.wait(job, "completed")
        check(database, 200)
        database.close()


def test_who_may_not_look_does_not_take_it_for_zero(own_cluster, own_database, make_daemon):
    make_table(own_database, 2000)
    own_database.execute("CREATE ROLE backfill LOGIN; GRANT ALL ON counted TO backfill; "
                         f"GRANT CREATE ON DATABASE {own_database.name} TO backfill")
    daemon = make_daemon(own_database.url.replace("postgres@", "backfill@"), replicas="auto")
    refused = daemon.submit(long_job(rows=10))
    assert refused["state"] == "refused" and "unmeasured: replicas" in refused["reason"]["text"], refused["reason"]
    job = daemon.submit(long_job(rows=10, accept=["replicas"]))
    held = daemon.wait_holding(job, "signal_stale", says="GRANT pg_monitor")
    assert held["progress"]["batches"] == 0
    assert {one["name"]: one["value"] for one in target(daemon)["signals"]}.get("active_sessions") is None
    own_database.execute("GRANT pg_monitor TO backfill")
    wait_batches(daemon, job)
    assert target(daemon)["monitor_trouble"] is None, "everybody may write the heartbeat"
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_an_ignored_replica_stays_ignored_over_a_restart(own_cluster, own_database, make_daemon):
    """Also when it is not to be seen any more: then it is not taken for "there are none"."""
    make_table(own_database, 200000)
    daemon = make_daemon(own_database, replicas="auto")
    job = daemon.submit(long_job())
    wait_batches(daemon, job)
    own_cluster.replica.stop("immediate")
    held = daemon.wait_holding(job, "signal_stale", 30)
    assert daemon.post("/v1/targets/shop/replicas/replica/ignore", {"for": "1h", "reason": "it is being rebuilt"}).status == 200
    until(lambda: daemon.job(job)["progress"]["batches"] > held["progress"]["batches"], 30, "it goes on without the replica")
    ignored_until = replica_of(daemon, "replica")["until"]
    own_database.execute("SELECT pg_drop_replication_slot('replica')")  # nothing is left of it
    daemon.restart()
    wait_batches(daemon, job)
    view = replica_of(daemon, "replica")
    assert (view["state"], view["until"], view["lag_seconds"]) == ("ignored", ignored_until, None), view
    assert "it is being rebuilt" in view["reason"]
    answer = daemon.post("/v1/targets/shop/replicas/replica/heed", {"reason": "it will not come back"})
    assert answer.status == 200, answer.text
    held = daemon.wait_holding(job, "no_replicas")
    assert replica_of(daemon, "replica") is None
    daemon.restart()
    held = daemon.wait_holding(job, "no_replicas")
    assert held["reason"]["text"].startswith("no replica streams from target shop")
    daemon.abort(job)
    daemon.wait(job, "aborted")
