"""Rows that the server refuses to change: found one by one, put into quarantine in the transaction that changes those around them,
listed, tried once more after a repair. Every other row is changed exactly once."""
import re

import pytest

from lab.daemon import Client, document, pace
from lab.engines import ENGINES
from lab.mysql_database import MyDatabase
from lab.things import trigger
from lab.wait import until

pytestmark = pytest.mark.engines(*ENGINES)

THE_WALK = "what is shown here is the walk's, not the server's"
STATES = {"postgresql": "23514", "mariadb": "23000", "mysql": "HY000"}  # what each says of a CHECK constraint
ROWS = 400


def make_table(database, poison, rows=ROWS):
    """A row at 999 cannot become 1000."""
    database.execute("CREATE TABLE counted (id bigint PRIMARY KEY, n integer NOT NULL, CHECK (n < 1000))")
    database.number_rows("INSERT INTO counted (id, n) SELECT i, 0 FROM numbers", rows)
    set_poison(database, poison, 999)
    database.analyze("counted")


def set_poison(database, keys, n):
    if keys:
        database.execute(f"UPDATE counted SET n = {n} WHERE id IN ({', '.join(map(str, keys))})")


def job_document(database, bad_rows, rows_a_batch=40, **more):
    return document(database.table("counted"), {"n": "n + 1"}, limits={"bad_rows": bad_rows}, pace=pace(rows_a_batch), **more)


def changed(database):
    return {key for (key,) in database.rows("SELECT id FROM counted WHERE n IN (1, 1000)")}


def check(database, poison, rows=ROWS):
    assert dict(database.rows("SELECT n, count(*) FROM counted GROUP BY n")) == {1: rows - len(poison), **({999: len(poison)} if poison else {})}
    assert {key for (key,) in database.rows("SELECT id FROM counted WHERE n = 999")} == set(poison)


def listed(daemon, job, limit=500):
    found, after = [], None
    while True:
        page = daemon.get(f"/v1/jobs/{job['id']}/bad-rows?limit={limit}{f'&after={after}' if after else ''}").json
        found += page["bad_rows"]
        after = page["next"]
        if not after:
            return found


def keys(daemon, job):
    return [int(row["key"][0]) for row in listed(daemon, job)]


def failed_batches(daemon, job):
    """Those that were taken back because of a row."""
    found = re.search(rf'^backfilld_retries_total{{[^}}]*job="{job["name"]}"[^}}]*class="data_error"[^}}]*}} (\d+)', daemon.get("/metrics").text, re.M)
    return int(found.group(1)) if found else 0


def test_without_a_number_the_first_bad_row_ends_the_job_and_is_named(database, daemon, engine):
    make_table(database, [157, 300])
    job = daemon.submit(job_document(database, 0))
    failed = daemon.wait(job, "failed")
    assert failed["reason"]["code"] == "data_error"
    assert 'row ["157"] of' in failed["reason"]["text"] and STATES[engine] in failed["reason"]["text"]
    assert changed(database) == set(range(1, 157)) and failed["progress"]["rows_bad"] == 0
    # repaired, it goes on with that very row
    set_poison(database, [157, 300], 0)
    daemon.resume(job)
    done = daemon.wait(job, "completed")
    assert done["progress"]["rows_changed"] == ROWS
    check(database, [])


@pytest.mark.engines("mariadb", "mysql", because="PostgreSQL takes no SAVEPOINT outside of a transaction (tests/integration/c/test_sessions.c)")
def test_tries_whose_begin_was_cancelled_are_not_run_without_a_transaction(database, make_daemon):
    """P1. Each statement would be a transaction of its own: the fence would move the place past rows that are not changed."""
    make_table(database, [125])
    struck = []

    def strike(command):
        if struck or "BEGIN" not in command.sql or "SAVEPOINT backfilld_try" not in command.sql:
            return False
        struck.append(command.sql)
        command.send(command.sql.replace("BEGIN", "KILL QUERY CONNECTION_ID()", 1))
        return True
    with database.proxy() as proxy:
        proxy.handler = strike
        daemon = make_daemon(proxy.url(database.name), **database.target)
        job = daemon.submit(job_document(database, 1))
        daemon.wait(job, "completed")
        assert struck and keys(daemon, job) == [125]
    check(database, [125])


