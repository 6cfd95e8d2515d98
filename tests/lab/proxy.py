"""A proxy between the daemon and PostgreSQL that understands the protocol (version 3).

What the client sends is gathered up to its Sync (or simple Query) into a Group, which a handler may forward whole, in
part, or not at all; answers can be swallowed, delayed, counted. So a test can end the daemon at an exact point of a
transaction without any hook in the daemon, or cut the client's side while the server still works."""
import os
import re
import signal
import socket
import struct
import threading
import time

from .sockets import Gone, read_exactly

SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
FLUSH = b"H\x00\x00\x00\x04"
_COMMENT = re.compile(r"^(?:\s|/\*.*?\*/|--[^\n]*\n)*", re.S)
_FENCE = re.compile(r"\bUPDATE\b.*\bcheckpoint\b.*\bcount\s*\(", re.S | re.I)


def verb(sql: str) -> str:
    words = _COMMENT.sub("", sql).split(None, 1)
    return words[0].rstrip(";").upper() if words else ""


def _read_message(sock):
    head = read_exactly(sock, 5)
    return head[:1], head + read_exactly(sock, struct.unpack("!I", head[1:])[0] - 4)


def _string(data, start):
    end = data.index(b"\0", start)
    return data[start:end].decode("utf-8", "replace"), end + 1


class Group:
    """What the client wants done before its next Sync: `items` are (type, bytes, SQL text or None)."""

    def __init__(self, connection):
        self.connection = connection
        self.items = []
        self.batch_number = 0  # 1, 2, ... over all connections of the proxy, for batches only

    @property
    def statements(self) -> list:
        return [sql for kind, _, sql in self.items if kind in (b"E", b"Q") and sql is not None]

    @property
    def verbs(self) -> list:
        return [verb(sql) for sql in self.statements]

    @property
    def is_batch(self) -> bool:
        """One transaction with a fence in it."""
        verbs = self.verbs
        return "BEGIN" in verbs and "COMMIT" in verbs and any(_FENCE.search(sql) for sql in self.statements)

    def forward(self):
        self.connection.to_server(b"".join(raw for _, raw, _ in self.items),
                                  sum(kind in (b"S", b"Q") for kind, _, _ in self.items))

    def forward_without_commit(self):
        """Everything before COMMIT, and a Flush; waits until the server has carried it out."""
        sent, executed = [], 0
        for kind, raw, sql in self.items:
            if sql is not None and verb(sql) == "COMMIT":
                break
            sent.append(raw)
            executed += kind == b"E"
        else:
            raise AssertionError("the group has no COMMIT")
        self.connection.to_server(b"".join(sent) + FLUSH, 0)
        self.connection.wait_completed(executed)

    def forward_commit(self):
        """What forward_without_commit kept back; waits until it is carried out."""
        rest = [raw for kind, raw, sql in self.items if kind == b"S" or (sql or "").endswith("COMMIT")]
        self.connection.to_server(b"".join(rest), 1)
        self.connection.wait_answered()


class Connection:
    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.mute = False        # answers are read but not passed on
        self.keep_server = False # when the client goes, the server's side stays open
        self.completed = 0       # statements that the server answered
        self.refused = 0         # errors that it answered with; what stands behind one is not carried out
        self.ready = 0           # ReadyForQuery that came
        self.relayed = 0         # ReadyForQuery that were passed on to the client
        self.synced = 0          # Sync and Query that were sent
        self.round_trips = 0     # groups that the client sent when it had every answer
        self._statements, self._portals = {}, {}
        self._changed = threading.Condition()
        self._base = self._refused_before = 0

    # for handlers

    def to_server(self, data, syncs):
        with self._changed:
            self.synced += syncs
            self._base, self._refused_before = self.completed, self.refused
        try:
            self.server.sendall(data)
        except OSError as error:
            raise Gone from error

    def _wait(self, condition, what, seconds=30):
        with self._changed:
            if not self._changed.wait_for(condition, seconds):
                raise AssertionError(f"proxy: after {seconds} s still not: {what}")

    def wait_completed(self, count):
        """`count` statements since the last to_server, or those up to one that the server refused (a row that a writer holds)."""
        self._wait(lambda: self.completed - self._base >= count or self.refused > self._refused_before, f"{count} statements answered")

    def wait_answered(self):
        """Everything that was sent up to a Sync is answered."""
        self._wait(lambda: self.ready >= self.synced, "all answers came")

    def cut_client(self, keep_server=True):
        """The client loses its connection; the server does not learn of it until close_server."""
        self.keep_server = keep_server
        self.mute = True
        _close(self.client, reset=True)

    def close_server(self):
        _close(self.server)

    # the two directions

    def run_frontend(self):
        try:
            group = Group(self)
            while True:
                kind, raw = _read_message(self.client)
                group.items.append((kind, raw, self._learn(kind, raw)))
                if kind in b"SQHXcfd" or kind == b"p":
                    self._dispatch(group)
                    group = Group(self)
        except (Gone, OSError):
            pass
        finally:
            _close(self.client)
            if not self.keep_server:
                _close(self.server)

    def _learn(self, kind, raw):
        """Which SQL text a message is about."""
        if kind == b"P":
            name, at = _string(raw, 5)
            self._statements[name] = _string(raw, at)[0]
            return self._statements[name]
        if kind == b"B":
            portal, at = _string(raw, 5)
            self._portals[portal] = self._statements.get(_string(raw, at)[0])
            return self._portals[portal]
        if kind == b"E":
            return self._portals.get(_string(raw, 5)[0])
        if kind == b"D":
            return (self._statements if raw[5:6] == b"S" else self._portals).get(_string(raw, 6)[0])
        return _string(raw, 5)[0] if kind == b"Q" else None

    def _dispatch(self, group):
        if self.relayed >= self.synced:
            self.round_trips += 1
        handler = self.proxy.handler
        if group.is_batch:
            group.batch_number = self.proxy.next_batch()
        try:
            handled = handler(group) if handler else False
        except AssertionError as error:
            self.proxy.failures.append(str(error))
            raise Gone from error
        if not handled:
            group.forward()

    def _relay(self, raw):
        try:
            self.client.sendall(raw)
        except OSError:
            if not self.keep_server:
                raise
            self.mute = True  # cut off while this answer was on its way: the server must not notice

    def run_backend(self):
        try:
            while True:
                kind, raw = _read_message(self.server)
                with self._changed:
                    self.completed += kind in (b"C", b"I")
                    self.refused += kind == b"E"
                    self.ready += kind == b"Z"
                    if kind == b"C" and raw[5:] == b"COMMIT\0":
                        self.proxy.commits += 1
                    self._changed.notify_all()
                if self.proxy.delay and kind == b"Z":
                    time.sleep(self.proxy.delay)
                if not self.mute:
                    self.relayed += kind == b"Z"
                    self._relay(raw)
        except (Gone, OSError):
            pass
        finally:
            with self._changed:
                self._changed.notify_all()
            _close(self.server)
            _close(self.client)


