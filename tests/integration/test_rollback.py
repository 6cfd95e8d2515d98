"""The undo journal and the way back: every row that nobody touched since is byte for byte as it was before, every other one is
a listed conflict and is left as it is, exactly once, whatever is killed."""
import random
from datetime import datetime, timedelta, timezone

import pytest

from lab.daemon import Client, document, pace
from lab.engines import ENGINES
from lab.random_table import RandomTable
from lab.random_writers import Writers, check
from lab.rights import narrow_url
from lab.things import EQUAL, EVERYTHING, careless, drop_control_schema, image, journal_there, make_things, small, trigger
from lab.wait import until

pytestmark = pytest.mark.engines(*ENGINES)


def job_document(database, set_, rows_a_batch=50, table="things", **more):
    """A journal is kept by default."""
    more.setdefault("pace", pace(rows_a_batch))
    made = document(database.table(table), set_, **more)
    del made["undo"]
    return made


def conflicts(daemon, job):
    found, after = [], None
    while True:
        page = daemon.get(f"/v1/jobs/{job['id']}/conflicts?limit=100{f'&after={after}' if after else ''}").json
        found += page["conflicts"]
        after = page["next"]
        if not after:
            return found


def roll_back(daemon, job, seconds=60):
    daemon.order(job, "rollback", {"reason": "a test"})
    return daemon.wait(job, "rolled_back", seconds=seconds)


def test_every_row_is_as_it_was_byte_for_byte(database, daemon):
    make_things(database)
    before = image(database)
    job = daemon.submit(job_document(database, EVERYTHING[database.engine]))
    done = daemon.wait(job, "completed")
    assert done["progress"]["rows_changed"] == 400 and done["undo"]["rows"] == 400
    assert done["undo"]["bytes"] > (0 if database.engine == "postgresql" else 100000)
    changed = image(database)
    assert all(changed[key] != row for key, row in before.items())
    back = roll_back(daemon, job)
    assert image(database) == before
    assert back["rollback"] == {"rows": 400, "rows_seen": 400, "rows_restored": 400, "conflicts": 0, "batches": 8}
    assert database.value("SELECT state FROM backfilld.job WHERE id = %s", (job["id"],)) == "rolled_back"
    # twice changes nothing, and says so
    answer = daemon.post(f"/v1/jobs/{job['id']}/rollback")
    assert answer.status == 200 and answer.json["state"] == "rolled_back"
    assert image(database) == before


def run_and_roll_back(database, make_daemon, table, seed, documents, slices=1):
    """`documents`: the job's is put there."""
    chance = random.Random(seed)
    table.make(database)
    read = table.reader(database)
    before = read(database)
    made = table.document(database)
    made = job_document(database, made.pop("set"), table=made.pop("table"), **made,
                        pace={**pace(chance.choice([5, 20, 50]), nice=1), "slices": slices},
                        limits={"bad_rows": sum(row.get("bad") == "1" for row in before.values())})
    documents.append(made)
    daemon = make_daemon(database)
    with Writers(database, table, seed) as writers:
        job = daemon.submit(made)
        for batches in sorted(chance.sample(range(1, 12), 2)):
            until(lambda: daemon.job(job)["progress"]["batches"] >= batches or daemon.job(job)["state"] == "completed", 30,
                  lambda _: daemon.log_tail(), 0.001 if chance.random() < 0.5 else 0.02)
            daemon.restart()
        if table.bad and chance.random() < 0.5:
            assert daemon.post(f"/v1/jobs/{job['id']}/retry-bad-rows").status in (200, 202, 409)
        if chance.random() < 0.5:
            daemon.wait(job, "completed")
        daemon.order(job, "rollback", {"reason": "a test"})
        for number in range(2):
            until(lambda: (daemon.job(job)["rollback"] or {"batches": 0})["batches"] > number * 3 or
                  daemon.job(job)["state"] == "rolled_back", 60, lambda _: daemon.log_tail(), 0.002)
            daemon.restart()
        back = daemon.wait(job, "rolled_back")
        listed = conflicts(daemon, job)
        assert writers.history
    assert back["rollback"]["conflicts"] == len(listed) and back["rollback"]["rows_seen"] == back["rollback"]["rows"]
    check(table, before, read(database), writers.history, listed)
    return len(listed)


