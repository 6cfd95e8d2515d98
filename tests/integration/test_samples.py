"""The series of a job: what they add up to is what it did, and the coarser ones outlive the daemon."""
from lab.daemon import document, pace
from lab.wait import until

ROWS = 6000


def samples(daemon, job, query):
    answer = daemon.get(f"/v1/jobs/{job['id']}/samples?{query}")
    assert answer.status == 200, answer.text
    return answer.json


def total(daemon, job, query, name="rows_scanned"):
    return sum(sample[name] for sample in samples(daemon, job, query)["samples"])


def test_samples_add_up_and_outlive_the_daemon(make_daemon, database):
    daemon = make_daemon(database, max_jobs=2)
    database.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
    database.execute(f"INSERT INTO t SELECT generate_series(1, {ROWS})")
    own = [{"name": f"s{number}", "sql": f"SELECT {number}", "limit": 100 + number} for number in range(7)]
    job = daemon.submit(document("t", {"n": "1"}, name="first", pace=pace(50, nice=50), limits={"active_sessions": 5000}, signals=own))
    database.execute("CREATE TABLE u (id int PRIMARY KEY, n int)")
    database.execute(f"INSERT INTO u SELECT generate_series(1, {ROWS})")
    other = daemon.submit(document("u", {"n": "1"}, name="other", pace=pace(50, nice=100), limits={"active_sessions": 7000}))
    until(lambda: len(samples(daemon, job, "step=1s")["samples"]) >= 2, 20, "two points")
    limits = until(lambda: [sample["signals"]["active_sessions"]["limit"] for sample in samples(daemon, other, "step=1s")["samples"]
                            if sample["signals"]], 20, "the other's signals")
    assert set(limits) == {7000}, "its own limit, not the strictest of the target"
    daemon.abort(other)
    daemon.pause(job)
    daemon.wait(job, "paused")
    daemon.resume(job)
    done = daemon.wait(job, "completed")
    for step in ("1s", "10s", "1m"):
        until(lambda step=step: total(daemon, job, f"step={step}") == ROWS, 30, f"{step}: all rows are there")
        made = samples(daemon, job, f"step={step}")
        times = [sample["at"] for sample in made["samples"]]
        assert times == sorted(set(times)) and made["next"] is None
        assert total(daemon, job, f"step={step}", "batches") == done["progress"]["batches"]
        assert total(daemon, job, f"step={step}", "sleep_seconds") > 0
        assert all(sample["batches"] == 0 or 0 < sample["batch_seconds"] < 10 for sample in made["samples"])
    fine = samples(daemon, job, "step=1s")["samples"]
    page = samples(daemon, job, f"step=1s&limit=2&since={fine[0]['at']}")
    assert page["samples"] == fine[:2] and page["next"] > fine[1]["at"]
    assert samples(daemon, job, f"since={page['next']}&step=1s")["samples"] == fine[2:]
    assert samples(daemon, job, "since=2020-01-01T00:00:00.000Z")["step_seconds"] == 60
    worst = [sample["signals"] for sample in samples(daemon, job, "step=10s")["samples"]]
    # a target is measured while jobs of it run: the last span may have nothing
    known = [signals["active_sessions"] for signals in worst if signals]
    assert known and all(signal["limit"] == 5000 and signal["value"] >= 0 for signal in known), worst
    for series in (worst, [sample["signals"] for sample in fine]):
        for one in own:  # each of them, however many there are
            seen = [signals[f"signal:{one['name']}"] for signals in series if f"signal:{one['name']}" in signals]
            assert seen and {(signal["value"], signal["limit"]) for signal in seen} == {(float(one["sql"][7:]), one["limit"])}, seen
    daemon.stop()
    daemon.start()
    assert samples(daemon, job, "step=1s")["samples"] == []
    assert worst == [sample["signals"] for sample in samples(daemon, job, "step=10s")["samples"]]
    assert total(daemon, job, "step=10s") == total(daemon, job, "step=1m") == ROWS
    for query in ("step=2s", "since=yesterday", "limit=2001", "since=1"):
        assert daemon.get(f"/v1/jobs/first/samples?{query}").status == 400, query
