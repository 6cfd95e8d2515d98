"""Streams of a running daemon: a watcher that comes back misses nothing, kill -9 or not; who left is noticed; 500 of them cost
next to nothing. What a stream says in detail, and that who does not read is dropped, is in tests/unit/http/test_stream.c."""
import os
import time

import pytest

from lab.connections import open_at
from lab.daemon import document, pace
from lab.many_jobs import LoopLag
from lab.stream import Crowd, Stream
from lab.wait import until


def table(database, name, rows):
    database.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, n int NOT NULL DEFAULT 0)")
    database.execute(f"INSERT INTO {name} SELECT generate_series(1, {rows})")


def test_a_watcher_sees_a_job_from_its_start_to_its_end(daemon, database):
    table(database, "orders", 20000)
    opened, stream = time.monotonic(), Stream(daemon)
    job = daemon.submit(document("orders", {"n": "n + 1"}, name="first", pace=pace(50, nice=100)))
    until(lambda: any(message.data["progress"]["rows_changed"] > 300 for message in stream.of("progress")), 30, "it moves")
    one = Stream(daemon, f"/v1/jobs/{job['id']}/events", last=0)
    before = len(stream.of("progress"))
    until(lambda: len(stream.of("progress")) >= before + 4, 30, "four more")
    told = len(stream.of("progress"))
    assert told <= 2 * (time.monotonic() - opened) + 3, "two a second, and what is new of its states"
    daemon.pause(job)
    until(lambda: stream.of("progress")[-1].data["state"] == "paused", 30, "the stream says paused")
    full_speed = daemon.request("PATCH", f"/v1/jobs/{job['id']}", {"pace": pace(500)})
    assert full_speed.status == 200, "with the pace that it began with it would go on for a minute"
    daemon.resume(job)
    until(lambda: any(message.data["to"] == "completed" for message in one.of("event")), 60, "it is completed")
    until(lambda: stream.of("progress")[-1].data["progress"]["fraction"] == 1, 30, "the last word is 1")
    stored = daemon.events(job)
    for seen in (stream, one):
        until(lambda: [message.data for message in seen.of("event")][-len(stored):] == stored, 30, "every event, as it is stored")
        assert [message.id for message in seen.of("event")] == [event["id"] for event in stored]
        assert not seen.of("reset")
        seen.close()


def test_who_comes_back_after_a_crash_misses_nothing(daemon, database):
    table(database, "orders", 20000)
    stream = Stream(daemon)
    job = daemon.submit(document("orders", {"n": "n + 1"}, name="first", pace=pace(500, nice=5)))
    until(lambda: len(stream.of("event")) >= 2, 30, "events")
    daemon.kill9()
    until(lambda: stream.ended, 30, "the stream ended")
    seen = [message.data for message in stream.of("event")]
    daemon.start()
    again = Stream(daemon, last=seen[-1]["id"])
    daemon.wait(job, "completed")
    until(lambda: seen + [message.data for message in again.of("event")] == daemon.events(job), 30, "all events, each once")
    assert not again.of("reset")
    too_far = Stream(daemon, last=10**9)
    until(lambda: too_far.of("reset"), 30, "no such event")
    assert too_far.of("reset")[0].id == daemon.events(job)[-1]["id"]
    again.close()
    too_far.close()


def test_a_job_at_work_is_told_of_though_nothing_of_it_moves(daemon, database):
    """Where the time goes counts on while it holds: who watches sees it at least every 5 s."""
    table(database, "orders", 100)
    signals = [{"name": "queue", "sql": "SELECT 20", "limit": 10}]
    job = daemon.submit(document("orders", {"n": "n + 1"}, name="first", signals=signals))
    daemon.wait_holding(job, "signal")
    stream = Stream(daemon)

    def held():
        return [message.data["progress"]["seconds"].get("holding/signal:queue", 0) for message in stream.of("progress")]
    until(lambda: len(held()) >= 3, 30, lambda _: f"three times: {held()}")
    assert held() == sorted(set(held())) and held()[2] - held()[0] > 5
    paused = daemon.pause(job)
    until(lambda: stream.of("progress")[-1].data["state"] == "paused", 30, lambda _: f"the stream says paused: {paused}")
    stream.close()


def test_who_left_is_noticed(daemon):
    streams = [Stream(daemon) for _ in range(20)]
    ports = {stream.socket.getsockname()[1] for stream in streams}
    assert open_at(daemon) >= ports
    stays = streams.pop()
    port = stays.socket.getsockname()[1]
    for stream in streams:
        stream.close()
    until(lambda: open_at(daemon) & ports == {port}, 30, "the connections of those who left are closed")
    until(lambda: stays.comments > 0, 30, "with nothing to say, a comment shows that the stream lives")
    assert not stays.ended and open_at(daemon) & ports == {port}
    stays.close()


def cpu(daemon) -> float:
    fields = open(f"/proc/{daemon.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.alone
def test_500_watchers_cost_next_to_nothing(make_daemon, database, record_property):
    """Against the same jobs without watchers: under 5 % of a core, and no batch waits for what they are told."""
    daemon = make_daemon(database, max_jobs=10)
    for number in range(10):
        table(database, f"t{number}", 20000)
        daemon.submit(document(f"t{number}", {"n": "n + 1"}, name=f"job-{number}", pace=pace(10, nice=100)))
    until(lambda: len(daemon.get("/v1/jobs?state=running").json["jobs"]) == 10, 30, "all run")

    def share(seconds):
        used, began = cpu(daemon), time.monotonic()
        until(lambda: time.monotonic() - began >= seconds, seconds + 5, "the time has passed", every=0.1)
        return (cpu(daemon) - used) / (time.monotonic() - began)
    alone = share(3)
    crowd = Crowd(daemon, 500)
    until(lambda: min(crowd.bytes) > 1000, 30, "everybody hears something")
    lag = LoopLag(daemon)
    watched = share(4)
    late = lag.shares()
    got = list(crowd.bytes)
    crowd.close()
    print(f"10 jobs: {alone:.1%} of a core alone, {watched:.1%} with 500 watchers; {min(got)} to {max(got)} bytes each; "
          f"the loop came late: {late}")
    record_property("watchers_share", round(watched - alone, 4))
    assert watched - alone < 0.05, "500 watchers, 10 running jobs"
    assert late[0.1] >= 0.99, f"the loop came late: {late}"
    assert len(daemon.get("/v1/jobs?state=running").json["jobs"]) == 10
