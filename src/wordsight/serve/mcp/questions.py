"""Questions to a gallery, as the HTTP API asks them: requests and answers have its form."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.index.base import Floats
from wordsight.search.options import SearchOptions
from wordsight.search.query import answer_query
from wordsight.search.query_parts import NOT_WEIGHT, Query, QueryPart
from wordsight.search.reference import load_reference
from wordsight.serve.engine.engine import Caller
from wordsight.serve.service import Service


async def ask_search(service: Service, request: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
    """Answer of `POST /v1/search` to a request."""
    opened = await asyncio.to_thread(service.open_gallery, request["gallery"])
    index = opened.gallery.index
    parts = [QueryPart("text", request["text"])] if request["text"] else []
    for part in request["query"]:
        rows = await asyncio.to_thread(index.get, [part["like"]])
        if not rows:
            raise InputError(f"The gallery has no item {part['like']!r}.")
        parts.append(QueryPart("vector", rows[0].vector, part.get("weight", 1.0)))
    parts += [QueryPart("text", text, NOT_WEIGHT) for text in request["exclude"]]
    query = Query(tuple(parts))
    engine = service.engine_of(opened)
    texts = [part.value for part in parts if part.kind == "text"]
    embedded = iter((await engine.embed_texts(texts, caller)).vectors_ND if texts else ())
    vectors: list[Floats] = [next(embedded) if part.kind == "text" else part.value for part in parts]
    offset = int(request["cursor"] or 0)
    options = SearchOptions(k=request["limit"], offset=offset, fold=True)
    model = await engine.model()

    def answer() -> dict[str, Any]:
        hits = answer_query(index, load_reference(model), query, np.stack(vectors), options)
        end = offset + len(hits)
        remaining = max(0, len(index) - end) if len(hits) == options.k else 0
        return {
            **hits.to_dict(),
            "gallery": opened.name,
            "offset": offset,
            "cursor": str(end) if remaining else None,
            "remaining": remaining,
        }

    return await asyncio.to_thread(answer)
