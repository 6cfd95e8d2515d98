"""Operators' days, each told by backfillctl and SQL alone, with the texts that they read."""
import json
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import Database, make_database
from lab import old_store
from lab.counted import make_table, slow_batches, full_speed
from lab.daemon import Client, document, pace
from lab.engines import ENGINES
from lab.postgres import TEST_SETTINGS, Cluster
from lab.wait import until

every_engine = pytest.mark.engines(*ENGINES)  # where the server has a part in the story


def write(path, name, table, set_, **more):
    path.write_text(json.dumps(document(table, set_, name=name, **more), indent=2))
    return path


@pytest.fixture
def files(tmp_path):
    return tmp_path


@every_engine
def test_fill_a_column_that_becomes_not_null_while_late_rows_arrive(database, client, files):
    """Expand, migrate, contract: the application still inserts rows without the column."""
    database.execute("CREATE TABLE users (id bigint PRIMARY KEY, mail varchar(100) NOT NULL)")
    database.number_rows("INSERT INTO users (id, mail) SELECT i, concat('U', i, '@Example.org') FROM numbers", 3000)
    database.execute("ALTER TABLE users ADD mail_lower varchar(100)")
    stop, last = threading.Event(), [3000]

    def application():
        connection = database.connect()
        cursor = connection.cursor()
        while not stop.wait(0.002):
            last[0] += 1
            cursor.execute("INSERT INTO users (id, mail) VALUES (%s, 'New@Example.org')", (last[0],))
        connection.close()
    writer = threading.Thread(target=application)
    writer.start()
    job = write(files / "fill.json", "fill-mail-lower", database.table("users"), {"mail_lower": "lower(mail)"},
                remaining="mail_lower IS NULL", pace=pace(200))
    client("submit", job, code=0)
    client("wait", "fill-mail-lower", "--for", "running", "--timeout", "20s", code=0)
    stop.set()
    writer.join()
    done = client("wait", "fill-mail-lower", "--timeout", "60s", code=0)
    assert "completed" in done.stdout
    assert database.value("SELECT count(*) FROM users WHERE mail_lower IS NULL OR mail_lower <> lower(mail)") == 0
    database.execute("ALTER TABLE users ALTER mail_lower SET NOT NULL" if database.engine == "postgresql" else
                     "ALTER TABLE users MODIFY mail_lower varchar(100) NOT NULL")


@every_engine
def test_hash_again_but_only_once(database, client, files):
    """The same file a second time is refused by the target's own record, until the author says again."""
    database.execute("CREATE TABLE hashes (id bigint PRIMARY KEY, hash varchar(200) NOT NULL)")
    database.number_rows("INSERT INTO hashes (id, hash) SELECT i, concat('h', i) FROM numbers", 1000)
    job = write(files / "rehash.json", "rehash", database.table("hashes"), {"hash": "concat(reverse(hash), 'x')"})
    client("submit", job, "--watch", code=0)
    once = database.value("SELECT hash FROM hashes WHERE id = 7")
    assert once == "7hx"
    refused = client("submit", job, code=1)
    assert "already changed rows" in refused.stderr and '"again": true' in refused.stderr
    assert database.value("SELECT hash FROM hashes WHERE id = 7") == once
    meant = write(files / "twice.json", "rehash", database.table("hashes"), {"hash": "concat(reverse(hash), 'x')"}, again=True)
    client("submit", meant, "--watch", code=0)
    assert database.value("SELECT hash FROM hashes WHERE id = 7") == "xh7x"


