"""Keys of every kind, walked in the server's own order; what cannot be walked is refused before anything is written."""
import pytest

from lab import explain
from lab.daemon import document, pace
from lab.wait import until

# kind: (definition of the key columns, rows as a SELECT of them, collations and the like made first)
TEXTS = ("(ARRAY['a', 'A', 'ä', 'Ä', 'z', 'Z', 'ß', 'ss', 'é', 'E', '', ' ', '''', '\"', '\\', E'\\t', '日本', '😀'])"
         "[1 + g % 18] || CASE WHEN g < 18 THEN '' ELSE (g / 18)::text END")
KINDS = {
    "bigint with gaps of 10^9 and negatives": ("k bigint", "(g - 100)::bigint * 1000000000"),
    "bigint at both ends": ("k bigint", "CASE WHEN g < 100 THEN -9223372036854775808 + g ELSE 9223372036854775807 - g END"),
    "smallint": ("k smallint", "g - 100"),
    "bigint, text": ("k1 bigint, k2 text", f"g % 3, {TEXTS}"),
    "bigint, bigint with one dominating value": ("k1 bigint, k2 bigint", "CASE WHEN g % 20 = 0 THEN g % 7 ELSE 5 END, g"),
    "three columns": ("k1 integer, k2 text, k3 date", "g % 2, 'v' || g % 5, date '2024-02-25' + g"),
    "uuid": ("k uuid", "md5(g::text)::uuid"),
    "uuid with trailing zeros": ("k uuid", "(lpad(to_hex(g), 8, '0') || '-0000-0000-0000-000000000000')::uuid"),
    "text in C": ("k text COLLATE \"C\"", TEXTS),
    "text in German order": ("k text COLLATE \"de-x-icu\"", TEXTS),
    "text in the database's order": ("k text", TEXTS),
    "text under a collation of one's own": ("k text COLLATE upper_first", TEXTS),
    "varchar": ("k varchar(40) COLLATE \"en-x-icu\"", TEXTS),
    "char": ("k char(12)", "'c' || g"),
    "numeric": ("k numeric", "(g - 100) * 1.5 + 0.000000000000000000001 * g"),
    "numeric of many digits": ("k numeric", "(g - 100) * 123456789012345678901234567890.5"),
    "timestamptz": ("k timestamptz", "CASE g WHEN 1 THEN '-infinity' WHEN 2 THEN 'infinity' WHEN 3 THEN '0044-03-15 12:00 BC' "
                    "ELSE timestamptz '2024-03-31 00:00+00' + g * interval '7 minutes 0.000001 s' END"),
    "bytea with trailing zero bytes": ("k bytea", "decode(repeat('00', g % 5), 'hex') || decode(lpad(to_hex(g), 4, '0'), 'hex')"
                                       " || decode(repeat('00', g % 7), 'hex')"),
    "date": ("k date", "date '1999-12-31' + g * 40"),
}
REPEATED = {"bytea with trailing zero bytes"}  # the formula may give one value twice
COUNT = 200


def run_to_completion(daemon, table, set_={"n": "n + 1"}, rows=7, slices=1, **more):
    return daemon.wait(daemon.submit(document(table, set_, pace={**pace(rows), "slices": slices}, **more)), "completed")


