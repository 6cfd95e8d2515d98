"""The documents against the code: what exists is named, what is named exists."""
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INTERFACE = (ROOT / "docs/interface.md").read_text()
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def section(number) -> str:
    """One section of docs/interface.md."""
    found = re.search(rf"^## {number}\. .*?(?=^## |\Z)", INTERFACE, re.M | re.S)
    assert found, f"docs/interface.md has no section {number}"
    return found.group(0)


def x_list(header, name) -> list:
    """The rows of an X-list: the arguments of each X(...)."""
    text = (ROOT / "include/backfilld" / header).read_text()
    body = re.search(rf"#define {name}\(X\)(.*?[^\\])\n\n", text, re.S).group(1)
    rows = [[word.strip() for word in row.split(",")] for row in re.findall(r"\bX\(([^)\"]*)", body)]
    assert rows
    return rows


def test_every_move_of_the_machine_is_in_the_document_and_no_other():
    table = section(3).split("| from | to |")[1].split("\n\n")[0]
    documented = set()
    for row in re.findall(r"^\| ([a-z_, ]+) \| (.+) \|$", table, re.M):
        for start in row[0].split(", "):
            for end in re.sub(r"\([^)]*\)", "", row[1]).split(","):
                if end.strip() != "–":
                    documented.add((start.strip(), end.strip()))
    # completed, aborted and failed go back to the queue only for a rollback or a resume
    code = {(row[0].lower(), row[1].lower()) for row in x_list("states.h", "BF_MOVES")}
    assert documented == code, f"only in the document: {documented - code}; only in the code: {code - documented}"


def test_every_activity_is_in_the_document():
    missing = [row[1] for row in x_list("states.h", "BF_ACTIVITIES") if f"`{row[1]}`" not in section(3)]
    assert not missing


def test_the_rules_of_risk_are_those_of_the_code():
    build = Path(os.environ.get("BACKFILLD_BUILD", ROOT / "build"))
    rules = subprocess.run([build / "daemon/backfilld", "--print-rules"], check=True, capture_output=True, text=True).stdout
    assert rules in (ROOT / "docs/plan.md").read_text(), "docs/plan.md has other rules than `backfilld --print-rules`"


def test_every_verb_of_the_client_is_in_the_document_and_no_other():
    rows = re.search(r"bf_verbs\[\] = \{(.*?)\n\};", (ROOT / "client/verbs.c").read_text(), re.S).group(1)
    verbs = set(re.findall(r'^    \{"([a-z-]+)"', rows, re.M)) - {"help"}
    named = set()
    for words in re.findall(r"`([a-z|-]+)(?: [^`]*)?`", section(5).split("Exit codes")[0]):
        named.update(words.split("|"))
    assert len(verbs) > 15
    assert verbs <= named, f"not in docs/interface.md: {verbs - named}"
    assert named - verbs <= {"backfillctl", "unix:", ""} | {word for word in named if word.startswith("-")}, named - verbs


def test_exit_codes_of_the_client_are_those_of_the_document():
    text = section(5).split("Exit codes:")[1].split("\n")[0]
    documented = set(map(int, re.findall(r"(?<![\w.])(\d+) [a-z]", text)))
    help_text = (ROOT / "client/exit_code.h").read_text()
    code = set(map(int, re.findall(r"\bX\([A-Z_]+, (\d+)", help_text)))
    assert len(code) > 8
    assert documented <= code and code - documented <= {130}, (documented, code)


def test_every_setting_of_the_sample_is_in_the_document():
    """By its own name, or, where it stands for a field of the job document, by that field's."""
    sample = set(re.findall(r"^;?([a-z_.]+) = ", (ROOT / "config/backfilld.ini").read_text(), re.M))
    settings = set(re.findall(r"^([a-z_.]+) = ", section(6), re.M))
    fields = tuple(re.findall(r"`((?:pace|limits)\.[a-z_.]+)`", section(2)))
    assert len(sample) > 5 and len(fields) > 3
    missing = {name for name in sample - settings if not name.replace("ceiling.", "limits.").startswith(fields)}
    assert not missing, f"in the sample, not in docs/interface.md: {missing}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_paths_lead_somewhere(document):
    text = document.read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"
    for path in re.findall(r"`((?:tests|docs|config|daemon|client|lib|include|systemd)/[\w./-]+)`", text):
        assert (ROOT / path.rstrip("/")).exists(), f"{document.name} names {path}"


