"""Outgoing webhooks: who is told of what, signed, in order, and what becomes of it where nobody listens."""
import hashlib
import hmac
import re
import time

import pytest

from lab.daemon import document, pace
from lab.secrets import Ear, secret_file
from lab.wait import until
from lab.web import Web

SECRET = "s3cret-of-the-hook"
PATH = "/services/T000/B000/only-the-two-of-us-know"


@pytest.fixture
def web():
    with Web({PATH: 200}) as running:
        yield running


@pytest.fixture
def secret(tmp_path):
    return secret_file(tmp_path / "secret", SECRET)


@pytest.fixture
def counted(database):
    database.make_counted(60000)
    return database


def job_of(database, rows=500, **more):
    return document(database.table("counted"), {"n": "n + 1"}, pace=pace(rows), **more)


def slow_job(database, **more):
    slow = {**pace(50), "max_rows_per_second": 1000}
    return document(database.table("counted"), {"n": "n + 1"}, **{"pace": slow, **more})


def moves(asked) -> list:
    return [(one.json["job"]["name"], one.json["event"]["to"]) for one in asked if one.json["event"]["type"] == "state"]


def wait_told(web, state, seconds=30):
    until(lambda: any(to == state for _, to in moves(web.asked)), seconds, lambda _: f"told of {state}: {moves(web.asked)}")


def test_every_move_is_told_signed_and_in_order(make_daemon, counted, web, secret):
    daemon = make_daemon(counted, webhook=f"{web.url}{PATH}", webhook_secret_file=secret,
                         settings={"public_url": "https://backfilld.example/"})
    ear = Ear(SECRET, PATH)
    ear.listen_to(daemon)
    job = daemon.submit(job_of(counted, where="id <= 10000", owner="team", labels={"campaign": "gdpr"}))
    daemon.wait(job, "completed")
    wait_told(web, "completed")
    told = [event for event in daemon.events(job) if event["type"] == "state"]
    assert [one.json["event"] for one in web.asked] == [{key: event[key] for key in ("id", "at", "type", "from", "to", "actor", "text")}
                                                        for event in told]
    for one in web.asked:
        assert one.method == "POST" and one.path == PATH and one.headers["content-type"] == "application/json"
        mac = hmac.new(SECRET.encode(), one.body, hashlib.sha256).hexdigest()
        assert one.headers["x-backfilld-signature"] == f"sha256={mac}"
        assert one.json["link"] == f"https://backfilld.example/#/jobs/{job['id']}" and one.json["link"] in one.json["text"]
        assert one.json["job"]["labels"] == {"campaign": "gdpr"} and one.json["lost"] == 0
    assert "job job on shop: running → verifying: " in " ".join(one.json["text"] for one in web.asked)
    daemon.stop()
    ear.look_at_files(daemon)
    ear.check()


def test_what_cannot_be_delivered_is_told_later_also_over_a_restart(make_daemon, counted, web):
    daemon = make_daemon(counted, webhook=f"{web.url}{PATH}")
    web.answers[PATH] = 503
    job = daemon.submit(slow_job(counted))
    daemon.wait_progress(job, 3)
    until(lambda: len(web.asked) >= 2, 30, "it was tried again")
    assert {one.json["event"]["id"] for one in web.asked} == {web.asked[0].json["event"]["id"]}, "one after the other"
    daemon.pause(job)
    daemon.wait(job, "paused")
    daemon.restart()
    daemon.abort(job)
    daemon.wait(job, "aborted")
    assert "not delivered: it answered with status 503" in daemon.log.read_text()
    web.asked.clear()
    web.answers[PATH] = 200
    wait_told(web, "aborted", 30)
    expected = [event["id"] for event in daemon.events(job) if event["type"] == "state"]
    assert [one.json["event"]["id"] for one in web.asked] == expected
    # what was delivered is not told again
    daemon.restart()
    web.asked.clear()
    again = daemon.submit(job_of(counted, name="second", again=True, where="id <= 1000"))
    daemon.wait(again, "completed")
    wait_told(web, "completed")
    assert {name for name, _ in moves(web.asked)} == {"second"}


