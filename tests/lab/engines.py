"""The servers that every engine-neutral test runs on: PostgreSQL, MariaDB, MySQL. A cluster is started when the first test
asks for it and lives until the last one is over. Where MySQL cannot be had, its part is skipped and says why."""
import pytest

from .mysql import MyCluster, mysql_missing
from .postgres import Cluster

ENGINES = ("postgresql", "mariadb", "mysql")


def new_cluster(engine, **options):
    """Not started yet."""
    if engine == "postgresql":
        return Cluster(**options)
    why = mysql_missing() if engine == "mysql" else ""
    if why:
        pytest.skip(f"NO MYSQL HERE: {why}")
    return MyCluster(engine, **options)


@pytest.fixture(scope="session")
def clusters():
    """clusters(engine): the primary and replica that tests share; nobody stops or reconfigures these."""
    running = {}

    def get(engine):
        if engine not in running:
            running[engine] = new_cluster(engine).start()
        return running[engine]
    yield get
    for cluster in running.values():
        cluster.stop()
