"""jobs.d: a directory of documents, each of which is one job, once."""
import json
import os
import sqlite3

import pytest

from lab.counted import full_speed, make_table, slow_batches
from lab.daemon import document, pace
from lab.wait import until


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "jobs.d"
    path.mkdir()
    return path


@pytest.fixture
def daemon(make_daemon, database, directory):
    return make_daemon(database, settings={"jobs": directory}, start=False)


def job_of(name, **more):
    return document("public.counted", {"n": "n + 1"}, name=name, pace=pace(20), **more)


def put(directory, name, content):
    """As a careful writer does: under a hidden name first."""
    text = content if isinstance(content, (str, bytes)) else json.dumps(content)
    (directory / f".{name}.new").write_bytes(text if isinstance(text, bytes) else text.encode())
    os.rename(directory / f".{name}.new", directory / name)


def listed(daemon) -> dict:
    answer = daemon.get("/v1/job-files")
    assert answer.status == 200, answer.text
    return {entry["file"]: entry for entry in answer.json["job_files"]}


def states(daemon) -> dict:
    return {name: entry["state"] for name, entry in listed(daemon).items()}


def wait_states(daemon, **wanted):
    """`wanted`: name without .json to state."""
    wanted = {f"{name}.json": state for name, state in wanted.items()}
    last = {}

    def reached():
        last.clear()
        last.update(listed(daemon))
        # before it was looked at a file waits, too, and there is no reason yet
        return all(last.get(name, {}).get("state") == state and (state != "waiting" or last[name]["reason"])
                   for name, state in wanted.items())
    until(reached, 20, lambda _: f"{wanted}: {json.dumps(last)}\n{daemon.log_tail()}")
    return last


def all_jobs(daemon):
    return daemon.get("/v1/jobs").json["jobs"]


def test_the_same_content_is_one_job(daemon, database, directory):
    make_table(database, 100)
    put(directory, "a.json", job_of("first"))
    daemon.start()
    first = wait_states(daemon, a="submitted")["a.json"]
    done = daemon.wait(first["job"], "completed")
    assert done["name"] == "first" and done["submitted_by"] == "jobs.d" and not first["errors"] and not first["reason"]
    # written in another order, with white space, under other names: the same job
    backwards = json.dumps(dict(reversed(job_of("first").items())), indent=3)
    put(directory, "b.json", backwards)
    os.rename(directory / "a.json", directory / "c.json")
    daemon.hang_up("was read again")
    found = wait_states(daemon, b="submitted", c="submitted")
    assert {entry["job"] for entry in found.values()} == {done["id"]} and "a.json" not in found
    # and after a restart, when only the store remembers
    daemon.stop()
    daemon.start()
    wait_states(daemon, b="submitted", c="submitted")
    assert [job["id"] for job in all_jobs(daemon)] == [done["id"]]
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(1, 100)]
    # a job that a person submitted is the file's job, too; other content is another one
    by_hand = daemon.submit(job_of("by-hand", again=True))
    put(directory, "d.json", job_of("by-hand", again=True))
    put(directory, "e.json", job_of("first", again=True, description="once more"))
    daemon.hang_up("was read again")
    found = wait_states(daemon, d="submitted", e="submitted")
    assert found["d.json"]["job"] == by_hand["id"]
    daemon.wait(by_hand, "completed")
    daemon.wait(found["e.json"]["job"], "completed")
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(3, 100)]


def test_equal_files_that_come_together_are_one_job(daemon, database, directory):
    make_table(database, 100)
    for number in range(12):
        put(directory, f"{number}.json", job_of("one" if number % 2 else "two", again=True))
    daemon.start()
    until(lambda: len(listed(daemon)) == 12 and set(states(daemon).values()) == {"submitted"}, 20,
          lambda _: f"{states(daemon)}\n{daemon.log_tail()}")
    assert len(all_jobs(daemon)) == 2
    assert len({entry["job"] for entry in listed(daemon).values()}) == 2


