"""Stopping without the store: no room, read-only, a disk that fails, a damaged file. What runs can be stopped, nothing is
lost, the words say what to do, and it heals by itself."""
import errno
import os
import resource
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import pytest

from lab.counted import check, full_speed, make_table, slow_batches
from lab.daemon import document, pace
from lab.wait import until

ROWS = 400


def mount_is_permitted() -> bool:
    with tempfile.TemporaryDirectory() as place:
        if subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], capture_output=True).returncode != 0:
            return False
        return subprocess.run(["umount", place], capture_output=True).returncode == 0


class SmallDisk:
    """The store is on a file system of its own, which is filled to the last byte."""
    words = "make room"

    def __init__(self, daemon, directory):
        self.place = directory / "small"
        self.place.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(self.place)], check=True)
        daemon.state = self.place / "state.db"

    def begin(self, _):
        with open(self.place / "filler", "wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError as error:
                assert error.errno == errno.ENOSPC

    def end(self, _):
        (self.place / "filler").unlink()

    def finish(self):
        subprocess.run(["umount", "-l", str(self.place)], check=True)


class SizeLimit:
    """No file may become larger than the store's log is now."""
    words = "make room"

    def __init__(self, daemon, directory):
        self.state = daemon.state

    def begin(self, daemon):
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (Path(f"{self.state}-wal").stat().st_size, resource.RLIM_INFINITY))

    def end(self, daemon):
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    def finish(self):
        pass


class FailingWrites:
    """The file system answers every write to the store with an error."""
    number = errno.EIO
    words = "its disk fails"

    def __init__(self, daemon, directory):
        library = directory / "fail_writes.so"
        source = Path(__file__).resolve().parents[1] / "lab" / "fail_writes.c"
        subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
        self.control = directory / "fail"
        daemon.environment = {"LD_PRELOAD": str(library), "FAIL_WRITES": str(self.control),
                              "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1:verify_asan_link_order=0"}

    def begin(self, _):
        made = self.control.with_suffix(".new")
        made.write_text(str(self.number))
        made.rename(self.control)

    def end(self, _):
        self.control.unlink()

    def finish(self):
        pass


class ReadOnly(FailingWrites):
    number = errno.EROFS
    words = "make its file system writable"


TROUBLES = [SizeLimit, FailingWrites, ReadOnly] + ([SmallDisk] if mount_is_permitted() else [])


@pytest.fixture(params=TROUBLES, ids=lambda kind: kind.__name__)
def trouble(request, make_daemon, database, tmp_path):
    """With .daemon, not started."""
    daemon = make_daemon(database, start=False)
    made = request.param(daemon, tmp_path)
    # the audit log is not beside it: what cannot be recorded is refused before the store is asked
    daemon.configure({"shop": {"primary": database.url, "require_approval": "none"}}, {"audit": daemon.directory / "audit.log"})
    made.daemon = daemon
    yield made
    daemon.finish()
    made.finish()


def job_of(name, table="counted", **more):
    return document(f"public.{table}", {"n": "n + 1"}, name=name, pace=pace(20), **more)


def begin_two(daemon, database):
    """Two jobs at work, in no hurry."""
    with daemon.held_back():
        for table in ("counted", "other_table"):
            make_table(database, ROWS, table)
        jobs = [daemon.submit(job_of("first")), daemon.submit(job_of("second", "other_table"))]
        for table in ("counted", "other_table"):
            slow_batches(database, 0.3, name=table)
    for job in jobs:
        daemon.wait_progress(job, 1)
    return jobs


def stop(daemon, job, verb):
    answer = daemon.post(f"/v1/jobs/{job['id']}/{verb}")
    assert answer.status == 202, answer.text
    return answer.json


def moves(daemon, job):
    return [(event["from"], event["to"]) for event in daemon.events(job) if event["type"] == "state"]


def sessions(database):
    return database.value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'backfilld 0%'")


def test_what_runs_can_be_stopped_and_nothing_is_lost(trouble, database):
    daemon = trouble.daemon.start()
    first, second = begin_two(daemon, database)
    trouble.begin(daemon)
    assert stop(daemon, first, "pause")["durable"] is False
    assert stop(daemon, second, "abort")["durable"] is False
    daemon.wait(first, "paused")
    daemon.wait(second, "aborted")
    until(lambda: sessions(database) == 0, 30, "nothing of ours runs")
    # what starts something is refused, in words that say what to do
    refused = daemon.post("/v1/jobs", job_of("third"))
    resumed = daemon.post(f"/v1/jobs/{first['id']}/resume")
    for answer in (refused, resumed, daemon.get("/readyz")):
        assert answer.status == 503 and answer.json["code"] == "store_failed", answer.text
        assert trouble.words in answer.json["detail"] and str(daemon.state) in answer.json["detail"], answer.text
        assert "retry-after" in answer.headers
    assert daemon.job(first)["state"] == "paused" and len(daemon.get("/v1/jobs").json["jobs"]) == 2
    assert daemon.get("/healthz").status == 200
    said = [line for line in daemon.log.read_text().splitlines() if "nothing can be submitted" in line]
    assert len(said) == 1 and trouble.words in said[0], said
    assert ("running", "pausing") not in moves(daemon, first)
    # by itself, when it can be
    trouble.end(daemon)
    until(lambda: daemon.get("/readyz").status == 200, 20, lambda _: daemon.log_tail())
    assert "takes writes again" in daemon.log.read_text()
    until(lambda: ("pausing", "paused") in moves(daemon, first) and ("aborting", "aborted") in moves(daemon, second), 30,
          lambda _: f"{moves(daemon, first)} {moves(daemon, second)}")
    assert moves(daemon, first)[-3:] == [("queued", "running"), ("running", "pausing"), ("pausing", "paused")]
    daemon.restart()
    assert daemon.job(first)["state"] == "paused" and daemon.job(second)["state"] == "aborted"
    full_speed(database)
    daemon.resume(first)
    daemon.wait(first, "completed")
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(1, ROWS)]
    assert set(database.rows("SELECT n FROM other_table GROUP BY n")) == {(0,), (1,)}
    check(database, ROWS)