def test_one_that_hangs_is_on_nobodys_way(make_daemon, counted, web):
    daemon = make_daemon(counted, webhook=f"{web.url}{PATH}")
    web.silent.set()
    began = time.monotonic()
    job = daemon.submit(job_of(counted, where="id <= 10000"))
    daemon.wait(job, "completed")
    assert time.monotonic() - began < 10, "the webhook's 10 s are nobody else's"
    until(lambda: web.asked, 30, "it was asked")
    assert len(web.asked) == 1
    web.silent.clear()
    wait_told(web, "completed")


def test_slack_triggers_and_a_message_that_is_refused(make_daemon, counted, web):
    daemon = make_daemon(counted, webhook=f"{web.url}{PATH}", webhook_format="slack")
    trigger = {"name": "app", "sql": "SELECT count(*) FROM pg_class WHERE relname = 'alarm'", "above": 0, "every": "200ms"}
    job = daemon.submit(slow_job(counted, name="first", triggers=[trigger]))
    daemon.wait_progress(job, 3)

    def texts():
        return [one.json["text"] for one in web.asked if set(one.json) == {"text"}]
    until(lambda: any("queued → running" in text for text in texts()), 30, "told of its begin")
    web.answers[PATH] = lambda asked: 400 if b"trigger app: its query" in asked.body and b"running" not in asked.body else 200
    counted.execute("CREATE TABLE alarm (a int)")
    daemon.wait(job, "paused")
    until(lambda: any("pausing → paused" in text for text in texts()), 30, "told of the pause")
    after = next(text for text in texts() if "running → pausing" in text)
    assert "trigger app: its query gives 1, above 0" in after and f"<{daemon.url}/#/jobs/{job['id']}|first>" in after
    assert "(1 messages before this one were lost)" in after
    assert "is lost: it answered with status 400" in daemon.log.read_text()
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_one_that_is_stuck(make_daemon, counted, web):
    daemon = make_daemon(counted, webhook=f"{web.url}{PATH}")
    job = daemon.submit(slow_job(counted, limits={"stuck_after": "1s", "lock_timeout": "200ms"}))
    daemon.wait_progress(job, 3)
    with counted.connect() as other:
        with other.transaction():
            other.execute("LOCK TABLE counted IN EXCLUSIVE MODE")
            told = until(lambda: [one for one in web.asked if one.json["event"]["type"] == "stuck"], 20, "told that it is stuck")
            assert re.search(r"stuck for [1-9]", told[0].json["text"])
            metrics = daemon.get("/metrics").text
            assert 'backfilld_stuck{job="job",target="shop"} 1' in metrics
            until(lambda: "stuck for" in (daemon.job(job)["reason"] or {}).get("text", ""), 30, "its reason says so")
    until(lambda: any("goes on after it was stuck" in event["text"] for event in daemon.events(job)), 30, "it goes on")
    assert 'backfilld_stuck{job="job",target="shop"} 0' in daemon.get("/metrics").text
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_webhooks_come_and_go_with_sighup(make_daemon, counted, web):
    daemon = make_daemon(counted)
    daemon.wait(daemon.submit(job_of(counted, name="before", where="id <= 100")), "completed")
    bare = daemon.configuration.read_text()
    daemon.configuration.write_text(bare.replace("[target shop]", f"[target shop]\nwebhook = {web.url}{PATH}"))
    text = daemon.hang_up("target shop: its webhook is another one", "1 change")
    assert PATH not in text
    daemon.wait(daemon.submit(job_of(counted, name="meanwhile", where="id <= 200")), "completed")
    wait_told(web, "completed")
    daemon.configuration.write_text(bare)
    daemon.hang_up("target shop: its webhook is another one")
    daemon.wait(daemon.submit(job_of(counted, name="after", where="id <= 300")), "completed")
    daemon.stop()
    daemon.configuration.write_text(bare.replace("[target shop]", f"[target shop]\nwebhook = {web.url}{PATH}"))
    daemon.start()
    daemon.wait(daemon.submit(job_of(counted, name="again", where="id <= 400")), "completed")
    until(lambda: ("again", "completed") in moves(web.asked), 30, "it is told again")
    assert {name for name, _ in moves(web.asked)} == {"meanwhile", "again"}, "nobody is told of what was while there was none"
