"""A method of prompting on a labelled set: its accuracy, and its gain over another on the same images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from wordsight.metrics import Estimate, estimate_gain, estimate_share


@dataclass(frozen=True)
class Measured:
    """Accuracy of one method, with its paired gain over `against`; both None of what others are compared with.

    prompts: of all classes. truncated: those whose ends the model does not read; None where that is not known.
    """

    name: str
    accuracy: Estimate
    against: str | None = None
    gain: Estimate | None = None
    prompts: int | None = None
    truncated: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        gain = self.gain.to_dict() if self.gain else None
        return {
            "name": self.name,
            "accuracy": self.accuracy.to_dict(),
            "against": self.against,
            "gain": gain,
            "prompts": self.prompts,
            "truncated": self.truncated,
        }


def measure(name: str, hit_N: ArrayLike, *, against: str | None = None, before_N: ArrayLike | None = None) -> Measured:
    """Measure hits (N,), and their gain over the hits `before_N` of `against` on the same images."""
    gain = None
    if before_N is not None:
        gain = estimate_gain(before_N, hit_N)
    return Measured(name, estimate_share(hit_N), against, gain)
