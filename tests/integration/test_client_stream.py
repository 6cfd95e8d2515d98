"""watch, wait and events --follow hear by the daemon's stream what happens; a daemon that has none is asked."""
import json
import re
import time

import pytest

from lab.daemon import Client, document, pace
from lab.fake_daemon import BUILD, ID, Fake, Stream, ctl, fake, job  # noqa: F401
from lab.terminal import Terminal
from lab.wait import until

ONE = f"/v1/jobs/{ID}/events"


def progress(state, name="orders", **more) -> dict:
    """What a progress message has: less than a job."""
    made = job(state, name, **more)
    return {name: value for name, value in made.items() if name not in ("table", "created_at")}


def asked(fake, path) -> int:
    return sum(request["path"] == path for request in fake.requests)


def asked_for_job(fake) -> int:
    return asked(fake, "/v1/jobs/orders") + asked(fake, f"/v1/jobs/{ID}")


@pytest.fixture
def stream(fake):
    made = Stream()
    fake.answers[("GET", ONE)] = made
    yield made
    made.end()


def heard(fake, process):
    """Until the client listens, has asked once more since, and asks no more."""
    def quiet():
        listens = [request["headers"]["Accept"] == "text/event-stream" for request in fake.requests]
        return any(listens) and not listens[-1] and time.monotonic() - fake.requests[-1]["at"] > 0.8
    until(quiet, 20, lambda _: f"it asks for nothing while it listens: {fake.requests[-3:]}")
    return process


@pytest.mark.parametrize("verb", ["watch", "wait"])
def test_a_job_is_heard_and_not_asked_for(ctl, fake, stream, verb):
    fake.show("running")
    process = heard(fake, ctl.start(verb, "orders"))
    before = asked_for_job(fake)
    for step in range(5):
        stream.say("progress", progress("running", fraction=0.5 + step / 100))
    stream.say("progress", progress("failed", "other", id="another job"))
    stream.say("unknown", {"id": ID, "state": "failed"})
    stream.say("progress", progress("completed"))
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and "completed" in out and err == ""
    assert asked_for_job(fake) == before >= 2 and fake.connections == 2, "before the stream was open and behind it"
    accepted, = [request["headers"]["Accept"] for request in fake.requests if request["path"] == ONE]
    assert accepted == "text/event-stream"


def test_by_a_unix_socket_and_with_a_token(tmp_path):
    fake = Fake(unix=str(tmp_path / "api.sock"))
    stream = fake.answers[("GET", ONE)] = Stream()
    fake.show("running")
    client = Client(BUILD, fake.url)
    client.environment["BACKFILLD_TOKEN"] = "t0ken"
    process = heard(fake, client.start("wait", "orders"))
    stream.say("progress", progress("completed"))
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0 and "completed" in out
    assert {request["headers"]["Authorization"] for request in fake.requests} == {"Bearer t0ken"}
    stream.end()
    fake.stop()


def test_json_is_the_daemons_own(ctl, fake, stream):
    fake.show("running")
    process = heard(fake, ctl.start("--json", "watch", "orders"))
    fake.show("completed")
    stream.say("progress", progress("completed"))
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0 and json.loads(out.splitlines()[-1]) == job("completed")


def test_reset_means_ask_again(ctl, fake, stream):
    fake.show("running")
    process = heard(fake, ctl.start("watch", "orders"))
    fake.show("failed")
    stream.say("reset", {"reason": "something is missing here"}, 7)
    process.communicate(timeout=20)
    assert process.returncode == 10


def test_a_stream_that_breaks_is_opened_again(ctl, fake, stream):
    fake.show("running")
    process = heard(fake, ctl.start("watch", "orders"))
    stream.end()
    until(lambda: stream.opened == 2, 20, "it listens again")
    assert asked_for_job(fake) > 3, "asked for while nothing was heard"
    heard(fake, process)  # what it asks for behind that counts as newer than what is said before
    stream.say("progress", progress("completed"))
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and err == "", "the daemon was there all the time"


def test_a_daemon_that_restarts(ctl, fake, stream):
    fake.show("running")
    process = heard(fake, ctl.start("wait", "orders"))
    fake.stop()
    stream.end()
    assert process.stderr.readline().startswith("backfillctl: daemon unreachable, trying again: ")
    fake.start()
    until(lambda: stream.opened == 2, 20, "it listens again")
    heard(fake, process)
    stream.say("progress", progress("aborted"))
    _, err = process.communicate(timeout=20)
    assert process.returncode == 11 and "the daemon answers again" in err


