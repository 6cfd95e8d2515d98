"""Free TCP ports on 127.0.0.1, outside the range that the kernel gives to outgoing connections, so that a port stays
ours while its server restarts."""
import os
import random
import socket

_WORKER = int("".join(filter(str.isdigit, os.environ.get("PYTEST_XDIST_WORKER", ""))) or 7) % 8
_FROM, _PORTS = 20000 + _WORKER * 1500, 1500  # of its own for each of the tests' processes: two at once would take the same
_given = set()
_random = random.Random(os.getpid() ^ int.from_bytes(os.urandom(4), "big"))


def free_port() -> int:
    for _ in range(200):
        port = _random.randrange(_FROM, _FROM + _PORTS)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        if len(_given) > _PORTS // 2:
            _given.clear()
        return port
    raise RuntimeError(f"no free TCP port found on 127.0.0.1 between {_FROM} and {_FROM + _PORTS}")
