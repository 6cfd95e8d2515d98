"""verify_sample: before a job is completed changed rows are recomputed from what the journal says they held before. A difference
fails the job, where nothing else than the job can have made it; what cannot be told is said, and is no alarm."""
import pytest

from lab.daemon import document, pace
from lab.engines import ENGINES
from lab.things import EVERYTHING, make_things, small, trigger

pytestmark = pytest.mark.engines(*ENGINES)


def job_document(database, set_, rows_a_batch=20, **more):
    made = document(database.table("things"), set_, pace=pace(rows_a_batch), **more)
    del made["undo"]
    return made


def said(daemon, job):
    return [event["text"] for event in daemon.events(job) if event["type"] == "verify"]


def function(database, body):
    """f(n), which says that it depends on its argument alone."""
    if database.engine == "postgresql":
        database.execute(f"CREATE OR REPLACE FUNCTION f(n integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN {body}; END $$")
    else:
        database.execute("DROP FUNCTION IF EXISTS f")
        database.execute(f"CREATE FUNCTION f(n INT) RETURNS INT DETERMINISTIC NO SQL RETURN {body}")
        database.execute("GRANT EXECUTE ON FUNCTION f TO backfill@'%'")


def test_rows_that_an_older_function_changed_are_found(database, daemon):
    """Its author replaced it while the job paused: half of the rows hold what the old one gave."""
    small(database)
    function(database, "n + 1000")
    job = daemon.submit(job_document(database, {"n": "f(n)", "word": "'b'"}, canary={"rows": 20}))
    daemon.wait(job, "paused")
    function(database, "n + 2000")
    daemon.resume(job)
    failed = daemon.wait(job, "failed")
    text = failed["reason"]["text"]
    assert failed["reason"]["code"] == "sample_differs"
    assert "of 60 changed rows" in text and "20 in column n, such as [\"" in text.replace('[ "', '["') and "word" not in text, text
    assert failed["progress"]["rows_changed"] == 60
    # once the old one is back, and the rest is put right, it holds
    function(database, "CASE WHEN n <= 20 THEN n + 1000 ELSE n + 2000 END")
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert said(daemon, job) == ["60 changed rows were recomputed from their old values and hold what `set` gives"]


def test_every_type_is_recomputed_as_it_was_stored(database, daemon):
    """And what asks for the time or for chance is left out."""
    make_things(database)
    job = daemon.submit(job_document(database, EVERYTHING[database.engine], 50, verify_sample=300))
    daemon.wait(job, "completed")
    told = said(daemon, job)
    left_out = {"postgresql": ["at", "place"]}.get(database.engine, ["at", "big", "long_text"])
    assert sorted(text.split()[1] for text in told[:-1] if "cannot be recomputed" in text) == left_out, told
    assert told[-1].startswith("300 changed rows were recomputed"), told
    assert not any("says nothing" in text for text in told), told


def test_what_is_rounded_cut_and_converted(database, daemon):
    database.execute("CREATE TABLE things (id integer PRIMARY KEY, amount numeric(8, 2), n integer, small float, word char(6), "
                     "text_of varchar(40), day date, at timestamp(3) NULL, flag boolean)")
    database.number_rows("INSERT INTO things SELECT i, i, i, i, 'a', 'b', '2020-01-01', '2020-01-01', false FROM numbers", 40)
    job = daemon.submit(job_document(database, {"amount": "amount / 3", "n": "n / 2.0", "small": "small / 7", "word": "'xy'", "text_of": "concat('v', id / 3.0)",
                                                "day": "'2021-03-04'", "at": "'2021-03-04 05:06:07.1234'", "flag": "n > 3"}))
    daemon.wait(job, "completed")
    told = said(daemon, job)
    assert told[-1].startswith("40 changed rows were recomputed") and not any("cannot" in text for text in told), told


@pytest.mark.engines("mariadb", "mysql", because="PostgreSQL has a type of JSON, and keeps it")
def test_json_that_is_put_into_json_is_no_alarm(database, daemon):
    database.execute("CREATE TABLE things (id INT PRIMARY KEY, body JSON NOT NULL)")
    database.number_rows("INSERT INTO things SELECT i, '{\"a\": 1}' FROM numbers", 40)
    job = daemon.submit(job_document(database, {"body": "JSON_ARRAY(body)"}))
    daemon.wait(job, "completed")
    assert {body.replace(" ", "") for body, in database.rows("SELECT body FROM things")} == {'[{"a":1}]'}
    told = said(daemon, job)
    if database.engine == "mysql":
        assert told == ["40 changed rows were recomputed from their old values and hold what `set` gives"]
    else:
        assert "in column body 40 of 40 rows" in told[0] and "which the journal keeps as a text" in told[0], told


def test_others_and_triggers_are_no_alarm(database, daemon):
    small(database)
    job = daemon.submit(job_document(database, {"n": "n * 2"}, checks={"after": [{"name": "late", "sql": "SELECT 1", "equals": "1"}]},
                                     canary={"rows": 20}))
    daemon.wait(job, "paused")
    database.execute("UPDATE things SET n = -1 WHERE id <= 5")
    daemon.resume(job)
    daemon.wait(job, "completed")
    assert said(daemon, job) == ["55 changed rows were recomputed from their old values and hold what `set` gives; those that others "
                                 "have changed since were left out"]
    trigger(database, "capped", "IF NEW.n > 100 THEN {set} NEW.n {to} 100; END IF;")
    other = daemon.submit(job_document(database, {"n": "n + 90"}, name="other"))
    daemon.wait(other, "completed")
    told = said(daemon, other)
    assert len(told) == 2 and "in column n" in told[0] and "triggers on UPDATE may have made it" in told[0], told


def test_a_column_that_is_not_kept(database, daemon):
    """PostgreSQL knows of each row whether it is the version that the job made; InnoDB does not, so there nobody can tell."""
    small(database)
    job = daemon.submit(job_document(database, {"n": "n + length(word)"}, canary={"rows": 20}))
    daemon.wait(job, "paused")
    database.execute("UPDATE things SET word = 'longer' WHERE id <= 5")
    daemon.resume(job)
    daemon.wait(job, "completed")
    told = said(daemon, job)
    if database.engine == "postgresql":
        assert told == ["55 changed rows were recomputed from their old values and hold what `set` gives; those that others have changed "
                        "since were left out"]
    else:
        assert "in column n 5 of 60 rows" in told[0] and "the journal does not keep" in told[0], told


def test_it_is_refused_where_there_is_no_journal(database, daemon):
    small(database)
    for undo in ("none", {"set": {"n": "n - 1"}}):
        refused = daemon.post("/v1/jobs", {**job_document(database, {"n": "n + 1"}), "undo": undo, "verify_sample": 5})
        assert refused.status == 422 and refused.json["errors"][0]["pointer"] == "/verify_sample", refused.json
    job = daemon.submit(job_document(database, {"n": "n + 1"}, verify_sample=0))
    daemon.wait(job, "completed")
    assert said(daemon, job) == []
