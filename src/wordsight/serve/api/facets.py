"""`POST /v1/facets`: the columns of a gallery with counts, under the filter of a search."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from wordsight.index import Index
from wordsight.index.base import check_columns
from wordsight.search.facets import Facet, count_again, count_facet
from wordsight.search.filter_json import omit_column
from wordsight.serve.api.json_bodies import LargeBodyRoute
from wordsight.serve.kept import keep_while_unchanged
from wordsight.serve.search_request import SearchRequest, make_condition
from wordsight.serve.service import Service, get_service

router = APIRouter(prefix="/v1", tags=["search"], route_class=LargeBodyRoute)

_HIDDEN = ("path", "width", "height", "page")  # columns of every gallery by which nobody narrows a search first
MOST_FACETS = 20
MOST_READ = 200  # columns that are looked at for facets


class FacetsBody(BaseModel):
    """What to count. Fields of a search that do not narrow it (text, query) are ignored: counts are of the gallery."""

    model_config = ConfigDict(extra="ignore")
    gallery: str | None = None
    filter: dict[str, Any] | None = Field(default=None, description="Filter as of a search: {column: condition, …}.")
    where: str | None = Field(default=None, description="Raw SQL condition; only with --allow-sql.")
    columns: list[str] | None = Field(default=None, description="Columns to count; default: those that make facets.")


@router.post("/facets")
async def facets(asked: FacetsBody, service: Annotated[Service, Depends(get_service)]) -> dict[str, Any]:
    """Facets under the filter: values and ranges of columns with the number of images of each.

    A column's counts ignore the filter's own condition on it. Words and images of a search change no counts: a search
    orders all images, and leaves none out. Ranges are those of the whole gallery, whatever the filter.
    """
    opened = await asyncio.to_thread(service.open_gallery, asked.gallery)
    return await asyncio.to_thread(_count, service, opened.gallery.index, asked)


def _count(service: Service, index: Index, asked: FacetsBody) -> dict[str, Any]:
    known = index.columns()
    names = asked.columns or [name for name in known if name not in _HIDDEN]
    check_columns(names, known)
    filter = asked.filter or {}

    def condition(filter: Mapping[str, Any]) -> str | None:
        return make_condition(service, index, SearchRequest(filter=filter or None, where=asked.where))

    whole = condition(filter)
    found = find_facets(index, names[:MOST_READ])[:MOST_FACETS]
    of_condition: dict[str | None, list[Facet]] = {}
    for facet in found:
        others = omit_column(filter, facet.column)
        of_condition.setdefault(condition(others) if others != filter else whole, []).append(facet)
    counted = {facet.column: facet for where, some in of_condition.items() for facet in _narrow(index, some, where)}
    total = len(index) if whole is None else keep_while_unchanged(index, "count", whole, lambda: index.count(whole))
    return {"facets": [counted[facet.column].to_dict() for facet in found], "total": total}


def find_facets(index: Index, names: Sequence[str]) -> list[Facet]:
    """Facets of those columns of the whole gallery that make some."""

    def compute() -> list[Facet]:
        known, found = index.columns(), []
        for name in names:  # one at a time: memory does not grow with the columns
            facet = count_facet(name, known[name], index.read_columns([name])[name])
            if facet is not None:
                found.append(facet)
        return found

    return keep_while_unchanged(index, "facets", tuple(names), compute)


def _narrow(index: Index, facets: Sequence[Facet], where: str | None) -> list[Facet]:
    """Facets with the counts of the rows that a condition admits."""
    if where is None:
        return list(facets)
    names = [facet.column for facet in facets]

    def compute() -> list[Facet]:
        read = index.read_columns(names, where)
        return [count_again(facet, read[facet.column]) for facet in facets]

    return keep_while_unchanged(index, "narrowed", (where, *names), compute)
