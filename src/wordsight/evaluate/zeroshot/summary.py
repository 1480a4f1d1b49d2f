"""Summary of predictions: accuracy with intervals, recall of each class, confusions, groups, calibration.

Everything is computed from the predictions alone, whichever method made them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError, did_you_mean
from wordsight.evaluate.datasets.label_order import LabelOrder, check_label_order
from wordsight.evaluate.predictions import Predictions
from wordsight.metrics import (
    Estimate,
    Reliability,
    average_precision_of_classes,
    bootstrap_mean,
    confusion_matrix,
    estimate_share,
    mean_average_precision,
    mean_per_class_recall,
    measure_reliability,
)
from wordsight.metrics.hits import wilson_interval

NO_GROUP = "(none)"  # group of the images without a cell in the column
FEW = 10  # images below which a group is not called the worst where larger ones are there
_TOP = 5


@dataclass(frozen=True)
class ClassResult:
    """One class: the share of its images that were recognised, and the class they were most often taken for.

    recall: of a multi-label set the average precision, without an interval. None where no image has the class.
    """

    name: str
    n: int
    recall: Estimate | None
    taken_for: str = ""
    taken: int = 0


@dataclass(frozen=True)
class Confusion:
    """Number of images of one class that were taken for another, of all `n` images of that class."""

    true: str
    guessed: str
    count: int
    n: int


@dataclass(frozen=True)
class Group:
    """Images with the same cell in a column: the share of them that was classified correctly.

    expected: the share that the classes of its images would give, each with its recall on all groups; what is left of
    a gap is not due to the group's mix of classes. None of multi-label sets.
    """

    name: str
    accuracy: Estimate
    expected: float | None = None


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Measures of predictions; shares are 0 to 1, estimates have 95 % intervals.

    n: images with a known label. chance: share of hits of guessing among the classes. commonest: share of the largest
    class, which always naming it would reach. top5: None of fewer than five classes. mean_average_precision: of
    multi-label sets, which have no top5, mean_recall, calibration and confusions. overconfidence: mean of the
    probabilities less the share of hits. label_order: whether names seem to belong to other labels; of zero-shot
    predictions, since others learn the labels as they are.
    """

    n: int
    classes: tuple[ClassResult, ...]
    top1: Estimate
    top5: Estimate | None
    mean_recall: Estimate | None
    mean_average_precision: Estimate | None
    chance: float
    commonest: float
    reliability: Reliability | None
    overconfidence: Estimate | None
    confusions: tuple[Confusion, ...]
    groups: Mapping[str, tuple[Group, ...]]
    label_order: LabelOrder | None = None

    @property
    def main(self) -> Estimate:
        """Measure that stands for the set: top-1 accuracy, or mAP of a multi-label set."""
        return self.mean_average_precision or self.top1

    @property
    def main_name(self) -> str:
        """Name of the measure in `main`."""
        return "mAP" if self.mean_average_precision else "top-1"

    @property
    def calibration_error(self) -> float | None:
        """Expected calibration error with bins of equal mass."""
        return None if self.reliability is None else self.reliability.error

    def worst_group(self, column: str) -> Group:
        """Group of the lowest accuracy, among those with at least 10 images where there are any."""
        groups = self.groups[column]
        enough = [group for group in groups if group.accuracy.n >= FEW] or list(groups)
        return min(enough, key=lambda group: group.accuracy.value)

    def best_group(self, column: str) -> Group:
        """Group of the highest accuracy, chosen as `worst_group`."""
        groups = self.groups[column]
        enough = [group for group in groups if group.accuracy.n >= FEW] or list(groups)
        return max(enough, key=lambda group: group.accuracy.value)

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        fields = asdict(replace(self, reliability=None))
        fields["calibration_error"] = self.calibration_error
        if self.reliability is not None:
            fields["reliability"] = {
                "confidence": self.reliability.confidence_B.tolist(),
                "accuracy": self.reliability.accuracy_B.tolist(),
                "weight": self.reliability.weight_B.tolist(),
            }
        return fields


