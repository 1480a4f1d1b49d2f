"""Thumbnails of a server: made once for each content, kept in memory and on disk."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass

from wordsight.errors import ImageError
from wordsight.index import Index, Row
from wordsight.locations import cache_dir
from wordsight.serve.made_once import MadeOnce
from wordsight.serve.media.disk_cache import DiskCache
from wordsight.serve.media.renderers import Renderers
from wordsight.serve.media.source_file import SourceFile, find_source_file, has_own_file
from wordsight.serve.settings import Limits

MEMORY_BYTES = 32 << 20
_GONE = ImageError("its file has gone, or is not below its source")
_FORMAT = 1  # of what is kept on disk; another one where thumbnails are made in another way


@dataclass(frozen=True)
class Thumbnail:
    """content: an encoded image. lasting: it is of the content that the index has, and will never be another."""

    content: bytes
    lasting: bool


class Thumbnails:
    """Thumbnails by content, side and kind."""

    def __init__(self, limits: Limits, disk: DiskCache | None = None) -> None:
        self.renderers = Renderers(limits)
        self._disk = disk or DiskCache(cache_dir("thumbnails"))
        self._memory: MadeOnce[bytes] = MadeOnce(MEMORY_BYTES, len)

    async def get(self, index: Index, row: Row, side: int, kind: str) -> Thumbnail:
        """Thumbnail of a row: of its file, else of the small image that the index keeps.

        Raises: ImageError with the reason alone, where there is neither; BusyError.
        """
        file = await asyncio.to_thread(find_source_file, row) if row.page is None else None
        if file is None and row.page is None and has_own_file(row):
            return Thumbnail(await self._render_kept(index, row, side, kind, _GONE), lasting=False)
        lasting = bool(row.content_hash) and (file is None or file.unchanged)
        version = row.content_hash if lasting or file is None else file.version
        said = f"{_FORMAT} {version or f'{index.info.created} {row.id}'} {side} {kind}"
        name = hashlib.blake2b(said.encode("utf-8", "surrogateescape"), digest_size=20).hexdigest()

        async def make() -> bytes:
            if kept := await asyncio.to_thread(self._disk.get, name):
                return kept
            content = await self._render_whole(index, row, file, side, kind)
            await asyncio.to_thread(self._disk.put, name, content)
            return content

        try:
            return Thumbnail(await self._memory.get(name, make), lasting)
        except ImageError as problem:  # until the file is back, the small image; it is not kept under the file's name
            if not has_own_file(row):
                raise
            return Thumbnail(await self._render_kept(index, row, side, kind, problem), lasting=False)

    async def stop(self) -> None:
        """End the processes that render."""
        await self.renderers.stop()

    async def _render_whole(self, index: Index, row: Row, file: SourceFile | None, side: int, kind: str) -> bytes:
        """Thumbnail of a row's file; of a page, or what has no file of its own, of the image in the index."""
        if file is not None:
            return await self.renderers.render(file.path, side, kind)
        return await self._render_kept(index, row, side, kind, _GONE)

    async def _render_kept(self, index: Index, row: Row, side: int, kind: str, problem: ImageError) -> bytes:
        """Thumbnail of the small image that the index keeps. Raises: the problem, where it keeps none."""
        kept = row.thumbnail or await asyncio.to_thread(index.thumbnail, row.id)
        if not kept:
            raise problem
        return await self.renderers.render(kept, side, kind)
