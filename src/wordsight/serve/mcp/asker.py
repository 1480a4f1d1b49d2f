"""Whom a tool answers: the service that is asked, and the caller whose turn in the queues it is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from wordsight.errors import InputError
from wordsight.index import Row
from wordsight.serve.engine.engine import Caller, Lane
from wordsight.serve.library import OpenGallery
from wordsight.serve.mcp.quoting import quote_text
from wordsight.serve.mcp.row_names import read_row_name
from wordsight.serve.service import Service


@dataclass(frozen=True, eq=False)
class Asker:
    """A service, and the client that asks it. drawing: held while images are read and drawn, by a few at a time."""

    service: Service
    client: str
    drawing: asyncio.Semaphore

    @property
    def searcher(self) -> Caller:
        """Caller for what someone waits for."""
        return Caller(self.client, Lane.SEARCH)

    @property
    def bulk(self) -> Caller:
        """Caller for many images."""
        return Caller(self.client, Lane.BULK)

    async def open_gallery(self, name: str | None) -> OpenGallery:
        """Gallery of a name, or the default one. Raises: UnknownGalleryError, StoreError."""
        return await asyncio.to_thread(self.service.open_gallery, name)


async def get_rows(opened: OpenGallery, names: Sequence[str]) -> list[Row]:
    """Rows of ids as agents send them, in their order. Raises: InputError naming those that are not there."""
    ids = [read_row_name(name) for name in names]
    rows = {row.id: row for row in await asyncio.to_thread(opened.gallery.index.get, list(dict.fromkeys(ids)))}
    missing = [id for id in ids if id not in rows]
    if missing:
        shown = ", ".join(quote_text(id) for id in missing[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InputError(
            f"The gallery {opened.name!r} has no image {shown}{more}; use ids as search_images answers them."
        )
    return [rows[id] for id in ids]
