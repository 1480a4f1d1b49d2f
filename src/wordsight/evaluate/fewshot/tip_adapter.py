"""Tip-Adapter: zero-shot scores plus a cache of the shots, which answers by how near an image is to each of them.

Not linear in the features. Source: Zhang et al. 2022 (2111.03930), eq. 3–6, and gaopengcuhk/Tip-Adapter, whose code
picks the epoch of Tip-Adapter-F on the test set, and on ImageNet alpha and beta too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.evaluate.fewshot.learned import Shots
from wordsight.zeroshot.class_embeddings import Floats
from wordsight.zeroshot.logistic import softmax

ALPHA, BETA = 1.0, 5.5  # the paper's, §4.4: weight of the cache, sharpness of nearness
_EPOCHS, _BATCH, _RATE = 20, 256, 1e-3  # §4.1 and the configuration of the code
_DECAY, _FIRST, _SECOND, _EPSILON = 0.01, 0.9, 0.999, 1e-4  # AdamW as the code sets it
# its search of alpha and beta on ImageNet: 20 and 200 values
_ALPHAS = tuple(0.1 + step * (3 - 0.1) / 20 for step in range(20))
_BETAS = tuple(0.1 + step * (7 - 0.1) / 200 for step in range(200))


@dataclass(frozen=True)
class TipScorer:
    """scale · cosine to the class embeddings + alpha · Σ over the class's keys of exp(-beta (1 - image · key))."""

    key_ND: NDArray[Any]
    value_NK: NDArray[Any]
    text_KD: NDArray[Any]
    scale: float
    alpha: float = ALPHA
    beta: float = BETA

    @property
    def facts(self) -> Mapping[str, Any]:
        """Alpha and beta."""
        return {"alpha": self.alpha, "beta": self.beta}

    def score(self, image_ND: NDArray[Any]) -> Floats:
        """Scores (N, K) before the softmax."""
        near_NM = np.exp(self.beta * (image_ND @ self.key_ND.T - 1))
        return np.asarray(self.scale * image_ND @ self.text_KD.T + self.alpha * (near_NM @ self.value_NK))


def start_tip(shots: Shots) -> TipScorer:
    """Tip-Adapter without training: the shots are the keys; alpha and beta are the paper's."""
    return TipScorer(shots.image_ND.astype(np.float64), shots.one_hot_NK, shots.texts_KD, shots.scale)


def fit_tip(shots: Shots) -> TipScorer:
    """Tip-Adapter with the alpha and beta that suit the held-out quarter of the shots best, and all shots as keys.

    Where no class has four images: the paper's alpha and beta.
    """
    parts = shots.hold_out()
    if parts is None:
        return start_tip(shots)
    fitted, held = shots.take(parts[0]), shots.take_any(parts[1])
    chosen = _search(start_tip(fitted), *held)
    return dataclasses.replace(start_tip(shots), alpha=chosen.alpha, beta=chosen.beta)


def fit_tip_f(shots: Shots) -> TipScorer:
    """Tip-Adapter-F with the epoch, and then alpha and beta, that suit the held-out quarter; trained again on all.

    Where no class has four images: the last of the 20 epochs, and the paper's alpha and beta.
    """
    parts = shots.hold_out()
    if parts is None:
        return train_keys(shots)[-1]
    image_MD, label_M = shots.take_any(parts[1])
    epochs = train_keys(shots.take(parts[0]))
    epoch = int(np.argmax([_count_hits(scorer.score(image_MD), label_M) for scorer in epochs]))
    chosen = _search(epochs[epoch], image_MD, label_M)
    return dataclasses.replace(train_keys(shots)[epoch], alpha=chosen.alpha, beta=chosen.beta)


def publish_tip(shots: Shots, image_MD: NDArray[Any], label_M: NDArray[Any]) -> TipScorer:
    """Tip-Adapter with the alpha and beta that suit the test images best: shows what that choice is worth, no more."""
    return _search(start_tip(shots), image_MD, label_M)


def publish_tip_f(shots: Shots, image_MD: NDArray[Any], label_M: NDArray[Any]) -> TipScorer:
    """Tip-Adapter-F with the epoch, and then alpha and beta, that suit the test images best."""
    epochs = train_keys(shots)
    epoch = int(np.argmax([_count_hits(scorer.score(image_MD), label_M) for scorer in epochs]))
    return _search(epochs[epoch], image_MD, label_M)


def train_keys(shots: Shots) -> list[TipScorer]:
    """Tip-Adapter-F after each epoch: keys trained by AdamW on the cross-entropy of the shots, with a falling rate."""
    start = start_tip(shots)
    rng = np.random.default_rng(shots.seed)
    key_ND = start.key_ND.copy()
    first_ND, second_ND = np.zeros_like(key_ND), np.zeros_like(key_ND)
    batches = -(-len(key_ND) // _BATCH)
    scorers: list[TipScorer] = []
    step = 0
    for _ in range(_EPOCHS):
        for rows in np.array_split(rng.permutation(len(key_ND)), batches):
            rate = _RATE * 0.5 * (1 + np.cos(np.pi * step / (_EPOCHS * batches)))
            step += 1
            slope_ND = key_slope(dataclasses.replace(start, key_ND=key_ND), shots, rows)
            first_ND = _FIRST * first_ND + (1 - _FIRST) * slope_ND
            second_ND = _SECOND * second_ND + (1 - _SECOND) * slope_ND**2
            size_ND = np.sqrt(second_ND / (1 - _SECOND**step)) + _EPSILON
            key_ND = key_ND * (1 - rate * _DECAY) - rate * first_ND / (1 - _FIRST**step) / size_ND
        scorers.append(dataclasses.replace(start, key_ND=key_ND))
    return scorers


def key_slope(scorer: TipScorer, shots: Shots, rows: NDArray[Any]) -> NDArray[Any]:
    """Gradient of the mean cross-entropy of some shots by the keys."""
    image_BD = shots.image_ND[rows].astype(np.float64)
    near_BN = np.exp(scorer.beta * (image_BD @ scorer.key_ND.T - 1))
    score_BK = scorer.scale * image_BD @ scorer.text_KD.T + scorer.alpha * (near_BN @ scorer.value_NK)
    error_BK = (softmax(score_BK) - shots.one_hot_NK[rows]) / len(rows)
    pull_BN = scorer.alpha * scorer.beta * (error_BK @ scorer.value_NK.T) * near_BN
    return np.asarray(pull_BN.T @ image_BD)


def _search(scorer: TipScorer, image_MD: NDArray[Any], label_M: NDArray[Any]) -> TipScorer:
    """The alpha and beta of the code's grid with the most hits; of equally good ones the scorer's own, or the first."""
    text_MK = scorer.scale * image_MD @ scorer.text_KD.T
    cosine_MN = image_MD @ scorer.key_ND.T
    best, most = scorer, _count_hits(scorer.score(image_MD), label_M)
    for beta in _BETAS:
        cache_MK = np.exp(beta * (cosine_MN - 1)) @ scorer.value_NK
        for alpha in _ALPHAS:
            hits = _count_hits(text_MK + alpha * cache_MK, label_M)
            if hits > most:
                best, most = dataclasses.replace(scorer, alpha=alpha, beta=beta), hits
    return best


def _count_hits(score_MK: NDArray[Any], label_M: NDArray[Any]) -> int:
    return int((score_MK.argmax(axis=1) == label_M).sum())
