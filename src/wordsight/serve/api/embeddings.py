"""`POST /v1/embeddings` in OpenAI's shape, for texts and images."""

from __future__ import annotations

import asyncio
import base64
import itertools
from typing import Annotated, Any, Literal

import numpy as np
import pydantic_core
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from wordsight.serve.api.callers import get_caller
from wordsight.serve.api.image_inputs import IMAGE_EXAMPLE
from wordsight.serve.api.json_bodies import LargeBodyRoute
from wordsight.serve.engine.engine import Caller, Engine, Floats
from wordsight.serve.errors import RequestError
from wordsight.serve.inputs.embedded import Embedded, embed_inputs
from wordsight.serve.inputs.models import find_model
from wordsight.serve.inputs.texts_and_images import INPUT_SCHEMA, Inputs, read_inputs
from wordsight.serve.service import Service, get_service

router = APIRouter(prefix="/v1", tags=["embeddings"], route_class=LargeBodyRoute)

_DECIMALS = 10  # of a number in JSON: half a unit in the last place of most float32s of a unit vector

_INPUT = {"anyOf": [INPUT_SCHEMA, {"type": "array", "minItems": 1, "items": INPUT_SCHEMA}]}
_MESSAGES = {"type": "array", "minItems": 1, "items": {"type": "object"}}
_EXAMPLE: JsonDict = {"input": ["a red car", {"image": IMAGE_EXAMPLE}]}


class EmbeddingsRequest(BaseModel):
    """Texts and images to embed: `input`, or `messages`."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    input: Annotated[Any, WithJsonSchema(_INPUT)] = Field(
        default=None, description="A text, or a list of texts and of image objects.", examples=["a red car"]
    )
    messages: Annotated[Any, WithJsonSchema(_MESSAGES)] = Field(
        default=None, description="One message with one text or one image, as vLLM takes it."
    )
    modality: Literal["text", "image", "auto"] = Field(
        default="text", description="What the strings of `input` are; auto: data: URIs and URLs are images."
    )
    model: str | None = Field(
        default=None, description="An id of `GET /v1/models`; the default gallery's where left out."
    )
    encoding_format: Literal["float", "base64"] = Field(
        default="float", description="base64: of little-endian float32."
    )
    dimensions: int | None = Field(
        default=None, description="Numbers in an embedding; only the model's own number is taken."
    )
    user: str | None = Field(default=None, description="Taken, and not used.")


class Embedding(BaseModel):
    """One embedding, of unit length."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str
    truncated: int | None = Field(
        default=None, description="Tokens of this text that did not fit; absent where all did."
    )


class Usage(BaseModel):
    """Tokens that were read, and that did not fit; images have none."""

    prompt_tokens: int
    total_tokens: int
    truncated_tokens: int


class EmbeddingsAnswer(BaseModel):
    """Embeddings in the order of the inputs."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage
    warnings: list[str] | None = Field(
        default=None, description="What was done but may not be meant; absent without any."
    )


@router.post("/embeddings", response_model=EmbeddingsAnswer, operation_id="embed")
async def embed(
    asked: EmbeddingsRequest,
    service: Annotated[Service, Depends(get_service)],
    caller: Annotated[Caller, Depends(get_caller)],
) -> Response:
    """Embed texts and images.

    Images in three dialects: `{"input": [DATA URI], "modality": "image"}` (infinity), `{"input": [{"image": DATA
    URI}, {"text": "a cat"}]}` (Jina), `{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url":
    {"url": DATA URI}}]}]}` (vLLM). An image that cannot be read refuses the whole request, as OpenAI's API does.
    """
    inputs = read_inputs(asked.input, asked.messages, asked.modality, service.settings.limits)
    name, engine = await find_model(service, asked.model)
    if asked.dimensions is not None:
        await _check_dimensions(asked.dimensions, name, engine)
    answer = await embed_inputs(inputs, service, engine, caller)
    content = await asyncio.to_thread(_to_json, answer, name, asked.encoding_format, _list_warnings(inputs))
    return Response(content, media_type="application/json")


async def _check_dimensions(asked: int, name: str, engine: Engine) -> None:
    """Raise RequestError for another number than the model's: no model here is trained to be shortened."""
    dim = (await engine.model()).spec.embed_dim
    if asked != dim:
        raise RequestError(
            f"is {asked}, and the embeddings of {name} have {dim} numbers, of which none can be left out: it was not "
            f"trained so (Matryoshka). Leave dimensions out, or ask for {dim}",
            "dimensions",
        )


def _list_warnings(inputs: Inputs) -> list[str]:
    """What was done but may not be meant."""
    if not inputs.suspects:
        return []
    others = f" and {len(inputs.suspects) - 1} more" if len(inputs.suspects) > 1 else ""
    return [
        f"{inputs.names[inputs.suspects[0]]}{others}: a data: URI of an image was embedded as a text, by its letters; "
        'say "modality": "image", or send {"image": DATA URI}.'
    ]


def _to_json(answer: Embedded, name: str, encoding: str, warnings: list[str]) -> bytes:
    """Answer as JSON, row by row: json.dumps would hold the interpreter, and other requests, ten times as long."""
    write = _base64 if encoding == "base64" else _floats
    rows = (
        b'{"object":"embedding","index":%d,"embedding":%b%b}'
        % (i, write(vector_D), b',"truncated":%d' % lost if lost else b"")
        for i, vector_D, lost in zip(itertools.count(), answer.vectors, answer.truncated)
    )
    tokens = sum(answer.tokens)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens, "truncated_tokens": sum(answer.truncated)}
    rest: dict[str, Any] = {"model": name, "usage": usage}
    if warnings:
        rest["warnings"] = warnings
    return b'{"object":"list","data":[%b],%b' % (b",".join(rows), pydantic_core.to_json(rest)[1:])


def _base64(vector_D: Floats) -> bytes:
    return b'"%b"' % base64.b64encode(np.asarray(vector_D, "<f4").tobytes())


def _floats(vector_D: Floats) -> bytes:
    return pydantic_core.to_json(np.asarray(vector_D, np.float64).round(_DECIMALS).tolist())
