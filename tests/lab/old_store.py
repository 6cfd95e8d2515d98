"""State stores as former releases wrote them: each version's statements, frozen here, so that an upgrade in a test is one.

What a release wrote does not change any more. When the store gets a new version, the one before has its entry here."""
import os
import sqlite3
from pathlib import Path

APPLICATION_ID = 0x6266736D

VERSIONS = {
    1: ["CREATE TABLE job ( id TEXT PRIMARY KEY NOT NULL CHECK (length(id) = 26), name TEXT NOT NULL, target TEXT NOT NULL, "
        "document TEXT NOT NULL, state TEXT NOT NULL, direction TEXT NOT NULL, reason_code TEXT NOT NULL, reason_text TEXT "
        "NOT NULL, reason_since INTEGER NOT NULL, reason_until INTEGER NOT NULL, rows_scanned INTEGER NOT NULL, rows_changed "
        "INTEGER NOT NULL, rows_estimated INTEGER NOT NULL, batches INTEGER NOT NULL, batch_rows INTEGER NOT NULL, pass "
        "INTEGER NOT NULL, resumed INTEGER NOT NULL, range_after TEXT, range_through TEXT, position TEXT, done INTEGER NOT "
        "NULL, plan TEXT, submitter TEXT, approver TEXT, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, started_at "
        "INTEGER NOT NULL, ended_at INTEGER NOT NULL, epoch INTEGER NOT NULL, started INTEGER NOT NULL) STRICT",
        "CREATE TABLE event ( id INTEGER PRIMARY KEY AUTOINCREMENT, job TEXT NOT NULL, at INTEGER NOT NULL, type TEXT NOT "
        "NULL, from_state TEXT NOT NULL, to_state TEXT NOT NULL, actor TEXT NOT NULL, text TEXT NOT NULL) STRICT",
        "CREATE INDEX event_of_job ON event (job, id)"],
    2: ["ALTER TABLE job ADD COLUMN version INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE job ADD COLUMN idempotency_key TEXT",
        "ALTER TABLE job ADD COLUMN current_document TEXT",
        "CREATE TABLE latch ( kind INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, reason TEXT, actor TEXT NOT "
        "NULL, since INTEGER NOT NULL, PRIMARY KEY (kind, name, value)) STRICT, WITHOUT ROWID"],
    3: ["ALTER TABLE job ADD COLUMN ledger TEXT"],
    4: ["CREATE TABLE sample ( job TEXT NOT NULL, step INTEGER NOT NULL, at INTEGER NOT NULL, batch_rows INTEGER NOT NULL, "
        "rows_scanned INTEGER NOT NULL, rows_changed INTEGER NOT NULL, batches INTEGER NOT NULL, batch_time INTEGER NOT NULL, "
        "slept INTEGER NOT NULL, held INTEGER NOT NULL, signals TEXT, PRIMARY KEY (job, step, at)) STRICT, WITHOUT ROWID"],
    5: ["ALTER TABLE job ADD COLUMN rows_set_aside INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE job ADD COLUMN yields INTEGER NOT NULL DEFAULT 0"],
    6: ["CREATE TABLE ignored_replica ( target TEXT NOT NULL, replica TEXT NOT NULL, why TEXT NOT NULL, until INTEGER NOT NULL, "
        "PRIMARY KEY (target, replica)) STRICT, WITHOUT ROWID"],
    7: ["ALTER TABLE job ADD COLUMN slices TEXT"],
    8: ["ALTER TABLE job ADD COLUMN reason_signal TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE job ADD COLUMN reason_measured INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE job ADD COLUMN reason_value REAL",
        "ALTER TABLE job ADD COLUMN reason_limit REAL",
        "CREATE TABLE alert ( fingerprint TEXT NOT NULL, starts_at TEXT NOT NULL, seen_at INTEGER NOT NULL, PRIMARY KEY "
        "(fingerprint, starts_at)) STRICT, WITHOUT ROWID",
        "CREATE TABLE webhook (target TEXT PRIMARY KEY NOT NULL, event INTEGER NOT NULL) STRICT, WITHOUT ROWID"],
    9: ["ALTER TABLE job ADD COLUMN approved_plan TEXT",
        "ALTER TABLE job ADD COLUMN approved_risk TEXT",
        "ALTER TABLE job ADD COLUMN approved_bounds TEXT"],
    10: ["ALTER TABLE job ADD COLUMN back_wanted INTEGER NOT NULL DEFAULT 0",
         "ALTER TABLE job ADD COLUMN undo_dropped INTEGER NOT NULL DEFAULT 0",
         "ALTER TABLE job ADD COLUMN undo_rows INTEGER NOT NULL DEFAULT -1",
         "ALTER TABLE job ADD COLUMN undo_bytes INTEGER NOT NULL DEFAULT -1",
         "ALTER TABLE job ADD COLUMN back_seen INTEGER NOT NULL DEFAULT 0",
         "ALTER TABLE job ADD COLUMN back_conflicts INTEGER NOT NULL DEFAULT 0",
         "ALTER TABLE job ADD COLUMN back_batches INTEGER NOT NULL DEFAULT 0"],
    11: ["ALTER TABLE job ADD COLUMN rows_bad INTEGER NOT NULL DEFAULT 0",
         "ALTER TABLE job ADD COLUMN retry_bad INTEGER NOT NULL DEFAULT 0"],
    12: ["ALTER TABLE job ADD COLUMN logged_bytes INTEGER NOT NULL DEFAULT 0",
         "ALTER TABLE job ADD COLUMN logged_rows INTEGER NOT NULL DEFAULT 0",
         "ALTER TABLE job ADD COLUMN dead_rows INTEGER NOT NULL DEFAULT -1"],
    13: ["ALTER TABLE job ADD COLUMN break_glass TEXT"],
}


def version(path) -> int:
    with sqlite3.connect(path) as store:
        return store.execute("PRAGMA user_version").fetchone()[0]


def schema(path) -> list:
    """What is in the file, as SQLite remembers the statements that made it."""
    with sqlite3.connect(path) as store:
        return store.execute("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name").fetchall()


def make(path, wanted: int):
    store = sqlite3.connect(path)
    for number in range(1, wanted + 1):
        for statement in VERSIONS[number]:
            store.execute(statement)
    store.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    store.execute(f"PRAGMA user_version = {wanted}")
    store.commit()
    return store


def turn_back(path, wanted: int):
    """Makes the store of a daemon that does not run one of a former version, with all that one could know."""
    path, old = Path(path), Path(f"{path}.old")
    store = make(old, wanted)
    store.execute("ATTACH ? AS newer", (str(path),))
    for table in [name for (name,) in store.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT "
                                                    "LIKE 'sqlite_%'").fetchall()]:
        columns = ", ".join(row[1] for row in store.execute(f"PRAGMA main.table_info({table})"))
        store.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
    store.execute("UPDATE main.sqlite_sequence SET seq = (SELECT seq FROM newer.sqlite_sequence WHERE name = 'event')")
    store.commit()
    store.close()
    owner = path.stat()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    os.rename(old, path)
    os.chown(path, owner.st_uid, owner.st_gid)
    assert version(path) == wanted
