"""Oracle's client library beside MariaDB's: the daemon is built with it, without a warning, and its MySQL suite passes. On
MariaDB that library is of no use: it knows no native passwords any more."""
import os
import sys

import pytest

from lab.oracle_client import ROOT, oracle_build, run  # noqa: F401


def test_it_is_oracles(oracle_build):  # noqa: F811
    linked = run("ldd", oracle_build / "daemon/backfilld")
    assert "libmysqlclient.so" in linked and "libmariadb" not in linked, linked


# what says more of the daemon than of its client library takes its time; --campaign runs that too
ALWAYS = ("test_mysql_tls", "test_mysql_trouble", "test_mysql_threads", "a_hundred_times")


@pytest.mark.timeout(2400)  # a suite in one test
def test_the_suite_on_mysql(oracle_build, tmp_path, campaign):  # noqa: F811
    suite = ROOT / "tests/integration"
    chosen = "mysql and not mariadb and not postgresql" + ("" if campaign else f" and ({' or '.join(ALWAYS)})")
    said = run(sys.executable, "-m", "pytest", "-q", "-c", ROOT / "tests/pytest.ini", suite,
               f"--ignore={suite / 'test_mysql_oracle.py'}", "-k", chosen, "--basetemp", tmp_path / "inner",
               cwd=ROOT, env={**os.environ, "BACKFILLD_BUILD": str(oracle_build)})
    print(said[-400:])
    assert " passed" in said
