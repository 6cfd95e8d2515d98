"""Fixtures of the tests on MariaDB and MySQL alone; each test runs on both."""
import pytest

from .engines import new_cluster
from .mysql_database import make_database

FLAVOURS = ("mariadb", "mysql")


@pytest.fixture(scope="session", params=FLAVOURS)
def my_cluster(request, clusters):
    """The primary and replica that most tests share; nobody stops or reconfigures these."""
    running = clusters(request.param)
    print(f"\n{request.param}: {running.primary.version()}")
    return running


@pytest.fixture(params=FLAVOURS)
def own_my_cluster(request):
    """A cluster of the test's own, to restart, kill and promote."""
    with new_cluster(request.param) as running:
        yield running


@pytest.fixture
def my_database(my_cluster):
    made = make_database(my_cluster)
    yield made
    made.drop()
