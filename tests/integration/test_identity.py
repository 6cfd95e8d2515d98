"""Who may do what: tokens with roles and targets, users at the other end of the unix socket, two persons, and who did what."""
import json
import os
import subprocess
import sys

import pytest

from lab.counted import make_table
from lab.daemon import Client, document, pace
from lab.wait import until

PEOPLE = {"vera": ("viewer", "*"), "otto": ("operator", "*"), "anna": ("approver", "*"), "root2": ("admin", "*"),
          "alertmanager": ("alerts", "*"), "shopkeeper": ("admin", "shop")}


@pytest.fixture(scope="module")
def people(build) -> dict:
    """Everybody's token and line, made once by the client."""
    client = Client(build, "unix:/nowhere")
    return {name: client.json("token", "new", "--name", name, "--role", role, "--targets", targets)
            for name, (role, targets) in PEOPLE.items()}


class Guarded:
    """A daemon with these people's tokens."""

    def __init__(self, make, database, build, people, who=None, **keys):
        settings = keys.pop("settings", {})
        self.build, self.people = build, people
        self.daemon = make(database, start=False, settings={"tokens": "TOKENS", **settings}, **keys)
        self.file = self.daemon.directory / "tokens"
        self.write(*(who or people))
        text = self.daemon.configuration.read_text()
        self.daemon.configuration.write_text(text.replace("= TOKENS", f"= {self.file}"))

    def write(self, *who, more="", mode=0o640):
        self.file.write_text("# who may\n" + "".join(self.people[name]["line"] + "\n" for name in who) + more)
        self.file.chmod(mode)

    def ask(self, who, method, path, body=None, status=None):
        sent = {"Authorization": f"Bearer {self.people[who]['token']}"} if who else {}
        answer = self.daemon.request(method, path, body, headers=sent)
        assert status in (None, answer.status), f"{who}: {method} {path} answers {answer.status}: {answer.text}"
        return answer

    def client(self, who):
        client = Client(self.build, self.daemon.url)
        client.environment["BACKFILLD_TOKEN"] = self.people[who]["token"]
        return client


@pytest.fixture
def guard(make_daemon, database, build, people):
    def make(**keys):
        make_table(database, 500)
        guarded = Guarded(make_daemon, database, build, people, **keys)
        guarded.daemon.start()
        return guarded
    return make


def job_of(name, **more):
    return document("counted", {"n": "n + 1"}, name=name, pace=pace(100), **more)


def test_a_job_by_several_hands(guard, people, tmp_path):
    """Each may do what the role says, by the client too, and every step has its actor; no token is written anywhere."""
    guarded = guard(require_approval="all")
    daemon = guarded.daemon
    nobody = Client(guarded.build, daemon.url)
    assert "needs a token" in nobody("list", code=6).stderr
    assert guarded.ask(None, "GET", "/v1/jobs").headers["www-authenticate"].startswith("Bearer")
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job_of("first")))
    assert "needs the role operator, and vera is viewer" in guarded.client("vera")("submit", path, code=6).stderr
    assert guarded.client("vera")("list", code=0)
    guarded.client("otto")("submit", path, code=0)
    assert "needs the role approver, and otto is operator" in guarded.client("otto")("approve", "first", "--confirm", "first", code=6).stderr
    assert guarded.ask("alertmanager", "GET", "/v1/jobs", status=403).json["code"] == "forbidden"
    guarded.ask("alertmanager", "POST", "/v1/alerts", {"version": "4", "alerts": []}, status=200)
    token_file = tmp_path / "token"
    token_file.write_text(people["anna"]["token"] + "\n")
    token_file.chmod(0o600)
    Client(guarded.build, daemon.url)("--token-file", token_file, "approve", "first", "--confirm", "first", code=0)
    guarded.client("vera")("wait", "first", code=0)
    job = guarded.ask("vera", "GET", "/v1/jobs/first", status=200).json
    assert (job["state"], job["submitted_by"], job["approved_by"], job["break_glass"]) == ("completed", "otto", "anna", None)
    events = guarded.ask("vera", "GET", "/v1/jobs/first/events", status=200).json["events"]
    assert [(event["actor"], event["to"]) for event in events if event["to"] in ("planning", "queued", "completed")] == [
        ("otto", "planning"), ("anna", "queued"), ("daemon", "completed")]
    wrong = guarded.ask("vera", "GET", "/v1/identity", status=200).json
    assert (wrong["name"], wrong["role"], wrong["targets"], wrong["tokens"]) == ("vera", "viewer", None, True)
    changed = people["anna"]["token"][:-4] + "AAAA"
    answer = daemon.get("/v1/jobs", headers={"Authorization": f"Bearer {changed}"})
    assert answer.status == 401 and "nobody's" in answer.text
    assert "a wrong token came from 127.0.0.1, for the name anna" in daemon.log.read_text()
    assert daemon.get("/metrics").status == 200
    for where in (daemon.log.read_text(), daemon.get("/metrics").text, json.dumps(events)):
        assert not any(both["token"] in where or both["line"].split()[-1] in where for both in people.values()) and changed not in where


