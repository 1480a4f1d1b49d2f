"""Errors of requests that the server refuses."""

from __future__ import annotations

from wordsight.errors import InputError


class TooLargeError(InputError):
    """A request, a file in it, or what an archive unpacks to, that is over a limit of the server: answered 413."""


class DiskFullError(InputError):
    """An upload for which the server's disk has no room: answered 507."""


class RequestError(InputError):
    """A part of a request that the server cannot work with: "PARAM REASON.".

    param: its place, such as "input.3". reason: in words that follow it. status: of the answer.
    """

    def __init__(self, reason: str, param: str, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(f"{param} {reason}.")
        self.reason = reason
        self.param = param
        self.status = status
        self.code = code
