"""POST /v1/alerts with Debian's Alertmanager: an alert whose label names a job stops it, once, whatever is repeated."""
import json
import re
import subprocess
import urllib.request

import pytest

from lab.daemon import document, pace
from lab.ports import free_port
from lab.wait import until


def job_of(database, **more):
    slow = {**pace(50), "max_rows_per_second": 1000}
    return document(database.table("counted"), {"n": "n + 1"}, pace=slow, **more)


class Alertmanager:
    def __init__(self, directory, webhook):
        self.port = free_port()
        configuration = directory / "alertmanager.yml"
        configuration.write_text(json.dumps({  # JSON is YAML
            "route": {"receiver": "backfilld", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "300ms",
                      "repeat_interval": "300ms"},
            "receivers": [{"name": "backfilld", "webhook_configs": [{"url": webhook, "send_resolved": True}]}]}))
        self.process = subprocess.Popen(
            ["prometheus-alertmanager", f"--config.file={configuration}", f"--storage.path={directory}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--cluster.listen-address=", "--log.level=warn"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        until(lambda: self.ask("/-/ready") is not None, 20, "Alertmanager is up")

    def ask(self, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", body and json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            assert self.process.poll() is None, self.process.stderr.read()
            assert body is None
            return None

    def fire(self, name, **labels):
        alert = {"labels": {"alertname": name, **labels}, "annotations": {"summary": "3 % of all checkouts fail"}}
        self.ask("/api/v2/alerts", [alert])

    def sent(self) -> int:
        """Notifications that the daemon took."""
        text = self.ask("/metrics") or ""
        total, failed = (re.search(rf'^alertmanager_notifications{kind}_total{{integration="webhook"}} (\d+)', text, re.M)
                         for kind in ("", "_failed"))
        return int(total[1]) - int(failed[1]) if total and failed else 0

    def wait_repeats(self, times=2):
        before = self.sent()
        until(lambda: self.sent() >= before + times, 20, "it is repeated")

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.process.stderr.close()


@pytest.fixture
def alertmanager(daemon, tmp_path):
    running = Alertmanager(tmp_path, f"{daemon.url}/v1/alerts")
    yield running
    running.stop()


def test_an_alert_stops_the_job_that_it_names_once(daemon, database, alertmanager):
    database.make_counted(60000)
    job = daemon.submit(job_of(database, name="first", alerts="pause"))
    daemon.wait_progress(job, 3)
    alertmanager.fire("Latency")
    alertmanager.fire("Errors", backfill="second")
    alertmanager.wait_repeats()
    assert daemon.job(job)["state"] == "running"
    alertmanager.fire("Errors", backfill="first", severity="page")
    paused = daemon.wait(job, "paused", seconds=30)
    assert (paused["reason"]["code"], paused["reason"]["signal"]) == ("alert", "alert:Errors")
    assert "3 % of all checkouts fail" in paused["reason"]["text"]
    daemon.resume(job)
    alertmanager.wait_repeats()
    daemon.restart()
    alertmanager.wait_repeats()
    daemon.wait_progress(job, daemon.job(job)["progress"]["batches"] + 3)
    events = [event for event in daemon.events(job) if event["type"] == "alert"]
    assert len(events) == 1 and events[0]["actor"] == "alert:Errors"
    daemon.abort(job)
    daemon.wait(job, "aborted")


def test_it_does_at_most_what_the_document_allows(daemon, database):
    database.make_counted(60000)

    def alert(fingerprint, **labels):
        body = {"version": "4", "status": "firing", "alerts": [{
            "status": "firing", "fingerprint": fingerprint, "startsAt": "2026-11-21T02:40:00Z", "labels": {"alertname": "E", **labels}}]}
        answer = daemon.post("/v1/alerts", body)
        assert answer.status == 200, answer.text
        return answer.json["alerts"][0]
    back = daemon.submit(job_of(database, name="back", alerts="rollback", undo="journal"))
    daemon.wait_progress(back, 3)
    assert alert("z", backfill="back")["did"] == "rollback"
    daemon.wait(back, "rolled_back", seconds=30)
    assert database.value("SELECT count(*) FROM counted WHERE n <> 0") == 0
    none = daemon.submit(job_of(database, name="none"))
    assert alert("a", backfill="none")["did"] is None
    daemon.abort(none)
    daemon.wait(none, "aborted")
    job = daemon.submit(job_of(database, name="some", alerts="abort", again=True))
    daemon.wait_progress(job, 3)
    assert alert("b", backfill=job["id"], backfill_action="pause")["did"] == "pause"
    daemon.wait(job, "paused")
    answer = alert("c", backfill="some")
    assert (answer["did"], answer["job"]) == ("abort", job["id"])
    ended = daemon.wait(job, "aborted")
    assert ended["reason"]["code"] == "alert"
    assert alert("c", backfill="some")["did"] is None
