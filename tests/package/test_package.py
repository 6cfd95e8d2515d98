"""The Debian packages: built from this tree, looked at by lintian, installed into a Debian 12 that runs its own systemd, and used
there. Run by tests/run --package, as root; servers are those of the lab, on this machine."""
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from lab.authority import Authority  # noqa: E402
from lab.container import Container, run  # noqa: E402
from lab.counted import full_speed, make_table, slow_batches  # noqa: E402
from lab.guide import blocks  # noqa: E402
from lab.ports import free_port  # noqa: E402
from lab.postgres import Cluster  # noqa: E402
from lab.postgres_database import make_database  # noqa: E402
from lab.wait import until  # noqa: E402

PASSWORD = "pl4nted-package"
INI = "/etc/backfilld/backfilld.ini"


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The folder with the packages; BACKFILLD_DEBS names one that has them already."""
    if os.environ.get("BACKFILLD_DEBS"):
        return Path(os.environ["BACKFILLD_DEBS"])
    source = tmp_path_factory.mktemp("package") / "backfilld"
    listed = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name, follow_symlinks=False)
    # the tests that the package runs at its build are those that tests/run runs
    run("sh", "-ec", guide("sh build"), cwd=source, seconds=1800, env={**os.environ, "DEB_BUILD_OPTIONS": "nocheck"})
    return source.parent


def guide(kind, chapter="Install") -> str:
    """What docs/guide.md says is to be typed."""
    (_, commands), = blocks(ROOT / "docs/guide.md", chapter, [kind])
    return commands


def package(built, name) -> Path:
    found, = built.glob(f"{name}_*.deb")
    return found


def repacked(deb, directory, version) -> Path:
    """The same with another version, as the next one would come."""
    run("dpkg-deb", "-R", deb, directory / "unpacked")
    control = directory / "unpacked/DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {version}", control.read_text(), flags=re.M))
    run("dpkg-deb", "--root-owner-group", "-b", directory / "unpacked", directory / "next.deb")
    return directory / "next.deb"


@pytest.fixture(scope="module")
def database():
    """On this machine; its role needs a password."""
    with Cluster(replica=False) as cluster:
        server = cluster.primary
        made = make_database(server)
        made.execute(f"CREATE ROLE backfill LOGIN PASSWORD '{PASSWORD}'; GRANT CREATE ON DATABASE \"{made.name}\" TO backfill")
        rules = server.data / "pg_hba.conf"
        rules.write_text("host all backfill all scram-sha-256\n" + rules.read_text())
        server.psql("SELECT pg_reload_conf()")
        yield made
        made.close()


@pytest.fixture(scope="module")
def machine(built, database, tmp_path_factory):
    """With the packages installed, and the database as the target shop; its password is a file of root's."""
    made = Container(tmp_path_factory.mktemp("machine"))
    for name in ("backfilld", "backfillctl"):
        shutil.copy(package(built, name), made.root / "root")
    made.unbooted("apt-get", "-q", "update")
    said = made.unbooted("sh", "-ec", f"cd /root; {guide('sh install')}")
    assert "Setting up backfilld" in said and not re.search(r"^(warning|error|E:|W:)", said, re.M | re.I), said
    made.boot()
    try:
        made.run("sh", "-c", "umask 077 && cat > /etc/backfilld/secrets/shop.pw", input=PASSWORD + "\n")
        text = made.run("cat", INI)
        url = database.url.replace("postgres@", "backfill@")
        made.run("sh", "-c", f"cat >> {INI}", input=f"[target shop]\nprimary = {url}\npassword_file = credential:secrets_shop.pw\n"
                 "replicas = none\nrequire_approval = none\nplan_window = 20ms\n")
        assert "[target" not in text.replace(";[target", "")
        made.run("sh", "-ec", guide("sh restart"))
        yield made
    finally:
        made.stop()


def show(machine, *names) -> dict:
    return dict(line.split("=", 1) for line in machine.run("systemctl", "show", "backfilld", "-p", ",".join(names)).splitlines())


def job(machine, name) -> dict:
    return json.loads(machine.run("backfillctl", "--json", "show", name))


def submit(machine, name, table, rows=100):
    document = {"name": name, "target": "shop", "table": f"public.{table}", "set": {"n": "n + 1"}, "undo": "none",
                "pace": {"nice": 0, "batch_rows": {"start": rows, "min": rows, "max": rows}}}
    machine.run("backfillctl", "submit", "-", input=json.dumps(document))


