"""Several models on the same images: differences, rank intervals, and which of them may be the best.

Values are (N, M): one for each image and model, such as whether it was a hit. What is known of the M means is their
covariance, which holds that models are right about the same images. Ranks, and what models lack to the best, are drawn
from it for all pairs of models at once: their 95 % are of the whole table, however many models there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wordsight.errors import InputError
from wordsight.metrics.estimates import CONFIDENCE, Estimate, Floats, Z, check_values, split_rows, t_quantile
from wordsight.metrics.hits import POWER

RANK_DRAWS = 10_000  # of the means of all models at once; a critical value is then within 1 % of its own
_NOTHING = 1e-9  # standard error of a difference of models that always agree, up to rounding
_DOUBT = 0.5  # images, or clusters, by which a model's sum of hits is uncertain at least: as in `hits.estimate_gain`


@dataclass(frozen=True)
class JointMeans:
    """Means of M models (M,), with their covariance (M, M) and its degrees of freedom.

    n: how many independent things were measured: images, clusters of them, or sets. noise_MM: of means over a sample
    of sets, the part of the covariance that the images make; no interval is narrower than this alone makes it, for
    few sets may agree by chance: where sets do not differ, it holds the truth with 97 to 99 % instead of 95. NaN where
    nothing is known of the images: sets that agree exactly then tell nothing, and intervals are infinite.
    """

    mean_M: Floats
    covariance_MM: Floats
    freedom: int
    n: int
    noise_MM: Floats | None = None

    @property
    def error_M(self) -> Floats:
        """Standard error of each mean."""
        return self._find_errors(np.diag)

    @property
    def error_MM(self) -> Floats:
        """Standard error of each difference of two means."""
        return self._find_errors(_vary_differences)

    def estimate(self, model: int) -> Estimate:
        """Mean of one model."""
        return self._estimate(self.mean_M[model], self.error_M[model])

    def estimate_gain(self, before: int, after: int) -> Estimate:
        """Mean of the model `after` less that of `before`."""
        return self._estimate(self.mean_M[after] - self.mean_M[before], self.error_MM[before, after])

    def p_value(self, before: int, after: int) -> float:
        """Student's two-sided test that two means are equal: below 0.05 where the gain's interval is beside 0."""
        from scipy.special import stdtr

        score = _studentise(self.mean_M[after] - self.mean_M[before], self.error_MM[before, after])
        return float(2 * stdtr(self.freedom, -abs(score)))

    def _find_errors(self, vary: Callable[[Floats], Floats]) -> Floats:
        variance = vary(self.covariance_MM)
        if self.noise_MM is not None:
            least = (Z / t_quantile(self.freedom)) ** 2 * vary(self.noise_MM)
            known = np.where(variance > _NOTHING**2, variance, np.inf)
            variance = np.where(np.isnan(least), known, np.maximum(variance, least))
        return np.asarray(np.sqrt(np.maximum(variance, 0)))

    def _estimate(self, value: float, error: float) -> Estimate:
        half = t_quantile(self.freedom) * float(error)
        return Estimate(float(value), float(value) - half, float(value) + half, self.n)


def measure_on_set(values_NM: ArrayLike, cluster_N: Sequence[Hashable] | None = None) -> JointMeans:
    """Means over the images of one set; another sample of images like these would give others.

    cluster_N: name of the cluster of each image, where images of a cluster are alike, such as frames of a film.
    Raises: InputError for a single image or cluster.
    Source of the variance of clusters: Cochran 1977, "Sampling Techniques", chapter 6 (a mean as a ratio of sums).
    """
    values_NM = _check_models(values_NM)
    n = len(values_NM)
    mean_M = values_NM.mean(axis=0)
    residual_GM = values_NM - mean_M
    if cluster_N is not None:
        residual_GM = np.stack([residual_GM[rows].sum(axis=0) for rows in split_rows(cluster_N, n)])
    units = len(residual_GM)
    if units < 2:
        raise InputError(f"There is {units} image or cluster of them; how much a mean varies is seen from two on.")
    covariance_MM = residual_GM.T @ residual_GM / n**2 * units / (units - 1)
    if np.isin(values_NM, (0, 1)).all():
        covariance_MM = covariance_MM + np.eye(len(mean_M)) * _DOUBT / units**2
    return JointMeans(mean_M, covariance_MM, units - 1, units)


def measure_on_sets(sets: Sequence[JointMeans]) -> JointMeans:
    """Means over sets, each of which counts alike; other images would give others, but the sets remain these."""
    mean_SM = _stack_means([each.mean_M for each in sets])
    covariance_MM = np.sum([each.covariance_MM for each in sets], axis=0) / len(sets) ** 2
    return JointMeans(
        mean_SM.mean(axis=0), covariance_MM, sum(each.freedom for each in sets), sum(each.n for each in sets)
    )


def measure_across_sets(sets: Sequence[JointMeans], figures: Sequence[ArrayLike] = ()) -> JointMeans:
    """Means over sets as a sample of sets like these: other sets, and other images of each, would give others.

    The spread of the sets' means holds both levels, for the noise of a set's images is part of its mean: resampling
    images within resampled sets counts it twice, and its intervals are too wide where sets differ little. Intervals
    are Student's, which hold for few sets too, where a bootstrap of them is far too narrow.
    figures: means (M,) on further sets, of whose images nothing is known.
    Raises: InputError for a single set. Source: Davison and Hinkley 1997, §3.8, on hierarchical data.
    """
    mean_SM = _stack_means([*(each.mean_M for each in sets), *figures])
    count = len(mean_SM)
    if count < 2:
        raise InputError(f"There is {count} set; how much models vary between sets is seen from two on.")
    covariance_MM = np.atleast_2d(np.cov(mean_SM.T)) / count
    noise_MM = np.full_like(covariance_MM, np.nan)
    if sets:
        noise_MM = np.sum([each.covariance_MM for each in sets], axis=0) / count**2
    return JointMeans(mean_SM.mean(axis=0), covariance_MM, count - 1, count, noise_MM)


def estimate_lags(means: JointMeans, *, seed: int = 0, draws: int = RANK_DRAWS) -> list[Estimate]:
    """Highest mean less that of each model, 0 of the best itself; all intervals hold at once with 95 %.

    They allow for every pair of models, since chance decides which has the highest mean: an interval of two models
    that were named beforehand, as `JointMeans.estimate_gain` gives it, misses the truth too often here.
    Source: Tukey's 1953 intervals of all pairs, with the covariance seen: Hothorn, Bretz and Westfall 2008,
    "Simultaneous inference in general parametric models".
    """
    best = int(means.mean_M.argmax())
    half_M = find_critical(means, seed=seed, draws=draws) * means.error_MM[best]
    half_M[best] = 0.0
    lag_M = means.mean_M[best] - means.mean_M
    return [
        Estimate(float(lag), float(lag - half), float(lag + half), means.n)
        for lag, half in zip(lag_M, half_M, strict=True)
    ]


def rank_intervals(means: JointMeans, *, seed: int = 0, draws: int = RANK_DRAWS) -> NDArray[np.int64]:
    """First and last rank (M, 2) that each model may have, 1 for the best; with 95 % all hold the true ranks at once.

    Models that are certainly better or worse than one bound its ranks: those whose difference from it has an interval
    beside 0, of the intervals that hold for all pairs at once. Ranks that a bootstrap counts are too sure of
    themselves where models are close, as they mostly are. A model that equals others has all of their ranks. Measured
    on tables of six equal models: 95 % over 49 sets or on one, 92 % over 12 sets, which know the covariance less well.
    Source: Mogstad, Romano, Shaikh and Wilhelm 2024, "Inference for Ranks", simultaneous sets in a single step, which
    agree with `estimate_lags`. Hall and Miller 2009, "Using the bootstrap to quantify the authority of an empirical
    ranking", on what bootstrapped ranks lack.
    """
    score_MM = _studentise(means.mean_M[:, None] - means.mean_M, means.error_MM)
    better_MM = score_MM > find_critical(means, seed=seed, draws=draws)
    return np.stack([1 + better_MM.sum(axis=0), len(score_MM) - better_MM.sum(axis=1)], axis=1).astype(np.int64)


def tie_with_best(ranks_M2: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each model (M,) may be the best by its rank interval: the truly best one is marked with 95 % at least.

    Source: Mogstad et al. 2024, sets of the τ best. Hsu's 1984 comparison with the best tests one side only, so
    that models were left out whose rank interval, and whose interval of the difference, says that they may be the best.
    """
    return np.asarray(ranks_M2[:, 0] == 1)


