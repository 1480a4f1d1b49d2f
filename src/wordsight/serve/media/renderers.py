"""Processes that render thumbnails: files of a gallery may be damaged or hostile, and are decoded nowhere else."""

from __future__ import annotations

import asyncio
import os

from wordsight.model import decode_threads
from wordsight.serve.engine.admission import BusyError
from wordsight.serve.engine.decode_process import DecodeProcess
from wordsight.serve.settings import Limits

_MOST_PROCESSES = 2  # a grid's thumbnails; the others of the cores are the encoder's
MOST_WAITING = 1000  # several grids
_RETRY_SECONDS = 2.0
_CHECK = 0.5  # seconds between two looks at the time limit


class Renderers:
    """A few worker processes, started with the first thumbnail, each killed where an image takes too long."""

    def __init__(self, limits: Limits) -> None:
        self._processes = [
            DecodeProcess(limits.decode_seconds, limits.pixels) for _ in range(min(_MOST_PROCESSES, decode_threads()))
        ]
        self._free: asyncio.LifoQueue[DecodeProcess] = asyncio.LifoQueue()  # so that one does the work of few
        for process in self._processes:
            self._free.put_nowait(process)
        self._waiting = 0

    async def render(self, source: bytes | str | os.PathLike[str], side: int, kind: str) -> bytes:
        """Thumbnail of a file, or of encoded bytes. Raises: ImageError with the reason alone; BusyError."""
        if self._waiting >= MOST_WAITING:
            raise BusyError(_RETRY_SECONDS)
        self._waiting += 1
        try:
            # in a task of its own: a caller that leaves must not free a process that still works
            return await asyncio.shield(asyncio.create_task(self._render(source, side, kind)))
        finally:
            self._waiting -= 1

    async def _render(self, source: bytes | str | os.PathLike[str], side: int, kind: str) -> bytes:
        process = await self._free.get()
        try:
            job = asyncio.ensure_future(asyncio.to_thread(process.ask, source, {"side": side, "kind": kind}))
            while not job.done():
                await asyncio.wait({job}, timeout=_CHECK)
                process.check()
            return job.result()
        finally:
            self._free.put_nowait(process)

    async def stop(self) -> None:
        """End the processes."""
        for process in self._processes:
            await asyncio.to_thread(process.close)
