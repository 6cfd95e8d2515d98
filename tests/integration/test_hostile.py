"""Clients that mean harm, or are broken: what they send is refused with a problem, nothing of it is taken for something else,
and neither memory nor connections nor time can be held by them."""
import json
import os
import random
import re
import resource
import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.connections import open_at
from lab.daemon import document, is_sanitized
from lab.sockets import read_all
from lab.wait import until

NOBODY = "postgresql://nobody@127.0.0.1:1/nowhere"
OUR_HEADERS = {"date", "connection", "content-length", "content-type", "cache-control", "x-content-type-options", "allow",
               "retry-after", "location", "keep-alive"}


@pytest.fixture
def alone(make_daemon):
    return make_daemon(NOBODY)


def connect(daemon, timeout=60, buffer=None):
    host, port = daemon.listen.rsplit(":", 1)
    connection = socket.socket()
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(timeout)
    connection.connect((host, int(port)))
    return connection


def raw(daemon, data: bytes) -> bytes:
    """All that is answered until the daemon ends the connection."""
    with connect(daemon) as connection:
        try:
            connection.sendall(data)
        except OSError:
            pass
        return read_all(connection)


def head(daemon, line="GET /v1/targets HTTP/1.1", *headers) -> bytes:
    return "\r\n".join([line, f"Host: {daemon.listen}", *headers, "", ""]).encode()


def descriptors(daemon) -> int:
    return len(os.listdir(f"/proc/{daemon.pid}/fd"))


def check_problem(answer: bytes, status, code):
    """One answer, which is a problem, and nothing behind it."""
    assert len(re.findall(rb"HTTP/1\.1 \d", answer)) == 1, answer
    top, body = answer.split(b"\r\n\r\n", 1)
    lines = top.decode().split("\r\n")
    assert lines[0].split()[1] == str(status), answer
    headers = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in lines[1:]}
    assert set(headers) <= OUR_HEADERS and headers["content-type"] == "application/problem+json"
    assert int(headers["content-length"]) == len(body)
    problem = json.loads(body)
    assert (problem["code"], problem["status"]) == (code, status) and problem["detail"]


def short(value):
    return repr(value)[:40]


@pytest.mark.parametrize("body, status, code", [
    (b"[" * 3000 + b"]" * 3000, 400, "not_json"),
    (b'{"a":' * 3000 + b"1" + b"}" * 3000, 400, "not_json"),
    (b"[" * 1_000_000, 400, "not_json"),
    (b'{"name": "a", "name": "b"}', 400, "not_json"),
    (b'{"pace": {"nice": 1, "nice": 2}}', 400, "not_json"),
    (b'{"name": "a\x80"}', 400, "not_json"), (b'{"name": "\xc0\xaf"}', 400, "not_json"),
    (b'{"name": "\xed\xa0\x80"}', 400, "not_json"), (b'{"name": "\xf4\x90\x80\x80"}', 400, "not_json"),
    (b'{"name": "\\ud800"}', 400, "not_json"), (b'{"name": "a\\u0000b"}', 400, "not_json"),
    (b'{"name": "a\x00b"}', 400, "not_json"), (b'\xef\xbb\xbf{}', 400, "not_json"),
    ('{"name": "a"}'.encode("utf-16"), 400, "not_json"),
    (b'{"a": 1e400}', 422, "invalid"), (b'{"a": -1e400}', 422, "invalid"), (b'{"a": NaN}', 400, "not_json"),
    (b'{"a": Infinity}', 400, "not_json"), (b'{"a": 9223372036854775808}', 422, "invalid"),
    (b'{"a": -9223372036854775809}', 422, "invalid"), (b'{"a": 01}', 400, "not_json"), (b'{"a": 0x1}', 400, "not_json"),
    (b'{"a": ' + b"1" * 100_000 + b"}", 422, "invalid"), (b'{"a": 1' + b"0" * 100_000 + b"e-100000}", 422, "invalid"),
    (b"{} {}", 400, "not_json"), (b"{}\x00", 400, "not_json"), (b"// no\n{}", 400, "not_json"), (b"{'a': 1}", 400, "not_json"),
    (b'{"pace": {"batch_rows": {"max": 9223372036854775807}}}', 422, "invalid"),
    (b'{"pace": {"batch_rows": {"max": -9223372036854775808}}}', 422, "invalid"),
    (b'{"pace": {"nice": 1e308}}', 422, "invalid"), (b'{"pace": {"nice": -0.0001}}', 422, "invalid"),
    (b'{"pace": {"batch_time": "999999999999999999999999d"}}', 422, "invalid"),
    (b'{"pace": {"batch_rows": {"max": 1.0}}}', 422, "invalid"),
    (b"[]", 422, "invalid"), (b"null", 422, "invalid"), (b'"x"', 422, "invalid"), (b"1", 422, "invalid"),
    (b"x" * (1 << 20), 400, "not_json"), (b"x" * ((1 << 20) + 1), 413, "too_large"), (b" " * (4 << 20), 413, "too_large"),
], ids=short)
def test_bodies(alone, body, status, code):
    for path in ("/v1/jobs", "/v1/jobs?dry_run=true", "/v1/jobs/none/pause"):
        answer = alone.post(path, body)
        assert (answer.status, answer.json["code"]) == (status, code), f"{path}: {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json" and len(answer.text) < 20_000
    sent = head(alone, "POST /v1/jobs HTTP/1.1", "Content-Type: application/json", "Transfer-Encoding: chunked",
                "Connection: close")
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in
                      (body[at:at + 50_000] for at in range(0, len(body), 50_000)))
    check_problem(raw(alone, sent + chunks + b"0\r\n\r\n"), status, code)


