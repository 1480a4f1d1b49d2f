"""`POST /v1/rank`: documents by how well they answer a query, in the shape of rerankers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from wordsight.search.reference import Reference
from wordsight.search.relevance import best_among, count_words, judge_image, judge_text
from wordsight.serve.api.answers import write_answer
from wordsight.serve.api.callers import get_caller
from wordsight.serve.api.json_bodies import LargeBodyRoute
from wordsight.serve.engine.engine import Caller, Engine, Floats
from wordsight.serve.errors import RequestError
from wordsight.serve.inputs.embedded import Embedded, embed_inputs
from wordsight.serve.inputs.models import find_model
from wordsight.serve.inputs.texts_and_images import INPUT_SCHEMA, Inputs, read_list, read_one
from wordsight.serve.service import Service, get_service
from wordsight.zeroshot.templates import TEMPLATE_SETS

router = APIRouter(prefix="/v1", tags=["rank"], route_class=LargeBodyRoute)
_EXAMPLE: JsonDict = {"query": "a kitten", "documents": ["an invoice", "a cat"]}


class RankRequest(BaseModel):
    """A query, and the texts or images to order by it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    query: Annotated[Any, WithJsonSchema(INPUT_SCHEMA)] = Field(
        description="A text, or an image: a data: URI, or an image object.", examples=["a cat"]
    )
    documents: Annotated[list[Any], WithJsonSchema({"type": "array", "minItems": 1, "items": INPUT_SCHEMA})] = Field(
        description="Texts, or images; not both in one request.", examples=[["a kitten", "a rocket"]]
    )
    top_n: int | None = Field(default=None, ge=1, description="Number of results; all where left out.")
    return_documents: bool = Field(default=False, description="Repeat texts, and ids of items, in the results.")
    model: str | None = Field(default=None, description="An id of `GET /v1/models`.")


class Ranked(BaseModel):
    """One document."""

    index: int = Field(description="Place in `documents`.")
    relevance_score: float = Field(description="The probability; of texts for a text, the cosine, at least 0.")
    cosine: float
    probability: float | None = Field(
        default=None, description="That it answers the query; absent of texts for a text."
    )
    document: dict[str, str] | None = None


class RankUsage(BaseModel):
    """Tokens of query and documents."""

    total_tokens: int
    truncated_tokens: int


class RankAnswer(BaseModel):
    """Documents, the best first."""

    model: str
    results: list[Ranked]
    usage: RankUsage


@router.post("/rank", operation_id="rank", response_model=RankAnswer)
@router.post("/rerank", include_in_schema=False, response_model=RankAnswer)
async def rank(
    asked: RankRequest,
    service: Annotated[Service, Depends(get_service)],
    caller: Annotated[Caller, Depends(get_caller)],
) -> Response:
    """Order texts or images by a query; also answers at `/v1/rerank`, as Cohere's and Jina's clients ask.

    The probability is that of search (images for a text or an image) or of `classify` with `multi` (texts for an
    image). Cosines of two texts mean nothing by themselves, so that these have none.
    """
    limits = service.settings.limits
    query = read_one(asked.query, limits, "query")
    documents = read_list(asked.documents, "auto", limits, "documents")
    if documents.texts and documents.images:
        raise RequestError(
            "hold both texts and images, whose scores with one query cannot be compared; rank them in two requests",
            "documents",
        )
    name, engine = await find_model(service, asked.model)
    embedded = await embed_inputs(query, service, engine, caller)
    (query_D,) = embedded.vectors
    found = await embed_inputs(documents, service, engine, caller)
    document_ND = np.stack(found.vectors)
    proba_N = await _judge((query, query_D), (documents, document_ND), service, engine, caller)
    return await write_answer(lambda: _answer(asked, name, (embedded, found), document_ND @ query_D, proba_N))


async def _judge(
    query: tuple[Inputs, Floats], documents: tuple[Inputs, Floats], service: Service, engine: Engine, caller: Caller
) -> Floats | None:
    """Probability (N,) that each document answers; None of texts for a text."""
    (asked, query_D), (given, document_ND) = query, documents
    if asked.texts and given.texts:
        return None
    if given.texts:
        bank = await service.classifiers.bank(engine, caller, TEMPLATE_SETS["photo"])
        judge = await asyncio.to_thread(bank.against, document_ND)
        alone_N: Floats = judge.independent_proba(query_D[None])[0]
        return alone_N
    text = asked.texts.get(0)
    return await asyncio.to_thread(_judge_images, await service.reference_of(engine), text, query_D, document_ND)


def _judge_images(reference: Reference, text: str | None, query_D: Floats, image_ND: Floats) -> Floats:
    """Probability (N,) that images answer a query by a text, or by an image (None)."""
    cosine_N = image_ND @ query_D
    if text is None:
        return judge_image(reference, query_D).proba(cosine_N)
    near_KD = image_ND[np.argsort(-cosine_N)[: best_among(len(image_ND))]]
    return judge_text(reference, query_D, count_words(text), near_KD).proba(cosine_N)


def _answer(
    asked: RankRequest, name: str, embedded: Sequence[Embedded], cosine_N: Floats, proba_N: Floats | None
) -> RankAnswer:
    order = np.argsort(-cosine_N, kind="stable")[: asked.top_n]
    score_N = np.clip(cosine_N, 0, 1) if proba_N is None else proba_N
    results = [
        Ranked(
            index=int(i),
            relevance_score=round(float(score_N[i]), 6),
            cosine=round(float(cosine_N[i]), 6),
            probability=None if proba_N is None else round(float(proba_N[i]), 6),
            document=_repeat(asked.documents[i]) if asked.return_documents else None,
        )
        for i in order
    ]
    usage = RankUsage(
        total_tokens=sum(sum(one.tokens) for one in embedded),
        truncated_tokens=sum(sum(one.truncated) for one in embedded),
    )
    return RankAnswer(model=name, results=results, usage=usage)


def _repeat(document: Any) -> dict[str, str] | None:
    """A document as its result repeats it: its text, or the id of an item; not the bytes of an image."""
    if isinstance(document, str):
        return None if document[:5].lower() == "data:" else {"text": document}
    return {key: value for key, value in document.items() if key in ("text", "id", "gallery")} or None
