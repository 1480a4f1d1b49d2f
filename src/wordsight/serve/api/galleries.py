"""`GET /v1/galleries`: what there is to search."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from wordsight.errors import WordsightError
from wordsight.serve.library import OpenGallery
from wordsight.serve.service import Service, get_service

router = APIRouter(prefix="/v1", tags=["galleries"])


class GalleryFacts(BaseModel):
    """One gallery. columns: name → kind, for filters. fusion: the weights that `wordsight tune` chose."""

    name: str
    images: int
    model: str
    columns: dict[str, str]
    fusion: dict[str, Any] | None
    can_add: bool
    default: bool
    error: str | None = None


class GalleryList(BaseModel):
    """The server's galleries, the default one first."""

    galleries: list[GalleryFacts]


@router.get("/galleries")
async def list_galleries(service: Annotated[Service, Depends(get_service)]) -> GalleryList:
    """Galleries of this server; one that cannot be opened has an `error`."""
    settings = service.settings
    answer = []
    for name in service.library.names:
        facts: dict[str, Any] = {"images": 0, "model": "", "columns": {}, "fusion": None}
        try:
            facts = await asyncio.to_thread(_describe, await asyncio.to_thread(service.open_gallery, name))
        except WordsightError as error:
            facts["error"] = str(error)
        default = name == settings.default_gallery
        answer.append(GalleryFacts(name=name, can_add=settings.allow_add, default=default, **facts))
    return GalleryList(galleries=answer)


def _describe(opened: OpenGallery) -> dict[str, Any]:
    gallery = opened.gallery
    return {
        "images": len(gallery),
        "model": gallery.info.model,
        "columns": gallery.index.columns(),
        "fusion": gallery.index.note("fusion") or None,
    }
