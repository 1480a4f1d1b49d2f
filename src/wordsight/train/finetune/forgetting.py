"""The forgetting check: how much of a model's zero-shot accuracy is left after fine-tuning."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from wordsight.errors import InputError
from wordsight.metrics import Estimate, bootstrap_ratio, estimate_share
from wordsight.train.finetune.wise_ft import AlphaResult
from wordsight.train.monitor.reports import TrainWarning


@dataclass(frozen=True)
class Verdict:
    """Share of a zero-shot accuracy that is left: `kept` = after / before, with its bootstrap 95 % interval.

    The interval is over images, each of which is measured before and after. least: the share below which a run
    fails the check.
    """

    before: Estimate
    after: Estimate
    kept: float
    low: float
    high: float
    least: float

    @property
    def good(self) -> bool:
        """Whether enough accuracy is left."""
        return self.kept >= self.least

    def __str__(self) -> str:
        """Verdict as one line, such as "good: 97 % [94, 100] of the original zero-shot accuracy is left …"."""
        word = "good" if self.good else "not good"
        agree = (self.low >= self.least) == self.good == (self.high >= self.least)
        unsure = ""
        if not agree:
            unsure = ", which the interval leaves open"
        return (
            f"{word}: {100 * self.kept:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}] of the original zero-shot "
            f"accuracy is left, {self.before:.1%} before, {self.after:.1%} after; required: "
            f"at least {100 * self.least:.0f} % (tuning.keep){unsure}"
        )


def judge(before: np.ndarray, after: np.ndarray, least: float) -> Verdict:
    """Verdict on 0/1 hits of the same images before and after tuning.

    Raises: InputError for hits of different images, or where no image was classified correctly before.
    """
    before, after = (np.asarray(hits, dtype=np.float64) for hits in (before, after))
    if len(before) != len(after):
        raise InputError(f"There are {len(before)} hits before and {len(after)} after; expected the same images.")
    if not before.any():
        raise InputError(
            f"None of the {len(before)} images of tuning.forgetting was classified correctly before tuning: nothing "
            "can be forgotten. Give images whose classes the model knows, with names that describe "
            "them (classes, templates)."
        )
    kept = bootstrap_ratio(before, after)
    return Verdict(estimate_share(before), estimate_share(after), kept.value, kept.low, kept.high, least)


def warn_at_chance_level(before: Estimate, classes: int) -> None:
    """Warn where the accuracy before tuning is at chance level, so that the share kept means little."""
    if before.low <= 1 / classes:
        warnings.warn(
            f"Before tuning the model classifies {before:.1%} of the images of tuning.forgetting "
            f"correctly; the chance level is {100 / classes:.1f} %, so the share kept means little. Give images whose "
            "classes it knows.",
            TrainWarning,
            stacklevel=2,
        )


def remedy(tried: list[AlphaResult], before: Estimate, least: float) -> str:
    """Advice after a failed check: the largest share of tuned weights that keeps enough."""
    enough = [one for one in tried if one.original is not None and one.original.value >= least * before.value]
    if enough:
        best = max(enough, key=lambda one: (one.target.value, -one.alpha))
        return f"α {best}: that is enough; resume with tuning.alphas={best.alpha:g}"
    more = "tuning.alphas=0.25,0.5,0.75 (WiSE-FT)"
    if tried:
        more = "smaller tuning.alphas"
    return f"try {more}, tuning.image=lora, a lower optim.lr or fewer steps"