CANCELLED, DEADLOCK, LATE = ("KILL QUERY CONNECTION_ID()", "ROLLBACK; SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213",
                             "SIGNAL SQLSTATE '70100' SET MYSQL_ERRNO = 1969")


def in_the_middle(sql, strike):
    found = [place.end() for place in re.finditer("ROLLBACK TO SAVEPOINT backfilld_try; ", sql)]
    return f"{sql[:found[len(found) // 2]]}{strike}; {sql[found[len(found) // 2]:]}"


def behind_a_good_row(sql, strike):
    return sql.replace("RELEASE SAVEPOINT", f"{strike}; RELEASE SAVEPOINT")


def at_the_end(sql, strike):
    return re.sub("END$", f"{strike}; END", sql)


STRIKES = {"cancelled": (in_the_middle, CANCELLED), "a deadlock": (in_the_middle, DEADLOCK), "no time": (behind_a_good_row, LATE),
           "a deadlock at the end": (at_the_end, DEADLOCK)}


@pytest.mark.engines("mariadb", "mysql", because="PostgreSQL takes nothing in a transaction that failed")
@pytest.mark.parametrize("where, strike", STRIKES.values(), ids=STRIKES)
def test_a_run_of_tries_that_is_cut_off(where, strike, database, make_daemon, engine):
    """P1. What stands behind an error that is none of a row's is not carried out without what stands before it."""
    bad = list(range(100, 180, 2)) + list(range(200, 240))
    make_table(database, bad)
    struck = []

    def cut(command):
        if (len(struck) > 1 or "ROLLBACK TO SAVEPOINT backfilld_try; " not in command.sql or "UPDATE" not in command.sql or
                (engine == "mariadb" and "NOT ATOMIC" not in command.sql)):
            return False
        struck.append(command.sql)
        command.send(where(command.sql, strike))
        return True
    with database.proxy() as proxy:
        proxy.handler = cut
        daemon = make_daemon(proxy.url(database.name), **database.target)
        job = daemon.submit(job_document(database, len(bad), ROWS))
        daemon.wait(job, "completed")
        assert struck and keys(daemon, job) == bad
    check(database, bad)


@pytest.mark.engines("mariadb", because="elsewhere each row is a text of its own")
@pytest.mark.parametrize("undo", ["none", "journal"])
def test_a_cluster_of_which_the_server_warns(undo, database, daemon):
    """A warning with the number of an error; the good rows between are changed once."""
    make_table(database, [], 300)
    with database.person("author") as author:
        author.execute("SET SESSION sql_mode = 'ERROR_FOR_DIVISION_BY_ZERO'")
        author.execute("CREATE FUNCTION careless(a integer) RETURNS integer DETERMINISTIC RETURN COALESCE(IF(a = 7, 1 / 0, a + 1), 8)")
    bad = [number for number in range(100, 200) if number % 3]
    set_poison(database, bad, 7)
    job = daemon.submit({**job_document(database, len(bad), 300), "set": {"n": "careless(n)"}, "undo": undo})
    daemon.wait(job, "completed")
    assert keys(daemon, job) == bad and all(row["error"].startswith("the server warned") for row in listed(daemon, job))
    assert dict(database.rows("SELECT n, count(*) FROM counted GROUP BY n")) == {1: 300 - len(bad), 7: len(bad)}


