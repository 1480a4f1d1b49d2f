"""Hosts that a request may name: a page of another site that resolves its name to this machine is not among them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from wordsight.serve.settings import Settings, is_loopback

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?")
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class Hosts:
    """Names under which a server may be asked.

    "localhost" and loopback addresses, the address that the connection came to, `settings.host`, and
    `settings.allowed_hosts`, each with any port unless it names one. Source: OWASP, "DNS rebinding".
    """

    def __init__(self, settings: Settings) -> None:
        self._names: set[str] = set()
        self._with_port: set[str] = set()
        for given in (settings.host, *settings.allowed_hosts):
            name, port = split_host(
                given if ":" not in given or given.startswith("[") or "." in given else f"[{given}]"
            )
            if port is None:
                self._names.add(name)
            else:
                self._with_port.add(f"{name}:{port}")

    def allows(self, given: str, bound: str | None) -> bool:
        """Whether a value of the Host header is allowed, of a connection to the address `bound`."""
        try:
            name, port = split_host(given)
        except ValueError:
            return False
        return (
            name in self._names
            or f"{name}:{port}" in self._with_port
            or name in _HERE
            or (is_loopback(name) and is_loopback(bound or ""))
            or (bound is not None and _same_address(name, bound))
        )


def split_host(given: str) -> tuple[str, int | None]:
    """Name in lower case without brackets and a final dot, and the port. Raises: ValueError for what is no host."""
    match = _HOST.fullmatch(given)
    if match is None:
        raise ValueError(given)
    name = match[1].lower().strip("[]").removesuffix(".")
    return name, None if match[2] is None else int(match[2])


def same_host(one: str, other: str, default_ports: Iterable[int] = (80, 443)) -> bool:
    """Whether two values of "host:port" mean the same; a port that is left out is one of the default ones."""
    try:
        (name, port), (other_name, other_port) = split_host(one), split_host(other)
    except ValueError:
        return False
    if name != other_name:
        return False
    return port == other_port or ({port, other_port} <= {None, *default_ports} and None in (port, other_port))


def _same_address(name: str, bound: str) -> bool:
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(bound.partition("%")[0])
    except ValueError:
        return False
