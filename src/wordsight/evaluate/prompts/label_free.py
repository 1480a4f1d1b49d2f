"""Weights of prompts and priors of classes from images without labels.

Scores are those of N images for K classes; a prior correction sees all images at once, and is measured on the same
images, whose labels it never sees.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wordsight.zeroshot.class_embeddings import Floats, normalise_rows
from wordsight.zeroshot.logistic import softmax

ROUNDS = 100
_ENOUGH = 1e-6  # change of the priors below which nothing moves any more


def zpe_scores(image_ND: Floats, vectors_TKD: Floats, bank_MD: Floats | None = None) -> NDArray[np.float64]:
    """Score (T,) of each template, high where images fit some class better than an average image does.

    A template's cosines (N, K) less the mean of the expected cosines over the images themselves and over a bank; of
    each image the best class's, of which the mean. Without the subtraction templates with short or frequent words win
    for being near to every image. bank_MD: unit vectors of unrelated images, which stand for those the model was
    trained on; without one only the images' own expectation is subtracted.
    Source: Allingham et al. 2302.06235, §3 (normalisation by (E_pretrain + E_test) / 2).
    """
    scores = []
    for vectors_KD in vectors_TKD:
        cosine_NK = image_ND @ vectors_KD.T
        expected_K = cosine_NK.mean(axis=0, dtype=np.float64)
        if bank_MD is not None:
            expected_K = (expected_K + (bank_MD @ vectors_KD.T).mean(axis=0, dtype=np.float64)) / 2
        scores.append(float((cosine_NK - expected_K).max(axis=1).mean()))
    return np.array(scores)


def zpe_weights(scores_T: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Weights (T,) that sum to 1: the softmax of `scale` times the scores. Source: Allingham et al. 2302.06235, §3.

    scale: the model's factor on cosines, so that weights are as sharp as its probabilities.
    """
    return np.asarray(softmax(scale * np.asarray(scores_T, np.float64)[None])[0])


def weighted_classes(vectors_TKD: Floats, weight_T: NDArray[np.float64]) -> Floats:
    """Unit class vectors (K, D): the weighted mean over templates, normalised."""
    return normalise_rows(np.tensordot(weight_T, vectors_TKD.astype(np.float64), axes=1))


def centre_scores(score_NK: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scores less each class's mean over the images: no class is near to all of them.

    The bias removal of ZPE applied to the classes (Allingham et al. 2302.06235, §3, with the images' own mean).
    """
    score_NK = np.asarray(score_NK, np.float64)
    return np.asarray(score_NK - score_NK.mean(axis=0))


def estimate_priors(
    proba_NK: NDArray[np.floating], before_K: NDArray[np.floating] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares (K,) of the classes among images, by expectation maximisation, and their probabilities (N, K) under them.

    proba_NK: probabilities under the shares before_K (equal if not given), which must be calibrated: of vaguer ones
    than the answers deserve, as CLIP models often give for many classes, large classes swallow the small.
    Source: Saerens et al. 2002, "Adjusting the outputs of a classifier to new a priori probabilities", eq. 2.9.
    """
    classes = proba_NK.shape[1]
    given_NK: NDArray[np.float64] = np.asarray(proba_NK, np.float64)
    given_K: NDArray[np.float64] = np.full(classes, 1 / classes)
    if before_K is not None:
        given_K = np.asarray(before_K, np.float64)
    prior_K, adjusted_NK = given_K, given_NK
    for _ in range(ROUNDS):
        weighted_NK = given_NK * (prior_K / given_K)
        adjusted_NK = np.asarray(weighted_NK / np.maximum(weighted_NK.sum(axis=1, keepdims=True), 1e-300), np.float64)
        last_K, prior_K = prior_K, np.asarray(adjusted_NK.mean(axis=0), np.float64)
        if np.abs(prior_K - last_K).max() < _ENOUGH:
            break
    return prior_K, adjusted_NK


def match_priors(proba_NK: NDArray[np.floating], prior_K: NDArray[np.floating] | None = None) -> NDArray[np.float64]:
    """Probabilities (N, K) scaled by class until their means are the expected shares (K,), equal if not given.

    Sinkhorn's alternation of column and row sums (Sinkhorn 1967). It is told how frequent each class is: on a
    collection whose classes are not as expected, right answers are taken from the frequent ones.
    """
    proba_NK = np.maximum(np.asarray(proba_NK, np.float64), 1e-300)
    if prior_K is None:
        prior_K = np.full(proba_NK.shape[1], 1 / proba_NK.shape[1])
    prior_K = np.asarray(prior_K, np.float64)
    factor_K = np.ones(proba_NK.shape[1])
    for _ in range(ROUNDS):
        matched_NK = proba_NK * factor_K
        matched_NK /= matched_NK.sum(axis=1, keepdims=True)
        mean_K = matched_NK.mean(axis=0)
        if np.abs(mean_K - prior_K).max() < _ENOUGH:
            break
        factor_K *= prior_K / np.maximum(mean_K, 1e-300)
    return matched_NK
