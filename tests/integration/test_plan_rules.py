"""Rules of risk on real servers, each turned on and left off: what catalogues, locks, transactions, the log and others who
write make a reason. (What document and thresholds do is in test_plan.py, replicas in test_replicas.py.)"""
import threading

import pytest

from lab.counted import make_table
from lab.daemon import document, pace
from lab.engines import ENGINES
from lab.threads import Threads
from lab.wait import until

from test_plan import as_role, codes

PLAN = "/v1/jobs?dry_run=true"


def said(daemon, database, **more):
    """Code to reason of a plan for the table of these tests."""
    answer = daemon.post(PLAN, document(database.table("counted"), {"n": "n + 1"}, **{"undo": "journal", **more}))
    assert answer.status == 200, answer.text
    return codes(answer.json)


CATALOGUE = {
    "triggers": (["CREATE TRIGGER touch_it BEFORE UPDATE ON counted FOR EACH ROW SET NEW.other = NEW.other"], "YELLOW", "touch_it"),
    "indexed_column": (["CREATE INDEX by_n ON counted (n)"], "YELLOW", "by_n"),
    "unique_key_column": (["UPDATE counted SET n = id", "CREATE UNIQUE INDEX one_n ON counted (n)"], "RED", "one_n"),
    "foreign_key_column": (["CREATE TABLE kinds (n INTEGER PRIMARY KEY)", "INSERT INTO kinds VALUES (0), (1)",
                            "ALTER TABLE counted ADD CONSTRAINT of_kind FOREIGN KEY (n) REFERENCES kinds (n)"], "RED", "of_kind"),
}


@pytest.mark.parametrize("code", CATALOGUE)
@pytest.mark.engines("mariadb", "mysql", because="test_plan.py has these for PostgreSQL, in its own SQL")
def test_what_the_catalogue_says_is_a_reason(code, daemon, database):
    change, risk, part = CATALOGUE[code]
    make_table(database, 100)
    assert code not in said(daemon, database)
    for statement in change:
        database.execute(statement)
    reason = said(daemon, database)[code]
    assert reason["risk"] == risk and part in reason["text"], reason


class Writer(Threads):
    """Somebody who writes twenty rows of the table, again and again, but no tenth of it in a second: then InnoDB begins its count
    anew (lib/sql/mysql_measure.c)."""

    def __init__(self, database):
        self.database, self.done = database, 0
        super().__init__(["one"])

    def work(self, name):
        with self.database.person("writer") as person:
            while not self.stopping.is_set():
                person.execute("UPDATE counted SET other = other + 1 WHERE id <= 200")
                self.done += 20
                self.stopping.wait(0.005)


@pytest.mark.engines(*ENGINES)
def test_others_write_much(make_daemon, database):
    make_table(database, 60000)
    daemon = make_daemon(database, plan_window="1200ms")
    assert "high_write_rate" not in said(daemon, database)
    with Writer(database) as writer:
        until(lambda: writer.done > 400, 30, "somebody writes")
        reason = until(lambda: said(daemon, database).get("high_write_rate"), 60, "it is seen")
    assert reason["risk"] == "YELLOW" and reason["value"] > 100 and reason["text"].endswith("rows/s of this table"), reason


@pytest.mark.engines(*ENGINES)
def test_who_waits_for_a_row_is_named(daemon, database):
    make_table(database, 2000)
    quiet = said(daemon, database)
    assert not {"lock_contention", "trial_conflicts"} & set(quiet), quiet
    with database.person("holder", autocommit=False) as holder, database.person("waiter", autocommit=False) as waiter:
        number = waiter.info.backend_pid if database.engine == "postgresql" else waiter.number
        holder.execute("UPDATE counted SET other = 1 WHERE id = 10")
        waiting = threading.Thread(target=lambda: waiter.execute("UPDATE counted SET other = 2 WHERE id = 10"))
        waiting.start()
        try:
            reason = until(lambda: said(daemon, database).get("lock_contention"), 60, "it is seen who waits")
            conflict = said(daemon, database)["trial_conflicts"]
        finally:
            holder.rollback()
            waiting.join()
            waiter.rollback()
    assert reason["risk"] == "YELLOW" and reason["value"] == 1 and reason["text"].endswith(f"right now, 1 of them: {number}"), reason
    assert conflict["risk"] == "YELLOW" and conflict["value"] >= 1, conflict
    until(lambda: not {"lock_contention", "trial_conflicts"} & set(said(daemon, database)), 60, "nobody waits any more")


