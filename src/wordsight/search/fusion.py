"""How much what images show and what their texts say count in a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from wordsight.errors import InputError, did_you_mean
from wordsight.search.relevance import hybrid_logits

Way: TypeAlias = Literal["vector", "text", "both"]
_OLDER = {"rank": "both", "score": "both"}  # ways that notes of older versions name


@dataclass(frozen=True)
class Fusion:
    """How the two sides of a search count; `wordsight tune` chooses it, the index notes it.

    way: "vector" or "text" alone, or "both". alpha: of both, how the evidence is weighed: at 0.5 both sides count as
    fitted on judged data, towards 1 the texts less and less, towards 0 what images show.
    """

    way: Way = "both"
    alpha: float = 0.5

    def __post_init__(self) -> None:
        ways = get_args(Way)
        if self.way not in ways:
            raise InputError(
                f"The way of fusing is {self.way!r}, expected one of: {', '.join(ways)}."
                f"{did_you_mean(str(self.way), ways)}"
            )
        if not 0 <= self.alpha <= 1:
            raise InputError(f"alpha is {self.alpha}, expected 0 (texts only) to 1 (images only).")

    def logits(self, visual_K: np.ndarray, texts_KF: np.ndarray) -> np.ndarray:
        """Return the log-odds that candidates answer, (K,): by looks (K,) and `relevance.text_evidence` (K, 4)."""
        if self.way == "vector":
            return np.asarray(visual_K, np.float64)
        return hybrid_logits(visual_K, texts_KF, 0.0 if self.way == "text" else self.alpha)

    def to_note(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {"way": self.way, "alpha": self.alpha}

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> Fusion:
        """Return the fusion of a note, of older versions too."""
        return cls(_OLDER.get(note["way"], note["way"]), float(note["alpha"]))
