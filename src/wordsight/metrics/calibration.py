"""Calibration: whether probabilities come true as often as they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from wordsight.metrics.estimates import Floats, check_pairs, check_values


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
    confidence_N, hit_N = check_pairs(confidence_N, hit_N)
    if weight_N is None:
        weight_N = np.ones(len(hit_N))
    weights_N = check_values(weight_N)
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