SMUGGLED = "GET /v1/targets HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("name, text, status, code", [
    ("two lengths", "POST /v1/jobs/x/pause HTTP/1.1|Content-Length: 0|Content-Length: 40", 400, "bad_request"),
    ("length and chunks", "POST /v1/jobs/x/pause HTTP/1.1|Content-Length: 5|Transfer-Encoding: chunked||0||", 400,
     "bad_request"),
    ("odd encoding", "POST /v1/jobs/x/pause HTTP/1.1|Transfer-Encoding: xchunked||0||", 400, "bad_request"),
    ("encodings", "POST /v1/jobs/x/pause HTTP/1.1|Transfer-Encoding: gzip, chunked||0||", 400, "bad_request"),
    ("two encodings", "POST /v1/jobs/x/pause HTTP/1.1|Transfer-Encoding: identity|Transfer-Encoding: chunked||0||", 400,
     "bad_request"),
    ("blank before the colon", "GET /v1/targets HTTP/1.1|Content-Length : 40", 400, "bad_request"),
    ("header that is no token", "GET /v1/targets HTTP/1.1|X(Y): 1", 400, "bad_request"),
    ("NUL in the target", "GET /v1/targets\0/../x HTTP/1.1", 400, "bad_request"),
    ("NUL in a header", "GET /v1/targets HTTP/1.1|X: a\0b|Y: c", 400, "bad_request"),
    ("NUL in the last header", "GET /v1/targets HTTP/1.1|X: a\0b", 400, "bad_request"),
    ("carriage return in a header", "GET /v1/targets HTTP/1.1|X: a\rSet-Cookie: b", 400, "bad_request"),
    ("control character in a header", "GET /v1/targets HTTP/1.1|X: a\x1b[31m", 400, "bad_request"),
    ("folded header", "GET /v1/targets HTTP/1.1|X: a| b", 400, "bad_request"),
    ("folded last header", "GET /v1/targets HTTP/1.1|X: a|\tContent-Length: 40", 400, "bad_request"),
    ("another host behind ours", "GET /v1/targets HTTP/1.1|Host: evil.example", 403, "not_allowed"),
    ("target of 9 KiB", "GET /v1/jobs/" + "x" * 9000 + " HTTP/1.1", 414, "uri_too_long"),
    ("headers of 20 KiB", "GET /v1/targets HTTP/1.1|X: " + "x" * 20_000, 431, "headers_too_large"),
    ("GET with a body", "GET /v1/targets HTTP/1.1|Content-Length: 40|Content-Type: application/json", 400, "bad_request"),
], ids=short)
def test_requests_that_could_be_read_in_two_ways(alone, name, text, status, code):
    """One refusal, and then the connection ends: what stands behind it is no request."""
    line, *rest = text.split("|")
    data = "\r\n".join([line, f"Host: {alone.listen}", *rest])
    if "\r\n\r\n" not in data:
        data += "\r\nConnection: close\r\n\r\n" if code == "not_allowed" else "\r\n\r\n"
    check_problem(raw(alone, data.encode("latin-1") + SMUGGLED.format(host=alone.listen).encode()), status, code)


