"""The audit log: who did what is in it, nothing can be changed in it unseen, and a log that cannot be written stops no stopping."""
import hashlib
import json

import pytest

from lab.daemon import Client, document, pace
from lab.wait import until

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


def log_of(daemon):
    return daemon.directory / "audit.log"


def records(daemon) -> list:
    return [json.loads(line) for line in log_of(daemon).read_text().splitlines()]


def wait_record(daemon, **members) -> dict:
    """What only stops something is recorded behind its answer."""
    def found():
        return next((one for one in records(daemon) if members.items() <= one.items()), None)
    return until(found, 30, lambda _: f"a record with {members}:\n{log_of(daemon).read_text()}")


def hash_of(line) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


@pytest.fixture
def small(database):
    database.make_counted(20000)
    return database


def test_every_order_is_recorded_with_who_and_what_and_why(build, make_daemon, small):
    daemon = make_daemon(small, require_approval="all")
    secret = "a secret of the table"
    job = daemon.submit(document(small.table("counted"), {"n": "n + 1"}, pace={**pace(50), "max_rows_per_second": 1000},
                                 where=f"'{secret}' <> ''"))
    daemon.wait(job, "awaiting_approval")
    daemon.order(job, "approve", {"comment": "as agreed", "confirm": "job"})
    daemon.wait(job, "running")
    daemon.pause(job, "lunch")
    daemon.wait(job, "paused")
    daemon.resume(job)
    assert daemon.request("PATCH", f"/v1/jobs/{job['id']}", {"pace": {"nice": 0.2}}).status == 200
    assert daemon.post(f"/v1/jobs/{job['id']}/forget", {"confirm": "job"}).status == 409
    daemon.wait_progress(job, 1)
    small.execute("UPDATE backfilld.control SET goal = 'pause' WHERE job = '*'")
    daemon.wait(job, "paused")
    assert daemon.get("/v1/jobs", headers={"Host": "evil.example"}).status == 403
    assert daemon.post("/v1/jobs?dry_run=true", document(small.table("counted"), {"n": "n"}, name="dry")).status == 200
    daemon.abort(job, "enough")
    wait_record(daemon, action="abort", outcome="done", reason="enough")

    of_job = {"job": job["id"], "name": "job", "target": "shop", "actor": "operator"}
    asked = wait_record(daemon, action="submit", outcome="asked", name="job", target="shop", actor="operator")
    assert asked["document"] and asked["peer"].startswith("127.0.0.1:")
    done = wait_record(daemon, action="submit", outcome="done", status=201, asked=asked["n"], job=job["id"])
    assert done["n"] > asked["n"] and done["at"] >= asked["at"]
    wait_record(daemon, action="approve", outcome="asked", comment="as agreed", **of_job)
    wait_record(daemon, action="approve", outcome="done", status=200, **of_job)
    wait_record(daemon, action="pause", outcome="done", reason="lunch", status=202, **of_job)
    wait_record(daemon, action="resume", outcome="done", **of_job)
    assert wait_record(daemon, action="tune", outcome="asked", **of_job)["pace"] == '{"nice":0.2}'
    wait_record(daemon, action="forget", outcome="refused", status=409, code="wrong_state", **of_job)
    wait_record(daemon, actor="control", job=job["id"])
    wait_record(daemon, action="request", outcome="refused", status=403, path="/v1/jobs")
    text = log_of(daemon).read_text()
    assert secret not in text and '"name":"dry"' not in text

    shown = daemon.get("/v1/audit?after=0&limit=5").json
    assert [one["n"] for one in shown["records"]] == [1, 2, 3, 4, 5] and shown["next"] == 5
    newest = daemon.get("/v1/audit?limit=2").json
    assert newest["records"] == records(daemon)[-2:] and newest["next"] is None
    listed = Client(build, daemon.url)("audit", "--limit", "500", code=0).stdout
    assert "as agreed" in listed and 'pace: {"nice":0.2}' in listed


