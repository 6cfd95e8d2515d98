"""What people should not have to look for: banned calls, the floors, the size of files and functions, gotos, and lists
that must agree. Reads the files of the checkout as they are."""
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 80

# call: why, and what stands for it
BANNED = {
    "strcpy": "no bound; bf_copy_string", "strcat": "no bound; bf_buffer", "sprintf": "no bound; snprintf",
    "vsprintf": "no bound; vsnprintf", "stpcpy": "no bound", "strncpy": "leaves no NUL; memcpy or snprintf",
    "strncat": "its bound is not the buffer's; bf_buffer", "gets": "no bound", "strtok": "static state; strtok_r",
    "atoi": "no errors; strtoll", "atol": "no errors; strtoll", "atof": "no errors; strtod", "alloca": "no limit",
    "system": "a shell", "popen": "a shell", "rand": "predictable; the world's random", "mktemp": "a race; mkstemp",
    "tmpnam": "a race; mkstemp", "localtime": "static state; localtime_r", "gmtime": "static state; gmtime_r",
    "ctime": "static state; strftime", "asctime": "static state; strftime",
    "setjmp": "jumps over clean-up", "longjmp": "jumps over clean-up", "sleep": "blocks the loop; a timer",
    "usleep": "blocks the loop; a timer", "nanosleep": "blocks the loop; a timer",
}
# these stand alone in what links into the daemon: everywhere else memory comes from lib/base/allocate.h
RAW_ALLOCATION = {"malloc", "calloc", "realloc", "strdup", "strndup", "asprintf"}
# folder: the folders whose headers its files may include, and the system headers of others' work that they may use
FLOORS = {
    "include": (set(), set()),
    "lib/base": (set(), {"md"}),
    "lib/job": ({"lib/base"}, {"jansson"}),
    "lib/plan": ({"lib/base", "lib/job", "lib/pace"}, set()),
    "lib/sql": ({"lib/base", "lib/job", "lib/plan"}, {"jansson", "pg_query"}),
    "lib/pace": ({"lib/base"}, set()),
    "lib/port": ({"lib/base", "lib/job", "lib/plan", "lib/sql"}, set()),
    "lib/engine": ({"lib/base", "lib/job", "lib/plan", "lib/sql", "lib/pace", "lib/port"}, {"jansson"}),
    "lib/adapter": ({"lib/base", "lib/job", "lib/plan", "lib/sql", "lib/port"}, {"jansson", "uv", "libpq", "sqlite", "curl"}),
    "daemon": (None, {"jansson", "uv", "microhttpd", "ini", "sqlite", "libpq", "gnutls", "systemd"}),
    "client": ({"lib/base"}, {"jansson", "curl"}),
    "config/man": ({"lib/base", "lib/job", "daemon", "client"}, set()),
}
LIBRARIES = {
    "jansson.h": "jansson", "uv.h": "uv", "libpq-fe.h": "libpq", "libpq-events.h": "libpq", "sqlite3.h": "sqlite",
    "microhttpd.h": "microhttpd", "gnutls/gnutls.h": "gnutls", "gnutls/x509.h": "gnutls", "gnutls/abstract.h": "gnutls", "ini.h": "ini", "curl/curl.h": "curl", "pg_query.h": "pg_query", "sha2.h": "md",
    "systemd/sd-daemon.h": "systemd", "systemd/sd-journal.h": "systemd",
}


def tracked(*patterns) -> list:
    """Files of the project: tracked, or new and not ignored."""
    listed = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard", "-z", "--",
                             *patterns], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return sorted(ROOT / name for name in set(listed.split("\0")) if name and (ROOT / name).is_file())


def short(path) -> str:
    return str(path.relative_to(ROOT))


def code_of(path) -> str:
    """A C file without comments and the insides of strings; lines stay where they are."""
    def blank(match):
        text = match.group(0)
        if text.startswith("/"):
            return re.sub(r"[^\n]", " ", text)
        return text[0] + re.sub(r"[^\n]", "s", text[1:-1]) + text[-1]
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, path.read_text(), flags=re.S)


def shipped() -> list:
    found = [path for path in tracked("*.c", "*.h") if not short(path).startswith("tests/")]
    assert len(found) > 20
    return found


def floor_of(path) -> str:
    name = short(path)
    return next((floor for floor in sorted(FLOORS, key=len, reverse=True) if name.startswith(floor + "/")), "")