def test_no_http_at_all_ends_the_connection(alone):
    """The library's own refusals: whatever their text, they are refusals and the last word on that connection."""
    for data in (head(alone, "GET /v1/targets HTTP/1.1", "no colon"), head(alone, "GET /v1/targets HTTP/3.0"),
                 b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                 head(alone, "GET /v1/targets HTTP/1.1", *["X: y"] * 3000),
                 head(alone, "POST /v1/jobs HTTP/1.1", "Content-Length: -1"),
                 head(alone, "POST /v1/jobs HTTP/1.1", "Content-Length: 2, 2"),
                 head(alone, "POST /v1/jobs HTTP/1.1", "Content-Length: 99999999999999999999"),
                 head(alone, "POST /v1/jobs HTTP/1.1", "Content-Type: application/json", "Transfer-Encoding: chunked") +
                 b"zz\r\n{}\r\n0\r\n\r\n"):
        answer = raw(alone, data + SMUGGLED.format(host=alone.listen).encode())
        assert not answer or re.match(rb"HTTP/1\.[01] [45]\d\d .*\r\nConnection: close\r\n", answer, re.S), answer
        # (where a length is broken, the library has its own headers in the body once more)
        assert len(set(re.findall(rb"HTTP/1\.[01] (\d+)", answer))) <= 1 and b"targets\":" not in answer, answer
    assert alone.get("/healthz").status == 200


@pytest.mark.parametrize("path", [
    "/v1/jobs/..", "/v1/jobs/../targets", "/v1/jobs/%2e%2e/targets", "/v1/./targets", "/v1//targets", "//v1/targets",
    "/v1/targets/", "/v1/targets/.", "/v1/targets;x", "/v1/targets%00", "/v1/targets%2f", "/v1%2ftargets", "/V1/targets",
    "/v1/targets#x", "/v1/targets%0d%0aX-Evil:1", "/v1/targets%", "/v1/targets%f", "/v1/targets%zz", "/v1/targets\\",
    "/v1/targets/..%5c..%5cetc", "/v1/targets/%c0%ae%c0%ae", "/v1/targets/%u002e", "/v1/targets?x%00=1", "/v1/targets?%ff",
    "/etc/passwd", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/v1/jobs/a/b/c/d/e/f/g/h/i/j", "/" * 4000,
    "/v1/jobs?" + "&".join(f"state=x{n}" for n in range(500)), "http://evil.example/v1/targets", "*",
    "/v1/jobs?" + "&".join("x" for _ in range(4000)),
], ids=short)
def test_paths(alone, path):
    answer = raw(alone, head(alone, f"GET {path} HTTP/1.1", "Connection: close"))
    assert re.match(rb"HTTP/1\.1 (400|404) ", answer), answer
    check_problem(answer, int(answer.split()[1]), json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"])


def test_nothing_that_was_sent_becomes_a_header(alone):
    evil = "x\r\nSet-Cookie: a=b\r\n\r\n<script>"
    quoted = "x%0d%0aSet-Cookie:%20a=b%0d%0a%0d%0a"
    for answer in (
            alone.get(f"/v1/jobs/{quoted}"), alone.get(f"/v1/jobs?name={quoted}"), alone.get(f"/v1/jobs?{quoted}=1"),
            alone.get("/v1/targets/%E2%80%A8%E2%80%A9"),
            alone.post("/v1/jobs", document("t", {"n": "1"}, name=evil)),
            alone.post("/v1/jobs", document("t", {evil: "1"}, labels={evil: evil})),
            alone.post("/v1/jobs", {evil: evil}), alone.post("/v1/jobs/x/pause", {"reason": evil}),
            alone.get("/v1/targets", headers={"Host": "evil.example\tSet-Cookie: a=b"}),
            alone.get("/v1/targets", headers={"Origin": "http://evil.example Set-Cookie: a=b"})):
        assert 400 <= answer.status < 500 and set(answer.headers) <= OUR_HEADERS
        assert answer.headers["content-type"] == "application/problem+json" and answer.json["detail"]


def drip(daemon, begin, piece, every):
    """Sends `begin`, then a piece each time nothing came for `every` seconds: (seconds until the end, what was answered)."""
    started = time.monotonic()
    with connect(daemon) as connection:
        connection.sendall(begin)
        while not select.select([connection], [], [], every)[0]:
            assert time.monotonic() - started < 60, "the daemon holds on"
            connection.sendall(piece)
        answer = read_all(connection)
    return time.monotonic() - started, answer


def slow_reader(daemon):
    """Takes an answer of 8 MiB at 200 KB a second; gives how long the daemon puts up with it."""
    started = time.monotonic()
    with connect(daemon, buffer=65536) as connection:
        port = connection.getsockname()[1]
        connection.sendall(head(daemon, "GET /v1/jobs HTTP/1.1"))
        assert port in open_at(daemon)
        while port in open_at(daemon):
            connection.recv(100_000, socket.MSG_WAITALL)
            select.select([], [], [], 0.5)
            assert time.monotonic() - started < 60, "the daemon holds on"
    return time.monotonic() - started


@pytest.fixture
def loaded(make_daemon, database):
    """A daemon with jobs whose documents are large, all waiting for approval."""
    daemon = make_daemon(database, require_approval="all")
    columns = [f"c{number}" for number in range(64)]
    database.execute(f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(f'{column} text' for column in columns)})")
    for number in range(9):
        job = daemon.submit(document("t", {column: "'" + "x" * 16_000 + "'" for column in columns}, name=f"job-{number}"))
        daemon.wait(job, "awaiting_approval")
    return daemon