def test_what_is_no_document_is_reported_and_the_others_go_on(daemon, database, directory):
    make_table(database, 100)
    put(directory, "good.json", job_of("good"))
    put(directory, "faulty.json", {**job_of("faulty"), "sett": {}, "table": 7})
    put(directory, "list.json", "[1, 2]")
    put(directory, "number.json", "7")
    put(directory, "large.json", b" " * (1024 * 1024 + 1))
    put(directory, "wrong-target.json", {**job_of("wrong-target"), "target": "nowhere"})
    (directory / ".hidden.json").write_text(json.dumps(job_of("hidden")))
    (directory / "draft.json~").write_text(json.dumps(job_of("draft")))
    (directory / "README").write_text("jobs of the team")
    (directory / "folder.json").mkdir()
    (directory / "gone.json").symlink_to("/nonexistent")
    os.mkfifo(directory / "fifo.json")
    daemon.start()
    wait_states(daemon, good="submitted", faulty="faulty", list="faulty", number="faulty", large="skipped", folder="skipped",
                gone="skipped", fifo="skipped", **{"wrong-target": "faulty"})
    found = listed(daemon)
    assert {found[name]["state"] for name in (".hidden.json", "draft.json~", "README")} == {"skipped"}
    assert sorted(error["pointer"] for error in found["faulty.json"]["errors"]) == ["/sett", "/table"]
    assert found["wrong-target.json"]["errors"][0]["pointer"] == "/target"
    for name, part in (("large.json", "1 MiB"), ("folder.json", "directory"), ("gone.json", "No such file"),
                       ("fifo.json", "not a file"), ("README", ".json"), (".hidden.json", "hidden")):
        assert part in found[name]["reason"]["text"], found[name]
    daemon.wait(found["good.json"]["job"], "completed")
    text = daemon.log.read_text()
    assert "job file faulty.json: faulty" in text and "job file faulty.json: /table" in text
    # seen again, nothing new is said; corrected, it runs
    put(directory, "faulty.json", job_of("faulty", again=True))
    daemon.hang_up("was read again")
    daemon.wait(wait_states(daemon, faulty="submitted")["faulty.json"]["job"], "completed")
    assert daemon.log.read_text().count("job file large.json") == 1
    assert len(all_jobs(daemon)) == 2


def test_a_file_that_cannot_be_read(daemon, database, directory):
    """Root reads everything, so the daemon runs as somebody else."""
    make_table(database, 10)
    put(directory, "secret.json", job_of("secret"))
    put(directory, "open.json", job_of("open"))
    (directory / "secret.json").chmod(0o600)
    os.chown(directory / "secret.json", 0, 0)
    if os.getuid() != 0:
        (directory / "secret.json").chmod(0)
    daemon.run_as = "nobody"
    for path in (directory, daemon.directory, *directory.parents, *daemon.directory.parents):
        if path.stat().st_mode & 0o055 != 0o055:
            path.chmod(path.stat().st_mode | 0o055)
    daemon.start()
    found = wait_states(daemon, secret="skipped", open="submitted")
    assert "Permission denied" in found["secret.json"]["reason"]["text"]


def test_a_half_written_file_is_read_again(daemon, database, directory):
    make_table(database, 100)
    text = json.dumps(job_of("slow-writer"))
    (directory / "a.json").write_text(text[:40])
    (directory / "never.json").write_text("{")
    daemon.start()
    waiting = wait_states(daemon, a="waiting")["a.json"]
    assert waiting["reason"]["code"] == "not_json" and waiting["job"] is None
    (directory / "a.json").write_text(text)
    daemon.wait(wait_states(daemon, a="submitted")["a.json"]["job"], "completed")
    reported = wait_states(daemon, never="faulty")["never.json"]
    assert reported["reason"]["code"] == "not_json"


def test_a_changed_file_under_a_live_name_is_reported_and_not_run(daemon, database, directory):
    make_table(database, 4000)
    slow_batches(database, 0.05)
    put(directory, "a.json", job_of("live"))
    daemon.start()
    job = wait_states(daemon, a="submitted")["a.json"]["job"]
    daemon.wait_progress(job, 1)
    corrected = job_of("live", where="id <= 2000")
    put(directory, "a.json", corrected)
    daemon.hang_up("was read again")
    changed = wait_states(daemon, a="changed")["a.json"]
    assert changed["job"] == job and changed["reason"]["code"] == "name_in_use" and job in changed["reason"]["text"]
    assert daemon.job(job)["document"].get("where") is None and len(all_jobs(daemon)) == 1
    assert "job file a.json: changed" in daemon.log.read_text()
    # the corrected file of an aborted job
    daemon.abort(job)
    daemon.wait(job, "aborted")
    full_speed(database)
    daemon.hang_up("was read again")
    second = wait_states(daemon, a="submitted")["a.json"]["job"]
    assert second != job
    daemon.wait(second, "completed")
    # the content of the aborted job comes back: it was submitted once
    put(directory, "a.json", job_of("live"))
    daemon.hang_up("was read again")
    assert wait_states(daemon, a="submitted")["a.json"]["job"] == job
    assert len(all_jobs(daemon)) == 2