@pytest.mark.timeout(7200)  # the campaign
def test_no_write_of_others_is_lost_whatever_is_killed(database, make_daemon, seeds, campaign):
    """Of a table, a job and writers that come from the seed; --seeds runs one of them again."""
    found = 0
    for seed in seeds(500 if campaign else 2):
        table, documents = RandomTable(database.engine, seed, 600, with_bad=seed % 4 in (1, 2)), []
        try:
            found += run_and_roll_back(database, make_daemon, table, seed, documents, slices=1 if seed % 2 else 3)
        except (AssertionError, TimeoutError, database.errors) as error:
            raise AssertionError(f"seed {seed} (--seeds={seed}): {error!r}\n{error}\n{table.story(documents)}") from error
        table.drop(database)
        drop_control_schema(database)
        if campaign:
            print(f"seed {seed}: {found} conflicts so far", flush=True)
    assert found


def test_conflicts_are_listed_and_left_alone(database, daemon, client):
    small(database)
    before = image(database)
    job = daemon.submit(job_document(database, {"n": "n + 1000", "amount": "'2.0'"}, 7))
    daemon.wait(job, "completed")
    database.execute("UPDATE things SET n = -1 WHERE id = 5")
    database.execute("DELETE FROM things WHERE id = 7")
    database.execute("UPDATE things SET amount = %s WHERE id = 8", (EQUAL[database.engine],))
    assert database.value("SELECT count(*) FROM things WHERE id = 8 AND amount = '2.0'") == 1
    database.execute("UPDATE things SET n = 0 WHERE id = 9")
    database.execute("UPDATE things SET n = 1009 WHERE id = 9")  # holds again what the job left
    database.execute("UPDATE things SET word = 'theirs' WHERE id = 10")  # not a column of the job's
    touched = image(database)
    would = daemon.post(f"/v1/jobs/{job['id']}/rollback?dry_run=true").json
    assert (would["rows"], would["sampled"], would["sampled_changed"], would["sampled_deleted"]) == (60, 60, 2, 1)
    assert "2 rows were changed by others since, 1 are deleted" in " ".join(client("rollback", job["id"], "--dry-run", code=0).stdout.split())
    assert image(database) == touched and daemon.job(job)["state"] == "completed"
    client("rollback", job["id"], "--wait", "--reason", "a test", code=0)
    assert [(one["key"], one["kind"]) for one in conflicts(daemon, job)] == [(["5"], "changed"), (["7"], "deleted"), (["8"], "changed")]
    after = image(database)
    assert all(after[key] == touched[key] for key in (5, 8)) and 7 not in after
    assert after[10] == {**before[10], "word": touched[10]["word"]} != before[10]
    assert all(after[key] == row for key, row in before.items() if key not in (5, 7, 8, 10))
    shown = client("conflicts", job["id"], code=0).stdout.splitlines()
    assert len(shown) == 3 and shown[1].split()[-2:] == ["deleted", "7"]
    page = client.json("conflicts", job["id"], "--limit", "2", code=0)
    assert len(page["conflicts"]) == 2 and page["next"]
    assert "3 conflicts" in client("show", job["id"], code=0).stdout
    assert any(event["actor"] == "operator" and event["to"] == "queued" and "a test" in event["text"] for event in daemon.events(job))
    assert "57 changes were taken back, 3 were left alone" in [event["text"] for event in daemon.events(job) if event["type"] == "back"][-1]


