"""Whether a request comes from a page of this server, of another site, or from a program."""

from __future__ import annotations

from enum import Enum
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from wordsight.serve.guard.hosts import same_host

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_FRAMES = ("document", "iframe", "frame", "")


class Origin(Enum):
    """Where a request comes from."""

    HERE = "a page of this server"
    PROGRAM = "a program, or a browser that does not say"
    ELSEWHERE = "a page of another site"


def find_origin(headers: Headers, host: str) -> Origin:
    """Where a request comes from, by what browsers say and pages cannot change: Sec-Fetch-Site and Origin.

    Source: W3C, "Fetch Metadata Request Headers".
    """
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site not in (None, "same-origin", "none"):
        return Origin.ELSEWHERE
    if origin is not None and not _is_of(origin, host):
        return Origin.ELSEWHERE
    return Origin.PROGRAM if site is None and origin is None else Origin.HERE


def is_visit(headers: Headers, method: str) -> bool:
    """Whether a request follows a link, which other sites may have, or shows the page in a frame."""
    return (
        method in ("GET", "HEAD")
        and headers.get("sec-fetch-mode") == "navigate"
        and headers.get("sec-fetch-dest", "") in _FRAMES
    )


def _is_of(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    bare = not (parts.path or parts.query or parts.fragment)
    return parts.scheme in ("http", "https") and bare and same_host(parts.netloc, host)
