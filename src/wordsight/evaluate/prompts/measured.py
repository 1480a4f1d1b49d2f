"""A way of prompting on a labelled set: its accuracy, and its gain over another on the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from wordsight.metrics import Estimate, estimate_gain, estimate_share


@dataclass(frozen=True)
class Measured:
    """Accuracy of one way, with its paired gain over `against`; both None of what others are compared with.

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


def describe_gain(gain: Estimate, better: str, worse: str) -> str:
    """A paired difference of accuracies in words: "A is better than B by 1.8 points (0.6 to 3.1)"."""
    low, high = sorted((abs(gain.low), abs(gain.high)))
    size = f"{abs(100 * gain.value):.1f} points ({100 * low:.1f} to {100 * high:.1f})"
    if gain.low > 0:
        return f"{better} is better than {worse} by {size}"
    if gain.high < 0:
        return f"{better} is worse than {worse} by {size}"
    return (
        f"{better} and {worse} cannot be told apart: {100 * gain.value:+.1f} points "
        f"({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
    )


def list_names(names: Sequence[str], most: int = 5) -> str:
    """Names in quotes, the first few of many."""
    return ", ".join(map(repr, names[:most])) + ", …" * (len(names) > most)
