"""Answers on their way out: completed with headers, replaced where the body was refused or they lead elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import ClassVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Scope, Send

from wordsight.serve.guard.answers import AnswerHeaders, error_answer, leads_away
from wordsight.serve.guard.bodies import Body

_LOGGER = logging.getLogger(__name__)
_LONGEST_PAGE = 16 << 20  # bytes


class Sender:
    """`send` of one request. started, ended: whether an answer began, and was sent whole; status: of it, 0 before."""

    pages: ClassVar[frozenset[str]] = frozenset({"/", "/docs", "/redoc"})  # HTML of ours that runs scripts

    def __init__(self, send: Send, scope: Scope, headers: AnswerHeaders, body: Body) -> None:
        self.started = False
        self.ended = False
        self.status = 0
        self._send = send
        self._scope = scope
        self._headers = headers
        self._body = body
        self._held: Message | None = None  # start of a page, whose headers depend on its scripts
        self._page = bytearray()
        self._dropped = False

    async def __call__(self, message: Message) -> None:
        """Send a message of the application."""
        if self._dropped or (self._body.refusal is not None and not self.started):
            return  # what it says about a body that was refused
        if message["type"] == "http.response.start":
            await self._start(message)
        elif self._held is not None and message["type"] == "http.response.body":
            await self._gather(message)
        else:
            await self._send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self.ended = True

    def last_word(self, drain: Callable[[], Awaitable[None]] | None) -> Send:
        """`send` of the guard's answer about the body; `drain` comes before its end."""

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.started, self.status = True, message["status"]
                self._headers.complete(message, self._scope)
                await self._send(message)
                return
            if drain is not None:
                await self._send({**message, "more_body": True})
                await drain()
                message = {"type": "http.response.body", "body": b""}
            await self._send(message)

        return send

    async def _start(self, message: Message) -> None:
        self.started, self.status = True, message["status"]
        host = Headers(scope=self._scope).get("host", "")
        if leads_away(message, host):
            _LOGGER.error("a redirect to another site was stopped at %s", self._scope["path"])
            self.started = False
            await error_answer(500, "The server failed at this request; its log says why.")(
                self._scope, self._body.receive, self
            )
            self._dropped = True
            return
        self._headers.complete(message, self._scope)
        headers = Headers(raw=message["headers"])
        if self._scope["path"] in self.pages and headers.get("content-type", "").startswith("text/html"):
            self._held = message
            return
        await self._send(message)

    async def _gather(self, message: Message) -> None:
        assert self._held is not None
        self._page += message.get("body", b"")
        if message.get("more_body", False) and len(self._page) < _LONGEST_PAGE:
            return
        start, self._held = self._held, None
        MutableHeaders(raw=start["headers"])["Content-Security-Policy"] = self._headers.page_policy(bytes(self._page))
        await self._send(start)
        await self._send({**message, "body": bytes(self._page)})
