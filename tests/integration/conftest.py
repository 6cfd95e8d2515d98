"""What every integration test has: a real PostgreSQL primary with a replica, a database of its own, the daemon, the
client. The programs come from the build directory BACKFILLD_BUILD (default: build/ in the checkout)."""
import os
import re
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from lab.daemon import Client, Daemon  # noqa: E402
from lab.engines import ENGINES, clusters, new_cluster  # noqa: E402, F401
from lab.mysql_fixtures import my_cluster, my_database, own_my_cluster  # noqa: E402, F401
from lab.postgres_database import Database, make_database  # noqa: E402, F401
from lab.rights import narrow_url  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--campaign", action="store_true", help="the full length of the kill campaigns")
    parser.addoption("--seeds", metavar="N[-M]", help="of the campaigns of random tables: these, in place of 2 or, with --campaign, all")
    parser.addoption("--least-rights", action="store_true", help="daemons come to their servers with the rights of config/grants alone")


# A file's tests share its servers, so one process runs all of them: who takes longest begins first, or the others wait at the end.
LONGEST = ("exactly_once", "locks", "rollback", "mysql_oracle", "mysql_replicas", "mysql_keys", "bad_rows", "inverse", "replicas",
           "mysql_errors", "slices", "server_signals", "ownership", "mysql_trouble", "review", "dashboard", "remaining", "plan")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--least-rights"):
        left_out = [item for item in items if item.get_closest_marker("superuser")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    place = {f"test_{name}.py": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def pytest_generate_tests(metafunc):
    """@pytest.mark.engines(...): the test runs on each of these. What leaves one out says why: because="..."."""
    mark = metafunc.definition.get_closest_marker("engines")
    if mark and "engine" in metafunc.fixturenames:
        assert set(mark.args) == set(ENGINES) or mark.kwargs.get("because"), metafunc.definition.nodeid
        metafunc.parametrize("engine", mark.args, indirect=True, scope="session")


def pytest_terminal_summary(terminalreporter):
    left_out = {}
    for report in terminalreporter.getreports(""):
        left_out.update(value for key, value in getattr(report, "user_properties", []) if key == "engines")
    if left_out:
        terminalreporter.section("what is not the same on every engine")
        for test, why in sorted(left_out.items()):
            terminalreporter.line(f"{test}: {why}")


@pytest.fixture(autouse=True)
def _said(request, record_property):
    """What one engine alone can do stands at the end of every run."""
    mark = request.node.get_closest_marker("engines")
    if mark and mark.kwargs.get("because"):
        record_property("engines", (request.node.originalname, f"{', '.join(mark.args)}: {mark.kwargs['because']}"))


def pytest_configure(config):
    if config.getoption("--least-rights"):
        os.environ["BACKFILLD_LEAST_RIGHTS"] = "1"
    # SIGTERM ends a run as Ctrl-C does: every fixture is finished, every server stopped
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # a shell starts what it runs in the background with SIGINT ignored, and our programs would inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def campaign(request) -> bool:
    return request.config.getoption("--campaign")


@pytest.fixture(scope="session")
def seeds(request):
    """seeds(how many): numbers from 0 on, or those that --seeds names."""
    named = request.config.getoption("--seeds")

    def get(count):
        first, _, last = (named or f"0-{count - 1}").partition("-")
        return range(int(first), int(last or first) + 1)
    return get


@pytest.fixture(scope="session")
def build() -> Path:
    path = Path(os.environ.get("BACKFILLD_BUILD", ROOT / "build"))
    for program in ("daemon/backfilld", "client/backfillctl"):
        if not (path / program).exists():
            pytest.exit(f"{path / program} is not built: run tests/run, or set BACKFILLD_BUILD", 2)
    return path


@pytest.fixture(scope="session")
def engine(request) -> str:
    """PostgreSQL, unless the test is one of several engines."""
    return getattr(request, "param", "postgresql")


@pytest.fixture(scope="session")
def cluster(clusters):
    """The PostgreSQL primary and replica that most tests share; nobody stops or reconfigures these."""
    return clusters("postgresql")


@pytest.fixture
def own_cluster(engine):
    """A cluster of the test's own, to restart, kill and promote."""
    with new_cluster(engine) as running:
        yield running


@pytest.fixture
def database(engine, clusters):
    made = clusters(engine).make_database()
    yield made
    made.drop()


@pytest.fixture
def make_daemon(build, tmp_path_factory, request):
    """make_daemon(database or URL, listen=..., settings={...}, start=True, sources={...}, **keys of the target shop)"""
    made = []
    base = tmp_path_factory.mktemp(re.sub(r"\W+", "_", request.node.name)[:30])

    def make(target, listen="tcp", settings=None, start=True, targets=None, sources=None, **keys) -> Daemon:
        url = target if isinstance(target, str) else target.url
        url = narrow_url(url)
        keys = {**getattr(target, "target", {}), **keys}
        sections = {"shop": {"primary": url, "require_approval": "none", **keys}, **(targets or {})}
        daemon = Daemon(build, base / f"d{len(made)}", sections, listen, settings, sources)
        made.append(daemon)
        return daemon.start() if start else daemon
    yield make
    failures = []
    for daemon in made:
        try:
            daemon.finish()
        except AssertionError as error:
            failures.append(str(error))
    assert not failures, "\n\n".join(failures)


@pytest.fixture
def daemon(make_daemon, database) -> Daemon:
    """A daemon with the test's database as its target `shop`, where no approval is needed."""
    return make_daemon(database)


@pytest.fixture
def client(build, daemon) -> Client:
    return Client(build, daemon.url)
