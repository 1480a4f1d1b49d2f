"""Ranks of the answers to queries among a gallery: from them recall at k, of both kinds, and median ranks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError

_SCORES = 1 << 24  # numbers of a matrix of cosines that are held at once


@dataclass(frozen=True, eq=False)
class Ranks:
    """Ranks of the answers to each of Q queries in its ranking of the whole gallery, the best first, 0 for the first.

    A wrong item that scores as high as an answer goes before it: where all vectors are the same, recall is 0.
    """

    answers: tuple[NDArray[np.int64], ...]

    @property
    def best_Q(self) -> NDArray[np.int64]:
        """Rank of each query's best-scoring answer."""
        return np.array([ranks[0] for ranks in self.answers], np.int64)

    def hit_recall(self, k: int) -> NDArray[np.float64]:
        """1 for queries with any answer among the first k, else 0, (Q,): the "recall@k" of papers on CLIP."""
        return np.asarray(self.best_Q < k, np.float64)

    def true_recall(self, k: int) -> NDArray[np.float64]:
        """Share of each query's answers that are among the first k, (Q,)."""
        return np.array([np.mean(ranks < k) for ranks in self.answers])


def rank_positives(queries_QD: np.ndarray, gallery_ND: np.ndarray, positives: Sequence[Collection[int]]) -> Ranks:
    """Ranks of each query's positives by their cosines.

    positives: rows of the gallery that answer each query. Raises: InputError for a query without positives.
    """
    if len(positives) != len(queries_QD) or not len(positives) or not all(len(own) for own in positives):
        raise InputError(f"{len(queries_QD)} queries have {len(positives)} sets of positives; each needs at least one.")
    answers: list[NDArray[np.int64]] = []
    step = max(1, _SCORES // max(1, len(gallery_ND)))
    for start in range(0, len(queries_QD), step):
        scores_QN = queries_QD[start : start + step] @ gallery_ND.T
        for scores_N, own in zip(scores_QN, positives[start : start + step], strict=True):
            answers.append(_rank(scores_N, np.fromiter(own, np.int64)))
    return Ranks(tuple(answers))


def _rank(scores_N: np.ndarray, own_P: NDArray[np.int64]) -> NDArray[np.int64]:
    best_P = np.sort(scores_N[own_P])[::-1]
    scores_N[own_P] = -np.inf
    if len(own_P) == 1:
        return np.array([np.count_nonzero(scores_N >= best_P[0])], np.int64)
    wrong_N = np.sort(scores_N)
    before_P = len(wrong_N) - np.searchsorted(wrong_N, best_P, side="left")
    return np.asarray(before_P + np.arange(len(best_P)), np.int64)