def test_every_other_row_is_changed_and_the_bad_ones_are_listed(database, daemon, engine, build):
    whole_batch = list(range(121, 161))
    poison = [1, 2, 77] + whole_batch + [299, 301, 303, ROWS]
    make_table(database, poison)
    job = daemon.submit(job_document(database, len(poison)))
    done = daemon.wait(job, "completed")
    check(database, poison)
    assert done["progress"]["rows_bad"] == len(poison) and done["progress"]["rows_changed"] == ROWS - len(poison)
    assert done["progress"]["rows_scanned"] == ROWS and done["reason"] is None
    rows = listed(daemon, job, limit=7)
    assert [int(row["key"][0]) for row in rows] == poison
    assert {row["sqlstate"] for row in rows} == {STATES[engine]} and all("counted" in row["error"] for row in rows)
    # a cluster, however large, costs one failed batch; those next to each other are one
    assert failed_batches(daemon, job) <= 5
    client = Client(build, daemon.url)
    assert f"{len(poison)} not changed" in client("show", job["name"], code=0).stdout
    assert len(client("bad-rows", job["name"], code=0).stdout.splitlines()) == len(poison)
    said = [event["text"] for event in daemon.events(job) if event["type"] == "bad_row"]
    assert said and any('["400"]' in text and STATES[engine] in text for text in said)


@pytest.mark.engines("postgresql", because=THE_WALK)
def test_one_more_than_may_be_fails_the_job(database, daemon):
    make_table(database, [10, 11, 200])
    job = daemon.submit(job_document(database, 2))
    failed = daemon.wait(job, "failed")
    assert 'row ["200"]' in failed["reason"]["text"] and "bad_rows allows 2" in failed["reason"]["text"]
    assert failed["progress"]["rows_bad"] == 2 and keys(daemon, job) == [10, 11]
    assert changed(database) == set(range(1, 200)) - {10, 11}
    # a person allows more: it goes on
    answer = daemon.request("PATCH", f"/v1/jobs/{job['id']}", {"limits": {"bad_rows": "1%"}})
    assert answer.status == 409  # (a failed job's limits are as they were)
    clone = daemon.submit(job_document(database, "0.75%", name="again", again=True))
    daemon.wait(clone, "completed")
    assert keys(daemon, clone) == [10, 11, 200]  # three of four hundred


def test_they_are_tried_once_more_after_a_repair(database, daemon, build):
    poison = [5, 6, 7, 390]
    make_table(database, poison)
    job = daemon.submit(job_document(database, 10))
    daemon.wait(job, "completed")
    set_poison(database, [6, 390], 0)
    client = Client(build, daemon.url)
    assert client("retry-bad-rows", job["name"], "--reason", "repaired", code=0).stdout.startswith(job["name"])
    done = daemon.wait(job, "completed")
    until(lambda: daemon.job(job)["progress"]["rows_bad"] == 2, 20, "what was repaired is done")
    done = daemon.wait(job, "completed")
    assert sorted(keys(daemon, job)) == [5, 7] and done["progress"]["rows_changed"] == ROWS - 2
    check(database, [5, 7])
    set_poison(database, [5, 7], 0)
    daemon.order(job, "retry-bad-rows")
    until(lambda: (seen := daemon.job(job))["state"] == "completed" and seen["progress"]["rows_bad"] == 0, 20, "all are done")
    check(database, [])
    answer = daemon.post(f"/v1/jobs/{job['id']}/retry-bad-rows")
    assert answer.status == 200 and listed(daemon, job) == []


def test_a_rollback_has_nothing_to_do_with_them(database, daemon):
    poison = [5, 6, 201]
    make_table(database, poison)
    job = daemon.submit(job_document(database, 10, undo="journal"))
    done = daemon.wait(job, "completed")
    check(database, poison)
    assert done["undo"]["rows"] == ROWS - 3
    set_poison(database, [6], 0)
    daemon.order(job, "retry-bad-rows")
    until(lambda: (seen := daemon.job(job))["state"] == "completed" and seen["progress"]["rows_bad"] == 2, 30, "one is done")
    daemon.order(job, "rollback", {"reason": "a test"})
    back = daemon.wait(job, "rolled_back")
    assert back["rollback"]["rows_restored"] == ROWS - 2 and back["rollback"]["conflicts"] == 0
    assert dict(database.rows("SELECT n, count(*) FROM counted GROUP BY n")) == {0: ROWS - 2, 999: 2}
    assert sorted(keys(daemon, job)) == [5, 201] and daemon.post(f"/v1/jobs/{job['id']}/retry-bad-rows").status == 409
    assert daemon.post(f"/v1/jobs/{job['id']}/forget", {"confirm": "job"}).status == 202
    assert keys(daemon, job) == [] and database.value("SELECT count(*) FROM backfilld.bad_row") == 0, "they go with the journal"


