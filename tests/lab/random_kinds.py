"""What a column of a random table can be on each engine: its type, values for it, what a job may set it to.

An expression of `sets` has a value for whatever the column may hold, and changes it each time where that can be had. {c}: the
column's name, quoted."""
import uuid
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    declared: str
    value: callable  # of a chance: SQL of a value
    sets: tuple
    index: str = None  # what stands behind its name in an index; None: in none
    derived: tuple = None  # type and expression of a column that is generated from it
    whole: bool = False  # an integer that has an abs()
    default: str = None


def one_of(*literals):
    return lambda chance: chance.choice(literals)


def between(low, high):
    def value(chance):
        return str(chance.choice([0, 1, low, high, chance.randint(low, high), chance.randint(low, high)]))
    return value


# ---- PostgreSQL ----

def quoted(text) -> str:
    return "'" + text.replace("'", "''") + "'"


_WORDS = ["", " ", "a", "A", "a ", "á", "b", "B ", "NULL", "it's", "\\", '"', "?", "日本", "😀", "x\ty", "e\u0301", "é", "%s", "{}"]


def _text(chance) -> str:
    return quoted("".join(chance.choice(_WORDS) for _ in range(chance.choice([0, 1, 1, 1, 2]))))


def _long_text(chance) -> str:
    if chance.random() < 0.9:
        return _text(chance)
    return quoted("%x" % chance.getrandbits(4 * chance.choice([100, 2500, 9000])))


def _bytea(chance) -> str:
    length = chance.choice([0, 1, 2, 4, 16] + [3000] * (chance.random() < 0.2))
    return f"'\\x{'00' * length if chance.random() < 0.2 else chance.randbytes(length).hex()}'::bytea"


_PG_TEXTS = ("coalesce({c}, '') || 'x'", "upper({c})", "reverse({c})", "{c} || ' '", "md5({c})", "repeat({c}, 2)", "''")
_PG_FLOATS = one_of("'0'", "'-0'", "'NaN'", "'Infinity'", "'-Infinity'", "'1.5'", "'0.1'", "'1e30'", "'-1e-30'")


def _whole(declared, most, other):
    return Kind(declared, between(-most, most), ("coalesce({c}, 0) + 1", "-{c}", other), "", ("bigint", "{c}::bigint % 7"), True, "7")


