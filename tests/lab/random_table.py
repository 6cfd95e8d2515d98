"""A table whose definition, rows and job come from a seed: which columns, in which order, under which key, with which indexes,
constraints, generated columns, triggers and partitions."""
import json
import random
from dataclasses import dataclass

from .random_kinds import INNODB, INNODB_KEYS, INNODB_MARKS, MARIADB, MYSQL, POSTGRESQL, POSTGRESQL_KEYS, POSTGRESQL_MARKS, Kind
from .things import careless, described

# such as statements of the daemon's have for columns of their own, too
NAMES = ["n", "word", "Größe", "select", "a b", "weird?", "slice", "seq", "part", "place", "rows", "kind", "job", "x", "t", "b", "u",
         "before_n", "after", "UPPER", "it's", "%s", 'a"b', "a`b", "position", "c?1", "d:started_at", "key", "number", "taken", "slices",
         "i", "c", "conflicts", "l" * 60, "changed", "old", "new"]
_TYPES = """CREATE COLLATION IF NOT EXISTS careless (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
    CREATE TYPE mood AS ENUM ('sad', 'So la la', 'happy', ''); CREATE TYPE pair AS (a integer, b numeric);
    CREATE DOMAIN worded AS text CHECK (value <> 'never'); CREATE DOMAIN listed AS integer[]"""
JOB = "(the job's)"  # in an image: the mark is what the job sets
KEY = "(the key)"  # in an image: its values as texts, as a list of conflicts has them


@dataclass
class Column:
    name: str
    kind: Kind
    nullable: bool
    role: str = "value"  # or: key, number, mark, bad, kept, generated, stamp, touched
    behind: str = ""  # what stands behind the type
    late: bool = False  # added to a table that has its rows
    source: str = ""  # the column of which it is generated


