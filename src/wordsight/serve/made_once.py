"""Values that take time to make: each made once for all who ask at a time, and kept while it is used."""

from __future__ import annotations

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class MadeOnce(Generic[Value]):
    """Values by their keys; those used last, as many as fit into so many bytes.

    size: bytes of a value. A value is made in a task of its own: it is done even if the client who asked first leaves.
    """

    def __init__(self, most_bytes: int, size: Callable[[Value], int]) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._size = size
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._making: dict[Hashable, asyncio.Task[Value]] = {}

    def __len__(self) -> int:
        """Number of values."""
        return len(self._values)

    async def get(self, key: Hashable, make: Callable[[], Awaitable[Value]]) -> Value:
        """Value of a key, made where it is not there. Raises: what `make` raises."""
        if key in self._values:
            self._values.move_to_end(key)
            return self._values[key]
        task = self._making.get(key)
        if task is None:
            # without the context of this request, whose end would end the task
            task = asyncio.get_running_loop().create_task(self._make(key, make), context=contextvars.Context())
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._making[key] = task
        return await asyncio.shield(task)

    async def _make(self, key: Hashable, make: Callable[[], Awaitable[Value]]) -> Value:
        try:
            value = await make()
        finally:
            del self._making[key]
        self._values[key] = value
        self.bytes += self._size(value)
        while self.bytes > self.most_bytes:
            self.bytes -= self._size(self._values.popitem(last=False)[1])
        return value