POSTGRESQL = [
    _whole("smallint", 30000, "{c} # 21::smallint"), _whole("integer", 2 * 10 ** 9, "hashtext({c}::text)"),
    _whole("bigint", 9 * 10 ** 18, "{c} # 4611686018427387904"),
    Kind("numeric", one_of("'0'", "'0.0'", "'0.00'", "'-1.50'", "'1.5'", "'NaN'", "'Infinity'", "'123456789012345678901234567890.10'", "'1e-20'"),
         ("{c} + 0.10", "{c} * 1.0", "-{c}", "'1.000'", "round({c}, 3)"), "", None, False, "'1.0'"),
    Kind("numeric(12, 4)", between(-10 ** 7, 10 ** 7), ("coalesce({c}, 0) + 0.0001", "-{c}"), ""),
    Kind("real", _PG_FLOATS, ("-{c}", "random()::real", "'-0'"), ""), Kind("double precision", _PG_FLOATS, ("-{c}", "random()", "coalesce({c}, 0) + 0.1"), ""),
    Kind("text", _long_text, _PG_TEXTS, None, ("text", "md5({c})"), False, "'none'"), Kind('text COLLATE "C"', _text, _PG_TEXTS, ""),
    Kind("text COLLATE careless", _text, _PG_TEXTS, "", ("integer", "octet_length({c})")),
    Kind("varchar(200)", _text, _PG_TEXTS[:5], "", None, False, "''"), Kind("worded", _text, _PG_TEXTS[:5], ""),
    Kind("char(5)", one_of("''", "'a'", "'a  '", "'b'", "'abcde'"), ("'y'", "left(coalesce({c}, '') || 'z', 5)", "upper({c})"), ""),
    Kind("name", one_of("''", "'a'", "'Größe'"), ("'x' || left({c}::text, 9)",), ""), Kind('"char"', one_of("'a'", "'b'", "''"), ("'x'", "'y'"), ""),
    Kind("bytea", _bytea, ("{c} || '\\x00'::bytea", "sha256({c})", "decode('00ff', 'hex')", "substr({c}, 2)"), None, ("integer", "length({c})")),
    Kind("boolean", one_of("true", "false"), ("NOT {c}", "true"), "", ("boolean", "NOT {c}"), False, "false"),
    Kind("date", one_of("'2020-02-29'", "'0044-03-15 BC'", "'infinity'", "'1999-12-31'"), ("{c} + 1", "current_date"), ""),
    Kind("time", one_of("'00:00'", "'24:00'", "'12:34:56.000001'"), ("{c} + interval '1 second'", "'24:00'"), ""),
    Kind("timetz", one_of("'12:00+00'", "'13:00+01'", "'11:00-01'"), ("{c} + interval '1 hour'", "'12:00+05:30'"), ""),
    Kind("timestamp", one_of("'-infinity'", "'2020-01-01'", "'2020-01-01 00:00:00.000001'"), ("{c} + interval '1 us'", "clock_timestamp()"), ""),
    Kind("timestamptz", one_of("'infinity'", "'2020-01-01+00'", "'4713-01-01 BC'"), ("clock_timestamp()", "{c} + interval '1 month'"), "", None, False, "now()"),
    Kind("interval", one_of("'1 mon'", "'30 days'", "'24:00'", "'1 day'", "'0'", "'-00:00:01.5'", "'1 year -1 day'"),
         ("{c} + interval '1 day'", "-{c}", "justify_hours({c})", "justify_days({c})"), ""),
    Kind("json", one_of("'{\"a\": 1}'", "'{\"a\":1}'", "'{\"a\":1,\"a\":2}'", "'null'", "'[1.0, \"ä\"]'"), ("'{ \"a\" : 1 }'::json", "json_build_array({c})")),
    Kind("jsonb", one_of("'{\"a\": 1}'", "'{\"a\": 1.0}'", "'{\"a\": 1.00}'", "'null'", "'[]'", "'\"\"'"),
         ("jsonb_build_object('a', {c})", "'1.0'::jsonb", "jsonb_build_array({c}, 1.00)"), None, ("text", "{c}::text")),
    Kind("uuid", lambda chance: f"'{chance.choice([0, chance.getrandbits(128)]):032x}'::uuid", ("gen_random_uuid()", "md5({c}::text)::uuid"), ""),
    Kind("inet", one_of("'10.1.2.3'", "'10.1.2.3/8'", "'::1'", "'10.1.2.3/32'"), ("'::1'", "set_masklen({c}, 9)"), ""),
    Kind("cidr", one_of("'10.0.0.0/8'", "'10.0.0.0/9'"), ("'::/0'",), ""), Kind("macaddr", one_of("'08:00:2b:01:02:03'"), ("~{c}",), ""),
    Kind("bit(5)", one_of("B'00000'", "B'10101'"), ("~{c}", "{c} # B'00001'"), ""), Kind("varbit(20)", one_of("B''", "B'0'", "B'00'"), ("~{c}", "B'1'"), ""),
    Kind("integer[]", one_of("'{}'", "'{1}'", "'{1,NULL}'", "'[0:1]={1,2}'"), ("{c} || 7", "'[5:6]={1,2}'", "'{{1,2},{3,4}}'"), ""),
    Kind("text[]", one_of("'{}'", "'{a,\"\"}'", "'{NULL,\"NULL\"}'", "'{\"a,b\",\"\\\"\"}'"), ("array_append({c}, NULL)", "{c} || 'ä'::text"), ""),
    Kind("numeric(9, 2)[]", one_of("'{1}'", "'{1.00,NULL}'"), ("{c} || 1.5", "'{}'"), ""), Kind("listed", one_of("'{}'", "'{1,2}'"), ("{c} || 3",), ""),
    Kind("point", one_of("'(0,0)'", "'(-0,0)'", "'(1,NaN)'"), ("point(0, random())", "{c} + point(1, -0.0)")),
    Kind("box", one_of("'(1,1),(0,0)'", "'(1,1),(-0,0)'"), ("{c} + point(1, 1)",)), Kind("polygon", one_of("'((0,0),(1,1))'"), ("'((0,0),(1,1),(2,0))'",)),
    Kind("int4range", one_of("'empty'", "'[1,5)'", "'(,)'"), ("int4range(1, 9)", "{c} * int4range(2, 100)"), ""),
    Kind("tstzrange", one_of("'empty'", "'[2020-01-01,)'"), ("tstzrange(clock_timestamp(), NULL)",), ""),
    Kind("int4multirange", one_of("'{}'", "'{[1,5),[7,9)}'"), ("'{[1,3)}'",), ""), Kind("xml", one_of("'<a/>'", "'<a></a>'"), ("xmlconcat({c}, '<b/>')", "'<b/>'::xml")),
    Kind("mood", one_of("'sad'", "'So la la'", "''"), ("'happy'", "CASE {c} WHEN 'sad' THEN 'So la la' ELSE 'sad' END::mood"), "", None, False, "'sad'"),
    Kind("pair", one_of("'(1,1.0)'", "'(1,1.00)'", "'(,)'", "'(,NaN)'"), ("ROW(1, 1.5)::pair", "ROW(({c}).a + 1, NULL)::pair"), ""),
    Kind("tsvector", one_of("''", "'a:1 b:2A'"), ("to_tsvector('simple', 'a b')", "setweight({c}, 'B')")), Kind("tsquery", one_of("'a & b'"), ("!!{c}",)),
    Kind("money", between(-1000, 1000), ("{c} + 1::money",), ""), Kind("oid", between(0, 4 * 10 ** 9), ("({c}::bigint / 2)::oid",), ""),
    Kind("pg_lsn", one_of("'0/0'", "'16/B374D848'"), ("{c} + 1",), ""), Kind("jsonpath", one_of("'$.a'", "'$'"), ("'$.b'",)),
    Kind("int2vector", one_of("'1 2'", "'1'"), ("'7 8'",)), Kind("oidvector", one_of("'1 2'", "''"), ("'7 8'",), ""),
]

