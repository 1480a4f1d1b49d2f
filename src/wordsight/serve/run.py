"""Running a server until it is told to stop."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn

from wordsight.errors import InputError
from wordsight.serve.app import create_app
from wordsight.serve.guard.checks import HEADER_BYTES
from wordsight.serve.guard.connections import MOST_CONNECTIONS, GuardedProtocol
from wordsight.serve.settings import Settings

GRACE = 30  # seconds for answering what was accepted, after the signal to stop
BACKLOG = 2048  # connections that wait to be accepted


def run(settings: Settings, on_listening: Callable[[str], object] | None = None) -> None:
    """Serve until SIGINT or SIGTERM; requests that were accepted are answered first.

    on_listening: called with the server's URL once connections are taken; models may still be loading.
    Raises: InputError as `open_socket`; MissingExtraError for a page without Gradio.
    """
    server = make_server(settings)
    with open_socket(settings) as listener:
        if on_listening is not None:
            host, port = listener.getsockname()[:2]
            on_listening(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
        with _stop_quietly():
            server.run(sockets=[listener])


@contextlib.contextmanager
def _stop_quietly() -> Iterator[None]:
    """Take the signals that uvicorn raises again once it has stopped: being told to stop is not an error."""
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
