"""The MCP endpoint at /mcp, by Streamable HTTP, behind the checks that all routes are behind.

Without sessions: each request is answered by itself, so nothing is kept for clients that have gone, and any of several
servers can answer. No streams are opened beside the answers (GET is refused, as the protocol permits).
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from wordsight.serve.mcp.server import make_server

if TYPE_CHECKING:
    from fastapi import FastAPI

    from wordsight.serve.service import Service

PATH = "/mcp"


class Endpoint:
    """The endpoint as an ASGI application; it answers while `run` is entered."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._manager: StreamableHTTPSessionManager | None = None

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Answer requests until this is left. Each time by a new manager, which can run only once."""
        self._manager = StreamableHTTPSessionManager(
            make_server(self.service),
            json_response=True,
            stateless=True,
            max_request_body_size=self.service.settings.limits.body_bytes,
        )
        async with self._manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        assert self._manager is not None, "the application runs"
        await self._manager.handle_request(scope, receive, send)


def mount_mcp(app: FastAPI, service: Service) -> None:
    """Add the endpoint to an application; it runs after the service started, and stops before it does."""
    endpoint, before = Endpoint(service), app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:
        async with before(app) as state, endpoint.run():
            yield state

    app.router.lifespan_context = lifespan
    app.router.routes.append(Route(PATH, endpoint, methods=["POST"], include_in_schema=False))
