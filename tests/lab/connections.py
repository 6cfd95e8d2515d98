"""Connections of the daemon's clients, as the kernel has them: exact, whatever else is open in this process or elsewhere."""
from pathlib import Path

ESTABLISHED, CLOSE_WAIT = "01", "08"  # the second: the client has closed, and the daemon has not


def open_at(daemon) -> set:
    """The ports of the clients whose connection to the daemon (on TCP) it has not ended."""
    ours = f":{int(daemon.listen.rsplit(':', 1)[1]):04X}"
    rows = [line.split() for line in Path(f"/proc/{daemon.pid}/net/tcp").read_text().splitlines()[1:]]
    return {int(row[2].rsplit(":", 1)[1], 16) for row in rows if row[1].endswith(ours) and row[3] in (ESTABLISHED, CLOSE_WAIT)}