def make(database, name, rows):
    make_table(database, rows, name)
    database.execute(f"GRANT SELECT, UPDATE ON {name} TO backfill")


def done_once(database, name, rows):
    assert database.rows(f"SELECT n, count(*) FROM {name} GROUP BY n") == [(1, rows)]


def test_lintian_finds_no_error(built):
    changes, = built.glob("*.changes")
    said = subprocess.run(["lintian", "--allow-root", "--fail-on", "error", "--info", changes], capture_output=True, text=True)
    print(said.stdout)
    assert said.returncode == 0, said.stdout + said.stderr


def test_who_has_what(built):
    files = {name: run("sh", "-c", f"dpkg-deb --fsys-tarfile {package(built, name)} | tar t") for name in ("backfilld", "backfillctl")}
    for name, path in (("backfilld", "usr/sbin/backfilld"), ("backfilld", "lib/systemd/system/backfilld.service"),
                       ("backfilld", "usr/share/man/man5/backfilld.ini.5.gz"), ("backfilld", "usr/share/doc/backfilld/backfilld.ini"),
                       ("backfillctl", "usr/bin/backfillctl"), ("backfillctl", "usr/share/man/man5/backfill-job.5.gz"),
                       ("backfillctl", "usr/share/bash-completion/completions/backfillctl.bash")):
        assert f"./{path}\n" in files[name], path
    assert run("dpkg-deb", "-I", package(built, "backfilld"), "conffiles").split() == [INI, "/etc/logrotate.d/backfilld"]


def test_a_job_under_the_unit(machine, database):
    make(database, "first", 1000)
    assert show(machine, "User", "ActiveState", "StatusText") == {"User": "backfilld", "ActiveState": "active",
                                                                 "StatusText": "no unfinished job"}
    # who is in the group gives orders, who is not does not
    number = machine.run("id", "-g", "backfilld").strip()
    nobody = ["setpriv", "--reuid=65534", "--regid=65534"]
    refused = machine.status(*nobody, "--clear-groups", "backfillctl", "list")
    assert refused.returncode == 5 and "Permission denied" in refused.stderr and "the group backfilld" in refused.stderr
    machine.run(*nobody, f"--groups={number}", "backfillctl", "targets")
    submit(machine, "first", "first")
    machine.run("backfillctl", "wait", "first")
    done_once(database, "first", 1000)
    # the journal knows it by name
    entries = [json.loads(line) for line in machine.run("journalctl", "-o", "json", "JOB=first").splitlines()]
    assert any(entry["MESSAGE"].endswith("everything is done and verified") for entry in entries), entries
    assert {entry["TARGET"] for entry in entries} == {"shop"} and {entry["_SYSTEMD_UNIT"] for entry in entries} == {"backfilld.service"}
    assert PASSWORD not in machine.run("journalctl", "-o", "verbose", "-u", "backfilld")
    folders = machine.run("stat", "-c", "%a %U %G", "/etc/backfilld", "/etc/backfilld/secrets", "/var/lib/backfilld", "/run/backfilld/api.sock")
    assert folders.splitlines() == ["750 root backfilld", "700 root root", "700 backfilld backfilld", "660 backfilld backfilld"]


def test_a_reload_keeps_what_runs(machine, database):
    make(database, "reloaded", 1000)
    slow_batches(database, 0.05, name="reloaded")
    submit(machine, "reloaded", "reloaded", 10)
    until(lambda: job(machine, "reloaded")["progress"]["batches"] > 2, 60, "it works")
    before = show(machine, "MainPID")
    machine.run("sed", "-i", "s/^require_approval = none/&\\nmax_jobs = 3/", INI)
    machine.run("systemctl", "reload", "backfilld")
    until(lambda: "max_jobs: 2 -> 3" in machine.run("journalctl", "-o", "cat", "TARGET=shop"), 30, "it is read")
    assert show(machine, "MainPID") == before and show(machine, "ActiveState") == {"ActiveState": "active"}
    full_speed(database, "reloaded")
    machine.run("backfillctl", "wait", "reloaded")
    assert job(machine, "reloaded")["progress"]["resumed"] == 0
    done_once(database, "reloaded", 1000)


@pytest.fixture
def configured(machine):
    """configured(before, behind): the configuration with something else in it, until the test's end."""
    good = machine.run("cat", INI)

    def change(pattern, other):
        text, changes = re.subn(pattern, lambda _: other, machine.run("cat", INI), count=1, flags=re.M)
        assert changes == 1, pattern
        machine.run("sh", "-c", f"cat > {INI}", input=text)
    yield change
    machine.run("sh", "-c", f"cat > {INI}", input=good)
    restart(machine)


