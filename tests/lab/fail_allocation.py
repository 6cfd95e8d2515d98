"""The library that lets a daemon's allocations fail (fail_allocation.c), made."""
import subprocess
from pathlib import Path

import pytest


def make(build, directory) -> Path:
    linked = subprocess.run(["ldd", build / "daemon/backfilld"], capture_output=True, text=True, check=True).stdout
    if "libasan" in linked or "libtsan" in linked:
        pytest.skip("a sanitizer brings an allocator of its own, and does not know this one")
    made = Path(directory) / "fail_allocation.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", str(made), str(Path(__file__).with_suffix(".c"))], check=True)
    return made
