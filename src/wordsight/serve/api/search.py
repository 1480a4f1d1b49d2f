"""`POST /v1/search`: words, images, items that are liked or not, filters; without any of them a listing."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from wordsight.errors import InputError
from wordsight.serve.api.callers import get_searcher
from wordsight.serve.api.cursor import Cursor, hash_request, read_cursor
from wordsight.serve.api.hit_json import describe_hits, describe_row
from wordsight.serve.api.image_inputs import read_image_input
from wordsight.serve.api.json_bodies import LargeBodyRoute
from wordsight.serve.browse import count_rows, list_rows
from wordsight.serve.engine.engine import Caller
from wordsight.serve.search_request import (
    MOST_PARTS,
    Part,
    SearchAnswer,
    SearchRequest,
    check_request,
    make_condition,
    search_gallery,
)
from wordsight.serve.service import Service, get_service

router = APIRouter(prefix="/v1", tags=["search"], route_class=LargeBodyRoute)


class QueryPart(BaseModel):
    """One part of a query: exactly one of text, image (data URI or base64) and like (id of an item)."""

    model_config = ConfigDict(extra="forbid")
    text: str | None = None
    image: str | None = None
    like: str | None = None
    weight: float = Field(default=1.0, description="How much it counts; a negative one asks for images unlike it.")


class SearchBody(BaseModel):
    """A search. Without text and query, the gallery is listed."""

    model_config = ConfigDict(extra="forbid")
    gallery: str | None = Field(default=None, description="Name of the gallery; default: the server's first.")
    text: str | None = Field(default=None, description="Words to find.")
    query: list[QueryPart] = Field(default=[], max_length=MOST_PARTS, description="Further parts, each with a weight.")
    exclude: list[str] = Field(default=[], max_length=MOST_PARTS, description="Texts that the images should not show.")
    filter: dict[str, Any] | None = Field(default=None, examples=[{"price": {"lt": 50}}])
    where: str | None = Field(default=None, description="Raw SQL condition; only with --allow-sql.")
    by: Literal["auto", "vector", "text", "both"] = "auto"
    alpha: float | None = Field(default=None, description="Weight of images against texts: 0 texts alone, 1 images.")
    likely: bool = Field(default=False, description="Leave out what probably does not answer.")
    fold: bool = Field(default=True, description="Show near copies as one result.")
    whiten: bool = False
    limit: int = Field(default=30, description="Results of one answer, 1 to 200.")
    cursor: str | None = Field(default=None, description="`cursor` of the answer before, for the next results.")


@router.post("/search")
async def search(
    asked: SearchBody,
    service: Annotated[Service, Depends(get_service)],
    caller: Annotated[Caller, Depends(get_searcher)],
) -> dict[str, Any]:
    """Images that most probably answer, each with its probability; `likely` is the number of likely ones in all.

    An item that the query names (`like`) is not among the results. `remaining` counts images, of which near copies may
    be shown as one; null of a store that cannot count them. `cursor` leads to the next results; `changed` tells that
    the gallery was written since the cursor was made.
    """
    start = time.perf_counter()
    of = await asyncio.to_thread(_hash_body, asked)
    cursor = read_cursor(asked.cursor, of) if asked.cursor else Cursor(0, of, None)
    request = await _make_request(asked, cursor.offset, service)
    check_request(request)
    if request.parts:
        answer = await _search(service, request, caller, of)
    else:
        answer = await _list(service, request, of)
    answer["changed"] = bool(asked.cursor) and answer.pop("state") != cursor.state
    answer.pop("state", None)
    answer["took_ms"] = round(1000 * (time.perf_counter() - start), 1)
    return answer


def _hash_body(asked: SearchBody) -> str:
    return hash_request(asked.model_dump(exclude={"cursor", "limit"}))


async def _make_request(asked: SearchBody, offset: int, service: Service) -> SearchRequest:
    parts = []
    if asked.text and asked.text.strip():
        parts.append(Part(text=asked.text))
    for part in asked.query:
        given = [value for value in (part.text, part.image, part.like) if value is not None]
        if len(given) != 1:
            raise InputError(f"A part of the query has {len(given)} of text, image and like; expected exactly one.")
        parts.append(await _make_part(part, service))
    names = ("gallery", "exclude", "filter", "where", "by", "alpha", "likely", "fold", "whiten", "limit")
    return SearchRequest(parts=parts, offset=offset, **{name: getattr(asked, name) for name in names})


async def _make_part(part: QueryPart, service: Service) -> Part:
    if part.image is None:
        return Part(text=part.text, like=part.like, weight=part.weight)
    image = await read_image_input(part.image, service, "query.image")
    assert isinstance(image, bytes), "a text names no item"
    return Part(image=image, weight=part.weight)


async def _search(service: Service, request: SearchRequest, caller: Caller, of: str) -> dict[str, Any]:
    found = await search_gallery(service, request, caller)
    words = found.hits[0].words if found.hits else ""
    cursor: str | None = None
    remaining: int | None = 0
    if found.next_offset is not None:
        cursor = Cursor(found.next_offset, of, found.state).encode()
        remaining = await asyncio.to_thread(_count_rest, found)
    return {
        "gallery": found.opened.name,
        "likely": found.hits.likely,
        "at_least": found.hits.at_least,
        "hint": found.hits.hint,
        "hits": await asyncio.to_thread(describe_hits, found.hits, found.opened.name, words),
        "cursor": cursor,
        "remaining": remaining,
        "by": found.by,
        "truncated": found.truncated,
        "state": found.state,
    }


def _count_rest(found: SearchAnswer) -> int | None:
    """Number of rows behind an answer that there is more of; None of a store that cannot count."""
    total = count_rows(found.opened.gallery.index, found.where)
    return None if total is None else max(1, total - (found.next_offset or 0))


async def _list(service: Service, request: SearchRequest, of: str) -> dict[str, Any]:
    """Page of the gallery's listing, in the form of a search's answer."""
    opened = await asyncio.to_thread(service.open_gallery, request.gallery)
    index = opened.gallery.index

    def read() -> tuple[int, list[dict[str, Any]], str | None]:
        listing = list_rows(index, make_condition(service, index, request))
        rows = listing.page(index, request.offset, request.limit)
        hits = [describe_row(row, opened.name) | {"probability": None, "likely": None, "copies": []} for row in rows]
        return len(listing.ids), hits, index.state()

    total, hits, state = await asyncio.to_thread(read)
    end = request.offset + request.limit
    cursor = Cursor(end, of, state).encode() if end < total else None
    return {
        "gallery": opened.name,
        "likely": total,
        "at_least": False,
        "hint": "",
        "hits": hits,
        "cursor": cursor,
        "remaining": max(0, total - end),
        "by": None,
        "truncated": 0,
        "state": state,
    }