def test_every_package_that_meson_needs_is_listed():
    """A file that pkg-config finds belongs to a package of packages.txt."""
    listed = set(re.findall(r"^([a-z0-9.+-]+)$", (ROOT / "packages.txt").read_text(), re.M))
    names = re.findall(r"dependency\('([\w-]+)'\)", (ROOT / "meson.build").read_text())
    assert len(names) > 5
    for name in set(names) - {"threads"}:
        folder = subprocess.run(["pkg-config", "--variable=pcfiledir", name], capture_output=True, text=True).stdout.strip()
        assert folder, f"pkg-config does not know {name}"
        owner = subprocess.run(["dpkg", "-S", f"{folder}/{name}.pc"], capture_output=True, text=True).stdout.split(":")[0]
        assert owner in listed, f"{name} comes from {owner or 'no package'}, which packages.txt does not name"


def test_every_cell_of_the_orders_is_in_the_document():
    """Each order in each state: lib/engine/orders.c, where what is not listed is a conflict, against the table of section 3."""
    text = (ROOT / "lib/engine/orders.c").read_text()
    effects = {(order, state): effect for order, state, effect in
               re.findall(r"\bX\((\w+), (\w+), (ALREADY|MOVE|MOVE_STORED_FIRST|WANT|CHANGE|RETRY), \w+\)", text)}
    assert len(effects) > 25
    table = section(3).split("| state | approve |")[1].split("\n\n")[0]
    orders = ["APPROVE"] + [{"change": "tune"}.get(name, name).upper() for name in re.findall(r"\w+", table.split("\n")[0])]
    assert set(orders) == {row[0] for row in x_list("states.h", "BF_ORDERS")}
    status = {"ALREADY": "200", "MOVE": "202", "MOVE_STORED_FIRST": "202", "WANT": "202", "RETRY": "202", "CHANGE": "200", None: "409"}
    expected, documented = {}, {}
    for row in x_list("states.h", "BF_STATES"):
        for order in orders:
            effect = effects.get((order, row[0]))
            expected[row[1], order] = "200" if order == "APPROVE" and effect else status[effect]
    for row in re.findall(r"^\| (\w+) \| ([\d| ]+) \|$", table, re.M):
        documented.update({(row[0], order): cell for order, cell in zip(orders, row[1].split(" | "))})
    assert documented == expected


def test_every_option_of_the_client_is_in_the_document_with_its_verb():
    code, names = {}, {}
    for constant, name, letter in re.findall(r"X\((\w+), \"([a-z-]+)\", (0|'.'),", (ROOT / "client/verbs.h").read_text()):
        names[constant] = f"`--{name}`" + (f" (`-{letter[1]}`)" if letter != "0" else "")
    assert len(names) > 20
    rows = re.search(r"bf_verbs\[\] = \{(.*?)\n\};", (ROOT / "client/verbs.c").read_text(), re.S).group(1)
    rows = rows.replace("ORDER", "BF_BIT(REASON) | BF_BIT(WAIT) | BF_BIT(TIMEOUT)")
    for verb, bits in re.findall(r'\{"([a-z-]+)", "[^"]*", \d+, \w+,\s*([^"]*?),\s*"', rows):
        options = {names[bit] for bit in re.findall(r"BF_BIT\((\w+)\)", bits)}
        if options:
            code[verb] = options
    documented = {}
    for verbs, options in re.findall(r"^\| ((?:`[a-z-]+`(?:, )?)+) \| (`--.+) \|$", section(5), re.M):
        documented.update({verb: set(options.split(", ")) for verb in re.findall(r"[a-z-]+", verbs)})
    assert len(code) > 15 and documented == code


