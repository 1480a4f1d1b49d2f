"""Estimates with 95 % intervals, and the measures of rankings, of classification and of calibration.

Shares are 0 to 1. Intervals are percentile intervals of a bootstrap with a fixed seed: equal seeds draw equal samples.
Measures of rankings take marks, (Q, N) bool: whether the item at each rank answers the query, the first rank first.
Source of the intervals: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", §13.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wordsight.errors import InputError

DRAWS = 1000  # resamples of a bootstrap
_LEVELS = (2.5, 97.5)  # percentiles that bound an interval of 95 %
_DRAWN_AT_ONCE = 1 << 22  # numbers of the resamples that are held at a time

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value measured on `n` images, queries or groups of them, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return asdict(self)

    def __str__(self) -> str:
        """Show a share in percent: "41.2 % [37.1, 45.0] of 400"."""
        return f"{self:.1%} of {self.n:,}"

    def __format__(self, spec: str) -> str:
        """Format value and interval alike: ".1%" gives "41.2 % [37.1, 45.0]", ".3f" gives "0.412 [0.371, 0.450]"."""
        if not spec:
            return str(self)
        if not spec.endswith("%"):
            return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"
        value, low, high = (f"{100 * number:{spec[:-1]}f}" for number in (self.value, self.low, self.high))
        return f"{value} % [{low}, {high}]"


def bootstrap_mean(values_N: ArrayLike, *, seed: int = 0, draws: int = DRAWS) -> Estimate:
    """Mean of values (N,), each of which is resampled by itself. Raises: InputError for no values."""
    values_N = _check_values(values_N)
    rng = np.random.default_rng(seed)
    return _estimate(values_N.mean(), _resample_means(values_N, rng, draws), len(values_N))


def bootstrap_hits(hits_N: ArrayLike, *, seed: int = 0, draws: int = DRAWS) -> Estimate:
    """Share of hits (N,), each 0 or 1: `bootstrap_mean` without its N × draws numbers.

    A resample of N hits holds a binomial number of them. Raises: InputError for no hits.
    """
    hits_N = _check_values(hits_N)
    counts = np.random.default_rng(seed).binomial(len(hits_N), hits_N.mean(), draws)
    return _estimate(hits_N.mean(), counts / len(hits_N), len(hits_N))


def bootstrap_clusters(
    values_N: ArrayLike, cluster_N: Sequence[Hashable], *, seed: int = 0, draws: int = DRAWS
) -> Estimate:
    """Mean of values (N,), resampled by whole clusters, such as all the captions of an image.

    cluster_N: name of the cluster of each value. Source: Davison and Hinkley 1997, §3.8.
    """
    values_N = _check_values(values_N)
    clusters = _split(cluster_N, len(values_N))
    sums_G = np.array([values_N[rows].sum() for rows in clusters])
    sizes_G = np.array([len(rows) for rows in clusters])
    resamples = _resample(len(clusters), np.random.default_rng(seed), draws)
    means = np.concatenate([sums_G[some].sum(axis=1) / sizes_G[some].sum(axis=1) for some in resamples])
    return _estimate(values_N.mean(), means, len(values_N))


def bootstrap_strata(
    values_N: ArrayLike, stratum_N: Sequence[Hashable], *, seed: int = 0, draws: int = DRAWS
) -> Estimate:
    """Mean of the strata's means; values are resampled within each stratum, such as a class or a dataset.

    stratum_N: name of the stratum of each value. Of hits by class it is the mean accuracy per class.
    Source: Davison and Hinkley 1997, §3.2.
    """
    values_N = _check_values(values_N)
    rng = np.random.default_rng(seed)
    strata = [values_N[rows] for rows in _split(stratum_N, len(values_N))]
    means = np.mean([_resample_means(values, rng, draws) for values in strata], axis=0)
    return _estimate(np.mean([values.mean() for values in strata]), means, len(values_N))


def bootstrap_difference(before_N: ArrayLike, after_N: ArrayLike, *, seed: int = 0, draws: int = DRAWS) -> Estimate:
    """Mean of after - before, of the same images or queries (N,): pairs are resampled together."""
    before_N, after_N = _check_pairs(before_N, after_N)
    return bootstrap_mean(after_N - before_N, seed=seed, draws=draws)


def bootstrap_ratio(before_N: ArrayLike, after_N: ArrayLike, *, seed: int = 0, draws: int = DRAWS) -> Estimate:
    """Share of hits after over that before, of the same images (N,), each 0 or 1: pairs are resampled together.

    Raises: InputError where there is no hit before.
    """
    before_N, after_N = _check_pairs(before_N, after_N)
    if not before_N.any():
        raise InputError(f"None of the {len(before_N)} images was a hit before; a ratio needs one at least.")
    # Images fall into four kinds (hit or not, before and after), of which a resample has multinomial numbers.
    kinds = [before_N * after_N, before_N * (1 - after_N), (1 - before_N) * after_N]
    shares = [float(kind.mean()) for kind in kinds]
    shares.append(max(0.0, 1 - sum(shares)))
    both, lost, won, _ = np.random.default_rng(seed).multinomial(len(before_N), shares, draws).T
    ratios = (both + won) / np.maximum(both + lost, 1)
    return _estimate(after_N.mean() / before_N.mean(), ratios, len(before_N))


def bootstrap_statistic(
    statistic: Callable[[NDArray[np.intp]], float],
    n: int,
    cluster_N: Sequence[Hashable] | None = None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> Estimate:
    """Any statistic of `n` rows, such as a median of ranks; it is asked for the numbers of the rows that were drawn.

    cluster_N: name of the cluster of each row, where rows are resampled by whole clusters.
    """
    if n < 1:
        raise InputError("There is nothing to measure: no image or query is left.")
    rng = np.random.default_rng(seed)
    if cluster_N is None:
        cluster_N = range(n)
    clusters = _split(cluster_N, n)
    resamples = (some for part in _resample(len(clusters), rng, draws) for some in part)
    seen = [statistic(np.concatenate([clusters[i] for i in some])) for some in resamples]
    return _estimate(statistic(np.arange(n)), np.array(seen), n)


def widest_margin(n: int) -> float:
    """Half of the widest 95 % interval that a share of `n` can have, by the normal approximation at a share of 0.5."""
    return min(1.0, 0.98 / math.sqrt(max(n, 1)))


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
    R@k is `hit_rate_at_k`. Raises: InputError for a query without a relevant item, as all measures of rankings.
    """
    marks_QN, total_Q = _check_marks(marks_QN, total_Q)
    return np.asarray(marks_QN[:, :k].sum(axis=1) / total_Q)