def test_without_a_journal_they_are_listed_for_as_long_as_one_would_be_kept(database, make_daemon):
    make_table(database, [5, 6, 201])
    daemon = make_daemon(database, settings={"keep_undo": "1s"})
    inverse = {"set": {"n": "n - 1"}}  # which has to spare them, whenever it is asked for
    kept = daemon.submit(job_document(database, 10, name="kept", undo=inverse))
    daemon.wait(kept, "completed")
    job = daemon.submit(job_document(database, 10, name="short", again=True, set={"n": "n + 2"}))
    daemon.wait(job, "completed")
    until(lambda: daemon.job(job)["progress"]["rows_bad"] == 0, 20, lambda _: daemon.log_tail())
    assert keys(daemon, job) == [] and daemon.post(f"/v1/jobs/{job['id']}/retry-bad-rows").status == 200
    assert keys(daemon, kept) == [5, 6, 201] and database.value("SELECT count(*) FROM backfilld.bad_row") == 3
    assert "dropped" in next(event["text"] for event in daemon.events(job) if event["type"] == "undo")


@pytest.mark.engines("postgresql", "mariadb", because="MySQL and MariaDB are told the same in such a transaction")
def test_killed_while_they_are_looked_for(database, make_daemon):
    """Many clusters, so that every kill comes among tries."""
    rows = ROWS // 2
    poison = [key for key in range(1, rows + 1) if key % 10 in (3, 4, 7)]
    make_table(database, poison, rows)
    daemon = make_daemon(database)
    job = daemon.submit(job_document(database, ROWS))
    for bad in (20, 45):
        until(lambda: daemon.job(job)["progress"]["rows_bad"] >= bad or daemon.job(job)["state"] != "running", 30, "some are found", every=0.001)
        daemon.kill9()
        daemon.start()
    done = daemon.wait(job, "completed")
    check(database, poison, rows)
    assert keys(daemon, job) == poison and done["progress"]["rows_bad"] == len(poison)


@pytest.mark.engines("postgresql", because=THE_WALK)
def test_slices_and_a_canary(database, daemon):
    poison = [3, 50, 51, 200, 201, 399]
    make_table(database, poison)
    job = daemon.submit({**job_document(database, 6, canary={"rows": 30}), "pace": {**pace(20), "slices": 3}})
    daemon.wait(job, "paused")
    assert keys(daemon, job) == [3]
    daemon.resume(job)
    daemon.wait(job, "completed")
    check(database, poison)
    assert sorted(keys(daemon, job)) == poison


@pytest.mark.engines("postgresql", because="InnoDB has no deferred constraints")
def test_a_constraint_that_is_looked_at_when_the_batch_is_committed(database, daemon):
    database.execute("CREATE TABLE parents (id integer PRIMARY KEY)")
    database.execute("INSERT INTO parents SELECT generate_series(0, 50)")
    database.execute("CREATE TABLE counted (id bigint PRIMARY KEY, n integer NOT NULL REFERENCES parents DEFERRABLE INITIALLY DEFERRED)")
    database.number_rows("INSERT INTO counted (id, n) SELECT i, 0 FROM numbers", 200)
    set_poison(database, [1, 99, 100], 50)  # there is no parent 51
    job = daemon.submit(job_document(database, 3, undo="journal"))
    done = daemon.wait(job, "completed")
    assert keys(daemon, job) == [1, 99, 100] and done["progress"]["rows_changed"] == 197
    assert {row["sqlstate"] for row in listed(daemon, job)} == {"23503"}
    assert dict(database.rows("SELECT n, count(*) FROM counted GROUP BY n")) == {1: 197, 50: 3}


