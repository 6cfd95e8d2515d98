"""The control schema where the daemon's account may not make it, and tables that others change meanwhile."""
import subprocess
import threading

import pytest

from lab.counted import check, full_speed, make_table, slow_batches
from lab.daemon import document, pace
from lab.engines import ENGINES
from lab.wait import until

pytestmark = pytest.mark.engines(*ENGINES)
ROWS = 100


def grants(database) -> tuple:
    """What the account needs on the table, and on the control schema."""
    if database.engine == "postgresql":
        return (["GRANT SELECT, UPDATE ON counted TO poor"],
                ["GRANT USAGE ON SCHEMA backfilld TO poor", "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA backfilld "
                 "TO poor"])
    return ([f"GRANT SELECT, UPDATE ON `{database.name}`.* TO poor@'%'"],
            ["GRANT SELECT, INSERT, UPDATE, DELETE ON backfilld.* TO poor@'%'"])


@pytest.fixture
def poor(database, tmp_path):
    """URL and keys of a target whose account may change rows and nothing else."""
    name = "poor" if database.engine == "postgresql" else "poor@'%'"
    if database.engine == "postgresql":
        database.execute("CREATE ROLE poor LOGIN")
        yield database.url.replace("//postgres@", "//poor@"), {}
        database.execute("DROP OWNED BY poor")
    else:
        password = tmp_path / "password"
        password.write_text("poor\n")
        password.chmod(0o600)
        database.execute("CREATE USER poor@'%' IDENTIFIED BY 'poor'")
        yield database.server.url(database.name, "poor"), {"password_file": password}
    database.execute(f"DROP {'ROLE' if database.engine == 'postgresql' else 'USER'} {name}")


def test_a_dba_makes_the_control_schema(poor, database, build, make_daemon):
    url, keys = poor
    make_table(database, ROWS)
    on_table, on_schema = grants(database)
    for grant in on_table:
        database.execute(grant)
    daemon = make_daemon(url, **keys)
    job = daemon.submit(document(database.table("counted"), {"n": "n + 1"}, pace=pace(20)))
    failed = daemon.wait(job, "failed")
    assert failed["reason"]["code"] == "schema_missing", failed["reason"]
    engine = "postgresql" if database.engine == "postgresql" else "mysql"
    assert f"--print-schema={engine}" in failed["reason"]["text"]
    printed = subprocess.run([build / "daemon/backfilld", f"--print-schema={database.engine}"], capture_output=True, text=True,
                             check=True).stdout
    for _ in range(2):  # running it again does no harm
        for statement in [printed] if engine == "postgresql" else printed.strip().split(";\n"):
            database.execute(statement.rstrip(";"))
    for grant in on_schema:
        database.execute(grant)
    daemon.resume(job)
    daemon.wait(job, "completed")
    check(database, ROWS)


def test_a_table_under_change_is_asked_for_again(database, make_daemon):
    """Someone makes and drops a trigger again and again: the table is never taken for missing, broken or without a key."""
    make_table(database, ROWS)
    daemon = make_daemon(database)
    stop = threading.Event()

    def change():
        while not stop.is_set():
            slow_batches(database, 0)
            full_speed(database)
            stop.wait(0.01)
    changer = threading.Thread(target=change)
    changer.start()
    try:
        job = document(database.table("counted"), {"n": "n + 1"}, pace=pace(20))
        answers = []

        def asked_enough():
            answers.append(daemon.post("/v1/jobs?dry_run=true", job))
            return len(answers) >= 20 and any(answer.status == 200 for answer in answers)
        until(asked_enough, 60, lambda _: f"a plan among {len(answers)} answers: {answers[-1].text}")
    finally:
        stop.set()
        changer.join()
    wrong = [answer.text for answer in answers if answer.status not in (200, 503)]
    assert not wrong, f"{len(wrong)} of {len(answers)}: {wrong[0]}"
    daemon.wait(daemon.submit(job), "completed")
    check(database, ROWS)
