"""Joint probabilities of many images, without labels: what they share corrects the class embeddings."""

from __future__ import annotations

import numpy as np

from wordsight.zeroshot.class_embeddings import Floats
from wordsight.zeroshot.logistic import softmax

# chosen on labelled sets that the bundled model learnt from (docs/none-of-these.md)
ROUNDS = 3
# factor on an image's nearness to its class's mean image, in whitened cosines
VISUAL = 30.0
# share of the identity in the covariance that whitens
SHRINKAGE = 0.6
# the mean of all images counts as so many images of each class
MEAN_WEIGHT = 0.1
# exponent of the probabilities that say how much an image counts in a class's mean
CERTAINTY = 2.0
# share of a class's mean cosine with the images that is subtracted, where class sizes seem equal
HUBNESS = 0.4
# exponent of how equal the classes seem, above
EVENNESS = 3.0


def joint_proba(image_ND: Floats, class_KD: Floats, scale: float, counts_N: Floats | None = None) -> Floats:
    """Class probabilities (N, K), rows summing to 1, of images judged together; unit vectors (N, D) and (K, D).

    Two things are learnt from the images. Some classes' texts are near to all images and attract those of others:
    part of a class's mean cosine is subtracted, the less the more unequal the classes seem to be. And images of a class
    look alike: each image is drawn to the mean images of classes, in a space whitened by the images' own covariance.
    A class gains nothing by being large, nor has each to be as large as the others.

    scale: on cosines. counts_N: how much each image counts (N,), such as the probability that it shows a class at all.
    Source: the plan is TransCLIP's (Zanella et al. 2024): Gaussians around class means tied to the texts' answers.
    Its affinities between neighbours and estimated class sizes lost on the sets of the choice and are left out.
    """
    if not len(image_ND):
        return np.zeros((0, len(class_KD)), np.float32)
    images, count_N1 = image_ND.astype(np.float64), np.ones((len(image_ND), 1))
    if counts_N is not None:
        count_N1 = np.maximum(np.asarray(counts_N, np.float64)[:, None], 1e-6)
    total = count_N1.sum()
    centre_D = (count_N1 * images).sum(axis=0) / total
    whitener_DD = _whitener(images - centre_D, count_N1)
    text_NK = scale * (images @ class_KD.T)
    hub_K = (count_N1 * text_NK).sum(axis=0) / total
    known = total / (total + len(class_KD))  # of few images a mean says little
    text_NK -= HUBNESS * known * _evenness(softmax(text_NK), count_N1) * hub_K
    proba_NK = softmax(text_NK)
    for _ in range(ROUNDS):
        share_NK = proba_NK**CERTAINTY
        share_NK *= count_N1 / share_NK.sum(axis=1, keepdims=True)
        size_K1 = share_NK.sum(axis=0)[:, None]
        mean_KD = (share_NK.T @ images + MEAN_WEIGHT * centre_D) / (size_K1 + MEAN_WEIGHT)
        white_KD = mean_KD @ whitener_DD
        proba_NK = softmax(text_NK + VISUAL * (images @ white_KD.T - 0.5 * (white_KD * mean_KD).sum(axis=1)))
    return np.asarray(proba_NK, np.float32)


def _whitener(centred_ND: np.ndarray, count_N1: np.ndarray) -> np.ndarray:
    """Inverse covariance (D, D), shrunk to the identity and scaled so that its unit is the mean variance."""
    covariance_DD = (count_N1 * centred_ND).T @ centred_ND / count_N1.sum()
    size = float(np.trace(covariance_DD)) / len(covariance_DD)
    if size < 1e-12:  # one image, or a thousand identical ones
        return np.eye(len(covariance_DD))
    shrunk_DD = (1 - SHRINKAGE) * covariance_DD / size + SHRINKAGE * np.eye(len(covariance_DD))
    return np.asarray(np.linalg.inv(shrunk_DD))


def _evenness(proba_NK: np.ndarray, count_N1: np.ndarray) -> float:
    """1 where all classes seem to have equally many images, near 0 where one has all."""
    share_K = (count_N1 * proba_NK).sum(axis=0) / count_N1.sum()
    entropy = -float((share_K * np.log(np.maximum(share_K, 1e-12))).sum())
    return float((np.exp(entropy) / len(share_K)) ** EVENNESS)