def test_triggers_and_what_the_server_refuses(database, daemon):
    """The after-image is what stands in the row when triggers are through. What they do to the value that is written back, and
    what a constraint has against it, is a conflict of that row alone."""
    small(database)
    trigger(database, "capped", "IF NEW.n > 100 THEN {set} NEW.n {to} 100; END IF; "
                                "IF NEW.id = 20 AND NEW.word = 'a' THEN {set} NEW.word {to} 'A'; END IF;")
    before = image(database)
    job = daemon.submit(job_document(database, {"n": "n + 1000", "word": "'b'"}, 25))
    daemon.wait(job, "completed")
    assert database.value("SELECT count(*) FROM things WHERE n = 100 AND word = 'b'") == 60
    database.execute("ALTER TABLE things ADD CHECK (id <> 33 OR n <> 33)")
    back = roll_back(daemon, job)
    assert [(one["key"], one["kind"]) for one in conflicts(daemon, job)] == [(["20"], "altered"), (["33"], "refused")]
    assert back["rollback"]["rows_restored"] == 58
    assert {key for key, row in image(database).items() if row != before[key]} == {20, 33}


def test_a_row_that_somebody_holds_is_waited_for(database, daemon):
    small(database)
    before = image(database)
    job = daemon.submit(job_document(database, {"n": "n + 1"}, 20, limits={"lock_timeout": "200ms"}))
    daemon.wait(job, "completed")
    with database.person("holder", autocommit=False) as holder:
        holder.execute("SELECT 1 FROM things WHERE id = 30 FOR UPDATE")
        daemon.order(job, "rollback")
        reason = daemon.wait_reason(job, "lock_conflict")["reason"]
        assert "lock" in reason["text"].lower(), reason
        assert database.value("SELECT count(*) FROM things WHERE n = id") == 30, "what is newer than that row"
    daemon.wait(job, "rolled_back")
    assert image(database) == before and conflicts(daemon, job) == []


def test_partitions_keys_of_several_columns_and_passes(database, daemon):
    text, parts = ("text COLLATE \"C\"", "LIST (a)") if database.engine == "postgresql" else \
        ("VARCHAR(10) COLLATE utf8mb4_bin", "KEY (a) PARTITIONS 3")
    database.execute(f"CREATE TABLE things (a {text}, b integer, id integer, n integer NOT NULL DEFAULT 0, done boolean "
                     f"NOT NULL DEFAULT false, PRIMARY KEY (a, b)) PARTITION BY {parts}")
    if database.engine == "postgresql":
        database.execute("CREATE TABLE things_x PARTITION OF things FOR VALUES IN ('x', 'X')")
        database.execute("CREATE TABLE things_rest PARTITION OF things DEFAULT")
    database.number_rows("INSERT INTO things (a, b, id) SELECT CASE i % 4 WHEN 0 THEN 'x' WHEN 1 THEN 'X' WHEN 2 THEN '' ELSE 'y' END, "
                         "i, i FROM numbers", 300)
    before = image(database)
    job = daemon.submit(job_document(database, {"n": "n + 1", "done": "true"}, 11, where="id % 3 <> 0", remaining="NOT done",
                                     range={"after": ["", "20"]}))
    done = daemon.wait(job, "completed")
    assert done["progress"]["pass"] == 2 and database.value("SELECT count(*) FROM things WHERE done") > 150
    roll_back(daemon, job)
    assert image(database) == before and conflicts(daemon, job) == []


def test_a_row_that_is_not_kept_is_not_changed(database, daemon):
    """A predicate that says something else each time it is asked."""
    small(database, 300)
    before = image(database)
    half = "random() < 0.5" if database.engine == "postgresql" else "rand() < 0.5"
    job = daemon.submit(job_document(database, {"n": "n + 1000"}, 40, where=half))
    done = daemon.wait(job, "completed")
    others = {key for key, row in image(database).items() if row == before[key]}
    assert 0 < len(others) < 300 and done["progress"]["rows_changed"] == done["undo"]["rows"] == 300 - len(others)
    database.execute(f"UPDATE things SET n = -id WHERE id IN ({', '.join(map(str, others))})")
    assert roll_back(daemon, job)["rollback"]["conflicts"] == 0
    assert image(database) == {key: {**row, "n": f"-{key}"} if key in others else row for key, row in before.items()}


