"""Measures of classification: ranks of labels, top-k accuracy, recall per class, and mAP of several labels an image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wordsight.errors import InputError
from wordsight.metrics.estimates import DRAWS, Estimate, Floats, bootstrap_strata, percentile_estimate

_COUNTED_AT_ONCE = 1 << 22  # numbers of the resamples that are held at a time


def rank_labels(scores_NK: ArrayLike, label_N: ArrayLike) -> NDArray[np.int64]:
    """Rank (N,) of each image's own class by its score, 0 for the best; of equal scores the lower class comes first.

    The top-k accuracy is the share of ranks below k. A score of NaN stands before all others.
    Raises: InputError for labels that are not the number of a class, such as -1 of an image without one.
    """
    scores_NK, label_N = np.asarray(scores_NK), np.asarray(label_N)
    if scores_NK.ndim != 2 or label_N.shape != scores_NK.shape[:1]:
        raise InputError(
            f"There are scores {scores_NK.shape} and labels {label_N.shape}; expected (images, classes), and a label "
            "of each image."
        )
    _check_classes(label_N, scores_NK.shape[1])
    own_N1 = np.take_along_axis(scores_NK, label_N[:, None], axis=1)
    lower_NK = np.arange(scores_NK.shape[1]) < label_N[:, None]
    before_NK = ~(scores_NK <= own_N1) | ((scores_NK == own_N1) & lower_NK)
    return np.asarray(before_NK.sum(axis=1))


def confusion_matrix(label_N: ArrayLike, guess_N: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Number of images by class and guessed class, (K, K): row i counts the images of class i.

    Raises: InputError for numbers outside 0 to classes - 1.
    """
    label_N, guess_N = np.asarray(label_N, np.int64), np.asarray(guess_N, np.int64)
    if label_N.shape != guess_N.shape:
        raise InputError(f"There are {label_N.size} labels and {guess_N.size} guesses; expected one of each an image.")
    _check_classes(np.concatenate([label_N, guess_N]), classes)
    return np.bincount(label_N * classes + guess_N, minlength=classes**2).reshape(classes, classes)


def mean_per_class_recall(hit_N: ArrayLike, label_N: ArrayLike, *, seed: int = 0, draws: int = DRAWS) -> Estimate:
    """Mean over the classes that have images of the share of their images that were classified correctly.

    hit_N: whether each image was; label_N: its class. Images are resampled within each class.
    """
    return bootstrap_strata(hit_N, np.asarray(label_N).tolist(), seed=seed, draws=draws)


def average_precision_of_classes(scores_NK: ArrayLike, label_NK: ArrayLike) -> Floats:
    """Average precision (K,) of each class over the images, with several classes an image; NaN of a class without any.

    Σ (R_n - R_{n-1}) P_n over the distinct scores n, from the highest: images of equal score are one step.
    Source: scikit-learn's `average_precision_score`.
    """
    scores_NK, label_NK = _check_multilabel(scores_NK, label_NK)
    ones_1N = np.ones((1, len(scores_NK)))
    return np.array([_weighted_precision(ones_1N, *ranked)[0] for ranked in _rank_images(scores_NK, label_NK)])


def mean_average_precision(scores_NK: ArrayLike, label_NK: ArrayLike, *, seed: int = 0, draws: int = DRAWS) -> Estimate:
    """Mean of `average_precision_of_classes` over the classes that have images; images are resampled.

    A class that no image of a resample has is left out of that resample's mean. n: the number of images.
    Raises: InputError where no image has a class.
    """
    scores_NK, label_NK = _check_multilabel(scores_NK, label_NK)
    if not label_NK.any():
        raise InputError(f"None of the {len(label_NK)} images has a class; mAP needs one at least.")
    n, ranked = len(scores_NK), list(_rank_images(scores_NK, label_NK))
    rng = np.random.default_rng(seed)
    step = max(1, _COUNTED_AT_ONCE // n)
    means = []
    for start in range(0, draws, step):
        count_DN = rng.multinomial(n, np.full(n, 1 / n), min(step, draws - start)).astype(np.float64)
        means.append(np.nanmean([_weighted_precision(count_DN, *each) for each in ranked], axis=0))
    value = np.nanmean(average_precision_of_classes(scores_NK, label_NK))
    return percentile_estimate(value, np.concatenate(means), n)


def _check_classes(label_N: NDArray[Any], classes: int) -> None:
    if label_N.size and (label_N.min() < 0 or label_N.max() >= classes):
        raise InputError(
            f"The classes go from {label_N.min()} to {label_N.max()}, expected 0 to {classes - 1}; leave out images "
            "without a label."
        )


_Ranked = tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.intp]]


def _rank_images(scores_NK: Floats, label_NK: NDArray[np.bool_]) -> Iterator[_Ranked]:
    """Of each class: images by falling score (N,), whether each has the class, and the last place of each score."""
    for score_N, label_N in zip(scores_NK.T, label_NK.T, strict=True):
        order_N = np.argsort(-score_N, kind="stable")
        lasts = np.append(np.flatnonzero(np.diff(score_N[order_N])), len(order_N) - 1)
        yield order_N, label_N[order_N], lasts


def _weighted_precision(
    weight_DN: Floats, order_N: NDArray[np.intp], label_N: NDArray[np.bool_], lasts: NDArray[np.intp]
) -> Floats:
    """Average precision (D,) of a class under D weightings of the images."""
    if not label_N.any():
        return np.full(len(weight_DN), np.nan)
    weight_DN = weight_DN[:, order_N]
    found_DS = np.cumsum(weight_DN * label_N, axis=1)[:, lasts]
    seen_DS = np.cumsum(weight_DN, axis=1)[:, lasts]
    gained_DS = np.diff(found_DS, axis=1, prepend=0.0)
    with np.errstate(invalid="ignore"):  # 0 / 0: a class that no drawn image has, or scores before the first drawn
        precision_DS = np.nan_to_num(found_DS / seen_DS)
        return np.asarray((gained_DS * precision_DS).sum(axis=1) / found_DS[:, -1])


def _check_multilabel(scores_NK: ArrayLike, label_NK: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    scores_NK, label_NK = np.asarray(scores_NK, np.float64), np.asarray(label_NK, np.bool_)
    if scores_NK.shape != label_NK.shape or not len(scores_NK):
        raise InputError(
            f"There are scores {scores_NK.shape} and labels {label_NK.shape}; expected both (images, classes)."
        )
    if not np.isfinite(scores_NK).all():
        raise InputError(f"{(~np.isfinite(scores_NK)).sum()} scores are not finite; average precision needs numbers.")
    return scores_NK, label_NK
