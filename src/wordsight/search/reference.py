"""Unrelated texts and images of one model: the scales by which its cosines become comparable."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wordsight.index.base import Floats
from wordsight.zeroshot.class_embeddings import TextEmbedder, embed_classes
from wordsight.zeroshot.none_of_these import Bank, bank_words
from wordsight.zeroshot.templates import TEMPLATE_SETS
from wordsight.zeroshot.vector_cache import cached_vectors

# corners of a sample image, as (x, y), that are reference images too, each _CROP of either side
_CORNERS = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))
_CROP = 0.6
VIEWS = 1 + len(_CORNERS)  # reference images of each sample
_UNRELATED = 0.8  # share of the reference images that count: those nearest to a text may show what it says


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of a measurement over unrelated pairs."""

    mean: float
    std: float

    @classmethod
    def of(cls, values: np.ndarray) -> Scale:
        """Mean and standard deviation of an array."""
        return cls(float(values.mean()), max(float(values.std()), 1e-6))

    def __call__(self, value: float) -> float:
        """A value in standard deviations above the mean."""
        return (value - self.mean) / self.std


@dataclass(frozen=True, eq=False)
class Reference:
    """Unrelated prompts and images of one model, and the scales of their cosines.

    bank: unrelated prompts. images_RD: unit vectors of the reference images. cosine: of prompts with reference images.
    generic: a prompt's mean cosine with all prompts. average: with the reference images that are farthest from it.
    between: cosines of reference images of different samples.
    """

    bank: Bank
    images_RD: Floats
    cosine: Scale
    generic: Scale
    average: Scale
    between: Scale

    @classmethod
    def of(cls, bank_BD: Floats, images_RD: Floats) -> Reference:
        """Measure unit vectors of prompts (B, D) and images (R, D), `VIEWS` of each sample in a row."""
        cosine_BR = bank_BD @ images_RD.T
        between_RR = images_RD @ images_RD.T
        sample_R = np.arange(len(images_RD)) // VIEWS
        others = between_RR[sample_R[:, None] != sample_R[None]]
        return cls(
            Bank.of(bank_BD),
            images_RD,
            Scale.of(cosine_BR),
            Scale.of((bank_BD @ bank_BD.T).mean(axis=1)),
            Scale.of(_mean_of_unrelated(cosine_BR)),
            Scale.of(others if others.size else between_RR),
        )

    def average_norm(self, query_D: Floats) -> float:
        """Nearness of a text to images that do not show it, in standard deviations above prompts."""
        return self.average(float(_mean_of_unrelated((self.images_RD @ query_D)[None])[0]))


def _mean_of_unrelated(cosine_BR: Floats) -> np.ndarray:
    """Mean of each row over the smaller part of its cosines, (B, R) → (B,)."""
    kept = max(1, round(_UNRELATED * cosine_BR.shape[1]))
    return np.asarray(np.partition(cosine_BR, kept - 1, axis=1)[:, :kept].mean(axis=1))


_references: weakref.WeakKeyDictionary[Any, Reference] = weakref.WeakKeyDictionary()


def load_reference(model: Any) -> Reference:
    """Reference of a model: embedded once a model and kept on disk, in memory while the model is in use."""
    reference = _references.get(model)
    if reference is None:
        reference = _references[model] = Reference.of(embed_bank(model), embed_reference_images(model))
    return reference


def embed_bank(model: TextEmbedder) -> Floats:
    """Bank of unrelated prompts as unit vectors (B, D), embedded as queries are; kept on disk."""
    return embed_classes(model, {word: (word,) for word in bank_words()}, TEMPLATE_SETS["plain"])


def embed_reference_images(model: Any) -> Floats:
    """Reference images as unit vectors (R, D): each bundled sample, whole and its corners; kept on disk."""
    from wordsight.samples import sample_images

    paths = sample_images()
    inputs = [[path.name for path in paths], _CORNERS, _CROP]
    return cached_vectors("reference", model, inputs, len(paths) * VIEWS, lambda: _embed_views(model, paths))


def _embed_views(model: Any, paths: Sequence[Any]) -> Floats:
    from wordsight.images.decode import read_image

    views = []
    for path in paths:
        image = read_image(path)
        width, height = image.size
        views.append(image)
        for x, y in _CORNERS:
            left, top = round(x * (1 - _CROP) * width), round(y * (1 - _CROP) * height)
            views.append(image.crop((left, top, left + round(_CROP * width), top + round(_CROP * height))))
    vectors: Floats = model.embed_images(views)
    return vectors
