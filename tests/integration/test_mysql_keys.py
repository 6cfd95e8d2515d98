"""Keys on MariaDB and MySQL: each kind walks every row once, or is refused by name before anything is written."""
import urllib.parse

import pymysql
import pytest

from lab.daemon import document, pace
from lab.mysql_database import MyDatabase, number_rows

COLLATIONS = {"mariadb": "utf8mb4_uca1400_ai_ci", "mysql": "utf8mb4_0900_ai_ci"}

# name: (column's type, expression of the number i of a row, from 1 on)
KEYS = {
    "bigint with gaps and negatives": ("BIGINT", "(i - 100) * 1000000007"),
    "unsigned bigint over 2^63": ("BIGINT UNSIGNED", "18446744073709551615 - 3 * i"),
    "tinyint": ("TINYINT UNSIGNED", "i"),
    "decimal": ("DECIMAL(30,10)", "CAST(i AS DECIMAL(30,10)) * 12345678901.0000000001 - 300"),
    "varchar, case and accent insensitive": ("VARCHAR(40) COLLATE {ci}",
                                             "CONCAT(ELT(1 + i % 4, 'Straße', 'ÉCOLE', 'zebra', '日本'), i)"),
    "varchar that is not utf8": ("VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_german2_ci",
                                 "CONCAT(ELT(1 + i % 3, 'Ärger', 'Apfel', 'ß'), i)"),
    "varchar, binary collation, padded": ("VARCHAR(40) COLLATE utf8mb4_bin", "CONCAT('a', i, '''\\\\\"`?')"),
    "char": ("CHAR(12) COLLATE utf8mb4_general_ci", "CONCAT('k', i)"),
    "binary with trailing zero bytes": ("BINARY(16)", "UNHEX(CONCAT(HEX(i % 7), LPAD(HEX(i), 7, '0'), '0000000000000000'))"),
    "varbinary": ("VARBINARY(20)", "CONCAT(UNHEX('00FF'), CHAR(i), REPEAT(UNHEX('00'), i % 5))"),
    "datetime(6)": ("DATETIME(6)", "TIMESTAMP('2024-02-29 23:59:59.999') + INTERVAL i * 37 MICROSECOND"),
    "zero and early dates": ("DATE", "IF(i = 1, '0000-00-00', DATE('1000-01-01') + INTERVAL i DAY)"),
    "timestamp": ("TIMESTAMP(3)", "TIMESTAMP('2024-10-27 00:00:00') + INTERVAL i * 900 SECOND"),
    "time": ("TIME(6)", "SEC_TO_TIME((i - 100) * 1000.000001)"),
}
UNCUT = {"time"}  # a job on such a key has one slice, whatever it asks for


def run(daemon, table, rows, slices=1, **more):
    job = daemon.submit(document(table, {"n": "n + 1"}, name=f"job-{table.strip('`')[:20]}",
                                 pace={**pace(7), "slices": slices}, **more))
    done = daemon.wait(job, "completed")
    assert done["progress"]["rows_changed"] == rows, done["progress"]
    return done


def count(database, table):
    return dict(database.rows(f"SELECT n, COUNT(*) FROM {table} GROUP BY n"))


@pytest.mark.parametrize("slices", [1, 3])
@pytest.mark.parametrize("kind", KEYS)
def test_every_row_once(kind, slices, my_database, my_cluster, make_daemon):
    type_, expression = KEYS[kind]
    my_database.execute("SET SESSION sql_mode = ''")
    my_database.execute("SET SESSION time_zone = '+00:00'")
    my_database.execute(f"CREATE TABLE t (id {type_.format(ci=COLLATIONS[my_cluster.flavour])} NOT NULL PRIMARY KEY, "
                        "n INTEGER NOT NULL DEFAULT 0)")
    number_rows(my_database, f"INSERT INTO t (id) SELECT {expression} FROM numbers", 200)
    done = run(make_daemon(my_database, **my_database.target), "t", 200, slices)
    assert count(my_database, "t") == {1: 200}
    cut = [one["position"] for one in done["progress"]["positions"]]
    assert len(cut) == 1 if kind in UNCUT or slices == 1 else 2 <= len(cut) <= slices, cut


