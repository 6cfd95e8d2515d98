"""The daemon with Oracle's client library in place of MariaDB's, in a build directory beside the one under test."""
import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLIENT_ROOT = Path(os.environ.get("BACKFILLD_MYSQLCLIENT_ROOT", "/var/tmp/backfilld-lab/mysqlclient-sid"))


def run(*command, **more):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    assert done.returncode == 0, f"{command}: {done.stdout[-6000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def oracle_build(build):
    options = {option["name"]: option["value"] for option in json.loads(run("meson", "introspect", "--buildoptions", build))}
    if options["b_sanitize"] != "none":
        pytest.skip("a sanitizer's build: the plain one was tested with Oracle's library")
    made = subprocess.run([str(ROOT / "tests/lab/mysqlclient-root"), str(CLIENT_ROOT)], capture_output=True, text=True)
    if made.returncode != 0:
        pytest.skip(f"NO LIBMYSQLCLIENT HERE: {made.stderr.strip()[-500:]}")
    where = build.parent / f"{build.name}-oracle"
    if not (where / "meson-info").is_dir():
        run("meson", "setup", where, ROOT, "-Dwerror=true", f"-Dpkg_config_path={CLIENT_ROOT / 'pkgconfig'}")
    run("ninja", "-C", where, "daemon/backfilld", "client/backfillctl")
    return where
