"""Predictions in words: accuracy, chance level, the weakest class and group, confusions, calibration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.predictions import Predictions
from wordsight.evaluate.report.words import list_some, percent
from wordsight.evaluate.zeroshot.summary import ClassResult, Confusion, Summary
from wordsight.metrics import Estimate

_WORDS = 3  # confusions that are told in a sentence
_ENOUGH = 50  # images from which on a small difference from chance, or of probabilities, would be seen


@dataclass(frozen=True)
class Evaluated:
    """Predictions with what they say; data: their set, for its images, which reports show where it is given."""

    predictions: Predictions
    summary: Summary
    data: LabelledSet | None = None

    def to_dict(self) -> dict[str, Any]:
        """Origin and measures, as JSON holds them."""
        return {"origin": asdict(self.predictions.origin), "summary": self.summary.to_dict()}


def describe(evaluated: Evaluated) -> str:
    """The result in a few sentences: accuracy, chance level, the worst classes and groups."""
    summary = evaluated.summary
    sentences = [_describe_main(evaluated)]
    if summary.label_order is not None and summary.label_order.is_suspicious:
        sentences.append(summary.label_order.sentence)
    elif not evaluated.predictions.is_multilabel:
        sentences += _describe_weakness(summary)
    sentences += [describe_groups(summary, column) for column in summary.groups]
    return "\n".join(sentences)


def _describe_main(evaluated: Evaluated) -> str:
    summary, origin = evaluated.summary, evaluated.predictions.origin
    images, k = _count(summary.n), len(summary.classes)
    if evaluated.predictions.is_multilabel:
        assert summary.mean_average_precision is not None
        return (
            f"{origin.model} finds the images of {k} classes with a mean average precision of "
            f"{summary.mean_average_precision:.1%} on {images} of {origin.dataset}; a random order would reach "
            f"{percent(summary.chance)}."
        )
    return (
        f"{origin.model} names the class of {summary.top1:.1%} of {images} of {origin.dataset}, out of {k} classes; "
        f"chance level is {percent(summary.chance)}."
    )


def _describe_weakness(summary: Summary) -> Iterator[str]:
    """The classes recognised least, and whether a trivial answer does as well."""
    measured = [(each, each.recall) for each in summary.classes if each.recall is not None]
    never = [each for each, recall in measured if not recall.value]
    if len(measured) > 2 and never:
        names = list_some([repr(each.name) for each in sorted(never, key=lambda each: -each.n)])
        verb = "is" if len(never) == 1 else "are"
        yield f"{len(never)} of {len(measured)} classes {verb} never recognised: {names}."
    elif len(measured) > 2 and summary.top1.value < 1:
        worst, recall = min(measured, key=lambda pair: pair[1].high)  # the one that is surely low
        yield f"The class recognised least is {worst.name!r}: {recall:.1%} of {_count(worst.n)}{_taken(worst)}."
    if summary.commonest > summary.top1.value:
        yield f"Always naming the most frequent class would be right more often: {percent(summary.commonest)}."
    if summary.top1.low <= summary.chance and summary.n < _ENOUGH:
        yield "These are too few images to tell it from chance."
    elif summary.top1.low <= summary.chance:
        yield "This is not reliably better than chance: the model does not know these classes by name."


def describe_groups(summary: Summary, column: str) -> str:
    """The worst group of a column in words, and how far it is below the best one."""
    groups = summary.groups[column]
    if len(groups) < 2:
        return f"All images have the same {column!r}: {groups[0].name}."
    worst, best = summary.worst_group(column), summary.best_group(column)
    gap = 100 * (best.accuracy.value - worst.accuracy.value)
    text = (
        f"By {column}, the worst of {len(groups)} groups is {worst.name!r}: {worst.accuracy:.1%} of {worst.accuracy.n} "
        f"images, {gap:.1f} points below {best.name!r}"
    )
    if worst.accuracy.widen(len(groups)).high >= best.accuracy.widen(len(groups)).low:
        text += "; their intervals overlap if they are to hold for all groups, so the order may be due to chance"
    if worst.expected is None:
        return f"{text}."
    return f"{text}. Its mix of classes alone would give {percent(worst.expected)}."


def describe_confusions(confusions: Sequence[Confusion]) -> str:
    """The largest confusions in words."""
    if not confusions:
        return "No image was taken for another class."
    told = [
        f"{pair.true!r} is taken for {pair.guessed!r} ({pair.count} of {_count(pair.n)})"
        for pair in confusions[:_WORDS]
        if pair.count > 1 or confusions[0].count == 1
    ]
    text = f"Most often {'; '.join(told)}."
    if confusions[0].count == 1:
        text = "No class is taken for the same other one twice."
    swallowed = Counter[str]()
    for pair in confusions:
        swallowed[pair.guessed] += pair.count
    name, count = swallowed.most_common(1)[0]
    others = sum(pair.guessed == name for pair in confusions)
    if others > 2:
        text += f" {name!r} is the answer to {count} images of {others} other classes."
    return text


def describe_calibration(summary: Summary) -> str:
    """Whether the probabilities can be believed, in words."""
    assert summary.overconfidence is not None
    assert summary.calibration_error is not None
    gap = summary.overconfidence
    error = f"Calibration error (ECE, bins of equal mass): {100 * summary.calibration_error:.1f} points."
    if gap.low <= 0 <= gap.high and summary.n < _ENOUGH:
        return f"{_count(summary.n)} are too few to tell whether the probabilities can be believed. {error}"
    if gap.low <= 0 <= gap.high:
        return f"On average the probabilities are neither reliably too high nor too low. {error}"
    side = "too high" if gap.value > 0 else "too low"
    points = f"{100 * abs(gap.value):.1f} points"
    return f"The probabilities are {side} by {points} on average: they say {_said(summary)}. {error}"


def interval(estimate: Estimate) -> str:
    """The 95 % interval of a share as a cell: "68.0 to 74.1"; nothing where there is none."""
    if not np.isfinite(estimate.low):
        return ""
    return f"{100 * estimate.low:.1f} to {100 * estimate.high:.1f}"


def _taken(result: ClassResult) -> str:
    if not result.taken_for:
        return ""
    verb = "is" if result.taken == 1 else "are"
    return f"; {result.taken} {verb} taken for {result.taken_for!r}"


def _count(n: int) -> str:
    return "1 image" if n == 1 else f"{n:,} images"


def _said(summary: Summary) -> str:
    assert summary.overconfidence is not None
    confidence = 100 * (summary.top1.value + summary.overconfidence.value)
    return f"{confidence:.1f} %, and {percent(summary.top1.value)} are right"
