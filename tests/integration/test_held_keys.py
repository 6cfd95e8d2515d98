"""P6: rows that others hold are set aside and done once, whatever the key is and wherever they stand in a batch."""
import random

import pytest

from lab.daemon import document, pace
from lab.engines import ENGINES
from lab.wait import until

everywhere = pytest.mark.engines(*ENGINES)


def job_document(database, rows, **more):
    return document(database.table("counted"), {"n": "n + 1"}, pace=pace(rows), **more)


def expect_once(database, times=1):
    assert database.value("SELECT count(*) FROM counted WHERE n <> %s", (times,)) == 0
    assert database.value("SELECT count(*) FROM backfilld.aside") == 0


KEYS = {
    "postgresql": {
        "text": ("k text COLLATE \"C\" PRIMARY KEY", "'k ''\"{' || lpad(i::text, 3, '0')"),
        "uuid": ("k uuid PRIMARY KEY", "md5(i::text)::uuid"),
        "bytea": ("k bytea PRIMARY KEY", "decode(md5(i::text) || '0000', 'hex')"),
        "timestamptz": ("k timestamptz PRIMARY KEY", "timestamptz '2020-01-01' + i * interval '1.000001 s'"),
        "numeric": ("k numeric PRIMARY KEY", "i / 7.0"),
        "char": ("k character(5) PRIMARY KEY", "lpad(i::text, 3, '0')"),
        "two columns": ("a integer, k text, PRIMARY KEY (a, k)", "i % 3, 'x' || i"),
        "a column that is called key": ("key bigint PRIMARY KEY", "i"),
    },
    "innodb": {
        "varchar": ("k VARCHAR(60) COLLATE utf8mb4_bin PRIMARY KEY", "CONCAT('k ''\"{\\\\é', LPAD(i, 3, '0'))"),
        "upper and lower": ("k VARCHAR(60) COLLATE utf8mb4_bin PRIMARY KEY", "CONCAT(IF(i % 2, 'a', 'A'), i DIV 2)"),
        "latin1": ("k VARCHAR(60) CHARACTER SET latin1 PRIMARY KEY", "CONCAT('é', i)"),
        "binary": ("k BINARY(18) PRIMARY KEY", "UNHEX(CONCAT(LEFT(SHA2(i, 256), 32), '0000'))"),
        "datetime": ("k DATETIME(6) PRIMARY KEY", "TIMESTAMP'2020-01-01 00:00:00' + INTERVAL i * 1000001 MICROSECOND"),
        "decimal": ("k DECIMAL(20, 9) PRIMARY KEY", "-i / 7.0"),
        "unsigned": ("k BIGINT UNSIGNED PRIMARY KEY", "18446744073709551615 - i + 1"),
        "signed": ("k BIGINT PRIMARY KEY", "i - 2 - 9223372036854775807"),
        "around zero": ("k SMALLINT PRIMARY KEY", "i - 50"),
        "digits before it": ("k INTEGER ZEROFILL PRIMARY KEY", "i"),
        "numbers with gaps": ("k BIGINT PRIMARY KEY", "i + i DIV 7"),
        "every third number": ("k BIGINT PRIMARY KEY", "3 * i"),
        "two numbers": ("a INTEGER, k MEDIUMINT, PRIMARY KEY (a, k)", "i % 3, i DIV 3"),
        "a name that is like a list": ("`7~9,#;'\\1` BIGINT PRIMARY KEY", "i"),
        "two columns": ("a INTEGER, k VARCHAR(20), PRIMARY KEY (a, k)", "i % 3, CONCAT('x', i)"),
        "a column that is called key": ("`key` BIGINT PRIMARY KEY", "i"),
    },
}


