"""backfillctl against a daemon made of scripted answers: the command line, exit codes, texts, what is asked."""
import json
import re
import subprocess
import unicodedata

import pytest

from lab.fake_daemon import ID, PROGRAM, ctl, fake, job, problem, reason  # noqa: F401


# ---- the command line ----

@pytest.mark.parametrize("line, text", [
    ([], "a verb is missing"),
    (["puase", "x"], "there is no verb puase; did you mean pause?"),
    (["xyzzy"], "there is no verb xyzzy"),
    (["show"], "JOB is missing"),
    (["show", ""], "argument 1 is empty"),
    (["show", "a", "b"], "unexpected argument b"),
    (["list", "a"], "unexpected argument a"),
    (["list", "--sttae", "x"], "did you mean --state?"),
    (["list", "--state", "runing"], "did you mean running?"),
    (["list", "--state", ""], "the value is empty"),
    (["list", "--state"], "needs an argument"),
    (["list", "--limit", "0"], "from 1 to 500"),
    (["list", "--limit", "12x"], "from 1 to 500"),
    (["list", "--limit", "99999999999999999999"], "from 1 to 500"),
    (["list", "--label", "campaign"], "is not KEY=VALUE"),
    (["pause-all", "--label", ":b"], "is not KEY=VALUE"),
    (["list", "--name", "a", "--name", "b"], "--name is given twice"),
    (["list", "--all=yes"], "--all takes no argument"),
    (["list", "--wait"], "list has no option --wait"),
    (["list", "-z"], "there is no option -z"),
    (["wait", "x", "--for", "done"], "there is no state done"),
    (["wait", "x", "--timeout", "30"], "30 is not a duration"),
    (["wait", "x", "--timeout", "0s"], "0s is not a duration"),
    (["pause", "x", "--timeout", "30s"], "it needs --wait"),
    (["submit", "x.json", "--confirm", "x"], "--confirm belongs to --approve"),
    (["submit", "/nowhere/x.json"], "/nowhere/x.json cannot be read: No such file or directory"),
    (["pause", "x", "--reason", b"\xff"], "--reason: the text is not UTF-8"),
    (["help", "puase"], "there is no verb puase"),
    (["clone", "orders"], "clone: too few arguments: it takes JOB NAME"),
    (["-u", "ftp://x", "list"], "only http and https are spoken; write http://HOST:PORT, https://HOST:PORT or unix:/PATH"),
    (["-u", "127.0.0.1:8420", "list"], "write http://HOST:PORT, https://HOST:PORT or unix:/PATH"),
    (["-u", "unix:relative", "list"], "absolute path"),
    (["-u", "http://127.0.0.1:99999", "list"], "cannot be used"),
    (["-u", "http://127.0.0.1/?a=b", "list"], "URL http://127.0.0.1/ cannot be used: it holds a query or fragment"),
    (["--token-file", "/nowhere/token", "list"], "/nowhere/token cannot be read"),
])
def test_usage_is_2_and_nothing_is_asked(ctl, fake, line, text):
    done = subprocess.run([PROGRAM, *line], capture_output=True, text=True, env=ctl.environment, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert text in done.stderr and done.stderr.startswith("backfillctl: ")
    assert fake.requests == []


def test_password_in_the_url_is_not_repeated(ctl):
    done = ctl("-u", "http://anna:hush@127.0.0.1:1", "list", code=2)
    assert "hush" not in done.stdout + done.stderr and "--token-file" in done.stderr


def verbs(ctl) -> list:
    return re.findall(r"^  ([a-z][a-z-]+)(?: |$)", ctl("--help", code=0).stdout, re.M)


def test_every_verb_has_help(ctl, fake):
    named = verbs(ctl)
    assert {"plan", "submit", "list", "show", "watch", "wait", "approve", "pause", "resume", "abort", "events", "targets",
            "rollback", "tune", "clone", "conflicts", "bad-rows", "retry-bad-rows", "forget", "replica", "pause-all", "resume-all"} <= set(named)
    for verb in named:
        text = ctl(verb, "--help", code=0).stdout
        assert text.startswith(f"usage: backfillctl {verb}") and ctl("help", verb, code=0).stdout == text
    assert fake.requests == []


def test_version(ctl):
    assert re.fullmatch(r"backfillctl \d+\.\d+\.\d+\n", ctl("--version", code=0).stdout)


def test_options_stand_anywhere(ctl, fake):
    fake.show("completed")
    first = ctl("show", "orders", "--json", code=0).stdout
    assert ctl("--json", "show", "orders", code=0).stdout == first
    assert ctl("show", "--json", "--url", fake.url, "orders", code=0, environment={"BACKFILLD_URL": "http://x:1"}).stdout == first
    assert ctl("show", "--json", "--", "orders", code=0).stdout == first


def test_full_disk_is_told(ctl, fake):
    fake.show("completed")
    with open("/dev/full", "w") as full:
        done = subprocess.run([PROGRAM, "show", "orders"], stdout=full, stderr=subprocess.PIPE, text=True, env=ctl.environment)
    assert done.returncode == 1 and "standard output cannot be written" in done.stderr


# ---- what the daemon answers, and the exit code ----

@pytest.mark.parametrize("answer, code", [
    (problem(400, "bad_request"), 1), (problem(401, "not_allowed"), 6), (problem(403, "not_allowed"), 6),
    (problem(404, "not_found"), 3), (problem(405, "method_not_allowed"), 1), (problem(409, "wrong_state"), 4),
    (problem(409, "ambiguous"), 4), (problem(412, "wrong_state"), 4), (problem(413, "too_large"), 1),
    (problem(415, "wrong_media_type"), 1), (problem(422, "confirm"), 1), (problem(500, "internal"), 1),
    (problem(501, "not_built"), 1), (problem(503, "target_down"), 1), (problem(503, "stopping"), 5),
    ((404, b"<html>not here</html>", {"Content-Type": "text/html"}), 1),
    ((403, b"<html>no</html>", {"Content-Type": "text/html"}), 6),
    ((200, b"<html>hello</html>", {"Content-Type": "text/html"}), 1),
    ((200, b"{\"id\": "), 1), ((200, b"[1]"), 1), ((302, b"", {"Location": "http://127.0.0.1:1/"}), 1),
])
@pytest.mark.parametrize("verb", ["show", "wait", "watch", "pause", "approve", "events"])
def test_exit_codes_of_refusals(ctl, fake, answer, code, verb):
    method, suffix = {"pause": ("POST", "/pause"), "approve": ("POST", "/approve"), "events": ("GET", "/events")}.get(
        verb, ("GET", ""))
    fake.answers[(method, f"/v1/jobs/orders{suffix}")] = answer
    done = ctl(verb, "orders", code=code)
    assert done.stdout == "" and done.stderr.startswith("backfillctl: ")
    if isinstance(answer[1], dict):
        assert "The document is not valid: look" in done.stderr
    else:
        assert "is another program listening there?" in done.stderr


def test_problem_with_every_complaint(ctl, fake, tmp_path):
    (tmp_path / "job.json").write_text("{}")
    fake.answers[("POST", "/v1/jobs")] = problem(
        422, detail="2 things are wrong, see errors", errors_total=7, errors=[
            {"pointer": "/set", "detail": "is missing"}, {"pointer": "", "detail": "is odd\x1b[31m\nnext"}])
    done = ctl("submit", tmp_path / "job.json", code=1)
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "backfillctl: The document is not valid", "  /set: is missing",
        "  the document: is odd\\x1b[31m\\nnext", "  and 5 more"]