@pytest.mark.parametrize("rows", [0, 1])
def test_empty_and_one_row(rows, my_database, make_daemon):
    my_database.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, n INTEGER NOT NULL DEFAULT 0)")
    if rows:
        my_database.execute("INSERT INTO t (id) VALUES (-5)")
    run(make_daemon(my_database, **my_database.target), "t", rows)
    assert count(my_database, "t") == ({1: 1} if rows else {})


@pytest.mark.parametrize("slices", [1, 3])
def test_composite_key_and_a_range_of_it(slices, my_database, make_daemon):
    my_database.execute("CREATE TABLE t (a BIGINT, b VARCHAR(20) COLLATE utf8mb4_general_ci, c VARBINARY(8), "
                        "n INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (a, b, c))")
    number_rows(my_database, "INSERT INTO t (a, b, c) SELECT i % 3, CONCAT('K', i % 11), UNHEX(LPAD(HEX(i), 8, '0')) "
                "FROM numbers", 500)
    daemon = make_daemon(my_database, **my_database.target)
    run(daemon, "t", 500, slices)
    assert count(my_database, "t") == {1: 500}
    inside = my_database.value("SELECT COUNT(*) FROM t WHERE (a, b, c) > (0, 'k5', UNHEX('00')) "
                               "AND (a, b, c) <= (2, 'K3', UNHEX('FF'))")
    job = daemon.submit(document("t", {"n": "n + 1"}, name="range", pace=pace(7),
                                 range={"after": ["0", "k5", "00"], "through": ["2", "K3", "FF"]}))
    assert daemon.wait(job, "completed")["progress"]["rows_changed"] == inside
    assert count(my_database, "t") == {1: 500 - inside, 2: inside}


@pytest.mark.parametrize("slices", [1, 3])
def test_an_end_of_the_range_that_the_key_s_type_has_not_is_below_or_above_all(slices, my_database, make_daemon):
    my_database.execute("CREATE TABLE t (a INT UNSIGNED, b TINYINT, n INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (a, b))")
    number_rows(my_database, "INSERT INTO t (a, b) SELECT i, i % 100 FROM numbers", 500)
    daemon = make_daemon(my_database, **my_database.target)
    my_database.execute("CREATE TABLE one (id BIGINT UNSIGNED PRIMARY KEY, n INTEGER NOT NULL DEFAULT 0)")
    number_rows(my_database, "INSERT INTO one (id) SELECT i FROM numbers", 500)
    job = daemon.submit(document("one", {"n": "n + 1"}, pace={**pace(50), "slices": slices}, range={"after": ["-5"]}))
    assert daemon.wait(job, "completed")["progress"]["rows_changed"] == 500
    for name, given, inside in [("low", {"after": ["-5", "0"]}, 500), ("high", {"after": ["99", "-300"], "through": ["400", "300"]}, 302),
                                ("above", {"through": ["4294967296", "-129"]}, 500), ("below", {"after": ["-2", "0"], "through": ["-1", "0"]}, 0)]:
        job = daemon.submit(document("t", {"n": "n + 1"}, name=name, pace={**pace(50), "slices": slices}, range=given))
        assert daemon.wait(job, "completed")["progress"]["rows_changed"] == inside, name


def test_names_that_need_quotes(my_database, my_cluster, make_daemon):
    my_database.execute("CREATE TABLE `select ``Größe?` (`order` BIGINT, `ключ ?` BIGINT, `group` INTEGER NOT NULL DEFAULT 0, "
                        "UNIQUE KEY `unique ``?` (`ключ ?`, `order`), PRIMARY KEY (`order`), "
                        "CONSTRAINT x CHECK (`ключ ?` > 0)) ")
    my_database.execute("ALTER TABLE `select ``Größe?` MODIFY `ключ ?` BIGINT NOT NULL")
    number_rows(my_database, "INSERT INTO `select ``Größe?` (`order`, `ключ ?`) SELECT i, 1 + i % 5 FROM numbers", 100)
    daemon = make_daemon(my_database, **my_database.target)
    job = daemon.submit(document(f"`{my_database.name}`.`select ``Größe?`", {"group": "`group` + 1"}, key=["ключ ?", "order"],
                                 where="'?' = '?' AND `ключ ?` <> 3", pace=pace(7)))
    assert daemon.wait(job, "completed")["progress"]["rows_changed"] == 80
    assert dict(my_database.rows("SELECT `group`, COUNT(*) FROM `select ``Größe?` GROUP BY 1")) == {0: 20, 1: 80}