@every_engine
def test_a_wrong_where_is_noticed_at_40_percent(database, client, files):
    """Abort, look at what was done, hand in a corrected file under the same name."""
    make_table(database, 1000)
    slow_batches(database, 0.1)
    wrong = write(files / "wrong.json", "close", database.table("counted"), {"n": "n + 1"}, pace=pace(20))
    client("submit", wrong, code=0)
    until(lambda: client.json("show", "close")["progress"]["fraction"] >= 0.4, 30, "40 % are done", 0.02)
    client("abort", "close", "--reason", "the where is missing", "--wait", code=0)
    shown = client("show", "close", code=0).stdout
    assert "aborted" in shown and "the where is missing" in shown
    progress = client.json("show", "close")["progress"]
    changed = progress["rows_changed"]  # 40 % of what the server had reckoned: MySQL's figure may be a day old
    assert database.value("SELECT sum(n) FROM counted") == changed >= 0.4 * progress["rows_estimated"]
    full_speed(database)
    right = write(files / "right.json", "close", database.table("counted"), {"n": "n + 1"}, where="n = 0")
    client("submit", right, "--watch", code=0)
    assert tuple(database.row("SELECT min(n), max(n) FROM counted")) == (1, 1)


@every_engine
def test_a_nine_day_job_with_five_upgrades(database, daemon, client, files):
    """Every upgrade is a stop, and a start of a release whose store has a newer schema: the job goes on by itself and shows
    how often, what was paused stays paused, and no event is lost."""
    make_table(database, 4000)
    make_table(database, 100, "other")
    slow_batches(database, 0.05)
    client("submit", write(files / "long.json", "long", database.table("counted"), {"n": "n + 1"}, pace=pace(20)), code=0)
    client("submit", write(files / "later.json", "later", database.table("other"), {"n": "n + 1"}, canary={"rows": 10}, pace=pace(10)),
           code=0)
    client("wait", "later", "--timeout", "20s", code=14)
    newest = old_store.version(daemon.state)
    former = [version for version in old_store.VERSIONS if version < newest]
    assert former == list(range(1, newest)), "tests/lab/old_store.py has what each former release wrote"
    for upgrade in range(5):
        done = client.json("show", "long")["progress"]["batches"]
        until(lambda: client.json("show", "long")["progress"]["batches"] > done + 2, 30, "it goes on", 0.02)
        if upgrade % 2:
            daemon.kill9()
        else:
            daemon.stop()
        old_store.turn_back(daemon.state, former[upgrade % len(former)])
        before = daemon_events(daemon.state)
        daemon.start()
        assert old_store.version(daemon.state) == newest
        assert daemon_events(daemon.state)[:len(before)] == before
        assert "canary" in client("show", "later", code=0).stdout
    full_speed(database)
    client("wait", "long", "--timeout", "60s", code=0)
    shown = client.json("show", "long")
    assert shown["progress"]["resumed"] == 5 and shown["submitted_by"] == "operator"
    assert tuple(database.row("SELECT min(n), max(n), count(*) FROM counted")) == (1, 1, 4000)
    client("resume", "later", code=0)
    client("wait", "later", "--timeout", "60s", code=0)
    assert tuple(database.row("SELECT min(n), max(n), count(*) FROM other")) == (1, 1, 100)


def daemon_events(store) -> list:
    with sqlite3.connect(store) as opened:
        return opened.execute("SELECT id, job, at, type, from_state, to_state, actor, text FROM event ORDER BY id").fetchall()


@pytest.mark.parametrize("version", old_store.VERSIONS)
def test_a_store_of_each_former_release_becomes_what_a_new_one_is(make_daemon, build, files, version):
    """Whoever comes from which release: afterwards all stores are alike, to the last word."""
    fresh = make_daemon("postgresql://postgres@127.0.0.1:1/nobody")
    daemon = make_daemon("postgresql://postgres@127.0.0.1:1/nobody", start=False)
    old_store.make(daemon.state, version).close()
    daemon.start()
    assert old_store.schema(daemon.state) == old_store.schema(fresh.state)
    assert old_store.version(daemon.state) == old_store.version(fresh.state) >= max(old_store.VERSIONS)
    assert Client(build, daemon.url).json("list", "--all")["jobs"] == []


