"""Intervals of values that two things decide at once, such as the image and the seed of random prompts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from wordsight.errors import InputError
from wordsight.metrics.estimates import Estimate, t_quantile


def estimate_crossed(values_SN: ArrayLike) -> Estimate:
    """Mean of values (S, N) of each seed with each image; other seeds and other images would give others.

    Of a single seed the interval says nothing about other seeds. n: the images.
    Raises: InputError for no values, and for a single image.
    Source of the variance: the two-way random model without repeats (Searle et al. 1992, "Variance Components", §4.7);
    of its degrees of freedom, Satterthwaite 1946.
    """
    values_SN = np.atleast_2d(np.asarray(values_SN, np.float64))
    seeds, images = values_SN.shape
    if seeds < 1 or images < 2:
        raise InputError(
            f"There are {images} images and {seeds} seeds; how much a mean varies is seen from two images on."
        )
    mean = values_SN.mean()
    seed_S, image_N = values_SN.mean(axis=1), values_SN.mean(axis=0)
    of_images = image_N.var(ddof=1) / images
    if seeds == 1:
        return _interval(mean, of_images, images - 1, images)
    of_seeds = seed_S.var(ddof=1) / seeds
    residual_SN = values_SN - seed_S[:, None] - image_N + mean
    of_both = (residual_SN**2).sum() / ((seeds - 1) * (images - 1)) / (seeds * images)
    variance = max(of_seeds + of_images - of_both, of_seeds, of_images)  # the residual is in both of the first two
    if not variance:
        return Estimate(float(mean), float(mean), float(mean), images)
    freedom = (of_seeds + of_images) ** 2 / (of_seeds**2 / (seeds - 1) + of_images**2 / (images - 1))
    return _interval(mean, variance, freedom, images)


def _interval(mean: float, variance: float, freedom: float, n: int) -> Estimate:
    half = t_quantile(freedom) * math.sqrt(variance)
    return Estimate(float(mean), float(mean - half), float(mean + half), n)
