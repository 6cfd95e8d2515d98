"""/metrics of a running daemon: what it counts is what happened, Prometheus' own tools take it, and the alert rules and the
Grafana dashboard of config/ name nothing else."""
import json
import re
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest

from lab.daemon import document, pace
from lab.ports import free_port
from lab.wait import until

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "config/prometheus/backfilld.rules.yml"
GRAFANA = ROOT / "config/grafana/backfilld.json"
LINE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')
DASHBOARD_URL = "http://127.0.0.1:8420"


def read(daemon) -> dict:
    """(name, frozenset of labels) to value."""
    answer = daemon.get("/metrics")
    assert answer.status == 200
    found = {}
    for line in answer.text.splitlines():
        if line.startswith("#"):
            continue
        name, labels, value = LINE.match(line).groups()
        key = name, frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or ""))
        assert key not in found, f"twice: {line}"
        found[key] = float(value)
    return found


def value(metrics, name, **labels):
    return metrics.get((f"backfilld_{name}", frozenset(labels.items())))


def families(daemon) -> set:
    return set(re.findall(r"^# TYPE (\w+)", daemon.get("/metrics").text, re.M))


def promtool(*arguments, text=None):
    done = subprocess.run(["promtool", *map(str, arguments)], input=text, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr.strip(), f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_job_is_counted_from_its_start_to_its_end(make_daemon, database):
    daemon = make_daemon(database)
    database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)")
    database.execute("INSERT INTO orders SELECT generate_series(1, 5000)")
    of = {"job": "first", "target": "shop"}
    job = daemon.submit(document("orders", {"n": "n + 1"}, name="first", pace=pace(100, nice=30), where="id % 2 = 0"))
    until(lambda: value(read(daemon), "progress_ratio", **of), 30, "it has begun")
    with database.connect() as other:
        with other.transaction():
            other.execute("LOCK TABLE orders IN SHARE MODE")
            until(lambda: value(read(daemon), "retries_total", **of, **{"class": "lock_conflict"}), 30, "it tried again")
            before = value(read(daemon), "hold_seconds_total", **of, reason="lock_conflict")
            metrics = read(daemon)
            assert value(metrics, "state", **of, state="running") == 1
            assert 0 < value(metrics, "progress_ratio", **of) < 1
            assert 0 <= value(metrics, "checkpoint_age_seconds", **of) < 30
            promtool("check", "metrics", text=daemon.get("/metrics").text)
    done = daemon.wait(job, "completed")
    metrics = read(daemon)
    assert value(metrics, "state", **of, state="completed") == 1 and value(metrics, "state", **of, state="running") is None
    assert value(metrics, "rows_scanned_total", **of) == 5000 and value(metrics, "rows_changed_total", **of) == 2500
    batches = done["progress"]["batches"]
    assert value(metrics, "batch_seconds_count", **of) == batches >= 10
    assert value(metrics, "batch_seconds_bucket", **of, le="+Inf") == batches
    assert 0 < value(metrics, "batch_seconds_sum", **of) < 60
    assert value(metrics, "hold_seconds_total", **of, reason="lock_conflict") >= before >= 0
    assert value(metrics, "sleep_seconds_total", **of) > 0
    assert value(metrics, "progress_ratio", **of) == 1 and value(metrics, "eta_seconds", **of) in (None, 0)
    assert value(metrics, "loop_lag_seconds_count") > 0 and value(metrics, "store_writable") == 1
    promtool("check", "metrics", text=daemon.get("/metrics").text)


def test_a_rollback_is_counted(daemon, database):
    database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)")
    database.execute("INSERT INTO orders SELECT generate_series(1, 500)")
    of = {"job": "first", "target": "shop"}
    job = daemon.submit(document("orders", {"n": "n + 1"}, name="first", undo="journal", pace=pace(100)))
    done = daemon.wait(job, "completed")
    metrics = read(daemon)
    assert value(metrics, "undo_bytes", **of) == done["undo"]["bytes"] > 0
    assert 6.9 < (value(metrics, "undo_until_timestamp_seconds", **of) - time.time()) / 86400 < 7
    assert value(metrics, "rows_restored_total", **of) is None
    database.execute("UPDATE orders SET n = 7 WHERE id <= 3")
    database.execute("DELETE FROM orders WHERE id = 500")
    database.execute("ALTER TABLE orders ADD CHECK (id <> 444 OR n <> 0) NOT VALID")
    daemon.order(job, "rollback")
    daemon.wait(job, "rolled_back")
    metrics = read(daemon)
    kinds = {kind: value(metrics, "conflicts_total", **of, kind=kind) for kind in ("changed", "deleted", "altered", "refused")}
    assert kinds == {"changed": 3, "deleted": 1, "altered": 0, "refused": 1}
    assert value(metrics, "rows_restored_total", **of) == 495
    promtool("check", "metrics", text=daemon.get("/metrics").text)
    daemon.post(f"/v1/jobs/{job['id']}/forget", {"confirm": "first"})
    metrics = read(daemon)
    assert value(metrics, "undo_bytes", **of) is value(metrics, "undo_until_timestamp_seconds", **of) is None