def test_retry_after_is_told(ctl, fake, tmp_path):
    (tmp_path / "job.json").write_text("{}")
    status, body, headers = problem(503, "target_down", "The target does not answer", "shop: connection refused")
    fake.answers[("POST", "/v1/jobs")] = (status, body, {**headers, "Retry-After": "5"})
    done = ctl("submit", tmp_path / "job.json", code=1)
    assert done.stderr == ("backfillctl: The target does not answer: shop: connection refused\n  try again in 5 s\n")


def test_an_endless_answer_is_cut(ctl, fake):
    fake.answers[("GET", "/v1/jobs")] = (200, b'{"jobs": [' + b"1," * (9 * 1024 * 1024) + b"1]}")
    assert "larger than 16 MiB" in ctl("list", code=5).stderr


# ---- what is asked ----

@pytest.mark.parametrize("name, path", [
    ("orders-2020", "orders-2020"), ("a/b", "a%2Fb"), ("..", "%2E%2E"), (".", "%2E"), ("a b?c#d", "a%20b%3Fc%23d"),
    ("größe", "gr%C3%B6%C3%9Fe"), ("%2e", "%252e"), ("v1.2", "v1.2")])
def test_names_are_encoded(ctl, fake, name, path):
    fake.answers[("POST", f"/v1/jobs/{path}/pause")] = (200, job("paused"))
    ctl("pause", name, code=0)
    assert [request["path"] for request in fake.requests] == [f"/v1/jobs/{path}/pause"]


