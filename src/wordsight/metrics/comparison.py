"""Several models on the same images: differences, rank intervals, and which of them may be the best.

Values are (N, M): one for each image and model, such as whether it was a hit. What is known of the M means is their
covariance, which holds that models are right about the same images; all else is drawn from it at once, so that the
probability of 95 % is of the whole answer, however many models there are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wordsight.errors import InputError
from wordsight.metrics.estimates import CONFIDENCE, Estimate, Floats, check_values, split_rows, t_quantile

DRAWS = 10_000  # of the means of all models at once; a critical value is then within 1 % of its own
_Z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
_NOTHING = 1e-9  # standard error of a difference of models that always agree, up to rounding
_DOUBT = 0.5  # images by which the sum of a model's hits is uncertain at least: as in `hits.estimate_gain`


@dataclass(frozen=True)
class JointMeans:
    """Means of M models (M,), with their covariance (M, M) and its degrees of freedom.

    n: how many independent things were measured: images, clusters of them, or sets. noise_MM: of means over a sample
    of sets, the part of the covariance that the images make; no interval is narrower than this alone makes it, for
    few sets may agree by chance: where sets do not differ, it holds the truth with 97 to 99 % instead of 95.
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

    def _find_errors(self, vary: Callable[[Floats], Floats]) -> Floats:
        variance = vary(self.covariance_MM)
        if self.noise_MM is not None:
            least = (_Z / t_quantile(self.freedom)) ** 2
            variance = np.maximum(variance, least * vary(self.noise_MM))
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
        covariance_MM = covariance_MM + np.eye(len(mean_M)) * _DOUBT / n**2
    return JointMeans(mean_M, covariance_MM, units - 1, units)


def measure_on_sets(sets: Sequence[JointMeans]) -> JointMeans:
    """Means over sets, each of which counts alike; other images would give others, but the sets remain these."""
    mean_SM = np.stack([each.mean_M for each in sets])
    covariance_MM = np.sum([each.covariance_MM for each in sets], axis=0) / len(sets) ** 2
    return JointMeans(
        mean_SM.mean(axis=0), covariance_MM, sum(each.freedom for each in sets), sum(each.n for each in sets)
    )


def measure_across_sets(sets: Sequence[JointMeans]) -> JointMeans:
    """Means over sets as a sample of sets like these: other sets, and other images of each, would give others.

    The spread of the sets' means holds both levels, for the noise of a set's images is part of its mean: resampling
    images within resampled sets counts it twice, and its intervals are too wide where sets differ little. Intervals
    are Student's, which hold for few sets too, where a bootstrap of them is far too narrow.
    Raises: InputError for a single set. Source: Davison and Hinkley 1997, §3.8, on hierarchical data.
    """
    if len(sets) < 2:
        raise InputError(f"There is {len(sets)} set; how much models vary between sets is seen from two on.")
    mean_SM = np.stack([each.mean_M for each in sets])
    covariance_MM = np.atleast_2d(np.cov(mean_SM.T)) / len(sets)
    noise_MM = measure_on_sets(sets).covariance_MM
    return JointMeans(mean_SM.mean(axis=0), covariance_MM, len(sets) - 1, len(sets), noise_MM)


def rank_intervals(means: JointMeans, *, seed: int = 0, draws: int = DRAWS) -> NDArray[np.int64]:
    """First and last rank (M, 2) that each model may have, 1 for the best; each holds its true rank with 95 %.

    Models that are certainly better or worse than one bound its ranks; what is certain is found by a step-down test of
    all its differences, in both directions. Ranks that a bootstrap counts are too sure of themselves where models are
    close, as they mostly are. A model that equals others has all of their ranks.
    Source: Mogstad, Romano, Shaikh and Wilhelm 2024, "Inference for Ranks", marginal sets by the stepwise method.
    Hall and Miller 2009, "Using the bootstrap to quantify the authority of an empirical ranking", on what bootstrapped
    ranks lack.
    """
    models = len(means.mean_M)
    ranks = []
    for score_O, drawn_DO in _compare_each(means, seed, draws):
        certain_H = _step_down(np.concatenate([score_O, -score_O]), np.concatenate([drawn_DO, -drawn_DO], axis=1))
        better, worse = certain_H[: models - 1].sum(), certain_H[models - 1 :].sum()
        ranks.append((1 + better, models - worse))
    return np.array(ranks, np.int64)


def tie_with_best(ranks_M2: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each model (M,) may be the best by its rank interval: the truly best one is marked with 95 % at least.

    Source: Mogstad et al. 2024, sets of the τ best. Hsu's 1984 comparison with the best tests one side only, so
    that models were left out whose rank interval, and whose interval of the difference, says that they may be the best.
    """
    return np.asarray(ranks_M2[:, 0] == 1)


def _compare_each(means: JointMeans, seed: int, draws: int) -> Iterator[tuple[Floats, Floats]]:
    """Of each model: studentised differences of the M - 1 others from it, as seen and as drawn where all are equal."""
    values, vectors = np.linalg.eigh(means.covariance_MM)
    root_MM = vectors * np.sqrt(np.maximum(values, 0))
    rng = np.random.default_rng(seed)
    drawn_DM = rng.standard_normal((draws, len(values))) @ root_MM.T
    drawn_DM /= np.sqrt(rng.chisquare(means.freedom, draws) / means.freedom)[:, None]
    seen_MM = _studentise(means.mean_M[:, None] - means.mean_M, means.error_MM)
    spread_MM = np.sqrt(np.maximum(_vary_differences(means.covariance_MM), 0))
    for model in range(len(values)):
        others = np.arange(len(values)) != model
        drawn_DO = drawn_DM[:, others] - drawn_DM[:, [model]]
        yield seen_MM[others, model], _studentise(drawn_DO, spread_MM[others, model])


def _studentise(difference: Floats, error: Floats) -> Floats:
    """Differences over their standard errors; 0 of models that always agree."""
    return np.divide(difference, error, where=error > _NOTHING, out=np.zeros_like(difference))


def _vary_differences(covariance_MM: Floats) -> Floats:
    """Variance of the difference of each two of M means, (M, M)."""
    variance_M = np.diag(covariance_MM)
    return np.asarray(variance_M[:, None] + variance_M - 2 * covariance_MM)


def _step_down(score_H: Floats, drawn_DH: Floats) -> NDArray[np.bool_]:
    """Which of H one-sided hypotheses are rejected, so that none that is true is with 95 %.

    Source: Romano and Wolf 2005, "Exact and approximate stepdown methods for multiple hypothesis testing".
    """
    rejected_H = np.zeros(len(score_H), np.bool_)
    while not rejected_H.all():
        critical = np.quantile(drawn_DH[:, ~rejected_H].max(axis=1), CONFIDENCE)
        more_H = ~rejected_H & (score_H > critical)
        if not more_H.any():
            break
        rejected_H |= more_H
    return rejected_H


def _check_models(values_NM: ArrayLike) -> Floats:
    values_NM = check_values(values_NM)
    if values_NM.ndim != 2:
        raise InputError(f"The values have the shape {values_NM.shape}; expected a row an image, a column a model.")
    return values_NM
