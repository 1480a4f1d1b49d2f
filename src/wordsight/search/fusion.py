"""One order from two: the pictures that look right and the texts that hold the words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from wordsight.errors import InputError, did_you_mean

Scores: TypeAlias = Mapping[str, float]  # id → score, larger is better
Way: TypeAlias = Literal["vector", "text", "rank", "score"]

RANK_CONSTANT = 60  # Cormack et al. 2009, §3


@dataclass(frozen=True)
class Fusion:
    """How the two sides of a search are put together; `wordsight tune` chooses it, the index notes it.

    way: "vector" or "text" alone; "rank": reciprocal ranks; "score": normalised scores, `alpha` of it the vector's.
    """

    way: Way = "score"
    alpha: float = 0.5

    def __post_init__(self) -> None:
        ways = get_args(Way)
        if self.way not in ways:
            raise InputError(
                f"{self.way!r} is no way of fusing.{did_you_mean(str(self.way), ways)} The ways are: {', '.join(ways)}."
            )
        if not 0 <= self.alpha <= 1:
            raise InputError(f"alpha is {self.alpha}, expected 0 (texts only) to 1 (pictures only).")

    def __call__(self, vector: Scores, text: Scores, floor: float | None = None) -> dict[str, float]:
        """Return id → fused score. `vector`: cosines; `text`: BM25; `floor`: the collection's mean cosine."""
        if self.way == "vector" or (self.way != "text" and not text):
            return dict(vector)
        if self.way == "text":
            return dict(text)
        if self.way == "rank":
            return reciprocal_ranks(vector, text)
        return weighted_scores(vector, text, self.alpha, floor)

    def to_note(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {"way": self.way, "alpha": self.alpha}

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> Fusion:
        """Return the fusion of a note."""
        return cls(note["way"], float(note["alpha"]))


def ranked(scores: Scores) -> list[str]:
    """Return the ids, best first; equal scores in the order of their ids, so that answers do not change by chance."""
    return sorted(scores, key=lambda id: (-scores[id], id))


def reciprocal_ranks(*sides: Scores, constant: int = RANK_CONSTANT) -> dict[str, float]:
    """Return id → Σ 1 / (constant + rank) over the sides that hold it, ranks from 1. Source: Cormack et al. 2009."""
    fused: dict[str, float] = {}
    for side in sides:
        for rank, id in enumerate(ranked(side), start=1):
            fused[id] = fused.get(id, 0.0) + 1 / (constant + rank)
    return fused


def weighted_scores(vector: Scores, text: Scores, alpha: float, floor: float | None = None) -> dict[str, float]:
    """Return id → alpha · v + (1 - alpha) · t, each side scaled so that 1 is this query's best and 0 says nothing.

    Of cosines 0 is `floor`, what the collection has on average (None: the least given); of BM25 no word in common.
    Source: Bruch et al. 2023, whose theoretical minimum of a cosine, -1, is far below what real models give.
    """
    low = min(vector.values(), default=0.0) if floor is None else floor
    looks, words = scaled(vector, low), scaled(text, 0.0)
    return {id: alpha * looks.get(id, 0.0) + (1 - alpha) * words.get(id, 0.0) for id in dict.fromkeys((*vector, *text))}


def scaled(scores: Scores, low: float) -> dict[str, float]:
    """Return id → (score - low) / (best - low); all 1 where none is above `low`."""
    width = max(scores.values(), default=low) - low
    return {id: (score - low) / width if width > 0 else 1.0 for id, score in scores.items()}
