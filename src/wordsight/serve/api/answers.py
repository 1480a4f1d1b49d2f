"""Long answers, written beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fastapi import Response
from pydantic import BaseModel


async def write_answer(build: Callable[[], BaseModel]) -> Response:
    """Answer of what `build` returns, called and written as JSON in a thread; fields that are None are left out."""
    content = await asyncio.to_thread(lambda: build().model_dump_json(exclude_none=True).encode())
    return Response(content, media_type="application/json")
