"""debian/ against the rest of the tree: one list of packages, one version, every installed file in one package."""
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEBIAN = ROOT / "debian"
# every Debian package is built with these at hand
BUILD_ESSENTIAL = {"gcc", "libc6-dev"}
# of debhelper's own, which packages.txt has in a section of its own
HELPERS = {"debhelper-compat (= 13)", "dh-sequence-installsysusers"}


@pytest.fixture
def build() -> Path:
    return Path(os.environ.get("BACKFILLD_BUILD", ROOT / "build"))


def paragraphs() -> list:
    """Those of debian/control, as {field: value}."""
    found = []
    for text in (DEBIAN / "control").read_text().split("\n\n"):
        folded = re.sub(r"\n[ \t]+", " ", text.strip())
        found.append(dict(re.match(r"([\w-]+):\s*(.*)", line).groups() for line in folded.split("\n")))
    return found


def names(field) -> list:
    return [re.split(r"\s", name)[0] if not name.startswith("debhelper") else name for name in re.split(r",\s*", field)]


def section(name) -> set:
    body = re.search(rf"^\[{name}\]\n(.*?)(?=^\[|\Z)", (ROOT / "packages.txt").read_text(), re.M | re.S)[1]
    return set(re.findall(r"^([a-z0-9.+-]+)$", body, re.M))


def test_what_it_is_built_with_is_the_one_list():
    needed = names(paragraphs()[0]["Build-Depends"])
    assert len(needed) == len(set(needed)) and HELPERS <= set(needed)
    assert set(needed) - HELPERS == section("build") - BUILD_ESSENTIAL


def test_the_version_is_that_of_the_programs():
    version = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text())[1]
    last = re.match(r"backfilld \(([^)]+)\) \S+; urgency=\w+\n", (DEBIAN / "changelog").read_text())
    assert last and last[1] == version
    trailer = re.search(r"^ -- (.*)  \S", (DEBIAN / "changelog").read_text(), re.M)[1]
    assert trailer == paragraphs()[0]["Maintainer"]


def test_every_installed_file_is_in_one_package(build, tmp_path):
    """As debian/rules configures it: a file that no package has would end the build, one that does not exist, too."""
    options = re.search(r"dh_auto_configure -- (.*)", (DEBIAN / "rules").read_text())[1].split()
    known = set(re.findall(r"option\('(\w+)'", (ROOT / "meson_options.txt").read_text()))
    assert {option.split("=")[0].removeprefix("-D") for option in options} <= known
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--destdir", tmp_path, "--quiet"], check=True,
                   capture_output=True, env={**os.environ, "PYTHONWARNINGS": "ignore"})
    prefix = next(path for path in tmp_path.rglob("sbin")).parent
    installed = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if path.is_file()}
    claimed = {}
    packages = [paragraph["Package"] for paragraph in paragraphs()[1:]]
    assert set(packages) == {"backfilld", "backfillctl"}
    for package in packages:
        for line in (DEBIAN / f"{package}.install").read_text().splitlines():
            source, *target = line.split()
            if target:
                assert (ROOT / source).is_file(), line
                continue
            path = source.removeprefix("usr/")
            files = {name for name in installed if name == path or name.startswith(f"{path}/")}
            assert files, f"debian/{package}.install: {source} is not installed"
            for name in files:
                assert name not in claimed, f"{name}: in {claimed[name]} and in {package}"
                claimed[name] = package
    assert set(claimed) == installed
    assert {name: package for name, package in claimed.items() if "bin/" in name} == {
        "sbin/backfilld": "backfilld", "bin/backfillctl": "backfillctl"}


def test_named_files_exist():
    for name in ("backfilld.docs", "backfilld.examples"):
        for line in (DEBIAN / name).read_text().split():
            assert list(ROOT.glob(line)), f"debian/{name}: {line}"


@pytest.mark.parametrize("script", sorted(path.name for path in DEBIAN.glob("*.p*")) + ["rules"])
def test_scripts(script):
    path = DEBIAN / script
    assert path.stat().st_mode & 0o111
    if script == "rules":
        assert subprocess.run(["make", "-n", "-f", path, "override_dh_auto_configure"], cwd=ROOT, capture_output=True).returncode == 0
        return
    assert subprocess.run(["sh", "-n", path]).returncode == 0
    lines = path.read_text().splitlines()
    assert lines[:2] == ["#!/bin/sh", "set -e"] and "#DEBHELPER#" in lines


def test_the_installed_configuration_has_no_fault(build, tmp_path):
    text = (DEBIAN / "backfilld.ini").read_text()
    assert "/etc/backfilld/jobs.d" in text
    path = tmp_path / "backfilld.ini"
    for tried in (text, text.replace(";[target shop]", "[target shop]").replace(";primary", "primary").replace(";password_file", "password_file")):
        path.write_text(tried.replace("/etc/backfilld/jobs.d", str(tmp_path)))
        said = subprocess.run([build / "daemon/backfilld", "--check-config", "-c", path], capture_output=True, text=True)
        assert said.returncode == 0, said.stderr
    assert "1 target" in said.stdout