def test_a_row_over_which_the_predicate_stumbles(database, daemon, engine):
    """Whether such a row was to be changed nobody knows: it is one of those that are listed."""
    database.execute("CREATE TABLE counted (id bigint PRIMARY KEY, n integer NOT NULL, d integer NOT NULL)")
    database.number_rows("INSERT INTO counted (id, n, d) SELECT i, 0, 2 FROM numbers", 200)
    database.execute("UPDATE counted SET d = 0 WHERE id IN (50, 51, 200)")
    database.analyze("counted")
    where = "10 / d > 1" if engine == "postgresql" else "10 DIV d > 1"
    job = daemon.submit(job_document(database, "5%", where=where))
    done = daemon.wait(job, "completed")
    assert keys(daemon, job) == [50, 51, 200] and {row["sqlstate"] for row in listed(daemon, job)} == {"22012"}
    assert done["progress"]["rows_changed"] == 197
    assert database.value("SELECT count(*) FROM counted WHERE n = 1") == 197


@pytest.mark.engines("mariadb", "mysql", because="on PostgreSQL such a predicate is an error, and errors look the same in each form of a batch")
def test_a_predicate_that_makes_the_server_warn_while_others_hold_a_row(database, daemon):
    """The batch is done in its sifted form, whose list of rows is no less whole for a warning about one of them."""
    database.execute("CREATE TABLE counted (id bigint PRIMARY KEY, n integer NOT NULL, word varchar(5) NOT NULL)")
    database.number_rows("INSERT INTO counted (id, n, word) SELECT i, 0, '7' FROM numbers", 100)
    database.execute("UPDATE counted SET word = 'x' WHERE id IN (31, 100)")
    database.analyze("counted")
    with database.person("holder", autocommit=False) as holder:
        holder.execute("SELECT 1 FROM counted WHERE id IN (5, 33) FOR UPDATE")
        job = daemon.submit(job_document(database, 2, where="CAST(word AS SIGNED) = 7"))
        until(lambda: daemon.job(job)["progress"]["rows_bad"] == 2, 20, lambda _: f"{daemon.job(job)['reason']}\n{daemon.log_tail()}")
    done = daemon.wait(job, "completed")
    assert keys(daemon, job) == [31, 100] and done["progress"]["rows_changed"] == 98


@pytest.mark.engines("mariadb", "mysql", because="on PostgreSQL such a predicate is an error, as of any other row")
@pytest.mark.parametrize("undo", ["none", "journal"])
def test_a_cluster_over_which_the_predicate_makes_the_server_warn(undo, database, daemon):
    database.execute("CREATE TABLE counted (id bigint PRIMARY KEY, n integer NOT NULL, word varchar(5) NOT NULL)")
    database.number_rows("INSERT INTO counted (id, n, word) SELECT i, 0, '7' FROM numbers", 300)
    database.execute("UPDATE counted SET word = 'x' WHERE id BETWEEN 100 AND 199 AND id MOD 7 > 1")
    database.analyze("counted")
    job = daemon.submit(job_document(database, 80, 300, where="CAST(word AS SIGNED) = 7", undo=undo))
    done = daemon.wait(job, "completed")
    bad = [number for number in range(100, 200) if number % 7 > 1]
    assert keys(daemon, job) == bad and done["progress"]["rows_changed"] == 300 - len(bad)
    assert database.rows("SELECT n, COUNT(*), MAX(word) FROM counted GROUP BY n ORDER BY n") == [(0, len(bad), "x"), (1, 300 - len(bad), "7")]


@pytest.mark.parametrize("key", ["id", "a, id"])
def test_a_cluster_in_which_others_hold_rows(key, database, daemon, engine):
    """Those are set aside, found to be bad or changed when their turn comes; nobody is waited for."""
    division = "/" if engine == "postgresql" else "DIV"
    database.execute(f"CREATE TABLE counted (a integer NOT NULL, id bigint NOT NULL, n integer NOT NULL, CHECK (n < 1000), PRIMARY KEY ({key}))")
    database.number_rows(f"INSERT INTO counted SELECT i {division} 45, i, 0 FROM numbers", ROWS)
    bad, held = list(range(100, 240)), [150, 151, 190, 245]
    set_poison(database, bad, 999)
    database.analyze("counted")
    with database.person("holder", autocommit=False) as holder:
        for row in held:  # by the key, or InnoDB keeps what it looks through, too
            holder.execute(f"SELECT 1 FROM counted WHERE a = {row // 45} AND id = {row} FOR UPDATE")
        job = daemon.submit(job_document(database, len(bad), 300))

        def around():
            progress = daemon.job(job)["progress"]
            return progress["rows_bad"] == len(bad) - 3 and progress["rows_set_aside"] == len(held)
        until(around, 30, lambda _: f"{daemon.job(job)}\n{daemon.log_tail()}")
    daemon.wait(job, "completed")
    assert sorted(int(row["key"][-1]) for row in listed(daemon, job)) == bad
    check(database, bad)


