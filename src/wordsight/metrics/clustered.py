"""Means and differences of values from 0 to 1 by clusters, such as captions by image; no interval is empty."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from wordsight.errors import InputError
from wordsight.metrics.estimates import (
    Estimate,
    bootstrap_clusters,
    check_pairs,
    check_values,
    split_rows,
    t_quantile,
)
from wordsight.metrics.hits import estimate_gain, wilson_interval


def estimate_clustered(values_N: ArrayLike, cluster_N: Sequence[Hashable], *, seed: int = 0) -> Estimate:
    """Mean of values (N,) from 0 to 1, such as hits or average precisions, by clusters (`bootstrap_clusters`).

    Wilson's interval where the values are hits, each a cluster of its own, and where all are alike, which no resampling
    would vary: then it is that of as many hits and misses as there are clusters, the widest that such values can have.
    Raises: InputError for values outside 0 to 1.
    """
    values_N = check_values(values_N)
    if values_N.min() < 0 or values_N.max() > 1:
        raise InputError(f"The values go from {values_N.min():g} to {values_N.max():g}, expected 0 to 1.")
    clusters = len(split_rows(cluster_N, len(values_N)))
    alone = clusters == len(values_N) and np.isin(values_N, (0, 1)).all()
    if alone or (values_N == values_N[0]).all():
        share = float(values_N.mean())
        return Estimate(share, *wilson_interval(share, clusters), len(values_N))
    found = bootstrap_clusters(values_N, cluster_N, seed=seed)
    return replace(found, low=max(0.0, found.low), high=min(1.0, found.high))


def estimate_clustered_gain(
    before_N: ArrayLike, after_N: ArrayLike, cluster_N: Sequence[Hashable], *, seed: int = 0
) -> Estimate:
    """Mean of after - before of values (N,) from 0 to 1 of the same images or queries, by clusters.

    As `estimate_gain` where they are hits, each a cluster of its own, and with its one image of doubt where all
    differences are alike, which no resampling would vary.
    """
    before_N, after_N = check_pairs(before_N, after_N)
    difference_N = after_N - before_N
    clusters = len(split_rows(cluster_N, len(difference_N)))
    if clusters == len(difference_N) and np.isin([before_N, after_N], (0, 1)).all():
        return estimate_gain(before_N, after_N)
    if (difference_N == difference_N[0]).all():
        value, half = float(difference_N[0]), t_quantile(max(clusters - 1, 1)) / clusters
        return Estimate(value, max(-1.0, value - half), min(1.0, value + half), len(difference_N))
    return bootstrap_clusters(difference_N, cluster_N, seed=seed)