@pytest.mark.engines(*ENGINES)
def test_an_old_transaction_is_a_reason(make_daemon, database):
    make_table(database, 300)
    calm, strict = make_daemon(database), make_daemon(database, **{"risk.oldest_transaction": "1ms"})
    with database.person("old", autocommit=False) as old:
        old.execute("UPDATE counted SET other = 1 WHERE id = 3000")
        reason = until(lambda: said(strict, database).get("old_transaction"), 60, "its age is seen")
        assert reason["risk"] == "YELLOW" and reason["value"] > 0 and "session" in reason["text"], reason
        assert "old_transaction" not in said(calm, database)
        old.rollback()


@pytest.mark.engines(*ENGINES)
def test_the_way_back_is_tried_on_rows_that_change(make_daemon, database):
    """Of a batch whose rows stay as they are every row comes back, whatever the way back is worth."""
    make_table(database, 4000)
    database.execute("UPDATE counted SET n = 1 WHERE id <= 80")  # as many as the first batch has
    calm, strict = make_daemon(database), make_daemon(database, **{"risk.small": 0})
    useless = said(strict, database, where="n = 0", undo={"set": {"n": "n"}})
    assert useless["rollback_not_proven"]["risk"] == "RED" and "rollback_not_tried" not in useless, useless
    good = said(strict, database, where="n = 0")
    assert not {"rollback_not_proven", "rollback_not_tried"} & set(good), good
    late = said(strict, database, where="id > 39000", undo={"set": {"n": "n"}})
    assert late["rollback_not_tried"]["risk"] == "YELLOW" and "rollback_not_proven" not in late, late
    assert late["rollback_not_tried"]["text"].endswith("not tried: the rows that were tried are not to be changed"), late
    assert not {"rollback_not_proven", "rollback_not_tried"} & set(said(calm, database, where="id > 39000"))  # a small table
    cards = [strict.post(PLAN, document(database.table("counted"), {"n": "n + 1"}, undo="journal", where=where)).json["card"]
             for where in ("n = 0", "id > 39000")]
    assert "tried: every row came back byte for byte\n" in cards[0] and "not tried: the rows that were tried are not" in cards[1], cards


@pytest.mark.engines(*ENGINES)
def test_the_same_work_elsewhere_is_a_rehearsal(make_daemon, database, clusters):
    """Another target, the same document but for that; it stands on the card, and whether it was taken back."""
    stage = clusters(database.engine).make_database()
    try:
        for each in (database, stage):
            make_table(each, 300)
        daemon = make_daemon(database, targets={"stage": {"primary": stage.url, "require_approval": "none", **getattr(stage, "target", {})}},
                             **{"risk.small": 0})
        work = document("counted", {"n": "n + 1"}, undo="journal", name="rehearsed", pace=pace(1000))

        def plan():
            made = daemon.post(PLAN, work).json
            return made["card"], made["rehearsal"], "not_rehearsed" in codes(made)
        card, rehearsal, missing = plan()
        assert missing and rehearsal is None and "REHEARSAL   none on record\n" in card, card
        job = daemon.submit({**work, "target": "stage"})
        until(lambda: daemon.job(job)["state"] == "completed", 60, lambda _: f"it is over: {daemon.job(job)}")
        card, rehearsal, missing = plan()
        assert not missing and rehearsal.startswith(f"rehearsed ({job['id']}) on stage: 300 rows in "), rehearsal
        assert rehearsal.endswith("rows/s), not rolled back") and "REHEARSAL   rehearsed (" in card, card
        daemon.order(job, "rollback")
        daemon.wait(job, "rolled_back")
        assert plan()[1].endswith("there and back: rolled back")
        daemon.stop()
    finally:
        stage.drop()


