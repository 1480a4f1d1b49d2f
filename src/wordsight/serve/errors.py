"""Errors of requests that the server refuses to read."""

from __future__ import annotations

from wordsight.errors import InputError


class TooLargeError(InputError):
    """A request, a file in it, or what an archive unpacks to, that is over a limit of the server: answered 413."""


class DiskFullError(InputError):
    """An upload for which the server's disk has no room: answered 507."""
