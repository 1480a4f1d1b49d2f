"""Texts longer than a model's context: split where sentences end, embedded part by part, and pooled."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.embedder import ImageTextEmbedder
from wordsight.evaluate.prompts.prompt_set import find_tokenizer
from wordsight.zeroshot.class_embeddings import Floats, normalise_rows

_SENTENCE_END = re.compile(r"(?<=[.!?;])\s+")
_CLAUSE_END = re.compile(r"(?<=[,:])\s+")


def embed_long_texts(model: ImageTextEmbedder, texts: Sequence[str]) -> Floats:
    """Unit embeddings (N, D) of texts of any length: the normalised mean of the parts that fit the context.

    A text that fits has the embedding that the model gives it.
    Raises: InputError for a model that does not tell what fits its context.
    """
    tokenizer = find_tokenizer(model)
    if tokenizer is None:
        raise InputError(
            f"The model {model.name!r} does not tell how many tokens it reads, so texts cannot be split to fit; name a "
            "model that is loaded here."
        )
    parts = [split_text(text, lambda part: fits(tokenizer, part)) for text in texts]
    flat = [part for own in parts for part in own]
    vectors_PD = model.embed_texts(flat)
    starts = np.cumsum([0, *map(len, parts)])
    return normalise_rows(np.stack([vectors_PD[a:b].mean(axis=0) for a, b in itertools.pairwise(starts)]))


def fits(tokenizer: Any, text: str) -> bool:
    """Whether a tokenizer reads the whole of a text."""
    return not tokenizer([text]).truncated[0]


def split_text(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Parts of a text that fit, as few sentences' ends as possible apart: sentences, else clauses, else words.

    Neighbouring pieces are joined as long as they fit. A word that does not fit alone is a part by itself, whose end
    the model will not read.
    """
    text = " ".join(text.split())
    if fits(text) or " " not in text:
        return [text]
    for border in (_SENTENCE_END, _CLAUSE_END):
        pieces = border.split(text)
        if len(pieces) > 1:
            return _join([part for piece in pieces for part in split_text(piece, fits)], fits)
    return _join(text.split(" "), fits)


def _join(pieces: Sequence[str], fits: Callable[[str], bool]) -> list[str]:
    """Pieces put together from the first on, as many as fit."""
    parts = [pieces[0]]
    for piece in pieces[1:]:
        together = f"{parts[-1]} {piece}"
        if fits(together):
            parts[-1] = together
        else:
            parts.append(piece)
    return parts