def test_targets_of_others_are_not_there(guard):
    guarded = guard(targets={"legacy": {"primary": "postgresql://nobody@127.0.0.1:1/none"}})
    guarded.ask("shopkeeper", "POST", "/v1/jobs", job_of("mine"), status=201)
    assert guarded.ask("shopkeeper", "POST", "/v1/jobs", {**job_of("other"), "target": "legacy"}, status=403).json["code"] == "forbidden"
    assert [target["name"] for target in guarded.ask("shopkeeper", "GET", "/v1/targets", status=200).json["targets"]] == ["shop"]
    guarded.ask("shopkeeper", "GET", "/v1/targets/legacy", status=404)
    guarded.ask("shopkeeper", "POST", "/v1/pause-all", {}, status=403)
    guarded.ask("root2", "POST", "/v1/pause-all", {"target": "legacy", "reason": "theirs"}, status=200)
    guarded.ask("shopkeeper", "POST", "/v1/pause-all", {"target": "shop", "reason": "ours"}, status=200)
    assert guarded.ask("shopkeeper", "GET", "/v1/audit", status=403).json["code"] == "forbidden"
    seen = guarded.ask("shopkeeper", "GET", "/v1/events", status=200).json["events"]
    assert seen and all(event["job"] for event in seen) and "theirs" not in json.dumps(seen)
    assert any(event["type"] == "pause_all" for event in guarded.ask("vera", "GET", "/v1/events", status=200).json["events"])


def test_two_persons_and_the_glass(guard):
    """Who submitted it does not approve it; an admin may, and then everybody hears why."""
    guarded = guard(require_approval="all", two_person="all")
    daemon = guarded.daemon
    guarded.ask("anna", "POST", "/v1/jobs", job_of("hers"), status=201)
    refused = guarded.ask("anna", "POST", "/v1/jobs/hers/approve", {"confirm": "hers"}, status=403).json
    assert refused["code"] == "two_person" and "anna submitted job hers" in refused["detail"]
    guarded.ask("anna", "POST", "/v1/jobs/hers/approve", {"confirm": "hers", "break_glass": True, "comment": "x"}, status=403)
    guarded.ask("root2", "POST", "/v1/jobs/hers/approve", {"confirm": "hers"}, status=200)
    guarded.ask("root2", "POST", "/v1/jobs", job_of("his"), status=201)
    guarded.client("root2")("approve", "his", "--confirm", "his", "--break-glass", code=2)
    guarded.client("root2")("approve", "his", "--confirm", "his", code=6)
    guarded.client("root2")("approve", "his", "--confirm", "his", "--break-glass", "--comment", "nobody else is awake", code=0)
    assert "break_glass: true; comment: nobody else is awake" in guarded.client("root2")("audit", code=0).stdout
    job = guarded.ask("vera", "GET", "/v1/jobs/his", status=200).json
    assert (job["approved_by"], job["break_glass"]) == ("root2", "nobody else is awake")
    loud = "BREAK GLASS: root2 approved it alone"
    assert loud in guarded.client("vera")("show", "his", code=0).stdout
    events = guarded.ask("vera", "GET", "/v1/jobs/his/events", status=200).json["events"]
    assert [event["actor"] for event in events if event["type"] == "break_glass" and "nobody else is awake" in event["text"]] == ["root2"]
    assert loud in daemon.log.read_text()
    page = daemon.get("/metrics").text
    assert 'backfilld_break_glass{job="his",target="shop"} 1' in page and 'backfilld_break_glass{job="hers",target="shop"} 0' in page
    daemon.restart()
    assert guarded.ask("vera", "GET", "/v1/jobs/his", status=200).json["break_glass"] == "nobody else is awake"


