"""The undo journal and the way back, on PostgreSQL: every row that nobody touched since is byte for byte as it was before, every
other one is a listed conflict and is left as it is, exactly once, whatever is killed."""
import random
import threading

import pytest

from lab.counted import full_speed, make_table, slow_batches
from lab.daemon import document, pace
from lab.wait import until

WHY = "the undo journal is built for PostgreSQL alone so far"
pytestmark = pytest.mark.engines("postgresql", because=WHY)


def job_document(database, set_, rows_a_batch=50, table="things", **more):
    more.setdefault("pace", pace(rows_a_batch))
    return document(database.table(table), set_, undo="journal", **more)


def image(database, table="things"):
    """Every row, as its bytes: what the server writes of it as text tells any two values apart."""
    return dict(database.rows(f"SELECT t.id, t::text FROM {table} t"))


def make_things(database, rows=400):
    """Columns whose equality says too little: numbers and texts that are equal and not the same, types without an equality."""
    database.execute("CREATE COLLATION IF NOT EXISTS careless (provider = icu, locale = 'und-u-ks-level1', deterministic = false)")
    database.execute("""CREATE TABLE things (id bigint PRIMARY KEY, n integer, amount numeric, word text COLLATE careless,
        body json, list integer[], place point, f float8, at timestamptz, padded char(5), other integer NOT NULL DEFAULT 0)""")
    database.execute("""INSERT INTO things (id, n, amount, word, body, list, place, f, at, padded)
        SELECT i, CASE WHEN i % 7 <> 0 THEN i END, CASE i % 3 WHEN 0 THEN 1.0 WHEN 1 THEN 1.00 END,
               CASE i % 4 WHEN 0 THEN 'a' WHEN 1 THEN 'A' WHEN 2 THEN '' END, CASE WHEN i % 2 = 0 THEN '{"a": 1}'::json
               ELSE '{"a":1}'::json END, CASE WHEN i % 5 <> 0 THEN ARRAY[i, NULL] END, point(i, 1),
               CASE i % 4 WHEN 0 THEN 0.0 WHEN 1 THEN -0.0 WHEN 2 THEN 'NaN' END, timestamptz '2020-01-01' + i * interval '1 us',
               CASE WHEN i % 2 = 0 THEN 'x' END FROM generate_series(1, {rows}) i""".replace("{rows}", str(rows)))
    database.analyze("things")


EVERYTHING = {"n": "coalesce(n, 0) + 1", "amount": "1.000", "word": "upper(word)", "body": "'{ \"a\" : 1 }'::json",
              "list": "list || 7", "place": "point(0, random())", "f": "-f", "at": "clock_timestamp()", "padded": "'y'"}


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
    job = daemon.submit(job_document(database, EVERYTHING))
    done = daemon.wait(job, "completed")
    assert done["progress"]["rows_changed"] == 400 and done["undo"]["rows"] == 400 and done["undo"]["bytes"] > 0
    assert all(image(database)[key] != row for key, row in before.items())
    back = roll_back(daemon, job)
    assert image(database) == before
    assert back["rollback"] == {"rows": 400, "rows_seen": 400, "rows_restored": 400, "conflicts": 0, "batches": 8}
    assert database.value("SELECT state FROM backfilld.job WHERE id = %s", (job["id"],)) == "rolled_back"
    # twice changes nothing, and says so
    answer = daemon.post(f"/v1/jobs/{job['id']}/rollback")
    assert answer.status == 200 and answer.json["state"] == "rolled_back"
    assert image(database) == before


