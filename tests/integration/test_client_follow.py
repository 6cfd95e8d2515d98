"""backfillctl while it waits and watches, against a daemon made of scripted answers; watch in a real pseudo-terminal."""
import copy
import itertools
import json
import os
import re
import signal
import threading
import time

import pytest

from lab.fake_daemon import ID, STATES, ctl, fake, job, problem, reason  # noqa: F401
from lab.terminal import Screen, Terminal
from lab.wait import until


# ---- wait, and orders with --wait ----

ENDS = {"completed": 0, "failed": 10, "aborted": 11, "rolled_back": 12, "awaiting_approval": 13, "paused": 14, "refused": 15}


@pytest.mark.parametrize("state", ENDS)
@pytest.mark.parametrize("verb", ["wait", "watch"])
def test_how_a_job_ends(ctl, fake, state, verb):
    fake.show("planning", "queued", state, reason=reason("told so"))
    done = ctl(verb, "orders", code=ENDS[state])
    text = done.stdout if state == "completed" else done.stderr
    assert state in text or (state == "awaiting_approval" and "backfillctl approve orders" in text)
    assert fake.connections <= 2, "the connection is kept, beside the one that asks for a stream"


@pytest.mark.parametrize("wanted, states, code", [
    ("running", ["queued", "running"], 0), ("running", ["queued", "verifying"], 0), ("running", ["queued", "completed"], 0),
    ("queued", ["planning", "running"], 0), ("completed", ["running", "paused", "running", "completed"], 0),
    ("paused", ["running", "pausing", "paused"], 0), ("paused", ["running", "completed"], 4), ("paused", ["failed"], 10),
    ("running", ["awaiting_approval", "refused"], 15), ("running", ["queued", "aborted"], 11), ("failed", ["failed"], 0),
    ("aborted", ["aborting", "aborted"], 0), ("completed", ["rolling_back", "rolled_back"], 12),
    ("awaiting_approval", ["planning", "awaiting_approval"], 0), ("failed", ["completed"], 4)])
def test_wait_for(ctl, fake, wanted, states, code):
    fake.show(*states)
    done = ctl("wait", "orders", "--for", wanted, code=code)
    assert (done.stdout == "") == (code != 0) and (done.stderr == "") == (code == 0)


@pytest.mark.parametrize("state", [state for state in STATES if state not in ENDS])
def test_time_is_up(ctl, fake, state):
    fake.show(state)
    began = time.monotonic()
    done = ctl("wait", "orders", "--timeout", "300ms", code=7)
    assert 0.3 <= time.monotonic() - began < 15
    assert done.stderr == f"backfillctl: orders is not there yet, the time is up; it is {state}\n"


def test_time_is_up_while_the_daemon_is_silent(ctl, fake):
    release = threading.Event()

    def silent(_):
        release.wait(20)
        return 200, job()
    fake.answers[("GET", "/v1/jobs/orders")] = (200, job())
    fake.answers[("GET", f"/v1/jobs/{ID}")] = silent
    began = time.monotonic()
    ctl("wait", "orders", "--timeout", "700ms", code=7)
    release.set()
    assert 0.7 <= time.monotonic() - began < 15


def test_wait_follows_the_id_not_a_newer_job_of_the_name(ctl, fake):
    fake.answers[("GET", "/v1/jobs/orders")] = [(200, job("running")), (200, job("completed", id="another"))]
    fake.answers[("GET", f"/v1/jobs/{ID}")] = [(200, job("running")), (200, job("failed"))]
    ctl("wait", "orders", code=10)


def test_wait_json_prints_the_job_once(ctl, fake):
    fake.show("running", "completed")
    lines = ctl("--json", "wait", "orders", code=0).stdout.splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["completed"]


@pytest.mark.parametrize("verb, states, code", [
    ("pause", ["pausing", "paused"], 0), ("pause", ["pausing", "failed"], 10), ("pause", ["verifying", "completed"], 4),
    ("pause", ["pausing", "aborting", "aborted"], 11), ("resume", ["paused", "queued", "running"], 0),
    ("resume", ["queued", "awaiting_approval"], 13), ("resume", ["queued", "paused"], 14), ("resume", ["queued", "completed"], 0),
    ("abort", ["aborting", "aborted"], 0), ("abort", ["paused", "aborting", "aborted"], 0), ("abort", ["failed"], 10)])
def test_orders_wait(ctl, fake, verb, states, code):
    fake.answers[("POST", f"/v1/jobs/orders/{verb}")] = (202, job(states[0]))
    fake.show(*states)
    done = ctl(verb, "orders", "--wait", "--timeout", "20s", code=code)
    assert (done.stdout == "") == (code != 0)