@pytest.mark.engines("postgresql", because="elsewhere no value has several columns")
def test_values_that_are_made_of_others_come_back(database, daemon):
    database.execute("CREATE TYPE pair AS (a integer, b numeric); CREATE DOMAIN paired AS pair CHECK ((value).a > 0)")
    database.execute("CREATE TABLE things (id integer PRIMARY KEY, one pair, other paired, small int2vector, ids oidvector, n integer)")
    database.execute("INSERT INTO things SELECT i, CASE WHEN i % 5 > 0 THEN ROW(i, 1.0)::pair END, ROW(i, NULL)::pair, '1 2', '', i "
                     "FROM generate_series(1, 60) i")
    before = image(database)
    job = daemon.submit(job_document(database, {"one": "ROW(id, 2.0)::pair", "other": "ROW((other).a + 1, 1)::pair", "small": "'7'",
                                                "ids": "'7 8'", "n": "n + 1"}, 7))
    daemon.wait(job, "completed")
    database.execute("UPDATE things SET one = ROW(id, 2.00)::pair WHERE id = 9")
    touched = image(database)[9]
    roll_back(daemon, job)
    assert [(one["key"], one["kind"]) for one in conflicts(daemon, job)] == [(["9"], "changed")]
    assert image(database) == {**before, 9: touched}


@pytest.mark.engines("mariadb", "mysql", because="PostgreSQL has no date of zeros")
def test_rows_whose_key_begins_with_a_date_of_zeros(database, daemon):
    """Of a column that is NOT NULL a server may say that such a date IS NULL."""
    database.execute("CREATE TABLE things (at DATE NOT NULL, id INT NOT NULL, n INT, PRIMARY KEY (at, id))")
    with careless(database):
        database.number_rows("INSERT INTO things SELECT IF(i % 2 = 0, '0000-00-00', '2020-02-29'), i, i FROM numbers", 60)
    before = image(database)
    job = daemon.submit(job_document(database, {"n": "n + 1"}, 7))
    daemon.wait(job, "completed")
    database.execute("UPDATE things SET n = -4 WHERE id = 4")
    database.execute("DELETE FROM things WHERE id = 6")
    would = daemon.post(f"/v1/jobs/{job['id']}/rollback?dry_run=true").json
    assert (would["sampled"], would["sampled_changed"], would["sampled_deleted"]) == (60, 1, 1)
    roll_back(daemon, job)
    assert {one["key"][1]: one["kind"] for one in conflicts(daemon, job)} == {"4": "changed", "6": "deleted"}
    assert image(database) == {key: {**row, "n": "-4"} if key == 4 else row for key, row in before.items() if key != 6}


def test_columns_may_be_called_as_ours_are(database, daemon):
    q = '"{}"' if database.engine == "postgresql" else "`{}`"
    key, others = ["rows", "slices", "number"], ["seq", "slice", "part", "place", "key", "job", "bad", "held", "taken", "xid", "t", "b", "i"]
    names = [q.format(name) for name in key + others]
    database.execute(f"CREATE TABLE things (id integer NOT NULL, {', '.join(f'{name} integer NOT NULL' for name in names)}, "
                     f"PRIMARY KEY ({', '.join(names[:3])}), CHECK (id % 50 <> 7 OR {names[3]} < 1000))")
    database.number_rows(f"INSERT INTO things SELECT i, i % 3, i % 5{', i' * (len(names) - 2)} FROM numbers", 300)
    before = image(database)
    job = daemon.submit(job_document(database, {name: f"{q.format(name)} + 1000" for name in others}, 20, limits={"bad_rows": 6},
                                     pace={**pace(20), "slices": 3}, where=" + ".join(names) + " >= 0"))
    done = daemon.wait(job, "completed")
    assert done["progress"]["rows_changed"] == 294 and done["progress"]["rows_bad"] == 6 and len(done["progress"]["positions"]) > 1
    roll_back(daemon, job)
    assert conflicts(daemon, job) == [] and image(database) == before


