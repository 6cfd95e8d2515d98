"""Things that stand between the daemon and MySQL or MariaDB, on the level of bytes: one that changes the server's greeting
and remembers what the client said, a balancer, a pooler."""
import itertools
import socket
import threading

from .sockets import close, read_packet

CLIENT_SSL = 0x0800


def without_tls(greeting) -> bytes:
    """The server's greeting, as if the server had no TLS: what someone on the way does who wants to hear everything."""
    at = greeting.index(b"\0", 5) + 1 + 4 + 8 + 1  # version, number of the connection, scramble, filler
    low = int.from_bytes(greeting[at:at + 2], "little") & ~CLIENT_SSL
    return greeting[:at] + low.to_bytes(2, "little") + greeting[at + 2:]


class Between:
    """A listener on a port of its own; `serve(client)` runs in a thread for each connection."""

    def __init__(self):
        self._sockets = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, database, user="backfill", options="ssl-mode=disabled") -> str:
        return f"mysql://{user}@127.0.0.1:{self.port}/{database}{'?' if options else ''}{options}"

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._sockets.append(client)
            threading.Thread(target=self._run, args=(client,), daemon=True).start()

    def _run(self, client):
        try:
            self.serve(client)
        except OSError:
            pass
        close(client)

    def dial(self, server) -> socket.socket:
        upstream = socket.create_connection(("127.0.0.1", server.port))
        self._sockets.append(upstream)
        return upstream

    def serve(self, client):
        raise NotImplementedError

    def __enter__(self):
        return self

    def __exit__(self, *_):
        close(self._listener)
        for sock in self._sockets:
            close(sock)


def pump(source, sink, hear=None):
    """Until one side ends."""
    try:
        while data := source.recv(1 << 16):
            if hear:
                hear(data)
            sink.sendall(data)
    except OSError:
        pass
    close(source)
    close(sink)


class Wire(Between):
    """`greeting`: changes the server's first packet. `said`: what each client said, in order of the connections."""

    def __init__(self, server, greeting=lambda packet: packet):
        self.server, self.greeting, self.said = server, greeting, []
        super().__init__()

    def serve(self, client):
        upstream = self.dial(self.server)
        said = bytearray()
        self.said.append(said)
        client.sendall(self.greeting(read_packet(upstream)))
        threading.Thread(target=pump, args=(upstream, client), daemon=True).start()
        pump(client, upstream, said.extend)


class Balancer(Between):
    """Each connection goes to the next server, as it is."""

    def __init__(self, *servers):
        self._turn = itertools.cycle(servers)
        super().__init__()

    def serve(self, client):
        upstream = self.dial(next(self._turn))
        threading.Thread(target=pump, args=(upstream, client), daemon=True).start()
        pump(client, upstream)


class Pooler(Between):
    """Hands the commands of one login to a session of another login, from command number `after` of a connection on (from
    1). The account has no password, so that the login can be said again to another session."""

    def __init__(self, server, after=1):
        self.server, self.after, self.handed = server, after, threading.Event()
        super().__init__()

    def url(self, database, user="open", options="ssl-mode=disabled") -> str:
        return super().url(database, user, options)

    def _log_in(self, upstream, client=None, said=None) -> list:
        """Relays a login, or repeats one that was said; the client's packets."""
        heard, greeting = [], read_packet(upstream)
        if client:
            client.sendall(greeting)
        for number in itertools.count():
            packet = read_packet(client) if client else said[number]
            heard.append(packet)
            upstream.sendall(packet)
            answer = read_packet(upstream)
            if client:
                client.sendall(answer)
            if answer[4] in (0x00, 0xff):
                return heard

    def serve(self, client):
        upstream = self.dial(self.server)
        said = self._log_in(upstream, client)
        other = self.dial(self.server)
        self._log_in(other, said=said)
        for back in (upstream, other):
            threading.Thread(target=pump, args=(back, client), daemon=True).start()
        try:
            for number in itertools.count(1):
                packet = read_packet(client)
                if number >= self.after:
                    self.handed.set()
                (other if number >= self.after else upstream).sendall(packet)
        finally:
            close(upstream)
            close(other)