def test_prometheus_scrapes_it(daemon, database, tmp_path):
    database.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
    database.execute("INSERT INTO t SELECT generate_series(1, 100)")
    daemon.wait(daemon.submit(document("t", {"n": "1"}, name="first")), "completed")
    configuration, port = tmp_path / "prometheus.yml", free_port()
    configuration.write_text(json.dumps({  # JSON is YAML
        "global": {"scrape_interval": "1s"}, "rule_files": [str(RULES)], "scrape_configs": [
            {"job_name": "backfilld", "honor_labels": True, "static_configs": [{"targets": [daemon.listen]}]}]}))
    process = subprocess.Popen(
        ["prometheus", f"--config.file={configuration}", f"--storage.tsdb.path={tmp_path}/data",
         f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def ask(expression):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={expression}", timeout=5) as answer:
                return json.load(answer)["data"]["result"]
        except OSError:
            assert process.poll() is None, process.stderr.read()
            return []
    try:
        found = until(lambda: ask("backfilld_rows_changed_total"), 30, "Prometheus has scraped the daemon")
        assert [(one["metric"]["job"], one["metric"]["target"], one["value"][1]) for one in found] == [("first", "shop", "100")]
        assert [one["value"][1] for one in ask("up")] == ["1"]
    finally:
        process.terminate()
        process.wait(20)
        process.stderr.close()


def test_the_alert_rules_are_rules_and_fire(daemon, tmp_path):
    promtool("check", "rules", RULES)
    test = tmp_path / "test.yml"
    labels = {"severity": "critical", "job": "first", "target": "shop", "state": "failed"}
    annotations = {
        "summary": "Backfill first on shop failed", "dashboard": f"{DASHBOARD_URL}/#/jobs/first",
        "description": "It stands at its checkpoint. The reason is on its page; resume takes it up again from there."}
    test.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [{
        "interval": "1m",
        "input_series": [{"series": 'backfilld_state{job="first",target="shop",state="failed"}', "values": "_ _ 1+0x20"},
                         {"series": 'backfilld_hold_seconds_total{job="second",target="shop",reason="lock_conflict"}',
                          "values": "0+60x60"},
                         *({"series": f'backfilld_conflicts_total{{job="third",target="shop",kind="{kind}"}}', "values": f"_ 0 {count}x20"}
                           for kind, count in (("changed", 2), ("deleted", 1), ("refused", 0)))],
        "alert_rule_test": [
            {"eval_time": "1m", "alertname": "BackfilldJobFailed", "exp_alerts": []},
            {"eval_time": "5m", "alertname": "BackfilldJobFailed",
             "exp_alerts": [{"exp_labels": labels, "exp_annotations": annotations}]},
            {"eval_time": "1m", "alertname": "BackfilldRollbackLeavesRowsAlone", "exp_alerts": []}],
        "promql_expr_test": [{"expr": 'count(ALERTS{alertname="BackfilldJobHolds",alertstate="firing"})', "eval_time": "50m",
                              "exp_samples": [{"labels": "{}", "value": 1}]},
                             {"expr": 'count(ALERTS{alertname="BackfilldRollbackLeavesRowsAlone",job="third",alertstate="firing"})',
                              "eval_time": "5m", "exp_samples": [{"labels": "{}", "value": 1}]}]}]}))
    promtool("test", "rules", test)
    rules = RULES.read_text()
    assert rules.count("- alert:") == rules.count(f"dashboard: {DASHBOARD_URL}/") > 5


@pytest.mark.parametrize("file", [RULES, GRAFANA], ids=lambda path: path.name)
def test_what_rules_and_dashboard_name_exists(daemon, file):
    text = file.read_text()
    if file.suffix == ".json":
        text = "\n".join(target["expr"] for panel in json.loads(text)["panels"] for target in panel["targets"])
    named = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bbackfilld_\w+", text)}
    assert len(named) > 4
    assert named <= families(daemon), named - families(daemon)


def test_the_families_are_those_of_the_document(daemon):
    section = (ROOT / "docs/interface.md").read_text().split("### Metrics")[1].split("\n#")[0]
    documented = set(re.findall(r"^\| `(backfilld_\w+)`", section, re.M))
    assert documented == families(daemon), documented ^ families(daemon)
