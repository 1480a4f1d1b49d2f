"""Checks of one request by its first lines: path, method, host, origin, proof."""

from __future__ import annotations

import math
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from wordsight.serve.guard.answers import error_answer
from wordsight.serve.guard.hosts import Hosts
from wordsight.serve.guard.origins import SAFE_METHODS, Origin, find_origin, is_visit
from wordsight.serve.guard.paths import path_fault
from wordsight.serve.guard.sessions import Attempts, Sessions
from wordsight.serve.settings import Settings

PUBLIC = frozenset({"/healthz", "/readyz"})  # for load balancers, which have no token
METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
MOST_HEADERS = 100
HEADER_BYTES = 32 << 10  # of first line and headers together
# of which two would let servers and proxies disagree
_SINGLE = ("host", "content-length", "transfer-encoding", "content-type", "authorization", "origin", "sec-fetch-site")


@dataclass(frozen=True)
class Refused:
    """Why a proof is not accepted."""

    status: int
    message: str
    retry_after: int = 0

    def answer(self) -> Response:
        """Answer that says so."""
        if self.retry_after:
            return error_answer(self.status, self.message, Retry_After=str(self.retry_after))
        return error_answer(self.status, self.message)


class Checks:
    """Checks of a server. sessions: None for one without a token."""

    def __init__(self, settings: Settings) -> None:
        self._hosts = Hosts(settings)
        self.sessions = Sessions(settings.token) if settings.token is not None else None
        self.attempts = Attempts()

    def fault(self, scope: Scope, headers: Headers) -> Response | None:
        """Answer to a request that is refused whoever sends it; None for others."""
        if fault := path_fault(scope["path"]):
            return error_answer(400, f"The path of the request cannot be used: {fault}.")
        if scope["method"] not in METHODS:
            return error_answer(405, "The method of the request is not known.", Allow=", ".join(sorted(METHODS)))
        if len(headers) > MOST_HEADERS or any(len(headers.getlist(name)) > 1 for name in _SINGLE):
            return error_answer(
                400, f"The request has more than {MOST_HEADERS} headers, or one twice that may be once."
            )
        size = len(scope["path"]) + len(scope["query_string"])
        if size + sum(len(name) + len(value) for name, value in headers.raw) > HEADER_BYTES:
            return error_answer(431, f"The headers of the request have more than {HEADER_BYTES:,} bytes.")
        if "content-length" in headers and "transfer-encoding" in headers:
            return error_answer(400, "The request states its length in two ways.", Connection="close")
        host = headers.get("host")
        if host is None or not self._hosts.allows(host, _bound(scope)):
            return error_answer(
                421,
                "The server does not answer under this host name. Use the address it was started with, or start it "
                "with: --allowed-host NAME",
            )
        if find_origin(headers, host) is Origin.ELSEWHERE and not is_visit(headers, scope["method"]):
            return error_answer(403, "The request comes from a page of another site.")
        return None

    def proof_fault(self, request: Request) -> Refused | None:
        """Why a request proves nothing; None where it holds the token or a session's cookie."""
        assert self.sessions is not None
        cookie = request.cookies.get(self.sessions.cookie_name, "")
        if self.sessions.is_open(cookie):
            origin = find_origin(request.headers, request.headers.get("host", ""))
            if request.method in SAFE_METHODS or origin is Origin.HERE:
                return None
            return Refused(403, "A change by cookie must come from a page of this server; programs send the token.")
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            return Refused(401, "")
        client = request.client.host if request.client else "local"
        if wait := self.attempts.wait(client):
            return Refused(429, "Too many wrong tokens came from this address; try again later.", math.ceil(wait))
        if self.sessions.is_token(given.strip()):
            return None
        self.attempts.count(client)
        return Refused(401, "")

    def allows_websocket(self, scope: Scope) -> bool:
        """Whether a WebSocket may be opened: as for requests that change state."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if path_fault(scope["path"]) or not self._hosts.allows(host, _bound(scope)):
            return False
        if find_origin(headers, host) is Origin.ELSEWHERE:
            return False
        if self.sessions is None:
            return True
        return self.proof_fault(Request({**scope, "type": "http", "method": "POST"})) is None


def _bound(scope: Scope) -> str | None:
    return scope["server"][0] if scope.get("server") else None
