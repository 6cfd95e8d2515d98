"""Who writes into a random table while a job and its way back work on it, and whether what they wrote, and what nobody touched,
stands there in the end. Between what one of them left in a row and what he, or the end, found there, only the job was at it."""
import random

from .random_table import JOB, KEY
from .threads import Threads


class Writers(Threads):
    """Each has rows of its own, so the order of what happened to a row is known. history[number]: ("wrote", found, left, own) and
    ("deleted", found) and ("inserted", left). Where nobody looked first, `found` lacks what was written over unseen; then a column
    of `set` that was written has a value that nobody else writes (`own`), so the job had left another one there."""

    def __init__(self, database, table, seed, most_deletes=20, most_inserts=20):
        self.database, self.table, self.history, self._seed = database, table, {}, seed
        self.deletes, self.inserts = most_deletes, most_inserts if not table.remaining else 0
        self.gone = set()
        super().__init__(range(2))

    def __enter__(self):
        self.read = self.table.reader(self.database)
        return super().__enter__()

    def work(self, number):
        chance, mine = random.Random(f"{self._seed} {number}"), []
        with self.database.person(f"writer {number}") as connection:
            self.table.in_utc(connection)
            self._isolate(connection, chance)
            while not self.stopping.wait(chance.uniform(0, 0.01)):
                row = chance.choice(mine) if mine and chance.random() < 0.1 else chance.randrange(number, self.table.count, 2) + 1
                try:
                    with connection.transaction():
                        event = self._hold(connection, chance) if chance.random() < 0.03 else self._once(connection, chance, row)
                except self.database.errors as error:
                    self._expected(error)
                    continue
                if event:
                    if event[0] not in (None, row):
                        mine.append(event[0])
                    self._note(event[0] if event[0] is not None else row, event[1:])

    def _isolate(self, connection, chance):
        level = chance.choice(["READ COMMITTED", "REPEATABLE READ"])
        if self.database.engine != "postgresql":
            connection.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")

    def _expected(self, error):
        """A deadlock; a lock that lasts; a row that is kept without being the job's."""
        code = getattr(error, "sqlstate", None) or error.args[0]
        assert code in ("40P01", "23514", 1205, 1213, 3819, 4025), repr(error)

    def _note(self, row, event):
        self.history.setdefault(row, []).append(event)
        if event[0] == "deleted":
            self.gone.add(row)
        elif event[0] == "inserted":
            self.gone.discard(row)

    def _hold(self, connection, chance):
        """Rows of whomever, for a while; nothing happens to them."""
        for row in chance.sample(range(1, self.table.count + 1), 8):
            self.read(connection, f" WHERE {self.table.of_row(row)} FOR UPDATE")
        self.stopping.wait(chance.uniform(0, 0.1))

    def _once(self, connection, chance, row):
        """(number or None for `row`, what happened...) or nothing."""
        table = self.table
        if row in self.gone or self.inserts > 0 and chance.random() < 0.03:
            if self.inserts <= 0:
                return None
            self.inserts -= 1
            if row not in self.gone:
                table.next += 2  # the writers' numbers never meet: each adds its own parity
                row = table.next - table.next % 2 + (row % 2)
            values = table.row(row, chance, late=True)
            names = ", ".join(table.quote(name) for name in values)
            connection.execute(f"INSERT INTO {table.table} ({names}) VALUES ({', '.join(values.values())})")
            return row, "inserted", self.read(connection, f" WHERE {table.of_row(row)}")[row]
        here = f" WHERE {table.of_row(row)}"
        if self.deletes > 0 and chance.random() < 0.05:
            self.deletes -= 1
            found = self.read(connection, here + " FOR UPDATE")[row]
            connection.execute(f"DELETE FROM {table.table}{here}")
            return None, "deleted", found
        written, own = self._choose(chance), set()
        look = chance.random() < 0.5
        if not look and table.set.keys() & written.keys():
            own = self._make_own(chance, written)
            look = not own
        found = self.read(connection, here + " FOR UPDATE")[row] if look else None
        connection.execute(f"UPDATE {table.table} SET {', '.join(f'{table.quote(name)} = {value}' for name, value in written.items())}{here}")
        left = self.read(connection, here)[row]
        if found is None:
            unknown = table.stamps | set(written) | {column.name for column in table.columns if column.role in ("generated", "touched")}
            if table.altered:
                unknown.add(table.altered)
            found = {name: value for name, value in left.items() if name not in unknown}
        return None, "wrote", found, left, own

    def _make_own(self, chance, written) -> set:
        """Which column got a value that nobody else writes, if there is one that can."""
        table = self.table
        for column in chance.sample(table.values, len(table.values)):
            value = own_value(column.kind.declared.lower(), chance)
            if value and column.name in table.set and column.name != table.altered:
                written[column.name] = value
                return {column.name}
        return set()

    def _choose(self, chance) -> dict:
        """Columns to SQL of what is written into them; never the mark."""
        table = self.table
        if table.kept and chance.random() < 0.05:
            return {"kept": chance.choice(["1", "0"])}
        if table.bad and chance.random() < 0.05:
            return {"bad": "0"}
        columns = chance.sample(table.values, chance.randint(1, min(3, len(table.values))))
        return {column.name: table.value(column, chance) for column in columns}