def test_every_code_is_in_the_document_with_its_status():
    text = section(4)
    problems = re.search(r"^Codes, of problems with their status: (.*)\.$", text, re.M).group(1)
    reasons = re.search(r"^Codes of reasons: (.*); also (.*)\.$", text, re.M)
    documented = {name: int(status) for name, status in re.findall(r"`(\w+)` (\d+)", problems)}
    documented.update({name: 0 for name in re.findall(r"`(\w+)`", reasons.group(1))})
    code = {row[1]: int(row[2]) for row in x_list("codes.h", "BF_CODES")}
    assert code.pop("ok") == 200
    assert len(code) > 50 and documented == code


def test_the_routes_that_are_built_are_marked_in_the_document():
    code = {}
    text = (ROOT / "include/backfilld/api.h").read_text()
    for method, path, handler in re.findall(r'X\(\w+, (\w+), "([^"]+)", \w+, (\w+),', text):
        code[method, path] = handler != "not_built"
    documented = {}
    for mark, method, paths in re.findall(r"^\| (● )?([A-Z]+) (/\S*(?: · /\S*)*) \|", section(4), re.M):
        first = None
        for path in paths.replace("{t}", "{target}").replace("{r}", "{replica}").split(" · "):
            path = path.split("?")[0]
            full = path if first is None or path.startswith("/v1/") else first.rsplit("/", 1)[0] + path
            first = first or full
            documented[method, full] = bool(mark)
    assert len(code) > 30 and documented == code


def test_the_settings_that_are_built_are_those_of_the_document():
    """The note at the end of section 6 has every setting that is built, and none that is not."""
    rows = re.findall(r'\{\{"(?:daemon|target|source)", "([a-z_.]+)", (?:NULL|"[^"]*"), (true|false),', (ROOT / "daemon/config_settings.c").read_text())
    note = section(6).split("> Built:")[1]
    named = {name.split(" = ")[0].rstrip("…") for name in re.findall(r"`([a-z_.…]+(?: = \w+)?)`", note)} - {"auto", "none"}
    assert len(rows) > 12
    assert {name for name, built in rows if built == "true"} == named


def test_the_fields_that_are_not_built_are_those_of_the_document():
    """In the tables of the document a field without a function that reads it is refused."""
    unbuilt, known = set(), 0
    for name in ("document_fields.c", "document_pace.c", "document_signals.c", "document_checks.c", "document_triggers.c"):
        text = (ROOT / "lib/job" / name).read_text()
        for table, body in re.findall(r"bf_field (\w+)_fields\[\] = \{(.*?)\n\};", text, re.S):
            known += body.count('.help = ')
            unbuilt.update((table, field) for field in re.findall(r'\{"(\w+)", \.help', body))
    note = re.search(r"Not yet, `unsupported` at their pointers: (.*?)\. ", section(2)) # there is none while every field is built
    named = set(re.findall(r"`([a-z_.]+)`", note.group(1) if note else ""))
    expected = {field if table == "document" else f"{table}.{field}" for table, field in unbuilt}
    assert known > 60 and named == expected


def test_every_type_of_an_event_is_in_the_document():
    code = set()
    for path in (ROOT / "lib/engine").glob("*.c"):
        code.update(re.findall(r'(?:bf_job_(?:note|record_event)\(job|bf_job_event\(job, [^,"]+|event_of\(engine, [^,"]+), "([a-z_]+)"',
                               path.read_text()))
        code.update(re.findall(r'\.type, sizeof \S+, "([a-z_]+)"', path.read_text()))
    listed = re.search(r"`type` \((.*?)\), `from`", section(4), re.S).group(1)
    schema = re.search(r'\{"Event", "type", "string",\s+"([^"]+)"\}', (ROOT / "daemon/http/openapi_schemas.c").read_text()).group(1)
    assert len(code) > 8
    assert code == set(re.findall(r"`(\w+)`", listed)) == set(schema.split(", "))
