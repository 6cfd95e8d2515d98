"""Sources of triggers: what is asked over HTTP, how, and what is never asked."""
import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from lab.daemon import document, pace
from lab.ports import free_port
from lab.secrets import Ear, secret_file
from lab.wait import until
from lab.web import Web

ROWS = 60000
TOKEN = "tok-3n-of-the-source"


@pytest.fixture
def web():
    with Web() as running:
        yield running


@pytest.fixture
def counted(database):
    database.make_counted(ROWS)
    return database


def job_of(database, trigger, **more):
    slow = {**pace(50), "max_rows_per_second": 1000}
    triggers = [{"name": "app", "every": "200ms", **trigger}]
    return document(database.table("counted"), {"n": "n + 1"}, pace=slow, triggers=triggers, **more)


def end(daemon, job):
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_a_number_in_json_and_a_status(make_daemon, counted, web, tmp_path):
    token = secret_file(tmp_path / "token", TOKEN)
    daemon = make_daemon(counted, sources={"app": {"url": f"{web.url}/health?deep=1", "type": "json", "token_file": token},
                                           "up": {"url": f"{web.url}/up", "type": "status"}})
    ear = Ear(TOKEN)
    ear.listen_to(daemon)
    web.answers = {"/health": {"checkout": {"failed": 0.001}}, "/up": 200}
    job = daemon.submit(job_of(counted, {"source": "app", "query": "/checkout/failed", "above": 0.01, "for": "400ms"}))
    until(lambda: len(web.asked) > 3, 30, "it is asked")
    assert (web.asked[0].method, web.asked[0].path) == ("GET", "/health?deep=1")
    assert web.asked[0].headers["authorization"] == f"Bearer {TOKEN}"
    web.answers["/health"] = {"checkout": {"failed": 0.03}}
    paused = daemon.wait(job, "paused", seconds=30)
    assert paused["reason"]["text"] == "trigger app: source app gives 0.03, above 0.01 for 400 ms"
    end(daemon, job)

    job = daemon.submit(job_of(counted, {"source": "up", "above": 499}, name="up"))
    until(lambda: any(asked.path == "/up" for asked in web.asked), 30, "it is asked")
    assert "authorization" not in next(asked for asked in web.asked if asked.path == "/up").headers
    web.answers["/up"] = 503
    paused = daemon.wait(job, "paused", seconds=30)
    assert (paused["reason"]["code"], paused["reason"]["value"]) == ("trigger", 503)
    end(daemon, job)
    assert ear.heard
    daemon.stop()
    ear.look_at_files(daemon)
    ear.check()


def test_what_gives_no_number_pauses_and_says_why(make_daemon, counted, web, tmp_path):
    sources = {"app": {"url": f"{web.url}/health", "type": "json", "timeout": "300ms"}, "gone": {"url": "http://127.0.0.1:1/", "type": "status"},
               "away": {"url": f"{web.url}/away", "type": "json"}}
    daemon = make_daemon(counted, sources=sources)
    web.answers = {"/health": 200, "/away": (302, f"{web.url}/secret")}
    for name, source, said in (("refused", "gone", "Failed to connect"), ("moved", "away", "status 302"),
                               ("slow", "app", "imed out")):
        if name == "slow":
            web.silent.set()
        query = {} if source == "gone" else {"query": "/ratio"}
        job = daemon.submit(job_of(counted, {"source": source, "above": 1, **query}, name=name, again=True))
        paused = daemon.wait(job, "paused", seconds=30)
        assert paused["reason"]["code"] == "trigger_failed" and said in paused["reason"]["text"], paused["reason"]
        end(daemon, job)
    assert not [asked for asked in web.asked if asked.path == "/secret"], "a redirect was followed"


def test_link_local_addresses_are_refused_after_the_name_was_looked_up(make_daemon, counted, tmp_path):
    library = tmp_path / "resolve.so"
    source = Path(__file__).resolve().parents[1] / "lab" / "resolve.c"
    subprocess.run([os.environ.get("CC", "gcc"), "-shared", "-fPIC", "-D_GNU_SOURCE", "-o", library, source, "-ldl"], check=True)
    daemon = make_daemon(counted, start=False, sources={"cloud": {"url": "http://metadata.link-local.test/", "type": "status"}})
    daemon.environment = {"LD_PRELOAD": str(library),
                          "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1:verify_asan_link_order=0"}
    daemon.start()
    job = daemon.submit(job_of(counted, {"source": "cloud", "above": 499}))
    paused = daemon.wait(job, "paused", seconds=30)
    assert "its name means a link-local address, which is refused" in paused["reason"]["text"]
    end(daemon, job)


def test_sources_come_and_go_with_sighup(make_daemon, counted, web):
    daemon = make_daemon(counted)
    job = job_of(counted, {"source": "app", "query": "/n", "above": 1})
    answer = daemon.post("/v1/jobs", job)
    assert answer.status == 422 and answer.json["errors"][0]["pointer"] == "/triggers/0/source"
    web.answers["/health"] = {"n": 0}
    bare = daemon.configuration.read_text()
    daemon.configuration.write_text(f"{bare}\n[source app]\nurl = {web.url}/health\ntype = json\n")
    daemon.hang_up("source app: configured", "1 change")
    wrong = daemon.post("/v1/jobs", job_of(counted, {"source": "app", "query": "n", "above": 1}))
    assert wrong.status == 422 and wrong.json["errors"][0]["pointer"] == "/triggers/0/query"
    job = daemon.submit(job)
    until(lambda: len(web.asked) > 2, 30, "it is asked")
    daemon.configuration.write_text(bare)
    daemon.hang_up("source app: not configured so any more")
    paused = daemon.wait(job, "paused", seconds=30)
    assert "not in the daemon's configuration any more" in paused["reason"]["text"]
    end(daemon, job)


def test_a_prometheus(make_daemon, counted, web, tmp_path, campaign):
    """The trigger asks it for the ratio that an alert would look at. With --campaign it scrapes an application, for which it
    takes its time; else the ratio rises by the clock."""
    failed = {"n": 0}
    web.answers["/metrics"] = lambda _: (200, f"checkout_failed {failed['n']}\ncheckout_total 1000\n".encode())
    configuration, port = tmp_path / "prometheus.yml", free_port()
    configuration.write_text(json.dumps({"global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"}, "scrape_configs": [
        {"job_name": "app", "static_configs": [{"targets": [f"127.0.0.1:{web.port}"]}]}]}))
    process = subprocess.Popen(
        ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={tmp_path}/data",
         f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def answers():
        try:
            query = "checkout_total" if campaign else "vector(1)"
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={query}", timeout=5) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:
            assert process.poll() is None, process.stderr.read()
            return []
    try:
        until(answers, 30, "Prometheus answers")
        daemon = make_daemon(counted, sources={"prometheus": {"url": f"http://127.0.0.1:{port}/"}})
        rises = time.time() + 1.5
        query = "sum(checkout_failed) / sum(checkout_total)" if campaign else f"0.03 * (time() > bool {rises})"
        trigger = {"source": "prometheus", "query": query, "above": 0.01, "for": "500ms", "settle": "500ms", "then": "rollback", "every": "1s"}
        job = daemon.submit(job_of(counted, trigger, undo="journal"))
        daemon.wait_progress(job, 5)
        if campaign:
            failed["n"] = 30
        daemon.wait(job, "rolling_back", "rolled_back", seconds=30)
        daemon.wait(job, "rolled_back", seconds=30)
        assert counted.value("SELECT count(*) FROM counted WHERE n <> 0") == 0
    finally:
        process.kill()
        process.wait(20)
        process.stderr.close()
