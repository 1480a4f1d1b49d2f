"""Estimates with 95 % intervals of a bootstrap.

Seeds are fixed: equal seeds draw equal samples. The intervals are percentile intervals, widened for few images: a
resample of n varies less than a sample, by (n - 1) / n, and its spread is an estimate too, as Student's t allows for.
Of hits, which a resample of few misses shows as too sure, `hits.estimate_share` is the interval.
Source: Hesterberg 2015, "What Teachers Should Know about the Bootstrap", on the "expanded percentile" interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wordsight.errors import InputError

DRAWS = 1000  # resamples of a bootstrap
CONFIDENCE = 0.95
Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)  # standard errors of an interval where they are known
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

    def widen(self, comparisons: int) -> Estimate:
        """The same with an interval wide enough for that many of them to hold at once, by Bonferroni's correction."""
        factor = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / 2 / comparisons) / Z
        low, high = (self.value + factor * (end - self.value) for end in (self.low, self.high))
        return Estimate(self.value, low, high, self.n)

    def negate(self) -> Estimate:
        """Difference seen from the other side: the value and the ends of its interval with the other sign."""
        return Estimate(-self.value, -self.high, -self.low, self.n)

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
    values_N = check_values(values_N)
    rng = np.random.default_rng(seed)
    return percentile_estimate(values_N.mean(), _resample_means(values_N, rng, draws), len(values_N))


def bootstrap_clusters(
    values_N: ArrayLike, cluster_N: Sequence[Hashable], *, seed: int = 0, draws: int = DRAWS
) -> Estimate:
    """Mean of values (N,), resampled by whole clusters, such as all the captions of an image.

    cluster_N: name of the cluster of each value. Source: Davison and Hinkley 1997, §3.8.
    """
    values_N = check_values(values_N)
    clusters = split_rows(cluster_N, len(values_N))
    sums_G = np.array([values_N[rows].sum() for rows in clusters])
    sizes_G = np.array([len(rows) for rows in clusters])
    resamples = _resample(len(clusters), np.random.default_rng(seed), draws)
    means = np.concatenate([sums_G[some].sum(axis=1) / sizes_G[some].sum(axis=1) for some in resamples])
    return percentile_estimate(values_N.mean(), means, len(values_N), units=len(clusters))


def bootstrap_strata(
    values_N: ArrayLike, stratum_N: Sequence[Hashable], *, seed: int = 0, draws: int = DRAWS
) -> Estimate:
    """Mean of the strata's means; values are resampled within each stratum, such as a class or a dataset.

    stratum_N: name of the stratum of each value. Of hits by class it is the mean accuracy per class. The mean of a
    stratum of one value is taken as known, since nothing tells how it varies.
    Source: Davison and Hinkley 1997, §3.2; widening by the strata's sizes as Rao and Wu 1988.
    """
    values_N = check_values(values_N)
    rng = np.random.default_rng(seed)
    strata = [values_N[rows] for rows in split_rows(stratum_N, len(values_N))]
    means = np.mean([_resample_means(values, rng, draws) for values in strata], axis=0)
    drawn = sum(float(values.var()) / len(values) for values in strata)
    true = sum(float(values.var()) / (len(values) - 1) for values in strata if len(values) > 1)
    widening = math.sqrt(true / drawn) if drawn else 1.0
    levels = _levels(len(values_N) - len(strata), widening)
    return _estimate(np.mean([values.mean() for values in strata]), means, len(values_N), levels)


def bootstrap_difference(
    before_N: ArrayLike,
    after_N: ArrayLike,
    *,
    cluster_N: Sequence[Hashable] | None = None,
    stratum_N: Sequence[Hashable] | None = None,
    seed: int = 0,
    draws: int = DRAWS,
) -> Estimate:
    """Mean of after - before, of the same images or queries (N,): pairs are resampled together.

    cluster_N: resampled by whole clusters, as `bootstrap_clusters` does. stratum_N: mean of the strata's differences,
    as `bootstrap_strata` takes it. Raises: InputError for both at once.
    """
    before_N, after_N = check_pairs(before_N, after_N)
    difference_N = after_N - before_N
    if cluster_N is not None and stratum_N is not None:
        raise InputError("Both clusters and strata are given; a difference is resampled by one of them.")
    if cluster_N is not None:
        return bootstrap_clusters(difference_N, cluster_N, seed=seed, draws=draws)
    if stratum_N is not None:
        return bootstrap_strata(difference_N, stratum_N, seed=seed, draws=draws)
    return bootstrap_mean(difference_N, seed=seed, draws=draws)


