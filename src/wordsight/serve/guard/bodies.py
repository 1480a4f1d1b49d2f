"""Bodies of requests, counted while they come, and not waited for without end."""

from __future__ import annotations

import asyncio
import time
from typing import NoReturn

from starlette.types import Message, Receive

PATIENCE = 20.0  # seconds that a body may keep the server waiting, in sum
LEAST_RATE = 4096  # bytes that buy a second more
DRAINED = 64 << 20  # bytes of a refused body that are read, so that its sender gets to see the answer
DRAIN_SECONDS = 5.0


class RefusedBody(Exception):
    """Internal: the body is too large or too slow; what the application answers is replaced."""


class Body:
    """Body of one request. refusal: status and message once it is refused."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._size = 0
        self._waited = 0.0
        self._more = True
        self.refusal: tuple[int, str] | None = None

    def check_length(self, stated: str | None) -> None:
        """Refuse a body whose stated length is over the limit. Raises: RefusedBody."""
        if stated is None:
            return
        if not (stated.isascii() and stated.isdigit()):
            self._refuse(400, "The Content-Length is not a number.")
        if len(stated) > 18 or int(stated) > self._limit:
            self._refuse(413, self._too_large())

    async def receive(self) -> Message:
        """Next part of it. Raises: RefusedBody."""
        if not self._more:
            return await self._receive()
        began = time.monotonic()
        left = PATIENCE + self._size / LEAST_RATE - self._waited
        try:
            async with asyncio.timeout(left):
                message = await self._receive()
        except TimeoutError:
            self._refuse(408, "The body of the request came too slowly.")
        self._waited += time.monotonic() - began
        if message["type"] != "http.request":
            return message
        self._size += len(message.get("body", b""))
        self._more = message.get("more_body", False)
        if self._size > self._limit:
            self._refuse(413, self._too_large())
        return message

    async def drain(self) -> None:
        """Read and drop what is still coming, within limits."""
        dropped = 0
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while self._more and dropped < DRAINED:
                    message = await self._receive()
                    dropped += len(message.get("body", b""))
                    self._more = message["type"] == "http.request" and message.get("more_body", False)
        except TimeoutError:
            return

    def _too_large(self) -> str:
        return f"The request has more than {self._limit:,} bytes, the limit of this server; send it in parts."

    def _refuse(self, status: int, message: str) -> NoReturn:
        self.refusal = (status, message)
        raise RefusedBody(message)
