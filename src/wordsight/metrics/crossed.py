"""Intervals of values that two things decide at once, such as the image and the seed of random prompts."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from wordsight.errors import InputError
from wordsight.metrics.estimates import DRAWS, Estimate, percentile_estimate


def bootstrap_crossed(values_SN: ArrayLike, *, seed: int = 0, draws: int = DRAWS) -> Estimate:
    """Mean of values (S, N) of each seed with each image; seeds and images are resampled, each by themselves.

    Of one seed the interval says nothing about other seeds. n: the images. Source: Owen 2007, "The pigeonhole
    bootstrap", §3. Raises: InputError for no values.
    """
    values_SN = np.atleast_2d(np.asarray(values_SN, np.float64))
    seeds, images = values_SN.shape
    if not values_SN.size:
        raise InputError("There is nothing to measure: no image or seed is left.")
    rng = np.random.default_rng(seed)
    means = np.empty(draws)
    for draw in range(draws):
        share_S = np.bincount(rng.integers(seeds, size=seeds), minlength=seeds) / seeds
        share_N = np.bincount(rng.integers(images, size=images), minlength=images) / images
        means[draw] = share_S @ values_SN @ share_N
    return percentile_estimate(float(values_SN.mean()), means, images)
