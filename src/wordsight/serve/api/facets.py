"""`POST /v1/facets`: the columns of a gallery with counts, under the filter of a search."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from wordsight.index import Index
from wordsight.search.facets import Facet, count_facet
from wordsight.search.filter_json import compile_filter
from wordsight.serve.kept import keep_while_unchanged
from wordsight.serve.service import Service, get_service

router = APIRouter(prefix="/v1", tags=["search"])

_HIDDEN = ("path", "width", "height", "page")  # columns of every gallery by which nobody narrows a search first
MOST_FACETS = 20


class FacetsBody(BaseModel):
    """What to count. Fields of a search that do not narrow it (text, query) are ignored: counts are of the gallery."""

    model_config = ConfigDict(extra="ignore")
    gallery: str | None = None
    filter: dict[str, Any] | None = Field(default=None, description="Filter as of a search: {column: condition, …}.")
    columns: list[str] | None = Field(default=None, description="Columns to count; default: those that make facets.")


@router.post("/facets")
async def facets(asked: FacetsBody, service: Annotated[Service, Depends(get_service)]) -> dict[str, Any]:
    """Facets under the filter; the counts of a column ignore the filter's own condition on it."""
    opened = await asyncio.to_thread(service.open_gallery, asked.gallery)
    return await asyncio.to_thread(_count, opened.gallery.index, asked.filter or {}, asked.columns)


def _count(index: Index, filter: Mapping[str, Any], names: list[str] | None) -> dict[str, Any]:
    known = index.columns()
    wanted = names or [name for name in known if name not in _HIDDEN]
    whole = compile_filter(filter, known) if filter else None
    found = []
    for name in wanted:
        others = {column: test for column, test in filter.items() if column != name}
        where = compile_filter(others, known) if others else None
        facet = _count_column(index, name, known.get(name, ""), where)
        if facet is not None:
            found.append(facet)
    total = len(keep_while_unchanged(index, ("ids", whole), lambda: index.read_columns([], whole)["id"]))
    return {"facets": [facet.to_dict() for facet in found[:MOST_FACETS]], "total": total}


def _count_column(index: Index, name: str, kind: str, where: str | None) -> Facet | None:
    """Facet of a column; its ranges are those of the whole gallery, so that they stay while a filter changes."""

    def compute() -> Facet | None:
        return count_facet(name, kind, index.read_columns([name], where)[name])

    return keep_while_unchanged(index, ("facet", name, where), compute)
