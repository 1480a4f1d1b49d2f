"""How probable it is that an image answers a query, whatever else the collection holds.

A cosine means nothing by itself: it depends on the model, on how generic the query is and on how busy the image is.
Each is measured against unrelated pairs, and a logistic curve makes one probability of the measurements. They come
from the query, the image and the model alone; that a thing is common in the collection is no evidence against it.
"""

from __future__ import annotations

import re
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wordsight.class_embeddings import TextEmbedder, embed_classes
from wordsight.index.rows import Floats
from wordsight.rejection import TOP, Bank, bank_words
from wordsight.templates import TEMPLATE_SETS
from wordsight.vector_cache import cached_vectors

LIKELY = 0.5  # hits of a probability from here on are said to be likely
MOST_WORDS = 8  # longer queries are as specific as this
_IDENTICAL = 0.9999  # cosines above this are of one image embedded twice
_CELLS_AT_ONCE = 1 << 24
_CROPS = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0))  # corners, each with _CROP of either side
_CROP = 0.6

# fitted by benchmarks/search_cutoff.py --fit, on images that the bundled model was not trained on
TEXT_FEATURES = ("bias", "cosine", "margin", "standing", "rank", "generic", "average", "words")
TEXT_WEIGHTS = (0.0,) * 8
IMAGE_FEATURES = ("bias", "cosine", "by query", "by image")
IMAGE_WEIGHTS = (0.0,) * 4


def sigmoid(logit: Any) -> Any:
    """Return 1 / (1 + exp(-logit)), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(logit, np.float64)))


def bank_vectors(model: TextEmbedder) -> Floats:
    """Return the bank of unrelated prompts as unit vectors (B, D), embedded as queries are; kept on disk."""
    return embed_classes(model, {word: (word,) for word in bank_words()}, TEMPLATE_SETS["plain"])


def reference_images(model: Any) -> Floats:
    """Return unit vectors (R, D) of the bundled sample images, whole and their four corners; kept on disk."""
    from wordsight.samples import sample_pictures

    paths = sample_pictures()
    inputs = [[path.name for path in paths], _CROPS, _CROP]
    return cached_vectors("reference", model, inputs, len(paths) * (1 + len(_CROPS)), lambda: _embed_crops(model, paths))


def _embed_crops(model: Any, paths: Sequence[Any]) -> Floats:
    from wordsight.images import read_image

    views = []
    for path in paths:
        image = read_image(path)
        width, height = image.size
        views.append(image)
        for x, y in _CROPS:
            left, top = round(x * (1 - _CROP) * width), round(y * (1 - _CROP) * height)
            views.append(image.crop((left, top, left + round(_CROP * width), top + round(_CROP * height))))
    vectors: Floats = model.embed_images(views)
    return vectors


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of a measurement over unrelated pairs."""

    mean: float
    std: float

    @classmethod
    def of(cls, values: np.ndarray) -> Scale:
        """Return those of an array."""
        return cls(float(values.mean()), max(float(values.std()), 1e-6))

    def __call__(self, values: Any) -> Any:
        """Return values in standard deviations above the mean."""
        return (values - self.mean) / self.std


@dataclass(frozen=True, eq=False)
class Reference:
    """What unrelated texts and images are like for one model: the scales by which its cosines become comparable.

    bank: unrelated prompts. images_RD: the reference images. cosine: of prompts with reference images. generic: a
    prompt's mean cosine with the other prompts. average: a prompt's mean cosine with the reference images. between:
    cosines of reference images of different pictures.
    """

    bank: Bank
    images_RD: Floats
    cosine: Scale
    generic: Scale
    average: Scale
    between: Scale

    @classmethod
    def of(cls, bank_BD: Floats, images_RD: Floats) -> Reference:
        """Measure the scales on unit vectors: prompts (B, D) and images (R, D), 1 + len(_CROPS) of each picture."""
        cosine_BR = bank_BD @ images_RD.T
        picture_R = np.arange(len(images_RD)) // (1 + len(_CROPS))
        between_RR = images_RD @ images_RD.T
        others = between_RR[picture_R[:, None] != picture_R[None]]
        return cls(
            Bank.of(bank_BD),
            images_RD,
            Scale.of(cosine_BR),
            Scale.of((bank_BD @ bank_BD.T).mean(axis=1)),
            Scale.of(cosine_BR.mean(axis=1)),
            Scale.of(others if others.size else between_RR),
        )