def restart(machine):
    """However often that was done just now, for which systemd has a limit."""
    machine.run("systemctl", "reset-failed", "backfilld")
    machine.run("systemctl", "restart", "backfilld")


def shown_at(address) -> str:
    """The certificate that is shown there."""
    return ssl.get_server_certificate(address)


def test_tokens_and_a_certificate(machine, database, configured, tmp_path):
    """As the guide says it, for who does not come over the socket."""
    make(database, "signed", 1000)
    authority, port = Authority(tmp_path, "ours"), free_port()

    def issue(name) -> str:
        certificate, key = authority.issue(name, "IP:127.0.0.1")
        shutil.copy(certificate, machine.root / "root/backfilld.crt")
        shutil.copy(key, machine.root / "root/backfilld.key")
        return certificate.read_text().strip()
    shutil.copy(authority.certificate, machine.root / "root/authority.pem")
    first = issue("first")
    machine.run("sh", "-ec", f"cd /root\n{guide('sh https', 'Over https, and who did what')}")
    configured("^listen = .*", f"listen = 127.0.0.1:{port}\ntls_certificate = /etc/backfilld/tls/backfilld.crt\n"
               "tls_key = /etc/backfilld/tls/backfilld.key\ntokens = /etc/backfilld/tokens")
    machine.run("sh", "-ec", guide("sh restart"))
    assert shown_at(("127.0.0.1", port)).strip() == first

    plain = ["backfillctl", "-u", f"https://127.0.0.1:{port}"]
    trusting = [*plain, "--cacert", "/root/authority.pem"]
    alice = [*trusting, "--token-file", "/root/alice.token"]
    assert machine.status(*plain, "--token-file", "/root/alice.token", "targets").returncode == 5, "nobody vouches for it"
    assert machine.status(*trusting, "targets").returncode == 6, "who has no token is nobody, root too"
    machine.run("sh", "-c", "cat > /root/signed.json", input=json.dumps(
        {"name": "signed", "target": "shop", "table": "public.signed", "set": {"n": "n + 1"}, "undo": "none"}))
    machine.run(*alice, "submit", "/root/signed.json", "--watch")
    done_once(database, "signed", 1000)
    assert "alice" in machine.run("cat", "/var/lib/backfilld/audit.log")

    # a renewed certificate, and a token that is gone, without a restart
    before, second = show(machine, "MainPID"), issue("second")
    machine.run("sh", "-ec", "cd /root; install -m 0640 -g backfilld backfilld.crt backfilld.key /etc/backfilld/tls")
    machine.run("systemctl", "reload", "backfilld")
    until(lambda: shown_at(("127.0.0.1", port)).strip() == second, 30, "the new one is shown")
    machine.run(*alice, "targets")
    machine.run("sh", "-c", "true > /etc/backfilld/tokens")
    machine.run("systemctl", "reload", "backfilld")
    until(lambda: machine.status(*alice, "targets").returncode == 6, 30, "nobody has that token")
    assert show(machine, "MainPID", "ActiveState") == {**before, "ActiveState": "active"}
    token = machine.run("cat", "/root/alice.token").strip()
    assert token and token not in machine.run("journalctl", "-o", "verbose", "-u", "backfilld")


def test_a_faulty_configuration_is_not_tried_again(machine, configured):
    configured(r"^\[daemon\]$", "[daemon]\nno_such = 1")
    assert machine.status("systemctl", "restart", "backfilld").returncode != 0
    assert show(machine, "ActiveState", "ExecMainStatus", "NRestarts") == {
        "ActiveState": "failed", "ExecMainStatus": "78", "NRestarts": "0"}
    until(lambda: f'{INI}:5: "no_such"' in machine.run("journalctl", "-o", "cat", "-u", "backfilld", "-n", "20"), 30, "it is said why")