def own_value(declared, chance) -> str:
    """SQL of a value of that type that is like no other; '': it has not so many."""
    word = f"{chance.getrandbits(60):016x}"
    if declared.startswith(("varchar(", "text", "tinytext", "mediumtext", "longtext", "worded")) and not declared.endswith("[]"):
        return f"'w{word}'"
    if declared == "bytea":
        return f"'\\x{word}'::bytea"
    if declared.startswith("varbinary(") or "blob" in declared:
        return f"x'{word}'"
    return str(chance.randint(10 ** 8, 10 ** 9)) if declared in ("int", "integer", "bigint", "bigint unsigned") else ""


class Way:
    """One row through time."""

    def __init__(self, table, number):
        self.table, self.number = table, number
        self.now = None  # what is known to stand there; all of it
        self.before = self.after = None  # of what the job changed and did not take back; `after` as far as it is known
        self.own = {}  # columns to values that are not what the job left, which is not known
        self.because = False  # somebody changed it since, or may have
        self.listed = self.perhaps = 0  # how often it has to be among the conflicts; how often beyond that it may be

    def _fail(self, why, found):
        shown = "\n".join(f"  {name}: {self.now[name]!r} -> {found[name]!r}" for name in found if self.now and self.now[name] != found[name])
        raise AssertionError(f"row {self.number} {why}:\n{shown}\n  before the job: {self.before}\n  after it: {self.after}")

    def found(self, found):
        """The job and its way back were at it, or were not."""
        if self.now is None or found is None:
            assert self.now is None and found is None, f"row {self.number} came or went by itself: {self.now} -> {found}"
            return
        free = {"touched"} if self.table.touched else set()
        differ = {name for name in found if self.now[name] != found[name]} - free
        if self.now[JOB] == found[JOB]:
            altered = {} if found[JOB] else self._altered(self.now, found)
            if differ - set(altered):
                self._fail("is not as it was left", found)
        elif found[JOB]:
            if self.before:
                self._fail("was changed twice", found)
            if differ - self.table.images - self.table.stamps - {JOB}:
                self._fail("was changed beyond the columns of the job", found)
            self.before, self.after, self.own, self.because = self.now, found, {}, False
        else:
            self._taken_back(found, differ)
        self.now = {**self.now, **found}

    def _altered(self, before, found) -> set:
        """The column that the trigger altered on the way back; it is a conflict of its own."""
        name = self.table.altered
        if not name:
            return set()
        if name not in found:
            self.perhaps += 1
            return set()
        if before[name] == found[name]:
            return set()
        self.listed += 1
        if before[name] is None or found[name] != before[name].lstrip("-"):
            self._fail("is altered otherwise than by its trigger", found)
        return {name} | {column.name for column in self.table.columns if column.source == name}

    def _taken_back(self, found, differ):
        table = self.table
        if not self.before:
            self._fail("was taken back without having been changed", found)
        lost = {name for name in table.set if name in self.after and self.now[name] != self.after[name]}
        lost |= {name for name, value in self.own.items() if self.now[name] == value}
        if lost:
            self._fail(f"lost what was written into it ({', '.join(lost)})", found)
        altered = self._altered(self.before, found)
        for name in set(found) - {JOB, KEY} - altered - ({"touched"} if table.touched else set()):
            if name in table.stamps:
                if name not in self.after:
                    continue
                should = self.before[name] if self.now[name] == self.after[name] else self.now[name]
            else:
                should = self.before[name] if name in table.images else self.now[name]
            if found[name] != should:
                self._fail(f"was not taken back as it was ({name}: {should!r})", found)
        self.before = self.after = None

    def left(self, left, own=()):
        self.now = left
        if self.before:
            self.own.update((name, left[name]) for name in own if name not in self.after)
        if left and self.before:
            self.because = self.because or left.get("kept") == "1" or any(
                name not in self.after or left[name] != self.after[name] for name in self.table.set)

    def deleted(self):
        self.listed += bool(self.now[JOB])
        self.now = self.before = self.after = None

    def end(self, found):
        self.found(found)
        if found and found[JOB]:
            self.listed += 1
            if not self.because:
                self._fail("was not taken back, and nobody had touched it", found)


def check(table, before, after, history, listed):
    """What the writers wrote stands there, what they left alone is byte for byte as before the job; `listed` is all the rest."""
    numbers = {row[KEY]: number for number, row in [*before.items(), *after.items()]}
    for number, events in history.items():
        numbers.update((event[1][KEY], number) for event in events)
    kinds = {}
    for one in listed:
        kinds.setdefault(numbers[tuple(one["key"])], []).append(one["kind"])
    for number in sorted(set(before) | set(after) | set(history)):
        way = Way(table, number)
        way.now = before.get(number)
        for event in history.get(number, []):
            if event[0] == "inserted":
                way.found(None)
                way.left(event[1])
            else:
                way.found(event[1])
                way.deleted() if event[0] == "deleted" else way.left(*event[2:])
        way.end(after.get(number))
        found = kinds.get(number, [])
        assert way.listed <= len(found) <= way.listed + way.perhaps, (
            f"row {number} is listed as {found}, and should be {way.listed} times (or {way.perhaps} times more): "
            f"{before.get(number)}, {history.get(number)}, {after.get(number)}")
        assert "deleted" not in found or any(event[0] == "deleted" for event in history[number]), f"row {number} was not deleted"
        assert "altered" not in found or table.altered, f"row {number}: nothing alters it"
        assert "refused" not in found or table.kept, f"row {number}: nothing refuses it"