def hit_rate_at_k(marks_QN: ArrayLike, k: int) -> Floats:
    """1 where any relevant item is among the first k, else 0, (Q,)."""
    return np.asarray(np.asarray(marks_QN, np.bool_)[:, :k].any(axis=1), np.float64)


def precision_at_k(marks_QN: ArrayLike, k: int) -> Floats:
    """Share of the first k items that are relevant, (Q,); of all items where there are fewer than k."""
    return np.asarray(np.asarray(marks_QN, np.bool_)[:, :k].mean(axis=1))


def ndcg_at_k(marks_QN: ArrayLike, k: int, total_Q: ArrayLike | None = None) -> Floats:
    """Normalised discounted cumulative gain (Q,): Σ 1 / log2(1 + rank) over the relevant among the first k, over that
    of a perfect order.

    Source: Järvelin and Kekäläinen 2002, with gains of 0 and 1.
    """
    marks_QN, total_Q = _check_marks(marks_QN, total_Q)
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


def rank_labels(scores_NK: ArrayLike, label_N: ArrayLike) -> NDArray[np.int64]:
    """Rank (N,) of each image's own class by its score, 0 for the best; of equal scores the lower class comes first.

    The top-k accuracy is the share of ranks below k. A score of NaN stands before all others.
    """
    scores_NK, label_N = np.asarray(scores_NK), np.asarray(label_N)
    own_N1 = np.take_along_axis(scores_NK, label_N[:, None], axis=1)
    lower_NK = np.arange(scores_NK.shape[1]) < label_N[:, None]
    before_NK = ~(scores_NK <= own_N1) | ((scores_NK == own_N1) & lower_NK)
    return np.asarray(before_NK.sum(axis=1))


