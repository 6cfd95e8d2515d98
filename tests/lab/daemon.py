"""The daemon under test: started with a configuration of its own, killed, stopped, asked; and the client beside it."""
import http.client
import json
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .ports import free_port
from .wait import until

FINAL = ("completed", "aborted", "failed", "refused", "rolled_back")
RESTING = FINAL + ("paused", "awaiting_approval")
# what a sanitizer, the C library or a failed assertion leaves in the log of a daemon that otherwise seemed well
ALARMS = re.compile(r"(?:Address|Leak|Thread|UndefinedBehavior|Memory)Sanitizer|runtime error:|Assertion .* failed|"
                    r"double free|malloc\(\)|stack smashing")


@dataclass
class Answer:
    status: int
    headers: dict
    text: str

    @property
    def json(self):
        return json.loads(self.text)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def document(table, set_, name="job", **more) -> dict:
    """A job document with what every job here has in common; `more` adds or replaces fields."""
    return {"name": name, "target": "shop", "table": table, "set": set_, "undo": "none", **more}


def pace(rows=None, batch_time="250ms", nice=0) -> dict:
    """`rows`: every batch has exactly so many."""
    made = {"batch_time": batch_time, "nice": nice}
    if rows:
        made["batch_rows"] = {"start": rows, "min": rows, "max": rows}
    return made