def test_what_was_changed_is_found_and_named(build, make_daemon, tmp_path):
    daemon = make_daemon(NOWHERE)
    client = Client(build, daemon.url)
    for number in range(3):
        client("pause-all", "--reason", f"number {number}", code=0)
        client("resume-all", code=0)
    wait_record(daemon, action="resume_all", n=10)
    assert "10 records are whole, up to record 10" in client("audit", "verify", code=0).stdout
    lines = log_of(daemon).read_text().splitlines()
    log, head = tmp_path / "log", hash_of(lines[4])

    def verify(changed, code, *more) -> str:
        log.write_text("".join(f"{line}\n" for line in changed))
        done = client("audit", "verify", log, *more, code=code)
        return done.stdout + done.stderr
    assert "10 records are whole" in verify(lines, 0, "--head", head)
    altered = next(i for i, line in enumerate(lines) if "number 1" in line)
    said = verify([*lines[:altered], lines[altered].replace("number 1", "number 9"), *lines[altered + 1:]], 1)
    assert f"{log}:{altered + 2}: record {altered + 2} does not follow" in said and f"last good record is {altered + 1}" in said
    assert ":5: record 6 stands here, where record 5 should be" in verify([*lines[:4], *lines[5:]], 1)
    assert ":5: record 6 stands here" in verify([*lines[:4], lines[5], lines[4], *lines[6:]], 1)
    assert "is not written as the daemon writes it" in verify([*lines[:4], lines[4].replace(":", ": ", 1), *lines[5:]], 1)
    assert ":5: this is no record" in verify([*lines[:4], "nonsense", *lines[4:]], 1)
    assert "no record has the hash" in verify(lines[:4], 1, "--head", head)  # cut off: whole in itself
    log.write_text("\n".join(lines))
    assert "this is no whole record" in client("audit", "verify", log, code=1).stderr
    parts = [tmp_path / "audit.log.1", tmp_path / "audit.log"]
    parts[0].write_text("".join(f"{line}\n" for line in lines[:6]))
    parts[1].write_text("".join(f"{line}\n" for line in lines[6:]))
    assert "10 records are whole" in client("audit", "verify", *parts, code=0).stdout
    assert "10 records are whole" in client("audit", "verify", *reversed(parts), code=0).stdout
    assert "begins with record 7" in client("audit", "verify", parts[1], "--head", hash_of(lines[5]), code=0).stdout
    assert "cannot be read" in client("audit", "verify", tmp_path / "none", code=2).stderr
    assert "--head" in client("audit", "verify", log, "--head", "abc", code=2).stderr


def test_a_running_daemon_misses_what_it_wrote(build, make_daemon):
    """Whole in itself is not enough: the end may be cut off, all of it gone, or the chain made anew."""
    daemon = make_daemon(NOWHERE)
    client = Client(build, daemon.url)
    client("pause-all", "--reason", "real", code=0)
    wait_record(daemon, action="pause_all", n=2)
    text = log_of(daemon).read_text()
    newest = hash_of(text.splitlines()[-1])
    head = {"n": 2, "hash": newest}  # what only stops something is recorded behind its answer
    until(lambda: daemon.get("/v1/audit").json["head"] == head, 30, "the daemon knows that it is written")
    for left in ("".join(text.splitlines(keepends=True)[:1]), ""):
        log_of(daemon).write_text(left)
        said = client("audit", "verify", code=1).stderr
        assert f"the newest record that the daemon wrote, 2 ({newest}), is not there" in said
    log_of(daemon).rename(daemon.directory / "elsewhere")
    assert "is not there: the end of the log was taken away" in client("audit", "verify", code=1).stderr
    log_of(daemon).write_text(text.replace("real", "made up"))
    assert f"record 2 is not the one that the daemon wrote ({newest})" in client("audit", "verify", code=1).stderr
    log_of(daemon).write_text(text)
    assert "2 records are whole" in client("audit", "verify", code=0).stdout