def find_critical(means: JointMeans, *, seed: int = 0, draws: int = RANK_DRAWS) -> float:
    """Standard errors that the differences of all pairs of models stay within at once, with 95 %."""
    models, least = len(means.mean_M), t_quantile(means.freedom)
    if models < 3:
        return least
    values, vectors = np.linalg.eigh(means.covariance_MM)
    root_MM = vectors * np.sqrt(np.maximum(values, 0))
    rng = np.random.default_rng(seed)
    drawn_DM = rng.standard_normal((draws, models)) @ root_MM.T
    drawn_DM /= np.sqrt(rng.chisquare(means.freedom, draws) / means.freedom)[:, None]
    spread_MM = np.sqrt(np.maximum(_vary_differences(means.covariance_MM), 0))
    widest_D = np.zeros(draws)
    for model in range(1, models):
        score_DO = _studentise(drawn_DM[:, :model] - drawn_DM[:, [model]], spread_MM[model, :model])
        np.maximum(widest_D, np.abs(score_DO).max(axis=1), out=widest_D)
    return max(least, float(np.quantile(widest_D, CONFIDENCE)))


def sets_to_separate(gain: Estimate, *, power: float = POWER) -> int:
    """Number of sets like these `gain.n` at which a gain over sets of the size seen is found with probability `power`.

    gain: of two models, as `measure_across_sets` estimates it. Raises: InputError for no gain.
    """
    if not gain.value:
        raise InputError("The gain is 0; no number of sets separates models that are equal.")
    error = (gain.high - gain.low) / 2 / t_quantile(gain.n - 1)
    return max(2, math.ceil(gain.n * ((Z + NormalDist().inv_cdf(power)) * error / gain.value) ** 2))


