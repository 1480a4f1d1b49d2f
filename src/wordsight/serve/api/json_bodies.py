"""Large JSON bodies, whose reading must not hold up other requests."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute

_SMALL = 1 << 20  # bytes that are read in a moment, whatever is in them
_MOST_VALUES = 1 << 20  # in a larger body; 32 MB of small numbers would hold the interpreter for a second


class _Request(Request):
    async def json(self) -> Any:
        """Body as JSON. Raises: HTTPException (413) for one of too many values."""
        body = await self.body()
        if len(body) > _SMALL and body.count(b",") > _MOST_VALUES:
            raise HTTPException(
                413, f"The body holds more than {_MOST_VALUES:,} values; texts and images are sent as strings."
            )
        return await super().json()


class LargeBodyRoute(APIRoute):
    """Route whose body may be large: one of very many values is refused before it is read."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Handler that reads the body by way of `_Request`."""
        handle = super().get_route_handler()

        async def handle_large(request: Request) -> Response:
            return await handle(_Request(request.scope, request.receive))

        return handle_large