def test_ansi_quotes_and_zero_dates_survive(own_my_cluster, make_daemon):
    own_my_cluster.primary.sql("SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_BACKSLASH_ESCAPES'",
                               "CREATE DATABASE shop", "CREATE TABLE shop.t (id BIGINT PRIMARY KEY, d DATE NOT NULL, "
                               "e DATE, s VARCHAR(9))")
    own_my_cluster.primary.sql("SET SESSION sql_mode = ''", "INSERT INTO shop.t VALUES (1, '0000-00-00', NULL, '\\\\')")
    daemon = make_daemon(own_my_cluster.primary.url("shop"), password_file=own_my_cluster.password_file)
    job = daemon.submit(document("t", {"e": '"d"', "s": "CONCAT(s, '?')"}))
    daemon.wait(job, "completed")
    assert own_my_cluster.primary.sql("SELECT CAST(e AS CHAR), s FROM shop.t") == [("0000-00-00", "\\?")] or \
        own_my_cluster.primary.sql("SELECT CAST(e AS CHAR), s FROM shop.t") == (("0000-00-00", "\\?"),)


REFUSED = {
    "float": ("id FLOAT PRIMARY KEY", "", "floating point"),
    "double": ("id DOUBLE PRIMARY KEY", "", "floating point"),
    "enum": ("id ENUM('a', 'b') PRIMARY KEY", "", "ENUM or SET"),
    "no key": ("id BIGINT NOT NULL", "", "no primary key"),
    "nullable": ("id BIGINT, UNIQUE KEY u (id)", "", "may be NULL"),
    "prefix": ("id VARCHAR(300) NOT NULL, UNIQUE KEY u (id(10))", "", "beginning of a column"),
    "MyISAM": ("id BIGINT PRIMARY KEY", "ENGINE = MyISAM", "engine MyISAM"),
    "MEMORY": ("id BIGINT PRIMARY KEY", "ENGINE = MEMORY", "engine MEMORY"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_by_name(kind, my_database, make_daemon):
    columns, options, words = REFUSED[kind]
    my_database.execute(f"CREATE TABLE t ({columns}, n INTEGER NOT NULL DEFAULT 0) {options}")
    daemon = make_daemon(my_database, **my_database.target)
    key = {"key": ["id"]} if "UNIQUE" in columns else {}
    answer = daemon.post("/v1/jobs", document("t", {"n": "1"}, **key))
    assert answer.status == 422 and words in answer.text, answer.text
    assert not my_database.rows("SHOW DATABASES LIKE 'backfilld'"), "something was written before the refusal"


def test_refused_views_generated_columns_and_texts(my_database, make_daemon):
    my_database.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, n INTEGER NOT NULL DEFAULT 0, g INTEGER AS (n + 1))")
    my_database.execute("CREATE VIEW v AS SELECT * FROM t")
    daemon = make_daemon(my_database, **my_database.target)
    for job, words in ((document("v", {"n": "1"}), "is a view"), (document("t", {"g": "1"}), "is generated"),
                       (document("t", {"id": "1"}), "part of the key"), (document("t", {"x": "1"}), "no column x"),
                       (document("T2", {"n": "1"}), "no table T2"), (document("t", {"n": "nope + 1"}), "nope"),
                       (document("t", {"n": "1"}, where="nope(1)"), "nope"), (document("t", {"n": "COUNT(*)"}), "/set/n"),
                       (document("t", {"n": "1"}, where="1=1) OR (1=1"), "parenthesis"),
                       (document("t", {"n": "1"}, where="1=1 -- "), "comment"),
                       (document("t", {"n": "1 /*! , g = 2 */"}), "comment"),
                       (document("t", {"n": "1"}, range={"after": ["12abc"]}), "/range/after/0"),
                       (document("t", {"n": "1"}, range={"after": ["9"], "through": ["3"]}), "range is empty"),
                       (document("t; DROP TABLE t", {"n": "1"}), "not the name of a table")):
        answer = daemon.post("/v1/jobs", job)
        assert answer.status == 422 and words in answer.text, f"{job}: {answer.text}"


def test_every_engine_but_innodb_is_refused_by_its_name(my_database, make_daemon):
    """Whatever this server has, with or without a key."""
    daemon = make_daemon(my_database, **my_database.target)
    seen = []
    for engine, in my_database.rows("SELECT ENGINE FROM information_schema.ENGINES WHERE SUPPORT IN ('YES', 'DEFAULT') "
                                    "AND ENGINE NOT IN ('InnoDB', 'PERFORMANCE_SCHEMA', 'SEQUENCE')"):
        for key in (" PRIMARY KEY", ""):
            try:
                my_database.execute(f"CREATE TABLE t_{engine} (id BIGINT NOT NULL{key}, n INTEGER NOT NULL) ENGINE = {engine}")
                break
            except pymysql.err.Error:
                continue
        answer = daemon.post("/v1/jobs", document(f"t_{engine}", {"n": "1"}))
        assert answer.status == 422 and f"engine {engine}" in answer.text, answer.text
        seen.append(engine.lower())
    assert {"myisam", "memory"} <= set(seen) and ("aria" in seen) == (my_database.cluster.flavour == "mariadb"), seen
    assert not my_database.rows("SHOW DATABASES LIKE 'backfilld'"), "something was written before the refusal"


# Debian's MariaDB comes without the engine
@pytest.mark.parametrize("own_my_cluster", ["mysql"], indirect=True)
def test_a_federated_table_is_refused_by_name(own_my_cluster, make_daemon):
    """Also while the server behind it does not answer."""
    server = own_my_cluster.primary
    server.configure(federated="ON")
    server.restart()
    server.sql("CREATE DATABASE shop", "CREATE TABLE shop.far (id BIGINT PRIMARY KEY, n INTEGER NOT NULL) ENGINE = FEDERATED "
               "CONNECTION = 'mysql://nobody@127.0.0.1:1/none/far'")
    daemon = make_daemon(server.url("shop"), password_file=own_my_cluster.password_file)
    answer = daemon.post("/v1/jobs", document("far", {"n": "1"}))
    assert answer.status == 422 and "engine FEDERATED" in answer.text, answer.text
    assert not server.sql("SHOW DATABASES LIKE 'backfilld'"), "something was written before the refusal"


@pytest.mark.parametrize("my_cluster", ["mariadb"], indirect=True)
def test_what_mariadb_alone_has_is_refused(my_database, make_daemon):
    daemon = make_daemon(my_database, **my_database.target)
    my_database.execute("CREATE SEQUENCE counter")
    my_database.execute("CREATE TABLE versions (id BIGINT PRIMARY KEY, n INTEGER NOT NULL) WITH SYSTEM VERSIONING")
    for table, words in (("counter", "SEQUENCE"), ("versions", "SYSTEM VERSIONED")):
        answer = daemon.post("/v1/jobs", document(table, {"n": "1"}))
        assert answer.status == 422 and words in answer.text, answer.text


def test_a_database_whose_name_needs_quotes(my_cluster, make_daemon):
    server = my_cluster.primary
    server.sql("DROP DATABASE IF EXISTS backfilld", "CREATE DATABASE `bücher-1 select`",
               "CREATE TABLE `bücher-1 select`.`κλειδί` (`key` BIGINT PRIMARY KEY, `ünïcode 日本` INTEGER NOT NULL DEFAULT 0)",
               "INSERT INTO `bücher-1 select`.`κλειδί` (`key`) VALUES (1), (2), (3)")
    try:
        daemon = make_daemon(server.url(urllib.parse.quote("bücher-1 select")), password_file=my_cluster.password_file)
        job = document("κλειδί", {"ünïcode 日本": "`ünïcode 日本` + `key`"}, pace=pace(2))
        daemon.wait(daemon.submit(job), "completed")
        assert [n for n, in server.sql("SELECT `ünïcode 日本` FROM `bücher-1 select`.`κλειδί` ORDER BY `key`")] == [1, 2, 3]
        # names have no characters beyond the basic plane on these servers, so nothing can have this one
        answer = daemon.post("/v1/jobs", document("κλειδί", {"😀": "1"}))
        assert answer.status == 422 and "no column 😀" in answer.json["errors"][0]["detail"], answer.text
    finally:
        server.sql("DROP DATABASE `bücher-1 select`")


def rows_read(server) -> int:
    """Rows that were read of shop.t, whoever read them: nobody but the daemon does."""
    if server.flavour == "mariadb":
        counted = server.sql("SELECT ROWS_READ FROM information_schema.TABLE_STATISTICS "
                             "WHERE TABLE_SCHEMA = 'shop' AND TABLE_NAME = 't'")
    else:
        counted = server.sql("SELECT SUM(COUNT_FETCH) FROM performance_schema.table_io_waits_summary_by_index_usage "
                             "WHERE OBJECT_SCHEMA = 'shop' AND OBJECT_NAME = 't'")
    return int(counted[0][0]) if counted and counted[0][0] is not None else 0


@pytest.fixture
def dominated(own_my_cluster):
    """A table of five million rows, 98 of 100 with the same first key column."""
    server, rows = own_my_cluster.primary, 5_000_000
    server.sql("CREATE DATABASE shop", "CREATE TABLE shop.t (a INTEGER, b BIGINT, n INTEGER NOT NULL DEFAULT 0, "
               "PRIMARY KEY (a, b))")
    database = MyDatabase(own_my_cluster, "shop")
    # in the order of the key, or the table is filled at random
    numbers = f"(SELECT seq AS i FROM seq_1_to_{rows}) numbers" if own_my_cluster.flavour == "mariadb" else \
        f"(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i FROM n) numbers"
    if own_my_cluster.flavour == "mysql":
        database.execute(f"SET SESSION cte_max_recursion_depth = {rows}")
    if own_my_cluster.flavour == "mariadb":
        server.sql("SET GLOBAL userstat = 1")
    database.execute(f"INSERT INTO t (a, b) SELECT IF(i < {rows} * 0.98, 7, 8 + i % 100), i FROM {numbers}")
    yield database
    database.close()


def rows_locked(server) -> int:
    """MySQL: rows that the statements examined which lock a batch before it is written (P6); MariaDB has none."""
    if server.flavour == "mariadb":
        return 0
    return int(server.sql("SELECT COALESCE(SUM(SUM_ROWS_EXAMINED), 0) FROM performance_schema.events_statements_summary_by_digest "
                          "WHERE DIGEST_TEXT LIKE '% FOR UPDATE NOWAIT%'")[0][0])


def test_composite_key_with_a_dominating_leading_value(dominated, make_daemon):
    """Boundary and update of one batch together read no more than twice the batch, at the start, in the middle and at the
    end, and locking it reads it once: what a job of 40 batches reads more than one of 20, so without what each job reads
    once."""
    server, batch = dominated.server, 1000
    daemon = make_daemon(dominated, **dominated.target)
    after = {"start": None, "middle": ["7", "2450000"], "end": ["7", "4850000"], "behind it": ["95", "4950000"]}

    def reads(name, where, batches):
        condition = f"WHERE (a = {where[0]} AND b > {where[1]}) OR a > {where[0]}" if where else ""
        through = server.sql(f"SELECT a, b FROM shop.t {condition} ORDER BY a, b LIMIT {batches * batch - 1}, 1")[0]
        given = {"through": [str(value) for value in through], **({"after": where} if where else {})}
        before, locked = rows_read(server), rows_locked(server)
        job = document("t", {"n": "n + 1"}, name=name.replace(" ", "-"), range=given, pace=pace(batch))
        done = daemon.wait(daemon.submit(job), "completed")
        assert done["progress"]["rows_changed"] == batches * batch and done["progress"]["batches"] == batches, done["progress"]
        return rows_read(server) - before, rows_locked(server) - locked
    for place, where in after.items():
        # behind it each value has 1000 rows, so that every batch comes from two of them; the plan tries three
        few, many = (4, 8) if place == "behind it" else (20, 40)
        more = [long - short for long, short in zip(reads(f"{place}-many", where, many), reads(f"{place}-few", where, few))]
        locking = more[1] / (many - few)
        writing = more[0] / (many - few) - locking
        print(f"{place}: {writing:.0f} rows read for a batch of {batch}, and {locking:.0f} to lock it")
        # behind it MariaDB reads the rest of the first value three times: to see that it is not enough, for the legs, for the update
        most = 3 if place == "behind it" and server.flavour == "mariadb" else 2
        assert writing <= most * batch + 10, f"{place}: {writing:.0f} rows read for a batch of {batch}"
        assert locking <= batch + 5, f"{place}: {locking:.0f} rows read to lock a batch of {batch}"