def _close(sock, reset=False):
    try:
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    if reset:
        # close() alone does not wake a reader that waits on this socket in another thread
        try:
            sock.shutdown(socket.SHUT_RD)
        except OSError:
            pass
    sock.close()


class Proxy:
    """`upstream`: (host, port). `handler(group)` gives true when it has dealt with the group itself."""

    def __init__(self, upstream, handler=None):
        self.upstream, self.handler = upstream, handler
        self.refuse = False      # new connections are closed at once
        self.delay = 0.0         # seconds before each ReadyForQuery is passed on
        self.commits = 0         # COMMITs that the server carried out
        self.batches = 0         # batches that the client sent
        self.cancels = 0
        self.failures = []       # what a handler waited for in vain
        self.connections = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, database) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def next_batch(self) -> int:
        with self._lock:
            self.batches += 1
            return self.batches

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.refuse:
                _close(client)
                continue
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            while True:
                head = read_exactly(client, 8)
                length, code = struct.unpack("!II", head)
                if code in (SSL_REQUEST, GSS_REQUEST):
                    client.sendall(b"N")
                    continue
                head += read_exactly(client, length - 8)
                break
            server = socket.create_connection(self.upstream, timeout=10)
            server.settimeout(None)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.sendall(head)
        except (Gone, OSError):
            _close(client)
            return
        if code == CANCEL_REQUEST:
            self.cancels += 1
            try:
                server.recv(1)  # the server closes when it has dealt with it
            except OSError:
                pass
            _close(server)
            _close(client)
            return
        connection = Connection(self, client, server)
        connection.synced = 1  # the start-up packet is answered with ReadyForQuery too
        with self._lock:
            self.connections.append(connection)
        threading.Thread(target=connection.run_backend, daemon=True).start()
        connection.run_frontend()

    def close(self):
        _close(self._listener)
        with self._lock:
            connections = list(self.connections)
        for connection in connections:
            connection.keep_server = False
            _close(connection.client)
            _close(connection.server)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
        assert not self.failures, self.failures


BOUNDARIES = ("before BEGIN", "before COMMIT", "after COMMIT, before the answer", "after the answer")


def kill9(pid) -> bool:
    """False: it is dead, by the batch of another slice."""
    try:
        os.kill(pid(), signal.SIGKILL)
    except (AttributeError, ProcessLookupError):
        return False
    return True


class KillAt:
    """A handler that ends a process by SIGKILL at one boundary of the batches for which `chosen(number)` holds.
    `pid`: gives the process to end. Sets `struck` each time."""

    def __init__(self, boundary, pid, chosen=lambda number: True):
        assert boundary in BOUNDARIES
        self.boundary, self.pid, self.chosen = boundary, pid, chosen
        self.struck = threading.Event()
        self.kills = 0

    def __call__(self, group) -> bool:
        if not group.is_batch or not self.chosen(group.batch_number):
            return False
        connection = group.connection
        if self.boundary == "before COMMIT":
            connection.mute = True
            group.forward_without_commit()
        elif self.boundary != "before BEGIN":
            connection.mute = self.boundary == "after COMMIT, before the answer"
            group.forward()
            connection.wait_answered()
        if kill9(self.pid):
            self.kills += 1
            self.struck.set()
        return True
