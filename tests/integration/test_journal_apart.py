"""A journal whose old values are read by a walk of their own: they are those of the rows that were changed, in their order, whatever
triggers, others and the server's plans make of the two walks."""
import pytest

from lab.things import image, small
from lab.wait import until
from test_rollback import conflicts, job_document, roll_back

pytestmark = pytest.mark.engines("postgresql", because="elsewhere a journal is written by statements of its own")


def before_update(database, name, body):
    database.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} RETURN new; END $$")
    database.execute(f"CREATE TRIGGER {name} BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION {name}()")


@pytest.mark.parametrize("more", [{}, {"where": "n >= 0"}], ids=["every row", "some"])
def test_rows_that_a_trigger_keeps_from_being_changed_are_not_in_the_journal(more, database, daemon):
    small(database, 300)
    before_update(database, "keeps", "IF new.id % 7 = 0 THEN RETURN NULL; END IF;")
    before = image(database)
    job = daemon.submit(job_document(database, {"n": "n + 1000"}, 40, **more))
    done = daemon.wait(job, "completed")
    left = {key for key, row in image(database).items() if row == before[key]}
    assert left == set(range(7, 301, 7)) and done["progress"]["rows_changed"] == done["undo"]["rows"] == 300 - len(left)
    assert done["progress"]["rows_set_aside"] == 0
    roll_back(daemon, job)
    assert conflicts(daemon, job) == [] and image(database) == before


def test_a_row_to_which_a_trigger_gives_the_key_of_another_keeps_its_own_value(database, daemon):
    """Each gets the key of the row before it, which has another one by then."""
    small(database, 300)
    before = dict(database.rows("SELECT id, n FROM things"))
    before_update(database, "shifts", "new.id := new.id - 1;")
    job = daemon.submit(job_document(database, {"n": "n + 1000"}, 40))
    done = daemon.wait(job, "completed")
    assert done["progress"]["rows_changed"] == done["undo"]["rows"] == 300
    assert dict(database.rows("SELECT id, n FROM things")) == {key - 1: n + 1000 for key, n in before.items()}
    assert dict(database.rows(f"SELECT u.k, u.b FROM backfilld.undo_{job['id'].lower()} x, unnest(x.key_id, x.before_n) u (k, b)")) == before


def test_a_row_that_a_trigger_puts_in_the_place_of_another(database, daemon):
    """The other one's value is not the row's own: it must not come back into it."""
    small(database, 600)
    before = dict(database.rows("SELECT id, n FROM things"))
    before_update(database, "replaces", "DELETE FROM things WHERE id = new.id + 300; new.id := new.id + 300;")
    job = daemon.submit(job_document(database, {"n": "n + 1000"}, 40, range={"through": ["300"]}))
    daemon.wait(job, "completed")
    assert dict(database.rows("SELECT id, n FROM things")) == {key + 300: n + 1000 for key, n in before.items() if key <= 300}
    kept = database.rows(f"SELECT u.b, u.a FROM backfilld.undo_{job['id'].lower()} x, unnest(x.before_n, x.after_n) u (b, a)")
    assert len(kept) == 300 and all(new == old + 1000 for old, new in kept)


@pytest.mark.parametrize("key", ["id", "name", "a, id", "part, word"])
def test_rows_that_are_newer_than_an_old_transaction_are_looked_up(key, database, daemon):
    """Their writers are none of those that were over when the oldest one began, so their numbers alone say nothing."""
    with database.person("old", autocommit=False) as old:
        old.execute("SELECT txid_current()")
        database.execute("CREATE DOMAIN label AS text CHECK (value <> '')")
        database.execute("CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
        database.execute("CREATE TABLE things (id integer NOT NULL, a integer NOT NULL, name label NOT NULL, part numeric NOT NULL, "
                         f"word text COLLATE loose NOT NULL, n integer, list text[], PRIMARY KEY ({key}))")
        database.execute("INSERT INTO things SELECT i, i % 3, 'name ' || i, i % 2 + 0.50, 'Word' || i, i, ARRAY['x', i::text] "
                         "FROM generate_series(1, 300) i")
        database.execute("UPDATE things SET n = -n WHERE id % 5 = 0")
        before = image(database)
        job = daemon.submit(job_document(database, {"n": "n + 1000", "list": "list || 'y'::text"}, 40))
        done = daemon.wait(job, "completed")
        assert done["progress"]["rows_changed"] == done["undo"]["rows"] == 300 and done["progress"]["rows_set_aside"] == 0
        assert image(database) != before
        roll_back(daemon, job)
    assert conflicts(daemon, job) == [] and image(database) == before


@pytest.mark.parametrize("changed", [-30, 5000], ids=["still asked for", "no more"])
def test_rows_that_others_change_and_delete_under_a_batch(changed, database, daemon):
    """Between the look at the old values and the change of the rows: what the batch then does not change is not in the journal."""
    small(database)
    before = dict(database.rows("SELECT id, n FROM things"))
    with daemon.held_back():
        job = daemon.submit(job_document(database, {"n": "n + 1"}, 60, where="n < 1000"))
        database.slow(2.0, name="things")  # of the statement: one of each row's would have the rows joined
    until(lambda: database.slowed(job), 20, lambda _: f"the batch is about to change rows: {daemon.job(job)}\n{daemon.log_tail()}", 0.01)
    database.execute(f"UPDATE things SET n = {changed} WHERE id = 30")
    database.execute("DELETE FROM things WHERE id = 31")
    assert database.slowed(job), "the batch was over before its rows were changed"
    daemon.wait_progress(job, 1)  # who waits for the table makes a batch give way
    database.full_speed("things")
    done = daemon.wait(job, "completed")
    others = {key: n for key, n in before.items() if key not in (30, 31)}
    assert done["progress"]["rows_changed"] == done["undo"]["rows"] == len(others) + (changed < 1000)
    after = {key: n + 1 for key, n in others.items()}
    assert dict(database.rows("SELECT id, n FROM things")) == {**after, 30: changed + (changed < 1000)}
    roll_back(daemon, job)
    assert conflicts(daemon, job) == []
    assert dict(database.rows("SELECT id, n FROM things")) == {**others, 30: changed}