@pytest.mark.parametrize("verb, member, said", [("conflicts", "conflicts", "no conflicts"),
                                                ("bad-rows", "bad_rows", "no rows in quarantine")])
def test_that_there_are_none_is_said(ctl, fake, verb, member, said):
    fake.answers[("GET", f"/v1/jobs/orders/{verb}")] = (200, {member: [], "next": None})
    done = ctl(verb, "orders", code=0)
    assert (done.stdout, done.stderr) == ("", f"backfillctl: {said}\n")
    assert ctl("--json", verb, "orders", code=0).stderr == ""


def test_token_is_sent_and_never_shown(ctl, fake, tmp_path):
    fake.show("completed")
    token = tmp_path / "token"
    token.write_text("s3cret-token\n")
    token.chmod(0o600)
    done = ctl("--token-file", token, "show", "orders", code=0, environment={"BACKFILLD_TOKEN": "another"})
    assert fake.requests[-1]["headers"]["Authorization"] == "Bearer s3cret-token" and done.stderr == ""
    assert "s3cret" not in done.stdout
    token.chmod(0o644)
    assert "everybody can read" in ctl("--token-file", token, "show", "orders", code=0).stderr
    ctl("show", "orders", code=0, environment={"BACKFILLD_TOKEN": "from-environment"})
    assert fake.requests[-1]["headers"]["Authorization"] == "Bearer from-environment"
    ctl("show", "orders", code=0)
    assert fake.requests[-1]["headers"]["Authorization"] is None
    token.write_text("s3cret token")
    done = ctl("--token-file", token, "show", "orders", code=2)
    assert "s3cret" not in done.stderr
    done = ctl("show", "orders", code=2, environment={"BACKFILLD_TOKEN": "s3cret\r\nX: y"})
    assert "s3cret" not in done.stderr