def test_what_one_person_alone_may_not_change(guard):
    """Past what was approved the submitter needs somebody else, who changes it; there is no glass to break for that."""
    guarded = guard(require_approval="all", two_person="all")
    slow = {**job_of("hers"), "pace": {**pace(10), "max_rows_per_second": 10}}
    guarded.ask("anna", "POST", "/v1/jobs", slow, status=201)
    guarded.ask("root2", "POST", "/v1/jobs/hers/approve", {"confirm": "hers"}, status=200)
    guarded.client("anna")("wait", "hers", "--for", "running", "--timeout", "60s", code=0)
    faster = {"pace": {"max_rows_per_second": 20}}
    refused = guarded.ask("anna", "PATCH", "/v1/jobs/hers", faster, status=403).json
    assert refused["code"] == "two_person" and refused["detail"].endswith("takes two persons: somebody else has to change it so")
    guarded.ask("otto", "PATCH", "/v1/jobs/hers", faster, status=403)
    guarded.ask("anna", "PATCH", "/v1/jobs/hers", {"pace": {"max_rows_per_second": 5}}, status=200)
    guarded.ask("root2", "PATCH", "/v1/jobs/hers", faster, status=200)
    guarded.ask("anna", "POST", "/v1/jobs/hers/abort", status=202)


def test_sighup_reads_the_tokens_anew(guard, people):
    guarded = guard(who=("vera", "otto"))
    daemon = guarded.daemon
    guarded.ask("vera", "GET", "/v1/jobs", status=200)
    guarded.ask("anna", "GET", "/v1/jobs", status=401)
    guarded.write("vera", "anna")
    daemon.hang_up("token otto is gone", "token anna: approver, all targets", "2 changes")
    guarded.ask("anna", "GET", "/v1/jobs", status=200)
    guarded.ask("otto", "GET", "/v1/jobs", status=401)
    guarded.write("otto", more="half a line\n")
    daemon.hang_up(f"tokens: {guarded.file}:3: a line is", "1 fault in the configuration: nothing changed")
    guarded.ask("anna", "GET", "/v1/jobs", status=200)
    guarded.write("otto", mode=0o644)
    daemon.hang_up("is open to everyone (mode 0644)", "nothing changed")
    guarded.ask("anna", "GET", "/v1/jobs", status=200)


def test_check_config_names_what_is_wrong_with_tokens(build, people, tmp_path):
    tokens, configuration = tmp_path / "tokens", tmp_path / "backfilld.ini"
    listen = "listen = 0.0.0.0:8420\n"

    def check(text):
        configuration.write_text(f"[daemon]\nstate = sqlite:{tmp_path}/state.db\n{text}")
        return subprocess.run([str(build / "daemon/backfilld"), "-c", str(configuration), "--check-config"], capture_output=True,
                              text=True, timeout=20)
    tokens.write_text(f"{people['vera']['line']}\nvera viewer\n\nzoe queen * {people['vera']['line'].split()[-1]}\n")
    tokens.chmod(0o600)
    done = check(f"tokens = {tokens}\n")
    assert done.returncode == 1
    assert [line.split(": ", 3)[:3] for line in done.stderr.splitlines()[:-1]] == [
        [f"{configuration}:3", "tokens", f"{tokens}:2"], [f"{configuration}:3", "tokens", f"{tokens}:4"]]
    done = check(listen)
    assert done.returncode == 1 and f"{configuration}:3: listen: 0.0.0.0:8420 can be reached from outside" in done.stderr
    tokens.write_text(people["vera"]["line"])
    assert check(f"{listen}tokens = {tokens}\n").returncode == 0


