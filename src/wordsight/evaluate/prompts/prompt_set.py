"""Prompt set: the prompts of each class, and how their vectors become one classifier."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.embedder import ImageTextEmbedder
from wordsight.text.tokenizer import TextTruncatedWarning
from wordsight.zeroshot.class_embeddings import Floats, normalise_rows
from wordsight.zeroshot.templates import fill
from wordsight.zeroshot.vector_cache import cached_vectors

Pooling = Literal["embeddings", "similarities"]
_AT_ONCE = 1024
_MOST_KEPT = 50_000  # prompts of a set that are kept on disk: 100 MB of 512 numbers each


@dataclass(frozen=True)
class PromptSet:
    """Prompts of K classes, one or more of each.

    pooling: "embeddings" takes the mean of a class's unit vectors as one unit vector (Radford et al. 2021, §3.1.4;
    CuPL, Pratt et al. 2209.03320); "similarities" takes the mean of an image's cosines with a class's prompts (DCLIP,
    Menon and Vondrick 2210.07183, eq. 1), which is lower for classes whose prompts disagree. templates: those the
    prompts were made from, or none.
    """

    name: str
    prompts: tuple[tuple[str, ...], ...]
    pooling: Pooling = "embeddings"
    templates: tuple[str, ...] = ()

    @classmethod
    def of_templates(cls, name: str, classnames: Sequence[str], templates: Sequence[str]) -> PromptSet:
        """Every class name, or wording of it, in every template."""
        return cls(name, tuple(tuple(fill(templates, word)) for word in classnames), templates=tuple(templates))

    @property
    def count(self) -> int:
        """Number of prompts of all classes."""
        return sum(map(len, self.prompts))

    @property
    def flat(self) -> list[str]:
        """Prompts of all classes, class by class."""
        return list(itertools.chain.from_iterable(self.prompts))

    def renamed(self, name: str) -> PromptSet:
        """The same prompts under another name."""
        return replace(self, name=name)


@dataclass(frozen=True, eq=False)
class PromptVectors:
    """Unit vectors (P, D) of a set's prompts, class by class; those of class k are rows starts[k] to starts[k + 1]."""

    vectors_PD: Floats
    starts: np.ndarray
    pooling: Pooling = "embeddings"

    def class_vectors(self) -> Floats:
        """Vectors (K, D) whose products with images are the scores of the classes.

        Of the pooling "similarities" they are shorter than 1: the mean of cosines is the product with the mean.
        """
        means = [self.vectors_PD[a:b].mean(axis=0) for a, b in itertools.pairwise(self.starts)]
        mean_KD = np.stack(means).astype(np.float32)
        if self.pooling == "similarities":
            return mean_KD
        return normalise_rows(mean_KD)

    def by_template(self) -> Floats:
        """Vectors (T, K, D) of a set that has the same T templates for each class."""
        counts = np.diff(self.starts)
        assert (counts == counts[0]).all()
        return np.ascontiguousarray(self.vectors_PD.reshape(len(counts), counts[0], -1).swapaxes(0, 1))


def embed_prompts(model: ImageTextEmbedder, prompts: PromptSet, *, cache: bool = True) -> PromptVectors:
    """Unit vectors of all prompts of a set; each distinct prompt is embedded once.

    cache: keep them under `cache_dir("prompts")`, unless they are so many that they would take hundreds of megabytes.
    """
    texts = list(dict.fromkeys(prompts.flat))
    place = {text: row for row, text in enumerate(texts)}
    if cache and len(texts) <= _MOST_KEPT:
        unique_UD = cached_vectors("prompts", model, texts, len(texts), lambda: _embed(model, texts))
    else:
        unique_UD = _embed(model, texts)
    starts = np.cumsum([0, *map(len, prompts.prompts)])
    return PromptVectors(unique_UD[[place[text] for text in prompts.flat]], starts, prompts.pooling)


def count_truncated(model: Any, texts: Sequence[str]) -> int | None:
    """Number of texts whose ends the model does not read; None of a model that does not tell, such as a server."""
    tokenizer = find_tokenizer(model)
    if tokenizer is None:
        return None
    return int((tokenizer(list(texts)).truncated > 0).sum())


def find_tokenizer(model: Any) -> Any:
    """The tokenizer of a `wordsight.Model` or of what wraps one; None of others."""
    return getattr(getattr(model, "model", model), "tokenizer", None)


def check_single_label(name: str, labels: np.ndarray) -> None:
    """Raise InputError for a multi-label set, whose images have no one right answer, and for one without labels."""
    if labels.ndim == 2:
        raise InputError(
            f"{name!r} is a multi-label dataset, but prompts are compared by the share of images whose best class is "
            "right; give a dataset with one class per image."
        )
    if not (labels >= 0).any():
        raise InputError(f"No image of {name!r} has a label, so no prompt can be scored; give a labelled dataset.")


def _embed(model: ImageTextEmbedder, texts: Sequence[str]) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TextTruncatedWarning)  # counted by `count_truncated`, a figure of each result
        parts = [model.embed_texts(texts[i : i + _AT_ONCE]) for i in range(0, len(texts), _AT_ONCE)]
    return normalise_rows(np.concatenate(parts))