@pytest.mark.engines("mariadb", "mysql", because="PostgreSQL goes on behind a statement that failed, whatever the reason")
@pytest.mark.parametrize("more", [{}, {"undo": "journal"}, {"undo": "journal", "where": "rand() < 2"}], ids=["plain", "journal", "unsteady"])
def test_a_cluster_with_many_reasons(more, database, daemon, engine):
    """What is refused with a word of its own, with a number that has no SQLSTATE of its own, with a warning; and good rows between."""
    make_table(database, [], 300)
    trigger(database, "many", "IF NEW.id >= 100 AND NEW.id < 200 THEN CASE NEW.id MOD 7 "
                              "WHEN 1 THEN SIGNAL SQLSTATE '45000' {set} MESSAGE_TEXT {to} 'one''s own'; "
                              "WHEN 2 THEN SIGNAL SQLSTATE '77123' {set} MESSAGE_TEXT {to} 'another'; "
                              "WHEN 3 THEN {set} NEW.n {to} NULL; WHEN 4 THEN {set} NEW.n {to} 1000; "
                              "WHEN 5 THEN {set} NEW.n {to} 1 << 40; ELSE {set} NEW.n {to} NEW.n; END CASE; END IF;", "counted")
    states = {1: "45000", 2: "77123", 3: "23000", 4: STATES[engine], 5: "22003"}
    job = daemon.submit(job_document(database, 90, 300, **{"undo": "none", **more}))
    done = daemon.wait(job, "completed")
    assert [(int(row["key"][0]), row["sqlstate"]) for row in listed(daemon, job)] == [
        (number, states[number % 7]) for number in range(100, 200) if number % 7 in states]
    assert {row["error"] for row in listed(daemon, job) if row["sqlstate"] == "45000"} == {"one's own"}
    assert {key for (key,) in database.rows("SELECT id FROM counted WHERE n = 1")} == {
        number for number in range(1, 301) if not 100 <= number < 200 or number % 7 not in states}
    bad = sum(100 <= number < 200 and number % 7 in states for number in range(300))
    assert database.value("SELECT count(*) FROM counted WHERE n = 0") == bad and done["progress"]["rows_changed"] == 300 - bad


@pytest.mark.engines("mariadb", because="elsewhere each row is a statement of its own, with a time of its own")
def test_a_cluster_whose_rows_take_long(database, daemon):
    """The time that a statement may take is that of one row, also where many go as one."""
    make_table(database, [], 100)
    trigger(database, "slow", "IF NEW.id >= 40 AND NEW.id < 46 THEN IF NEW.id > 41 THEN DO SLEEP(0.25); END IF; "
                              "{set} NEW.n {to} 1000; END IF;", "counted")
    job = daemon.submit(document(database.table("counted"), {"n": "n + 1"}, limits={"bad_rows": 6, "statement_timeout": "600ms"}, pace=pace(60)))
    daemon.wait(job, "completed", seconds=60)
    assert keys(daemon, job) == list(range(40, 46))
    assert database.value("SELECT count(*) FROM counted WHERE n = 1") == 94


def test_values_that_would_be_cut(database, daemon, engine):
    """An error, or a warning, which counts as one."""
    database.execute("CREATE TABLE counted (id bigint PRIMARY KEY, n integer NOT NULL, word varchar(5) NOT NULL)")
    database.number_rows("INSERT INTO counted (id, n, word) SELECT i, 0, 'abc' FROM numbers", 100)
    database.execute("UPDATE counted SET word = 'abcde' WHERE id IN (7, 8)")
    database.analyze("counted")
    job = daemon.submit(document(database.table("counted"), {"word": "concat(word, 'é')"}, limits={"bad_rows": 2}, pace=pace(20)))
    daemon.wait(job, "completed")
    assert keys(daemon, job) == [7, 8] and {row["sqlstate"] for row in listed(daemon, job)} == {"22001"}
    assert database.value("SELECT count(*) FROM counted WHERE word = 'abcé'") == 98


