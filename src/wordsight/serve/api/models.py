"""`GET /v1/models`: OpenAI's list, with what a client has to know of each model."""

from __future__ import annotations

import weakref
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from wordsight.errors import WordsightError
from wordsight.model import Model
from wordsight.serve.engine.engine import Engine
from wordsight.serve.errors import RequestError
from wordsight.serve.inputs.models import ServedModel, list_models
from wordsight.serve.service import Service, get_service

router = APIRouter(prefix="/v1", tags=["models"])

_STARTED = int(datetime.now(UTC).timestamp())


class ModelFacts(BaseModel):
    """Facts of a model, known once it has been loaded."""

    name: str
    embed_dim: int
    context_length: int = Field(description="Tokens of a text that are read.")
    image_size: int = Field(description="Side of the square that an image is made into, pixels.")
    scale: float = Field(description="Factor on cosines before the softmax or sigmoid.")
    family: str
    backend: str
    precision: str
    fingerprint: str = Field(description="Hash of all that determines its answers; indexes are made with one.")
    licence: str


class ModelCard(BaseModel):
    """A model, as OpenAI's API lists it, with its facts."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(default=_STARTED, description="When the server started, seconds since 1970.")
    owned_by: str = "wordsight"
    galleries: list[str] = Field(description="Galleries that were made with it.")
    state: Literal["ready", "not loaded", "failed"] = "ready"
    problem: str | None = Field(default=None, description="Why it cannot be used.")
    facts: ModelFacts | None = Field(default=None, description="null until it has been loaded.")


class ModelList(BaseModel):
    """Models of the server, that of the default gallery first."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


@router.get("/models", operation_id="list_models")
async def list_all(service: Annotated[Service, Depends(get_service)]) -> ModelList:
    """List the models of the galleries, and the one that the server was started with."""
    models = await list_models(service)
    return ModelList(data=[await _describe(model, service) for model in models])


@router.get("/models/{id:path}", operation_id="get_model")
async def get_one(id: str, service: Annotated[Service, Depends(get_service)]) -> ModelCard:
    """Describe one model."""
    models = await list_models(service)
    for model in models:
        if model.id == id:
            return await _describe(model, service)
    ids = ", ".join(model.id for model in models)
    reason = f"is {id[:200]!r}, which this server does not have; it has: {ids}"
    raise RequestError(reason, "model", status=404, code="model_not_found")


_facts: weakref.WeakKeyDictionary[Engine, ModelFacts] = weakref.WeakKeyDictionary()


async def _describe(model: ServedModel, service: Service) -> ModelCard:
    """Card of a model; one that no gallery needs is not loaded for it."""
    engine = service.engines.get(model.source)
    card = ModelCard(id=model.id, galleries=model.galleries)
    if engine not in _facts:
        if not (engine.ready or model.galleries or not service.library.names):
            return card.model_copy(update={"state": "not loaded"})
        try:
            _facts[engine] = _read_facts(await engine.model())
        except WordsightError as error:
            return card.model_copy(update={"state": "failed", "problem": str(error)})
    return card.model_copy(update={"facts": _facts[engine]})


def _read_facts(model: Model) -> ModelFacts:
    spec = model.spec
    return ModelFacts(
        name=spec.name,
        embed_dim=spec.embed_dim,
        context_length=spec.tokenizer.context_length,
        image_size=spec.preprocess.image_size,
        scale=spec.scale,
        family=spec.family,
        backend=model.encoder.backend,
        precision=model.encoder.precision,
        fingerprint=model.fingerprint,
        licence=spec.licence,
    )