def test_what_runs_goes_on_and_what_was_not_durable_is_forgotten_by_a_crash(trouble, database):
    daemon = trouble.daemon.start()
    first, second = begin_two(daemon, database)
    trouble.begin(daemon)
    full_speed(database)
    daemon.wait(first, "completed")
    assert stop(daemon, second, "pause")["durable"] is False
    daemon.wait(second, "paused")
    daemon.kill9()  # the store says of both that they run
    trouble.end(daemon) if not isinstance(trouble, SizeLimit) else None
    full_speed(database, "other_table")
    daemon.start()
    for job in (first, second):
        daemon.wait(job, "completed")
    for table in ("counted", "other_table"):
        assert database.rows(f"SELECT n, count(*) FROM {table} GROUP BY n") == [(1, ROWS)]


def test_a_stop_in_time_stores_what_was_missing(make_daemon, database, tmp_path):
    daemon = make_daemon(database, start=False)
    trouble = FailingWrites(daemon, tmp_path)
    daemon.start()
    first, _ = begin_two(daemon, database)
    trouble.begin(daemon)
    assert stop(daemon, first, "pause")["durable"] is False
    daemon.wait(first, "paused")
    trouble.end(daemon)
    daemon.stop()
    daemon.start()
    assert daemon.job(first)["state"] == "paused" and ("pausing", "paused") in moves(daemon, first)


def copy_store(daemon, to):
    with sqlite3.connect(daemon.state) as store, sqlite3.connect(to) as copy:
        store.backup(copy)
    store.close()
    copy.close()


def damage(path):
    """Every page but the first of the file itself; and the daemon has to read it again."""
    store = sqlite3.connect(path, isolation_level=None)
    store.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.execute("UPDATE event SET text = text WHERE id = (SELECT max(id) FROM event)")
    with open(path, "r+b") as file:
        size = os.fstat(file.fileno()).st_size
        assert size > 8192
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    store.close()


def test_a_damaged_store(make_daemon, database, tmp_path):
    daemon = make_daemon(database)
    first, second = begin_two(daemon, database)
    copy_store(daemon, tmp_path / "copy.db")
    damage(daemon.state)
    assert stop(daemon, first, "pause")["durable"] is False
    assert stop(daemon, second, "abort")["durable"] is False
    daemon.wait(first, "paused")
    daemon.wait(second, "aborted")
    until(lambda: sessions(database) == 0, 30, "nothing of ours runs")
    refused = daemon.post("/v1/jobs", job_of("third"))
    assert refused.status == 503 and "the file is damaged" in refused.json["detail"], refused.text
    assert "put a copy of the file in its place" in refused.json["detail"]
    events = daemon.get(f"/v1/jobs/{first['id']}/events")
    assert events.status == 503 and "damaged" in events.json["detail"], events.text
    daemon.stop()
    # so it does not start
    daemon.start(wait=False)
    assert daemon.process.wait(30) == 1
    daemon.process = None
    assert "not started" in daemon.log_tail(1) and "the file is damaged" in daemon.log_tail(1)
    # with the copy, which knows less than the target, it goes on where the target is
    for end in ("", "-wal", "-shm"):
        Path(f"{daemon.state}{end}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "copy.db", daemon.state)
    for table in ("counted", "other_table"):
        full_speed(database, table)
    daemon.start()
    for job in (first, second):
        daemon.wait(job, "completed")
    for table in ("counted", "other_table"):
        assert database.rows(f"SELECT n, count(*) FROM {table} GROUP BY n") == [(1, ROWS)]


def test_a_store_that_may_not_be_written_is_said_at_the_start(make_daemon, database):
    daemon = make_daemon(database)
    daemon.stop()
    for path in (daemon.directory, *daemon.directory.parents):
        if path.stat().st_mode & 0o055 != 0o055:
            path.chmod(path.stat().st_mode | 0o055)
    daemon.state.chmod(0o444)
    daemon.run_as = "nobody"  # root may write everything
    daemon.start(wait=False)
    assert daemon.process.wait(30) == 1
    daemon.process = None
    assert f"state store {daemon.state}" in daemon.log_tail(1) and "Permission denied" in daemon.log_tail(1)