_reference_of_model: weakref.WeakKeyDictionary[Any, Reference] = weakref.WeakKeyDictionary()


def reference_of(model: Any) -> Reference:
    """Return a model's reference: computed once a model, its vectors kept on disk, the rest in memory."""
    if (reference := _reference_of_model.get(model)) is None:
        reference = _reference_of_model[model] = Reference.of(bank_vectors(model), reference_images(model))
    return reference


def text_features(reference: Reference, query_D: Floats, words: int, images_KD: Floats) -> np.ndarray:
    """Return what the curve of texts weighs, a row for each image: (K, len(TEXT_FEATURES)) float64.

    cosine: in standard deviations above unrelated pairs of this model. margin: above the `TOP` nearest unrelated
    prompts of this image, in standard deviations of them all; prompts near to the query do not count. standing: above
    the mean of all prompts on this image (T-norm). rank: the logarithm of the share of unrelated prompts that fit this
    image better. generic: how near the query is to all prompts. average: how near to all reference images (Z-norm).
    words: of the query. Z- and T-norm are speaker verification's (Matějka et al. 2017).
    """
    bank = reference.bank
    rows = max(1, _CELLS_AT_ONCE // len(bank.vectors_BD))
    allowed_B = bank.against(query_D[None]).allowed_KB[0]
    generic = reference.generic(float((bank.vectors_BD @ query_D).mean()))
    average = reference.average(float((reference.images_RD @ query_D).mean()))
    parts = [np.zeros((0, len(TEXT_FEATURES)))]
    for start in range(0, len(images_KD), rows):
        image_KD = images_KD[start : start + rows]
        cosine_K = image_KD @ query_D
        bank_KB = image_KD @ bank.vectors_BD.T
        unrelated_KU = bank_KB[:, allowed_B]
        level_K = np.partition(unrelated_KU, -TOP, axis=1)[:, -TOP:].mean(axis=1)
        std_K = np.maximum(bank_KB.std(axis=1), 1e-6)
        better_K = (unrelated_KU > cosine_K[:, None]).mean(axis=1)
        columns = (
            1.0,
            reference.cosine(cosine_K),
            (cosine_K - level_K) / std_K,
            (cosine_K - bank_KB.mean(axis=1)) / std_K,
            np.log(better_K + 1 / len(bank.vectors_BD)),
            generic,
            average,
            float(np.log(max(1, min(words, MOST_WORDS)))),
        )
        parts.append(np.stack([np.broadcast_to(column, cosine_K.shape) for column in columns], axis=1))
    return np.concatenate(parts)


def image_features(reference: Reference, query_D: Floats, images_KD: Floats) -> np.ndarray:
    """Return what the curve of images weighs, a row for each image: (K, len(IMAGE_FEATURES)) float64.

    cosine: in standard deviations above different reference images. by query, by image: above what the query, and the
    image, reach on the reference images (Z- and T-norm).
    """
    cosine_K = (images_KD @ query_D).astype(np.float64)
    query_R, image_KR = reference.images_RD @ query_D, images_KD @ reference.images_RD.T
    by_query_K = Scale.of(query_R)(cosine_K)
    by_image_K = (cosine_K - image_KR.mean(axis=1)) / np.maximum(image_KR.std(axis=1), 1e-6)
    return np.stack([np.ones_like(cosine_K), reference.between(cosine_K), by_query_K, by_image_K], axis=1)


def text_logits(reference: Reference, query_D: Floats, words: int, images_KD: Floats) -> np.ndarray:
    """Return the log-odds that images (K, D) show what a text says, (K,) float64."""
    return text_features(reference, query_D, words, images_KD) @ np.array(TEXT_WEIGHTS)


def image_logits(reference: Reference, query_D: Floats, images_KD: Floats) -> np.ndarray:
    """Return the log-odds that images (K, D) are of one kind with a query image, (K,) float64.

    The very image that was asked with is certain, however much of the collection is like it.
    """
    logit_K = image_features(reference, query_D, images_KD) @ np.array(IMAGE_WEIGHTS)
    return np.where(images_KD @ query_D > _IDENTICAL, np.inf, logit_K)


def count_words(text: str) -> int:
    """Return how many words of a query say something."""
    return len(re.findall(r"[^\W_]+", text))
