"""A proxy between the daemon and MySQL or MariaDB that knows where a command begins. A batch is one command (COM_QUERY with
many statements), which a handler may forward whole, without its COMMIT, or not at all; answers can be swallowed. Logins go
through as they are, so the URL says ssl-mode=disabled."""
import socket
import struct
import threading

from .proxy import BOUNDARIES, kill9
from .sockets import Gone, close, read_packet
from .wait import until

COM_QUERY = 3


class Command:
    """One command of the client."""

    def __init__(self, connection, packet):
        self.connection, self.packet = connection, packet
        self.batch_number = 0  # 1, 2, ... over all connections of the proxy, for batches only

    @property
    def sql(self) -> str:
        return self.packet[5:].decode("utf-8", "replace") if self.packet[4] == COM_QUERY else ""

    @property
    def is_batch(self) -> bool:
        return "BEGIN" in self.sql and "@backfilld_changed = 0" in self.sql and "COMMIT" in self.sql

    def forward(self):
        self.connection.to_server(self.packet)

    def forward_without_commit(self):
        """What stands before COMMIT, as a command of its own."""
        sql = self.sql
        self.send(sql[:sql.rindex("; /* backfilld", 0, sql.rindex("*/ COMMIT"))])

    def send(self, sql):
        """Something else in its place."""
        body = bytes([COM_QUERY]) + sql.encode()
        self.connection.to_server(struct.pack("<I", len(body))[:3] + b"\0" + body)

    def forward_commit(self):
        """What forward_without_commit kept back."""
        self.connection.to_server(b"\x07\0\0\0\x03COMMIT")


class Connection:
    def __init__(self, proxy, client, server):
        self.proxy, self.client, self.server = proxy, client, server
        self.mute = False  # answers are read and thrown away
        self.keep_server = False  # when the client goes, the server's side stays open
        self.orphan = False  # its client was killed
        for side in (client, server):  # else each answer of several packets waits for the last one's acknowledgement
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for work in (self._up, self._down):
            threading.Thread(target=work, daemon=True).start()

    def to_server(self, data):
        try:
            self.server.sendall(data)
        except OSError as error:
            raise Gone from error

    def cut_client(self):
        """The client's side is reset; the server knows nothing of it."""
        self.mute = self.keep_server = True
        close(self.client)

    def close_server(self):
        close(self.server)

    def _up(self):
        first = True
        try:
            while True:
                packet = read_packet(self.client)
                command = Command(self, packet)
                if packet[3] or first:  # the login's packets have higher numbers
                    first = False
                    self.to_server(packet)
                elif not self.proxy.handle(command):
                    command.forward()
        except Gone:
            if not self.keep_server:
                close(self.server)
            close(self.client)
        except Exception as error:  # of a handler: said at the end, and nobody is left hanging
            self.proxy.errors.append(error)
            close(self.server)
            close(self.client)

    def _down(self):
        try:
            while True:
                data = self.server.recv(1 << 16)
                if not data:
                    break
                if not self.mute:
                    self.client.sendall(data)
        except OSError:
            pass
        close(self.server)
        if not self.mute:
            close(self.client)


class MyProxy:
    """`handler(command)` returns True when it did something with the command itself."""

    def __init__(self, server):
        self.upstream, self.handler, self.batches, self.connections, self.errors = server, None, 0, [], []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, database) -> str:
        return f"mysql://backfill@127.0.0.1:{self.port}/{database}?ssl-mode=disabled"

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self.upstream.port))
            except OSError:
                if self._listener.fileno() < 0:
                    return
                close(client)
                continue
            self.connections.append(Connection(self, client, server))

    def handle(self, command) -> bool:
        if command.is_batch:
            with self._lock:
                self.batches += 1
                command.batch_number = self.batches
        handler = self.handler
        return bool(handler and handler(command))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.handler = None
        close(self._listener)
        for connection in self.connections:
            close(connection.client)
            close(connection.server)
        assert not self.errors, self.errors


class KillAt:
    """SIGKILL for the daemon at one boundary of each batch that `chosen(number)` says. `database` looks at the target."""

    def __init__(self, boundary, pid, database, chosen=lambda number: True):
        assert boundary in BOUNDARIES
        self.boundary, self.pid, self.database, self.chosen = boundary, pid, database, chosen
        self.struck, self.kills = threading.Event(), 0

    def _kill(self, command):
        command.connection.orphan = True
        if kill9(self.pid):
            self.kills += 1
            self.struck.set()

    def _committed(self, before) -> bool:
        """False: it was not, because it was fenced or met a locked row."""
        connection = self.database.connect()
        try:
            with connection.cursor() as cursor:
                def moved():
                    cursor.execute("SELECT SUM(seq) FROM backfilld.checkpoint")
                    return cursor.fetchone()[0] != before
                until(moved, 5, "the batch is committed", every=0.002)
            return True
        except TimeoutError:
            return False
        finally:
            connection.close()

    def _seq(self):
        connection = self.database.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT SUM(seq) FROM backfilld.checkpoint")
                return cursor.fetchone()[0]
        finally:
            connection.close()

    def __call__(self, command) -> bool:
        if command.connection.orphan:
            return True  # the killed one had sent it already
        if not command.is_batch or self.struck.is_set() or not self.chosen(command.batch_number):
            return False
        if self.boundary == BOUNDARIES[0]:
            self._kill(command)
            return True
        before = self._seq()
        if self.boundary == BOUNDARIES[1]:
            command.connection.mute = True
            command.forward_without_commit()
            self._kill(command)
            command.connection.close_server()
            return True
        if self.boundary == BOUNDARIES[2]:
            command.connection.mute = True
        command.forward()
        if self._committed(before):
            self._kill(command)
        else:
            command.connection.close_server()
        return True