def test_no_banned_calls():
    found = []
    names = "|".join(sorted(set(BANNED) | RAW_ALLOCATION))
    for path in shipped():
        for number, line in enumerate(code_of(path).splitlines(), 1):
            for call in re.findall(rf"(?<![\w.>])({names})\s*\(", line):
                if call in BANNED:
                    found.append(f"{short(path)}:{number}: {call}: {BANNED[call]}")
                elif short(path) != "lib/base/allocate.c":
                    found.append(f"{short(path)}:{number}: {call}: lib/base/allocate.h")
    assert not found, "\n".join(found)


def test_floors_see_only_those_below():
    owner = {}
    for path in shipped():
        if path.suffix == ".h":
            owner.setdefault(path.name, set()).add(floor_of(path))
    found = []
    for path in shipped():
        floor = floor_of(path)
        if not floor:
            found.append(f"{short(path)}: stands on no floor")
            continue
        below, libraries = FLOORS[floor]
        for number, line in enumerate(path.read_text().splitlines(), 1):
            include = re.match(r'\s*#\s*include\s*(["<])([^">]+)', line)
            if not include:
                continue
            quote, name = include.groups()
            if quote == "<":
                if LIBRARIES.get(name, "") and LIBRARIES[name] not in libraries:
                    found.append(f"{short(path)}:{number}: {floor} must not know {name}")
                continue
            homes = owner.get(Path(name).name, set())
            allowed = homes & ({floor, "include"} | below) if below is not None else homes
            if not allowed:
                found.append(f"{short(path)}:{number}: {floor} must not include {name} of {', '.join(homes) or 'nowhere'}")
    assert not found, "\n".join(found)


def test_every_floor_is_named_once_in_meson():
    root = (ROOT / "meson.build").read_text()
    folders = re.findall(r"^subdir\('([^']+)'\)", root, re.M)
    assert folders[-1] == "tests"
    assert set(folders) - {"tests"} >= set(FLOORS) - {"include"}


def test_files_are_short():
    long = [f"{short(path)}: {lines} lines, at most {FILE_LINES_MAX}"
            for path in tracked("*.c", "*.h", "*.py", "*.js", "*.css", "*.html", "*.sh", "quickstart", "tests/run",
                                "tests/lab/*", "tests/bench/*")
            if (lines := path.read_text().count("\n")) > FILE_LINES_MAX]
    assert not long, "\n".join(long)


def functions_of(path):
    """(first line, last line, name) of each C function: its braces stand in the first column."""
    lines = code_of(path).splitlines()
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{" and start is None:
            start = number
            head = " ".join(lines[max(0, number - 6):number - 1])
            names = re.findall(r"(\w+)\s*\(", head.rsplit(";", 1)[-1].rsplit("}", 1)[-1])
        elif line == "}" and start is not None:
            yield start, number, names[0] if names else "?"
            start = None


def test_functions_are_short():
    found, seen = [], 0
    for path in tracked("*.c"):
        for start, end, name in functions_of(path):
            seen += 1
            if end - start - 1 > FUNCTION_LINES_MAX:
                found.append(f"{short(path)}:{start}: {name}: {end - start - 1} lines, at most {FUNCTION_LINES_MAX}")
    assert seen > 50
    assert not found, "\n".join(found)


def test_goto_goes_forward_only():
    found = []
    for path in tracked("*.c"):
        lines = code_of(path).splitlines()
        for start, end, _ in functions_of(path):
            for number in range(start, end):
                jump = re.search(r"\bgoto\s+(\w+)\s*;", lines[number - 1])
                if jump and not any(re.match(rf"\s*{jump.group(1)}\s*:", line) for line in lines[number:end]):
                    found.append(f"{short(path)}:{number}: goto {jump.group(1)} goes back")
    assert not found, "\n".join(found)


def test_nothing_promises_later_work():
    word = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
    found = [f"{short(path)}:{number}: {line.strip()}"
             for path in tracked("*.c", "*.h", "*.py", "*.build", "*.md", "quickstart", "tests/run")
             for number, line in enumerate(path.read_text().splitlines(), 1) if word.search(line)]
    assert not found, "\n".join(found)


def test_tests_do_not_sleep_and_do_not_skip():
    found = []
    for path in tracked("tests/integration/*.py"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            # a test may be kept for the campaign, for no other reason
            if re.search(r"\btime\.sleep\(|pytest\.skip|mark\.skip|xfail", line) and "--campaign" not in line:
                found.append(f"{short(path)}:{number}: {line.strip()}")
    assert not found, "wait for the event (lab.wait.until):\n" + "\n".join(found)


@pytest.mark.parametrize("sentence", ["./quickstart", "tests/run"])
def test_readme_names_the_commands_that_exist(sentence):
    assert f"`{sentence}`" in (ROOT / "README.md").read_text()
    program = ROOT / sentence
    assert program.is_file() and program.stat().st_mode & 0o111