def test_the_client_makes_no_line_that_the_daemon_refuses(build):
    client = Client(build, "unix:/nowhere")
    for options, said in ((("--name", "daemon"), "--name: daemon is the daemon's own"), (("--name", "a b"), "--name: a b is no name"),
                          (("--targets", "*,shop"), "--targets: *,shop"), (("--targets", "Shop"), "--targets: Shop"),
                          (("--targets", "shop,,legacy"), "--targets: shop,,legacy"), (("--targets", "shop,"), "--targets: shop,"),
                          (("--role", "king"), "--role: king is no role")):
        done = client("token", "new", *options, code=2)
        assert said in done.stderr and done.stdout == ""


def test_tokens_that_let_in_nobody_are_said(make_daemon, database, build, people):
    guarded = Guarded(make_daemon, database, build, people)
    guarded.write()
    guarded.daemon.start()
    assert f"warning: tokens: there is none in {guarded.file}, so nobody is let in over TCP" in guarded.daemon.log.read_text()
    lost = Client(build, "unix:/nowhere").json("token", "new", "--name", "lost", "--role", "operator", "--targets", "shop,shpo")["line"]
    guarded.write("vera", more=f"{lost}\n")
    guarded.daemon.hang_up(f"warning: tokens: {guarded.file}:3: lost is for target shpo, and no target is called so", "2 changes")
    assert "is for target shop," not in guarded.daemon.log.read_text()


ASK = """
import socket, sys
path, method, target, body = sys.argv[1:]
asked = socket.socket(socket.AF_UNIX)
asked.connect(path)
asked.sendall(f"{method} {target} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nContent-Type: application/json\\r\\n"
              f"Content-Length: {len(body)}\\r\\n\\r\\n{body}".encode())
print(b"".join(iter(lambda: asked.recv(65536), b"")).decode())
"""


def test_users_of_the_unix_socket(make_daemon, database):
    """The kernel says who they are: root is admin, others have what socket_roles gives them."""
    make_table(database, 500)
    daemon = make_daemon(database, listen="unix", require_approval="all", settings={"socket_roles": "games=viewer, @tty=approver, *=none"})
    job = daemon.submit(job_of("first"))
    me = f"uid:{os.getuid()} ("
    assert job["submitted_by"].startswith(me)
    who = daemon.get("/v1/identity").json
    assert who["name"].startswith(me) and who["role"] == "admin" and not who["tokens"]
    if os.getuid() != 0:
        return  # only root can be somebody else; who this user is was seen
    for path in (daemon.directory, *daemon.directory.parents):
        if path.stat().st_mode & 0o055 != 0o055:
            path.chmod(path.stat().st_mode | 0o055)

    def ask(user, groups, method, target, body=""):
        done = subprocess.run([sys.executable, "-c", ASK, daemon.listen[5:], method, target, body], user=user, group=0,
                              extra_groups=groups, capture_output=True, text=True, timeout=20)
        assert done.returncode == 0, done.stderr
        return int(done.stdout.split()[1]), done.stdout
    assert ask("games", [], "GET", "/v1/jobs")[0] == 200
    status, text = ask("games", ["tty"], "POST", "/v1/jobs/first/approve", '{"confirm": "first"}')
    assert status == 403 and "needs the role approver, and uid:5 (games) is viewer" in text
    status, text = ask("news", [], "GET", "/v1/jobs")
    assert status == 403 and "has none here (socket_roles gives them)" in text
    assert ask("news", ["tty"], "POST", "/v1/jobs/first/approve", '{"confirm": "first"}')[0] == 200
    until(lambda: daemon.job(job)["state"] == "completed", 30, "it is done")
    assert daemon.job(job)["approved_by"] == "uid:9 (news)"
