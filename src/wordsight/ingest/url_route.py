"""The way to an image on the web: connections, redirects, and the time they may take."""

from __future__ import annotations

import functools
import http.client
import ipaddress
import socket
import threading
import urllib.parse
import urllib.request
from typing import IO, Any

from wordsight.errors import ImageError


class Route:
    """Connections of one fetch, closed when its time is over. late: whether it was."""

    def __init__(self, seconds: float) -> None:
        self.late = False
        self._socket: socket.socket | None = None
        self._from_private: bool | None = None  # whether the first host, which the user named, is of this network
        self._timer = threading.Timer(seconds, self._give_up)
        self._timer.daemon = True
        self._timer.start()

    def opener(self) -> urllib.request.OpenerDirector:
        """Opener of http and https and nothing else: a URL may not lead to a file of this machine."""
        from wordsight import __version__

        opener = urllib.request.OpenerDirector()
        for handler in (
            *self.handlers(),
            urllib.request.HTTPDefaultErrorHandler(),
            _RedirectHandler(),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.UnknownHandler(),
        ):
            opener.add_handler(handler)
        opener.addheaders = [("User-Agent", f"wordsight/{__version__}"), ("Accept", "image/*,*/*;q=0.5")]
        return opener

    def handlers(self) -> tuple[urllib.request.BaseHandler, ...]:
        """Handlers of http and https, also by a proxy, on this route; they follow no redirect."""
        return urllib.request.ProxyHandler(), _HTTPHandler(self), _HTTPSHandler(self)

    def connected(self, connection: socket.socket) -> None:
        """Take note of a connection. Raises: ImageError where a redirect led to it from a public host to a private."""
        self._socket = connection
        if self.late:
            raise TimeoutError("timed out")
        private = is_private(str(connection.getpeername()[0]))
        if self._from_private is None:
            self._from_private = private
        if private and not self._from_private:
            raise ImageError("the URL redirects to a host of this machine or of a private network; not followed")

    def end(self) -> None:
        """Stop the clock."""
        self._timer.cancel()

    def _give_up(self) -> None:
        self.late = True
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)  # whoever reads from it sees its end
            except OSError:
                return


def is_private(host: str) -> bool:
    """Whether a host's IP is of this machine, of a private network, or otherwise not of the public internet.

    Of names only "localhost" is known to be.
    """
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.rstrip(".").lower() == "localhost"
    mapped = getattr(found, "ipv4_mapped", None) or found
    return not mapped.is_global


def check_authority(url: str) -> None:
    """Raise ImageError for a URL with a user name or password, or with a port that is not a number.

    The reason repeats neither: what follows the colon may be part of a password that holds a slash.
    """
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError as error:
        raise ImageError("the URL cannot be fetched (its host is malformed)") from error
    if "@" in parts.netloc:
        raise ImageError("the URL holds a user name or password, which is not sent; give a URL without them")
    try:
        _ = parts.port
    except ValueError:
        raise ImageError("the URL cannot be fetched (its port is not a number from 0 to 65535)") from None


class _HTTPConnection(http.client.HTTPConnection):
    """A connection that tells its route where it leads."""

    def __init__(self, route: Route, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._route = route

    def connect(self) -> None:
        """Connect, and let the route judge the address."""
        super().connect()
        self._route.connected(self.sock)


class _HTTPSConnection(_HTTPConnection, http.client.HTTPSConnection):
    """The same over TLS."""


class _HTTPHandler(urllib.request.HTTPHandler):
    def __init__(self, route: Route) -> None:
        super().__init__()
        self._route = route

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Open an http URL on the route."""
        return self.do_open(functools.partial(_HTTPConnection, self._route), req)


class _HTTPSHandler(urllib.request.HTTPSHandler):
    def __init__(self, route: Route) -> None:
        super().__init__()
        self._route = route

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        """Open an https URL on the route."""
        return self.do_open(functools.partial(_HTTPSConnection, self._route), req)


class _RedirectHandler(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https; behind a proxy hosts can only be judged by their names."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        there = urllib.parse.urlsplit(newurl)
        if there.scheme not in ("http", "https"):
            raise ImageError(f"the URL redirects to {there.scheme}:, which is not http or https; not followed")
        check_authority(newurl)
        here = urllib.parse.urlsplit(req.full_url).hostname or ""
        if req.has_proxy() and is_private(there.hostname or "") and not is_private(here):
            raise ImageError("the URL redirects to a host of this machine or of a private network; not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
