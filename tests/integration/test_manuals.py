"""The manual pages: each renders without a warning and has every option, verb, setting, field, state and exit code that the
programs themselves tell of. And what `meson install` puts where."""
import json
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"backfilld.8", "backfilld.ini.5", "backfillctl.1", "backfill-job.5"}


def run(*words, **arguments) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, **arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr, done.stderr
    return done.stdout


def rendered(path) -> str:
    """As people read it on a terminal, without hyphenation and marks; a warning is an error."""
    return run("groff", "-man", "-ww", "-Tutf8", "-rHY=0", "-rLL=200n", "-P-cbou", path)


@pytest.fixture
def pages(build) -> dict:
    found = {path.name: rendered(path) for path in (build / "config/man").glob("*.[158]")}
    assert set(found) == PAGES
    return found


def has_entry(page: str, text: str):
    """A paragraph's head, and something below it that is further in."""
    return re.search(rf"^( +){re.escape(text)}(?![\w-]).*\n(?:\1\S.*\n)?\1 +\S", page, re.M)


def test_every_page_is_whole(pages):
    for name, page in pages.items():
        stem, section = name.rsplit(".", 1)
        assert page.startswith(f"{stem}({section})"), page[:100]
        for heading in ("NAME", "DESCRIPTION", "SEE ALSO"):
            assert re.search(rf"^{heading}$", page, re.M), f"{name}: {heading}"
        assert not re.search(r"@[a-z-]+@", page), f"{name} has a part that nothing was put into"
        for other, number in re.findall(r"\b(backfill[\w.-]*)\((\d)\)", page):
            assert f"{other}.{number}" in PAGES, f"{name} names {other}({number})"


def test_options_of_the_daemon(pages, build):
    options = re.findall(r"^  (-\w, --[\w-]+(?: [A-Z]+)?)", run(build / "daemon/backfilld", "--help"), re.M)
    assert len(options) >= 5
    assert not [option for option in options if not has_entry(pages["backfilld.8"], option)]


def test_verbs_and_options_of_the_client(pages, build):
    page, program = pages["backfillctl.1"], build / "client/backfillctl"
    overview = run(program, "--help")
    verbs = re.findall(r"^  ([a-z-]+)(?: .*)?$", re.search(r"^Verbs:\n.*?(?=\nOptions)", overview, re.M | re.S)[0], re.M)
    assert len(verbs) >= 20
    for verb in verbs:
        assert has_entry(page, verb), verb
        told = run(program, verb, "--help")
        below = page.split("\n", 1)[1]
        for option in re.findall(r"^  +((?:-\w, )?--[\w-]+(?: [A-Z=]+)?)", told, re.M):
            if "(not built yet)" not in told:
                assert has_entry(below, option), f"{verb}: {option}"
    for code, meaning in re.findall(r"^ +(\d+)  (.+)$", overview, re.M):
        assert re.search(rf"^ +{code}\n +{re.escape(meaning[:1].upper() + meaning[1:])}\.$", page, re.M), code
    for state in re.findall(r"^    X\(\w+, (\w+), (?:true|false)\)", (ROOT / "include/backfilld/states.h").read_text(), re.M):
        assert re.search(rf"\b{state}\b", page[page.index("STATES"):]), state
    for variable in re.findall(r"^  ([A-Z_]{4,}) ", overview, re.M):
        assert has_entry(page, variable), variable


def test_settings_of_the_daemon(pages):
    """The sample has every setting that is built; a test of the daemon holds it against the code."""
    page = pages["backfilld.ini.5"]
    settings = re.findall(r"^;?([a-z_.]+) = (.*)$", (ROOT / "config/backfilld.ini").read_text(), re.M)
    assert len(settings) >= 8
    for key, value in settings:
        group = re.match(r"(pace|limits|ceiling|risk)\.", key)
        assert has_entry(page, f"{group[0]}FIELD" if group else key), key
    for heading in ("[daemon]", "[target NAME]", "TOKENS"):
        assert re.search(rf"^{re.escape(heading)}$", page, re.M)


def paths_of(schema, prefix=""):
    for name, inner in schema.get("properties", {}).items():
        yield prefix + name, inner
        yield from paths_of(inner, f"{prefix}{name}.")
        yield from paths_of(inner.get("items", {}), f"{prefix}{name}[].")


def test_fields_of_the_document(pages, make_daemon):
    daemon = make_daemon("postgresql://nobody@127.0.0.1:1/nowhere")
    schema = daemon.get("/v1/openapi.json").json["components"]["schemas"]["JobDocument"]
    page = pages["backfill-job.5"]
    fields = dict(paths_of(schema))
    assert len(fields) > 30
    for path, inner in fields.items():
        if re.match(r"checks\.(canary|after)\[\]", path):
            assert re.search(r"Its fields are those of checks\.before\[\]\.", page)
            continue
        entry = has_entry(page, path)
        assert entry, path
        text = re.sub(r"\s+", " ", page[entry.start():entry.start() + 1000])
        assert re.sub(r"\s+", " ", inner["description"].split(". From ")[0].split(". Not built")[0]) in text, path
        if "default" in inner and not isinstance(inner["default"], bool):
            assert f"default {json.dumps(inner['default'])}".replace('"', "") in text.replace('"', ""), path
        assert ("not built yet" in text.split(")")[0]) == (inner.get("x-built") is False), path


def test_install(build, tmp_path):
    """Everything that a package has, under DESTDIR and nowhere else."""
    run("meson", "install", "-C", build, "--no-rebuild", "--destdir", tmp_path, "--quiet",
        env={**os.environ, "PYTHONWARNINGS": "ignore"})
    prefix = next(path for path in tmp_path.rglob("sbin")).parent
    found = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
    pages = {f"share/man/man{page[-1]}/{page}" for page in PAGES}
    assert found == {"sbin/backfilld", "bin/backfillctl", "share/doc/backfilld/backfilld.ini",
                     "share/bash-completion/completions/backfillctl.bash", "lib/systemd/system/backfilld.service",
                     "lib/sysusers.d/backfilld.conf", "lib/tmpfiles.d/backfilld.conf"} | pages
    started = re.findall(r"^ExecStart=(\S+)", (prefix / "lib/systemd/system/backfilld.service").read_text(), re.M)
    assert started == [f"/{(prefix / 'sbin/backfilld').relative_to(tmp_path)}"]
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {prefix / name for name in found}
    assert run(prefix / "bin/backfillctl", "--version").startswith("backfillctl ")
    assert run(prefix / "sbin/backfilld", "--version").startswith("backfilld ")
    assert "no fault" in run(prefix / "sbin/backfilld", "--check-config", "-c", prefix / "share/doc/backfilld/backfilld.ini")
    for page in pages:
        rendered(prefix / page)
