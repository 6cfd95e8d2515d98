"""README's first job, as it stands there, by a role that has no more rights than README says it needs."""
import json
import os
import re
import subprocess

from conftest import ROOT
from lab.ports import free_port

ROWS = 3000


def first_job(build, port, database, directory) -> str:
    """The commands of README's section, with ports and places of the test's own; the programs are built already."""
    section = (ROOT / "README.md").read_text().split("## A first job of your own", 1)[1]
    script = re.search(r"```sh\n(.*?)```", section, re.S).group(1)
    for there, here in {
        r"meson setup.*\n": "", r"127\.0\.0\.1:8420": f"127.0.0.1:{port}", r"\bbuild/": f"{build}/",
        r"me@127\.0\.0\.1/shop": f"me@127.0.0.1:{database.server.port}/{database.name}",
        r"/tmp/backfilld\.db": f"{directory}/state.db",
    }.items():
        script, found = re.subn(there, here, script)
        assert found, f"README's first job has no {there} any more"
    return script


def test_the_first_job(build, database, tmp_path):
    database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, status text NOT NULL, created_at timestamptz NOT NULL)")
    database.execute("INSERT INTO orders SELECT g, 'open', now() - (g %% 3) * interval '18 months' "
                     "FROM generate_series(1, %s) g", (ROWS,))
    database.execute("DO $$ BEGIN CREATE ROLE me LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    database.execute("GRANT SELECT, UPDATE (status) ON orders TO me")
    database.execute(f'GRANT CREATE ON DATABASE "{database.name}" TO me')
    port = free_port()
    script = first_job(build, port, database, tmp_path)
    done = subprocess.run(["bash", "-c", f"set -e\ntrap 'kill %1; wait' EXIT\n{script}"], cwd=tmp_path, text=True,
                          capture_output=True, timeout=120, stdin=subprocess.DEVNULL,
                          env={**os.environ, "BACKFILLD_URL": f"http://127.0.0.1:{port}"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "completed" in done.stdout, done.stdout
    assert database.rows("SELECT status, count(*)::int FROM orders GROUP BY 1 ORDER BY 1") == [
        ("archived", ROWS // 3), ("open", ROWS * 2 // 3)]


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
