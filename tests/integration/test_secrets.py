"""Passwords stay where they are: planted ones are looked for in everything that the daemon and the client ever said."""
import os
import re
import resource
import signal
import sqlite3
import urllib.parse
from pathlib import Path

import pytest

from conftest import make_database
from lab.counted import make_table
from lab.daemon import document, pace
from lab.secrets import Ear, secret_file

IN_FILE, CHANGED, IN_PGPASS, WRONG, IN_URL = "pl4nted-file", "pl4nted-changed", "pl4nted-pgpass", "pl4nted-wrong", "pl4nted+url"
SECRETS = [IN_FILE, CHANGED, IN_PGPASS, WRONG, IN_URL, urllib.parse.quote(IN_URL, safe=""), "pl4nted"]


def job_of(name, target, **more):
    return {**document("public.counted", {"n": "n + 1"}, name=name, pace=pace(20), **more), "target": target}


@pytest.fixture
def guarded(own_cluster):
    """A database whose owner needs a password."""
    server = own_cluster.primary
    made = make_database(server, "guarded")
    made.execute(f"CREATE ROLE keeper LOGIN PASSWORD '{IN_FILE}'")
    made.execute(f"CREATE ROLE other LOGIN PASSWORD '{IN_PGPASS}'")
    made.execute("GRANT keeper TO other")
    made.execute("GRANT ALL ON DATABASE guarded TO keeper, other")
    make_table(made, 100)
    made.execute("GRANT ALL ON counted TO keeper, other")
    rules = server.data / "pg_hba.conf"
    rules.write_text("host all keeper,other all scram-sha-256\n" + rules.read_text())
    server.psql("SELECT pg_reload_conf()")
    yield made
    made.close()


def url(guarded, role) -> str:
    return guarded.url.replace("postgres@", f"{role}@")


def look_at_everything(ear, build, daemon, guarded, jobs):
    ear.look_at(build, daemon, jobs)
    for table in ("job", "checkpoint", "control"):
        ear.hear(f"backfilld.{table}", "\n".join(row for row, in guarded.rows(f"SELECT t::text FROM backfilld.{table} t")))
    ear.hear("pg_stat_activity", "\n".join(row for row, in guarded.rows(
        "SELECT concat_ws(' ', application_name, query) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")))


def test_a_crash_leaves_no_core_with_passwords(make_daemon, guarded, tmp_path, monkeypatch):
    """The password of a session is in the daemon's memory for as long as the session lives."""
    monkeypatch.chdir(tmp_path)
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        if before[1] == 0 and os.getuid() == 0:
            resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        password = secret_file(tmp_path / "pw", IN_FILE)
        daemon = make_daemon(url(guarded, "keeper"), password_file=password)
        assert daemon.get("/readyz").status == 200
        limits = Path(f"/proc/{daemon.pid}/limits").read_text()
        assert re.search(r"^Max core file size +0 +0 ", limits, re.M), limits
        daemon.process.send_signal(signal.SIGABRT)
        assert daemon.process.wait(20) == -signal.SIGABRT
        daemon.process = None
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before if os.getuid() == 0 else (before[0], before[1]))
    assert [path.name for path in tmp_path.iterdir()] == ["pw"]


def test_planted_passwords_are_nowhere(build, make_daemon, guarded, tmp_path):
    ear = Ear(*SECRETS)
    home = tmp_path / "home"
    home.mkdir()
    port = guarded.server.port
    secret_file(home / ".pgpass", f"127.0.0.1:{port}:*:other:{IN_PGPASS}")
    password = secret_file(tmp_path / "pw", IN_FILE)
    daemon = make_daemon(url(guarded, "keeper"), start=False, password_file=password)
    (tmp_path / "credentials").mkdir()
    secret_file(tmp_path / "credentials" / "shop.pw", IN_FILE)
    daemon.environment = {"HOME": str(home), "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    targets = {"shop": {"primary": url(guarded, "keeper"), "password_file": password, "require_approval": "none"},
               "legacy": {"primary": url(guarded, "other"), "require_approval": "none"},
               "credential": {"primary": url(guarded, "keeper"), "password_file": "credential:shop.pw", "require_approval": "none"},
               "sql": {"primary": "mysql://keeper@127.0.0.1:1/shop", "password_file": password}}
    daemon.configure(targets)
    ear.listen_to(daemon)
    daemon.start()
    # every way to a password works, or this test would find nothing
    jobs = [daemon.submit(job_of("by-file", "shop"))]
    daemon.wait(jobs[0], "completed")
    jobs.append(daemon.submit(job_of("by-pgpass", "legacy")))
    daemon.wait(jobs[1], "completed")
    jobs.append(daemon.submit(job_of("by-credential", "credential", again=True)))
    daemon.wait(jobs[2], "completed")
    assert daemon.post("/v1/jobs", job_of("by-mysql", "sql")).status == 503
    look_at_everything(ear, build, daemon, guarded, jobs)
    # a wrong one, then a right one again: read at each connect
    secret_file(password, WRONG)
    refused = daemon.post("/v1/jobs", job_of("refused", "shop"))
    assert refused.status == 503 and "password" in refused.json["detail"], refused.text
    guarded.execute(f"ALTER ROLE keeper PASSWORD '{CHANGED}'")
    secret_file(password, CHANGED)
    jobs.append(daemon.submit(job_of("changed", "shop", again=True)))
    daemon.wait(jobs[3], "completed")
    # a password file that is gone, or open to all
    password.rename(tmp_path / "gone")
    ear.hear("submit", daemon.post("/v1/jobs", job_of("gone", "shop")).text)
    (tmp_path / "gone").rename(password)
    other = secret_file(tmp_path / "other", CHANGED)
    daemon.configure({**targets, "shop": {**targets["shop"], "password_file": other}})
    daemon.hang_up()
    assert "target shop: password_file changed" in daemon.log.read_text()
    other.chmod(0o644)
    daemon.hang_up()
    assert f"chmod 600 {other}" in daemon.log.read_text()
    # where it does not belong
    for at_fault in (url(guarded, f"keeper:{IN_URL}"), url(guarded, "keeper") + f"?password={IN_URL}",
                     f"mysql://keeper:{IN_URL}@127.0.0.1/shop", f"postgresql://keeper:{IN_URL}%zz@db/x"):
        daemon.configure({"shop": {"primary": at_fault}})
        daemon.hang_up()
        ear.check_config(daemon, 1)
    daemon.configure(targets)
    ear.check_config(daemon, 0)
    daemon.hang_up()
    look_at_everything(ear, build, daemon, guarded, jobs)
    daemon.restart()
    look_at_everything(ear, build, daemon, guarded, jobs)
    daemon.stop()
    ear.look_at_files(daemon)
    with sqlite3.connect(daemon.state) as store:
        ear.hear("the store's dump", "\n".join(store.iterdump()))
    store.close()
    assert sum(len(said) for said in ear.heard.values()) > 50_000 and os.environ.get("HOME") != str(home)
    ear.check()
    assert guarded.value("SELECT min(n) FROM counted") == 4
