"""Intervals of means over two crossed factors, such as seeds × test images, where both could have been others.

`estimate_crossed` is the interval of a mean. Statistics that are not means, such as where two curves cross, are taken
of `CrossedDraws`, which draw seeds and images independently; with five seeds their intervals are too narrow.
Source of the draws: Owen 2007, "The pigeonhole bootstrap", §3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from wordsight.errors import InputError
from wordsight.metrics.estimates import DRAWS, Estimate, Floats, t_quantile
from wordsight.metrics.hits import estimate_gain, estimate_share, wilson_interval


@dataclass(frozen=True)
class CrossedDraws:
    """Resamples of S rows and N columns as shares that sum to 1: rows (draws, S), columns (draws, N).

    Means of several tables over the same draws are paired.
    """

    row_DS: Floats
    column_DN: Floats

    @classmethod
    def draw(cls, rows: int, columns: int, *, seed: int = 0, draws: int = DRAWS) -> CrossedDraws:
        """Draw resamples. Raises: InputError for a table without cells."""
        if rows < 1 or columns < 1:
            raise InputError("There is nothing to measure: no run or no image is left.")
        rng = np.random.default_rng(seed)
        column_DN = rng.multinomial(columns, np.full(columns, 1 / columns), draws) / columns
        return cls(rng.multinomial(rows, np.full(rows, 1 / rows), draws) / rows, column_DN)

    def means(self, value_SN: ArrayLike) -> Floats:
        """Mean of the values in each resample, (draws,). A table of one row varies by its columns only."""
        column_DS = self.column_DN @ np.atleast_2d(np.asarray(value_SN, np.float64)).T
        if column_DS.shape[1] == 1:
            return np.asarray(column_DS[:, 0])
        return np.asarray((self.row_DS * column_DS).sum(axis=1))


def estimate_runs(hit_SN: ArrayLike) -> Estimate:
    """Share of hits (S, N) of runs with S seeds on N images; other seeds and other images would give others.

    The interval is Wilson's, of as many independent hits as have the variance of `estimate_crossed`, and with its
    degrees of freedom; of no more than the images, for few misses tell little of how alike runs are: it holds 96 to
    99 % of simulated shares instead of 95. Runs that agree on all images are one.
    Raises: InputError as `estimate_crossed`.
    Source: Kott and Carr 1997, "Developing an estimation strategy for a pesticide data program", on Wilson's interval
    of samples that are not simple.
    """
    hit_SN = np.atleast_2d(np.asarray(hit_SN, np.float64))
    if len(hit_SN) and (hit_SN == hit_SN[0]).all():
        return estimate_share(hit_SN[0])
    share, variance, freedom = _vary_mean(hit_SN)
    alone = share * (1 - share)
    images = hit_SN.shape[1]
    hits = alone / max(variance, alone / images)
    return Estimate(share, *wilson_interval(share, hits, t_quantile(freedom)), images)


def estimate_runs_gain(before_N: ArrayLike, after_SN: ArrayLike) -> Estimate:
    """Share of hits (S, N) of runs less that of hits (N,) on the same images, as `estimate_gain` of a single run.

    As there, the interval allows for one image of doubt.
    """
    after_SN = np.atleast_2d(np.asarray(after_SN, np.float64))
    if len(after_SN) and (after_SN == after_SN[0]).all():
        return estimate_gain(before_N, after_SN[0])
    value, variance, freedom = _vary_mean(after_SN - np.asarray(before_N, np.float64))
    images = after_SN.shape[1]
    half = t_quantile(freedom) * math.sqrt(variance + 1 / images**2)
    return Estimate(value, max(-1.0, value - half), min(1.0, value + half), images)


def estimate_crossed(values_SN: ArrayLike) -> Estimate:
    """Mean of values (S, N) of each seed with each image; other seeds and other images would give others.

    Of a single seed the interval says nothing about other seeds. n: the images.
    Raises: InputError for no values, and for a single image.
    Source of the variance: the two-way random model without repeats (Searle et al. 1992, "Variance Components", §4.7);
    of its degrees of freedom, Satterthwaite 1946.
    """
    values_SN = np.atleast_2d(np.asarray(values_SN, np.float64))
    mean, variance, freedom = _vary_mean(values_SN)
    half = t_quantile(freedom) * math.sqrt(variance)
    return Estimate(mean, mean - half, mean + half, values_SN.shape[1])


def _vary_mean(values_SN: Floats) -> tuple[float, float, float]:
    """Mean, its variance, and the degrees of freedom of that."""
    seeds, images = values_SN.shape
    if seeds < 1 or images < 2:
        raise InputError(
            f"There are {images} images and {seeds} seeds; how much a mean varies is seen from two images on."
        )
    mean = float(values_SN.mean())
    seed_S, image_N = values_SN.mean(axis=1), values_SN.mean(axis=0)
    of_images = image_N.var(ddof=1) / images
    if seeds == 1:
        return mean, float(of_images), images - 1
    of_seeds = seed_S.var(ddof=1) / seeds
    residual_SN = values_SN - seed_S[:, None] - image_N + mean
    of_both = (residual_SN**2).sum() / ((seeds - 1) * (images - 1)) / (seeds * images)
    variance = max(of_seeds + of_images - of_both, of_seeds, of_images)  # the residual is in both of the first two
    if not variance:
        return mean, 0.0, images - 1
    freedom = (of_seeds + of_images) ** 2 / (of_seeds**2 / (seeds - 1) + of_images**2 / (images - 1))
    return mean, float(variance), float(freedom)