@pytest.mark.engines("postgresql", because="the others have one list of rights, in which this cannot be missing alone")
def test_a_right_that_is_missing_is_not_a_server_that_is_down(make_daemon, database):
    """The control schema is somebody else's."""
    make_table(database, 100)
    owner = make_daemon(database)
    owner.wait(owner.submit(document("public.counted", {"other": "1"}, pace=pace(1000))), "completed")
    role = f"poor_{database.name}"
    database.execute(f"CREATE ROLE {role} LOGIN; GRANT SELECT, UPDATE ON counted TO {role}")
    try:
        daemon = make_daemon(database, primary=as_role(database, role))
        answer = daemon.post(PLAN, document("public.counted", {"n": "n + 1"}))
        assert answer.status == 503 and "permission denied for schema backfilld; what the role needs is in docs/rights.md" in answer.json["detail"]
        daemon.stop()
    finally:
        database.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.engines("postgresql", because="elsewhere the key's index is forced, and a server that would not use it has not been found")
def test_a_boundary_that_is_sorted_is_a_reason(make_daemon, database):
    """As for a role whose DBA switched something off to help a report."""
    make_table(database, 12000)
    assert "full_scans" not in said(make_daemon(database), database)
    role = f"sorts_{database.name}"
    database.execute(f"CREATE ROLE {role} LOGIN SUPERUSER")
    try:
        for setting in ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"):
            database.execute(f"ALTER ROLE {role} SET {setting} = off")
        daemon = make_daemon(database, primary=as_role(database, role))
        reason = said(daemon, database)["full_scans"]
        assert reason["risk"] == "RED" and ("Sort" in reason["text"] or "Seq Scan" in reason["text"]), reason
        daemon.stop()
    finally:
        database.execute(f"DROP OWNED BY {role}")
        database.execute(f"DROP ROLE {role}")


@pytest.mark.engines("postgresql", because="publications are PostgreSQL's")
def test_a_publication_for_all_tables_is_a_reason(daemon, database):
    """With the control schema there, and no journal to be made, nothing is refused (test_review.py, test_rollback.py)."""
    make_table(database, 300)
    daemon.wait(daemon.submit(document("public.counted", {"other": "1"}, pace=pace(1000))), "completed")
    assert "publication_for_all_tables" not in said(daemon, database, undo="none")
    database.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    reason = said(daemon, database, undo="none")["publication_for_all_tables"]
    assert reason["risk"] == "RED" and reason["text"].endswith(": everything"), reason


def test_logical_slots_are_a_reason(own_cluster, make_daemon):
    own_cluster.primary.configure(wal_level="logical")
    own_cluster.primary.restart()
    database = own_cluster.make_database()
    make_table(database, 300)
    daemon = make_daemon(database)
    assert "logical_slots" not in said(daemon, database)
    database.execute("SELECT pg_create_logical_replication_slot('cdc', 'pgoutput')")
    reason = said(daemon, database)["logical_slots"]
    assert reason["risk"] == "YELLOW" and reason["text"].endswith(": cdc"), reason
    database.close()


@pytest.mark.engines("mariadb", "mysql", because="the log of PostgreSQL has no statements")
def test_a_log_of_statements_is_a_reason(own_cluster, make_daemon):
    """No batch could run: InnoDB refuses what is READ COMMITTED then."""
    database = own_cluster.make_database()
    make_table(database, 300)
    daemon = make_daemon(database)
    assert "statement_binlog" not in said(daemon, database)
    own_cluster.primary.sql("SET GLOBAL binlog_format = 'MIXED'")
    assert not {"statement_binlog", "trial_failed"} & set(said(daemon, database))
    own_cluster.primary.sql("SET GLOBAL binlog_format = 'STATEMENT'")
    reasons = said(daemon, database)
    assert reasons["statement_binlog"]["risk"] == "RED" and "ROW or MIXED" in reasons["statement_binlog"]["text"], reasons
    assert "BINLOG_FORMAT = STATEMENT" in reasons["trial_failed"]["text"], reasons
    database.close()
