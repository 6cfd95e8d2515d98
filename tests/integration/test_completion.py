"""Completion of backfillctl in bash: sourced, and asked as bash asks it."""
import re
import shlex
import subprocess

import pytest

from lab.daemon import FINAL, document, pace
from lab.wait import until

# bash's own: a line is cut at blanks, and "=" and ":" are words of their own
ASK = r"""
source "$1" || exit 9
cd "$2" || exit 9
shift 2
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
set -u
complete -p backfillctl >/dev/null || exit 9
_backfillctl
(( ${#COMPREPLY[@]} == 0 )) || printf '%s\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def complete(build, tmp_path):
    """complete("show --j"): what bash offers for the last word; a blank at the end begins a new one."""
    def ask(line, environment=None, program=build / "client/backfillctl"):
        words = shlex.split(re.sub(r"([:=]+)", r" \1 ", line))
        words += [""] if line.endswith((" ", "=")) or not line else []
        done = subprocess.run(["bash", "-c", ASK, "bash", build / "client/backfillctl.bash", tmp_path, program, *words], capture_output=True, text=True, timeout=30,
                              env={"PATH": "/usr/bin:/bin", "BACKFILLD_URL": "http://127.0.0.1:1", **(environment or {})})
        assert done.returncode == 0 and not done.stderr, done.stderr
        return done.stdout.split()
    return ask


@pytest.fixture
def helped(build):
    def ask(*words):
        return subprocess.run([build / "client/backfillctl", *words, "--help"], capture_output=True, text=True, timeout=30,
                              check=True).stdout
    return ask


def verbs_of(text) -> list:
    built = text[text.index("Verbs:\n"):text.index("Not built yet:" if "Not built yet:" in text else "Options of")]
    return [line.split()[0] for line in built.splitlines()[1:] if line.startswith("  ")]


def test_verbs(complete, helped):
    verbs = verbs_of(helped())
    assert len(verbs) > 10
    assert complete("") == verbs
    assert complete("--json ") == verbs and complete("-u http://localhost:1 ") == verbs
    assert complete("pa") == [verb for verb in verbs if verb.startswith("pa")]
    assert complete("help pl") == ["plan"]
    assert complete("no-such ") == [] and complete("nothing") == []


def test_options_of_every_verb(complete, helped):
    for verb in verbs_of(helped()):
        told = {word.strip(",") for line in helped(verb).splitlines() if line.startswith("  ")
                for word in line.split()[:2] if word.startswith("-")}
        assert set(complete(f"{verb} -")) == told, verb
        assert set(complete(f"{verb} x -")) == told, verb
    assert complete("show --js") == ["--json"]
    assert complete("show --targ") == []


def test_values(complete, tmp_path):
    (tmp_path / "one job.json").touch()
    (tmp_path / "two.json").touch()
    states = complete("list --state ")
    assert set(FINAL) < set(states) and "awaiting_approval" in states and len(states) == 14
    assert complete("list -s pau") == complete("list --state=pau") == ["pausing", "paused"]
    assert complete("list --json --state=") == states
    assert complete("wait job --for comp") == ["completed"]
    assert complete("plan t") == ["two.json"] and complete("submit --watch t") == ["two.json"]
    assert " ".join(complete("plan o")) == "one job.json"
    assert complete("--token-file t") == ["two.json"]
    assert complete("pause x --reason ") == [] and complete("pause x --timeout ") == []
    assert complete("plan two.json ") == [] and complete("list x") == []
    assert complete("token ") == ["new"] and complete("token new ") == []
    assert complete("audit ") == complete("audit ver") == ["verify"] and complete("audit verify t") == ["two.json"]
    assert complete("token new --role ap") == ["approver"] and "anyone" not in complete("token new --role ")


def test_it_is_asked_as_the_line_asks(complete, tmp_path):
    """With the line's own token and authorities: else nothing is offered over https."""
    asked, program = tmp_path / "asked", tmp_path / "backfillctl"
    program.write_text(f"#!/bin/sh\necho \"$*\" > {asked}\n")
    program.chmod(0o755)
    assert complete("-u https://db1:8420 --cacert ca.pem --token-file mine --json show ", program=program) == []
    assert asked.read_text() == "-u https://db1:8420 --cacert ca.pem --token-file mine --json list --limit 500\n"


def test_what_can_be_adopted_comes_from_the_target(complete, make_daemon, database):
    database.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
    first, second = make_daemon(database), make_daemon(database)
    job = first.submit(document("t", {"n": "1"}, name="theirs", pace=pace(10), undo="journal"))
    first.wait(job, "completed")
    here = {"BACKFILLD_URL": second.url}
    until(lambda: second.get("/v1/targets/shop").json["foreign_jobs"], 30, "the target says it")
    until(lambda: complete("adopt ", here) == ["shop"], 30, "the daemon answers within the second that it has")
    assert complete("show ", here) == []
    assert until(lambda: complete("adopt shop ", here), 30, "it is offered") == [job["id"]]
    assert complete("adopt shop ", {"BACKFILLD_URL": first.url}) == []  # it knows it


def test_names_come_from_the_daemon(complete, daemon, database):
    database.execute("CREATE TABLE t (id int PRIMARY KEY, n int)")
    evil = "\"id\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\",\"name\":\"evil\""
    for name in ("orders-1", "orders-2", "other"):
        job = daemon.submit(document("t", {"n": "1"}, name=name, pace=pace(10), labels={"name": "label"}, description=evil,
                                     owner="{" + evil))
        daemon.wait(job, "completed")
    here = {"BACKFILLD_URL": daemon.url}
    assert complete("show ", here) == ["orders-1", "orders-2", "other"]
    assert complete("pause --reason x or", here) == ["orders-1", "orders-2"]
    assert complete("watch orders-1 oth", here) == ["other"]
    assert complete("show orders-1 ", here) == []
    # where the line says is where it is asked
    assert complete(f"-u {daemon.url} show oth") == complete(f"--url={daemon.url} show oth") == ["other"]
    assert complete("list --target ", here) == ["shop"] and complete("plan -t s", here) == ["shop"]
    # nobody there: nothing, and soon
    assert complete("show ") == []
    daemon.sigstop()
    assert complete("show ", here) == []
    daemon.sigcont()
