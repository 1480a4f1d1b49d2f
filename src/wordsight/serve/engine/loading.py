"""Loading a model and compiling its towers for the sizes of batches that this machine does well."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.model import Model
from wordsight.serve.engine.buckets import IMAGES, TEXTS, Buckets, measure_buckets
from wordsight.serve.engine.inputs import Kind
from wordsight.serve.engine.memory import release_memory
from wordsight.spec import ModelSpec

_STEP = 8  # tokens: the encoder cuts the texts of a batch to a multiple of it


@dataclass(frozen=True, eq=False)
class Loaded:
    """A model whose towers are compiled for the sizes of `buckets`. no_texts: why it takes none; None where it does."""

    model: Model
    buckets: dict[Kind, Buckets]
    no_texts: InputError | None = None


def compile_towers(model: Model) -> Loaded:
    """Model with both towers compiled for every size of batch. Raises: CheckpointError for damaged tensors."""
    image_size = model.spec.preprocess.image_size

    def encode_grey(rows: int) -> None:
        model.embed_pixels(np.full((rows, image_size, image_size, 3), 127, np.uint8))

    buckets: dict[Kind, Buckets] = {"image": measure_buckets(encode_grey, encode_grey, IMAGES)}
    no_texts = None
    try:
        prompts = ["a photo", "a drawing"]  # two: one would compile another tower, for latency
        model.embed_tokens(model.tokenizer(prompts).ids, prompts)
        lengths = text_lengths(model.spec)
        prepare = functools.partial(_encode_lengths, model, lengths)
        run = functools.partial(_encode_lengths, model, lengths[-1:])
        buckets["text"] = measure_buckets(prepare, run, TEXTS)
    except InputError as error:
        no_texts = error
    release_memory()
    return Loaded(model, buckets, no_texts)


def _encode_lengths(model: Model, lengths: Sequence[int], rows: int) -> None:
    """Encode texts of so many tokens, a batch of each length."""
    for length in lengths:
        model.encoder.encode_texts(np.repeat(_tokens(model.spec, length), rows, axis=0))


def text_lengths(spec: ModelSpec) -> list[int]:
    """Numbers of tokens, growing, that texts are cut to."""
    longest = spec.text.context_length
    if not spec.text.causal:
        return [longest]
    return [*range(_STEP, longest, _STEP), longest]


def _tokens(spec: ModelSpec, length: int) -> NDArray[np.int32]:
    """Token ids (1, T) of a text whose end is the `length`th."""
    end = spec.tokenizer.eos_id
    ids_1T = np.full((1, spec.text.context_length), spec.tokenizer.pad_id, np.int32)
    ids_1T[0, : length - 1] = 1 if end != 1 else 0
    ids_1T[0, length - 1] = end
    return ids_1T
