"""Paths of requests that mean one thing to everyone who reads them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

LONGEST_NEXT = 2000  # characters


def path_fault(path: str) -> str | None:
    """What is wrong with a decoded path; None for nothing.

    Names of files are never in paths here, so that nothing is lost by refusing what servers, proxies and file systems
    read in different ways: "..", "//", backslashes, control characters, and characters escaped twice.
    """
    if not path.startswith("/"):
        return "it does not begin with /"
    if "\\" in path or "%" in path:
        return "it has a backslash, or a character escaped twice"
    if any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in path):
        return "it has control characters"
    if "\ufffd" in path:
        return "it is not UTF-8"
    if "//" in path or any(part in (".", "..") for part in path.split("/")):
        return "it has empty parts, . or .."
    return None


def safe_next(given: str | None) -> str:
    """Path of this site to which one who signed in is sent: the given one, or "/" where that leads elsewhere."""
    if given is None or len(given) > LONGEST_NEXT or not given.isprintable() or "\\" in given:
        return "/"
    try:
        parts = urlsplit(given)
    except ValueError:
        return "/"
    # urlsplit takes "///there" for a path, browsers take it for a host
    path = re.split(r"[?#]", given, maxsplit=1)[0]
    if parts.scheme or parts.netloc or path_fault(path) or path in ("/login", "/logout"):
        return "/"
    return given