def summarise(predictions: Predictions, *, by: Sequence[str] = (), seed: int = 0) -> Summary:
    """Measures of predictions on the images whose label is known.

    by: columns whose groups are measured apart. seed: of the bootstrap.
    Raises: InputError for a column that is not there, and where no image has a label.
    """
    check_columns(predictions.origin.dataset, predictions.columns, by)
    known = known_labels(predictions)
    hits_N = predictions.hits[known]
    names = predictions.classnames
    cells = {column: np.array(predictions.columns[column], object)[known] for column in by}
    if predictions.is_multilabel:
        groups = {column: _measure_groups(hits_N, cells[column]) for column in by}
        return _summarise_multilabel(predictions, hits_N, groups, seed)
    label_N, top_NT = predictions.labels[known], predictions.top[known]
    confusion_KK = confusion_matrix(label_N, top_NT[:, 0], len(names))
    per_class = _measure_classes(confusion_KK, names)
    confidence_N = predictions.score[known, 0]
    top5 = None
    if len(names) >= _TOP:
        top5 = estimate_share((top_NT[:, :_TOP] == label_N[:, None]).any(axis=1))
    return Summary(
        n=len(known),
        classes=per_class,
        top1=estimate_share(hits_N),
        top5=top5,
        mean_recall=_mean_recall(hits_N, label_N, per_class, seed),
        mean_average_precision=None,
        chance=1 / len(names),
        commonest=float(np.bincount(label_N).max() / len(label_N)),
        reliability=measure_reliability(confidence_N, hits_N),
        overconfidence=bootstrap_mean(confidence_N - hits_N, seed=seed),
        confusions=find_confusions(confusion_KK, names),
        groups={column: _measure_groups(hits_N, cells[column], per_class, label_N) for column in by},
        label_order=_check_names(predictions, confusion_KK, seed),
    )


def check_columns(dataset: str, columns: Collection[str], by: Sequence[str]) -> None:
    """Raise InputError for a column to group by that a dataset lacks."""
    for column in by:
        if column not in columns:
            raise InputError(
                f"The dataset {dataset!r} has no column {column!r} to group by; its columns: "
                f"{', '.join(columns) or 'none'}.{did_you_mean(column, columns)}"
            )


def known_labels(predictions: Predictions) -> NDArray[np.intp]:
    """Places of the images for which a class can be right. Raises: InputError for none."""
    known = np.flatnonzero(predictions.known)
    if not len(known):
        raise InputError(f"None of the {len(predictions.keys)} images of {predictions.origin.dataset!r} has a label.")
    return known


def score_matrix(predictions: Predictions) -> NDArray[np.float64]:
    """Scores (N, K) in the order of the classes, of predictions that hold all of them, as multi-label ones do."""
    score_NK = np.full((len(predictions.keys), len(predictions.classnames)), np.nan)
    np.put_along_axis(score_NK, predictions.top, predictions.score, axis=1)
    return score_NK


def find_confusions(confusion_KK: NDArray[np.int64], names: Sequence[str]) -> tuple[Confusion, ...]:
    """Pairs of classes that were confused at least once, the most frequent first; of equal counts the larger share."""
    wrong_KK = confusion_KK.copy()
    np.fill_diagonal(wrong_KK, 0)
    n_K = confusion_KK.sum(axis=1)
    places = np.argwhere(wrong_KK).tolist()
    found = [Confusion(names[i], names[j], int(wrong_KK[i, j]), int(n_K[i])) for i, j in places]
    return tuple(sorted(found, key=lambda pair: (-pair.count, -pair.count / pair.n)))


def _check_names(predictions: Predictions, confusion_KK: NDArray[np.int64], seed: int) -> LabelOrder | None:
    if predictions.origin.task != "zeroshot":
        return None
    return check_label_order(confusion_KK, predictions.classnames, seed=seed)