class Writers:
    """Applications that write into the very column that the job sets, and delete rows now and then, until they are stopped.
    `last`: what they last wrote into a row, committed; `deleted`: rows that they took away."""

    def __init__(self, database, rows, seed, most_deletes=20):
        self.database, self.rows, self.last, self.deleted = database, rows, {}, set()
        self._stop, self._chance, self._deletes = threading.Event(), random.Random(seed), most_deletes
        self._threads = [threading.Thread(target=self._write, args=(random.Random(f"{seed} {number}"), number)) for number in range(2)]
        self.failures = []

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert not self.failures, self.failures

    def _write(self, chance, number):
        try:
            with self.database.person(f"writer {number}") as connection:
                count = 0
                while not self._stop.wait(chance.uniform(0, 0.01)):
                    count += 1
                    key = chance.randrange(number, self.rows, 2) + 1  # each has rows of its own: who wrote last is known
                    if key in self.deleted:
                        continue
                    if len(self.deleted) < self._deletes and chance.random() < 0.05:
                        connection.execute("DELETE FROM things WHERE id = %s", (key,))
                        self.deleted.add(key)
                        self.last.pop(key, None)
                        continue
                    connection.execute("UPDATE things SET n = %s WHERE id = %s", (-count * 2 - number, key))
                    self.last[key] = -count * 2 - number
        except self.database.errors as error:
            self.failures.append(error)


def check_back(database, before, writers, listed, rows):
    """No write of theirs is lost; what they did not touch is byte for byte as before; the rest is listed, each once."""
    after, n = image(database), dict(database.rows("SELECT id, n FROM things"))
    word = dict(database.rows("SELECT id, word FROM things"))
    assert set(after) == set(before) - writers.deleted
    for key, row in before.items():
        if key in writers.deleted:
            continue
        if key in writers.last:
            assert n[key] == writers.last[key], f"row {key} lost what was written into it"
        else:
            assert after[key] == row, f"row {key}, which nobody touched"
    kinds = {int(one["key"][0]): one["kind"] for one in listed}
    assert len(kinds) == len(listed), "a row is listed twice"
    assert {key for key, kind in kinds.items() if kind == "deleted"} <= writers.deleted
    # (one that was written into first and taken away later may stand there as either)
    changed = {key for key, kind in kinds.items() if kind == "changed"}
    assert changed - writers.deleted == {key for key, text in word.items() if text == "JOB"}
    assert set(kinds.values()) <= {"changed", "deleted"}


def run_and_roll_back(database, make_daemon, seed, rows, slices=1):
    chance = random.Random(seed)
    make_things(database, rows)
    before = image(database)
    set_ = {"n": "coalesce(n, 0) + 1000000", "word": "'JOB'", "f": "random()"}
    daemon = make_daemon(database)
    with Writers(database, rows, seed) as writers:
        job = daemon.submit(job_document(database, set_, chance.choice([5, 20, 50]),
                                         pace={**pace(chance.choice([5, 20, 50]), nice=1), "slices": slices}))
        for batches in sorted(chance.sample(range(1, 12), 2)):
            daemon.wait_progress(job, batches)
            daemon.restart()
        if chance.random() < 0.5:
            daemon.wait(job, "completed")
        daemon.order(job, "rollback", {"reason": "a test"})
        for number in range(2):
            until(lambda: (daemon.job(job)["rollback"] or {"batches": 0})["batches"] > number * 3 or
                  daemon.job(job)["state"] == "rolled_back", 60, lambda _: daemon.log_tail(), 0.002)
            daemon.restart()
        back = daemon.wait(job, "rolled_back")
        listed = [{"key": key, "kind": kind} for key, kind in
                  database.rows("SELECT key::json, kind FROM backfilld.conflict WHERE job = %s", (job["id"],))]
        changed_then = set(writers.last)
    assert back["rollback"]["conflicts"] == len(listed) and back["rollback"]["rows_seen"] == back["rollback"]["rows"]
    check_back(database, before, writers, listed, rows)
    assert changed_then
    return len(listed)


@pytest.mark.parametrize("slices", [1, 3])
def test_no_write_of_others_is_lost_whatever_is_killed(slices, database, make_daemon, campaign):
    conflicts = 0
    for seed in range(500 if campaign else 2):
        database.execute("DROP TABLE IF EXISTS things")
        conflicts += run_and_roll_back(database, make_daemon, seed * 10 + slices, 600, slices)
        database.execute("DROP SCHEMA backfilld CASCADE")
    assert conflicts
