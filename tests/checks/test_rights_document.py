"""docs/rights.md against config/grants and the tests that it names."""
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from lab.rights import GRANTS, sections  # noqa: E402

DOCUMENT = (ROOT / "docs/rights.md").read_text()
ENGINES = {"postgresql": "PostgreSQL", "mariadb": "MariaDB", "mysql": "MySQL"}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_statements_are_those_that_the_tests_apply(engine):
    shown = re.search(rf"^## {ENGINES[engine]}\n\n```sql\n(.*?)```", DOCUMENT, re.M | re.S)[1]
    assert shown == (GRANTS / f"{engine}.sql").read_text()
    found = sections(engine)
    assert [name for name, (required, _) in found.items() if required] == ["login", "control", "table"]
    told = re.findall(r"^(?!--)(.+;)$", shown, re.M)
    assert sum((statements for _, statements in found.values()), []) == [line.rstrip(";") for line in told]


def test_every_optional_right_is_explained_and_shown_by_a_test():
    rows = re.findall(r"^\| `(\w+)`[^|]* \| ([^|]+) \|(?:[^|]+\|){2} ([^|]+) \|$", DOCUMENT, re.M)
    explained = {(name, engine) for name, on, _ in rows for engine, word in ENGINES.items() if word in on or on == "all"}
    assert explained == {(name, engine) for engine in ENGINES for name, (required, _) in sections(engine).items() if not required}
    for name, _, shown in rows:
        tests = re.findall(r"`(tests/\S+)`: ((?:`\w+`(?:, )?)+)", shown)
        assert tests, f"{name} names no test"
        for path, names in tests:
            for test in re.findall(r"`(\w+)`", names):
                assert f"def {test}(" in (ROOT / path).read_text(), f"{path} has no {test}"


def test_tests_that_the_text_names_exist():
    tests = "".join(path.read_text() for path in (ROOT / "tests/integration").glob("test_*.py"))
    named = re.findall(r"`(test_\w+)`", DOCUMENT)
    assert len(named) > 8 and not [name for name in named if f"def {name}(" not in tests]
