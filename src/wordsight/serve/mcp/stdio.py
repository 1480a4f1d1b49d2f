"""Serving one agent over standard input and output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server

from wordsight.serve.mcp.server import make_server
from wordsight.serve.service import Service
from wordsight.serve.settings import Settings


def run(settings: Settings) -> None:
    """Answer the client on standard input until it closes it; all that is written beside the protocol goes to stderr.

    The first question waits for the model, the handshake does not.
    """
    asyncio.run(_serve(Service(settings)))


async def _serve(service: Service) -> None:
    @contextlib.asynccontextmanager
    async def lifespan(_: Server[Any]) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    server = make_server(service, lifespan)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


@contextlib.contextmanager
def divert_stdout() -> Iterator[None]:
    """Send to stderr what this process, its libraries and its children write to stdout.

    For what runs before `run`, which does the same by itself: only the protocol may write there.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