def _summarise_multilabel(
    predictions: Predictions, hits_N: NDArray[np.bool_], groups: Mapping[str, tuple[Group, ...]], seed: int
) -> Summary:
    """Summary of predictions with several labels per image; top1: the best class is one of the image's own.

    Images without a class count as negatives of each class's precision, and not in top1, where no answer is right.
    """
    label_NK, score_NK = predictions.labels.astype(bool), score_matrix(predictions)
    precision_K = average_precision_of_classes(score_NK, label_NK)
    n_K = label_NK.sum(axis=0)
    classes = tuple(
        ClassResult(name, int(n), Estimate(float(value), np.nan, np.nan, int(n)) if n else None)
        for name, n, value in zip(predictions.classnames, n_K, precision_K, strict=True)
    )
    return Summary(
        n=len(label_NK),
        classes=classes,
        top1=estimate_share(hits_N),
        top5=None,
        mean_recall=None,
        mean_average_precision=mean_average_precision(score_NK, label_NK, seed=seed),
        chance=float(label_NK.mean(axis=0)[n_K > 0].mean()),  # expected AP of a random order: share of positives
        commonest=float(n_K.max() / len(label_NK)),
        reliability=None,
        overconfidence=None,
        confusions=(),
        groups=groups,
    )


def _measure_classes(confusion_KK: NDArray[np.int64], names: Sequence[str]) -> tuple[ClassResult, ...]:
    results = []
    for k, name in enumerate(names):
        row_K, n = confusion_KK[k], int(confusion_KK[k].sum())
        if not n:
            results.append(ClassResult(name, 0, None))
            continue
        wrong_K = row_K.copy()
        wrong_K[k] = 0
        other = int(wrong_K.argmax())
        taken_for, taken = (names[other], int(wrong_K[other])) if wrong_K[other] else ("", 0)
        recall = estimate_share(np.repeat([1, 0], [row_K[k], n - row_K[k]]))
        results.append(ClassResult(name, n, recall, taken_for, taken))
    return tuple(results)


def _mean_recall(
    hits_N: NDArray[np.bool_], label_N: NDArray[np.int64], classes: Sequence[ClassResult], seed: int
) -> Estimate:
    """Mean recall of the classes that have images, added in their order: scikit-learn's to the last digit.

    Resampling within a class of one image, or one that is all right, shows no spread. So where a class has fewer than
    10 images, or nothing varies, the interval also holds Wilson's for as many images as the mean of the classes is
    worth: K² / Σ 1/n_k, the size at which one common recall would have the same variance.
    """
    value = float(np.mean([each.recall.value for each in classes if each.recall is not None]))
    resampled = replace(mean_per_class_recall(hits_N, label_N, seed=seed), value=value)
    n_K = np.array([each.n for each in classes if each.n])
    if n_K.min() >= FEW and resampled.low < resampled.high:
        return resampled
    low, high = wilson_interval(value, len(n_K) ** 2 / float((1 / n_K).sum()))
    return replace(resampled, low=min(low, resampled.low), high=max(high, resampled.high))


def _measure_groups(
    hits_N: NDArray[np.bool_],
    cells: NDArray[Any],
    classes: Sequence[ClassResult] = (),
    label_N: NDArray[np.int64] | None = None,
) -> tuple[Group, ...]:
    """Accuracy of each group, the lowest first."""
    unnamed = NO_GROUP
    while unnamed in set(cells):  # a group may be called so
        unnamed = f"({unnamed})"
    names = np.array([cell or unnamed for cell in cells], object)
    recall_K = np.array([each.recall.value if each.recall else np.nan for each in classes])
    groups = []
    for name in dict.fromkeys(names):
        rows = names == name
        expected = None if label_N is None else float(recall_K[label_N[rows]].mean())
        groups.append(Group(str(name), estimate_share(hits_N[rows]), expected))
    return tuple(sorted(groups, key=lambda group: group.accuracy.value))
