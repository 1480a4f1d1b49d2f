"""Whether the client of a request is still there: what it asked for leaves the queue once it is not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from typing import Any, TypeVar

from wordsight.errors import WordsightError

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

_current: ContextVar[Presence | None] = ContextVar("wordsight_presence", default=None)


class ClientGoneError(WordsightError):
    """The client closed its connection before the answer was there; nobody reads this."""


class Presence:
    """A request's connection. Watched only while somebody waits in `until_gone`, after the body was read."""

    def __init__(self, receive: Receive, *, has_body: bool) -> None:
        self._receive = receive
        self._body_read = not has_body
        self._gone: asyncio.Task[None] | None = None
        self._ended = False

    async def receive(self) -> Message:
        """Next message for the application."""
        if self._gone is not None:
            await asyncio.wait({self._gone})
            return {"type": "http.disconnect"}
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._body_read = True
        return message

    def watch(self) -> asyncio.Task[None] | None:
        """Task that is done when the client is gone; None where that cannot be told."""
        if self._ended or not self._body_read:
            return None
        if self._gone is None:
            self._gone = asyncio.ensure_future(self._wait())
        return self._gone

    def end(self) -> None:
        """Stop watching: the request is answered."""
        self._ended = True
        if self._gone is not None:
            self._gone.cancel()

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def until_gone(future: asyncio.Future[T]) -> T:
    """Result of a future, which goes on without us where the client leaves. Raises: ClientGoneError."""
    presence = _current.get()
    gone = presence.watch() if presence is not None else None
    if gone is not None and not future.done():
        waited: set[asyncio.Future[Any]] = {future, gone}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if not future.done() and not gone.cancelled():
            raise ClientGoneError("The client closed its connection.")
    return await asyncio.shield(future)


class WatchClients:
    """ASGI middleware that lets `until_gone` know of clients that leave."""

    def __init__(self, app: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        self.app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Any) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        presence = Presence(receive, has_body=scope["method"] not in ("GET", "HEAD"))
        token = _current.set(presence)
        try:
            await self.app(scope, presence.receive, send)
        finally:
            presence.end()
            with contextlib.suppress(ValueError):  # ended in another context
                _current.reset(token)