class Daemon:
    """`targets` and `sources`: name to {key: value} of its section. `listen`: "tcp", "unix", or what stands in the configuration."""

    def __init__(self, build: Path, directory: Path, targets: dict, listen="tcp", settings=None, sources=None):
        self.program = Path(build) / "daemon" / "backfilld"
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.configuration = self.directory / "backfilld.ini"
        self.state = self.directory / "state.db"
        self.log = self.directory / "backfilld.log"
        if listen == "tcp":
            listen = f"127.0.0.1:{free_port()}"
        elif listen == "unix":
            listen = f"unix:{self.directory}/api.sock"
        self.listen = listen
        self.url = listen if listen.startswith("unix:") else f"http://{listen}"
        self.context = None
        self.process = None
        self.run_as = None  # a user, when this one is root
        self.environment = {}  # more than this process has
        self._expected_end = True
        self.sources = sources or {}
        self.configure(targets, settings)

    def configure(self, targets: dict, settings=None):
        lines = ["[daemon]", f"listen = {self.listen}", f"state = sqlite:{self.state}"]
        lines += [f"{key} = {value}" for key, value in (settings or {}).items()]
        for name, section in targets.items():
            # who does not test replicas does not depend on whether there are some
            lines += ["", f"[target {name}]"]
            lines += [f"{key} = {value}" for key, value in {"replicas": "none", "plan_window": "20ms", **section}.items() if value is not None]
        for name, section in self.sources.items():
            lines += ["", f"[source {name}]", *(f"{key} = {value}" for key, value in section.items())]
        self.configuration.write_text("\n".join(lines) + "\n")

    def trust(self, authority: Path):
        """It speaks https, and an authority in this PEM file vouches for it."""
        self.context = ssl.create_default_context(cafile=str(authority))
        self.url = f"https://{self.listen}"
        return self

    # life and death

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self, wait=True):
        assert self.process is None, "the daemon runs already"
        user = []
        if self.run_as and os.getuid() == 0:
            user = [f"--reuid={self.run_as}", f"--regid={pwd.getpwnam(self.run_as).pw_gid}", "--clear-groups"]
            shutil.chown(self.directory, self.run_as)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ["setpriv", *user, "--pdeathsig", "KILL", str(self.program), "-c", str(self.configuration)], stdout=log,
                stderr=log, stdin=subprocess.DEVNULL, env={
                    **os.environ, "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1:strict_string_checks=1",
                    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
                    # a call that hangs is left behind at the end (on_closed_too_late in daemon/main.c), and its thread with it
                    "TSAN_OPTIONS": "second_deadlock_stack=1:report_thread_leaks=0", **self.environment})
        self._expected_end = False
        if wait:
            self.wait_up()
        return self

    def wait_up(self, seconds=20):
        def up():
            if self.process.poll() is not None:
                raise AssertionError(f"the daemon ended at once with {self.process.returncode}:\n{self.log_tail()}")
            try:
                return self.request("GET", "/healthz").status == 200
            except OSError:
                return False
        until(up, seconds, lambda _: f"the daemon answers on {self.listen}:\n{self.log_tail()}")

    def kill9(self):
        """SIGKILL; the process is gone, and waited for, when this returns."""
        self._expected_end = True
        self.process.kill()
        self.process.wait()
        self.process = None

    def killed(self):
        """Something else (a proxy) sent SIGKILL: waits for the end."""
        self._expected_end = True
        code = self.process.wait(20)
        assert code == -signal.SIGKILL, f"the daemon ended with {code}, not by SIGKILL:\n{self.log_tail()}"
        self.process = None

    def restart(self, wait=True):
        """kill -9 and a new start."""
        if self.process:
            self.kill9()
        return self.start(wait)

    def stop(self, seconds=30) -> int:
        """SIGTERM; the exit status."""
        self._expected_end = True
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the daemon did not end within {seconds} s of SIGTERM:\n{self.log_tail()}") from None
        finally:
            self.process = None
        return code

    def hang_up(self, *said) -> str:
        """SIGHUP; gives what the log says of it, once it was heard, and checks that each of `said` is a line's part."""
        offset = len(self.log.read_text())
        self.process.send_signal(signal.SIGHUP)

        def ended():
            text = self.log.read_text()[offset:]
            return text if "was read again" in text or "nothing changed" in text else ""
        text = until(ended, 20, lambda _: self.log_tail())
        for part in said:
            assert any(part in line for line in text.splitlines()), f"{part!r} is not in:\n{text}"
        return text

    def sigstop(self):
        self.process.send_signal(signal.SIGSTOP)
        until(lambda: Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T", 30, "it is stopped")

    def sigcont(self):
        self.process.send_signal(signal.SIGCONT)

    def log_tail(self, lines=25) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def finish(self):
        """At the end of a test: it did not crash, it ends in order, nothing alarming stands in its log."""
        if self.process:
            code = self.process.poll()
            if code is not None:
                self.process = None
                raise AssertionError(f"the daemon ended by itself with {code}:\n{self.log_tail(60)}")
            code = self.stop()
            assert code == 0, f"the daemon ended with {code} at SIGTERM:\n{self.log_tail(60)}"
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        found = ALARMS.search(text)
        assert not found, f"the daemon's log has an alarm:\n{text[max(0, found.start() - 200):found.start() + 6000]}"

    # HTTP

    def request(self, method, path, body=None, headers=None, timeout=20) -> Answer:
        """`body`: something for JSON, or bytes to send as they are. Headers given here win."""
        sent = {}
        if body is not None:
            sent["Content-Type"] = "application/json"
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent.update(headers or {})
        if self.listen.startswith("unix:"):
            connection = _UnixConnection(self.listen[5:], timeout)
        else:
            host, port = self.listen.rsplit(":", 1)
            connection = (http.client.HTTPSConnection(host, int(port), timeout=timeout, context=self.context) if self.context
                          else http.client.HTTPConnection(host, int(port), timeout=timeout))
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            text = response.read().decode()
            return Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, text)
        except http.client.HTTPException as error:
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()

    def get(self, path, **arguments) -> Answer:
        return self.request("GET", path, **arguments)

    def post(self, path, body=None, **arguments) -> Answer:
        return self.request("POST", path, {} if body is None else body, **arguments)

    def submit(self, job: dict) -> dict:
        answer = self.post("/v1/jobs", job)
        assert answer.status == 201, f"submit answered {answer.status}: {answer.text}"
        return answer.json

    @contextmanager
    def held_back(self):
        """What is submitted meanwhile is planned, and begins together when all is ready: a test's jobs are all under way when it
        looks, however long it took to submit them."""
        assert self.post("/v1/pause-all").status == 200
        yield
        assert self.post("/v1/resume-all").status == 200

    def job(self, job) -> dict:
        answer = self.get(f"/v1/jobs/{_id(job)}")
        assert answer.status == 200, f"GET job answered {answer.status}: {answer.text}"
        return answer.json

    def order(self, job, verb, body=None) -> dict:
        answer = self.post(f"/v1/jobs/{_id(job)}/{verb}", body)
        assert answer.status in (200, 202), f"{verb} answered {answer.status}: {answer.text}"
        return answer.json

    def approve(self, job, confirm=None):
        return self.order(job, "approve", {"confirm": confirm} if confirm else {})

    def pause(self, job, reason="a test"):
        return self.order(job, "pause", {"reason": reason})

    def resume(self, job):
        return self.order(job, "resume", {"reason": "a test"})

    def abort(self, job, reason="a test"):
        return self.order(job, "abort", {"reason": reason})

    def events(self, job) -> list:
        answer = self.get(f"/v1/jobs/{_id(job)}/events?limit=500")
        assert answer.status == 200, f"events answered {answer.status}: {answer.text}"
        return answer.json["events"]

    def wait(self, job, *states, seconds=60.0, every=0.01) -> dict:
        """Waits for one of these states; another resting state that lasts ends the wait."""
        last, resting_since = {}, None

        def reached():
            nonlocal resting_since
            last.update(self.job(job))
            if last["state"] in states:
                return True
            # what was ordered a moment ago may not show yet; after 10 s it rests for good
            if last["state"] not in RESTING:
                resting_since = None
            elif resting_since is None:
                resting_since = time.monotonic()
            assert resting_since is None or time.monotonic() - resting_since < 10, (
                f"the job is {last['state']}, not {' or '.join(states)}: {json.dumps(last.get('reason'))}\n"
                f"{self.log_tail()}")
            return False
        until(reached, seconds, lambda _: f"job {_id(job)} is {' or '.join(states)}: it is {last.get('state')}, "
              f"{last.get('activity')}, {json.dumps(last.get('reason'))}\n{self.log_tail()}", every)
        return last

    def wait_stored(self, job, state, seconds=60.0) -> dict:
        """What stops a job takes effect before it is stored, and a kill -9 may come between. Events are read from the store."""
        shown = self.wait(job, state, seconds=seconds)

        def stored():
            return [event for event in self.events(job) if event["type"] == "state"][-1]["to"] == state
        until(stored, seconds, lambda _: f"{state} is stored: {self.events(job)[-5:]}\n{self.log_tail()}")
        return shown

    def wait_reason(self, job, code, seconds=30.0) -> dict:
        last = {}

        def reached():
            last.clear()
            last.update(self.job(job))
            return (last.get("reason") or {}).get("code") == code
        until(reached, seconds, lambda _: f"reason {code}: {json.dumps(last)}\n{self.log_tail()}")
        return last

    def wait_progress(self, job, batches, seconds=60.0) -> dict:
        """Until so many batches are known to be committed."""
        last = {}

        def reached():
            last.update(self.job(job))
            return last["progress"]["batches"] >= batches or last["state"] in FINAL
        until(reached, seconds, lambda _: f"{batches} batches: {json.dumps(last)}\n{self.log_tail()}", 0.005)
        return last

    def wait_holding(self, job, code, seconds=30.0, says="") -> dict:
        last = {}

        def holds():
            last.update(self.job(job))
            reason = last["reason"] or {}
            return last["activity"] == "holding" and reason.get("code") == code and says in reason.get("text", "")
        until(holds, seconds, lambda _: f"holding for {code}: {last.get('activity')}, {last.get('reason')}\n{self.log_tail()}")
        return last

    def wait_going_on(self, job, held, seconds=30.0):
        """After a hold, as wait_holding gave it. A batch may have been under way when the hold began."""
        until(lambda: self.job(job)["progress"]["batches"] > held["progress"]["batches"] + 1, seconds,
              lambda _: f"it goes on: {self.job(job)['reason']}\n{self.log_tail()}")


