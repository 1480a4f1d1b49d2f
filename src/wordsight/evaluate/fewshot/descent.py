"""Probes that start at the class embeddings and descend for a fixed number of steps: ZS-LP, CLAP and LP++.

Features are cached, so that all shots are one batch and images are not augmented, as they are in the papers' code.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from wordsight.evaluate.fewshot.learned import LinearScorer, Shots
from wordsight.zeroshot.logistic import softmax

# Silva-Rodríguez et al. 2024 (2312.12730), §5 and the configuration in jusiro/CLAP
_STEPS, _RATE, _MOMENTUM = 300, 0.1, 0.9
_TEXT_LENGTH = 10.0  # of OpenAI's class embeddings, which CLAP does not normalise: 9.9 on 2,148 names for ViT-B/32
# Huang et al. 2024 (2404.02285), §4 and the configuration in FereshteShakeri/FewShot-CLIP-Strong-Baseline
_LPP_STEPS, _LPP_EVERY = 300, 10  # steps of the prototypes, of which each tenth moves the multipliers too
_LPP_ALPHA = 2.5  # start of a multiplier over (scale · mean cosine of an image and its class): 250 at a scale of 100

_Array = NDArray[np.float32]


def fit_zero_shot_start(shots: Shots) -> LinearScorer:
    """Cosine classifier that starts at the class embeddings (ZS-LP), 300 steps with a falling rate.

    Source: Silva-Rodríguez et al. 2024 (2312.12730), §4.1.
    """
    return _descend_cosines(shots, np.zeros(shots.class_count, np.float32))


def fit_clap(shots: Shots) -> LinearScorer:
    """ZS-LP held near the class embeddings, each class as firmly as zero-shot trusts it on the shots.

    The multiplier of a class is the mean zero-shot probability of its own images, set once, so that nothing is chosen.
    Source: Silva-Rodríguez et al. 2024 (2312.12730), §4.2–4.3, eq. 7 and 9.
    """
    score_NK = shots.scale * shots.image_ND @ shots.texts_KD.T
    own_N = softmax(score_NK.astype(np.float32))[np.arange(len(score_NK)), shots.label_N]
    trust_K = np.bincount(shots.label_N, own_N, shots.class_count) / shots.count_K
    return _descend_cosines(shots, trust_K.astype(np.float32))


def _descend_cosines(shots: Shots, multiplier_K: _Array) -> LinearScorer:
    """Minimise cross-entropy + mean over classes of multiplier · ‖prototype - class embedding‖²."""
    text_KD = (_TEXT_LENGTH * shots.texts_KD).astype(np.float32)
    image_ND, one_hot_NK = shots.image_ND.astype(np.float32), shots.one_hot_NK.astype(np.float32)
    pull_K1 = 2 * multiplier_K[:, None] / shots.class_count
    gain = np.float32(shots.scale)
    prototype_KD, velocity_KD = text_KD.copy(), np.zeros_like(text_KD)
    for step in range(_STEPS):
        length_K1 = np.linalg.norm(prototype_KD, axis=1, keepdims=True)
        unit_KD = prototype_KD / length_K1
        error_NK = softmax(gain * image_ND @ unit_KD.T) - one_hot_NK
        slope_KD = error_NK.T @ image_ND * (gain / len(image_ND))
        slope_KD -= (slope_KD * unit_KD).sum(axis=1, keepdims=True) * unit_KD  # the length of a prototype is free
        pulled_KD = slope_KD / length_K1 + pull_K1 * (prototype_KD - text_KD)
        velocity_KD = np.asarray(_MOMENTUM * velocity_KD + pulled_KD, np.float32)
        prototype_KD -= _RATE * 0.5 * (1 + math.cos(math.pi * step / _STEPS)) * velocity_KD
    unit_KD = prototype_KD / np.linalg.norm(prototype_KD, axis=1, keepdims=True)
    facts = {"mean_multiplier": float(multiplier_K.mean())}
    return LinearScorer(gain * unit_KD.astype(np.float64), np.zeros(shots.class_count), facts)


def fit_lp_plus(shots: Shots) -> LinearScorer:
    """Visual prototypes plus multipliers times class embeddings, with step sizes from the data (LP++).

    Steps are as long as the Lipschitz constants of the two gradients allow; the prototypes start at the class means.
    The last step counts: the paper's code keeps the one that is best on a validation set.
    Source: Huang et al. 2024 (2404.02285), eq. 3, 10–13.
    """
    image_ND, one_hot_NK = shots.image_ND.astype(np.float32), shots.one_hot_NK.astype(np.float32)
    text_KD = shots.texts_KD.astype(np.float32)
    count = len(image_ND)
    cosine_NK = image_ND @ text_KD.T
    gram = image_ND.T @ image_ND if count > image_ND.shape[1] else image_ND @ image_ND.T
    rate = 4 * count / float(np.linalg.eigvalsh(gram.astype(np.float64))[-1])
    alpha_rate = count / (4 * float((cosine_NK**2).sum(axis=0).max()))
    own_K = (cosine_NK * one_hot_NK).sum(axis=0) / shots.count_K
    alpha_K = np.full(shots.class_count, _LPP_ALPHA * shots.scale * own_K.mean(), np.float32)
    prototype_KD = shots.mean_KD.astype(np.float32)
    velocity_KD = np.zeros_like(prototype_KD)
    for step in range(1, _LPP_STEPS + 1):
        error_NK = (softmax(image_ND @ prototype_KD.T + cosine_NK * alpha_K) - one_hot_NK) / count
        velocity_KD = np.asarray(_MOMENTUM * velocity_KD + error_NK.T @ image_ND, np.float32)
        prototype_KD -= rate * velocity_KD
        if step % _LPP_EVERY == 0:
            alpha_K -= alpha_rate * (error_NK * cosine_NK).sum(axis=0)
    coefficient_KD = (prototype_KD + alpha_K[:, None] * text_KD).astype(np.float64)
    return LinearScorer(coefficient_KD, np.zeros(shots.class_count), {"mean_alpha": float(alpha_K.mean())})