@every_engine
def test_two_teams_on_one_primary(database, make_daemon, build, files):
    """One place on the target: the second team's job waits, says for whom, and gets its turn."""
    make_table(database, 500)
    make_table(database, 500, "other")
    slow_batches(database, 0.2)
    daemon = make_daemon(database, max_jobs="1")
    client = Client(build, daemon.url)
    client("submit", write(files / "a.json", "team-a", database.table("counted"), {"n": "n + 1"}, pace=pace(20), owner="a"), code=0)
    client("submit", write(files / "b.json", "team-b", database.table("other"), {"n": "n + 1"}, owner="b"), code=0)
    waiting = client("show", "team-b", code=0).stdout
    assert "queued" in waiting and "1 of at most 1 jobs run" in waiting.replace("\n", " "), waiting
    full_speed(database)
    client("wait", "team-b", "--timeout", "60s", code=0)
    assert [j["state"] for j in client.json("list", "--all")["jobs"]] == ["completed", "completed"]


def test_staging_then_production_with_one_file(cluster, database, make_daemon, build, files):
    name = database.name + "_staging"
    database.execute(f'CREATE DATABASE "{name}"')
    staging = type(database)(database.server, name)
    try:
        for place in (staging, database):
            make_table(place, 300)
        daemon = make_daemon(database, targets={"staging": {"primary": staging.url, "require_approval": "none"}})
        client = Client(build, daemon.url)
        job = write(files / "job.json", "rehearsed", "public.counted", {"n": "n + 1"})
        client("submit", job, "--target", "staging", "--watch", code=0)
        assert (staging.value("SELECT max(n) FROM counted"), database.value("SELECT max(n) FROM counted")) == (1, 0)
        client("submit", job, "--watch", code=0)
        assert database.value("SELECT max(n) FROM counted") == 1
    finally:
        staging.close()
        daemon.finish()
        database.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_a_phone_at_three_in_the_morning(database, client, files):
    """What `show` says fits on 60 columns: state, reason, how far, how long."""
    make_table(database, 1000)
    slow_batches(database, 0.1)
    client("submit", write(files / "night.json", "orders-archive-of-the-years-before-2024", "public.counted",
                           {"n": "n + 1"}, pace=pace(20)), code=0)
    client("wait", "orders-archive-of-the-years-before-2024", "--for", "running", "--timeout", "20s", code=0)
    client("pause", "orders-archive-of-the-years-before-2024", "--reason", "checkout is slow since 02:40, see the channel "
           "of the incident", "--wait", code=0)
    shown = client("show", "orders-archive-of-the-years-before-2024", code=0).stdout
    assert max(map(len, shown.splitlines())) <= 60, shown
    assert "paused" in shown and "checkout is slow" in shown and "%" in shown


def test_a_deploy_pipeline_waits_but_not_for_ever(database, client, files):
    make_table(database, 1000)
    slow_batches(database, 0.05)
    client("submit", write(files / "deploy.json", "deploy", "public.counted", {"n": "n + 1"}, pace=pace(10)), code=0)
    client("wait", "deploy", "--timeout", "500ms", code=7)
    full_speed(database)
    client("wait", "deploy", "--timeout", "60s", code=0)
    # and it hears of a failure by the exit code, with the reason
    client("submit", write(files / "broken.json", "broken", "public.counted", {"n": "n / (id - 5000)"}, pace=pace(100)), code=0)
    failed = client("wait", "broken", "--timeout", "60s", code=10)
    assert "division by zero" in failed.stdout + failed.stderr


