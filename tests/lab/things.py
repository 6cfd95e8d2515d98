"""The table of the rollback tests on each engine: columns whose equality says too little, and every row as its bytes."""

from contextlib import contextmanager

EVERYTHING = {
    "postgresql": {"n": "coalesce(n, 0) + 1", "amount": "1.000", "word": "upper(word)", "body": "'{ \"a\" : 1 }'::json",
                   "list": "list || 7", "place": "point(0, random())", "f": "-f", "at": "clock_timestamp()", "padded": "'y'"},
    "mysql": {"n": "coalesce(n, 0) + 1", "amount": "1.5", "word": "concat(upper(word), ' ')", "body": "'{ \"a\" : 2 }'",
              "list": "'b,c'", "f": "-f", "single": "single * -1", "at": "now(6)", "never": "'2020-02-28'", "padded": "'y'",
              "fixed": "'zz'", "raw": "concat(raw, x'00')", "bits": "b'1'", "kind": "'a'", "latin": "'é'", "long_text": "concat(word, rand())",
              "big": "uuid()", "span": "'-00:00:01.5'", "unit": "unit + 1", "year_of": "2021"},
}
EVERYTHING["mariadb"] = EVERYTHING["mysql"]

_POSTGRESQL = """CREATE TABLE things (id bigint PRIMARY KEY, n integer, amount numeric, word text COLLATE careless,
    body json, list integer[], place point, f float8, at timestamptz, padded char(5), other integer NOT NULL DEFAULT 0);
    INSERT INTO things (id, n, amount, word, body, list, place, f, at, padded)
    SELECT i, CASE WHEN i % 7 <> 0 THEN i END, CASE i % 3 WHEN 0 THEN 1.0 WHEN 1 THEN 1.00 END,
           CASE i % 4 WHEN 0 THEN 'a' WHEN 1 THEN 'A' WHEN 2 THEN '' END, CASE WHEN i % 2 = 0 THEN '{"a": 1}'::json
           ELSE '{"a":1}'::json END, CASE WHEN i % 5 <> 0 THEN ARRAY[i, NULL] END, point(i, 1),
           CASE i % 4 WHEN 0 THEN 0.0 WHEN 1 THEN -0.0 WHEN 2 THEN 'NaN' END, timestamptz '2020-01-01' + i * interval '1 us',
           CASE WHEN i % 2 = 0 THEN 'x' END FROM generate_series(1, {rows}) i"""

# what a strict session would not write, but older ones have written: zero dates, an invalid word of an ENUM
_MYSQL = """CREATE TABLE things (id BIGINT PRIMARY KEY, n INT NULL, amount DECIMAL(10, 2) NULL, word VARCHAR(20) NULL, body JSON NULL,
    list SET('a', 'b', 'c') NULL, f DOUBLE NULL, single FLOAT NULL, at DATETIME(6) NULL, never DATE NULL, padded CHAR(5) NULL,
    fixed BINARY(4) NULL, raw VARBINARY(8) NULL, bits BIT(9) NULL, kind ENUM('a', 'B', '?;''') NULL,
    latin VARCHAR(20) CHARACTER SET latin1 NULL, long_text VARCHAR(300) NULL, big LONGTEXT NULL, span TIME(2) NULL,
    unit BIGINT UNSIGNED NULL, year_of YEAR NULL, other INT NOT NULL DEFAULT 0,
    stamp TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6))"""
_MYSQL_ROWS = """INSERT INTO things (id, n, amount, word, body, list, f, single, at, never, padded, fixed, raw, bits, kind, latin,
        long_text, big, span, unit, year_of, stamp)
    SELECT i, CASE WHEN i MOD 7 <> 0 THEN i END, CASE i MOD 3 WHEN 0 THEN 1.0 WHEN 1 THEN -1.01 END,
           CASE i MOD 5 WHEN 0 THEN 'a' WHEN 1 THEN 'A' WHEN 2 THEN '' WHEN 3 THEN 'a ' END,
           CASE WHEN i MOD 2 = 0 THEN '{"a": 1}' ELSE '{"a":1.0}' END, CASE i MOD 3 WHEN 0 THEN '' WHEN 1 THEN 'a,c' END,
           CASE i MOD 4 WHEN 0 THEN 0e0 WHEN 1 THEN -0e0 WHEN 2 THEN 0.1e0 + 0.2e0 END,
           CASE i MOD 4 WHEN 0 THEN 0e0 WHEN 1 THEN -0e0 WHEN 2 THEN 16777217 / 3 END,
           CASE WHEN i MOD 6 = 0 THEN '0000-00-00 00:00:00' ELSE '2020-01-01 00:00:00.000001' END,
           CASE i MOD 3 WHEN 0 THEN '0000-00-00' WHEN 1 THEN '2020-00-15' ELSE '2020-02-29' END,
           CASE WHEN i MOD 2 = 0 THEN 'x' END, CASE i MOD 2 WHEN 0 THEN X'0100' ELSE X'00000000' END,
           CASE i MOD 3 WHEN 0 THEN X'0100' WHEN 1 THEN X'01' ELSE X'' END, CASE WHEN i MOD 3 <> 0 THEN i MOD 512 END,
           ELT(1 + i MOD 4, 'a', '?;''', '', NULL), 'é', REPEAT('ä', 100 + i MOD 100), REPEAT('x', i), SEC_TO_TIME(i - 200),
           18446744073709550000 + i, CASE WHEN i MOD 2 = 0 THEN 0 ELSE 1999 END, '2020-01-01 00:00:00.5'
    FROM numbers"""


