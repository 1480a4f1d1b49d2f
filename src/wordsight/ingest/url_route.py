"""The way to an image on the web: connections, redirects, and the time they may take."""

from __future__ import annotations

import functools
import http.client
import ipaddress
import socket
import threading
import urllib.parse
import urllib.request
from collections.abc import Collection
from dataclasses import dataclass
from typing import IO, Any

from wordsight.errors import ImageError

MOST_ADDRESSES = 8  # of a host that are tried
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.ip_network("::/96")
_ISATAP = 0x5EFE  # in the middle of an interface's id, before an IPv4 address


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Hosts that a fetch may reach.

    public_only: every host's addresses are resolved once, all of them must be of the public internet, and the
        connection goes to one of these very addresses, without a proxy, which would resolve them again.
    ports: those allowed; None is all. redirects: the most that are followed.
    """

    public_only: bool = False
    ports: Collection[int] | None = None
    redirects: int = 10


ANYWHERE = Reach()


class Route:
    """Connections of one fetch, closed when its time is over. late: whether it was."""

    def __init__(self, seconds: float, reach: Reach = ANYWHERE) -> None:
        self.late = False
        self.reach = reach
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
            _RedirectHandler(self.reach),
            urllib.request.HTTPErrorProcessor(),
            urllib.request.UnknownHandler(),
        ):
            opener.add_handler(handler)
        opener.addheaders = [("User-Agent", f"wordsight/{__version__}"), ("Accept", "image/*,*/*;q=0.5")]
        return opener

    def handlers(self) -> tuple[urllib.request.BaseHandler, ...]:
        """Handlers of http and https, also by a proxy, on this route; they follow no redirect."""
        proxies = urllib.request.ProxyHandler({} if self.reach.public_only else None)
        return proxies, _HTTPHandler(self), _HTTPSHandler(self)

    def connect(self, address: tuple[str, int], *given: Any, **named: Any) -> socket.socket:
        """Connection to a host. Raises: ImageError where a host must be public and has an address that is not."""
        if not self.reach.public_only:
            return socket.create_connection(address, *given, **named)
        self._socket = _connect_first(resolve_public(*address), *given, **named)
        return self._socket

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

    Of names only "localhost" is known to be. An IPv6 address that leads to an IPv4 one is judged by that.
    """
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host.rstrip(".").lower() == "localhost"
    if isinstance(found, ipaddress.IPv6Address):
        if found in _IPV4_COMPATIBLE or found.is_site_local:
            return True
        if inner := _inner_address(found):
            return is_private(str(inner))
    return not found.is_global or found.is_multicast or found.is_reserved or found.is_unspecified


def _inner_address(found: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """IPv4 address to which an IPv6 address leads: mapped, 6to4, Teredo, NAT64 or ISATAP; None of others."""
    if found in _NAT64 or int(found) >> 32 & 0xFFFF == _ISATAP:
        return ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
    return found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)


def resolve_public(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    """Family and address of a host, each of the public internet.

    Raises: ImageError where one of them is not, though the others are; OSError where there are none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    if any(is_private(str(one[4][0])) for one in found):
        raise ImageError("the URL leads to a host of this machine or of a private network; not fetched")
    return [(one[0], one[4]) for one in found[:MOST_ADDRESSES]]


def _connect_first(addresses: list[tuple[socket.AddressFamily, Any]], timeout: Any, *_: Any) -> socket.socket:
    """Connection to the first of the addresses that takes one. Raises: OSError of the last that does not."""
    failed = OSError("the host has no address")
    for family, address in addresses:
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            if timeout is not socket._GLOBAL_DEFAULT_TIMEOUT:  # type: ignore[attr-defined]
                connection.settimeout(timeout)
            connection.connect(address)
            return connection
        except OSError as error:
            connection.close()
            failed = error
    raise failed


def check_authority(url: str, reach: Reach = ANYWHERE) -> None:
    """Raise ImageError for a URL with a user name or password, or with a port that is not a number or not allowed.

    The reason repeats neither: what follows the colon may be part of a password that holds a slash.
    """
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError as error:
        raise ImageError("the URL cannot be fetched (its host is malformed)") from error
    if "@" in parts.netloc:
        raise ImageError("the URL holds a user name or password, which is not sent; give a URL without them")
    try:
        port = parts.port
    except ValueError:
        raise ImageError("the URL cannot be fetched (its port is not a number from 0 to 65535)") from None
    if reach.ports is not None and port is not None and port not in reach.ports:
        allowed = " and ".join(str(one) for one in sorted(reach.ports))
        raise ImageError(f"the URL names the port {port}; only {allowed} are fetched from")


class _HTTPConnection(http.client.HTTPConnection):
    """A connection that tells its route where it leads."""

    def __init__(self, route: Route, host: str, **options: Any) -> None:
        super().__init__(host, **options)
        self._route = route
        self._create_connection = route.connect

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

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self.max_redirections = reach.redirects  # type: ignore[misc]

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        there = urllib.parse.urlsplit(newurl)
        if there.scheme not in ("http", "https"):
            raise ImageError(f"the URL redirects to {there.scheme}:, which is not http or https; not followed")
        check_authority(newurl, self._reach)
        here = urllib.parse.urlsplit(req.full_url).hostname or ""
        if req.has_proxy() and is_private(there.hostname or "") and not is_private(here):
            raise ImageError("the URL redirects to a host of this machine or of a private network; not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
