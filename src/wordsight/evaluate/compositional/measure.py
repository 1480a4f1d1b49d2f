"""Scores on compositional pairs: whether a model tells apart captions of nearly the same words, by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.compositional.items import Form, Item, PairSet
from wordsight.evaluate.embedder import ImageTextEmbedder
from wordsight.evaluate.features import Features, embed_set
from wordsight.metrics import Estimate, estimate_clustered

# Score → chance level of a model that gives the four cosines in random order (of two images), or of a coin.
# text: both captions go to their image, 1/2 · 1/2; group: text and image, 4 of the 24 orders of four numbers.
# Source: Thrush et al. 2022, "Winoground", §4.1.
CHANCE: Mapping[Form, Mapping[str, float]] = {
    "two images": {"text": 1 / 4, "image": 1 / 4, "group": 1 / 6},
    "one image": {"accuracy": 1 / 2},
}
ALL = "all"


@dataclass(frozen=True, eq=False)
class PairScores:
    """Scores of a model on the N tests of a set whose images can be read.

    cosine: (N, 2, 2) [image, text] of two images; (N, 1, 2) of one. hits: score → (N,) bool. by_kind: kind (and
    "all") → score → estimate.
    """

    data: PairSet
    model: str
    fingerprint: str
    items: tuple[Item, ...]
    cosine: np.ndarray
    hits: Mapping[str, np.ndarray]
    by_kind: Mapping[str, Mapping[str, Estimate]]
    features: Features

    def to_dict(self) -> dict[str, Any]:
        """Figures by name."""
        kinds = {
            kind: {score: estimate.to_dict() for score, estimate in scores.items()}
            for kind, scores in self.by_kind.items()
        }
        return {
            "dataset": self.data.name,
            "dataset_hash": self.data.content_hash,
            "task": "compositional_pairs",
            "form": self.data.form,
            "model": self.model,
            "fingerprint": self.fingerprint,
            "tests": len(self.items),
            "tests_left_out": len(self.data.items) - len(self.items),
            "chance": dict(CHANCE[self.data.form]),
            "by_kind": kinds,
        }


def score_pairs(
    model: ImageTextEmbedder,
    data: PairSet,
    *,
    seed: int = 0,
    cache: bool = True,
    progress: Callable[[int], object] | None = None,
) -> PairScores:
    """Score a model on compositional pairs; tests with an image that cannot be read are left out.

    A tie counts as wrong. Intervals: as `metrics.estimate_clustered`, by images.
    Raises: InputError where no test is left.
    """
    features = embed_set(model, data.without_texts, cache=cache, progress=progress)
    row_of = {int(place): row for row, place in enumerate(features.places)}
    items = tuple(item for item in data.items if all(place in row_of for place in item.images))
    if not items:
        raise InputError(f"No test of {data.name!r} has all of its images: {features.skipped[0].reason}.")
    texts = list(dict.fromkeys(text for item in items for text in item.texts))
    place_of = {text: place for place, text in enumerate(texts)}
    text_KD = model.embed_texts(texts)
    image_NID = features.image_MD[[[row_of[place] for place in item.images] for item in items]]
    text_NTD = text_KD[[[place_of[text] for text in item.texts] for item in items]]
    cosine_NIT = np.einsum("nid,ntd->nit", image_NID, text_NTD)
    hits = decide(cosine_NIT)
    return PairScores(
        data, model.name, model.fingerprint, items, cosine_NIT, hits, _estimate(items, hits, seed), features
    )


def decide(cosine_NIT: np.ndarray) -> dict[str, np.ndarray]:
    """Score → whether each test is passed, (N,), by cosines (N, 1, 2) of one image or (N, 2, 2) of two.

    Of two images (I0 with T0, I1 with T1): "text": each image scores higher with its own text; "image": each text with
    its own image; "group": both. Source: Thrush et al. 2022, eq. 1 to 3.
    """
    if cosine_NIT.shape[1] == 1:
        return {"accuracy": cosine_NIT[:, 0, 0] > cosine_NIT[:, 0, 1]}
    own_0, own_1 = cosine_NIT[:, 0, 0], cosine_NIT[:, 1, 1]
    text_N = (own_0 > cosine_NIT[:, 0, 1]) & (own_1 > cosine_NIT[:, 1, 0])
    image_N = (own_0 > cosine_NIT[:, 1, 0]) & (own_1 > cosine_NIT[:, 0, 1])
    return {"text": text_N, "image": image_N, "group": text_N & image_N}


def _estimate(items: Sequence[Item], hits: Mapping[str, np.ndarray], seed: int) -> dict[str, dict[str, Estimate]]:
    kinds = sorted({item.kind for item in items})
    rows_of = {kind: [row for row, item in enumerate(items) if item.kind == kind] for kind in kinds}
    if len(kinds) > 1:
        rows_of[ALL] = list(range(len(items)))
    return {
        kind: {
            score: estimate_clustered(hit_N[rows], [items[row].images[0] for row in rows], seed=seed)
            for score, hit_N in hits.items()
        }
        for kind, rows in rows_of.items()
    }
