"""The guard: what every request passes before the application, and every answer after it."""

from __future__ import annotations

import logging
import time

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from wordsight.serve.guard.access_log import escape, log_request
from wordsight.serve.guard.answers import AnswerHeaders, error_answer
from wordsight.serve.guard.bodies import Body, RefusedBody
from wordsight.serve.guard.checks import PUBLIC, Checks
from wordsight.serve.guard.login import MOST_BYTES, Login
from wordsight.serve.guard.sender import Sender
from wordsight.serve.settings import Settings

_LOGGER = logging.getLogger(__name__)
UPLOADS = frozenset({"/v1/items"})  # paths that take whole uploads
_SIGNING = ("/login", "/logout")


class Guard:
    """ASGI middleware around a whole application; it never buffers answers but pages, so that streams stream."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._settings = settings
        self._checks = Checks(settings)
        self._headers = AnswerHeaders(settings.allowed_frames)
        sessions = self._checks.sessions
        self._login = Login(sessions, self._checks.attempts, settings.allowed_frames) if sessions else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] == "http":
            await self._guard(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._guard_websocket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _guard(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        body = Body(receive, self._limit(scope["path"]))
        sender = Sender(send, scope, self._headers, body)
        try:
            await self._pass(scope, body, sender)
        except RefusedBody:
            pass  # answered below
        except Exception:
            if not sender.ended:
                raise
            # it was answered; raised further, it would cost the client its connection
            _LOGGER.exception("a request to %s failed", escape(scope["path"]))
        finally:
            if body.refusal is not None and not sender.started:
                await self._refuse_body(scope, body, sender)
            log_request(scope, sender.status, time.monotonic() - began, self._settings.token)

    async def _pass(self, scope: Scope, body: Body, sender: Sender) -> None:
        headers = Headers(scope=scope)
        body.check_length(headers.get("content-length"))
        fault = self._checks.fault(scope, headers)
        if fault is not None:
            await fault(scope, body.receive, sender)
            return
        request = Request(scope, body.receive)
        if scope["path"] in _SIGNING:
            await self._sign(request, body, sender)
        elif self._login is not None and scope["path"] not in PUBLIC and (refused := self._checks.proof_fault(request)):
            answer = self._login.ask(request) if refused.status == 401 else refused.answer()
            await answer(scope, body.receive, sender)
        else:
            _ask_plain(scope)
            await self.app(scope, body.receive, sender)

    async def _sign(self, request: Request, body: Body, sender: Sender) -> None:
        if self._login is None:
            answer: Response = error_answer(404, "This server has no token; there is nothing to sign in to.")
        else:
            answer = await self._login.answer(request)
        await answer(request.scope, body.receive, sender)

    async def _refuse_body(self, scope: Scope, body: Body, sender: Sender) -> None:
        """Answer why, and read on for a while, since many clients read no answer before they have sent all."""
        assert body.refusal is not None
        status, message = body.refusal
        expects = Headers(scope=scope).get("expect") is not None
        drain = body.drain if status == 413 and not expects else None
        await error_answer(status, message, Connection="close")(scope, body.receive, sender.last_word(drain))

    async def _guard_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._checks.allows_websocket(scope):
            await self.app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _limit(self, path: str) -> int:
        if path in _SIGNING:
            return MOST_BYTES
        limits = self._settings.limits
        return limits.upload_bytes if path in UPLOADS else limits.body_bytes


def _ask_plain(scope: Scope) -> None:
    """Have pages answered uncompressed: their scripts are hashed on the way."""
    if scope["path"] in Sender.pages:
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