@pytest.mark.parametrize("answer", [(200, {"events": []}), (404, {}), (503, {})])
def test_a_daemon_without_streams_is_asked(ctl, fake, answer):
    fake.answers[("GET", ONE)] = answer
    fake.show(*["running"] * 8, "completed")
    done = ctl("watch", "orders", code=0)
    assert "completed" in done.stdout and done.stderr == ""
    assert asked(fake, ONE) == 1 and asked_for_job(fake) == 9, "another try only a minute later"


def test_several_jobs_share_one_stream(ctl, fake):
    every = fake.answers[("GET", "/v1/events")] = Stream()
    for name in "abc":
        fake.answers[("GET", f"/v1/jobs/{name}")] = fake.answers[("GET", f"/v1/jobs/id-{name}")] = \
            (200, job("running", name, id=f"id-{name}"))
    process = heard(fake, ctl.start("watch", "a", "b", "c"))
    before = len(fake.requests)
    every.say("progress", progress("paused", "c", id="id-c"))
    every.say("progress", progress("completed", "b", id="id-b"))
    every.say("progress", progress("failed", "d", id="id-d"))
    every.say("progress", progress("completed", "a", id="id-a"))
    out, err = process.communicate(timeout=20)
    assert process.returncode == 14 and err == "backfillctl: c is paused\n" and "a: completed" in out
    assert len(fake.requests) == before and asked(fake, "/v1/events") == 1
    every.end()


def test_a_job_that_was_paused_and_ends_otherwise(ctl, fake):
    """While one is paused the other still runs: what counts is how each ends."""
    stream = fake.answers[("GET", "/v1/events")] = Stream()
    for name in ("a", "b"):
        fake.answers[("GET", f"/v1/jobs/{name}")] = (200, job("running", name, id=name))
    process = heard(fake, ctl.start("watch", "a", "b"))
    stream.say("progress", progress("paused", "a", id="a"))
    for line in process.stdout:
        if line.startswith("a: paused"):
            break
    stream.say("progress", progress("aborted", "a", id="a"))
    stream.say("progress", progress("completed", "b", id="b"))
    _, err = process.communicate(timeout=20)
    assert process.returncode == 11 and "a is aborted" in err, err
    stream.end()


def test_an_order_that_is_waited_for(ctl, fake, stream):
    """The state that the order ends may be shown for a moment, and is no end of the waiting."""
    fake.answers[("POST", "/v1/jobs/orders/resume")] = (202, job("queued"))
    fake.show("paused")
    process = ctl.start("resume", "orders", "--wait", "--timeout", "20s")
    # said again and again, for what it asks when the stream opens still shows that state
    until(lambda: stream.say("progress", progress("running")) or process.poll() is not None, 20, "it is through", 0.1)
    process.communicate(timeout=20)
    assert process.returncode == 0
    silent = fake.answers[("GET", ONE)] = Stream()
    process = ctl.start("resume", "orders", "--wait", "--timeout", "20s")  # one that stays so is judged
    process.communicate(timeout=20)
    assert process.returncode == 14
    silent.end()


def test_time_is_up_while_nothing_is_heard(ctl, fake, stream):
    fake.show("running")
    ctl("wait", "orders", "--timeout", "2s", code=7)
    assert asked_for_job(fake) < 8, "asked for five times a second, it would be ten"


def test_a_terminal_that_changes_its_size(ctl, fake, stream):
    fake.show("running")
    terminal = Terminal(ctl, "watch", "orders", columns=120)
    terminal.until(lambda: stream.opened and "batching" in terminal.raw)
    mark = len(terminal.raw)
    terminal.resize(50)  # nothing new is said of the job
    terminal.until(lambda: terminal.raw.count("orders", mark) >= 3)
    newest = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", terminal.raw[mark:].split("\r")[-2]).strip()
    assert 20 < len(newest) < 50
    stream.say("progress", progress("completed"))
    assert terminal.finish() == 0


# ---- events --follow ----

def event(number, text="it goes on", **more) -> dict:
    return {"id": number, "job": ID, "at": "2026-11-21T02:41:00.000Z", "type": "note", "from": None, "to": None,
            "actor": "backfilld", "text": text, **more}


