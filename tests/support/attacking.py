"""Requests that no library sends: written byte by byte to a server's socket."""

import contextlib
import socket
from dataclasses import dataclass, field


@dataclass(frozen=True)
class RawAnswer:
    """What came back on a connection. status: 0 for a connection that was closed without an answer."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bytes = b""


def send_bytes(client, content, *, seconds=10):
    """Answer of the server of an httpx client to bytes as they are; the sending end stays open."""
    address = (client.base_url.host, client.base_url.port)
    with socket.create_connection(address, timeout=seconds) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(content)
        return read_answer(connection)


def read_answer(connection):
    """First answer that comes on a connection, and all that came."""
    received = b""
    with contextlib.suppress(ConnectionError, TimeoutError):
        while not _is_whole(received) and (chunk := connection.recv(65_536)):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/"):
        return RawAnswer(0, whole=received)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return RawAnswer(int(first.split()[1]), headers, body, received)


def request(line, *headers, host="127.0.0.1", body=b""):
    """Bytes of a request: its first line without the version, headers as "Name: value"."""
    lines = [f"{line} HTTP/1.1", *([f"Host: {host}"] if host is not None else []), *headers]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


def _is_whole(received):
    head, end, body = received.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return body.endswith(b"0\r\n\r\n") or b" 204 " in head.split(b"\r\n")[0]
