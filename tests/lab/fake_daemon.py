"""A daemon made of scripted answers, and backfillctl pointed at it."""
import json
import os
import queue
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from .daemon import Client

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BACKFILLD_BUILD", ROOT / "build")).resolve()
PROGRAM = BUILD / "client" / "backfillctl"
ID = "01JD6T4K0000000000000000ZZ"
STATES = ("planning", "awaiting_approval", "queued", "running", "verifying", "pausing", "paused", "aborting", "aborted",
          "completed", "failed", "refused", "rolling_back", "rolled_back")


def job(state="running", name="orders", fraction=0.421, **more) -> dict:
    progress = {"rows_scanned": 421000, "rows_changed": 420000, "rows_estimated": 1000000, "fraction": fraction,
                "rate": 18230.4, "eta_seconds": 192, "batches": 281, "batch_rows": 1500, "pass": 1}
    made = {"id": ID, "name": name, "target": "shop", "table": "public.orders", "state": state,
            "activity": "batching" if state == "running" else None, "direction": "forward", "reason": None,
            "progress": progress, "created_at": "2026-11-21T02:40:00.000Z", "updated_at": "2026-11-21T02:45:00.000Z"}
    return {**made, **more}


def reason(text, code="operator") -> dict:
    return {"code": code, "since": "2026-11-21T02:44:00.000Z", "until": None, "text": text}


def problem(status, code="invalid", title="The document is not valid", detail="look", **more):
    return status, {"type": f"urn:backfilld:{code}", "title": title, "status": status, "detail": detail, "code": code,
                    **more}, {"Content-Type": "application/problem+json"}


class Stream:
    """An answer of text/event-stream, to one client after the other; what is said to nobody waits for the next one."""

    def __init__(self):
        self.parts, self.opened = queue.Queue(), 0

    def say(self, event, data, number=None):
        head = f"id: {number}\n" if number is not None else ""
        self.parts.put(f"{head}event: {event}\ndata: {json.dumps(data)}\n\n".encode())

    def end(self):
        """Closes the connection of the one who listens."""
        self.parts.put(None)

    def serve(self, handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(b"retry: 2000\n\n")
        self.opened += 1
        while (part := self.parts.get()) is not None:
            handler.wfile.write(part)
        handler.close_connection = True


class Fake:
    """A daemon of scripted answers. `answers[(method, path)]`: an answer, or a list of them used one after the other, the
    last one again and again; an answer is (status, JSON or bytes[, headers]), a Stream, or a function of the request giving
    one."""

    def __init__(self, unix=None):
        self.answers, self.requests, self.connections = {}, [], 0
        self._lock = threading.Lock()
        self.unix, self.port, self.server = unix, 0, None
        self.start()

    def start(self):
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = not fake.unix

            def handle_any(self):
                fake.handle(self)
            do_GET = do_POST = do_PATCH = handle_any

            def setup(self):
                with fake._lock:
                    fake.connections += 1
                    fake._open.append(self.request)
                super().setup()

            def address_string(self):
                return "client"

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            address_family = socket.AF_UNIX if fake.unix else socket.AF_INET

            def server_bind(self):  # without the name look-up of HTTPServer
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                self.socket.bind(self.server_address)
                self.server_name, self.server_port = "localhost", 0

            def handle_error(self, *_):
                pass  # a client that went away

        self._open = []
        self.server = Server(self.unix or ("127.0.0.1", self.port), Handler)
        if not self.unix:
            self.port = self.server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self):
        return f"unix:{self.unix}" if self.unix else f"http://127.0.0.1:{self.port}"

    def handle(self, handler):
        length = int(handler.headers.get("Content-Length") or 0)
        parts = urlsplit(handler.path)
        request = {"method": handler.command, "path": parts.path, "query": parse_qs(parts.query), "raw_query": parts.query,
                   "headers": handler.headers, "body": handler.rfile.read(length), "at": time.monotonic()}
        with self._lock:
            self.requests.append(request)
            answer = self.answers.get((handler.command, parts.path))
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Stream):
            answer.serve(handler)
            return
        status, body, *headers = answer or problem(404, "not_found", "No such thing", f"no answer for {parts.path}")
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **(headers[0] if headers else {})}
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def stop(self):
        """Closes everything, as a daemon that was killed."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self._thread.join()
            with self._lock:
                for connection in self._open:
                    try:
                        connection.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
            self.server = None

    def show(self, *states, name="orders", **more):
        """GET of the job answers with these states, one after the other; by name and by id."""
        answers = [(200, state if isinstance(state, dict) else job(state, name, **more)) for state in states]
        shared = answers  # one list for both paths, so that the order is kept
        self.answers[("GET", f"/v1/jobs/{name}")] = self.answers[("GET", f"/v1/jobs/{ID}")] = shared


@pytest.fixture
def fake():
    made = Fake()
    yield made
    made.stop()


@pytest.fixture
def ctl(fake):
    return Client(BUILD, fake.url)
