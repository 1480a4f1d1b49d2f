"""Weights of the two sides of a search: visual similarity, and the texts that came with images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from wordsight.errors import InputError, did_you_mean
from wordsight.search.relevance import hybrid_logits

Method: TypeAlias = Literal["vector", "text", "both"]
_OLDER = {"rank": "both", "score": "both"}  # methods that notes of older versions name


@dataclass(frozen=True)
class Fusion:
    """Weights of the two sides of a search; `wordsight tune` chooses them, the index notes them.

    method: "vector" or "text" alone, or "both". alpha: of both, the weight of the evidence: at 0.5 both sides count as
    fitted on judged data, towards 1 the texts less and less, towards 0 visual similarity.
    """

    method: Method = "both"
    alpha: float = 0.5

    def __post_init__(self) -> None:
        methods = get_args(Method)
        if self.method not in methods:
            raise InputError(
                f"Unknown fusion method {self.method!r}, expected one of: {', '.join(methods)}."
                f"{did_you_mean(str(self.method), methods)}"
            )
        if not 0 <= self.alpha <= 1:
            raise InputError(f"alpha is {self.alpha}, expected 0 (texts only) to 1 (images only).")

    def logits(self, visual_K: np.ndarray, texts_KF: np.ndarray) -> np.ndarray:
        """Log-odds that candidates answer, (K,): of visual log-odds (K,) and `relevance.text_evidence` (K, 4)."""
        if self.method == "vector":
            return np.asarray(visual_K, np.float64)
        return hybrid_logits(visual_K, texts_KF, 0.0 if self.method == "text" else self.alpha)

    def to_dict(self) -> dict[str, Any]:
        """The weights as JSON; the method is called "way", as in the notes of all versions."""
        return {"way": self.method, "alpha": self.alpha}

    @classmethod
    def from_note(cls, note: Mapping[str, Any]) -> Fusion:
        """Fusion of a note, of older versions too."""
        return cls(_OLDER.get(note["way"], note["way"]), float(note["alpha"]))
