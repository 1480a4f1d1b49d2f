"""Measures of rankings, of marks (Q, N) bool: whether the item at each rank answers the query, the first rank first."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wordsight.errors import InputError
from wordsight.metrics.estimates import Floats


def mark_relevant(
    rankings: Sequence[Sequence[Hashable]], relevant: Sequence[Set[Any]], k: int
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Marks (Q, k) of rankings of ids, the best first, and how many ids answer each query (Q,).

    A ranking of fewer than k ids is filled up with what does not answer.
    """
    marks_QK = np.zeros((len(rankings), k), np.bool_)
    for marks_K, ranking, answers in zip(marks_QK, rankings, relevant, strict=True):
        marks_K[: len(ranking)] = [id in answers for id in ranking[:k]]
    return marks_QK, np.array([len(answers) for answers in relevant], np.int64)


def recall_at_k(marks_QN: ArrayLike, k: int, total_Q: ArrayLike | None = None) -> Floats:
    """Share of the relevant items that are among the first k, (Q,).

    total_Q: how many are relevant, where the rankings do not hold them all. What papers on image–text retrieval call
    R@k is `hit_rate_at_k`. Raises: InputError for a query without a relevant item or with fewer than are marked, and
    for k below 1, as all measures of rankings.
    """
    marks_QN, total_Q = _check_marks(marks_QN, total_Q)
    _check_k(k)
    return np.asarray(marks_QN[:, :k].sum(axis=1) / total_Q)


def hit_rate_at_k(marks_QN: ArrayLike, k: int) -> Floats:
    """1 where any relevant item is among the first k, else 0, (Q,)."""
    _check_k(k)
    return np.asarray(np.asarray(marks_QN, np.bool_)[:, :k].any(axis=1), np.float64)


def precision_at_k(marks_QN: ArrayLike, k: int) -> Floats:
    """Share of the first k items that are relevant, (Q,); of all items where there are fewer than k."""
    _check_k(k)
    return np.asarray(np.asarray(marks_QN, np.bool_)[:, :k].mean(axis=1))


def ndcg_at_k(marks_QN: ArrayLike, k: int, total_Q: ArrayLike | None = None) -> Floats:
    """Normalised discounted cumulative gain (Q,): Σ 1 / log2(1 + rank) over the relevant among the first k, over that
    of a perfect order.

    Source: Järvelin and Kekäläinen 2002, with gains of 0 and 1.
    """
    marks_QN, total_Q = _check_marks(marks_QN, total_Q)
    _check_k(k)
    discounts_K = np.array([1 / math.log2(rank + 1) for rank in range(1, k + 1)])
    first_QK = marks_QN[:, :k]
    gained_Q = np.cumsum(first_QK * discounts_K[: first_QK.shape[1]], axis=1)[:, -1]
    return np.asarray(gained_Q / np.cumsum(discounts_K)[np.minimum(total_Q, k) - 1])


def average_precision(marks_QN: ArrayLike, total_Q: ArrayLike | None = None) -> Floats:
    """Mean of the precision at the rank of each relevant item, (Q,). Its mean over queries is the mAP.

    Source: Manning et al. 2008, "Introduction to Information Retrieval", §8.4.
    """
    marks_QN, total_Q = _check_marks(marks_QN, total_Q)
    precision_QN = marks_QN.cumsum(axis=1) / np.arange(1, marks_QN.shape[1] + 1)
    return np.asarray((precision_QN * marks_QN).sum(axis=1) / total_Q)


def _check_marks(marks_QN: ArrayLike, total_Q: ArrayLike | None) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    marks_QN = np.asarray(marks_QN, np.bool_)
    if total_Q is None:
        total_Q = marks_QN.sum(axis=1)
    total_Q = np.asarray(total_Q, np.int64)
    if not total_Q.all():
        raise InputError(f"Query {int(np.flatnonzero(total_Q == 0)[0])} has no relevant item; leave it out.")
    marked_Q = marks_QN.sum(axis=1)
    if (marked_Q > total_Q).any():
        query = int(np.flatnonzero(marked_Q > total_Q)[0])
        raise InputError(
            f"Query {query} has {marked_Q[query]} relevant items in its ranking, but {total_Q[query]} in all; expected "
            "as many in all at least."
        )
    return marks_QN, total_Q


def _check_k(k: int) -> None:
    if k < 1:
        raise InputError(f"k is {k}, expected 1 or more: the number of items that are looked at.")
