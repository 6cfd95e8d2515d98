"""P6: a batch gives way to who waits for it, waits for nobody while it holds rows, and comes back for what others held."""
import concurrent.futures
import random
import threading
import time

import pytest

from lab.counted import full_speed, slow_batches
from lab.daemon import document, pace, promised
from lab.engines import ENGINES
from lab.foreground import Foreground, Lockers, percentile
from lab.wait import until

everywhere = pytest.mark.engines(*ENGINES)


def make_table(database, rows, name="counted"):
    database.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, n integer NOT NULL DEFAULT 0, "
                     "other integer NOT NULL DEFAULT 0)")
    database.number_rows(f"INSERT INTO {name} (id) SELECT i FROM numbers", rows)
    database.analyze(name)


def job_document(database, rows=None, name="job", table="counted", **more):
    return document(database.table(table), {"n": "n + 1"}, name=name, pace=pace(rows), **more)


def expect_once(database, name="counted", times=1):
    assert database.value(f"SELECT count(*) FROM {name} WHERE n <> %s", (times,)) == 0
    assert database.value("SELECT count(*) FROM backfilld.aside") == 0


def touch(connection, row):
    connection.execute("UPDATE counted SET other = other + 1 WHERE id = %s", (row,))


def slow_batch_runs(database, daemon, job, seconds=0.12):
    """Waits until a batch has run for so long; a row that it has locked, and when it was first seen to run."""
    seen = {}

    def long_enough():
        position = (database.position(job) or [0])[0] if database.slowed(job) else None
        if position is None or seen.get("position") != position:
            seen.update(position=position, since=time.monotonic())
        return time.monotonic() - seen["since"] > seconds
    until(long_enough, 30, lambda _: f"a batch is under way: {daemon.job(job)}", 0.01)
    return int(seen["position"]) + 1, seen["since"]


@everywhere
@pytest.mark.alone
def test_a_foreground_waits_no_longer_than_yield_after(database, daemon, campaign):
    """A batch would last 5 s; the session that needs one of its rows waits yield_after and a little, on InnoDB also as long
    as the statement needs to be taken back, which is no longer than it has run."""
    make_table(database, 1000)
    slow_batches(database, 0.05, per="ROW")
    job = daemon.submit(job_document(database, 100, limits={"statement_timeout": "30s"}))
    waits, over = [], []

    def wait_for_a_row(limit):
        row, since = slow_batch_runs(database, daemon, job)
        started = time.monotonic()
        touch(shop, row)
        waited = time.monotonic() - started
        over.append(waited - limit - 0.15 - (started + limit - since if database.engine != "postgresql" else 0))
        return waited
    with database.person("shop") as shop:
        for _ in range(100 if campaign else 5):
            waits.append(wait_for_a_row(0.2))
        shown = daemon.wait_reason(job, "yielded")
        assert database.called(shop) in shown["reason"]["text"] and "limit 200 ms" in shown["reason"]["text"]
        assert shown["progress"]["yields"] >= len(waits), f"{waits}\n{daemon.log_tail()}"
        # limits can be changed on the way
        assert daemon.request("PATCH", f"/v1/jobs/{job['id']}", {"limits": {"yield_after": "1s"}}).status == 200
        longer = wait_for_a_row(1)
    print(f"\n{database.engine}: waits p50 {percentile(waits, 0.5):.3f} s, p99 {percentile(waits, 0.99):.3f} s; with 1 s: "
          f"{longer:.3f} s; over the bound at most {max(over):.3f} s")
    assert min(waits) > 0.1, f"the foreground did not wait at all: {waits}"
    assert percentile(waits, 0.99) < promised(daemon), waits
    assert 0.8 < longer < promised(daemon, 2)
    assert percentile(over, 0.99) < promised(daemon) - 1 + (0 if database.engine != "postgresql" else 0.3), over
    daemon.abort(job)
    daemon.wait(job, "aborted")
    assert database.value("SELECT count(*) FROM counted WHERE n > 1") == 0