def test_the_slow_are_let_go(alone, loaded):
    """Each may be slow for its time and no longer, however regularly a byte comes."""
    before = descriptors(alone)
    body = head(alone, "POST /v1/jobs HTTP/1.1", "Content-Type: application/json", "Content-Length: 100000")
    chunks = head(alone, "POST /v1/jobs HTTP/1.1", "Content-Type: application/json", "Transfer-Encoding: chunked")
    whole = head(alone)
    cases = {
        "silent": ((b"", b"", 60), 9, 25, None),
        "half a line": ((b"GET /v1/ta", b"", 60), 9, 25, None),
        "a line by bytes": ((b"G", b"E", 3), 9, 25, None),
        "idle after an answer": ((whole, b"", 60), None, 25, 200),
        "headers by bytes": ((b"GET /v1/targets HTTP/1.1\r\n", b"X", 3), 9, 25, 408),
        "headers by lines": ((b"GET /v1/targets HTTP/1.1\r\n", b"X: y\r\n", 3), 9, 25, 408),
        "body by bytes": ((body, b" ", 9), 29, 45, 408),
        "chunks by bytes": ((chunks, b"1\r\n \r\n", 9), 29, 45, 408),
        "body that stops": ((body + b"{", b"", 60), 9, 25, None),
    }
    with ThreadPoolExecutor(len(cases) + 1) as clients:
        reader = clients.submit(slow_reader, loaded)
        runs = {name: clients.submit(drip, alone, *arguments) for name, (arguments, *_) in cases.items()}
        # the others are served all the while
        until(lambda: alone.get("/healthz").status == 200 and all(run.done() for run in runs.values()), 70, "all are let go",
              0.5)
        for name, (_, least, most, status) in cases.items():
            seconds, answer = runs[name].result()
            assert (least or 0) <= seconds <= most, f"{name}: {seconds:.1f} s"
            if status == 408:
                check_problem(answer, 408, "too_slow")
            else:
                assert answer.startswith(b"HTTP/1.1 200 " if status else b"") and (status or not answer), f"{name}: {answer}"
        assert 15 <= reader.result() <= 50, "it reads all the while: longer than who does nothing"
    until(lambda: descriptors(alone) <= before, 30, "every connection is closed")


