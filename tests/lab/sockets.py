"""Bytes of a socket, for the proxies of the tests and for clients that are no HTTP library."""
import socket


class Gone(ConnectionError):
    """One side of the connection is closed."""


def read_exactly(sock, length) -> bytes:
    parts = []
    while length:
        try:
            part = sock.recv(min(length, 1 << 18))
        except OSError as error:
            raise Gone from error
        if not part:
            raise Gone
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def read_all(sock) -> bytes:
    """Until the other side ends the connection, in whatever way."""
    parts = []
    try:
        while part := sock.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def close(sock):
    """Also for who waits on it in another thread."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    sock.close()


def read_packet(sock) -> bytes:
    """One packet of MySQL's protocol, with its head."""
    head = read_exactly(sock, 4)
    return head + read_exactly(sock, head[0] | head[1] << 8 | head[2] << 16)
