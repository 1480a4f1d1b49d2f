"""Running a server until it is told to stop."""

from __future__ import annotations

import socket

import uvicorn

from wordsight.errors import InputError
from wordsight.serve.app import create_app
from wordsight.serve.guard.connections import HEADER_BYTES, MOST_CONNECTIONS, GuardedProtocol
from wordsight.serve.settings import Settings

GRACE = 30  # seconds for answering what was accepted, after the signal to stop
BACKLOG = 2048  # connections that wait to be accepted


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; requests that were accepted are answered first."""
    listener = open_socket(settings)
    make_server(settings).run(sockets=[listener])


def make_server(settings: Settings) -> uvicorn.Server:
    """Server of an application made for these settings."""
    config = uvicorn.Config(
        create_app(settings),
        http=GuardedProtocol,
        ws="none",  # nothing here speaks it
        h11_max_incomplete_event_size=HEADER_BYTES,
        limit_concurrency=MOST_CONNECTIONS,
        log_level="warning",
        access_log=False,  # `guard` has one of its own
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE,
    )
    return uvicorn.Server(config)


def open_socket(settings: Settings) -> socket.socket:
    """Socket that listens on the settings' address. Raises: InputError for one that is in use or not this machine's."""
    try:
        address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[4][:2], family=address[0], backlog=BACKLOG)
    except OSError as error:
        raise InputError(
            f"Cannot listen on {settings.host}:{settings.port} ({error.strerror or error}); free the port, or choose "
            "another with --port."
        ) from error
