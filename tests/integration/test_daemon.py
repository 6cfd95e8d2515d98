"""The daemon as a process: what it refuses to start with, what it says, how signals end it."""
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from conftest import make_database
from lab.counted import make_table
from lab.daemon import document, pace
from lab.wait import until

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
FAULTY = 78  # the exit code of a configuration with faults


@pytest.fixture
def run(build, tmp_path):
    """run(configuration or None, *arguments): the finished process."""
    def run(configuration, *arguments):
        path = tmp_path / "b.ini"
        if configuration is not None:
            path.write_text(configuration)
            arguments = ("-c", path, *arguments)
        return subprocess.run([build / "daemon" / "backfilld", *arguments], capture_output=True, text=True, timeout=20)
    return run


def configuration(tmp_path, listen="127.0.0.1:0", name="state.db"):
    return f"[daemon]\nlisten = {listen}\nstate = sqlite:{tmp_path}/{name}\n[target shop]\nprimary = {NOWHERE}\n"


def test_check_config_names_every_fault_with_its_line(run, tmp_path):
    good = run(configuration(tmp_path), "--check-config")
    assert (good.returncode, good.stderr) == (0, "")
    assert "no fault, 1 target" in good.stdout
    assert not (tmp_path / "state.db").exists()
    bad = run("[daemon]\nlisten = 8420\ntokens = /x\n[target shop]\nprimary = oracle://db/shop\n", "--check-config")
    assert (bad.returncode, bad.stdout) == (1, "")
    assert [line.split(": ", 1)[0].rsplit(":", 1)[1] for line in bad.stderr.splitlines()[:-1]] == ["2", "3", "5"]
    assert "3 faults" in bad.stderr
    assert run("[daemon]\nlisten = x\n").returncode == FAULTY, "a daemon does not start on a configuration with faults"


def test_the_command_line(run):
    for arguments in (["--no-such"], ["start"], ["-c"]):
        answer = run(None, *arguments)
        assert (answer.returncode, answer.stdout) == (2, ""), arguments
        assert "--help" in answer.stderr
    version = run(None, "--version")
    assert version.returncode == 0 and re.fullmatch(r"backfilld \d+\.\d+\.\d+\n", version.stdout)
    help_ = run(None, "--help")
    assert help_.returncode == 0 and "--check-config" in help_.stdout
    missing = run(None, "-c", "/nonexistent/b.ini")
    assert missing.returncode == FAULTY and "/nonexistent/b.ini" in missing.stderr


def test_a_free_port_is_found_and_said(make_daemon):
    daemon = make_daemon(NOWHERE, listen="127.0.0.1:0", start=False)
    daemon.start(wait=False)
    said = until(lambda: re.search(r"^listening on http://(127\.0\.0\.1:(\d+))$", daemon.log.read_text(), re.M), 20,
                 lambda _: daemon.log_tail())
    assert int(said[2]) > 0
    daemon.listen = said[1]
    assert daemon.get("/healthz").status == 200


def test_an_address_in_use_is_said_and_no_job_is_touched(make_daemon, run, tmp_path):
    first = make_daemon(NOWHERE)
    second = run(configuration(tmp_path, first.listen))
    assert second.returncode == 1
    assert first.listen in second.stderr and "in use" in second.stderr
    assert first.get("/healthz").status == 200


def test_two_daemons_cannot_open_one_store_but_a_copy(make_daemon, run, tmp_path):
    first = make_daemon(NOWHERE)
    path = tmp_path / "state.db"
    path.symlink_to(first.state)
    second = run(configuration(tmp_path))
    assert second.returncode == 1
    assert str(path) in second.stderr and f"process {first.pid}" in second.stderr
    copy = make_daemon(NOWHERE, start=False)
    for end in ("", "-wal"):
        shutil.copy(f"{first.state}{end}", f"{copy.state}{end}")
    assert copy.start().get("/v1/jobs").json["jobs"] == []


class Locked:
    """A job whose batch is under way and waits at a gate, in a trigger of its table."""

    def __init__(self, daemon, database):
        make_table(database, 100)
        self.database = database
        database.execute("CREATE TABLE gate AS SELECT false AS open")
        database.execute("CREATE FUNCTION at_gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                         "WHILE NOT (SELECT open FROM gate) LOOP PERFORM pg_sleep(0.02); END LOOP; RETURN NULL; END $$")
        database.execute("CREATE TRIGGER at_gate BEFORE UPDATE ON counted FOR EACH STATEMENT EXECUTE FUNCTION at_gate()")
        self.job = daemon.submit(document("public.counted", {"n": "n + 1"}, pace=pace(30),
                                          limits={"lock_timeout": "60s", "statement_timeout": "90s"}))
        until(lambda: len(self.sessions()) == 1, 30, lambda _: daemon.log_tail(), 0.005)

    def sessions(self) -> list:
        """Those that are at the gate."""
        return [pid for pid, in self.database.rows(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'backfilld ' || %s AND state = 'active' "
            "AND query LIKE '%%UPDATE ONLY %%counted%%'", (self.job["id"],))]

    def release(self):
        self.database.execute("UPDATE gate SET open = true")


def end_by(daemon, number) -> tuple:
    """Exit status and seconds."""
    start = time.monotonic()
    daemon.process.send_signal(number)
    code = daemon.process.wait(40)
    daemon.process = None
    return code, time.monotonic() - start


@pytest.mark.parametrize("number, least, most", [(signal.SIGTERM, 7.5, 20), (signal.SIGINT, 0, 7.5)],
                         ids=["SIGTERM waits, then cancels", "SIGINT cancels at once"])
def test_a_stop_while_a_batch_waits(number, least, most, daemon, database):
    locked = Locked(daemon, database)
    code, seconds = end_by(daemon, number)
    assert code == 0
    assert least <= seconds < most
    until(lambda: not locked.sessions(), 30, "our statement is cancelled")
    locked.release()
    daemon.start()
    daemon.wait(locked.job, "completed")
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(1, 100)]


def test_a_batch_that_does_not_end_with_the_daemon_is_no_fault_of_the_server(daemon, database):
    locked = Locked(daemon, database)
    session = locked.sessions()[0]
    os.kill(session, signal.SIGSTOP)  # it hears of no cancel
    try:
        code, seconds = end_by(daemon, signal.SIGTERM)
    finally:
        os.kill(session, signal.SIGCONT)
    assert code == 0 and seconds < 20
    assert "the daemon ends, and what is under way does not" in daemon.log.read_text(), daemon.log_tail()
    locked.release()
    daemon.start()
    daemon.wait(locked.job, "completed")
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(1, 100)]


def test_a_second_signal_ends_at_once(daemon, database):
    locked = Locked(daemon, database)
    daemon.process.send_signal(signal.SIGTERM)
    until(lambda: "SIGTERM" in daemon.log.read_text(), 30, lambda _: daemon.log_tail())
    code, seconds = end_by(daemon, signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    assert seconds < 7.5, "the first signal alone takes 8 s"
    locked.release()
    daemon.start()
    daemon.wait(locked.job, "completed")
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(1, 100)]


def test_a_server_that_does_not_answer_does_not_hold_the_end_up(make_daemon, own_cluster):
    database = make_database(own_cluster.primary)
    daemon = make_daemon(database)
    locked = Locked(daemon, database)
    session, = locked.sessions()
    postmaster = int((own_cluster.primary.data / "postmaster.pid").read_text().split()[0])
    frozen = [session, postmaster]
    try:
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        code, seconds = end_by(daemon, signal.SIGTERM)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert code == 0
    assert seconds < 20
    locked.release()
    database.close()
