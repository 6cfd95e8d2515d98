"""Hundreds of jobs on one daemon: some that run, some that hold outside of their windows, most of them paused at their
canaries after they ran; what one of them costs in memory, and how late the daemon's loop comes while they are there."""
import datetime
import re
from pathlib import Path

from .daemon import Daemon, document, pace
from .wait import until

RUNNING_ROWS = 200_000


class ManyJobs:
    """`running` of the jobs go on for minutes, `holding` wait for a window, the rest is paused. Targets: shop and night, the
    same database."""

    def __init__(self, database, count, running=10, holding=40, rows=RUNNING_ROWS):
        self.database, self.count, self.running, self.holding, self.rows = database, count, running, holding, rows

    def targets(self, **keys) -> dict:
        common = {"primary": self.database.url, "require_approval": "none", **keys}
        return {"shop": {**common, "max_jobs": "10"}, "night": {**common, "max_jobs": str(max(self.holding, 1))}}

    def make_tables(self):
        with self.database.connect() as connection:
            for number in range(self.count):
                rows = self.rows if number < self.running else 20
                connection.execute(f"CREATE TABLE t{number} (id bigint PRIMARY KEY, n integer NOT NULL DEFAULT 0)")
                connection.execute(f"INSERT INTO t{number} SELECT g FROM generate_series(1, {rows}) g")

    def document(self, number) -> dict:
        made = document(f"public.t{number}", {"n": "n + 1"}, name=f"job-{number}", where="n < 1000000",
                        owner="team-orders", labels={"campaign": "many"}, description="one of many")
        if number < self.running:
            return {**made, "pace": {**pace(50), "max_rows_per_second": 500}}
        if number < self.running + self.holding:
            opens = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=3)
            window = [{"from": opens.strftime("%H:%M"), "to": (opens + datetime.timedelta(hours=1)).strftime("%H:%M")}]
            return {**made, "target": "night", "pace": {"window": window}}
        return {**made, "canary": {"rows": 5}, "pace": pace(5)}

    def warm_up(self, daemon: Daemon):
        """What every daemon has after its first job is no job's."""
        for target in ("shop", "night"):
            with self.database.connect() as connection:
                connection.execute(f"CREATE TABLE first_{target} (id bigint PRIMARY KEY, n integer)")
                connection.execute(f"INSERT INTO first_{target} VALUES (1, 0)")
            job = daemon.submit(document(f"public.first_{target}", {"n": "1"}, name=f"first-{target}", target=target))
            daemon.wait(job, "completed")
        for path in ("/metrics", "/v1/targets", "/v1/jobs?limit=500"):
            assert daemon.get(path).status == 200

    def submit(self, daemon: Daemon):
        """Those that are to be paused first: they take the places on their target only for a moment."""
        for number in reversed(range(self.count)):
            daemon.submit(self.document(number))
        wanted = {"paused": self.count - self.running - self.holding, "running": self.running + self.holding}
        wanted = {state: count for state, count in wanted.items() if count}
        until(lambda: self.states(daemon) == wanted, 120,
              lambda _: f"{wanted}, and they are {self.states(daemon)}\n{daemon.log_tail()}", 0.2)

    def states(self, daemon) -> dict:
        found = {}
        for line in daemon.get("/metrics").text.splitlines():
            state = re.match(r'backfilld_state\{.*state="(\w+)"\} 1', line)
            if state and 'job="first-' not in line:
                found[state.group(1)] = found.get(state.group(1), 0) + 1
        return found


def resident(daemon) -> int:
    """Bytes."""
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M).group(1)) * 1024


class LoopLag:
    """Since it was made: which share of the daemon's own looks at its loop came at most so late?"""

    def __init__(self, daemon):
        self.daemon, self.before = daemon, self._read(daemon)

    @staticmethod
    def _read(daemon) -> dict:
        text = daemon.get("/metrics").text
        return {bound: int(count) for bound, count in re.findall(r'backfilld_loop_lag_seconds_bucket\{le="([^"]+)"\} (\d+)', text)}

    def shares(self) -> dict:
        """Bound in seconds: share; and "looks"."""
        now = self._read(self.daemon)
        looks = now["+Inf"] - self.before["+Inf"]
        assert looks > 0
        return {"looks": looks, **{float(bound): (now[bound] - self.before[bound]) / looks for bound in now if bound != "+Inf"}}