@pytest.mark.engines("mariadb", "mysql", because="PostgreSQL cancels who waits for its lock_timeout, a table's lock too")
def test_who_changes_the_table_waits_no_longer_than_yield_after(database, daemon):
    make_table(database, 1000)
    slow_batches(database, 0.05, per="ROW")
    job = daemon.submit(job_document(database, 100, limits={"statement_timeout": "30s"}))
    with database.person("shop") as shop:
        slow_batch_runs(database, daemon, job)
        started = time.monotonic()
        shop.execute("ALTER TABLE counted ADD COLUMN more integer")
        waited = time.monotonic() - started
        shown = until(lambda: daemon.job(job)["progress"]["yields"] and daemon.job(job), 30, "the job has given way")
    print(f"\n{database.engine}: ALTER TABLE took {waited:.3f} s")
    assert waited < 4, daemon.log_tail()  # of the 5 s that the batch would have taken
    assert shown["state"] == "running"
    daemon.abort(job)
    daemon.wait(job, "aborted")


@pytest.fixture
def tried(database, daemon):
    """A plan whose first tried batch, of 8 rows, takes 4 s, and somebody who needs one of these rows meanwhile; gives the plan,
    and how long that was waited for."""
    make_table(database, 20000)
    slow_batches(database, 0.5, per="ROW", when="old.id <= 8")

    def need_a_row():
        started = time.monotonic()
        touch(shop, 1)
        return time.monotonic() - started

    def both(**more):
        plan = aside.submit(daemon.post, "/v1/jobs?dry_run=true", job_document(database, **more))
        since = []

        def long_enough():  # MySQL waits a little before each batch, too
            since[:] = (since or [time.monotonic()]) if database.slowed({"id": "plan"}) else []
            return since and time.monotonic() - since[0] > 0.2
        until(long_enough, 20, "a batch is tried", 0.01)
        return plan, aside.submit(need_a_row)
    with database.person("shop") as shop, concurrent.futures.ThreadPoolExecutor(2) as aside:
        yield both


@everywhere
def test_the_trial_of_a_plan_gives_way(daemon, tried):
    plan, waited = tried()
    assert waited.result() < 3, daemon.log_tail()
    measured = plan.result().json["measured"]
    assert measured["trial_conflicts"]["value"] == 1, measured


@everywhere
def test_a_trial_is_cancelled_where_the_daemon_stops(daemon, tried):
    """Else the server runs it to its end, for nobody."""
    plan, waited = tried(limits={"yield_after": "1m"})
    assert daemon.stop() == 0
    assert waited.result() < 3, daemon.log_tail()
    assert plan.exception() or plan.result().status == 503


@everywhere
def test_a_batch_that_gives_way_becomes_small_enough(database, daemon):
    make_table(database, 300)
    slow_batches(database, 0.02, per="ROW")
    with Foreground(database, lambda connection, _: touch(connection, random.randint(1, 300)), pause=0.02) as shop:
        job = daemon.submit(document(database.table("counted"), {"n": "n + 1"},
                                     pace={"batch_rows": {"start": 100, "min": 1, "max": 100}, "nice": 0}))
        done = daemon.wait(job, "completed", seconds=90)
    print(f"\nyields {done['progress']['yields']}, foreground p99 {percentile(shop.waits, 0.99):.3f} s")
    assert done["progress"]["yields"] >= 1 and not shop.errors
    expect_once(database)


@everywhere
def test_batches_that_others_wait_for_become_short(database, daemon):
    """Long before anybody has waited for yield_after: a batch of 250 ms takes rows that others want all the time."""
    make_table(database, 4000)
    slow_batches(database, 0.001, per="ROW")
    with Foreground(database, lambda connection, _: touch(connection, random.randint(1, 4000)), 4) as shop:
        job = daemon.submit(document(database.table("counted"), {"n": "n + 1"}, limits={"yield_after": "10s", "lock_timeout": "10s"}))
        done = daemon.wait(job, "completed", seconds=90)
    said = [event["text"] for event in daemon.events(job) if "others wait for rows" in event["text"]]
    assert len(said) == 1 and "instead of pace.batch_time (250 ms)" in said[0], daemon.events(job)
    assert done["progress"]["yields"] == 0 and not shop.errors, shop.errors[:3]
    assert done["progress"]["batches"] >= 2 * 4000 / 250, "twice as many as it takes at 250 ms"
    expect_once(database)


