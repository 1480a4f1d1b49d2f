"""The random-guess baseline: chance-level loss and recall, from the negatives that a batch really has.

A pair whose image or caption equals another's is not a negative of it, so repeated captions make guessing easier.
"""

from __future__ import annotations

import math

import numpy as np

from wordsight.train.config import TrainConfig


def count_negatives(image_B: np.ndarray, text_B: np.ndarray) -> np.ndarray:
    """Number of negatives of each pair of a batch, (B,) int64: pairs of another image and another text.

    image_B, text_B: ids, equal where the images or the texts are the same.
    """
    both_B2 = np.stack([image_B, text_B], axis=1)
    same_B = _times(image_B) + _times(text_B) - _times(both_B2)
    return np.asarray(len(image_B) - same_B)


def _times(ids: np.ndarray) -> np.ndarray:
    """Number of times that the id of each row occurs."""
    _, place_B, times = np.unique(ids, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(times[place_B.reshape(-1)])


def chance_loss(config: TrainConfig, negatives_B: np.ndarray | None = None) -> float | None:
    """Chance-level loss per pair; None where it is unknown.

    negatives_B: of each pair of a batch, as `negatives` counts them; None: all pairs of the batch are different.

    InfoNCE: the mean of ln(1 + n), every text being equally likely. NT-Xent: ln(1 + 2n), since an image has two
    views. Sigmoid: every combination is a pair with the same, best, probability.
    """
    if negatives_B is None or not config.objective.mask_duplicates:
        negatives_B = np.full(config.batch, config.batch - 1)
    traits = config.objective.traits
    if traits.comparison == "softmax":  # each negative in all its views
        return float(np.log1p(traits.views * negatives_B).mean())
    if traits.comparison == "sigmoid":
        mean = float(negatives_B.mean())  # negatives to each pair: 1 combination of 1 + mean is a pair
        if mean == 0:
            return 0.0
        return math.log1p(mean) + mean * math.log1p(1 / mean)
    return None


def chance_words(config: TrainConfig, left: float) -> str:
    """Derivation of `chance_loss` in words, such as "ln 1,024"; `left`: mean number of negatives of a pair."""
    if round(left) < config.batch - 1:
        return f"a pair has {left:,.0f} negatives on average, since captions or images repeat in the batch"
    traits = config.objective.traits
    if traits.comparison == "softmax":
        return f"ln {1 + traits.views * (config.batch - 1):,}"
    return f"1 match in {config.batch:,}"


def chance_recall(image_B: np.ndarray, text_B: np.ndarray) -> float | None:
    """Chance level of recall@1: guessing one of the different texts; None where no pair has a negative.

    Equal texts score equally, so what counts is the number of different texts among the negatives.
    """
    left_B = count_negatives(image_B, text_B) > 0
    if not left_B.any():
        return None
    pairs_P2 = np.unique(np.stack([image_B, text_B], axis=1), axis=0)
    images_of = dict(zip(*np.unique(pairs_P2[:, 1], return_counts=True), strict=True))
    different = len(images_of)
    own: dict[int, int] = {}  # texts that only this image has, and so are negatives of none of its pairs
    for image, text in pairs_P2.tolist():
        own[image] = own.get(image, 0) + (images_of[text] == 1)
    chances = [
        1 / (1 + different - own[image] - (images_of[text] > 1))
        for image, text in zip(image_B[left_B].tolist(), text_B[left_B].tolist(), strict=True)
    ]
    return float(np.mean(chances))
