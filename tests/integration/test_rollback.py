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
