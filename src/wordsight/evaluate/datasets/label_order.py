"""Check that names belong to label numbers: whether another assignment of names to labels fits far better.

A list of names in another order than the labels looks like a bad model, not like an error. The best assignment is
found on a part of the images and judged on the others, since the best of K! assignments always fits the images that
it was chosen on; each class counts the same, since else a model that gives most images one answer would be told to
call the commonest class so. Source of the matching: Kuhn 1955, "The Hungarian method".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluate.report.words import percent
from wordsight.metrics import confusion_matrix

# Chosen on 36 sets with right names (benchmarks/label_order.py): none gives an alarm with the bundled model. Where it
# knows the classes (mean recall of 0.4 or more, 26 sets) permuted names give one in 75 of 78 cases, two that are
# swapped in 52 of 78. On 21 other sets, on most of which it knows little, one right order gives an alarm (X-rays).
LEAST_GAIN = 0.05  # in mean recall
LEAST_SKILL = 0.25  # of the other assignment: 0 is chance level, 1 is perfect
LEAST_ERRORS = 3.0  # standard errors of a gain
LEAST_EXCHANGE = 0.5  # gain among the labels that are exchanged
LEAST_IMAGES = 10  # of these labels
_FOLDS = 5
_REPEATS = 4
_SHOWN = 3  # pairs in a sentence


@dataclass(frozen=True)
class Misnamed:
    """Label whose images look like another class: of its `count` images `hits` are given its name, `others` the other.

    name: as listed; looks_like: name that fits better.
    """

    label: int
    name: str
    looks_like: str
    count: int
    hits: int
    others: int

    def __str__(self) -> str:
        return f"label {self.label} is called {self.name!r}, but looks like {self.looks_like!r}"


@dataclass(frozen=True)
class LabelOrder:
    """Answer of the check.

    finding: "order" where another assignment of names is far better for half of the labels or more, "exchanged" where
    it is for fewer, "unknown" where no label has two images, "fits" otherwise. recall: mean
    recall of the classes, with the names as listed. gain: in it by the best other assignment, on images that it was
    not chosen on; standard_error: of the gain. misnamed: labels that look like another, the most images first; empty
    where nothing was found. n: images.
    """

    finding: str
    recall: float
    gain: float
    standard_error: float
    misnamed: tuple[Misnamed, ...]
    n: int

    @property
    def is_suspicious(self) -> bool:
        """Whether some names seem to belong to other labels."""
        return bool(self.misnamed)

    @property
    def sentence(self) -> str:
        """Answer in words."""
        if self.finding == "unknown":
            return "With one image of each class nothing can be said of the order of the names."
        pairs = "; ".join(str(pair) for pair in self.misnamed[:_SHOWN])
        if len(self.misnamed) > _SHOWN:
            pairs += f"; and {len(self.misnamed) - _SHOWN} more"
        if self.finding == "order":
            return (
                f"The names seem to be in another order than the labels: {pairs}. With the names exchanged the mean "
                f"recall would be {percent(self.recall + self.gain, 0)} instead of {percent(self.recall, 0)}. Compare "
                "the list of names with the source of the labels; a model that knows these names badly can look "
                "the same."
            )
        if self.finding == "exchanged":
            return f"Some names seem to be exchanged: {pairs}. Look at images of these labels."
        return "The names fit the labels: no other assignment of names is far better."

    def to_dict(self) -> dict[str, Any]:
        """Fields, and the sentence."""
        return asdict(self) | {"sentence": self.sentence}


def check_label_order(count_KK: NDArray[np.integer], classnames: Sequence[str], *, seed: int = 0) -> LabelOrder:
    """Check whether names are in another order, from the confusion of a zero-shot classifier (`confusion_matrix`).

    A model that knows little of the classes says nothing of their names; then "fits" is the answer.
    Raises: InputError for counts that are not (K, K) or not of any image.
    """
    counts = np.asarray(count_KK)
    k = len(classnames)
    if counts.shape != (k, k) or counts.dtype.kind not in "iu" or counts.min(initial=0) < 0 or not counts.sum():
        raise InputError(
            f"The confusion has the shape {counts.shape} and {counts.sum()} images, expected whole counts of the shape "
            f"({k}, {k}) of {k} classes, with one image at least."
        )
    count_K = counts.sum(axis=1)
    present = count_K > 0
    recall = float((np.diag(counts)[present] / count_K[present]).mean())
    if count_K.max() < 2:
        return LabelOrder("unknown", recall, 0.0, 0.0, (), int(counts.sum()))
    gain, error, fits_FK = _measure_gain(counts, np.random.default_rng(seed))
    skill = (recall + gain - 1 / k) / (1 - 1 / k)
    finding, pairs = "fits", dict[int, int]()
    if gain >= LEAST_GAIN and gain > LEAST_ERRORS * error and skill >= LEAST_SKILL:
        finding, pairs = "order", dict(enumerate(_assign(counts).tolist()))
    elif exchanged := _find_exchanged(counts, fits_FK):
        finding, pairs = "exchanged", exchanged
    misnamed = [
        Misnamed(
            label, classnames[label], classnames[name], int(count_K[label]), int(counts[label, label]),
            int(counts[label, name]),
        )
        for label, name in pairs.items()
        if counts[label, name] > counts[label, label]
    ]  # fmt: skip
    misnamed.sort(key=lambda pair: pair.hits - pair.others)
    if 0 < 2 * len(misnamed) < present.sum():
        finding = "exchanged"
    return LabelOrder(finding, recall, gain, error, tuple(misnamed), int(counts.sum()))


def _measure_gain(count_KK: NDArray[np.integer], chance: np.random.Generator) -> tuple[float, float, NDArray[np.int64]]:
    """Gain in mean recall on images that the assignment was not chosen on, its standard error, and the assignments."""
    k = len(count_KK)
    label_N, class_N = np.repeat(np.indices((k, k)).reshape(2, -1), count_KK.reshape(-1), axis=1)
    weight_N = 1 / count_KK.sum(axis=1)[label_N]
    weight_N /= weight_N.sum()
    hit_N = label_N == class_N
    gain_RN = np.zeros((_REPEATS, len(label_N)))
    fits = []
    for gain_N in gain_RN:
        fold_N = chance.permutation(len(label_N)) % _FOLDS
        for fold in range(_FOLDS):
            held_N = fold_N == fold
            name_K = _assign(confusion_matrix(label_N[~held_N], class_N[~held_N], k))
            gain_N[held_N] = (class_N[held_N] == name_K[label_N[held_N]]).astype(float) - hit_N[held_N]
            fits.append(name_K)
    gain = float((gain_RN @ weight_N).mean())
    error = float(np.sqrt((weight_N**2 * (gain_RN[0] - gain) ** 2).sum()))
    return gain, error, np.stack(fits)


def _assign(count_KK: NDArray[np.integer]) -> NDArray[np.int64]:
    """Class for each label, each once, of the highest mean recall; a label keeps its own where that costs nothing."""
    from scipy.optimize import linear_sum_assignment

    recall_KK = count_KK / np.maximum(count_KK.sum(axis=1, keepdims=True), 1)
    _, name_K = linear_sum_assignment(recall_KK + 1e-6 * np.eye(len(count_KK)), maximize=True)
    return np.asarray(name_K)


def _find_exchanged(count_KK: NDArray[np.integer], fits_FK: NDArray[np.int64]) -> dict[int, int]:
    """Label → name of the labels that every fit gives each other's names, where these fit far better."""
    name_K = fits_FK[0]
    stays = {int(label) for label in np.flatnonzero((fits_FK == name_K).all(axis=0)) if name_K[label] != label}
    while closed := {label for label in stays if int(name_K[label]) in stays}:
        if closed == stays:
            break
        stays = closed
    labels = np.array(sorted(closed), np.int64)
    won = int(count_KK[labels, name_K[labels]].sum())
    lost = int(count_KK[labels, labels].sum())
    n = int(count_KK[labels].sum())
    if n < LEAST_IMAGES:
        return {}
    gain = (won - lost) / n
    error = np.sqrt((won + lost - n * gain**2) / n**2)
    if gain < LEAST_EXCHANGE or gain <= LEAST_ERRORS * error:
        return {}
    return dict(zip(labels.tolist(), name_K[labels].tolist(), strict=True))
