"""A small HTTP server of a test's own: it answers as it is told and remembers what it was asked."""
import http.server
import json
import threading
from dataclasses import dataclass


@dataclass
class Asked:
    method: str
    path: str
    headers: dict
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


class Web:
    """`answers`: path (without its query) to a status, something for JSON, or a pair of both; or a function of what was asked.
    Any other path is 404."""

    def __init__(self, answers=None):
        self.answers, self.asked = dict(answers or {}), []
        self.silent = threading.Event()  # set: who asks hears nothing
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, self.rfile.read(length))
                outer.asked.append(asked)
                while outer.silent.is_set() and not outer._closing.wait(0.05):
                    pass
                status, headers, body = outer._answer(asked)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            do_GET = do_POST = answer

            def log_message(self, *_):
                pass
        self._closing = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def _answer(self, asked):
        answer = self.answers.get(asked.path.split("?")[0], 404)
        if callable(answer):
            answer = answer(asked)
        status, content = answer if isinstance(answer, tuple) else (answer, None) if isinstance(answer, int) and answer >= 100 else (200, answer)
        headers = {}
        if isinstance(content, str) and 300 <= status < 400:
            headers, content = {"Location": content}, None
        body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
        return status, headers, body

    def close(self):
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