def test_the_audit_log_is_whole_over_its_rotation(machine):
    machine.run("apt-get", "-q", "-y", "install", "logrotate")

    def records() -> int:
        return int(re.search(r"^(\d+) records are whole", machine.run("backfillctl", "audit", "verify"), re.M)[1])
    machine.run("backfillctl", "pause-all", "--reason", "before the first")
    machine.run("backfillctl", "resume-all")
    begun = records()
    for turn in ("one", "two"):
        machine.run("logrotate", "-f", "/etc/logrotate.d/backfilld")
        assert "before the first" in machine.run("backfillctl", "audit", "--limit", "100"), "the newest file has none"
        machine.run("backfillctl", "pause-all", "--reason", f"behind {turn}")
        machine.run("backfillctl", "resume-all")
        restart(machine)
    assert records() >= begun + 8, "two orders of two records each, twice"
    folder = "/var/lib/backfilld"
    owners = machine.run("stat", "-c", "%n %a %U %G", f"{folder}/audit.log", f"{folder}/audit.log.1", f"{folder}/audit.log.2")
    assert owners.splitlines() == [f"{folder}/audit.log{end} 600 backfilld backfilld" for end in ("", ".1", ".2")]
    # as a shell puts them, and against what the journal had when the daemon stopped
    head = re.findall(r"audit log: record \d+ is the newest at the end, its hash is (\w+)",
                      machine.run("journalctl", "-o", "cat", "-u", "backfilld"))[-2]
    said = machine.run("sh", "-c", f"backfillctl audit verify {folder}/audit.log* --head {head}")
    assert "are whole" in said and "begins with" not in said
    machine.run("sh", "-ec", f"mkdir /root/copy; cp {folder}/audit.log* /root/copy; sed -i 's/behind one/behind two/' /root/copy/*")
    assert machine.status("sh", "-c", "backfillctl audit verify /root/copy/*").returncode == 1


def test_an_upgrade_keeps_running_jobs(machine, built, database, tmp_path):
    make(database, "upgraded", 2000)
    slow_batches(database, 0.5, name="upgraded")
    submit(machine, "upgraded", "upgraded", 10)
    until(lambda: job(machine, "upgraded")["progress"]["batches"] > 3, 60, "it works")
    before = show(machine, "MainPID")
    shutil.copy(repacked(package(built, "backfilld"), tmp_path, "0.1.1"), machine.root / "root/next.deb")
    said = machine.run("apt-get", "-q", "-y", "install", "/root/next.deb")
    assert "backfilld (0.1.1) over" in said and "onfiguration file" not in said, said
    assert show(machine, "ActiveState") == {"ActiveState": "active"} and show(machine, "MainPID") != before
    taken_up = until(lambda: (now := job(machine, "upgraded"))["progress"]["resumed"] > 0 and now, 60,
                     lambda _: f"it goes on: {job(machine, 'upgraded')}")
    assert taken_up["state"] == "running" and taken_up["progress"]["rows_changed"] > 30, "from its checkpoint"
    full_speed(database, "upgraded")
    machine.run("backfillctl", "wait", "upgraded")
    done_once(database, "upgraded", 2000)
    assert "[target shop]" in machine.run("cat", INI)


def test_a_daemon_that_hangs_is_started_anew(machine, database):
    make(database, "hung", 2000)
    slow_batches(database, 0.05, name="hung")
    machine.run("mkdir", "-p", "/run/systemd/system/backfilld.service.d")
    machine.run("sh", "-c", "cat > /run/systemd/system/backfilld.service.d/soon.conf", input="[Service]\nWatchdogSec=2s\nRestartSec=1s\n")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "backfilld")
    submit(machine, "hung", "hung", 10)
    until(lambda: job(machine, "hung")["progress"]["batches"] > 3, 60, "it works")
    before = show(machine, "MainPID", "NRestarts")
    machine.run("kill", "-STOP", before["MainPID"])
    until(lambda: show(machine, "NRestarts") != {"NRestarts": before["NRestarts"]}, 60, "it is ended", 0.2)
    full_speed(database, "hung")
    until(lambda: machine.status("backfillctl", "list").returncode == 0, 60, "it answers", 0.2)
    machine.run("backfillctl", "wait", "hung")
    done_once(database, "hung", 2000)
    assert "watchdog" in machine.run("journalctl", "-o", "cat", "-u", "backfilld").lower()


def test_removed_it_keeps_its_state_and_purged_it_does_not(machine):
    machine.run("apt-get", "-q", "-y", "remove", "backfilld")
    assert "No such file" in machine.status("ls", "/usr/sbin/backfilld").stderr
    machine.run("ls", "/var/lib/backfilld/state.db", INI)
    machine.run("apt-get", "-q", "-y", "purge", "backfilld")
    assert machine.status("ls", "/var/lib/backfilld").returncode == 2 and machine.status("ls", INI).returncode == 2
    assert machine.status("ls", "/etc/backfilld/secrets/shop.pw").returncode == 0, "what is not the package's own stays"