def test_order_wait_times_out(ctl, fake):
    fake.answers[("POST", "/v1/jobs/orders/pause")] = (202, job("pausing"))
    fake.show("pausing")
    ctl("pause", "orders", "--wait", "--timeout", "300ms", code=7)


def started(ctl, fake, *line):
    """The client, once it has asked at least twice for the job."""
    process = ctl.start(*line)
    until(lambda: len(fake.requests) >= 2, 20, lambda _: "the client asks")
    return process


@pytest.mark.parametrize("verb", ["wait", "watch"])
def test_a_restarted_daemon_is_found_again(ctl, fake, verb):
    fake.show("running")
    process = started(ctl, fake, verb, "orders")
    fake.stop()
    first = process.stderr.readline()
    assert first.startswith("backfillctl: daemon unreachable, trying again: ")
    fake.show("running", "completed")
    fake.start()
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0 and err == "backfillctl: the daemon answers again\n" and "completed" in out


def test_a_daemon_that_only_says_503_is_asked_again(ctl, fake):
    fake.answers[("GET", "/v1/jobs/orders")] = (200, job())
    fake.answers[("GET", f"/v1/jobs/{ID}")] = [problem(503, "stopping"), problem(500, "internal"), (200, job("completed"))]
    assert "trying again" in ctl("wait", "orders", code=0).stderr


def test_a_daemon_that_stays_away_ends_at_the_timeout(ctl, fake):
    fake.show("running")
    process = started(ctl, fake, "wait", "orders", "--timeout", "3s")
    fake.stop()
    process.communicate(timeout=30)
    assert process.returncode == 7


def test_a_daemon_that_stays_away_ends_after_a_minute(ctl, fake, campaign):
    if not campaign:
        pytest.skip("takes a minute: --campaign")
    fake.show("running")
    process = started(ctl, fake, "watch", "orders")
    fake.stop()
    began = time.monotonic()
    process.communicate(timeout=100)
    assert process.returncode == 5 and 58 < time.monotonic() - began < 70


def test_a_job_that_is_gone_ends_the_waiting(ctl, fake):
    fake.answers[("GET", "/v1/jobs/orders")] = (200, job())
    ctl("wait", "orders", code=3)


