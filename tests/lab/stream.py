"""A reader of text/event-stream, as the standard describes it, and many of them at once."""
import http.client
import json
import selectors
import socket
import threading
from dataclasses import dataclass


@dataclass
class Message:
    id: int | None
    event: str
    data: dict


class Stream:
    """Reads in a thread of its own. `messages` is what came; `ended`: the daemon closed the connection."""

    def __init__(self, daemon, path="/v1/events", last=None):
        host, port = daemon.listen.rsplit(":", 1)
        self.connection = (http.client.HTTPSConnection(host, int(port), timeout=60, context=daemon.context) if daemon.context
                           else http.client.HTTPConnection(host, int(port), timeout=60))
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": str(last)} if last is not None else {})
        self.connection.request("GET", path, headers=headers)
        self.socket = self.connection.sock
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.read()
        assert self.response.getheader("Content-Type") == "text/event-stream"
        self.messages, self.ended, self.comments = [], False, 0
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        fields = {}
        try:
            while line := self.response.readline():
                line = line.decode().rstrip("\n")
                if line.startswith(":"):
                    self.comments += 1
                elif line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif "data" in fields:
                    number = fields.get("id")
                    self.messages.append(Message(int(number) if number else None, fields["event"], json.loads(fields["data"])))
                    fields = {}
                else:
                    fields = {}
        except (OSError, http.client.HTTPException, ValueError):
            pass
        self.ended = True

    def of(self, event) -> list:
        return [message for message in list(self.messages) if message.event == event]

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(10)
        self.connection.close()


class Crowd:
    """Many watchers in one thread, that read and throw away; `bytes` is what each got."""

    def __init__(self, daemon, count):
        host, port = daemon.listen.rsplit(":", 1)
        self.selector, self.sockets, self.bytes, self.running = selectors.DefaultSelector(), [], [], True
        for number in range(count):
            made = socket.create_connection((host, int(port)), timeout=20)
            made.sendall(f"GET /v1/events HTTP/1.1\r\nHost: {daemon.listen}\r\nAccept: text/event-stream\r\n\r\n".encode())
            made.setblocking(False)
            self.selector.register(made, selectors.EVENT_READ, number)
            self.sockets.append(made)
            self.bytes.append(0)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while self.running:
            for key, _ in self.selector.select(0.2):
                part = key.fileobj.recv(65536)
                self.bytes[key.data] += len(part)
                if not part:
                    self.selector.unregister(key.fileobj)

    def close(self):
        self.running = False
        self.thread.join(10)
        for made in self.sockets:
            made.close()
        self.selector.close()