@everywhere
def test_no_application_is_a_deadlocks_victim(database, daemon, campaign):
    """Transactions of two rows in either order, close to where the backfill is."""
    rows, seconds, threads = 20000, 600 if campaign else 8, 4
    make_table(database, rows)
    where = {"is": 0}

    def two_rows(connection, number):
        chance = random.random()
        # each session has rows of its own, so that only the backfill can be in its way
        first = min(where["is"], rows - 1600) // threads
        pair = [(first + row) * threads + number + 1 for row in random.sample(range(1500 // threads), 2)]
        with connection.transaction():
            touch(connection, pair[0])
            if chance < 0.5:
                threading.Event().wait(0.002)
            touch(connection, pair[1])
    runs, aside = 0, 0
    impatient = ["SET deadlock_timeout = '100ms'"] if database.engine == "postgresql" else []
    with Foreground(database, two_rows, threads, settings=impatient) as shop:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            job = daemon.submit(job_document(database, 500, name=f"run-{runs}", again=True))
            runs += 1

            def over():
                seen = daemon.job(job)
                position = seen["progress"]["positions"] and seen["progress"]["positions"][0]["position"]
                where["is"] = int(position[0]) if position else 0
                nonlocal aside
                aside = max(aside, seen["progress"]["rows_set_aside"])
                return seen["state"] == "completed"
            until(over, 120, lambda _: f"the run is completed: {daemon.job(job)}\n{daemon.log_tail()}")
    print(f"\n{runs} runs beside {len(shop.waits)} transactions of two rows, p99 {percentile(shop.waits, 0.99):.3f} s, up to "
          f"{aside} rows set aside at a time")
    assert not shop.errors, shop.errors[:3]
    assert len(shop.waits) > 200
    expect_once(database, times=runs)


@everywhere
def test_with_a_hundredth_of_the_rows_locked(database, daemon, campaign):
    """Every row once, at last those that were held; with --campaign also the share of its quiet speed that a run keeps."""
    rows = 80_000
    make_table(database, rows)

    def run(name):
        started = time.monotonic()
        job = daemon.submit(document(database.table("counted"), {"n": "n + 1"}, name=name, again=True, pace={"nice": 0}))
        most = 0

        def over():
            nonlocal most
            seen = daemon.job(job)
            most = max(most, seen["progress"]["rows_set_aside"])
            return seen["state"] == "completed"
        until(over, 180, lambda _: f"completed: {daemon.job(job)}\n{daemon.log_tail()}")
        return time.monotonic() - started, most
    quiet, none = run("quiet")
    with Lockers(database, "counted", rows) as lockers:
        until(lambda: lockers.locked, 20, "rows are locked")
        beside, aside = run("beside")
    print(f"\nquiet {rows / quiet:.0f} rows/s, with 1 % of the rows locked {rows / beside:.0f} rows/s: share "
          f"{quiet / beside:.2f}; {aside} rows set aside at a time")
    assert none == 0 and aside > 0
    assert quiet / beside >= 0.5 or not campaign
    expect_once(database, times=2)


@everywhere
def test_a_row_that_is_held_for_long(database, daemon, campaign):
    """It delays neither another job nor the applications, and the reason names who holds it."""
    make_table(database, 2000)
    make_table(database, 2000, "others")
    with database.person("report", autocommit=False) as report, \
            Foreground(database, lambda connection, _: touch(connection, random.randint(1, 1400)), pause=0.005) as shop:
        report.execute("SELECT 1 FROM counted WHERE id = 1500 FOR UPDATE")
        held = time.monotonic()
        job = daemon.submit(job_document(database, 100))

        def named():
            reason = daemon.job(job)["reason"] or {}
            return reason.get("code") == "lock_conflict" and database.called(report) in reason["text"]
        until(named, 20, lambda _: f"the reason names who holds the row: {daemon.job(job)}\n{daemon.log_tail()}")
        shown = daemon.job(job)
        assert shown["progress"]["rows_set_aside"] == 1 and shown["state"] == "running"
        assert shown["progress"]["rows_changed"] == 1999
        other = daemon.submit(job_document(database, 100, name="other", table="others"))
        daemon.wait(other, "completed")
        until(lambda: time.monotonic() - held > (10 if campaign else 4), 12, "the lock was held long enough")
        assert daemon.job(job)["state"] == "running"
        report.rollback()
        freed = time.monotonic()
        done = daemon.wait(job, "completed", seconds=20)
        print(f"\ncompleted {time.monotonic() - freed:.2f} s after the row was free; foreground p99 "
              f"{percentile(shop.waits, 0.99):.3f} s")
    assert max(shop.waits) < 3 and not shop.errors
    assert done["progress"]["rows_changed"] == 2000 and done["progress"]["rows_set_aside"] == 0
    expect_once(database)


@everywhere
def test_pause_and_abort_do_not_wait_for_who_holds_a_row(database, daemon):
    make_table(database, 100)
    with database.person("report", autocommit=False) as report:
        report.execute("SELECT 1 FROM counted WHERE id = 50 FOR UPDATE")
        job = daemon.submit(job_document(database, 10, limits={"lock_timeout": "30s", "statement_timeout": "60s"}))
        until(lambda: daemon.job(job)["progress"]["rows_changed"] == 99, 20, "all others are done")
        until(lambda: database.waits_for_lock(job), 20, "the job waits for the row")
        daemon.pause(job)
        shown = daemon.wait_stored(job, "paused", seconds=20)
        assert shown["progress"]["rows_set_aside"] == 1
        clone = daemon.post(f"/v1/jobs/{job['id']}/clone", {"name": "rest", "from": "position"})
        assert clone.status == 409 and "set aside" in clone.text
        daemon.restart()
        shown = daemon.job(job)
        assert (shown["state"], shown["progress"]["rows_set_aside"]) == ("paused", 1)
        daemon.resume(job)
        until(lambda: database.waits_for_lock(job), 20, "the job waits again")
        report.rollback()
        daemon.wait(job, "completed")
    expect_once(database)


@everywhere
def test_killed_with_rows_set_aside(database, make_daemon, campaign):
    """kill -9 again and again while every 100th row is locked at any moment: every other time the job has been taken up again,
    else whatever it is at."""
    rows, kills = (200000, 200) if campaign else (20000, 15)
    make_table(database, rows)
    slow_batches(database, 0.1)  # so that there is work left for the last of them
    daemon = make_daemon(database)
    chance, most = random.Random(6), 0
    with Lockers(database, "counted", rows, each=0.15) as lockers:
        until(lambda: lockers.locked, 20, "rows are locked")
        job = daemon.submit(job_document(database, 100))
        daemon.wait_progress(job, 1)
        for number in range(kills):
            daemon.wait_up()
            if number % 2:
                until(lambda: daemon.job(job)["progress"]["resumed"] > resumed, 30, "the job is taken up again")
            resumed = daemon.job(job)["progress"]["resumed"]
            threading.Event().wait(chance.uniform(0, 0.4))
            daemon.kill9()
            most = max(most, database.value("SELECT count(*) FROM backfilld.aside"))
            daemon.start(wait=False)
        daemon.wait_up()
    full_speed(database)
    done = daemon.wait(job, "completed", seconds=120)
    print(f"\n{kills} kills, up to {most} rows set aside when it happened")
    assert most > 0 and done["progress"]["resumed"] >= kills // 2
    assert done["progress"]["rows_set_aside"] == 0
    expect_once(database)


@everywhere
def test_remaining_counts_what_was_set_aside(database, daemon):
    database.execute("CREATE TABLE counted (id bigint PRIMARY KEY, n integer)")
    database.number_rows("INSERT INTO counted (id) SELECT i FROM numbers", 200)
    with database.person("report", autocommit=False) as report:
        report.execute("SELECT 1 FROM counted WHERE id = 77 FOR UPDATE")
        job = daemon.submit(document(database.table("counted"), {"n": "1"}, remaining="n IS NULL", pace=pace(20)))
        until(lambda: daemon.job(job)["progress"]["rows_set_aside"] == 1, 20, "it is set aside")
        report.execute("UPDATE counted SET n = 5 WHERE id = 77")  # the application has done it itself
        report.commit()
        done = daemon.wait(job, "completed", seconds=30)
    assert done["progress"]["rows_changed"] == 199
    assert database.value("SELECT n FROM counted WHERE id = 77") == 5


@everywhere
def test_the_control_schema_of_the_release_before(database, daemon):
    make_table(database, 50)
    key = '"key"' if database.engine == "postgresql" else "`key`"
    daemon.wait(daemon.submit(job_document(database, 10, name="first")), "completed")
    now = database.value(f"SELECT value FROM backfilld.meta WHERE {key} = 'schema_version'")
    database.execute("DROP TABLE backfilld.aside")
    database.execute(f"UPDATE backfilld.meta SET value = '1' WHERE {key} = 'schema_version'")
    daemon.wait(daemon.submit(job_document(database, 10, name="second", again=True)), "completed")
    assert database.value(f"SELECT value FROM backfilld.meta WHERE {key} = 'schema_version'") == now
    expect_once(database, times=2)


@everywhere
def test_a_watcher_that_is_ended_comes_back(database, daemon):
    make_table(database, 1000)
    slow_batches(database, 0.1, per="ROW")
    job = daemon.submit(job_document(database, 100, limits={"statement_timeout": "30s"}))
    with database.person("shop") as shop:
        for _ in range(3):
            watching = until(database.watchers, 20, "somebody watches")
            for number in watching:
                database.end(number)
            row, _ = slow_batch_runs(database, daemon, job)
            started = time.monotonic()
            touch(shop, row)
            assert time.monotonic() - started < 5, "half of what the batch would have taken"
    assert daemon.job(job)["state"] == "running"
    daemon.abort(job)
    daemon.wait(job, "aborted")
    until(lambda: not database.watchers(), 30, "the watcher goes with the last job")


@pytest.mark.engines("mariadb", "mysql", because="who may see what differs; the same test stands beside it for PostgreSQL")
def test_without_the_right_to_look_batches_stay_short(database, make_daemon):
    make_table(database, 1500)
    user = f"narrow_{database.name}"
    database.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 'bf-secret'")
    try:
        for right in (f"ALL ON {database.name}.*", "ALL ON backfilld.*"):
            database.execute(f"GRANT {right} TO {user}@'%'")
        database.slow(0.01, "ROW", user=user, definer=f"{user}@'%'")
        daemon = make_daemon(database.url.replace("//backfill@", f"//{user}@"), **database.target)
        job = daemon.submit(document(database.table("counted"), {"n": "n + 1"}, pace={
            "batch_time": "5s", "batch_rows": {"start": 1000, "min": 1, "max": 1000}, "nice": 0}))
        shown = daemon.wait_reason(job, "yielded", seconds=40)
        assert "cannot be seen" in shown["reason"]["text"]
        done = daemon.wait(job, "completed", seconds=120)
        assert done["progress"]["yields"] >= 1
        expect_once(database)
        daemon.stop()
    finally:
        database.wait_quiet()
        database.execute(f"DROP USER {user}@'%'")


def test_without_sight_batches_stay_short(database, make_daemon):
    """The server lets the watcher in no more: then nobody may be kept waiting unseen."""
    make_table(database, 1500)
    slow_batches(database, 0.01, per="ROW")
    role = f"narrow_{database.name}"
    database.execute(f'CREATE ROLE "{role}" LOGIN')
    database.execute(f'GRANT ALL ON counted TO "{role}"')
    database.execute(f'GRANT CREATE ON DATABASE "{database.name}" TO "{role}"')
    try:
        daemon = make_daemon(database.url.replace("postgres@", f"{role}@"))
        job = daemon.submit(document("public.counted", {"n": "n + 1"}, pace={
            "batch_time": "5s", "batch_rows": {"start": 100, "min": 1, "max": 100}, "nice": 0}))
        watcher = "application_name = 'backfilld watcher' AND datname = current_database()"
        until(lambda: database.value(f"SELECT count(*) FROM pg_stat_activity WHERE {watcher}"), 20, "somebody watches")
        database.execute(f'ALTER ROLE "{role}" CONNECTION LIMIT 1')
        database.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {watcher}")
        shown = daemon.wait_reason(job, "yielded", seconds=40)
        assert "cannot be seen" in shown["reason"]["text"]
        done = daemon.wait(job, "completed", seconds=120)
        assert done["progress"]["yields"] >= 1
        expect_once(database)
        daemon.stop()
    finally:
        database.wait_quiet()
        database.execute(f'DROP OWNED BY "{role}" CASCADE')
        database.execute(f'DROP ROLE "{role}"')
