"""backfillctl and how it reaches the daemon: unix sockets, and what is said where nobody answers."""
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

from lab.daemon import Client
from lab.fake_daemon import BUILD, PROGRAM, Fake, ctl, fake  # noqa: F401


@pytest.mark.parametrize("verb", ["show", "wait", "watch", "events", "pause"])
def test_unreachable_is_5_at_once(ctl, fake, verb):
    fake.stop()
    began = time.monotonic()
    done = ctl(verb, "orders", code=5)
    assert done.stderr.startswith(f"backfillctl: daemon unreachable at {fake.url}: ") and time.monotonic() - began < 20
    done = ctl("-u", "unix:/nowhere/api.sock", verb, "orders", code=5)
    assert (done.stdout, done.stderr) == (
        "", "backfillctl: daemon unreachable at unix:/nowhere/api.sock: No such file or directory\n")


def test_an_order_that_may_have_been_heard(ctl):
    """The connection breaks after the order was sent: the client does not claim to know."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def hang_up():
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.close()
        thread = threading.Thread(target=hang_up)
        thread.start()
        done = ctl("-u", f"http://127.0.0.1:{listener.getsockname()[1]}", "abort", "orders", code=5)
        thread.join()
    assert "the order may have been heard" in done.stderr


def test_unix_socket(tmp_path):
    fake = Fake(unix=str(tmp_path / "api.sock"))
    fake.show("completed")
    assert "completed" in Client(BUILD, fake.url)("show", "orders", code=0).stdout
    assert fake.requests[0]["headers"]["Host"] == "localhost"
    fake.stop()


def test_a_socket_for_others():
    """Who may not use the daemon's socket is told who may."""
    with tempfile.TemporaryDirectory() as folder:
        program, path = Path(folder, "backfillctl"), Path(folder, "api.sock")
        shutil.copy(PROGRAM, program)
        os.chmod(folder, 0o755)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            path.chmod(0)
            other = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
            done = subprocess.run([program, "-u", f"unix:{path}", "list"], capture_output=True, text=True, timeout=30, cwd="/", **other)
    assert done.returncode == 5
    assert done.stderr == (f"backfillctl: daemon unreachable at unix:{path}: Permission denied: it is for its owner and the members "
                           "of its group (of the service: the group backfilld)\n")
