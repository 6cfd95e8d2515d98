"""README's commands, as they stand there, by a role that has no more rights than README says it needs."""
import json
import re

from conftest import ROOT
from lab.guide import Reader, address, blocks

ROWS = 3000
README = ROOT / "README.md"


def test_the_first_job(build, database, tmp_path):
    database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, status text NOT NULL, created_at timestamptz NOT NULL)")
    database.execute("INSERT INTO orders SELECT g, 'open', now() - (g %% 3) * interval '18 months' "
                     "FROM generate_series(1, %s) g", (ROWS,))
    database.execute("DO $$ BEGIN CREATE ROLE me LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    database.execute("GRANT SELECT, UPDATE (status) ON orders TO me")
    database.execute(f'GRANT CREATE ON DATABASE "{database.name}" TO me')
    places = {**address(), "meson setup --buildtype release build && ninja -C build": "true", "build/daemon/": "", "build/client/": "",
              "postgresql://me@127.0.0.1/shop": database.server.url(database.name, user="me"), "/tmp/backfilld.db": f"{tmp_path}/state.db"}
    text = README.read_text()
    assert not [there for there in places if there not in text]
    reader = Reader(tmp_path, database, build, places, {"BACKFILLD_URL": f"http://{places['127.0.0.1:8420']}"})
    try:
        reader.run_all(blocks(README))
        assert "completed" in reader.said, reader.said
        assert database.rows("SELECT status, count(*)::int FROM orders GROUP BY 1 ORDER BY 1") == [
            ("archived", ROWS // 3), ("open", ROWS * 2 // 3)]
        assert database.value("SELECT goal FROM backfilld.control WHERE name = 'first'") == "pause"
    finally:
        reader.leave()


def test_the_document_of_the_quickstart_keeps_a_way_back(daemon, database):
    """Its job as it stands there, on a table of the same columns; and the script shows what a rollback would do."""
    script = (ROOT / "quickstart").read_text()
    text = re.search(r"<<J\n(\{.*?\n\})\nJ\n", script, re.S).group(1)
    database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, status text, created_at timestamptz, archived_at timestamptz, revision int)")
    database.execute("INSERT INTO orders SELECT g, 'delivered', '2020-01-01', NULL, 0 FROM generate_series(1, 50) g")
    job = daemon.submit(json.loads(text.replace("$table", "public.orders")))
    daemon.wait(job, "completed")
    assert daemon.job(job)["undo"]["until"] and "run \"$backfillctl\" rollback \"$job\" --dry-run" in script
    assert daemon.post(f"/v1/jobs/{job['id']}/rollback?dry_run=true").json["rows"] == 50
