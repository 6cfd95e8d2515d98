"""What every integration test has: a real PostgreSQL primary with a replica, a database of its own, the daemon, the
client. The programs come from the build directory BACKFILLD_BUILD (default: build/ in the checkout)."""
import itertools
import os
import re
import signal
import sys
from pathlib import Path

import psycopg
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from lab.daemon import Client, Daemon  # noqa: E402
from lab.mysql_fixtures import my_cluster, my_database, own_my_cluster  # noqa: E402, F401
from lab.postgres import Cluster  # noqa: E402
from lab.wait import until  # noqa: E402

_numbers = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--campaign", action="store_true", help="the full length of the kill campaigns")


def pytest_configure(config):
    # SIGTERM ends a run as Ctrl-C does: every fixture is finished, every server stopped
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def campaign(request) -> bool:
    return request.config.getoption("--campaign")


@pytest.fixture(scope="session")
def build() -> Path:
    path = Path(os.environ.get("BACKFILLD_BUILD", ROOT / "build"))
    for program in ("daemon/backfilld", "client/backfillctl"):
        if not (path / program).exists():
            pytest.exit(f"{path / program} is not built: run tests/run, or set BACKFILLD_BUILD", 2)
    return path


@pytest.fixture(scope="session")
def cluster():
    """The primary and replica that most tests share; nobody stops or reconfigures these."""
    with Cluster() as running:
        yield running


@pytest.fixture
def own_cluster():
    """A cluster of the test's own, to restart, kill and promote."""
    with Cluster() as running:
        yield running


class Database:
    """One database on one server, with a connection in autocommit mode."""

    def __init__(self, server, name):
        self.server, self.name, self._connection = server, name, None

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def connect(self, **arguments):
        return self.server.connect(self.name, **arguments)

    @property
    def connection(self):
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = self.connect()
        return self._connection

    def execute(self, sql, parameters=None):
        try:
            return self.connection.execute(sql, parameters)
        except psycopg.OperationalError:
            if not self._connection.closed:
                raise
            return self.connection.execute(sql, parameters)  # the server was restarted since the last statement

    def rows(self, sql, parameters=None) -> list:
        return self.execute(sql, parameters).fetchall()

    def row(self, sql, parameters=None):
        return self.execute(sql, parameters).fetchone()

    def value(self, sql, parameters=None):
        return self.row(sql, parameters)[0]

    def wait_quiet(self):
        """Until no session of a killed daemon works here any more: it ends what it had begun."""
        until(lambda: self.value("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'backfilld %'") == 0,
              30, "no session of the daemon is left")

    def close(self):
        if self._connection is not None:
            self._connection.close()


def make_database(server, name=None) -> Database:
    name = name or f"test_{os.getpid()}_{next(_numbers)}"
    with server.connect() as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return Database(server, name)


@pytest.fixture
def database(cluster):
    made = make_database(cluster.primary)
    yield made
    made.close()
    with cluster.primary.connect() as connection:
        connection.execute(f'DROP DATABASE "{made.name}" WITH (FORCE)')


@pytest.fixture
def make_daemon(build, tmp_path_factory, request):
    """make_daemon(database or URL, listen=..., settings={...}, start=True, **keys of the target shop)"""
    made = []
    base = tmp_path_factory.mktemp(re.sub(r"\W+", "_", request.node.name)[:30])

    def make(target, listen="tcp", settings=None, start=True, targets=None, **keys) -> Daemon:
        url = target if isinstance(target, str) else target.url
        sections = {"shop": {"primary": url, "require_approval": "none", **keys}, **(targets or {})}
        daemon = Daemon(build, base / f"d{len(made)}", sections, listen, settings)
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
