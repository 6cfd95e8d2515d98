"""The HTTP interface of a running daemon: one job from submission to its end, hostile requests, clients that leave, a stop
with requests in flight. What each route answers in detail is in tests/unit/http."""
import json
import os
import random
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from lab.daemon import document, pace
from lab.sockets import read_all
from lab.wait import until

NOBODY = "postgresql://nobody@127.0.0.1:1/nowhere"  # a target on which nobody listens


@pytest.fixture
def alone(make_daemon):
    """A daemon whose target does not answer: enough for everything that never gets there."""
    return make_daemon(NOBODY)


@pytest.fixture
def silent_target():
    """A server that accepts connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener


def connect(daemon, timeout=20):
    host, port = daemon.listen.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=timeout)


def raw(daemon, data: bytes) -> bytes:
    """What the daemon says to these bytes, until it closes; our side is closed for writing behind them."""
    with connect(daemon) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        return read_all(connection)


def problem(answer, status, code):
    assert (answer.status, answer.json["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["status"] == status and answer.json["type"] == f"urn:backfilld:{code}"
    assert answer.json["title"] and answer.json["detail"]
    return answer.json


def test_one_job_from_submission_to_its_end(make_daemon, database):
    daemon = make_daemon(database, require_approval="all")
    database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)")
    database.execute("INSERT INTO orders SELECT generate_series(1, 3000)")
    job = document("public.orders", {"n": "n + 1"}, name="first", pace=pace(1000, nice=0.1), labels={"campaign": "a:b"})

    plan = daemon.post("/v1/jobs?dry_run=true", job)
    assert plan.status == 200 and plan.json["table"] == "public.orders"
    assert daemon.get("/v1/jobs").json == {"jobs": [], "next": None}

    answer = daemon.post("/v1/jobs", job)
    made = answer.json
    assert answer.status == 201 and answer.headers["location"] == f"/v1/jobs/{made['id']}"
    waiting = daemon.wait(made, "awaiting_approval")
    assert waiting["document"] == job and waiting["labels"] == {"campaign": "a:b"}
    assert '"nice":0.1}' in daemon.get("/v1/jobs/first").text, "a number as it was written"
    assert waiting["progress"]["rows_changed"] == 0 and waiting["started_at"] is None
    made_of = ("table", "key", "statement", "undo", "risk", "unmeasured")  # the rest is measured anew
    again = daemon.get("/v1/jobs/first/plan").json
    assert {name: again[name] for name in made_of} == {name: plan.json[name] for name in made_of}
    refused = problem(daemon.post("/v1/jobs", job), 409, "name_in_use")
    assert (refused["job"], refused["state"]) == (made["id"], "awaiting_approval")
    problem(daemon.post("/v1/jobs/first/approve", {"confirm": "second"}), 422, "confirm")

    approved = daemon.post("/v1/jobs/first/approve", {"confirm": "first", "comment": "seen"})
    assert approved.status == 200 and approved.json["approved_by"] == "operator"
    done = daemon.wait(made, "completed")
    assert database.row("SELECT count(*), min(n), max(n) FROM orders") == (3000, 1, 1)
    progress = done["progress"]
    assert (progress["rows_scanned"], progress["rows_changed"], progress["fraction"]) == (3000, 3000, 1)
    assert [slice_["done"] for slice_ in progress["positions"]] == [True]
    assert progress["positions"][0]["position"] == ["3000"]
    assert done["ended_at"].endswith("Z") and done["activity"] is None
    problem(daemon.post("/v1/jobs/first/pause"), 409, "wrong_state")
    assert daemon.post("/v1/jobs/first/pause").json["state"] == "completed"

    events = daemon.events(made)
    moves = [(event["from"], event["to"]) for event in events if event["type"] == "state"]
    assert moves[-1] == ("verifying", "completed") and ("awaiting_approval", "queued") in moves
    ids = [event["id"] for event in events]
    assert ids == sorted(set(ids))
    page = daemon.get(f"/v1/events?after={ids[0]}&limit=2").json["events"]
    assert [event["id"] for event in page] == ids[1:3]
    assert daemon.get("/v1/events?after=0&limit=1").json["events"][0]["id"] == ids[0]
    assert [event["id"] for event in daemon.get("/v1/events?limit=1").json["events"]] == ids[-1:]

    for query, found in [("state=completed", 1), ("state=running", 0), ("label=campaign:a:b", 1), ("label=campaign:a", 0),
                         ("target=shop&name=first", 1), ("name=second", 0)]:
        assert len(daemon.get(f"/v1/jobs?{query}").json["jobs"]) == found, query


def test_a_list_is_paged(daemon, database):
    database.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
    names = [f"job-{number}" for number in range(7)]
    for name in names:
        daemon.submit(document("t", {"n": "1"}, name=name))
    seen, after = [], ""
    while True:
        page = daemon.get(f"/v1/jobs?limit=3{after}").json
        seen += [job["name"] for job in page["jobs"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == names[::-1]


def test_complaints_come_all_at_once_with_their_pointers(alone):
    answer = alone.post("/v1/jobs", {"name": "X", "target": "shop", "table": "t", "set": {}, "undo": "none",
                                     "pace": {"nice": -1, "slices": 17}, "limits": {"bad_rows": -4}, "colour": 1})
    errors = problem(answer, 422, "invalid")["errors"]
    assert {error["pointer"] for error in errors} >= {"/name", "/set", "/pace/nice", "/pace/slices", "/limits/bad_rows", "/colour"}
    # what only the target can say of it comes with them
    answer = alone.post("/v1/jobs", {"name": "X", "target": "shop", "table": "t", "set": {"n": "1, m = 2"}, "where": "a; b",
                                     "pace": {"window": [{"from": "1:00", "to": "24:00", "zone": "Mars"}]}, "colour": 1,
                                     "checks": {"before": [{"name": "n", "sql": "DELETE FROM t", "equals": "1"}, {"name": "m"}]},
                                     "signals": [{"name": "q"}], "triggers": [{"name": "t", "signal": "q", "above": 1}]})
    pointers = [error["pointer"] for error in problem(answer, 422, "invalid")["errors"]]
    assert set(pointers) == {"/name", "/set/n", "/where", "/pace/window/0/from", "/pace/window/0/zone", "/colour",
                             "/checks/before/0/sql", "/checks/before/1", "/signals/0"}, pointers
    answer = alone.post("/v1/jobs", {"name": "X", "target": "nowhere", "table": "t", "set": {"n": "1"}})
    assert {error["pointer"] for error in problem(answer, 422, "invalid")["errors"]} == {"/name", "/target"}
    answer = alone.post("/v1/jobs", document("t", {"n": "1"}, alerts="rollback"))
    assert problem(answer, 422, "invalid")["errors"][0]["pointer"] == "/alerts"


def test_who_may_ask(alone):
    port = alone.listen.rsplit(":", 1)[1]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{int(port) + 1}", ""):
        problem(alone.get("/v1/jobs", headers={"Host": host}), 403, "not_allowed")
    for origin in ("null", "http://evil.example", f"https://127.0.0.1:{port}"):
        problem(alone.get("/v1/jobs", headers={"Origin": origin}), 403, "not_allowed")
        problem(alone.post("/v1/jobs", {}, headers={"Origin": origin}), 403, "not_allowed")
    assert alone.get("/v1/jobs", headers={"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"}).status == 200
    assert b" 403 " in raw(alone, b"GET /healthz HTTP/1.0\r\n\r\n")


def test_bodies_that_are_refused(alone):
    problem(alone.post("/v1/jobs", b"{}", headers={"Content-Type": "text/plain"}), 415, "wrong_media_type")
    problem(alone.post("/v1/jobs", b"name=x", headers={"Content-Type": "application/x-www-form-urlencoded"}), 415,
            "wrong_media_type")
    problem(alone.post("/v1/jobs", b'"' + b"x" * (2 << 20) + b'"'), 413, "too_large")
    problem(alone.post("/v1/jobs", b"x" * (8 << 20)), 413, "too_large")
    problem(alone.post("/v1/jobs", b"[" * 500_000), 400, "not_json")
    problem(alone.post("/v1/jobs", b'{"a":' * 100_000 + b"1" + b"}" * 100_000), 400, "not_json")
    problem(alone.post("/v1/jobs", b"\xff\xfe{\x00}\x00"), 400, "not_json")
    problem(alone.post("/v1/jobs", b'{"name": "a", "name": "b"}'), 400, "not_json")
    problem(alone.post("/v1/jobs", b""), 400, "not_json")
    wide = json.dumps({f"field{number}": number for number in range(40_000)}).encode()
    answer = problem(alone.post("/v1/jobs", wide), 422, "invalid")
    assert len(answer["errors"]) == 50 and answer["errors_total"] >= 40_000
    problem(alone.post("/v1/jobs", {}, headers={"Idempotency-Key": "a b"}), 400, "bad_request")


@pytest.mark.parametrize("path, status", [
    ("/v1/jobs/../jobs", 404), ("/v1/jobs/%2e%2e/x", 404), ("/v1/jobs/..%2f..%2fetc%2fpasswd", 404), ("//v1/jobs", 404),
    ("/v1/jobs/", 404), ("/v1/jobs/none", 404), ("/v1/jobs/none/plan", 404), ("/v1/nothing", 404),
    ("/v1/jobs/x%00y", 400), ("/v1/jobs/x%0d%0aSet-Cookie:%20a=b", 400), ("/v1/jobs/%", 400), ("/v1/jobs/%ff", 400),
    ("/v1/jobs?state=odd", 400), ("/v1/jobs?x=1", 400), ("/v1/jobs?limit=0", 400), ("/v1/events?after=-1", 400),
    ("/v1/jobs/" + "x" * 4000, 404), ("/dashboard/none.js", 404), ("/dashboard/..%2findex.html", 404), ("/dashboard/", 404),
])
def test_paths(alone, path, status):
    answer = alone.get(path)
    assert answer.status == status, answer.text
    assert "set-cookie" not in answer.headers
    assert len(answer.text) < 2000


def test_methods(alone):
    answer = alone.request("DELETE", "/v1/jobs/x")
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, PATCH"
    assert alone.request("OPTIONS", "/v1/jobs").status == 405
    head = alone.request("HEAD", "/v1/jobs")
    assert (head.status, head.text) == (200, "") and int(head.headers["content-length"]) > 0
    assert {"server"}.isdisjoint(head.headers) and head.headers["cache-control"] == "no-store"
    assert head.headers["x-content-type-options"] == "nosniff"


def test_bytes_that_are_no_http(alone):
    """Whatever comes: the daemon lives, answers others, and holds on to nothing."""
    chance = random.Random(20)
    host = alone.listen.encode()
    whole = (b"POST /v1/jobs?dry_run=true HTTP/1.1\r\nHost: " + host + b"\r\nContent-Type: application/json\r\n"
             b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n")
    assert b" 422 " in raw(alone, whole)
    cases = [b"\x00" * 100, b"\r\n" * 1000, b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"/" * 40_000, b"A" * 100_000,
             b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20_000, b"GET / HTTP/1.1\r\nHost: " + b"h" * 60_000 + b"\r\n\r\n",
             whole.replace(b"\r\n5\r\n", b"\r\nfffffffffffffffff\r\n"), whole.replace(b"\r\n5\r\n", b"\r\n-1\r\n"),
             whole.replace(b"Transfer-Encoding: chunked", b"Content-Length: -5"),
             whole.replace(b"Connection", b"Content-Length: 3\r\nConnection")]
    for _ in range(300):
        changed = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        cases.append(bytes(changed[:chance.randint(1, len(changed))]))
    before = len(os.listdir(f"/proc/{alone.pid}/fd"))
    # all at once: what is cut short in its body is only given up after 10 s
    with ThreadPoolExecutor(len(cases)) as clients:
        list(clients.map(lambda case: raw(alone, case), cases))
    assert alone.get("/healthz").status == 200
    until(lambda: len(os.listdir(f"/proc/{alone.pid}/fd")) <= before, 60, "every connection is closed again")


def test_a_connection_that_says_nothing_is_closed(alone):
    with connect(alone, timeout=30) as silent, connect(alone, timeout=30) as half:
        half.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
        assert alone.get("/healthz").status == 200
        assert b" 408 " in read_all(half)
        assert read_all(silent) == b""


def test_many_connections_at_once(alone):
    idle = [connect(alone) for _ in range(300)]
    try:
        assert alone.get("/healthz").status == 200
    finally:
        for connection in idle:
            connection.close()


def submit_in_background(daemon, answers):
    def submit():
        try:
            answers.append(daemon.post("/v1/jobs", document("t", {"n": "1"}), timeout=30))
        except OSError as error:
            answers.append(error)
    thread = threading.Thread(target=submit)
    thread.start()
    return thread


def test_a_client_that_leaves_while_the_target_is_asked(make_daemon, silent_target):
    daemon = make_daemon(f"postgresql://nobody@127.0.0.1:{silent_target.getsockname()[1]}/nowhere")
    body = json.dumps(document("t", {"n": "1"})).encode()
    with connect(daemon) as connection:
        connection.sendall(b"POST /v1/jobs HTTP/1.1\r\nHost: " + daemon.listen.encode() +
                           b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        server_side, _ = silent_target.accept()  # the daemon asks its target
    server_side.close()
    assert daemon.get("/healthz").status == 200
    assert daemon.stop() == 0


def test_a_stop_answers_requests_in_flight(make_daemon, silent_target):
    daemon = make_daemon(f"postgresql://nobody@127.0.0.1:{silent_target.getsockname()[1]}/nowhere")
    answers = []
    thread = submit_in_background(daemon, answers)
    server_side, _ = silent_target.accept()
    with server_side:
        assert daemon.stop() == 0
        thread.join(20)
    problem(answers[0], 503, "stopping")
    assert answers[0].headers["retry-after"]


def test_a_target_that_is_down(alone):
    answer = alone.post("/v1/jobs", document("t", {"n": "1"}))
    problem(answer, 503, "target_down")
    assert int(answer.headers["retry-after"]) > 0
    assert alone.get("/healthz").status == 200
    assert "shop" in problem(alone.get("/readyz"), 503, "target_down")["detail"]
    target = alone.get("/v1/targets/shop").json
    assert (target["reachability"], target["version"], target["role"]) == ("unreachable", None, None)
    assert "refused" in target["trouble"]


def test_ready(daemon, database):
    assert daemon.get("/readyz").json == {"status": "ready", "store": "ok",
                                          "targets": [{"name": "shop", "reachable": True}]}
    target = {"name": "shop", "engine": "postgresql", "version": database.value("SHOW server_version"), "role": "primary",
              "reachability": "reachable", "trouble": None, "max_jobs": 2, "require_approval": "none", "two_person": "none", "running": 0,
              "queued": 0, "latches": [], "watch_replicas": False, "watching": False, "monitor_trouble": None,
              "replicas": [], "signals": [], "foreign_jobs": []}
    assert daemon.get("/v1/targets").json == {"targets": [target]}
    assert daemon.get("/v1/targets/shop").json == target


def test_a_unix_socket(make_daemon):
    daemon = make_daemon(NOBODY, listen="unix")
    assert daemon.get("/healthz", headers={"Host": "whatever"}).status == 200
    problem(daemon.get("/healthz", headers={"Origin": "http://localhost"}), 403, "not_allowed")
    path = daemon.listen[len("unix:"):]
    assert os.stat(path).st_mode & 0o007 == 0
    daemon.restart()  # the file that kill -9 left behind is in nobody's way
    assert daemon.get("/healthz").status == 200
    assert daemon.stop() == 0
    assert not os.path.exists(path)