@pytest.mark.parametrize("key", ["id", "a, id"])
def test_rows_that_others_hold_are_kept_when_their_turn_comes(key, database, daemon):
    database.execute(f"CREATE TABLE things (a integer NOT NULL, id integer NOT NULL, n integer, PRIMARY KEY ({key}))")
    database.number_rows("INSERT INTO things SELECT i % 3, i, i FROM numbers", 240)
    before = image(database)
    held = list(range(5, 240, 40))
    with database.person("holder", autocommit=False) as holder:
        for number in held:  # one by one, so that no other row is looked at
            holder.execute("SELECT 1 FROM things WHERE a = %s AND id = %s FOR UPDATE", (number % 3, number))
        job = daemon.submit(job_document(database, {"n": "n + 1000"}, 50))
        until(lambda: daemon.job(job)["progress"]["rows_set_aside"] == len(held), 20, lambda _: daemon.log_tail(), 0.01)
        until(lambda: daemon.job(job)["progress"]["rows_changed"] == 240 - len(held), 20, lambda _: daemon.log_tail(), 0.01)
    done = daemon.wait(job, "completed")
    assert done["progress"]["rows_changed"] == done["undo"]["rows"] == 240
    assert all(row["n"] == str(int(before[number]["n"]) + 1000) for number, row in image(database).items())
    assert roll_back(daemon, job)["rollback"]["rows_restored"] == 240 and image(database) == before


def test_a_way_back_can_be_paused_aborted_and_taken_up_again(database, daemon):
    small(database, 2000)
    before = image(database)
    job = daemon.submit(job_document(database, {"n": "n + 1"}, 10, pace={**pace(10), "nice": 3}))
    daemon.wait_progress(job, 20)
    database.slow(0.1, name="things")  # there and back
    daemon.order(job, "rollback")  # of a running job: it is aborted first
    until(lambda: (daemon.job(job)["rollback"] or {"batches": 0})["batches"] >= 2, 30, lambda _: daemon.log_tail())
    assert daemon.post(f"/v1/jobs/{job['id']}/rollback").status == 200
    daemon.pause(job)
    paused = daemon.wait(job, "paused")
    assert paused["direction"] == "back"
    daemon.resume(job)
    until(lambda: daemon.job(job)["rollback"]["batches"] > paused["rollback"]["batches"], 30, lambda _: daemon.log_tail())
    daemon.abort(job)
    aborted = daemon.wait(job, "aborted")
    assert aborted["direction"] == "back" and daemon.post(f"/v1/jobs/{job['id']}/resume").status == 409
    database.full_speed("things")
    back = roll_back(daemon, job)
    assert image(database) == before and back["rollback"]["conflicts"] == 0
    assert back["progress"]["fraction"] == 1 and back["progress"]["rows_changed"] == back["rollback"]["rows"]
    moves = [(event["from"], event["to"]) for event in daemon.events(job) if event["type"] == "state"]
    assert ("running", "aborting") in moves and moves[-1] == ("rolling_back", "rolled_back")
    # what was rolled back may run again, without a word
    again = daemon.submit(job_document(database, {"n": "n + 1"}, 10, pace={**pace(10), "nice": 3}))
    assert daemon.abort(again)["state"] in ("aborting", "aborted")


