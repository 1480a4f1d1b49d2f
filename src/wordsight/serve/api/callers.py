"""Who makes a request, for the queues. Async, or FastAPI would call each in a thread: a quarter of a request's cost."""

from __future__ import annotations

from fastapi import Request

from wordsight.serve.engine.engine import Caller, Lane


async def get_caller(request: Request) -> Caller:
    """Caller of bulk work."""
    return Caller(_client(request), Lane.BULK)


async def get_searcher(request: Request) -> Caller:
    """Caller who waits for an answer on a page."""
    return Caller(_client(request), Lane.SEARCH)


def _client(request: Request) -> str:
    return request.client.host if request.client else "local"