@pytest.mark.parametrize("verb", ["wait", "watch"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(ctl, fake, verb, number):
    fake.show("running")
    process = started(ctl, fake, verb, "orders")
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130 and "orders goes on" in err
    assert [request for request in fake.requests if request["method"] != "GET"] == []


# ---- watch without a terminal ----

def moving(fake, **more) -> threading.Event:
    """The job's progress is another one at every look; it is completed once the event is set."""
    over, looks = threading.Event(), itertools.count(1)

    def look(_):
        if over.is_set():
            return 200, job("completed", fraction=1, **more)
        made = copy.deepcopy(job("running", fraction=min(next(looks) / 1000, 0.999), **more))
        made["progress"]["rows_scanned"] = int(made["progress"]["fraction"] * 1000000)
        return 200, made
    fake.answers[("GET", "/v1/jobs/orders")] = fake.answers[("GET", f"/v1/jobs/{ID}")] = look
    return over


def first_lines(process, count, over) -> list:
    """What it prints until so many lines were there, and then to the end."""
    lines = [process.stdout.readline() for _ in range(count)]
    over.set()
    return lines + process.communicate(timeout=20)[0].splitlines(keepends=True)


def test_plain_lines_at_most_one_a_second(ctl, fake):
    over, began = moving(fake), time.monotonic()
    process = ctl.start("watch", "orders")
    lines = first_lines(process, 3, over)
    took = time.monotonic() - began
    assert process.returncode == 0
    assert 4 <= len(lines) <= took + 2, "the first and the last line come at once"
    assert not re.search(r"[\x1b\r]", "".join(lines))
    assert re.fullmatch(r"orders: running  \d+\.\d %  18,230 rows/s  batch 1,500  ETA 3 min 12 s\n", lines[0])
    assert lines[-1] == "orders: completed  100.0 %  420,000 rows changed\n"
    asked = [request for request in fake.requests if not request["path"].endswith("/events")]
    assert len(lines) <= len(asked) <= 5 * took + 2, "at most five looks a second"


def test_lines_of_json(ctl, fake):
    over = moving(fake)
    process = ctl.start("--json", "watch", "orders")
    states = [json.loads(line)["state"] for line in first_lines(process, 2, over)]
    assert process.returncode == 0
    assert states[-1] == "completed" and set(states[:-1]) == {"running"}
    fake.answers[("GET", "/v1/jobs/orders")] = (200, json.dumps(job("completed"), indent=1).encode() + b"\n")
    line, = ctl("--json", "watch", "orders", code=0).stdout.splitlines()
    assert json.loads(line) == job("completed")


def test_nothing_changes_nothing_is_printed(ctl, fake):
    fake.show(*["running"] * 13, "completed")  # for two seconds and more
    assert len(ctl("watch", "orders", code=0).stdout.splitlines()) == 2


def waiting(fake):
    """The job comes to hold, for one reason and then for another; in the text of each a number goes on. It is completed once the
    event is set. How often it was looked at is counted."""
    over, looks = threading.Event(), []

    def look(_):
        looks.append(1)
        if over.is_set():
            return 200, job("completed", fraction=1)
        made = job("running", fraction=0.5)
        made["activity"] = "batching" if len(looks) <= 3 else "holding"
        code, since = ("replication_lag", "07-01") if len(looks) <= 20 else ("active_sessions", "07-02")
        made["reason"] = {"code": code, "text": f"{code} is {len(looks)}", "since": f"2026-{since}T00:00:00.000Z"}
        return 200, made
    fake.answers[("GET", "/v1/jobs/orders")] = fake.answers[("GET", f"/v1/jobs/{ID}")] = look
    return over, looks


def watched_while_it_waits(ctl, fake, *options) -> list:
    over, looks = waiting(fake)
    process = ctl.start(*options, "watch", "orders")
    until(lambda: len(looks) > 40, 60, "it was looked at for seconds more")
    over.set()
    lines = process.communicate(timeout=20)[0].splitlines()
    assert process.returncode == 0
    return lines


def test_a_job_that_waits_does_not_fill_a_log(ctl, fake):
    """What goes on in its reason alone is no news; what it comes to do is, and another reason."""
    lines = watched_while_it_waits(ctl, fake)
    assert [line.split("  ")[0] for line in lines] == [
        "orders: running", "orders: running, holding", "orders: running, holding", "orders: completed"], lines
    assert "replication_lag" in lines[1] and "active_sessions" in lines[2]


def test_lines_of_json_are_all_that_is_heard(ctl, fake):
    texts = [json.loads(line)["reason"] for line in watched_while_it_waits(ctl, fake, "--json")]
    assert len(texts) > 5, texts


def test_watch_several(ctl, fake):
    for name, states in (("a", ["running", "completed"]), ("b", ["running", "running", "failed"]), ("c", ["paused"])):
        answers = [(200, job(state, name, id=f"id-{name}")) for state in states]
        fake.answers[("GET", f"/v1/jobs/{name}")] = fake.answers[("GET", f"/v1/jobs/id-{name}")] = answers
    done = ctl("watch", "a", "b", "c", code=10)
    assert "b is failed" in done.stderr and "c is paused" in done.stderr and "a: completed" in done.stdout
    ctl("watch", "a", "c", code=14)
    ctl("watch", "a", code=0)


def test_watch_all_that_is_unfinished(ctl, fake):
    fake.answers[("GET", "/v1/jobs")] = (200, {"jobs": [job("running", "a", id="id-a"), job("failed", "b", id="id-b")]})
    fake.answers[("GET", "/v1/jobs/id-a")] = [(200, job("running", "a", id="id-a")), (200, job("completed", "a", id="id-a"))]
    done = ctl("watch", code=0)
    assert "a: completed" in done.stdout and "b" not in {line.split(":")[0] for line in done.stdout.splitlines()}
    fake.answers[("GET", "/v1/jobs")] = (200, {"jobs": [job("failed")]})
    assert "no unfinished job" in ctl("watch", code=0).stderr


def test_watch_all_asks_for_what_is_unfinished_alone(ctl, fake):
    """However many have ended since; and of more than are watched at once it says how many are left out."""
    def listed(request):
        wanted = [job("running", f"a{number}", id=f"id-{number}") for number in range(103)]
        ended = [job("completed", f"b{number}") for number in range(500)]
        asked = request["query"].get("state", [])
        return 200, {"jobs": wanted[::-1] if asked else ended, "next": None}
    fake.answers[("GET", "/v1/jobs")] = listed
    for number in range(103):
        fake.answers[("GET", f"/v1/jobs/id-{number}")] = (200, job("completed", f"a{number}", id=f"id-{number}"))
    done = ctl("watch", code=0)
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [f"a{number}" for number in range(100)]
    assert "3 more jobs are unfinished; 100 are watched" in done.stderr
    states, = [request["query"]["state"] for request in fake.requests if request["path"] == "/v1/jobs"]
    assert set(states) == set(STATES) - {"completed", "failed", "refused", "aborted", "rolled_back"}


# ---- watch on a terminal ----

def test_watch_on_a_terminal(ctl, fake):
    over = moving(fake)
    terminal = Terminal(ctl, "watch", "orders")
    terminal.until(lambda: "batching" in terminal.raw)
    line, = terminal.screen.text
    assert re.match(r"orders  batching     [█▉▊▋▌▍▎▏░]{10,28} +\d+\.\d % +18,230/s  batch 1,500    ETA 3 min 12 s$", line), line
    terminal.until(lambda: terminal.raw.count("\x1b[1A") >= 7)
    over.set()
    assert terminal.finish() == 0
    line, = terminal.screen.text  # one line, drawn again and again
    assert re.match(r"orders  completed +█{20,28}  100\.0 %  420,000 rows changed", line), line
    assert terminal.screen.colours > 0 and terminal.screen.folded == 0


@pytest.mark.parametrize("environment, bar, colours, cursor", [
    ({"LC_ALL": "C"}, "#", True, True), ({"NO_COLOR": "1"}, "█", False, True), ({"TERM": "dumb"}, None, False, False)])
def test_plainer_terminals(ctl, fake, environment, bar, colours, cursor):
    fake.show("running", "running", "completed", fraction=0.5)
    terminal = Terminal(ctl, "watch", "orders", **environment)
    assert terminal.finish() == 0
    assert bar is None or bar in terminal.raw
    assert (terminal.screen.colours > 0) == colours and ("\x1b[1A" in terminal.raw) == cursor
    assert environment.get("LC_ALL") != "C" or terminal.raw.isascii()


@pytest.mark.parametrize("columns", [5, 20, 40, 60, 80, 109, 110, 132, 250])
def test_no_line_is_wider_than_the_terminal(ctl, fake, columns):
    long = reason("replica-2 is 4.2 s behind (limit 1.5 s) and the größe of this text goes on " * 4)
    fake.show(job("running", activity="backing_off", reason=long), job("running"), job("paused", reason=long),
              name="orders")
    terminal = Terminal(ctl, "watch", "orders", columns=columns)
    terminal.until(lambda: "backfillctl: " in terminal.raw)
    drawn = terminal.raw.split("backfillctl: ")[0]
    screen = Screen(columns)
    screen.feed(drawn)
    assert screen.folded == 0 and len(screen.text) == 1
    assert columns < 80 or "█" in screen.text[0]
    assert columns < 109 or "replica-2 is 4.2 s behind (limit 1.5 s)" in screen.text[0]
    assert terminal.finish() == 14


def test_resize(ctl, fake):
    over = moving(fake)
    terminal = Terminal(ctl, "watch", "orders", columns=120)
    terminal.until(lambda: len(terminal.screen.text[0:1] and terminal.screen.text[0]) > 90)
    mark = len(terminal.raw)
    terminal.resize(50)
    terminal.until(lambda: terminal.raw.count("orders", mark) >= 3)
    # the line of before, 100 and more columns wide, takes two or three on the narrower screen
    assert re.search(r"\r\x1b\[[23]A", terminal.raw[mark:])
    newest = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", terminal.raw[mark:].split("\r")[-2]).strip()
    assert 20 < len(newest) < 50
    over.set()
    assert terminal.finish() == 0


def test_more_jobs_than_lines(ctl, fake):
    names = [f"job-{number}" for number in range(12)]
    for name in names:
        fake.answers[("GET", f"/v1/jobs/{name}")] = fake.answers[("GET", f"/v1/jobs/id-{name}")] = [
            (200, job("running", name, id=f"id-{name}")), (200, job("completed", name, id=f"id-{name}"))]
    terminal = Terminal(ctl, "watch", *names, rows=6)
    assert terminal.finish() == 0
    assert len(terminal.screen.text) == 5 and terminal.screen.text[-1].startswith("and 8 more")


def test_ctrl_c_ends_the_watching_only(ctl, fake):
    fake.show("running")
    terminal = Terminal(ctl, "watch", "orders")
    terminal.until(lambda: "42.1 %" in terminal.raw)
    os.write(terminal.master, b"\x03")
    assert terminal.finish() == 130
    assert "orders goes on" in terminal.raw
    assert [request for request in fake.requests if request["method"] != "GET"] == []


def test_terminal_shows_that_the_daemon_is_away(ctl, fake):
    fake.show("running")
    terminal = Terminal(ctl, "watch", "orders", columns=70)
    terminal.until(lambda: "42.1 %" in terminal.raw)
    fake.stop()
    terminal.until(lambda: len(terminal.screen.text) == 2)
    assert terminal.screen.text[1].startswith("daemon unreachable, trying again")
    fake.show("completed")
    fake.start()
    assert terminal.finish() == 0
    assert len(terminal.screen.text) == 1 and terminal.screen.folded == 0
