"""Retrieval of images by texts and of texts by images: recall at k, with its interval over queries."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.embedder import Embedder
from wordsight.evaluate.pixels import IMAGES_AT_ONCE, Pixels
from wordsight.metrics import Estimate, bootstrap_hits
from wordsight.spec import Preprocess

_SCORES = 1 << 24  # numbers of a matrix of cosines that are held at once


def measure_retrieval(
    model: Embedder,
    images: Sequence[Any],
    captions: Sequence[tuple[int, str]],
    preprocess: Preprocess,
    *,
    ks: Sequence[int] = (1, 5, 10),
) -> dict[str, Estimate]:
    """Recall of texts → images and back, as "text→image R@10".

    captions: (place of the image in `images`, text). preprocess: of the model's spec.
    Images that cannot be read are left out with their captions, with a warning.
    """
    places: list[int] = []
    vectors = []
    for some, pixels in Pixels(images, preprocess).batches(IMAGES_AT_ONCE):
        places += some
        vectors.append(model.embed_pixels(pixels))
    row_of = {place: row for row, place in enumerate(places)}
    asked = [(row_of[place], text) for place, text in captions if place in row_of]
    texts_QD = model.embed_texts([text for _, text in asked])
    images_ND = np.concatenate(vectors)
    own: list[list[int]] = [[] for _ in places]
    for query, (row, _) in enumerate(asked):
        own[row].append(query)
    with_text = [row for row, queries in enumerate(own) if queries]
    there = estimate_recall(texts_QD, images_ND, [[row] for row, _ in asked], ks)
    back = estimate_recall(images_ND[with_text], texts_QD, [own[row] for row in with_text], ks)
    return {f"text→image R@{k}": there[k] for k in ks} | {f"image→text R@{k}": back[k] for k in ks}


def estimate_recall(
    queries_QD: np.ndarray, gallery_ND: np.ndarray, positives: Sequence[Collection[int]], ks: Sequence[int] = (1, 5, 10)
) -> dict[int, Estimate]:
    """Share of queries with any of their positives among the k best-scoring rows of the gallery, by k.

    Papers call it R@k; `metrics.hit_rate_at_k` is the same of a ranking.
    """
    rank_Q = rank_positives(queries_QD, gallery_ND, positives)
    return {k: bootstrap_hits(rank_Q < k) for k in ks}


def rank_positives(queries_QD: np.ndarray, gallery_ND: np.ndarray, positives: Sequence[Collection[int]]) -> np.ndarray:
    """Rank (Q,) of each query's best-scoring positive among the other rows of the gallery, 0 for the first.

    positives: rows of the gallery that answer each query. A negative that scores as high goes before: where all
    vectors are the same, recall is 0. Raises: InputError for a query without positives.
    """
    if len(positives) != len(queries_QD) or not len(positives) or not all(len(own) for own in positives):
        raise InputError(f"{len(queries_QD)} queries have {len(positives)} sets of positives; each needs at least one.")
    ranks = []
    step = max(1, _SCORES // max(1, len(gallery_ND)))
    for start in range(0, len(queries_QD), step):
        scores_QN = queries_QD[start : start + step] @ gallery_ND.T
        for scores_N, own in zip(scores_QN, positives[start : start + step], strict=True):
            best = scores_N[list(own)].max()
            scores_N[list(own)] = -np.inf
            ranks.append(np.count_nonzero(scores_N >= best))
    return np.array(ranks)