# name: types and, of the number of a row, values of the columns of the key; no two alike
POSTGRESQL_KEYS = {
    "bigint with gaps": [("bigint", lambda i: str((i * 7919 % 10007 - 5000) * 1000000007))],
    "bigint": [("bigint", str)], "oid": [("oid", str)], "numeric": [("numeric", lambda i: f"{(i - 300) * 1.5:.2f}{i:09d}")],
    "smallint, integer": [("smallint", lambda i: str(i % 7 - 3)), ("integer", str)],
    "smallint, bigint": [("smallint", lambda i: str(i // 37 - 3)), ("bigint", str)],
    "boolean, bigint": [("boolean", lambda i: str(i % 3 == 0)), ("bigint", lambda i: str(-i))],
    "text C": [('text COLLATE "C"', lambda i: quoted(f"{_WORDS[i % 20]}{i}"))],
    "text de": [('text COLLATE "de-x-icu"', lambda i: quoted(f"{_WORDS[i % 20]}{i}"))],
    "text careless": [("text COLLATE careless", lambda i: quoted(f"{'aAäÄ'[i % 4]}{i}"))],
    "integer, text careless": [("integer", lambda i: str(i % 3)), ("text COLLATE careless", lambda i: quoted(f"{i}{'éE'[i % 2]}"))],
    "date, varchar": [("date", lambda i: f"date '2020-02-25' + {i % 9}"), ("varchar(40)", lambda i: quoted(f"v {i} "))],
    "char": [("char(12)", lambda i: f"'c{i}'")], "name": [("name", lambda i: f"'n{i}'")],
    "uuid": [("uuid", lambda i: f"md5('{i}')::uuid")], "bytea": [("bytea", lambda i: f"'\\x{i:04x}{'00' * (i % 4)}'::bytea")],
    "timestamptz": [("timestamptz", lambda i: {1: "'-infinity'", 2: "'infinity'", 3: "'0044-03-15 BC'"}.get(
        i, f"timestamptz '2024-03-31+00' + {i} * interval '7 min 0.000001 s'"))],
    "timetz": [("timetz", lambda i: f"time '00:00' AT TIME ZONE interval '{i} min'")], "mood, integer": [("mood", lambda i: ("'sad'", "'happy'")[i % 2]), ("integer", str)],
    "interval": [("interval", lambda i: f"interval '{i} days {i} min'")], "inet": [("inet", lambda i: f"inet '10.0.{i // 250}.{i % 250}/{8 + i % 24}'")],
}
# not to be mistaken for anything else: type, what the job sets, what others write
POSTGRESQL_MARKS = [("bigint", "424242", ("1", "-1")), ('text COLLATE "C"', "'JOB'", ("'job'", "''", "'JOB '")), ("boolean", "true", ("false",)),
                    ("uuid", "md5('JOB')::uuid", ("md5('job')::uuid",)), ("date", "date '2042-04-02'", ("date 'infinity'",))]


# ---- MariaDB and MySQL ----

def text(words) -> str:
    return f"_utf8mb4 x'{words.encode().hex()}'"


def _my_text(chance) -> str:
    return text("".join(chance.choice(_WORDS) for _ in range(chance.choice([0, 1, 1, 1, 2]))))


def _latin(chance) -> str:
    return text(chance.choice(["", " ", "a", "A ", "é", "É", "it's", "?"]))


def _long(chance) -> str:
    return _my_text(chance) if chance.random() < 0.9 else text("%x" % chance.getrandbits(4 * chance.choice([100, 2500, 9000])))


def _binary(*lengths):
    def value(chance):
        length = chance.choice(lengths)
        return f"x'{'00' * length if chance.random() < 0.2 else chance.randbytes(length).hex()}'"
    return value


_MY_TEXTS = ("CONCAT(COALESCE({c}, ''), 'x')", "UPPER({c})", "REVERSE({c})", "CONCAT({c}, ' ')", "LEFT(UUID(), 8)", "''")
_MY_BYTES = ("CONCAT({c}, x'00')", "REVERSE({c})", "x'00ff'", "x''")
_MY_FLOATS = one_of("0e0", "-0e0", "1.5e0", "0.1e0 + 0.2e0", "16777217e0 / 3", "-1e30", "1e-30")
_JSONS = ('{"a": 1}', '{"a":1.0}', "[]", '"ä"', "null", '[1.50, {"b": null}]', '{"b": 1, "a": 2}')


def _my_whole(declared, low, high):
    return Kind(declared, between(low, high), ("COALESCE({c}, 0) + 1", "-{c}") if low < 0 else ("COALESCE({c}, 0) + 1", "{c} ^ 5"), "",
                ("BIGINT" if low < 0 else "BIGINT UNSIGNED", "{c} % 7"), low < 0, "7")


INNODB = [
    _my_whole("TINYINT", -120, 120), _my_whole("SMALLINT UNSIGNED", 0, 65000), _my_whole("MEDIUMINT", -8000000, 8000000),
    _my_whole("INT", -2 * 10 ** 9, 2 * 10 ** 9), _my_whole("BIGINT", -9 * 10 ** 18, 9 * 10 ** 18), _my_whole("BIGINT UNSIGNED", 0, 18 * 10 ** 18),
    Kind("DECIMAL(12, 2)", between(-10 ** 8, 10 ** 8), ("COALESCE({c}, 0) + 1.5", "-{c}"), "", None, False, "1.50"),
    Kind("DECIMAL(40, 12)", one_of("0", "-1.5", "123456789012345678901234.000000000001"), ("{c} + 0.000000000001", "-{c}"), ""),
    Kind("FLOAT", _MY_FLOATS, ("-{c}", "RAND()", "{c} * -1"), ""), Kind("DOUBLE", _MY_FLOATS, ("-{c}", "RAND()", "COALESCE({c}, 0) + 0.1e0"), ""),
    Kind("CHAR(9)", _latin, ("'y'", "UPPER({c})", "LEFT(CONCAT({c}, 'z'), 9)"), ""),
    Kind("VARCHAR(200) COLLATE {ci}", _my_text, _MY_TEXTS, "", ("INT", "CHAR_LENGTH({c})"), False, "'none'"),
    Kind("VARCHAR(200) COLLATE utf8mb4_general_ci", _my_text, _MY_TEXTS, "(20)"), Kind("VARCHAR(200) COLLATE utf8mb4_bin", _my_text, _MY_TEXTS, "", None, False, "''"),
    Kind("VARCHAR(50) CHARACTER SET latin1", _latin, ("'é'", "CONCAT({c}, 'é')", "UPPER({c})"), ""), Kind("VARCHAR(99) CHARACTER SET utf16", _my_text, _MY_TEXTS, ""),
    Kind("TINYTEXT", _my_text, _MY_TEXTS), Kind("TEXT COLLATE utf8mb4_bin", _long, _MY_TEXTS, "(9)", ("INT", "CHAR_LENGTH({c})")),
    Kind("MEDIUMTEXT", _long, (*_MY_TEXTS, "REPEAT('ä', 300)")), Kind("LONGTEXT CHARACTER SET latin1", _latin, ("CONCAT({c}, RAND())", "'é'")),
    Kind("BINARY(4)", _binary(0, 1, 4), ("'zz'", "x'00010203'", "REVERSE({c})"), ""), Kind("VARBINARY(70)", _binary(0, 1, 2, 60), _MY_BYTES, "", ("INT", "LENGTH({c})")),
    Kind("VARBINARY(700)", _binary(0, 1, 500), _MY_BYTES), Kind("BLOB", _binary(0, 1, 3000), _MY_BYTES, "(5)"), Kind("TINYBLOB", _binary(0, 1, 99), _MY_BYTES),
    Kind("LONGBLOB", _binary(0, 9000), _MY_BYTES), Kind("BIT(9)", between(0, 511), ("b'1'", "{c} ^ 5"), ""), Kind("BIT(1)", between(0, 1), ("{c} ^ 1",), ""),
    Kind("ENUM('a', 'B', '?;''', 'ö')", one_of("'a'", "'B'", "'?;'''", "0"), ("'a'", "1 + ({c} + 0) % 4"), "", None, False, "'a'"),
    Kind("ENUM('', 'x') CHARACTER SET latin1", one_of("''", "'x'", "0"), ("'x'", "2 - ({c} + 0) % 2"), ""),
    Kind("ENUM('a', 'A') COLLATE utf8mb4_bin", one_of("'a'", "'A'"), ("'A'", "3 - ({c} + 0)"), ""), Kind("SET('a', 'b', 'C')", between(0, 7), ("'b,C'", "{c} ^ 1", "''"), ""),
    Kind("DATE", one_of("'0000-00-00'", "'2020-00-15'", "'2020-02-29'", "'9999-12-31'", "'1000-01-01'"), ("'2020-02-28'", "CURRENT_DATE"), ""),
    Kind("DATETIME", one_of("'0000-00-00 00:00:00'", "'2020-01-01 00:00:00'", "'2020-12-00 10:00:00'"), ("NOW()", "'2020-01-01 00:00:01'"), ""),
    Kind("DATETIME(6)", one_of("'2020-01-01 00:00:00.000001'", "'1000-01-01'"), ("NOW(6)", "{c} + INTERVAL 1 MICROSECOND"), "", None, False, "CURRENT_TIMESTAMP(6)"),
    Kind("TIMESTAMP(3)", one_of("'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'", "'2037-01-01 00:00:00.5'"), ("NOW(3)", "'2020-03-29 01:30:00'"), "", None, False,
         "'2020-01-01 00:00:00'"),
    Kind("TIME(2)", one_of("'00:00:00'", "'-00:00:00.5'", "'500:00:00'"), ("'-00:00:01.5'", "ADDTIME({c}, '00:00:01')"), ""),
    Kind("YEAR", one_of("0", "1999", "2155"), ("2021", "IF({c} = 1999, 2000, 1999)"), ""),
    Kind("JSON", lambda chance: text(chance.choice(_JSONS)), ("JSON_ARRAY({c})", "'{ \"a\" : 2 }'", "JSON_SET({c}, '$.x', RAND())")),
]
MARIADB = [
    Kind("UUID", lambda chance: f"'{uuid.UUID(int=chance.getrandbits(128), version=4)}'", ("UUID()",), ""), Kind("INET6", one_of("'::'", "'::1'"), ("'::ffff:1.2.3.4'",), ""),
    Kind("INET4", one_of("'0.0.0.0'", "'10.1.2.3'"), ("'255.255.255.255'",), ""), Kind("VARCHAR(400) COMPRESSED", _my_text, _MY_TEXTS),
    Kind("BLOB COMPRESSED", _binary(0, 3000), _MY_BYTES), Kind("INT(9) UNSIGNED ZEROFILL", between(0, 999), ("{c} + 1",), ""),
]
MYSQL = [
    Kind("JSON", one_of("CAST(1.50 AS JSON)", "CAST(1 AS JSON)", "CAST(TIMESTAMP'2020-01-01 00:00:00' AS JSON)", "CAST(x'00ff' AS JSON)", "JSON_ARRAY(1.5e0, 1.50)"),
         ("JSON_ARRAY({c}, NOW(6))", "CAST(TIMESTAMP'2020-01-01 00:00:00' AS JSON)", "CAST(1.5e0 AS JSON)")),
]

INNODB_KEYS = {
    "BIGINT with gaps": [("BIGINT", lambda i: str((i * 7919 % 10007 - 5000) * 1000000007))], "BIGINT": [("BIGINT", str)],
    "BIGINT UNSIGNED": [("BIGINT UNSIGNED", lambda i: str(2 ** 64 - 1 - 3 * i))],
    "BIGINT UNSIGNED in the middle": [("BIGINT UNSIGNED", lambda i: str(2 ** 63 - 300 + i))],
    "SMALLINT, INT": [("SMALLINT", lambda i: str(i % 7 - 3)), ("INT", str)],
    "SMALLINT, BIGINT": [("SMALLINT", lambda i: str(i // 37 - 3)), ("BIGINT", str)],
    "DECIMAL": [("DECIMAL(30, 10)", lambda i: f"{i * 12345678901 - 3}.0000000{i % 1000:03d}")],
    "VARCHAR ci": [("VARCHAR(40) COLLATE {ci}", lambda i: text(f"{('Straße', 'ÉCOLE', 'zebra', '日本')[i % 4]}{i}"))],
    "VARCHAR bin": [("VARCHAR(40) COLLATE utf8mb4_bin", lambda i: text(f"a{i}'\\\"`? "))],
    "VARCHAR latin1": [("VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_german2_ci", lambda i: text(f"{('Ärger', 'Apfel', 'ß')[i % 3]}{i}"))],
    "INT, VARCHAR ci": [("INT", lambda i: str(i % 3)), ("VARCHAR(20) COLLATE utf8mb4_general_ci", lambda i: text(f"{i}{'éE'[i % 2]}"))],
    "VARCHAR ci, INT": [("VARCHAR(20) COLLATE utf8mb4_general_ci", lambda i: text("éEe"[i % 3])), ("INT", str)],
    "CHAR": [("CHAR(12) COLLATE utf8mb4_general_ci", lambda i: f"'k{i}'")],
    "BINARY": [("BINARY(16)", lambda i: f"x'{i % 7:x}{i:07x}{'0' * 24}'")],
    "VARBINARY": [("VARBINARY(20)", lambda i: f"x'00ff{i:04x}{'00' * (i % 5)}'")],
    "DATE, INT": [("DATE", lambda i: ("'0000-00-00'", "'2020-02-29'")[i % 2]), ("INT", lambda i: str(-i))],
    "DATETIME": [("DATETIME(6)", lambda i: f"'2024-02-29 23:{i // 60 % 60:02d}:{i % 60:02d}.{i:06d}'")],
    "TIMESTAMP": [("TIMESTAMP(3)", lambda i: f"'2024-10-27 {i // 3600:02d}:{i // 60 % 60:02d}:{i % 60:02d}.5'")],
    "TIME": [("TIME(6)", lambda i: f"'{'-' * (i % 2)}{i // 9}:00:{i % 9:02d}.5'")],
}
INNODB_MARKS = [("BIGINT", "424242", ("1", "-1")), ("VARCHAR(9) COLLATE utf8mb4_bin", "'JOB'", ("'job'", "''", "'JO '")), ("BOOLEAN", "1", ("0",)),
                ("DATE", "'2042-04-02'", ("'0000-00-00'",)), ("VARBINARY(9)", "x'4a4f42'", ("x'4a4f4200'", "x''"))]