def bootstrap_ratio(before_N: ArrayLike, after_N: ArrayLike, *, seed: int = 0, draws: int = DRAWS) -> Estimate:
    """Share of hits after over that before, of the same images (N,), each 0 or 1: pairs are resampled together.

    Raises: InputError where there is no hit before.
    """
    before_N, after_N = check_pairs(before_N, after_N)
    if not np.isin([before_N, after_N], (0, 1)).all():
        raise InputError("Some of the values are neither 0 nor 1; expected hits.")
    if not before_N.any():
        raise InputError(f"None of the {len(before_N)} images was a hit before; a ratio needs one at least.")
    # Images fall into four kinds (hit or not, before and after), of which a resample has multinomial numbers.
    kinds = [before_N * after_N, before_N * (1 - after_N), (1 - before_N) * after_N]
    shares = [float(kind.mean()) for kind in kinds]
    shares.append(max(0.0, 1 - sum(shares)))
    both, lost, won, _ = np.random.default_rng(seed).multinomial(len(before_N), shares, draws).T
    ratios = (both + won) / np.maximum(both + lost, 1)
    return percentile_estimate(after_N.mean() / before_N.mean(), ratios, len(before_N))


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
    clusters = split_rows(cluster_N, n)
    resamples = (some for part in _resample(len(clusters), rng, draws) for some in part)
    seen = [statistic(np.concatenate([clusters[i] for i in some])) for some in resamples]
    return percentile_estimate(statistic(np.arange(n)), np.array(seen), n, units=len(clusters))


def widest_margin(n: int) -> float:
    """Half of the widest 95 % interval that a share of `n` can have, by the normal approximation at a share of 0.5."""
    return min(1.0, 0.98 / math.sqrt(max(n, 1)))


def _resample_means(values_N: Floats, rng: np.random.Generator, draws: int) -> Floats:
    """Means of `draws` resamples, (draws,)."""
    return np.concatenate([values_N[some].mean(axis=1) for some in _resample(len(values_N), rng, draws)])


def _resample(size: int, rng: np.random.Generator, draws: int) -> Iterator[NDArray[np.int64]]:
    """Numbers below `size`, as many of them, in `draws` rows, of which a part is held at a time."""
    step = max(1, _DRAWN_AT_ONCE // size)
    for start in range(0, draws, step):
        yield rng.integers(size, size=(min(step, draws - start), size))


def percentile_estimate(
    value: float | np.floating[Any], resampled: Floats, n: int, *, units: int | None = None
) -> Estimate:
    """Estimate whose interval the percentiles of the resampled values bound.

    units: how many independent things were drawn with replacement, such as clusters; n if not given.
    """
    units = n if units is None else units
    return _estimate(value, resampled, n, _levels(units - 1, math.sqrt(units / max(units - 1, 1))))


def t_quantile(freedom: float, confidence: float = CONFIDENCE) -> float:
    """Quantile of Student's t that bounds a two-sided interval; of 95 % within 0.4 %, exact for 1 and 2.

    Source: Abramowitz and Stegun 1964, 26.7.5, from 3 degrees of freedom on; below, between the closed forms of 1 and
    2 and that, interpolated in the reciprocal.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    if freedom < 3:
        known = [math.tan(math.pi / 2 * confidence), confidence * math.sqrt(2 / (1 - confidence**2))]
        logs = np.log([*known, t_quantile(3, confidence), t_quantile(4, confidence)])
        return float(np.exp(np.polyval(np.polyfit([1, 1 / 2, 1 / 3, 1 / 4], logs, 3), 1 / freedom)))
    terms = [
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    ]
    return z + sum(term / freedom ** (power + 1) for power, term in enumerate(terms))


def _levels(freedom: int, widening: float) -> tuple[float, float]:
    """Percentiles that bound an interval, of resamples that vary less than samples by the factor `widening`."""
    if freedom < 1:
        return 0.0, 100.0
    low = 100 * NormalDist().cdf(-widening * t_quantile(freedom))
    return low, 100 - low


def _estimate(value: float | np.floating[Any], resampled: Floats, n: int, levels: tuple[float, float]) -> Estimate:
    # "weibull": of all resamples, p % are below the p-th percentile of those drawn, in expectation; numpy's default is
    # nearer to the middle, which costs 0.4 % of coverage with 500 draws
    low, high = np.percentile(resampled, levels, method="weibull")
    return Estimate(float(value), float(low), float(high), n)


def split_rows(names: Sequence[Hashable], n: int) -> list[NDArray[np.intp]]:
    """Rows of each name, in the order of the names' first rows."""
    if len(names) != n:
        raise InputError(f"There are {n} values and {len(names)} names of their groups; expected a name for each.")
    rows: dict[Hashable, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return [np.array(some, np.intp) for some in rows.values()]


def check_values(values_N: ArrayLike, dims: int = 1) -> Floats:
    """Values as float64. Raises: InputError for none, for another number of dimensions, and for NaN and infinity."""
    values_N = np.asarray(values_N, np.float64)
    if values_N.ndim != dims:
        raise InputError(f"The values have the shape {values_N.shape}; expected {dims} dimension{'s' * (dims > 1)}.")
    if not len(values_N):
        raise InputError("There is nothing to measure: no image or query is left.")
    if not np.isfinite(values_N).all():
        raise InputError(
            f"{(~np.isfinite(values_N)).sum()} of the {values_N.size} values are not finite; leave these images out."
        )
    return values_N


def check_pairs(first_N: ArrayLike, second_N: ArrayLike) -> tuple[Floats, Floats]:
    """Two values of each image or query, as float64. Raises: InputError for none, or for unequal numbers."""
    first_N, second_N = check_values(first_N), check_values(second_N)
    if len(first_N) != len(second_N):
        raise InputError(f"There are {len(first_N)} and {len(second_N)} values; expected two of each image or query.")
    return first_N, second_N