@pytest.mark.engines("mariadb", "mysql", because="PostgreSQL goes on behind a statement that failed; there what is left is sent once")
def test_what_is_sent_of_a_cluster_grows_with_its_rows_alone(own_my_cluster, make_daemon):
    """The server stops at a row that is refused, and what was sent behind it is sent anew: that is one row, not all that are left."""
    poison = list(range(1001, 1601))
    assert sent_of_a_cluster(own_my_cluster, make_daemon, poison, undo="none") < 5000


@pytest.mark.engines("mariadb", because="elsewhere each row is a text of its own")
@pytest.mark.parametrize("own_my_cluster", ["mariadb"], indirect=True)
def test_what_is_sent_of_a_cluster_with_a_journal(own_my_cluster, make_daemon):
    """Good rows between the bad ones stay in the statement in which they are tried together."""
    poison = [row for row in range(1001, 1901) if row % 3]
    assert sent_of_a_cluster(own_my_cluster, make_daemon, poison, undo="journal") < 8000


def sent_of_a_cluster(cluster, make_daemon, poison, **more):
    """Bytes for each bad row."""
    server = cluster.primary
    server.sql("CREATE DATABASE shop")
    database = MyDatabase(cluster, "shop")
    make_table(database, poison, 2000)
    daemon = make_daemon(database, **database.target)

    def received():
        return int(server.sql("SHOW GLOBAL STATUS LIKE 'Bytes_received'")[0][1])
    before = received()
    job = daemon.submit(job_document(database, len(poison), 500, **more))
    daemon.wait(job, "completed")
    sent = (received() - before) / len(poison)
    print(f"{server.flavour}: {sent:.0f} bytes for each bad row")
    assert keys(daemon, job) == poison
    database.close()
    return sent


@pytest.mark.timeout(1800)  # the campaign
def test_ten_million_rows(database, make_daemon, campaign):
    """The first row, the last, neighbours, a whole batch, and some here and there: what they cost beside what the others take,
    in one and the same run."""
    rows, batch = (10_000_000, 5_000) if campaign else (5000, 100)
    whole = list(range(rows // 2 + 1, rows // 2 + 1 + batch))
    clusters = [[1], [rows // 10 + number for number in range(3)], whole, [rows // 4], [rows * 3 // 4, rows * 3 // 4 + 2], [rows]]
    poison = sorted(key for cluster in clusters for key in cluster)
    make_table(database, [], rows // 10)
    for tenth in range(1, 10):  # in the order of the key, or InnoDB fills its pages at random
        database.execute(f"INSERT INTO counted (id, n) SELECT id + {tenth * rows // 10}, n FROM counted WHERE id <= {rows // 10}")
    set_poison(database, poison, 999)
    database.analyze("counted")
    daemon = make_daemon(database)
    job = daemon.submit(job_document(database, len(poison), batch))
    done = daemon.wait(job, "completed", seconds=1500, every=0.1)
    check(database, poison, rows)
    assert done["progress"]["rows_bad"] == len(poison)
    failed, seconds = failed_batches(daemon, job), done["progress"]["seconds"]
    # what the batches took that were taken back counts as their cost, and also what the tries of good rows took
    cost = seconds["batching/bad_rows"] + failed * seconds["batching"] * batch / rows
    share = cost / (seconds["batching"] + sum(took for doing, took in seconds.items() if doing.startswith("sleeping")))
    print(f"\n{database.engine}: {rows} rows, {len(poison)} bad in {len(clusters)} clusters: {failed} failed batches, "
          f"{share:.2%} over the time of the others ({seconds['batching']:.1f} s)")
    assert failed <= 1.5 * len(clusters)
    assert keys(daemon, job) == poison
    assert share < 0.05 or not campaign, "of a smaller table such a batch is a larger part"
