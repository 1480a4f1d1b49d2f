"""Embeddings of the texts and images of one request, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wordsight.images.skipped import Skipped
from wordsight.serve.engine.engine import Caller, Engine, Floats
from wordsight.serve.errors import RequestError
from wordsight.serve.inputs.images import embed_image_inputs
from wordsight.serve.inputs.texts_and_images import Inputs
from wordsight.serve.service import Service


@dataclass(frozen=True, eq=False)
class Embedded:
    """Unit vectors of inputs in their order; tokens and truncated ones of each, 0 for images."""

    vectors: Sequence[Floats]
    tokens: Sequence[int]
    truncated: Sequence[int]


async def embed_inputs(inputs: Inputs, service: Service, engine: Engine, caller: Caller) -> Embedded:
    """Embeddings of texts and images, each kind in one call.

    Raises: RequestError naming the first image that cannot be read; BusyError.
    """
    count = len(inputs.names)
    vectors: dict[int, Floats] = {}
    tokens, truncated = [0] * count, [0] * count
    if inputs.images:
        param = inputs.names[0].partition(".")[0]
        answers = await embed_image_inputs(list(inputs.images.values()), service, engine, caller, param)
        for place, answer in zip(inputs.images, answers, strict=True):
            if isinstance(answer, Skipped):
                raise RequestError(answer.reason, inputs.names[place])
            vectors[place] = answer
    if inputs.texts:
        texts = await engine.embed_texts(list(inputs.texts.values()), caller)
        rows = zip(inputs.texts, texts.vectors_ND, texts.tokens_N, texts.truncated_N, strict=True)
        for place, vector_D, read, lost in rows:
            vectors[place], tokens[place], truncated[place] = vector_D, int(read), int(lost)
    return Embedded([vectors[place] for place in range(count)], tokens, truncated)
