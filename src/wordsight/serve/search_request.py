"""A search as the API, the page and agents ask for it: checked, embedded by the engine, answered by the gallery."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.index import Index
from wordsight.search.filter_json import compile_filter
from wordsight.search.finder import choose_fusion
from wordsight.search.hits import Hit, Hits
from wordsight.search.options import By, SearchOptions
from wordsight.search.query import answer_query
from wordsight.search.query_parts import NOT_WEIGHT, Query, QueryPart
from wordsight.serve.engine.engine import Caller, Engine, Floats
from wordsight.serve.library import OpenGallery
from wordsight.serve.service import Service

MOST_PARTS = 50
MOST_HITS = 200  # of one answer; the next ones come by the cursor


@dataclass(frozen=True, eq=False)
class Part:
    """One part of a query: a text, an image (encoded bytes), or an item of the gallery by its id."""

    text: str | None = None
    image: bytes | None = None
    like: str | None = None
    weight: float = 1.0


@dataclass(frozen=True, eq=False)
class SearchRequest:
    """A search of one gallery. Without parts it lists the gallery.

    exclude: texts that are not wanted, of the weight -0.5. filter: see `search.filter_json`. where: raw SQL, which the
    settings must allow. The others: see `search.options.SearchOptions`.
    """

    gallery: str | None = None
    parts: Sequence[Part] = ()
    exclude: Sequence[str] = ()
    filter: Mapping[str, Any] | None = None
    where: str | None = None
    by: By = "auto"
    alpha: float | None = None
    likely: bool = False
    fold: bool = True
    whiten: bool = False
    limit: int = 30
    offset: int = 0


@dataclass(frozen=True, eq=False)
class SearchAnswer:
    """Hits of a search. next_offset: where the next ones begin, None where there are no more.

    where: condition of the filter. by: the weights of texts and images, and those that `wordsight tune` chose.
    truncated: tokens of the query's texts that were not read. state: of the gallery's contents (`Index.state`).
    """

    opened: OpenGallery
    hits: Hits
    query: Query
    next_offset: int | None
    where: str | None
    by: Mapping[str, Any]
    truncated: int
    state: str | None


async def search_gallery(service: Service, asked: SearchRequest, caller: Caller) -> SearchAnswer:
    """Answer of a search with at least one part.

    Raises: InputError for a request that is not valid; UnknownGalleryError; StoreError; BusyError; ImageError.
    """
    check_request(asked)
    opened = await asyncio.to_thread(service.open_gallery, asked.gallery)
    index = opened.gallery.index
    where = await asyncio.to_thread(make_condition, service, index, asked)
    engine = service.engine_of(opened)
    query, parts_PD, truncated = await _embed(engine, index, asked, caller)
    reference = await service.reference_of(engine)
    shown = {part.like for part in asked.parts if part.like is not None}  # known already: not among the results
    options = SearchOptions(
        k=asked.limit + len(shown) + 1,
        offset=asked.offset,
        where=where,
        by=asked.by,
        alpha=asked.alpha,
        likely=asked.likely,
        whiten=asked.whiten,
        fold=asked.fold,
    )
    hits = await asyncio.to_thread(answer_query, index, reference, query, parts_PD, options)
    next_offset = _leave_out(hits, shown, asked)
    by = await asyncio.to_thread(_describe_fusion, index, query, asked)
    return SearchAnswer(opened, hits, query, next_offset, where, by, truncated, await asyncio.to_thread(index.state))


def _leave_out(hits: Hits, ids: set[str], asked: SearchRequest) -> int | None:
    """Reduce hits to those asked for, without these ids; the offset of the next ones, or None."""
    kept: list[Hit] = []
    taken = 0
    for hit in hits:
        if len(kept) == asked.limit:
            break
        taken += 1
        if hit.id not in ids:
            kept.append(hit)
    more = taken < len(hits)
    hits.likely -= sum(hit.likely for hit in hits[:taken] if hit.id in ids)
    hits[:] = kept
    return asked.offset + taken if more else None


def make_condition(service: Service, index: Index, asked: SearchRequest) -> str | None:
    """SQL condition of a request's filter and its raw condition. Raises: InputError."""
    conditions = []
    if asked.where:
        if not service.settings.allow_sql:
            raise InputError("This server takes no raw SQL; use 'filter', or start it with --allow-sql.")
        conditions.append(f"({asked.where})")
    if asked.filter:
        conditions.append(compile_filter(asked.filter, index.columns()))
    return " AND ".join(conditions) or None


def check_request(asked: SearchRequest) -> None:
    """Raise InputError for numbers that are out of bounds, and unwanted texts without anything wanted."""
    if not 1 <= asked.limit <= MOST_HITS:
        raise InputError(f"limit is {asked.limit}, expected 1 to {MOST_HITS}; more results come by the cursor.")
    if len(asked.parts) + len(asked.exclude) > MOST_PARTS:
        raise InputError(f"The query has {len(asked.parts) + len(asked.exclude)} parts, at most {MOST_PARTS} are read.")
    if asked.exclude and not asked.parts:
        raise InputError("The query excludes texts and asks for nothing; add a text, an image or an item to find.")


async def _embed(engine: Engine, index: Index, asked: SearchRequest, caller: Caller) -> tuple[Query, Floats, int]:
    """Query of a request, the vectors of its parts, (P, D), and the number of tokens that were not read."""
    parts = [*asked.parts, *(Part(text=text, weight=NOT_WEIGHT) for text in asked.exclude)]
    vectors: dict[int, Floats] = {}
    truncated = 0
    if texts := {i: part.text for i, part in enumerate(parts) if part.text is not None}:
        answer = await engine.embed_texts(list(texts.values()), caller)
        vectors |= dict(zip(texts, answer.vectors_ND, strict=True))
        truncated = int(answer.truncated_N.sum())
    if images := {i: part.image for i, part in enumerate(parts) if part.image is not None}:
        answers = await engine.embed_images(list(images.values()), caller)
        for i, found in zip(images, answers, strict=True):
            if not isinstance(found, np.ndarray):
                raise InputError(f"The image of the query cannot be read: {found.reason}.")
            vectors[i] = found
    if liked := {i: part.like for i, part in enumerate(parts) if part.like is not None}:
        rows = {row.id: row for row in await asyncio.to_thread(index.get, list(liked.values()))}
        for i, id in liked.items():
            if id not in rows:
                raise InputError(f"The gallery has no item {id!r:.200}; it may have been removed since.")
            vectors[i] = rows[id].vector
    query = Query(tuple(_as_query_part(part, vectors[i]) for i, part in enumerate(parts)))
    return query, np.stack([vectors[i] for i in range(len(parts))]), truncated


def _as_query_part(part: Part, vector_D: Floats) -> QueryPart:
    if part.text is not None:
        return QueryPart("text", part.text, part.weight)
    return QueryPart("vector", vector_D, part.weight)


def _describe_fusion(index: Index, query: Query, asked: SearchRequest) -> dict[str, Any]:
    """Weights that the answer was made with, and those that `wordsight tune` chose."""
    note = index.note("fusion")
    chosen = choose_fusion(index, query, asked.by, asked.alpha)
    tuned = note["alpha"] if note else None
    if chosen is None:
        return {"method": "auto", "alpha": 0.5, "tuned": tuned}
    return {"method": chosen.method, "alpha": chosen.alpha, "tuned": tuned}