@dataclass(frozen=True)
class Reliability:
    """Predictions in B bins of confidence: mean confidence, share of hits and number (or weight), (B,) each."""

    confidence_B: Floats
    accuracy_B: Floats
    weight_B: Floats

    @property
    def error(self) -> float:
        """Expected calibration error: mean gap of confidence and accuracy. Source: Guo et al. 2017, eq. 3."""
        gap_B = np.abs(self.confidence_B - self.accuracy_B)
        return float((gap_B * self.weight_B).sum() / self.weight_B.sum())


def measure_reliability(
    confidence_N: ArrayLike,
    hit_N: ArrayLike,
    bins: int = 15,
    *,
    weight_N: ArrayLike | None = None,
    binning: Literal["equal_mass", "equal_width"] = "equal_mass",
) -> Reliability:
    """Reliability table of probabilities (N,) and whether they came true (N,), 0 or 1; empty bins are left out.

    weight_N: of each prediction, 1 if not given. equal_mass: bins of as many predictions (or as much weight) each, as
    far as equal probabilities allow, which stay together.
    Source: Nixon et al. 2019, "Measuring Calibration in Deep Learning", §3.
    """
    confidence_N, hit_N = _check_pairs(confidence_N, hit_N)
    if weight_N is None:
        weight_N = np.ones(len(hit_N))
    weights_N = _check_values(weight_N)
    edges = np.arange(1, bins) / bins
    if binning == "equal_mass":
        order_N = np.argsort(confidence_N)
        mass_N = np.cumsum(weights_N[order_N]) / weights_N.sum()
        edges = confidence_N[order_N[np.searchsorted(mass_N, edges - 1e-9)]]
    bin_N = np.searchsorted(edges, confidence_N)
    filled = np.unique(bin_N)
    weight_B = np.asarray(np.bincount(bin_N, weights_N, bins)[filled], np.float64)
    sums = (np.bincount(bin_N, weights_N * values_N, bins)[filled] for values_N in (confidence_N, hit_N))
    confidence_B, accuracy_B = (sum_B / weight_B for sum_B in sums)
    return Reliability(confidence_B, accuracy_B, weight_B)


def _resample_means(values_N: Floats, rng: np.random.Generator, draws: int) -> Floats:
    """Means of `draws` resamples, (draws,)."""
    return np.concatenate([values_N[some].mean(axis=1) for some in _resample(len(values_N), rng, draws)])


def _resample(size: int, rng: np.random.Generator, draws: int) -> Iterator[NDArray[np.int64]]:
    """Numbers below `size`, as many of them, in `draws` rows, of which a part is held at a time."""
    step = max(1, _DRAWN_AT_ONCE // size)
    for start in range(0, draws, step):
        yield rng.integers(size, size=(min(step, draws - start), size))


def _estimate(value: float | np.floating[Any], resampled: Floats, n: int) -> Estimate:
    low, high = np.percentile(resampled, _LEVELS)
    return Estimate(float(value), float(low), float(high), n)


def _split(names: Sequence[Hashable], n: int) -> list[NDArray[np.intp]]:
    """Rows of each name, in the order of the names' first rows."""
    if len(names) != n:
        raise InputError(f"There are {n} values and {len(names)} names of their groups; expected a name for each.")
    rows: dict[Hashable, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return [np.array(some, np.intp) for some in rows.values()]


def _check_values(values_N: ArrayLike) -> Floats:
    values_N = np.asarray(values_N, np.float64)
    if not len(values_N):
        raise InputError("There is nothing to measure: no image or query is left.")
    return values_N


def _check_pairs(first_N: ArrayLike, second_N: ArrayLike) -> tuple[Floats, Floats]:
    first_N, second_N = _check_values(first_N), _check_values(second_N)
    if len(first_N) != len(second_N):
        raise InputError(f"There are {len(first_N)} and {len(second_N)} values; expected two of each image or query.")
    return first_N, second_N


def _check_marks(marks_QN: ArrayLike, total_Q: ArrayLike | None) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    marks_QN = np.asarray(marks_QN, np.bool_)
    if total_Q is None:
        total_Q = marks_QN.sum(axis=1)
    total_Q = np.asarray(total_Q, np.int64)
    if not total_Q.all():
        raise InputError(f"Query {int(np.flatnonzero(total_Q == 0)[0])} has no relevant item; leave it out.")
    return marks_QN, total_Q