def keys_are_set_aside(kind, family, database, daemon):
    columns, value = KEYS[family][kind]
    names = "a, k" if kind.startswith("two ") else columns.split(" ")[0]
    database.execute(f"CREATE TABLE counted (n integer NOT NULL DEFAULT 0, {columns}, seq integer, "
                     "job varchar(10) DEFAULT 'x')")
    database.number_rows(f"INSERT INTO counted ({names}, seq) SELECT {value}, i FROM numbers", 100)
    held = ", ".join(str(number) for number in range(10, 101, 10))
    with database.person("report", autocommit=False) as report:
        if family == "innodb":
            report.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        report.execute(f"SELECT 1 FROM counted WHERE seq IN ({held}) FOR UPDATE")
        job = daemon.submit(job_document(database, 15, where="seq > 0 AND job = 'x'"))
        until(lambda: daemon.job(job)["progress"]["rows_changed"] == 90, 20,
              lambda _: f"all but the held ones are done: {daemon.job(job)}\n{daemon.log_tail()}")
        until(lambda: daemon.job(job)["progress"]["rows_set_aside"] == 10, 20, "they are shown")
        report.execute("DELETE FROM counted WHERE seq = 10")  # what is gone is no work any more
        report.commit()
        done = daemon.wait(job, "completed", seconds=20)
    assert done["progress"]["rows_changed"] == 99
    expect_once(database)


@pytest.mark.parametrize("kind", KEYS["postgresql"])
def test_keys_of_every_kind_are_set_aside_and_done(kind, database, daemon):
    keys_are_set_aside(kind, "postgresql", database, daemon)


@pytest.mark.engines("mariadb", "mysql", because="the types of keys are others; the test for PostgreSQL stands beside it")
@pytest.mark.parametrize("kind", KEYS["innodb"])
def test_keys_of_every_kind_on_innodb(kind, database, daemon):
    keys_are_set_aside(kind, "innodb", database, daemon)