@every_engine
def test_a_dba_stops_it_by_sql(database, client, files):
    """No daemon, network or token in the way; and resume does not go over the DBA's head."""
    make_table(database, 1000)
    slow_batches(database, 0.1)
    client("submit", write(files / "dba.json", "nightly", database.table("counted"), {"n": "n + 1"}, pace=pace(20)), code=0)
    client("wait", "nightly", "--for", "running", "--timeout", "20s", code=0)
    until(lambda: client.json("show", "nightly")["progress"]["batches"] > 0, 20, "it works", 0.02)
    database.execute("UPDATE backfilld.control SET goal = 'pause' WHERE name = 'nightly'")
    client("wait", "nightly", "--timeout", "20s", code=14)
    shown = " ".join(client("show", "nightly", code=0).stdout.split())
    assert "backfilld.control" in shown and "goal" in shown, shown
    client("resume", "nightly", code=0)
    client("wait", "nightly", "--timeout", "20s", code=14)
    database.execute("UPDATE backfilld.control SET goal = 'run'")
    full_speed(database)
    client("resume", "nightly", code=0)
    client("wait", "nightly", "--timeout", "60s", code=0)
    assert tuple(database.row("SELECT min(n), max(n) FROM counted")) == (1, 1)


@pytest.fixture
def shards():
    """Sixty databases with a table of 60 slow rows each, on a server that lets so many in."""
    with Cluster(replica=False, settings={**TEST_SETTINGS, "max_connections": "400"}) as cluster:
        made = [make_database(cluster.primary)]
        make_table(made[0], 60, "orders")
        slow_batches(made[0], 0.6, name="orders")
        made[0].close()
        with cluster.primary.connect() as admin:
            for number in range(1, 60):
                made.append(Database(cluster.primary, f"{made[0].name}_{number:02}"))
                admin.execute(f'CREATE DATABASE "{made[number].name}" TEMPLATE "{made[0].name}" STRATEGY file_copy')
        yield made
        for database in made:
            database.close()


def sum_of(shard) -> int:
    """Without keeping a connection: sixty shards are on one server here."""
    with shard.connect() as connection:
        return connection.execute("SELECT sum(n) FROM orders").fetchone()[0]


def test_sixty_shards_with_one_label(shards, build, make_daemon, files):
    """Sixty targets, one campaign: its label lists it, stops it as a whole, and lets it go on."""
    campaign = "campaign=gdpr-2026"
    targets = {f"shard-{number:02}": {"primary": shard.url, "require_approval": "none"} for number, shard in enumerate(shards)}
    daemon = make_daemon(shards[0], targets=targets)
    client = Client(build, daemon.url)

    def submit(target):
        client("submit", write(files / f"{target}.json", target, "public.orders", {"n": "n + 1"}, target=target, pace=pace(1),
                               labels={"campaign": "gdpr-2026"}), code=0)
    # each plan tries batches, and they are slow here: who was first is not through when the last one begins
    with daemon.held_back(), ThreadPoolExecutor(20) as pool:
        list(pool.map(submit, targets))
    make_table(shards[7], 60, "other")
    slow_batches(shards[7], 0.6, name="other")
    client("submit", write(files / "another.json", "another", "public.other", {"n": "n + 1"}, target="shard-07", pace=pace(1),
                           labels={"campaign": "another"}), code=0)

    def states(*more):
        listed = client.json("list", "--label", campaign, "--limit", "100", "--all", *more)["jobs"]
        return sorted((job["name"], job["state"]) for job in listed)
    until(lambda: states() == [(target, "running") for target in sorted(targets)], 60, "all sixty run")
    until(lambda: all(job["progress"]["batches"] for job in client.json("list", "--label", campaign, "--all")["jobs"]), 60,
          "each has done something")
    table = client("list", "--label", campaign, "--all", code=0).stdout.splitlines()
    assert table[0].startswith("NAME") and len(table) == 61

    said = client("pause-all", "--label", campaign, "--reason", "the replicas are behind", code=0).stdout
    assert all(target in said for target in targets) and "another" not in said, said
    assert "pause-all is on for label campaign=gdpr-2026" in said and "the replicas are behind" in said, said
    until(lambda: states("--state", "paused") == [(target, "paused") for target in sorted(targets)], 30, "all sixty are paused")
    assert client.json("show", "another")["state"] == "running"
    held = client("resume", "shard-30", code=4)
    assert "pause-all" in held.stderr and "the replicas are behind" in held.stderr
    done = [sum_of(shard) for shard in shards]
    assert all(0 < changed < 60 for changed in done)
    daemon.restart()
    assert states() == [(target, "paused") for target in sorted(targets)]
    full_speed(shards[7], "other")
    for shard in shards:
        full_speed(shard, "orders")
        shard.close()
    client("wait", "another", "--timeout", "60s", code=0)
    assert [sum_of(shard) for shard in shards] == done

    said = client("resume-all", "--label", campaign, code=0).stdout
    assert all(target in said for target in targets), said
    for target in targets:
        client("wait", target, "--timeout", "60s", code=0)
    assert states("--state", "completed") == [(target, "completed") for target in sorted(targets)]
    assert {shard.row("SELECT min(n), max(n), count(*) FROM orders") for shard in shards} == {(1, 1, 60)}


