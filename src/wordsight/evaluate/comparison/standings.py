"""Standings of contenders: means, what each lacks to the best, rank intervals, and who may be the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wordsight.metrics import Estimate, JointMeans, estimate_lags, rank_intervals, tie_with_best


@dataclass(frozen=True)
class Standing:
    """One contender. behind: the best one's mean less its own, 0 of the best. ranks: first and last it may have.

    mean has an interval for itself; those of behind, and the ranks, hold for all contenders at once.
    """

    label: str
    mean: Estimate
    behind: Estimate
    ranks: tuple[int, int]
    may_be_best: bool

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {
            "mean": self.mean.to_dict(),
            "behind_best": self.behind.to_dict(),
            "ranks": list(self.ranks),
            "may_be_best": self.may_be_best,
        }


@dataclass(frozen=True)
class Standings:
    """Contenders, the best first."""

    rows: tuple[Standing, ...]

    @classmethod
    def rank(
        cls, labels: tuple[str, ...], means: JointMeans, seed: int = 0, *, shares: Sequence[Estimate] | None = None
    ) -> Standings:
        """Standings by the means of a set, or over sets. shares: of a set, with intervals fit for shares."""
        if shares is None:
            shares = [bound(means.estimate(place)) for place in range(len(labels))]
        lags = estimate_lags(means, seed=seed)
        ranks_M2 = rank_intervals(means, seed=seed)
        tied_M = tie_with_best(ranks_M2)
        rows = [
            Standing(
                label,
                shares[place],
                bound(lags[place], -1.0),
                (int(ranks_M2[place, 0]), int(ranks_M2[place, 1])),
                bool(tied_M[place]),
            )
            for place, label in enumerate(labels)
        ]
        return cls(tuple(sorted(rows, key=lambda row: -row.mean.value)))

    @property
    def tied(self) -> tuple[str, ...]:
        """Contenders that may be the best, the one with the best mean first."""
        return tuple(row.label for row in self.rows if row.may_be_best)

    def to_dict(self) -> dict[str, Any]:
        """Standing of each contender by its name."""
        return {row.label: row.to_dict() for row in self.rows}


def bound(share: Estimate, least: float = 0.0) -> Estimate:
    """Estimate of a share, or of a difference of two from -1 on, whose interval ends where they do."""
    return Estimate(share.value, max(least, share.low), min(1.0, share.high), share.n)