def test_it_goes_on_over_restarts_and_names_what_happened_between(build, make_daemon, tmp_path):
    daemon = make_daemon(NOWHERE)
    client = Client(build, daemon.url)
    client("resume-all", code=0)
    wait_record(daemon, action="resume_all", outcome="done")
    daemon.restart()  # kill -9: no record of its end
    text = log_of(daemon).read_text()
    assert text.count('"action":"start"') == 2 and '"action":"stop"' not in text
    assert "audit log: record" in daemon.log.read_text() and client("audit", "verify", code=0)
    daemon.kill9()
    with open(log_of(daemon), "a", encoding="utf-8") as log:
        log.write('{"action":"resu')
    daemon.start()
    assert "in the middle of a record" in daemon.log.read_text()
    cut = until(lambda: [line for line in log_of(daemon).read_text().splitlines() if '"log_cut_short"' in line], 30, "it is recorded")
    assert json.loads(cut[0])["sha256"] == hash_of('{"action":"resu')
    said = client("audit", "verify", log_of(daemon), code=0).stdout
    assert "cut short, which record" in said
    done = client("--json", "audit", "verify", log_of(daemon), code=0)
    lines = log_of(daemon).read_text().splitlines()
    assert json.loads(done.stdout) == {"records": len(lines) - 1, "head": {"n": len(lines) - 1, "hash": hash_of(lines[-1])}}
    assert "cut short, which record" in done.stderr

    rotated = daemon.directory / "audit.log.1"
    log_of(daemon).rename(rotated)
    client("resume-all", code=0)
    whole = client("audit", "verify", code=0).stdout  # the daemon reads both
    assert "are whole" in whole and "begins with" not in whole
    assert daemon.get("/v1/audit?after=0&limit=1").json["records"][0]["n"] == 1
    assert "are whole" in client("audit", "verify", rotated, log_of(daemon), code=0).stdout
    assert daemon.stop() == 0
    stopped = log_of(daemon).read_text().splitlines()[-1]
    assert json.loads(stopped)["action"] == "stop" and hash_of(stopped) in daemon.log.read_text()
    # the last two records are taken away, and the daemon writes on
    log_of(daemon).write_text("".join(f"{line}\n" for line in log_of(daemon).read_text().splitlines()[:-2]))
    daemon.start()
    assert "was changed by somebody else" in daemon.log.read_text()
    until(lambda: "log_disagrees" in log_of(daemon).read_text(), 30, "it is recorded")
    assert "where record" in client("audit", "verify", rotated, log_of(daemon), code=1).stderr


def test_a_log_that_cannot_be_written_keeps_nobody_from_stopping(build, make_daemon, small, tmp_path):
    place = tmp_path / "audit"
    place.mkdir()
    daemon = make_daemon(small, settings={"audit": place / "audit.log"})
    client = Client(build, daemon.url)
    slow = {**pace(50), "max_rows_per_second": 1000}
    job = daemon.submit(document(small.table("counted"), {"n": "n + 1"}, pace=slow))
    other = daemon.submit(document(small.table("counted"), {"n": "n + 2"}, name="other", pace=slow, again=True))
    daemon.wait(job, "running")
    away = tmp_path / "away"
    place.rename(away)
    refused = daemon.post(f"/v1/jobs/{job['id']}/resume", {})
    assert (refused.status, refused.json["code"]) == (503, "audit_failed") and "Nothing was done" in refused.json["detail"]
    assert daemon.post("/v1/jobs", document(small.table("counted"), {"n": "n"}, name="third")).status == 503
    daemon.pause(job, "it has to stop")
    daemon.wait(job, "paused")
    daemon.abort(other, "this, too")
    daemon.wait(other, "aborted")
    assert "nothing else can be ordered" in daemon.log.read_text()
    assert "backfilld_audit_writable 0" in daemon.get("/metrics").text
    away.rename(place)

    def written():
        return [one for one in map(json.loads, (place / "audit.log").read_text().splitlines()) if one["action"] in ("pause", "abort")]
    until(lambda: len(written()) == 2, 30, "what was missing is written")
    assert [(one["reason"], one["outcome"]) for one in written()] == [("it has to stop", "done"), ("this, too", "done")]
    assert client("audit", "verify", place / "audit.log", code=0)
    assert "backfilld_audit_writable 1" in daemon.get("/metrics").text
    assert daemon.post(f"/v1/jobs/{job['id']}/resume", {}).status == 202


