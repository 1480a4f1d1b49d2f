"""Likely label errors of a set by confident learning: images that another class claims with confidence.

Source: Northcutt, Jiang and Chuang 2021, "Confident Learning" (1911.00068), §3.1: thresholds, confident joint and its
calibration; the suspects are those that the confident joint counts off its diagonal and whose likely class is also more
probable than their own, ranked by that margin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.fewshot.learned import LinearScorer, Shots
from wordsight.evaluate.fewshot.probe import FIXED_C, fit_path, fit_prior_probe, fit_probe
from wordsight.evaluate.folds import FOLDS, assign_folds
from wordsight.metrics import Estimate, bootstrap_clusters
from wordsight.metrics.hits import wilson_interval
from wordsight.zeroshot.logistic import softmax

LEAST = 2  # images of a class, so that one is left to learn from
# Methods to come by probabilities; an image's own label is left out of the fit, but not of the probe's choice of C;
# the first finds most of what is changed on purpose in the learn sets (benchmarks/label_errors.py).
METHODS = ("prior-probe", "probe", "zero-shot")

Proba = NDArray[np.float64]


@dataclass(frozen=True)
class Suspect:
    """An image whose label is likely wrong. row: in the set. given, likely: classes; margin: likely's lead, 0 to 1."""

    row: int
    given: int
    likely: int
    given_proba: float
    likely_proba: float

    @property
    def margin(self) -> float:
        """Probability of the likely class less that of the given one."""
        return self.likely_proba - self.given_proba


@dataclass(frozen=True, eq=False)
class LabelErrors:
    """Result of confident learning on N images of K classes, likeliest errors first.

    joint_KK: estimated number of images by given (row) and true class, which sums to N. threshold_K: mean
    self-confidence of each class.
    """

    suspects: tuple[Suspect, ...]
    joint_KK: NDArray[np.float64]
    threshold_K: NDArray[np.float64]

    @property
    def share(self) -> float:
        """Estimated share of labels that are wrong."""
        return float(1 - np.trace(self.joint_KK) / self.joint_KK.sum())


@dataclass(frozen=True)
class Trust:
    """Success on labels that were changed on purpose, over several draws.

    changed: share of labels that was changed. precision: share of suspects that were changed ones; suspects that were
    wrong before count against it. recall: share of the changed ones that are suspects. first: precision of as many
    first suspects as labels were changed. draws: number of draws. The intervals are by image, since the draws share
    their images. precision and first: None where nothing is a suspect.
    """

    changed: float
    precision: Estimate | None
    recall: Estimate
    first: Estimate | None
    draws: int

    def to_dict(self) -> dict[str, Any]:
        """Fields by name."""
        estimates = {"precision": self.precision, "recall": self.recall, "precision_of_first": self.first}
        plain = {name: estimate and estimate.to_dict() for name, estimate in estimates.items()}
        return {"changed": self.changed, "draws": self.draws, **plain}


def find_label_errors(proba_NK: Proba, label_N: NDArray[Any]) -> LabelErrors:
    """Likely label errors by probabilities (N, K), fitted without the image's own label.

    Raises: InputError for shapes that do not fit, and labels that are not 0 to K - 1.
    """
    n, k = proba_NK.shape
    if len(label_N) != n or not n or label_N.min() < 0 or label_N.max() >= k:
        raise InputError(f"There are {len(label_N)} labels for {n} images and {k} classes; expected 0 to {k - 1} each.")
    own_N = proba_NK[np.arange(n), label_N]
    count_K = np.bincount(label_N, minlength=k)
    threshold_K = np.bincount(label_N, own_N, k) / np.maximum(count_K, 1)
    threshold_K[count_K == 0] = np.inf  # a class that no image is labelled with claims none
    claimed_NK = proba_NK >= threshold_K - 1e-12
    likely_N = np.where(claimed_NK, proba_NK, -1.0).argmax(axis=1)
    confident_N = claimed_NK.any(axis=1)
    joint_KK = np.zeros((k, k))
    np.add.at(joint_KK, (label_N[confident_N], likely_N[confident_N]), 1)
    rows = np.flatnonzero(confident_N & (likely_N != label_N) & (proba_NK[np.arange(n), likely_N] > own_N))
    margin_N = proba_NK[rows, likely_N[rows]] - own_N[rows]
    suspects = tuple(
        Suspect(int(row), int(label_N[row]), int(likely_N[row]), float(own_N[row]), float(proba_NK[row, likely_N[row]]))
        for row in rows[np.argsort(-margin_N, kind="stable")]
    )
    return LabelErrors(suspects, _calibrate(joint_KK, count_K), threshold_K)


def _calibrate(joint_KK: NDArray[np.float64], count_K: NDArray[np.int64]) -> NDArray[np.float64]:
    """Joint whose rows sum to the number of images of each given class. Source: ibid., eq. 3."""
    row_K = joint_KK.sum(axis=1)
    joint_KK = joint_KK + np.diag(np.where(row_K == 0, 1.0, 0.0))  # a class without a confident image keeps its own
    return np.asarray(joint_KK / joint_KK.sum(axis=1, keepdims=True) * count_K[:, None])