def listing(fake, *events):
    """The list of events, as far as it is asked for, to who does not want a stream."""
    stream = Stream()

    def answer(request):
        if request["headers"]["Accept"] == "text/event-stream":
            return stream
        after = int(request["query"].get("after", ["0"])[0])
        return 200, {"events": [each for each in events if each["id"] > after]}
    fake.answers[("GET", "/v1/jobs/orders/events")] = fake.answers[("GET", ONE)] = answer
    return stream


def lists(fake) -> list:
    return [request for request in fake.requests
            if request["path"].endswith("/events") and request["headers"]["Accept"] != "text/event-stream"]


def streams(fake) -> list:
    return [request for request in fake.requests
            if request["path"].endswith("/events") and request["headers"]["Accept"] == "text/event-stream"]


def test_events_are_heard(ctl, fake):
    fake.show("running")
    stream = listing(fake, event(1, "first"), event(2, "second"))
    process = heard(fake, ctl.start("events", "orders", "--follow"))
    before = len(lists(fake))
    stream.say("event", event(2, "second"), 2)  # was printed
    stream.say("event", event(3, "third"), 3)
    lines = [process.stdout.readline() for _ in range(3)]
    assert [line.split(": ")[1].split(" (")[0] for line in lines] == ["first", "second", "third"]
    assert len(lists(fake)) == before >= 2
    stream.end()  # who comes back names what he has
    until(lambda: stream.opened == 2, 20, "it listens again")
    assert [request["headers"].get("Last-Event-ID") for request in streams(fake)] == ["2", "3"]
    stream.say("event", event(4, "fourth"), 4)
    assert "fourth" in process.stdout.readline()
    fake.show("completed")  # its last event is in the list before anybody is told
    last = listing(fake, *[event(number, "last") for number in range(1, 6)])
    stream.say("progress", progress("completed"))
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and out.count("\n") == 1 and "last" in out and err == ""
    last.end()


def test_events_of_a_job_that_has_none_yet(ctl, fake):
    fake.show("planning")
    stream = listing(fake)
    process = ctl.start("events", "orders", "--follow")
    until(lambda: stream.opened, 20, "it listens")
    assert streams(fake)[0]["headers"]["Last-Event-ID"] == "0", "all there are, not what comes from now on"
    stream.say("event", event(1, "first"), 1)
    assert "first" in process.stdout.readline()
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 130
    stream.end()


def test_events_in_json(ctl, fake):
    fake.show("running")
    stream = listing(fake, event(1))
    process = ctl.start("--json", "events", "orders", "--follow")
    assert json.loads(process.stdout.readline()) == {"events": [event(1)]}
    until(lambda: stream.opened, 20, "it listens")
    stream.say("event", event(2, "größer"), 2)
    assert json.loads(process.stdout.readline()) == {"events": [event(2, "größer")]}
    process.terminate()
    process.communicate(timeout=20)
    stream.end()


# ---- on the real daemon ----

def test_following_through_a_restart(daemon, client, database):
    """Who follows hears every event once, in order, whatever becomes of the daemon meanwhile."""
    database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)")
    database.execute("INSERT INTO orders SELECT g FROM generate_series(1, 20000) g")
    for name in ("one", "two"):
        daemon.submit(document("public.orders", {"n": "n + 1"}, name=name, pace=pace(rows=10, nice=100), owner=name))
    one = daemon.job("one")["id"]
    daemon.wait("one", "running")
    events = client.start("--json", "events", "one", "--follow")
    watch = client.start("watch", "one", "two")
    begun = events.stdout.readline()  # who does not hear the daemon at first gives up at once
    for line in watch.stdout:
        if "running" in line:
            break
    daemon.pause("one", "a look")
    daemon.wait_stored("one", "paused")
    daemon.restart()
    daemon.resume("one")  # it waits for its turn, behind the other
    daemon.abort("one")
    daemon.wait("two", "running")
    daemon.abort("two")
    out, err = watch.communicate(timeout=60)
    assert watch.returncode == 11 and "one is aborted" in err and "two is aborted" in err, err
    out, err = events.communicate(timeout=60)
    assert events.returncode == 0, err
    printed = [each["id"] for line in (begun + out).splitlines() for each in json.loads(line)["events"]]
    assert printed == sorted(each["id"] for each in daemon.events(one))
