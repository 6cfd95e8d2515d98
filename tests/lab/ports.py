"""Free TCP ports on 127.0.0.1, outside the range that the kernel gives to outgoing connections, so that a port stays
ours while its server restarts."""
import os
import random
import socket

_random = random.Random(os.getpid() ^ int.from_bytes(os.urandom(4), "big"))


def free_port() -> int:
    for _ in range(200):
        port = _random.randrange(20000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free TCP port found on 127.0.0.1 between 20000 and 32000")