@pytest.mark.parametrize("slices", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_key_of_this_kind_is_walked_to_its_end(kind, slices, daemon, database):
    columns, values = KINDS[kind]
    names = ", ".join(column.split()[0] for column in columns.split(", "))
    database.execute("CREATE COLLATION upper_first (provider = icu, locale = 'und-u-kf-upper')")
    database.execute(f"CREATE TABLE t ({columns}, n integer NOT NULL DEFAULT 0, PRIMARY KEY ({names}))")
    database.execute(f"INSERT INTO t ({names}) SELECT {values} FROM generate_series(0, {COUNT - 1}) g ON CONFLICT DO NOTHING")
    there = database.value("SELECT count(*) FROM t")
    assert there == COUNT or (kind in REPEATED and there > COUNT // 2)
    done = run_to_completion(daemon, "public.t", slices=slices)
    assert len(done["progress"]["positions"]) == slices
    assert database.row("SELECT count(*), min(n), max(n) FROM t") == (there, 1, 1)
    assert done["progress"]["rows_scanned"] == there
    assert done["progress"]["batches"] >= there // 7


@pytest.mark.parametrize("kind", ["bigint, text", "text in German order", "bytea with trailing zero bytes", "timestamptz"])
def test_a_job_goes_on_from_such_a_key_after_a_kill(kind, daemon, database):
    columns, values = KINDS[kind]
    names = ", ".join(column.split()[0] for column in columns.split(", "))
    database.execute(f"CREATE TABLE t ({columns}, n integer NOT NULL DEFAULT 0, PRIMARY KEY ({names}))")
    database.execute(f"INSERT INTO t ({names}) SELECT {values} FROM generate_series(0, {COUNT - 1}) g ON CONFLICT DO NOTHING")
    database.execute("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
                     "$$ BEGIN PERFORM pg_sleep(0.03); RETURN new; END $$")
    database.execute("CREATE TRIGGER slow BEFORE UPDATE ON t FOR EACH STATEMENT EXECUTE FUNCTION slow()")
    job = daemon.submit(document("t", {"n": "n + 1"}, pace=pace(7)))
    for batches in (3, 8, 13):
        daemon.wait_progress(job, batches)
        daemon.restart()
    daemon.wait(job, "completed")
    assert database.row("SELECT min(n), max(n) FROM t") == (1, 1)


def test_quoted_reserved_and_foreign_identifiers(daemon, database):
    table, key, word = '"Größe; --"."select"', '"Id ""x""", "表"', '"Wert\'s"'
    database.execute('CREATE SCHEMA "Größe; --"')
    database.execute(f'CREATE TABLE {table} ("Id ""x""" bigint, "表" text, "order" integer NOT NULL DEFAULT 0, {word} text, '
                     f"PRIMARY KEY ({key}))")
    database.execute(f"INSERT INTO {table} SELECT g / 10, 'k' || g FROM generate_series(1, 100) g")
    run_to_completion(daemon, table, {"order": '"order" + 1', "Wert's": "'it''s'"}, where="\"表\" <> 'k50'")
    assert database.row(f"""SELECT count(*) FILTER (WHERE "order" = 1 AND {word} = 'it''s'), max("order") FROM {table}"""
                        ) == (99, 1)


@pytest.mark.parametrize("by", ["RANGE", "HASH"])
def test_a_partitioned_table(by, daemon, database):
    database.execute(f"CREATE TABLE t (id bigint PRIMARY KEY, n integer NOT NULL DEFAULT 0) PARTITION BY {by} (id)")
    for number in range(4):
        bounds = (f"FROM ({number * 50}) TO ({(number + 1) * 50})" if by == "RANGE"
                  else f"WITH (MODULUS 4, REMAINDER {number})")
        database.execute(f"CREATE TABLE t{number} PARTITION OF t FOR VALUES {bounds}")
    database.execute("INSERT INTO t SELECT g FROM generate_series(0, 199) g")
    run_to_completion(daemon, "t")
    assert database.row("SELECT count(*), min(n), max(n) FROM t") == (200, 1, 1)


def test_a_unique_key_that_is_not_the_primary_key(daemon, database):
    database.execute("CREATE TABLE t (id bigint PRIMARY KEY, code text NOT NULL UNIQUE, n integer NOT NULL DEFAULT 0)")
    database.execute("INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 100) g")
    run_to_completion(daemon, "t", {"n": "n + 1", "id": "id + 1000000"}, key=["code"])
    assert database.row("SELECT min(n), max(n), min(id) > 1000000 FROM t") == (1, 1, True)


@pytest.mark.parametrize("count", [0, 1])
def test_an_empty_table_and_one_row(count, daemon, database):
    database.execute("CREATE TABLE t (id bigint PRIMARY KEY, n integer NOT NULL DEFAULT 0)")
    database.execute("INSERT INTO t SELECT g FROM generate_series(1, %s) g", (count,))
    done = run_to_completion(daemon, "t")
    assert done["progress"]["rows_changed"] == count
    assert database.row("SELECT count(*), coalesce(min(n), 1) FROM t") == (count, 1)


def test_generated_columns_and_row_triggers(daemon, database):
    database.execute("CREATE TABLE t (id bigint PRIMARY KEY, n integer NOT NULL DEFAULT 0, "
                     "twice integer GENERATED ALWAYS AS (n * 2) STORED, touched integer NOT NULL DEFAULT 0)")
    database.execute("INSERT INTO t SELECT g FROM generate_series(1, 100) g")
    database.execute("CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS "
                     "$$ BEGIN new.touched = old.touched + 1; RETURN new; END $$")
    database.execute("CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touch()")
    run_to_completion(daemon, "t")
    assert database.row("SELECT min(n), max(n), min(twice), max(touched) FROM t") == (1, 1, 2, 1)
    answer = daemon.post("/v1/jobs", document("t", {"twice": "1"}, name="generated"))
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/set/twice", answer.text


# name: (what is made first, table, key or None, a word that the refusal must have, what it points at)
REFUSED = {
    "float key": (["CREATE TABLE t (id double precision PRIMARY KEY, n int)"], "t", None, "double precision", "/"),
    "real in a composite key": (["CREATE TABLE t (a int, b real, n int, PRIMARY KEY (a, b))"], "t", None, "real", "/"),
    "nullable key": (["CREATE TABLE t (id bigint UNIQUE, n int)"], "t", ["id"], "NULL", "/key"),
    "no key": (["CREATE TABLE t (id bigint, n int)"], "t", None, "primary key", "/"),
    "key without an index": (["CREATE TABLE t (id bigint PRIMARY KEY, c int NOT NULL, n int)"], "t", ["c"], "unique", "/key"),
    "partial unique key": (["CREATE TABLE t (id bigint NOT NULL, n int)", "CREATE UNIQUE INDEX ON t (id) WHERE n > 0"],
                           "t", ["id"], "partial", "/key"),
    "key column that is not there": (["CREATE TABLE t (id bigint PRIMARY KEY, n int)"], "t", ["nope"], "nope", "/key"),
    "key column that is set": (["CREATE TABLE t (n bigint PRIMARY KEY)"], "t", None, "key", "/set/n"),
    "view": (["CREATE TABLE b (id bigint PRIMARY KEY, n int)", "CREATE VIEW t AS SELECT * FROM b"], "t", None, "view", "/table"),
    "materialized view": (["CREATE MATERIALIZED VIEW t AS SELECT 1::bigint AS id, 0 AS n"], "t", None, "view", "/table"),
    "foreign table": (["CREATE FOREIGN DATA WRAPPER w", "CREATE SERVER s FOREIGN DATA WRAPPER w",
                       "CREATE FOREIGN TABLE t (id bigint, n int) SERVER s"], "t", None, "foreign", "/table"),
    "sequence": (["CREATE SEQUENCE t"], "t", None, "sequence", "/table"),
    "no table": ([], "public.nowhere", None, "nowhere", "/table"),
    "no schema": ([], "nowhere.t", None, "nowhere", "/table"),
    "catalogue": ([], "pg_catalog.pg_class", None, "pg_", "/table"),
    "column that is not there": (["CREATE TABLE t (id bigint PRIMARY KEY)"], "t", None, "n", "/set/n"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_a_clear_word_before_anything_is_written(name, daemon, database):
    statements, table, key, word, pointer = REFUSED[name]
    for statement in statements:
        database.execute(statement)
    answer = daemon.post("/v1/jobs", document(table, {"n": "1"}, **({"key": key} if key else {})))
    assert answer.status == 422, answer.text
    errors = answer.json["errors"]
    assert any(word in error["detail"] and error["pointer"].startswith(pointer) for error in errors), answer.text
    assert database.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'backfilld'") == 0, "something was written"
    assert daemon.get("/v1/jobs").json["jobs"] == []


@pytest.mark.superuser(because="who has no right to the table is told that, and nothing of what it is")
def test_a_temporary_table_is_refused(daemon, database):
    with database.connect() as owner:
        owner.execute("CREATE TEMPORARY TABLE t (id bigint PRIMARY KEY, n int)")
        schema = owner.execute("SELECT nspname FROM pg_namespace WHERE oid = pg_my_temp_schema()").fetchone()[0]
        for table in ("t", f"{schema}.t"):
            answer = daemon.post("/v1/jobs", document(table, {"n": "1"}))
            assert answer.status == 422, answer.text
            assert answer.json["errors"][0]["pointer"] == "/table"
        assert "temporary" in answer.json["errors"][0]["detail"]
    assert database.value("SELECT count(*) FROM pg_namespace WHERE nspname = 'backfilld'") == 0


def statement_kind(sql):
    if "UPDATE" in sql and '"big"' in sql and "checkpoint" not in sql:
        return "update"
    return "boundary" if "beyond" in sql and '"big"' in sql else None


@pytest.mark.superuser(because="auto_explain is for superusers")
def test_a_batch_touches_no_more_pages_than_it_must(cluster, make_daemon, database):
    """(bigint, bigint) with a leading value that nearly every one of 5 million rows has: at the start, in the middle and
    at the end a boundary, and the search of an update, touch at most two pages a row; and the whole update at most
    twice what a plain range of the same rows does."""
    batch, batches, last = 1000, 6, 5_000_000
    daemon = make_daemon(database, require_approval="all")
    database.execute("CREATE UNLOGGED TABLE big (tenant bigint, id bigint, n integer NOT NULL DEFAULT 0)")
    database.execute(f"INSERT INTO big SELECT CASE WHEN g <= 1500 THEN 1 WHEN g > {last - 1500} THEN 3 ELSE 2 END, g "
                     f"FROM generate_series(1, {last}) g")
    database.execute("ALTER TABLE big ADD PRIMARY KEY (tenant, id)")
    database.execute("VACUUM ANALYZE big")
    explain.enable(cluster.primary, database.name)
    plain = (f"UPDATE big SET n = n WHERE tenant = 2 AND id > 3000000 AND id <= {3000000 + batch}")
    reference = database.connect().execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {plain}").fetchone()[0][0]["Plan"]
    places = {"start": None, "middle": ["2", str(last // 2)], "end": ["2", str(last - 1500 - 3 * batch)]}
    for place, after in places.items():
        through = {"start": ["2", str(1 + batch * batches)], "middle": ["2", str(last // 2 + batch * batches)], "end": None}
        bounds = {"after": after, "through": through[place]}
        job = daemon.submit(document("public.big", {"n": "n + 1"}, name=place, pace=pace(batch),
                                     range={key: value for key, value in bounds.items() if value}))
        database.execute("VACUUM big")  # what the plan tried and took back left dead rows
        offset = cluster.primary.log.stat().st_size  # behind the plan, which tries a batch twice, over what it took back itself
        daemon.approve(job, confirm=place)
        done = daemon.wait(job, "completed")
        found = until(lambda: (p := explain.plans(cluster.primary, database.name, offset)) and p, 30, "plans in the log")
        seen = {"update": [], "boundary": []}
        for sql, plan in found:
            if statement_kind(sql):
                seen[statement_kind(sql)].append(plan)
        assert len(seen["update"]) >= done["progress"]["batches"] >= 4, place
        assert len(seen["boundary"]) >= 3, place
        for plan in seen["boundary"]:
            assert explain.pages(plan) <= 2 * batch, f"{place}: a boundary touched {explain.pages(plan)} pages"
        for plan in seen["update"]:
            search, whole = explain.scan_pages(plan), explain.pages(plan)
            assert search <= 2 * batch, f"{place}: an update touched {search} pages to find its rows"
            assert whole <= 2 * explain.pages(reference), f"{place}: an update touched {whole} pages"
    assert database.value("SELECT max(n) FROM big") == 1
