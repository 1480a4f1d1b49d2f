"""Number of shots that zero-shot is worth: where a few-shot curve reaches it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.evaluate.fewshot.shots import ALL, Count
from wordsight.metrics import CrossedDraws


@dataclass(frozen=True)
class Crossover:
    """Number of shots at which a method is as accurate as zero-shot, between measured ones on a logarithmic scale.

    0 means below the fewest shots, infinity above the most. low, high: 95 % interval.
    """

    shots: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | str]:
        """Fields by name; "above" in place of infinity."""
        return {name: _finite(getattr(self, name)) for name in ("shots", "low", "high")}


def find_crossover(
    hits: Mapping[Count, NDArray[Any]], base_M: NDArray[Any], mean_shots: float, draws: CrossedDraws
) -> Crossover:
    """Crossing of a curve of hits (S, M) by number of shots with the zero-shot hits (M,), with its interval."""
    count_C = np.array([mean_shots if count == ALL else float(count) for count in hits])
    point = _first_crossing(count_C, np.array([[rows.mean() for rows in hits.values()]]), np.array([base_M.mean()]))
    curve_DC = np.stack([draws.means(rows) for rows in hits.values()], axis=1)
    drawn_D = np.sort(_first_crossing(count_C, curve_DC, draws.means(base_M)))
    low, high = (drawn_D[min(len(drawn_D) - 1, int(share * len(drawn_D)))] for share in (0.025, 0.975))
    return Crossover(float(point[0]), float(low), float(high))


def _first_crossing(count_C: NDArray[Any], curve_DC: NDArray[Any], base_D: NDArray[Any]) -> NDArray[np.float64]:
    """First number of shots at which each curve reaches its base: 0 if at once, infinity if never."""
    order = np.argsort(count_C, kind="stable")
    count_C, curve_DC = count_C[order], curve_DC[:, order]
    reached_DC = curve_DC >= base_D[:, None] - 1e-9  # equal means may differ by a rounding
    first_D = np.where(reached_DC.any(axis=1), reached_DC.argmax(axis=1), -1)
    found = np.full(len(base_D), math.inf)
    found[first_D == 0] = 0.0
    for row in np.flatnonzero(first_D > 0):
        right = first_D[row]
        below, above = curve_DC[row, right - 1], curve_DC[row, right]
        share = (base_D[row] - below) / (above - below)
        left_log, right_log = math.log(count_C[right - 1]), math.log(count_C[right])
        found[row] = math.exp(left_log + share * (right_log - left_log))
    return found


def _finite(value: float) -> float | str:
    if math.isinf(value):
        return "above"
    return value