def test_the_way_back_is_dropped_early_or_in_its_time(database, make_daemon, build):
    small(database)
    daemon = make_daemon(database)
    client = Client(build, daemon.url)
    job = daemon.submit(job_document(database, {"n": "n + 1"}))
    done = daemon.wait(job, "completed")
    assert done["undo"]["until"] > done["ended_at"] and journal_there(database, job)
    assert client("forget", "job", code=1).stderr.count("confirm")
    client("forget", "job", "--confirm", "job", code=0)
    assert not journal_there(database, job) and daemon.job(job)["undo"]["dropped"]
    assert "dropped" in client("show", "job", code=0).stdout
    assert client("rollback", "job", code=4) and daemon.post(f"/v1/jobs/{job['id']}/forget", {"confirm": "job"}).status == 409
    assert daemon.stop() == 0
    shorter = make_daemon(database, settings={"keep_undo": "1s"})
    longer = shorter.submit(job_document(database, {"n": "n + 3"}, name="longer", keep_undo="30d"))
    until_when = shorter.wait(longer, "completed")["undo"]["until"]
    assert datetime.fromisoformat(until_when.replace("Z", "+00:00")) > datetime.now(timezone.utc) + timedelta(days=29)
    other = shorter.submit(job_document(database, {"n": "n + 2"}, name="other"))
    shorter.wait(other, "completed")
    until(lambda: not journal_there(database, other), 20, lambda _: shorter.log_tail())
    until(lambda: shorter.job(other)["undo"]["dropped"], 30, "it is known")
    assert shorter.post("/v1/jobs/other/rollback").status == 409 and journal_there(database, longer)


@pytest.mark.engines("mariadb", "mysql", because="PostgreSQL makes the journal in the transaction that registers the job")
def test_a_journal_that_was_made_and_never_used_is_dropped(database, make_daemon):
    small(database)
    made = []

    def cut(command):
        if "CREATE TABLE IF NOT EXISTS backfilld.`undo_" not in command.sql:
            return False
        command.send(command.sql[:command.sql.index("INSERT INTO backfilld.job")] + "DO 0")
        made.append(command)
        return True
    with database.proxy() as proxy:
        proxy.handler = cut
        daemon = make_daemon(proxy.url(database.name), **database.target)
        job = daemon.submit(job_document(database, {"n": "n + 1"}))
        until(lambda: made and journal_there(database, job), 20, "its tables are made")
        daemon.kill9()
    daemon.start()  # it does not reach the server any more
    assert daemon.abort(job)["state"] in ("aborting", "aborted")
    daemon.wait(job, "aborted")
    assert daemon.stop() == 0
    daemon.configure({"shop": {"primary": narrow_url(database.url), **database.target}})
    daemon.start()
    until(lambda: not journal_there(database, job), 20, lambda _: daemon.log_tail())
    until(lambda: "empty" in str(daemon.events(job)), 5, "it is said")


@pytest.mark.engines("mariadb", "mysql", because="PostgreSQL has no such columns")
def test_a_stamp_of_the_servers_is_put_back_unless_it_is_somebody_elses(database, daemon):
    database.execute("CREATE TABLE things (id INT PRIMARY KEY, n INT, other INT NOT NULL DEFAULT 0, "
                     "`changed?` TIMESTAMP(6) NULL ON UPDATE CURRENT_TIMESTAMP(6))")
    database.number_rows("INSERT INTO things (id, n, `changed?`) SELECT i, i, CASE WHEN i > 5 THEN '2020-01-01' END FROM numbers", 20)
    before = image(database)
    job = daemon.submit(job_document(database, {"n": "n + 1"}, 7))
    daemon.wait(job, "completed")
    assert database.value("SELECT count(*) FROM things WHERE `changed?` > '2021-01-01'") == 20
    database.execute("UPDATE things SET other = 1 WHERE id = 3")
    theirs = image(database)[3]
    roll_back(daemon, job)
    assert conflicts(daemon, job) == []
    assert image(database) == {**before, 3: {**theirs, "n": before[3]["n"]}}