@pytest.mark.alone
def test_two_thousand_idle_connections(alone):
    """The 1,000 that are open at most are the newest, and a new client does not notice."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    idle = []
    try:
        for number in range(2000):
            idle.append(connect(alone))
            if number % 3 == 1:
                idle[-1].sendall(b"GET /v1/targets HTTP/1.1\r\nHost: ")
        times = []
        for _ in range(21):
            started = time.monotonic()
            assert alone.get("/healthz").status == 200
            times.append(time.monotonic() - started)
        assert sorted(times)[10] < 0.1 and max(times) < 1, times
        assert descriptors(alone) < 1100
        poll = select.poll()
        for connection in idle:
            poll.register(connection, select.POLLIN | select.POLLRDHUP)
        place = {connection.fileno(): number for number, connection in enumerate(idle)}
        ended = [place[number] for number, _ in poll.poll(1000)]
        assert 1000 <= len(ended) <= 1060
        # the oldest: where one had begun, its time is that of what it sent last
        assert set(range(900)) <= set(ended) <= set(range(1100))
        # one that had begun is told why
        check_problem(read_all(idle[1]), 503, "busy")
        assert read_all(idle[0]) == b""
    finally:
        for connection in idle:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    until(lambda: descriptors(alone) < 100, 30, "every connection is closed")


def resident(daemon) -> int:
    """KiB"""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{daemon.pid}/status").read_text()).group(1))


def bad_requests(daemon, chance) -> list:
    """(bytes, number of answers) for one connection each; all but the last kinds are many requests in one go."""
    json_body = "Content-Type: application/json"

    def post(path, body, *headers):
        return head(daemon, f"POST {path} HTTP/1.1", json_body, f"Content-Length: {len(body)}", *headers) + body
    kinds = [
        head(daemon, f"GET /v1/jobs/{chance.randbytes(8).hex()} HTTP/1.1"),
        head(daemon, f"GET /{chance.randbytes(40).hex()} HTTP/1.1"), head(daemon, "GET /v1/jobs/%ff%00 HTTP/1.1"),
        head(daemon, f"GET /v1/jobs?{chance.randbytes(5).hex()}=1 HTTP/1.1"), head(daemon, "DELETE /v1/jobs HTTP/1.1"),
        head(daemon, "GET /v1/jobs HTTP/1.1", "Origin: http://evil.example"), head(daemon, "GET /v1/jobs/x/conflicts HTTP/1.1"),
        head(daemon, "GET /v1/jobs HTTP/1.1", "If-Match: x"), post("/v1/jobs/x/pause", b'{"a": 1, "a": 2}'),
        post("/v1/jobs", b'{"name": "' + chance.randbytes(20) + b"\xff"), post("/v1/jobs", json.dumps({
            chance.randbytes(4).hex(): 1, "name": "X", "set": {"a": "("}, "pace": {"nice": -1}}).encode()),
    ]
    many = [(kind * 100, 100) for kind in kinds]
    last = [
        (post("/v1/jobs", b"x" * 500, "Content-Encoding: gzip"), 1),
        (head(daemon, "POST /v1/jobs HTTP/1.1", json_body, "Content-Length: 2000000") + b"x" * 5000, 1),
        (head(daemon, "GET /v1/jobs HTTP/1.1", "Content-Length: 1", "Content-Length: 2"), 1), (chance.randbytes(300), 0),
        (head(daemon, "GET / HTTP/1.1", "X: " + "x" * 40_000), 0),
        (head(daemon, "POST /v1/jobs HTTP/1.1", json_body, "Content-Length: 1000") + b'{"a": ', 0),
        (b"GET /v1/jobs HTTP/1.1\r\nHost", 0),
    ]
    return many + last


def send_bad(daemon, case):
    """Sends and, where there are answers to wait for, reads them all."""
    data, answers = case
    with connect(daemon) as connection:
        try:
            connection.sendall(data)
            seen = b""
            while seen.count(b"HTTP/1.1 ") < answers:
                part = connection.recv(1 << 20)
                if not part:
                    break
                seen += part
            assert not re.search(rb"HTTP/1\.1 [123]", seen), seen
        except (BrokenPipeError, ConnectionResetError):
            pass
    return max(answers, 1)


def test_memory_stays_flat(alone, campaign):
    chance = random.Random(7)
    sent = 0

    def send(least):
        nonlocal sent
        goal = sent + least
        with ThreadPoolExecutor(8) as clients:
            while sent < goal:
                cases = bad_requests(alone, chance)
                chance.shuffle(cases)
                sent += sum(clients.map(lambda case: send_bad(alone, case), cases))
        assert alone.get("/healthz").status == 200
        until(lambda: descriptors(alone) <= before, 30, "every connection is closed")
    before = descriptors(alone)
    requests = 100_000 if campaign else 25_000
    send(requests // 5)
    first = resident(alone)
    send(requests)
    # a sanitizer keeps freed memory for a while, up to 256 MiB and what it puts around each piece
    allowed = 600_000 if is_sanitized(alone) else 2000
    assert resident(alone) - first < allowed, f"{first} KiB before, {resident(alone)} KiB after {requests} bad requests"
