"""The release build that benches measure when BACKFILLD_BUILD names no other."""
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def build_to_measure() -> Path:
    if "BACKFILLD_BUILD" in os.environ:
        return Path(os.environ["BACKFILLD_BUILD"])
    build = ROOT / "build-bench"
    if not (build / "meson-info").is_dir():
        subprocess.run(["meson", "setup", "--buildtype", "release", build, ROOT], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", build, "daemon/backfilld"], check=True, stdout=subprocess.DEVNULL)
    return build
