"""Fixtures of the tests on MariaDB and MySQL; each test runs on both. Where MySQL cannot be had, its half is skipped and
says why."""
import itertools
import os

import pytest

from .mysql import MyCluster, mysql_missing
from .mysql_database import MyDatabase

FLAVOURS = ("mariadb", "mysql")
_numbers = itertools.count(1)


def _start(flavour) -> MyCluster:
    why = mysql_missing() if flavour == "mysql" else ""
    if why:
        pytest.skip(f"NO MYSQL HERE: {why}")
    return MyCluster(flavour)


@pytest.fixture(scope="session", params=FLAVOURS)
def my_cluster(request):
    """The primary and replica that most tests share; nobody stops or reconfigures these."""
    with _start(request.param) as running:
        print(f"\n{request.param}: {running.primary.version()}")
        yield running


@pytest.fixture(params=FLAVOURS)
def own_my_cluster(request):
    """A cluster of the test's own, to restart, kill and promote."""
    with _start(request.param) as running:
        yield running


def make_my_database(cluster) -> MyDatabase:
    return MyDatabase(cluster, f"test_{os.getpid()}_{next(_numbers)}").create()


@pytest.fixture
def my_database(my_cluster):
    my_cluster.primary.sql("DROP DATABASE IF EXISTS backfilld")
    made = make_my_database(my_cluster)
    yield made
    made.execute(f"DROP DATABASE {made.name}")
    made.close()