def _studentise(difference: ArrayLike, error: ArrayLike) -> Floats:
    """Differences over their standard errors; 0 of models that always agree."""
    difference, error = np.asarray(difference, np.float64), np.asarray(error, np.float64)
    return np.asarray(np.divide(difference, error, where=error > _NOTHING, out=np.zeros_like(difference)))


def _vary_differences(covariance_MM: Floats) -> Floats:
    """Variance of the difference of each two of M means, (M, M)."""
    variance_M = np.diag(covariance_MM)
    return np.asarray(variance_M[:, None] + variance_M - 2 * covariance_MM)


def _check_models(values_NM: ArrayLike) -> Floats:
    values_NM = np.asarray(values_NM, np.float64)
    if values_NM.ndim != 2 or not values_NM.shape[1]:
        raise InputError(f"The values have the shape {values_NM.shape}; expected a row an image, a column a model.")
    return check_values(values_NM, dims=2)


def _stack_means(mean_SM: Sequence[ArrayLike]) -> Floats:
    """Means of sets (S, M). Raises: InputError for sets of other numbers of models, or none."""
    models = {len(np.atleast_1d(mean_M)) for mean_M in mean_SM}
    if len(models) > 1:
        raise InputError(f"The sets are of {sorted(models)} models; expected the same models on each set.")
    if not models:
        raise InputError("There is nothing to measure: no set is left.")
    return np.array(mean_SM, np.float64)