def make_things(database, rows=400):
    if database.engine == "postgresql":
        database.execute("CREATE COLLATION IF NOT EXISTS careless (provider = icu, locale = 'und-u-ks-level1', deterministic = false)")
        database.execute(_POSTGRESQL.replace("{rows}", str(rows)))
    else:
        database.execute(_MYSQL)
        with careless(database):
            database.number_rows(_MYSQL_ROWS, rows)
    database.analyze("things")


@contextmanager
def careless(database):
    """MariaDB and MySQL: no SQL mode, under which what make_things() has written can be copied."""
    mode = None if database.engine == "postgresql" else database.value("SELECT @@sql_mode")
    if mode:
        database.execute("SET SESSION sql_mode = ''")
    yield
    if mode:
        database.execute("SET SESSION sql_mode = %s", (mode,))


def small(database, rows=60):
    exact = "numeric" if database.engine == "postgresql" else "VARCHAR(10) COLLATE utf8mb4_general_ci"
    database.execute(f"CREATE TABLE things (id integer PRIMARY KEY, n integer, amount {exact}, word VARCHAR(20))")
    database.number_rows("INSERT INTO things SELECT i, i, '1.0', 'a' FROM numbers", rows)
    database.analyze("things")


# of small(): equal to what a job left there ('2.0'), and not the same
EQUAL = {"postgresql": "2.00", "mariadb": "2.0 ", "mysql": "2.0 "}


def _bytes_of(name, type_):
    """A text for each value of the column."""
    quoted = "`" + name.replace("`", "``") + "`"
    if type_ in ("float", "double"):
        return f"CONCAT({quoted} + 0e0, '/', CAST({quoted} AS CHAR))"
    if type_ in ("enum", "set"):
        return f"CONCAT({quoted} + 0, '/', {quoted})"
    if type_ == "bit":
        return f"{quoted} + 0"
    if "char" in type_ or "text" in type_ or "binary" in type_ or "blob" in type_:
        return f"HEX(CAST({quoted} AS BINARY))"
    return f"CAST({quoted} AS CHAR)"


PLAIN = ("int2", "int4", "int8", "bool", "text", "varchar", "name")  # of any two values the texts differ, too


def described(database, table) -> dict:
    """Each column to an expression for its bytes; where a text does not tell any two values apart (-NaN is written NaN), the bytes
    that the server sends of it stand behind it."""
    if database.engine == "postgresql":
        columns = database.rows("SELECT a.attname, quote_ident(a.attname), t.typsend::regproc::text, t.typname FROM pg_attribute a "
                                "JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = quote_ident(%s)::regclass AND a.attnum > 0 "
                                "AND NOT a.attisdropped ORDER BY a.attnum", (table,))
        return {name: f"{quoted}::text" if type_ in PLAIN else f"{quoted}::text || '/' || encode({send}({quoted}), 'hex')"
                for name, quoted, send, type_ in columns}
    return {name: _bytes_of(name, type_) for name, type_ in database.rows(
        "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s "
        "ORDER BY ORDINAL_POSITION", (table,))}


def image(database, table="things"):
    """{id: {column: its bytes}}"""
    columns = described(database, table)
    return {row[0]: dict(zip(columns, row[1:])) for row in database.rows(f"SELECT id, {', '.join(columns.values())} FROM {table}")}


def trigger(database, name, body, table="things"):
    """Before each row is updated; `body`: statements on NEW, of which each ends in a semicolon, in the engine's own words for
    an assignment ({set} NEW.a {to} 1) and an IF (IF ... THEN ... END IF)."""
    if database.engine == "postgresql":
        body = body.format(set="", to=":=")
        database.execute(f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN NEW; END $$")
        database.execute(f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
    else:
        database.execute(f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW BEGIN {body.format(set='SET', to='=')} END")


def journal_there(database, job):
    name = f"undo_{job['id'].lower()}"
    if database.engine == "postgresql":
        return database.value("SELECT to_regclass(%s) IS NOT NULL", (f"backfilld.{name}",))
    return database.value("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'backfilld' AND TABLE_NAME LIKE %s",
                          (f"{name}%",)) > 0


def drop_control_schema(database):
    database.execute("DROP SCHEMA backfilld CASCADE" if database.engine == "postgresql" else "DROP DATABASE backfilld")