def is_sanitized(daemon, by="[at]") -> bool:
    return re.search(rf"lib{by}san", Path(f"/proc/{daemon.pid}/maps").read_text()) is not None


def promised(daemon, seconds=1.0) -> float:
    """Within which something has to be in effect. The promise is that of a build without the thread sanitizer, which makes each
    step of the daemon many times as long."""
    return seconds * (5 if is_sanitized(daemon, by="t") else 1)


def _id(job) -> str:
    return job["id"] if isinstance(job, dict) else job


class Client:
    """backfillctl, pointed at a daemon."""

    def __init__(self, build: Path, url: str):
        self.program = Path(build) / "client" / "backfillctl"
        self.environment = {**os.environ, "BACKFILLD_URL": url, "LC_ALL": "C.UTF-8"}
        self.environment.pop("BACKFILLD_TOKEN", None)

    def __call__(self, *arguments, input=None, timeout=60, code=None, environment=None):
        """Runs it to its end; `code`: the exit status that must come."""
        given = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run([str(self.program), *map(str, arguments)], capture_output=True, text=True,
                              timeout=timeout, env={**self.environment, **(environment or {})}, **given)
        assert not ALARMS.search(done.stderr), done.stderr
        if code is not None:
            assert done.returncode == code, (f"backfillctl {' '.join(map(str, arguments))} ended with "
                                             f"{done.returncode}, not {code}\n{done.stdout}{done.stderr}")
        return done

    def json(self, *arguments, **more):
        return json.loads(self("--json", *arguments, **more).stdout)

    def start(self, *arguments, **more):
        """Starts it and gives the Popen object."""
        return subprocess.Popen([str(self.program), *map(str, arguments)], env=self.environment,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                **more)