@everywhere
@pytest.mark.parametrize("undo", ["none", "journal"])
@pytest.mark.parametrize("key", ["i", "i + i DIV 9", "2 * i"])
def test_what_is_between_held_rows_is_done_once(undo, key, database, daemon):
    """Rows that are held one by one, in pairs, in runs, nearly all; those of one range, and of one that holds none."""
    database.execute("CREATE TABLE counted (id bigint PRIMARY KEY, n integer NOT NULL DEFAULT 0, other integer NOT NULL DEFAULT 0)")
    made, index = (key.replace("DIV", "/"), "") if database.engine == "postgresql" else (key, "FORCE INDEX (PRIMARY)")
    database.number_rows(f"INSERT INTO counted (id, other) SELECT {made}, i FROM numbers", 3000)
    chance = random.Random(11)
    shares = [0.01, 0, 0.1, 0.5, 0.98, 0.03]
    held = {number for number in range(1, 3001) if chance.random() < shares[number // 100 % len(shares)]} | {1, 3000}
    other = {number for number in range(1, 3001) if number % 50 == 0}  # what does not match
    with database.person("report", autocommit=False) as report, database.person("shop", autocommit=False) as shop:
        for person, numbers in (report, held), (shop, other - held):
            ids = ", ".join(str(eval(key.replace("DIV", "//"), {"i": number})) for number in sorted(numbers))
            if database.engine != "postgresql":
                person.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            person.execute(f"SELECT 1 FROM counted {index} WHERE id IN ({ids}) FOR UPDATE")
        job = daemon.submit(job_document(database, 250, undo=undo, where="other % 50 <> 0"))
        free = 3000 - len(held | other)
        until(lambda: daemon.job(job)["progress"]["rows_set_aside"] == len(held - other), 20,
              lambda _: f"the held ones are set aside: {daemon.job(job)}\n{daemon.log_tail()}")
        assert daemon.job(job)["progress"]["rows_changed"] == free == database.value("SELECT sum(n) FROM counted")
        report.rollback()
        done = daemon.wait(job, "completed", seconds=20)
        shop.rollback()
    assert done["progress"]["rows_changed"] == 3000 - len(other)
    assert database.value("SELECT count(*) FROM counted WHERE n <> CASE WHEN other % 50 = 0 THEN 0 ELSE 1 END") == 0
    if undo == "journal":
        daemon.order(job, "rollback", {"reason": "a test"})
        back = daemon.wait(job, "rolled_back", seconds=60)
        assert back["rollback"]["rows_restored"] == back["rollback"]["rows"] == 3000 - len(other)
        expect_once(database, times=0)


def done_beside(held, free, of, database, daemon, **job):
    """Some rows are held until all others, as many as `free`, are done; gives what was shown then, and the job."""
    with database.person("report", autocommit=False) as report:
        if database.engine != "postgresql":
            report.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        index = "" if database.engine == "postgresql" else "FORCE INDEX (PRIMARY)"
        report.execute(f"SELECT 1 FROM counted {index} WHERE k IN ({', '.join(map(str, held))}) FOR UPDATE")
        submitted = daemon.submit(job_document(database, of, **job))
        until(lambda: daemon.job(submitted)["progress"]["rows_changed"] == free, 20,
              lambda _: f"{free} rows are done: {daemon.job(submitted)}\n{daemon.log_tail()}")
        beside = daemon.job(submitted)["progress"]
        report.rollback()
        done = daemon.wait(submitted, "completed", seconds=20)
    assert done["progress"]["rows_changed"] == free + len(held)
    expect_once(database)
    return beside, done


@pytest.mark.engines("mariadb", "mysql", because="PostgreSQL has no unsigned numbers")
def test_unsigned_keys_around_the_middle(database, daemon):
    """Some do not fit into a signed number. What a session keeps of one batch is of another type in the next."""
    middle = 2**63
    keys = [*range(1, 41), *(middle + number for number in range(-20, 80) if number % 15)]
    database.execute("CREATE TABLE counted (k bigint unsigned PRIMARY KEY, n integer NOT NULL DEFAULT 0)")
    database.execute(f"INSERT INTO counted (k) VALUES {', '.join(f'({key})' for key in keys)}")
    beside, _ = done_beside([3, middle + 41, middle + 43], len(keys) - 3, 40, database, daemon)
    assert beside["rows_set_aside"] == 3


@pytest.mark.engines("mariadb", "mysql", because="elsewhere no index has an order of its own that a key follows")
def test_a_key_that_falls(database, daemon):
    database.execute("CREATE TABLE counted (k bigint, n integer NOT NULL DEFAULT 0, PRIMARY KEY (k DESC))")
    database.number_rows("INSERT INTO counted (k) SELECT IF(i = 400, 9223372036854775807, i) FROM numbers", 400)
    beside, _ = done_beside([7, 50, 51, 390], 396, 100, database, daemon)
    assert beside["rows_set_aside"] == 4 and beside["batches"] <= 8


@everywhere
def test_what_is_set_aside_across_the_parts_of_a_range_comes_back(database, daemon):
    """A batch that begins among keys of one leading value and ends among those of another."""
    database.execute("CREATE TABLE counted (a integer, k integer, n integer NOT NULL DEFAULT 0, PRIMARY KEY (a, k))")
    database.number_rows("INSERT INTO counted (a, k) SELECT i / 61, i FROM numbers", 600)
    _, job = done_beside([7, 50, 140, 141, 390, 600], 594, 100, database, daemon, undo="journal")
    daemon.order(job, "rollback", {"reason": "a test"})
    back = daemon.wait(job, "rolled_back", seconds=60)
    assert back["rollback"]["rows_restored"] == back["rollback"]["rows"] == 600
    expect_once(database, times=0)


def with_setting(setting, value, key, database, make_daemon):
    database.execute("CREATE TABLE counted (k bigint PRIMARY KEY, n integer NOT NULL DEFAULT 0)")
    database.number_rows(f"INSERT INTO counted (k) SELECT {key} FROM numbers", 400)
    before = database.value(f"SELECT @@global.{setting}")
    database.execute(f"SET GLOBAL {setting} = '{before},{value}'" if before else f"SET GLOBAL {setting} = '{value}'")
    try:
        held = [number * (3 if key == "3 * i" else 1) for number in (7, 50, 51, 390)]
        done_beside(held, 396, 100, database, make_daemon(database))
    finally:
        database.execute(f"SET GLOBAL {setting} = '{before}'")


@pytest.mark.engines("mariadb", "mysql", because="PostgreSQL has no such setting")
@pytest.mark.parametrize("key", ["3 * i", "i"])
def test_a_server_that_reads_not_in_another_way(key, database, make_daemon):
    with_setting("sql_mode", "HIGH_NOT_PRECEDENCE", key, database, make_daemon)


@pytest.mark.engines("mariadb", because="the others have no such setting")
def test_regular_expressions_that_take_as_little_as_they_can(database, make_daemon):
    with_setting("default_regex_flags", "UNGREEDY", "i", database, make_daemon)


@pytest.mark.engines("mariadb", because="elsewhere SKIP LOCKED wishes for nothing that it skips, or waits for nobody")
@pytest.mark.parametrize("key, made", [("k bigint PRIMARY KEY", "i, i"), ("k bigint PRIMARY KEY", "i, 2 * i"),
                                       ("k varchar(10) PRIMARY KEY", "i, concat(i, 'k')"), ("k integer, PRIMARY KEY (a, k)", "i DIV 4, i"),
                                       ("b varchar(10) DEFAULT 'b', k integer, PRIMARY KEY (b, a, k)", "i DIV 4, i")])
@pytest.mark.parametrize("undo", ["none", "journal"])
def test_no_lock_is_wished_for_that_is_not_waited_for(undo, key, made, database, daemon):
    """A wish that is taken back stands for a moment, in which somebody who waits for us may find a deadlock, and be its victim."""
    database.execute(f"CREATE TABLE counted (a integer, n integer NOT NULL DEFAULT 0, {key})")
    database.number_rows(f"INSERT INTO counted (a, k) SELECT {made} FROM numbers", 1000)
    held = [repr(row[0]) for row in database.rows("SELECT k FROM counted") if str(row[0]).strip("k").endswith("18")]
    database.execute("SET GLOBAL innodb_monitor_enable = 'lock_rec_lock_waits', innodb_monitor_enable = 'lock_row_lock_waits'")

    def counters():
        return dict(database.rows("SELECT name, count FROM information_schema.innodb_metrics WHERE name IN "
                                  "('lock_rec_lock_waits', 'lock_row_lock_waits')"))
    before = counters()
    beside, _ = done_beside(held, 1000 - len(held), 100, database, daemon, undo=undo)
    wishes, waits = (counters()[name] - before[name] for name in ("lock_rec_lock_waits", "lock_row_lock_waits"))
    assert beside["rows_set_aside"] == len(held) > 9 and wishes == waits, f"{wishes} wishes, {waits} waits"


@pytest.mark.engines("mariadb", because="elsewhere the rows of a batch are not named beside held ones")
@pytest.mark.parametrize("undo", ["none", "journal"])
@pytest.mark.parametrize("made", ["i DIV 3, i", "7, concat('x', i)"])
def test_more_keys_than_a_server_looks_up_by_default(made, undo, database, daemon):
    """It would look up part of each key, and meet what others hold (optimizer_max_sel_arg_weight)."""
    database.execute(f"CREATE TABLE counted (a integer, k {'varchar(20)' if 'x' in made else 'integer'}, "
                     "n integer NOT NULL DEFAULT 0, PRIMARY KEY (a, k))")
    database.number_rows(f"INSERT INTO counted (a, k) SELECT {made} FROM numbers", 90000)
    held = [repr(f"x{number}") if "x" in made else number for number in (5000, 40000, 89000)]
    beside, _ = done_beside(held, 90000 - 3, 45000, database, daemon, undo=undo)
    assert beside["rows_set_aside"] == 3 and beside["batches"] <= 3
