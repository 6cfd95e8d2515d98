"""backfillctl on the real daemon."""
import json

import pytest

from lab.daemon import Client, document, pace


@pytest.fixture
def orders(database):
    database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)")
    database.execute("INSERT INTO orders SELECT g FROM generate_series(1, 5000) g")
    return database


def submit_line(**more):
    return json.dumps(document("public.orders", {"n": "n + 1"}, name="orders", **more))


def test_run(client, orders):
    plan = client("plan", "-", input=submit_line(), code=0)
    assert "orders" in plan.stdout
    done = client("submit", "-", "--watch", input=submit_line(), code=0)
    assert done.stdout.splitlines()[-1].endswith("5,000 rows changed")
    assert orders.value("SELECT count(*) FROM orders WHERE n = 1") == 5000
    assert "completed" in client("list", code=0).stdout and "completed" in client("show", "orders", code=0).stdout
    assert "completed" in client("events", "orders", "--follow", code=0).stdout
    assert "postgresql" in client("targets", code=0).stdout
    assert client.json("show", "orders", code=0)["progress"]["rows_changed"] == 5000
    client("wait", "orders", code=0)
    client("pause", "orders", code=4)
    client("show", "nobody", code=3)
    assert "/set" in client("submit", "-", input='{"name": "x"}', code=1).stderr


def test_orders(client, orders):
    slow = pace(rows=10, nice=100)
    client("submit", "-", input=submit_line(pace=slow), code=0)
    client("wait", "orders", "--for", "running", "--timeout", "20s", code=0)
    client("submit", "-", input=submit_line(pace=slow), code=4)
    client("pause", "orders", "--reason", "a look", "--wait", "--timeout", "20s", code=0)
    assert "a look" in client("show", "orders", code=0).stdout
    client("watch", "orders", code=14)
    client("resume", "orders", "--wait", "--timeout", "20s", code=0)
    client("wait", "orders", "--timeout", "1s", code=7)
    client("abort", "orders", "--wait", "--timeout", "20s", code=0)
    client("wait", "orders", code=11)


def test_approval(make_daemon, build, orders):
    daemon = make_daemon(orders, require_approval="all")
    client = Client(build, daemon.url)
    client("submit", "-", "--watch", input=submit_line(), code=13)
    client("approve", "orders", "--confirm", "another", code=1)
    client("approve", "orders", "--confirm", "orders", "--comment", "seen", code=0)
    client("wait", "orders", "--timeout", "30s", code=0)
    second = submit_line(again=True)
    client("submit", "-", "--approve", "--confirm", "orders", "--watch", input=second, code=0)
    assert orders.value("SELECT count(*) FROM orders WHERE n = 2") == 5000
