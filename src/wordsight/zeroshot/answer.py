"""Answer of a classifier for one image: its label or labels, and the best of the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

NONE_LABEL = "none of these"

Ranked: TypeAlias = Sequence[tuple[str, float]]  # labels with their probabilities, best first


@dataclass(frozen=True)
class Answer:
    """Labels of one image. Made by `Classifier.answer`.

    chosen: the most probable label; of independent classes all that are probable, or "none of these".
    ranked: the best labels, best first. proba: probability of every label, in the order of the classifier's labels.
    none_proba: probability of "none of these", or None where it was not asked for.
    """

    chosen: Ranked
    ranked: Ranked
    proba: Sequence[float]
    none_proba: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON."""
        label, proba = self.chosen[0]
        answer: dict[str, Any] = {
            "label": label,
            "probability": round(proba, 6),
            "labels": [name for name, _ in self.chosen],
            "top": [{"label": name, "probability": round(p, 6)} for name, p in self.ranked],
        }
        if self.none_proba is not None:
            answer["none_probability"] = round(self.none_proba, 6)
        return answer