@pytest.mark.engines("mariadb", "mysql", because="what PostgreSQL refuses stands in the next one")
def test_an_account_that_may_not_drop_a_journal_keeps_none(database, make_daemon):
    small(database)
    user = f"keeper_{database.name}"
    database.execute(f"CREATE USER {user}@'%' IDENTIFIED BY 'bf-secret'")
    try:
        database.execute(f"GRANT SELECT, UPDATE ON {database.name}.* TO {user}@'%'")
        database.execute(f"GRANT CREATE, SELECT, INSERT, UPDATE, DELETE ON backfilld.* TO {user}@'%'")
        daemon = make_daemon(database.server.url(database.name, user), **database.target)
        answer = daemon.post("/v1/jobs", job_document(database, {"n": "n + 1"}))
        assert answer.status == 422 and [(error["pointer"], error["code"]) for error in answer.json["errors"]] == [("/undo", "unsupported")]
        assert "GRANT CREATE, DROP ON backfilld.*" in answer.text
        database.execute(f"GRANT DROP ON backfilld.* TO {user}@'%'")
        before = image(database)
        job = daemon.submit(job_document(database, {"n": "n + 1"}))
        daemon.wait(job, "completed")
        roll_back(daemon, job)
        assert image(database) == before
    finally:
        database.execute(f"DROP USER {user}@'%'")


@pytest.mark.engines("postgresql", because="rules and publications FOR ALL TABLES are PostgreSQL's; for others see the next one")
def test_what_cannot_have_a_way_back_is_refused(database, daemon):
    small(database)

    def refused():
        answer = daemon.post("/v1/jobs", job_document(database, {"n": "n + 1"}))
        assert answer.status == 422, answer.text
        return [(error["pointer"], error["code"]) for error in answer.json["errors"]]
    database.execute("CREATE RULE also AS ON UPDATE TO things DO ALSO NOTHING")
    assert refused() == [("/undo", "unsupported")]
    database.execute("DROP RULE also ON things")
    job = daemon.submit(document(database.table("things"), {"n": "n + 1"}, pace=pace(10)))
    daemon.wait(job, "completed")
    assert "no way back" in daemon.post(f"/v1/jobs/{job['id']}/rollback").json["detail"]
    database.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    assert refused() == [("/undo", "unsupported")]


def test_the_plan_shows_that_what_it_tries_comes_back(database, daemon):
    small(database, 2000)

    def plan():
        answer = daemon.post("/v1/jobs?dry_run=true", job_document(database, {"word": "'b'"}))
        assert answer.status == 200, answer.text
        if database.engine != "postgresql":
            row = answer.json["measured"]["journal_row_bytes"]["value"]
            assert 60 < row < 120 and answer.json["estimate"]["journal_bytes"] == pytest.approx(2000 * row, rel=0.2)
        return answer.json["measured"]["rollback_proven"], [reason["code"] for reason in answer.json["reasons"]]
    proven, reasons = plan()
    assert proven["value"] in (1, True) and not {"no_undo", "rollback_not_proven"} & set(reasons)
    assert database.value("SELECT count(*) FROM things WHERE word <> 'a'") == 0
    trigger(database, "louder", "{set} NEW.word {to} upper(NEW.word);")
    proven, reasons = plan()
    assert proven["value"] in (0, False) and "rollback_not_proven" in reasons and "word" in proven["detail"]


@pytest.mark.engines("postgresql", because="on InnoDB the images are rows of a table, and no value of the server's memory")
def test_a_batch_whose_images_are_too_large_is_halved(database, daemon):
    """The server says so by program_limit_exceeded; here a trigger says it of over five rows."""
    small(database)
    before = image(database)
    database.execute("""CREATE FUNCTION few() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF (SELECT count(*) FROM changed) > 5 THEN RAISE 'array size exceeds the maximum allowed' USING ERRCODE = '54000'; END IF;
        RETURN NULL; END $$""")
    database.execute("CREATE TRIGGER few AFTER UPDATE ON things REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION few()")
    rows = {"batch_rows": {"start": 40, "min": 1, "max": 40}, "nice": 0}
    job = daemon.submit(job_document(database, {"n": "n + 1"}, pace=rows))
    daemon.wait(job, "completed")
    assert database.value("SELECT count(*) FROM things WHERE n = id + 1") == 60
    database.execute("DROP TRIGGER few ON things")
    roll_back(daemon, job)
    assert image(database) == before