class RandomTable:
    """Column roles: `number` says which row it is; `mark` is set by the job to what nobody else writes; rows that are `bad` are
    refused to the job, rows that are `kept` to its way back; `touched` is counted up by a trigger."""

    def __init__(self, engine, seed, rows, with_bad=False):
        self.engine, self.count, self.chance = engine, rows, random.Random(f"{engine} {seed}")
        self.postgresql = engine == "postgresql"
        self.names = self.chance.sample(NAMES, len(NAMES))
        self.table = self.quote(self.chance.choice(["things", "Größe", "select", "a b"]))
        self.ci = "utf8mb4_uca1400_ai_ci" if engine == "mariadb" else "utf8mb4_0900_ai_ci"
        self.made, self.next = [], rows  # what was executed; the highest number of a row
        self._choose_key()
        self._choose_columns(with_bad)
        self._choose_job()
        self._choose_rest()

    # what it is

    def quote(self, name) -> str:
        return '"' + name.replace('"', '""') + '"' if self.postgresql else "`" + name.replace("`", "``") + "`"

    def _maybe(self, share) -> bool:
        return self.chance.random() < share

    def _choose_key(self):
        keys = POSTGRESQL_KEYS if self.postgresql else INNODB_KEYS
        self.key_name = self.chance.choice(sorted(keys))
        self.key = [(Column(self.names.pop(), Kind(declared, None, ()), False, "key"), value) for declared, value in keys[self.key_name]]
        # the primary key, a unique key beside it, or one without any; a descending one is walked upwards, too
        self.how = self.chance.choice(["primary", "primary", "primary", "beside", "alone"])
        self.descending = self.how != "primary" and self.postgresql and self._maybe(0.3)
        self.partitioned = self.how == "primary" and self._maybe(0.3) and (len(self.key) > 1 or "careless" not in self.key_name)

    def _choose_columns(self, with_bad):
        chance, kinds = self.chance, POSTGRESQL if self.postgresql else INNODB + (MARIADB if self.engine == "mariadb" else MYSQL)
        values = [Column(self.names.pop(), kind, self._maybe(0.7)) for kind in chance.sample(kinds, chance.randint(2, 9))]
        for column in values:
            column.late = self._maybe(0.1) and (column.nullable or column.kind.default is not None)
        declared, self.job_sets, others = chance.choice(POSTGRESQL_MARKS if self.postgresql else INNODB_MARKS)
        self.is_set = f"mark {'IS NOT DISTINCT FROM' if self.postgresql else '<=>'} {self.job_sets}"
        self.mark = Column("mark", Kind(declared, lambda c: c.choice(others), ()), self._maybe(0.5), "mark")
        small, zero = Kind("smallint", lambda c: "0", (), "", None, False, "0"), lambda c: "0"
        self.number = Column("no", Kind("integer", None, (), ""), False, "number")
        self.bad = Column("bad", Kind("smallint", lambda c: str(int(c.random() < 0.04)), ()), False, "bad") if with_bad else None
        self.kept = Column("kept", Kind("smallint", zero, ()), False, "kept") if self._maybe(0.2) else None
        self.touched = Column("touched", small, False, "touched") if self._maybe(0.3) else None
        self.values = values
        self.columns = [column for column, _ in self.key] + values + [self.mark, self.number] + [
            column for column in (self.bad, self.kept, self.touched) if column]
        if self.how == "beside":
            auto = "bigserial" if self.postgresql else "BIGINT AUTO_INCREMENT"
            self.columns.append(Column("pk", Kind(auto, None, ()), False, "auto", "PRIMARY KEY"))
        if not self.postgresql and self._maybe(0.3):
            digits = chance.choice(["", "(3)", "(6)"])
            self.columns.append(Column(self.names.pop(), Kind(f"{chance.choice(['TIMESTAMP', 'DATETIME'])}{digits}", None, ()), True, "stamp",
                                       f"ON UPDATE CURRENT_TIMESTAMP{digits}"))

    def _choose_job(self):
        chance = self.chance
        chosen = chance.sample(self.values, chance.randint(0, len(self.values)))
        self.set = {self.mark.name: self.job_sets}
        for column in chosen:
            sets = column.kind.sets + (("NULL",) if column.nullable else ())
            self.set[column.name] = chance.choice(sets).replace("{c}", self.quote(column.name))
        self.where = chance.choice([None, None, None, "no % 5 <> 2", "steady", "unsteady"])
        unsteady = f"{'random' if self.postgresql else 'rand'}() < 0.8"
        if self.where == "steady":
            self.where = f"{self.quote(chance.choice(self.values).name)} IS {chance.choice(['', 'NOT '])}NULL OR no % 2 = 0"
        elif self.where == "unsteady":
            self.where = unsteady
        # each pass finds fewer rows, or the job ends: nobody inserts meanwhile, or makes one match
        self.remaining = f"NOT ({self.is_set})" if self._maybe(0.2) and not self.bad and self.where in (None, "no % 5 <> 2") else None
        self.ranged = self._maybe(0.15)

    def _choose_rest(self):
        chance = self.chance
        for column in chance.sample(self.values, len(self.values)):
            if column.kind.derived and not column.late and self._maybe(0.3):
                declared, expression = column.kind.derived
                how = "STORED" if self.postgresql else chance.choice(["STORED", "VIRTUAL"])
                kind = Kind(declared, None, (), "(9)" if declared == "TEXT" else "")
                self.columns.append(Column(self.names.pop(), kind, True, "generated",
                                           f"GENERATED ALWAYS AS ({expression.replace('{c}', self.quote(column.name))}) {how}", source=column.name))
        chance.shuffle(self.columns)
        whole = [column for column in self.values if column.kind.whole and column.name in self.set]
        self.altered = whole[0].name if whole and self._maybe(0.3) else None  # by a trigger, which knows no negative numbers
        self.audited = self._maybe(0.15)
        self.dropped = self._maybe(0.3)
        self.images = set(self.set) | {column.name for column in self.columns if column.source in self.set}
        self.stamps = {column.name for column in self.columns if column.role == "stamp"}

    # how it is made

    def declared(self, column) -> str:
        declared = column.kind.declared.replace("{ci}", self.ci)
        if column.role in ("generated", "auto"):
            return f"{self.quote(column.name)} {declared} {column.behind}"
        default = f" DEFAULT {column.kind.default}" if column.kind.default is not None and column.role in ("value", "touched") else ""
        null = "NULL" if column.nullable else "NOT NULL"
        return f"{self.quote(column.name)} {declared} {null}{default} {column.behind}".rstrip()

    def _key_list(self) -> str:
        return ", ".join(self.quote(column.name) for column, _ in self.key)

    def _checks(self) -> list:
        made = []
        if self.bad:
            made.append(f"CONSTRAINT not_bad CHECK (NOT (bad = 1 AND {self.is_set}))")
        if self.kept:
            made.append(f"CONSTRAINT is_kept CHECK (kept = 0 OR {self.is_set})")
        if self._maybe(0.3):
            made.append("CONSTRAINT positive CHECK (no > 0)")
        return made

    def _keys(self) -> list:
        made = []
        if self.how == "primary":
            made.append(f"PRIMARY KEY ({self._key_list()})")
        elif self.descending:
            self.made_after.append(f"CREATE UNIQUE INDEX ON {self.table} ({', '.join(f'{self.quote(column.name)} DESC' for column, _ in self.key)})")
        else:
            made.append(f"UNIQUE ({self._key_list()})")
        if self._maybe(0.3):
            made.append(f"UNIQUE (no, {self._key_list()})" if self.partitioned else "UNIQUE (no)")
        return made

    def statements(self) -> list:
        """Before there are rows; those of made_after, behind."""
        chance, self.made_after = self.chance, []
        first = [column for column in self.columns if not column.late]
        columns, checks = [self.declared(column) for column in first], self._checks()
        other = [self.declared(column) for column in reversed(first)] + checks
        if self.dropped:
            columns.insert(chance.randint(0, len(columns)), f"gone {'numeric' if self.postgresql else 'VARCHAR(20)'} DEFAULT 1")
        made = [f"CREATE TABLE {self.table} ({', '.join(columns + checks + self._keys())})"]
        if self.partitioned:
            by = self.quote(self.key[0][0].name)
            made[0] += f" PARTITION BY HASH ({by})" if self.postgresql else f" PARTITION BY KEY ({by}) PARTITIONS 3"
        if self.dropped:
            made.append(f"ALTER TABLE {self.table} DROP COLUMN gone")
        if self.partitioned and self.postgresql:
            values = "FOR VALUES WITH (MODULUS 3, REMAINDER {})"
            made += [f"CREATE TABLE part_{number} PARTITION OF {self.table} {values.format(number)}" for number in range(2)]
            made += [f"CREATE TABLE part_2 ({', '.join(other)})", f"ALTER TABLE {self.table} ATTACH PARTITION part_2 {values.format(2)}"]
        for number, column in enumerate(self.columns):
            if column.kind.index is not None and self._maybe(0.3) and not column.late:
                made.append(f"CREATE INDEX {self.quote(f'by {number}')} ON {self.table} ({self.quote(column.name)}{column.kind.index})")
        self.made_after += [f"ALTER TABLE {self.table} ADD COLUMN {self.declared(column)}" for column in self.columns if column.late]
        return made + self._triggers()

    def _triggers(self) -> list:
        body = []
        if self.touched:
            body.append("NEW.touched {to} OLD.touched + 1;")
        if self.altered:
            body.append(f"NEW.{self.quote(self.altered)} {{to}} abs(NEW.{self.quote(self.altered)});")
        made = []
        if body and self.postgresql:
            text = " ".join(body).replace("{to}", ":=")
            made.append(f"CREATE OR REPLACE FUNCTION before_update() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {text} RETURN NEW; END $$")
            self.made_after.append(f"CREATE TRIGGER before_update BEFORE UPDATE ON {self.table} FOR EACH ROW EXECUTE FUNCTION before_update()")
        elif body:
            text = " ".join(f"SET {one}" for one in body).replace("{to}", "=")
            self.made_after.append(f"CREATE TRIGGER before_update BEFORE UPDATE ON {self.table} FOR EACH ROW BEGIN {text} END")
        if self.audited and self.postgresql:
            made.append("CREATE TABLE IF NOT EXISTS audited (no integer)")
            made.append("CREATE OR REPLACE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS "
                        "$$ BEGIN INSERT INTO audited VALUES (NEW.no); RETURN NULL; END $$")
            self.made_after.append(f"CREATE TRIGGER audited AFTER UPDATE ON {self.table} FOR EACH ROW EXECUTE FUNCTION audited()")
        elif self.audited:
            made.append("CREATE TABLE IF NOT EXISTS audited (no INT)")
            self.made_after.append(f"CREATE TRIGGER audited AFTER UPDATE ON {self.table} FOR EACH ROW INSERT INTO audited VALUES (NEW.no)")
        return made

    def in_utc(self, connection):
        connection.execute("SET TIME ZONE 'UTC'" if self.postgresql else "SET time_zone = '+00:00', sql_mode = ''")

    def make(self, database):
        database.execute("SET TIME ZONE 'UTC'" if self.postgresql else "SET time_zone = '+00:00'")
        if self.postgresql and not database.value("SELECT to_regtype('mood') IS NOT NULL"):
            database.execute(_TYPES)
        self._run(database, self.statements())
        with careless(database):
            for first in range(1, self.count + 1, 100):
                rows = [self.row(number, self.chance) for number in range(first, min(first + 100, self.count + 1))]
                names = ", ".join(self.quote(name) for name in rows[0])
                database.execute(f"INSERT INTO {self.table} ({names}) VALUES " + ", ".join(f"({', '.join(row.values())})" for row in rows))
            self._run(database, self.made_after)
        database.analyze(self.table)

    def _run(self, database, statements):
        for statement in statements:
            self.made.append(statement)
            database.execute(statement)

    def drop(self, database):
        database.execute(f"DROP TABLE IF EXISTS {self.table}")
        database.execute("DROP TABLE IF EXISTS audited")

    # rows

    def value(self, column, chance) -> str:
        return "NULL" if column.nullable and chance.random() < 0.2 else column.kind.value(chance)

    def row(self, number, chance, late=False) -> dict:
        """Name of each column that is given to SQL of its value; the key of a number is always the same."""
        made = {column.name: value(number) for column, value in self.key}
        for column in self.columns:
            if column.role == "number":
                made[column.name] = str(number)
            elif column.role in ("value", "mark", "bad", "kept") and (late or not column.late):
                made[column.name] = self.value(column, chance) if column.role != "bad" or not late else "0"
        return made

    def of_row(self, number) -> str:
        """A predicate."""
        return " AND ".join(f"{self.quote(column.name)} = {value(number)}" for column, value in self.key)

    # what is in it

    def _key_texts(self) -> list:
        text = "{}::text" if self.postgresql else "CAST({} AS CHAR)"
        return [("HEX({})" if "BINARY" in column.kind.declared else text).format(self.quote(column.name)) for column, _ in self.key]

    def reader(self, database):
        """read(connection, which rows): {number: {column: its bytes, or what says which row it is}}."""
        columns = described(database, self.table.strip('"`'))
        key = self._key_texts()
        names = list(columns)
        query = f"SELECT no, {self.is_set}, {', '.join(key)}, {', '.join(columns.values())} FROM {self.table}"

        def read(connection, which=""):
            found = {}
            for row in connection.execute(query + which).fetchall():
                assert row[0] not in found, f"row {row[0]} is there twice"
                found[row[0]] = {JOB: bool(row[1]), KEY: row[2:2 + len(key)], **dict(zip(names, row[2 + len(key):]))}
            return found
        return read

    def document(self, database) -> dict:
        """What a job's document says of the table."""
        made = {"table": self.table, "set": self.set}
        for name in ("where", "remaining"):
            if getattr(self, name):
                made[name] = getattr(self, name)
        if self.how != "primary":
            made["key"] = [column.name for column, _ in self.key]
        if self.ranged:
            keys = database.rows(f"SELECT {', '.join(self._key_texts())} FROM {self.table} ORDER BY " + ", ".join(
                f"{self.table}.{self.quote(column.name)}" for column, _ in self.key))
            made["range"] = {"after": list(keys[len(keys) // 9]), "through": list(keys[len(keys) * 8 // 9])}
        return made

    def story(self, document) -> str:
        return "\n".join([*(f"{statement};" for statement in self.made), json.dumps(document, ensure_ascii=False)])