def test_no_proxy_gets_orders_or_token(ctl, fake):
    fake.show("completed")
    ctl("show", "orders", code=0, environment={"http_proxy": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"})
    assert [request["path"] for request in fake.requests] == ["/v1/jobs/orders", "/v1/jobs/orders/plan"]


def test_a_redirection_is_not_followed(ctl, fake):
    fake.answers[("GET", "/v1/jobs/orders")] = (307, b"", {"Location": f"{fake.url}/elsewhere"})
    ctl("show", "orders", code=1)
    assert len(fake.requests) == 1


@pytest.mark.parametrize("verb, words, body", [
    ("approve", [], {}), ("approve", ["--confirm", "orders", "--comment", "größer"], {"confirm": "orders", "comment": "größer"}),
    ("approve", ["--plan", "3f2a"], {"plan": "3f2a"}),
    ("pause", [], {}), ("pause", ["--reason", 'a "b"'], {"reason": 'a "b"'}), ("resume", ["-r", "on"], {"reason": "on"}),
    ("abort", ["--reason", "wrong rows"], {"reason": "wrong rows"})])
def test_orders(ctl, fake, verb, words, body):
    fake.answers[("POST", f"/v1/jobs/orders/{verb}")] = (202, job("pausing", activity="batching"))
    done = ctl(verb, "orders", *words, code=0)
    assert done.stdout == "orders is pausing, batching\n" and done.stderr == ""
    request, = fake.requests
    assert json.loads(request["body"]) == body and request["headers"]["Content-Type"] == "application/json"
    done = ctl("--json", verb, "orders", *words, code=0)
    assert json.loads(done.stdout) == job("pausing", activity="batching")


def test_an_order_that_could_not_be_stored(ctl, fake):
    fake.answers[("POST", "/v1/jobs/orders/pause")] = (202, job("pausing", durable=False))
    assert "could not store it" in ctl("pause", "orders", code=0).stderr


def test_confirm_is_explained(ctl, fake):
    fake.answers[("POST", "/v1/jobs/orders/approve")] = problem(422, "confirm", "The confirmation does not fit", "it is RED")
    assert "--confirm NAME" in ctl("approve", "orders", code=1).stderr


# ---- documents ----

def test_a_document_is_sent_byte_for_byte(ctl, fake, tmp_path):
    text = '{ "name":"x",  "nice": 0.10, "größe": 1e3 }\n'
    (tmp_path / "job.json").write_text(text)
    fake.answers[("POST", "/v1/jobs")] = (201, job("awaiting_approval"))
    done = ctl("submit", tmp_path / "job.json", code=0)
    assert fake.requests[-1]["body"].decode() == text and fake.requests[-1]["raw_query"] == ""
    assert done.stdout == f"submitted orders ({ID}), it is awaiting_approval\n"
    done = ctl("--json", "submit", "-", input=text, code=0)
    assert fake.requests[-1]["body"].decode() == text and json.loads(done.stdout)["id"] == ID


def test_target_stands_in_for_the_documents_own(ctl, fake):
    fake.answers[("POST", "/v1/jobs")] = (201, job("queued"))
    ctl("submit", "-", "--target", "staging", input='{"name": "x", "target": "shop", "pace": {"nice": 0.5}}', code=0)
    assert json.loads(fake.requests[-1]["body"]) == {"name": "x", "target": "staging", "pace": {"nice": 0.5}}
    done = ctl("submit", "-", "--target", "staging", input='{"name": "x",\n "target" "shop"}', code=1)
    assert "line 2, column" in done.stderr and len(fake.requests) == 1
    assert "- is not a job document" in ctl("submit", "-", "--target", "staging", input="[]", code=1).stderr


@pytest.mark.parametrize("text, said", [("", "is empty"), ("{\0}", "NUL byte"), (" " * (4 * 1024 * 1024 + 1), "larger than 4 MiB")],
                         ids=["empty", "nul", "large"])
def test_what_is_no_document(ctl, fake, text, said):
    assert said in ctl("submit", "-", input=text, code=2).stderr and fake.requests == []


def test_plan_is_readable_and_keeps_nothing_back(ctl, fake):
    plan = {"table": "public.orders", "key": ["id", "n"], "rows_estimated": 1000000, "risk": "RED", "approval_needed": True,
            "range": {"after": None, "through": ["5000000"]}, "findings": [{"code": "irreversible", "text": "no undo\x1b[2J"}],
            "statements": ["UPDATE t\nSET a = 1", "SELECT 1"]}
    fake.answers[("POST", "/v1/jobs")] = (200, plan)
    done = ctl("plan", "-", input="{}", code=0)
    assert fake.requests[-1]["query"] == {"dry_run": ["true"]}
    lines = [re.sub(r"\s+", " ", line.strip()) for line in done.stdout.splitlines()]
    for line in ("table public.orders", "key id, n", "rows estimated 1,000,000", "risk RED", "approval needed yes", "range:",
                 "after -", "through 5000000", "1 code irreversible, text no undo\\x1b[2J", "UPDATE t", "SET a = 1", "2 SELECT 1"):
        assert line in lines, (line, done.stdout)
    assert json.loads(ctl("--json", "plan", "-", input="{}", code=0).stdout) == plan
    fake.answers[("POST", "/v1/jobs")] = problem(422)
    ctl("plan", "-", input="{}", code=1)


def test_submit_approve_watch(ctl, fake):
    fake.answers[("POST", "/v1/jobs")] = (201, job("planning"))
    fake.answers[("POST", f"/v1/jobs/{ID}/approve")] = (200, job("queued"))
    # the first look after the approval still shows the state that it ended
    fake.show("planning", "planning", "awaiting_approval", "awaiting_approval", "queued", "running", "completed")
    done = ctl("submit", "-", "--approve", "--confirm", "orders", "--watch", input="{}", code=0)
    asked = [request for request in fake.requests if request["method"] == "POST"]
    assert [request["path"] for request in asked] == ["/v1/jobs", f"/v1/jobs/{ID}/approve"]
    assert json.loads(asked[1]["body"]) == {"confirm": "orders"}
    assert done.stdout.splitlines()[0] == f"submitted orders ({ID}), it is planning"
    assert done.stdout.splitlines()[-1].startswith("orders: completed")


@pytest.mark.parametrize("options, states, code", [
    (["--watch"], ["planning", "awaiting_approval"], 13), (["--watch"], ["planning", "queued", "failed"], 10),
    (["--approve"], ["planning", "queued"], 0), (["--approve"], ["planning", "refused"], 1),
    (["--approve", "--watch"], ["planning", "refused"], 15), (["--approve"], ["awaiting_approval"], 1)])
def test_submit_and_how_it_goes_on(ctl, fake, options, states, code):
    fake.answers[("POST", "/v1/jobs")] = (201, job("planning"))
    fake.answers[("POST", f"/v1/jobs/{ID}/approve")] = problem(422, "confirm")
    fake.show(*states)
    ctl("submit", "-", *options, input="{}", code=code)


def test_submit_of_what_the_plan_refuses_is_refused(ctl, fake):
    fake.answers[("POST", "/v1/jobs")] = (201, job("refused", reason={"code": "unmeasured", "text": "unmeasured: write_rate"}))
    done = ctl("submit", "-", input="{}", code=1)
    assert "it is refused" in done.stdout and done.stderr == "backfillctl: orders is refused: unmeasured: write_rate\n"


# ---- tables ----

def test_list(ctl, fake):
    jobs = [job("running"), job("awaiting_approval", "größe\x9b", fraction=None), job("completed", fraction=1)]
    fake.answers[("GET", "/v1/jobs")] = (200, {"jobs": jobs, "next": ID})
    done = ctl("list", "--state", "running", "--target", "sh op", "--label", "team=a=b&c", "--name", "orders", "--limit", "3",
               code=0)
    assert fake.requests[-1]["query"] == {"state": ["running"], "target": ["sh op"], "label": ["team:a=b&c"],
                                          "name": ["orders"], "limit": ["3"]}
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["NAME", "STATE", "DONE", "RATE", "ETA", "TARGET", "TABLE", "SUBMITTED", "ID"]
    assert re.match(r"orders +running, batching +42\.1 % +18,230 rows/s +3 min 12 s +shop +public\.orders +"
                    r"2026-11-21 02:40:00 UTC +" + ID, lines[1])
    assert lines[2].startswith("größe\\u009b  awaiting_approval") and "100.0 %" in lines[3]
    assert len({line.index(ID) for line in lines[1:]} | {lines[0].index("ID")}) == 1, "the columns stand in line"
    assert "--all" in done.stderr
    ctl("list", "--label", "team:orders", code=0)
    assert fake.requests[-1]["query"]["label"] == ["team:orders"]
    raw = b'{"jobs" : [ ],\n "next":null, "x": 0.10}'
    fake.answers[("GET", "/v1/jobs")] = (200, raw)
    assert ctl("--json", "list", code=0).stdout.encode() == raw + b"\n"
    done = ctl("list", code=0)
    assert done.stdout == "" and done.stderr == "backfillctl: no job fits\n"


def test_list_all_pages(ctl, fake):
    def page(request):
        after = request["query"].get("after", ["0"])[0]
        return 200, {"jobs": [job(name=f"job-{after}")], "next": str(int(after) + 1) if int(after) < 3 else None}
    fake.answers[("GET", "/v1/jobs")] = page
    done = ctl("list", "--all", code=0)
    assert re.findall(r"^job-\d", done.stdout, re.M) == ["job-0", "job-1", "job-2", "job-3"] and done.stderr == ""
    assert len(ctl("list", "--all", "--json", code=0).stdout.splitlines()) == 4
    assert fake.connections == 2, "one connection for each run"
    fake.answers[("GET", "/v1/jobs")] = (200, {"jobs": [], "next": "again"})
    assert "repeats a page" in ctl("list", "--all", code=1).stderr


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_show_fits_in_60_columns(ctl, fake, locale):
    big = job("running", "n" * 63, table='"Schema größe"."' + "t" * 63 + '"', target="t" * 63,
              reason=reason("replica-2 is 4.2 s behind (limit 1.5 s) " * 5 + "x" * 200), activity="backing_off")
    big["progress"] = {key: 9 * 10 ** 17 for key in big["progress"]} | {"fraction": 0.9999, "rate": 9e14}
    for each in (big, job("completed", fraction=1), job("planning", progress=None, updated_at=None), {"id": ID}):
        fake.answers[("GET", "/v1/jobs/orders")] = (200, each)
        done = ctl("show", "orders", code=0, environment={"LC_ALL": locale})
        assert max(len(line) for line in done.stdout.splitlines()) <= 60, done.stdout
        assert done.stderr == "" and "\x1b" not in done.stdout and ID in done.stdout
        assert locale != "C" or done.stdout.isascii()


def test_show(ctl, fake):
    fake.show("running", reason=reason("replica-2 is behind", "replication_lag"))
    text = ctl("show", "orders", code=0).stdout
    for line in ("job       orders", "state     running, batching", "reason    replica-2 is behind",
                 "rows      420,000 changed, 421,000 scanned of about", "          1,000,000",
                 "rate      18,230 rows/s", "ETA       3 min 12 s", "batch     1,500 rows, 281 done",
                 "table     shop public.orders", f"id        {ID}"):
        assert line in text.splitlines(), (line, text)
    assert re.search(r"^progress  █+▏?.?░+ 42\.1 %$", text, re.M) and "since     2026-11-21 02:44:00 UTC (" in text


def test_show_says_where_the_time_went(ctl, fake):
    shown = job("running")
    shown["progress"]["seconds"] = {"batching": 15624, "holding/lag:replica-2": 20160, "sleeping": 14516.2,
                                    "batching/bad_rows": 1008, "backing_off/lock_conflict": 99.8, "connecting": 0.2}
    fake.answers[("GET", "/v1/jobs/orders")] = (200, shown)
    lines = ctl("show", "orders", code=0).stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("time      "))
    assert " ".join(line[10:] for line in lines[at:at + 3]) == (
        "14 h 16 min: 39 % holding on lag of replica-2, 30 % writing, 28 % sleeping, 2 % writing around bad rows")
    assert lines[at + 3].startswith("since")


def test_replica(ctl, fake):
    target = {"name": "shop", "replicas": [{"name": "a/b", "state": "ignored", "until": "2026-11-21T06:40:00.000Z"}]}
    for order in ("ignore", "heed"):
        fake.answers[("POST", f"/v1/targets/shop/replicas/a%2Fb/{order}")] = (200, target)
    done = ctl("replica", "ignore", "shop", "a/b", "--for", "4h", "--reason", "rebuilt", code=0)
    assert done.stdout == "replica a/b is ignored until 2026-11-21 06:40:00 UTC\n"
    assert json.loads(fake.requests[-1]["body"]) == {"for": "4h", "reason": "rebuilt"}
    ctl("replica", "heed", "shop", "a/b", code=0)
    assert json.loads(fake.requests[-1]["body"]) == {}
    asked = len(fake.requests)
    ctl("replica", "forget", "shop", "a/b", code=2)
    ctl("replica", "heed", "shop", "a/b", "--for", "4h", code=2)
    assert len(fake.requests) == asked


def test_events(ctl, fake):
    def event(number, **more):
        return {"id": number, "job": ID, "at": "2026-11-21T02:40:00.123Z", "type": "state", "from": "queued", "to": "running",
                "actor": "daemon", "text": "its turn", **more}
    fake.answers[("GET", "/v1/jobs/orders/events")] = (200, {"events": [
        event(12, type="note", to=None, text="bad\x1b]0;x\x07"), event(11)]})
    done = ctl("events", "orders", "--limit", "2", code=0)
    assert done.stdout == ("2026-11-21 02:40:00 UTC  queued → running: its turn (daemon)\n"
                           "2026-11-21 02:40:00 UTC  note: bad\\x1b]0;x\\x07 (daemon)\n")
    assert fake.requests[-1]["query"] == {"limit": ["2"]}

    fake.show("running", "running", "completed")
    lists = [(200, {"events": [event(1), event(2)]}), (200, {"events": []}), (200, {"events": [event(3, to="completed")]})]
    fake.answers[("GET", f"/v1/jobs/{ID}/events")] = lambda request: (
        lists.pop(0) if request["headers"]["Accept"] == "application/json" else (404, {}))
    fake.requests.clear()
    done = ctl("events", "orders", "--follow", code=0)
    assert [line.split()[5] for line in done.stdout.splitlines()] == ["running:", "running:", "completed:"]
    asked = [request["query"].get("after") for request in fake.requests
             if request["path"].endswith("/events") and request["headers"]["Accept"] == "application/json"]
    assert asked == [None, ["2"], ["2"]]


def test_targets(ctl, fake):
    body = {"targets": [
        {"name": "shop", "engine": "postgresql", "version": "15.4", "role": "primary", "reachability": "reachable",
         "trouble": None, "max_jobs": 2, "require_approval": "all", "running": 1, "queued": 0,
         "replicas": [{"name": "replica-1", "state": "heeded", "until": None, "reason": None},
                      {"name": "replica-2", "state": "set_aside", "until": "2026-11-21T03:40:00.000Z", "reason": None},
                      {"name": "replica-3", "state": "ignored", "until": "2026-11-21T06:40:00.000Z",
                       "reason": "operator: it is rebuilt"},
                      {"name": "replica-4", "state": "heeded", "until": None, "reason": None, "trouble": "its SQL thread stopped"},
                      {"name": "replica-5", "state": "promoted", "until": None, "reason": None, "trouble": None}]},
        {"name": "away", "engine": "postgresql", "version": None, "role": None, "reachability": "unreachable",
         "trouble": "connection refused", "max_jobs": 2, "require_approval": "none", "running": 0, "queued": 0},
        {"name": "old", "engine": None, "version": None, "role": None, "reachability": "gone", "trouble": "not configured",
         "max_jobs": None, "require_approval": None, "running": 0, "queued": 3}]}
    fake.answers[("GET", "/v1/targets")] = (200, body)
    done = ctl("targets", code=0)
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["TARGET", "ENGINE", "VERSION", "ROLE", "RUNNING", "QUEUED", "MAX", "JOBS", "APPROVAL"]
    assert lines[1].split() == ["shop", "postgresql", "15.4", "primary", "1", "0", "2", "all"]
    assert lines[2].split() == ["away", "postgresql", "unreachable", "0", "0", "2", "none"]
    assert lines[3].split() == ["old", "gone", "0", "3"]
    assert done.stderr.splitlines() == [
        "backfillctl: target shop: replica replica-2 is set aside until 2026-11-21 03:40:00 UTC",
        "backfillctl: target shop: replica replica-3 is ignored until 2026-11-21 06:40:00 UTC (operator: it is rebuilt)",
        "backfillctl: target shop: replica replica-4 is heeded: its SQL thread stopped",
        "backfillctl: target shop: replica replica-5 is promoted",
        "backfillctl: target away: connection refused", "backfillctl: target old: not configured"]
    assert json.loads(ctl("--json", "targets", code=0).stdout) == body


HOSTILE = "\x1b[2J\x9b31m\r\x07\u202e\u2028\x7f\x08end"


@pytest.mark.parametrize("locale", ["C.UTF-8", "C"])
def test_texts_from_the_server_cannot_steer_the_terminal(ctl, fake, locale):
    hostile = job(HOSTILE, HOSTILE, id=HOSTILE, target=HOSTILE, table=HOSTILE, activity=HOSTILE, direction="back",
                  reason=reason(HOSTILE, HOSTILE), created_at=HOSTILE, updated_at=HOSTILE)
    event = {name: HOSTILE for name in ("job", "at", "type", "from", "to", "actor", "text")} | {"id": 1}
    fake.answers = {("GET", "/v1/jobs"): (200, {"jobs": [hostile], "next": None}), ("GET", "/v1/jobs/x"): (200, hostile),
                    ("GET", "/v1/jobs/x/events"): (200, {"events": [event]}),
                    ("GET", "/v1/targets"): (200, {"targets": [{"name": HOSTILE, "engine": HOSTILE}]}),
                    ("POST", "/v1/jobs"): (200, {HOSTILE: HOSTILE, "list": [HOSTILE], "lines": HOSTILE + "\n" + HOSTILE}),
                    ("POST", "/v1/jobs/x/pause"): (202, hostile), ("POST", "/v1/jobs/x/abort"): problem(
                        409, HOSTILE, HOSTILE, HOSTILE, errors=[{"pointer": HOSTILE, "detail": HOSTILE}])}
    for line, code in ((["list"], 0), (["show", "x"], 0), (["events", "x"], 0), (["targets"], 0), (["plan", "-"], 0),
                       (["pause", "x"], 0), (["abort", "x"], 4), (["submit", "-"], 0)):
        done = ctl(*line, code=code, input="{}", environment={"LC_ALL": locale})
        text = done.stdout + done.stderr
        assert "end" in text or line[0] == "submit"
        assert not [c for c in text if c != "\n" and (unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp"))], (line, text)
