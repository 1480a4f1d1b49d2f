"""The log of requests: who asked for what, how it ended; without what clients prove themselves with."""

from __future__ import annotations

import logging

from starlette.types import Scope

_LOGGER = logging.getLogger("wordsight.serve.access")
_LONGEST = 300  # characters of a path


def log_request(scope: Scope, status: int, seconds: float, token: str | None) -> None:
    """Log a request at level INFO. Of the URL only the path is logged: what people search for is theirs."""
    if not _LOGGER.isEnabledFor(logging.INFO):
        return
    client = scope["client"][0] if scope.get("client") else "-"
    path = str(scope["path"])
    if token is not None:
        path = path.replace(token, "***")
    _LOGGER.info('%s "%s %s" %d %.0f ms', client, scope["method"], escape(path), status, seconds * 1000)


def escape(text: str) -> str:
    """Text on one line, without what could steer a terminal or end the quotes around it."""
    shown = "".join(
        letter if letter.isprintable() and letter not in '"\\' else letter.encode("unicode_escape").decode()
        for letter in text[:_LONGEST]
    )
    return shown.replace('"', '\\"')