def test_who_it_was_and_who_was_refused(build, make_daemon, tmp_path):
    made = {}
    for name, role, targets in (("ann", "admin", "*"), ("bob", "viewer", "*"), ("eve", "admin", "shop")):
        made[name] = json.loads(Client(build, "unix:/none")(
            "token", "new", "--name", name, "--role", role, "--targets", targets, "--json", code=0).stdout)
    file = tmp_path / "tokens"
    file.write_text("".join(f"{one['line']}\n" for one in made.values()))
    file.chmod(0o600)
    daemon = make_daemon(NOWHERE, settings={"tokens": file})

    def ask(name, method, path, body=None):
        token = made[name]["token"] if name in made else name
        return daemon.request(method, path, body, {"Authorization": f"Bearer {token}"})
    assert ask("ann", "POST", "/v1/pause-all", {"reason": "a test"}).status == 200
    assert ask("bob", "POST", "/v1/resume-all", {"reason": "why not"}).status == 403
    assert ask("ann", "POST", "/v1/resume-all", {"reason": f"as {made['bob']['token']} asked"}).status == 200
    assert daemon.get(f"/v1/jobs/{made['ann']['token']}").status == 400  # an address
    assert daemon.get(f"/v1/jobs/{made['ann']['token']}", headers={"Host": "evil.example"}).status == 403
    assert wait_record(daemon, actor="ann", action="resume_all", outcome="asked")["reason"] == "(a token)"
    wrong = made["ann"]["token"][:-1] + ("A" if made["ann"]["token"][-1] != "A" else "B")
    assert ask(wrong, "GET", "/v1/jobs").status == 401
    assert daemon.post("/v1/sign-in", {"token": made["bob"]["token"]}).status == 200
    wait_record(daemon, actor="ann", role="admin", action="pause_all", outcome="done", reason="a test")
    assert wait_record(daemon, actor="bob", role="viewer", action="resume_all", outcome="refused", status=403, code="forbidden")["peer"]
    wait_record(daemon, actor="nobody", action="list", outcome="refused", status=401, code="unauthenticated")
    wait_record(daemon, actor="bob", action="sign_in", outcome="done", status=200)
    assert not [one for one in records(daemon) if one["action"] == "resume_all" and one["outcome"] != "refused" and one["actor"] == "bob"]
    text = log_of(daemon).read_text()
    assert not [one for one in (wrong, *(one["token"] for one in made.values())) if one in text]
    assert ask("bob", "GET", "/v1/audit").status == 403 and ask("eve", "GET", "/v1/audit").status == 403
    assert ask("ann", "GET", "/v1/audit").json["records"][0]["action"] == "start"


def test_refused_requests_do_not_fill_the_disk(make_daemon):
    daemon = make_daemon(NOWHERE)
    for _ in range(90):
        assert daemon.get("/v1/jobs", headers={"Host": "evil.example"}).status == 403
    assert daemon.stop() == 0
    refused = [one for one in records(daemon) if one.get("status") == 403]
    assert len(refused) == 60
    assert [one["count"] for one in records(daemon) if one["action"] == "refusals"] == [30]


def test_without_a_log(build, make_daemon):
    daemon = make_daemon(NOWHERE, settings={"audit": "none"})
    assert daemon.post("/v1/resume-all").status == 200 and daemon.get("/v1/audit").status == 404
    assert "no audit log is kept" in Client(build, daemon.url)("audit", code=3).stderr
    assert not log_of(daemon).exists()
