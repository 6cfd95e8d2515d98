"""What looks for planted passwords in everything that the daemon and the client ever said."""
import subprocess
from pathlib import Path

from .daemon import Client


def secret_file(path, secret) -> Path:
    path.write_text(f"{secret}\n")
    path.chmod(0o600)
    return path


class Ear:
    """Everything that was said, by where. No word of `secrets` may be in it."""

    def __init__(self, *secrets):
        self.secrets, self.heard = secrets, {}

    def hear(self, where, said):
        self.heard[where] = self.heard.get(where, b"") + (said if isinstance(said, bytes) else said.encode())

    def listen_to(self, daemon):
        request = daemon.request

        def asked(method, path, *arguments, **more):
            answer = request(method, path, *arguments, **more)
            self.hear(f"{method} {path}", f"{answer.headers} {answer.text}")
            return answer
        daemon.request = asked

    def look_at(self, build, daemon, jobs):
        """Whatever the daemon and the client show, now."""
        for path in ("/v1/jobs", "/v1/targets", "/v1/targets/shop", "/v1/events?limit=500", "/v1/job-files", "/readyz", "/healthz",
                     "/v1/openapi.json", "/metrics"):
            daemon.get(path)
        for job in jobs:
            for path in ("", "/plan", "/events?limit=500"):
                daemon.get(f"/v1/jobs/{job['id']}{path}")
        client = Client(build, daemon.url)
        for arguments in (("targets",), ("list",), ("show", jobs[0]["id"]), ("events", jobs[0]["id"])):
            done = client(*arguments)
            self.hear(f"backfillctl {arguments[0]}", done.stdout + done.stderr)
        self.hear("the command line", Path(f"/proc/{daemon.pid}/cmdline").read_bytes())
        self.hear("the environment", Path(f"/proc/{daemon.pid}/environ").read_bytes())

    def look_at_files(self, daemon):
        """What a daemon that was stopped leaves."""
        self.hear("the log", daemon.log.read_bytes())
        for path in Path(daemon.directory).iterdir():
            if path.name.startswith("state.db"):
                self.hear(path.name, path.read_bytes())

    def check_config(self, daemon, code):
        done = subprocess.run([daemon.program, "--check-config", "-c", daemon.configuration], capture_output=True)
        assert done.returncode == code, done
        self.hear("--check-config", done.stdout + done.stderr)

    def check(self):
        for where, said in self.heard.items():
            for secret in self.secrets:
                at = said.find(secret.encode())
                assert at < 0, f"{secret} in {where}: {said[max(0, at - 200):at + 200]!r}"