@pytest.mark.engines("mariadb", "mysql", because="PostgreSQL's UPDATE is of the rows whose old values the same statement saw")
@pytest.mark.parametrize("where", [None, "n >= 0", "n >= rand() * 0"], ids=["every row", "of the row alone", "of anything"])
def test_a_row_that_comes_into_a_batch_meanwhile_has_a_way_back_too(where, database, daemon):
    """Between the look at the old values and the UPDATE somebody inserts a row, or changes one so that it matches. What has its
    value already is one of those that are found, too."""
    small(database)
    database.execute("DELETE FROM things WHERE id = 40")
    if where:
        database.execute("UPDATE things SET n = -50 WHERE id = 50")
    value = "CASE WHEN id = 7 THEN 7 ELSE n + 1000 + IF(id = 1, SLEEP(2), 0) END"
    job = daemon.submit(job_document(database, {"n": value}, 60, **({"where": where} if where else {})))
    until(lambda: database.slowed(job), 60, lambda _: f"the batch is at its first row: {daemon.job(job)}\n{daemon.log_tail()}", 0.01)
    if where:
        database.execute("UPDATE things SET n = 50 WHERE id = 50")
    else:
        database.execute("INSERT INTO things (id, n) VALUES (40, 4)")
    assert database.slowed(job), "the batch was over before its rows were changed"
    before = dict(database.rows("SELECT id, n FROM things"))
    done = daemon.wait(job, "completed")
    after = dict(database.rows("SELECT id, n FROM things"))
    changed = {key for key in before if after[key] != before[key]}
    assert all(after[key] == before[key] + 1000 for key in changed)
    came = 50 if where else 40
    if where != "n >= rand() * 0":  # else it may be left for good: it did not match when its turn was
        assert came in changed and changed == set(before) - {7}, (set(before) - changed, daemon.log_tail())
        assert done["progress"]["rows_changed"] == len(before), done["progress"]
    roll_back(daemon, job)
    assert conflicts(daemon, job) == []
    assert dict(database.rows("SELECT id, n FROM things")) == before


@pytest.mark.engines("postgresql", because="on InnoDB the rows are locked before they are looked at")
def test_a_row_that_is_changed_under_a_batch_keeps_what_was_written(database, daemon):
    """Between the look at the old values and the change of the row somebody writes into it: his value is what comes back."""
    small(database)
    before = dict(database.rows("SELECT id, n FROM things"))
    with daemon.held_back():
        job = daemon.submit(job_document(database, {"n": "n + 1"}, 60))
        database.slow(4.0, per="ROW", name="things", when="new.id = 1 AND new.n = 2")
    until(lambda: database.slowed(job), 20, lambda _: f"the batch is at its first row: {daemon.job(job)}\n{daemon.log_tail()}", 0.01)
    database.execute("UPDATE things SET n = -30 WHERE id = 30")
    database.execute("DELETE FROM things WHERE id = 31")
    assert database.slowed(job), "the batch was over before its rows were changed"
    database.full_speed("things")
    done = daemon.wait(job, "completed")
    assert done["progress"]["rows_changed"] == 59
    assert dict(database.rows("SELECT id, n FROM things")) == {
        key: -29 if key == 30 else n + 1 for key, n in before.items() if key != 31}
    roll_back(daemon, job)
    assert conflicts(daemon, job) == []
    assert dict(database.rows("SELECT id, n FROM things")) == {key: -30 if key == 30 else n for key, n in before.items() if key != 31}