def test_a_directory_of_jobs_in_git(database, make_daemon, build, files):
    """GitOps: what is in the directory is submitted once; a faulty file is reported and the others go on."""
    make_table(database, 300)
    jobs = files / "jobs.d"
    jobs.mkdir()
    write(jobs / "good.json", "from-git", "public.counted", {"n": "n + 1"})
    (jobs / "bad.json").write_text('{"name": "bad", "target": "shop"}')
    daemon = make_daemon(database, settings={"jobs": str(jobs)})
    client = Client(build, daemon.url)
    until(lambda: client("wait", "from-git", "--timeout", "30s").returncode == 0, 30, "the job of the file is completed")

    def reported():
        files = {entry["file"].rsplit("/", 1)[-1]: entry for entry in daemon.get("/v1/job-files").json["job_files"]}
        return files if files["bad.json"]["state"] == "faulty" and files["good.json"]["state"] == "submitted" else None
    files_now = until(reported, 20, "both files are reported")
    assert "/set" in json.dumps(files_now["bad.json"]["errors"])
    daemon.restart()
    until(reported, 20, "both files are reported again")
    assert len(client.json("list", "--all")["jobs"]) == 1
    assert database.value("SELECT max(n) FROM counted") == 1


def test_a_fail_over_at_night(own_cluster, make_daemon, build, files):
    """The primary dies, the replica is promoted: nobody has to do anything, and `show` says what it waits for."""
    primary, replica = own_cluster.primary, own_cluster.replica
    database = make_database(primary)
    make_table(database, 1000)
    slow_batches(database, 0.1)
    until(lambda: replica.psql(f"SELECT count(*) FROM pg_database WHERE datname = '{database.name}'") == "1", 20, "replayed")
    url = (f"postgresql://postgres@127.0.0.1:{primary.port},127.0.0.1:{replica.port}/{database.name}"
           "?target_session_attrs=read-write")
    client = Client(build, make_daemon(url).url)
    client("submit", write(files / "job.json", "night", "public.counted", {"n": "n + 1"}, pace=pace(20)), code=0)
    until(lambda: client.json("show", "night")["progress"]["batches"] > 5, 20, "it runs", 0.02)
    until(lambda: primary.psql("SELECT bool_and(replay_lsn = pg_current_wal_lsn()) FROM pg_stat_replication") in ("t", "f"),
          20, "the replica streams")
    primary.stop("immediate")
    shown = until(lambda: (lambda text: text if "backing_off" in text else None)(client("show", "night").stdout), 20,
                  "show says that it backs off")
    assert "running" in shown
    replica.promote()
    survivor = Database(replica, database.name)
    full_speed(survivor)
    client("wait", "night", "--timeout", "90s", code=0)
    assert survivor.row("SELECT min(n), max(n), count(*) FROM counted") == (1, 1, 1000)
    survivor.close()