def test_a_target_that_is_not_reachable_is_tried_again(daemon, database, directory):
    make_table(database, 100)
    nowhere = "postgresql://nobody@127.0.0.1:1/none"
    good = {"primary": database.url, "require_approval": "none"}
    daemon.configure({"shop": {**good, "primary": nowhere}, "other": good}, {"jobs": directory})
    for name in ("a", "b", "c"):
        put(directory, f"{name}.json", job_of(name, again=True))
    put(directory, "d.json", {**job_of("d", again=True), "target": "other"})
    daemon.start()
    found = wait_states(daemon, a="waiting", b="waiting", c="waiting", d="submitted")
    assert {entry["reason"]["code"] for name, entry in found.items() if name != "d.json"} == {"target_down"}
    daemon.configure({"shop": good, "other": good}, {"jobs": directory})
    daemon.hang_up("was read again")
    for entry in wait_states(daemon, a="submitted", b="submitted", c="submitted").values():
        daemon.wait(entry["job"], "completed")
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(4, 100)]


def test_what_the_target_has_done_is_not_done_again_without_the_store(daemon, database, directory):
    make_table(database, 100)
    put(directory, "a.json", job_of("once"))
    daemon.start()
    daemon.wait(wait_states(daemon, a="submitted")["a.json"]["job"], "completed")
    daemon.stop()
    for end in ("", "-wal", "-shm"):
        (daemon.directory / f"state.db{end}").unlink(missing_ok=True)
    daemon.start()
    found = wait_states(daemon, a="skipped")["a.json"]
    assert found["reason"]["code"] == "already_done"
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(1, 100)]


def test_the_directory_comes_goes_and_changes(daemon, database, directory, tmp_path):
    make_table(database, 100)
    other = tmp_path / "other.d"
    other.mkdir()
    put(directory, "a.json", job_of("a", again=True))
    put(other, "b.json", job_of("b", again=True))
    target = {"shop": {"primary": database.url, "require_approval": "none"}}
    daemon.configure(target)
    daemon.start()
    assert daemon.get("/v1/job-files").json == {"directory": None, "trouble": None, "job_files": []}
    daemon.configure(target, {"jobs": directory})
    daemon.hang_up("was read again")
    wait_states(daemon, a="submitted")
    daemon.configure(target, {"jobs": other})
    daemon.hang_up("was read again")
    wait_states(daemon, b="submitted")
    assert daemon.get("/v1/job-files").json["directory"] == str(other) and "a.json" not in states(daemon)
    daemon.configure(target)
    daemon.hang_up("was read again")
    until(lambda: states(daemon) == {}, 30, "no directory, no files")
    for name in ("a", "b"):
        daemon.wait(name, "completed")


def test_a_job_of_a_file_is_remembered_however_old(daemon, database, directory):
    """keep_jobs forgets jobs; but while its file is there, a job that says `again` would run again."""
    make_table(database, 100)
    put(directory, "a.json", job_of("a", again=True))
    daemon.configure({"shop": {"primary": database.url, "require_approval": "none"}}, {"jobs": directory, "keep_jobs": "1d"})
    daemon.start()
    in_file = daemon.wait(wait_states(daemon, a="submitted")["a.json"]["job"], "completed")
    by_hand = daemon.wait(daemon.submit(job_of("by-hand", again=True)), "completed")
    daemon.stop()
    with sqlite3.connect(daemon.state) as store:
        store.execute("UPDATE job SET created_at = created_at - 30 * 86400000, ended_at = ended_at - 30 * 86400000")
    store.close()
    daemon.start()
    wait_states(daemon, a="submitted")
    daemon.hang_up("was read again")
    assert wait_states(daemon, a="submitted")["a.json"]["job"] == in_file["id"]
    # without the file they are both too old: the hangup that takes the directory away looks at all jobs again
    daemon.configure({"shop": {"primary": database.url, "require_approval": "none"}}, {"keep_jobs": "2d"})
    daemon.hang_up("was read again")
    until(lambda: {job["id"] for job in all_jobs(daemon)} <= {in_file["id"]}, 30, "the other one is forgotten")
    assert by_hand["id"] not in {job["id"] for job in all_jobs(daemon)}
    assert database.rows("SELECT n, count(*) FROM counted GROUP BY n") == [(2, 100)]
