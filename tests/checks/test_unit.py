"""The files for systemd: what the unit leaves open is little, and says what the programs do."""
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "systemd/backfilld.service"
EXPOSURE_MOST = 1.5


def settings() -> dict:
    """Each setting of the unit, with its values in order."""
    found = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.M):
        found.setdefault(key, []).append(value)
    return found


def test_what_the_unit_leaves_open():
    said = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE_MOST * 10:.0f}", UNIT],
                          capture_output=True, text=True)
    figure = re.search(r"Overall exposure level for backfilld\.service: ([0-9.]+)", said.stdout)
    assert figure, said.stdout + said.stderr
    print(f"exposure of backfilld.service: {figure[1]} (at most {EXPOSURE_MOST})")
    assert said.returncode == 0 and float(figure[1]) <= EXPOSURE_MOST, said.stdout


def test_systemd_understands_every_line(tmp_path):
    """An unknown key or a value that is none is a warning to systemd; here it is an error."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/sbin/backfilld", "/bin/true"))
    said = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit], capture_output=True, text=True)
    assert said.returncode == 0 and not said.stderr, said.stderr
    unit.write_text(unit.read_text().replace("ProtectSystem=", "ProtectSystems="))
    said = subprocess.run(["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit], capture_output=True, text=True)
    assert "ProtectSystems" in said.stderr, "or this test finds nothing"


def test_the_unit_is_as_the_daemon():
    unit = settings()
    assert unit["Type"] == ["notify"] and unit["NotifyAccess"] == ["main"]
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    main = (ROOT / "daemon/main.c").read_text()
    drain, give_up, close = (int(re.search(rf"\b{name} = (\d+)", main)[1]) for name in ("DRAIN_TIME", "GIVE_UP_TIME", "CLOSE_TIME"))
    assert drain + give_up + close < 10_000 < int(unit["TimeoutStopSec"][0].removesuffix("s")) * 1000
    # the socket's uids say who gives an order, and /proc/sys has the boot's id
    assert not unit.keys() & {"PrivateUsers", "ProcSubset", "PrivateNetwork", "DynamicUser"}
    assert unit["LimitCORE"] == ["0"]


def test_its_user_and_folders_are_the_same_everywhere():
    unit = settings()
    user, = re.findall(r'^u (\S+) - "\w+" (\S+)$', (ROOT / "systemd/backfilld.sysusers").read_text(), re.M)
    assert unit["User"] + unit["Group"] == [user[0]] * 2
    rows = re.findall(r"^d (\S+) +(\d+) (\S+) +(\S+) +-$", (ROOT / "systemd/backfilld.tmpfiles").read_text(), re.M)
    folders = {path: (mode, owner, group) for path, mode, owner, group in rows}
    assert folders["/run/" + unit["RuntimeDirectory"][0]] == (unit["RuntimeDirectoryMode"][0], user[0], user[0])
    assert folders["/var/lib/" + unit["StateDirectory"][0]] == (unit["StateDirectoryMode"][0], user[0], user[0])
    assert user[1] == "/var/lib/" + unit["StateDirectory"][0]
    name, folder = unit["LoadCredential"][0].split(":")
    assert folders[folder] == ("0700", "root", "root")
    installed = (ROOT / "debian/backfilld.ini").read_text()
    assert f"credential:{name}_" in installed
    jobs = re.search(r"^jobs = (\S+)$", installed, re.M)[1]
    assert folders[jobs][2] == user[0] and set(folders) == {"/etc/backfilld", jobs, folder, "/run/backfilld", "/var/lib/backfilld"}
    assert re.search(r"^listen = unix:/run/backfilld/", installed, re.M)