def estimate_proba(
    image_ND: NDArray[Any],
    label_N: NDArray[Any],
    class_count: int,
    *,
    method: str = "prior-probe",
    class_KD: NDArray[Any] | None = None,
    scale: float = 1.0,
    folds: int = FOLDS,
    seed: int = 0,
) -> Proba:
    """Probabilities (N, K) of the classes of each image, from images other than it.

    method: "probe", a linear probe, and "prior-probe", one that is pulled towards the zero-shot classifier, are fitted
    on the other folds; "zero-shot" needs no labels. The probe's C is chosen once, on all labels, so that an
    image's own label has a small part in it.
    Raises: InputError for a class with a single image, as `Shots`, and where class embeddings are needed and missing.
    """
    shots = Shots(image_ND, np.asarray(label_N, np.int64), class_count, class_KD, scale, seed)
    if method == "zero-shot":
        return np.asarray(softmax(scale * (image_ND @ shots.texts_KD.T)), np.float64)
    if shots.count_K.min() < LEAST:
        raise InputError(
            f"Class number {int(shots.count_K.argmin())} has {shots.count_K.min()} image, expected {LEAST} or more."
        )
    fold_N = assign_folds(shots.label_N, min(folds, int(shots.count_K.max())), seed)
    c = FIXED_C
    if method == "probe":
        c = float(fit_probe(shots, "grid").facts["C"])
    proba_NK = np.zeros((len(label_N), class_count))
    for fold in np.unique(fold_N):
        held = np.flatnonzero(fold_N == fold)
        scorer = _fit(shots.take(np.flatnonzero(fold_N != fold)), method, c)
        proba_NK[held] = softmax(scorer.score(image_ND[held]))
    return proba_NK


def _fit(shots: Shots, method: str, c: float) -> LinearScorer:
    if method == "probe":
        return fit_path(shots, [c])[0]
    return fit_prior_probe(shots)


def select_known(data: LabelledSet) -> tuple[NDArray[np.intp], NDArray[np.int64], list[int], list[str]]:
    """Rows of a set that can be judged, their labels among the classes that are left, these classes, and notes.

    Left out: images without a label, and classes with a single image.
    Raises: InputError for a multi-label set, and where fewer than two classes are left.
    """
    if data.is_multilabel:
        raise InputError(f"The dataset {data.name!r} gives images several classes; label errors are found of one each.")
    count_K = np.bincount(data.labels[data.labels >= 0], minlength=len(data.classnames))
    kept = np.flatnonzero(count_K >= LEAST).tolist()
    if len(kept) < 2:
        raise InputError(f"{len(kept)} of the classes of {data.name!r} have {LEAST} images or more; expected two.")
    rows = np.flatnonzero(np.isin(data.labels, kept))
    notes = []
    if (single := int((count_K == 1).sum())) > 0:
        notes.append(f"{single} classes with a single image are left out: there is nothing to compare it with.")
    if (unknown := int((data.labels < 0).sum())) > 0:
        notes.append(f"{unknown} images without a label are left out.")
    return rows, np.searchsorted(kept, data.labels[rows]), kept, notes


def change_labels(
    label_N: NDArray[np.int64], class_count: int, share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Labels of which a share is another class, drawn at random, and which ones (N,) bool; each class keeps two."""
    rng = np.random.default_rng(seed)
    changed_N = np.zeros(len(label_N), np.bool_)
    given_N = label_N.copy()
    left_K = np.bincount(label_N, minlength=class_count)
    for row in rng.permutation(len(label_N)):
        if changed_N.sum() >= max(1, round(share * len(label_N))):
            break
        if left_K[label_N[row]] <= LEAST:
            continue
        left_K[label_N[row]] -= 1
        given_N[row] = (label_N[row] + rng.integers(1, class_count)) % class_count
        changed_N[row] = True
    return given_N, changed_N


def measure_trust(
    image_ND: NDArray[Any],
    label_N: NDArray[np.int64],
    class_count: int,
    *,
    share: float = 0.05,
    draws: int = 3,
    seed: int = 0,
    **options: Any,
) -> Trust:
    """Precision and recall of finding labels that are changed on purpose in the same set. options: `estimate_proba`'s.

    Raises: InputError where no class has an image to spare.
    """
    right: list[tuple[int, bool]] = []
    found: list[tuple[int, bool]] = []
    first: list[tuple[int, bool]] = []
    for draw in range(draws):
        given_N, changed_N = change_labels(label_N, class_count, share, seed + draw)
        if not changed_N.any():
            raise InputError(f"No class has more than {LEAST} images, so no label can be changed to measure by.")
        proba_NK = estimate_proba(image_ND, given_N, class_count, seed=seed + draw, **options)
        suspects = [suspect.row for suspect in find_label_errors(proba_NK, given_N).suspects]
        right += [(row, bool(changed_N[row])) for row in suspects]
        found += [(int(row), row in suspects) for row in np.flatnonzero(changed_N)]
        first += right[len(right) - len(suspects) :][: int(changed_N.sum())]
    recall = _estimate_by_image(found)
    assert recall is not None  # each draw changes a label
    return Trust(share, _estimate_by_image(right), recall, _estimate_by_image(first), draws)


def _estimate_by_image(hits: Sequence[tuple[int, bool]]) -> Estimate | None:
    """Share of hits by (image, hit), resampled by image and at least as wide as Wilson's of as many; None of none."""
    if not hits:
        return None
    rows, hit_N = [row for row, _ in hits], np.array([float(hit) for _, hit in hits])
    drawn = bootstrap_clusters(hit_N, rows)
    low, high = wilson_interval(drawn.value, len(set(rows)))
    return Estimate(drawn.value, min(drawn.low, low), max(drawn.high, high), drawn.n)


def count_confusions(errors: LabelErrors, classnames: Sequence[str], most: int = 10) -> Mapping[tuple[str, str], int]:
    """Suspects by (given, likely) class, the commonest first."""
    counts: dict[tuple[str, str], int] = {}
    for suspect in errors.suspects:
        pair = classnames[suspect.given], classnames[suspect.likely]
        counts[pair] = counts.get(pair, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1])[:most])
