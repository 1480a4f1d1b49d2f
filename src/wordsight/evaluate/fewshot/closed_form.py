"""Classifiers in closed form: nearest class mean, and Gaussian discriminant analysis beside zero-shot."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.evaluate.fewshot.learned import LinearScorer, Shots

ALPHAS = tuple(10.0**power for power in range(-4, 3))  # that the paper's code tries (mrflogs/ICLR24)
FIXED_ALPHA = 0.01  # weight of the discriminants, the best of ALPHAS on the learn sets (fewshot_methods.py)


def fit_nearest_mean(shots: Shots) -> LinearScorer:
    """Class with the nearest mean feature, by Euclidean distance: no constant and no text.

    Scores are -½ ‖x - mean‖² · scale up to what all classes share; the scale only shapes probabilities.
    """
    mean_KD = shots.mean_KD
    return LinearScorer(shots.scale * mean_KD, -0.5 * shots.scale * (mean_KD**2).sum(axis=1))


def fit_gda_fixed(shots: Shots, alpha: float = FIXED_ALPHA) -> LinearScorer:
    """Zero-shot scores plus alpha times those of Gaussians with a shared covariance.

    Source: Wang et al. 2024 (2402.04087), eq. 7–9, for unit features; alpha times theirs by (N - 1 + D) / D, with
    which one alpha suits any number of shots (see `fit_discriminants`).
    """
    found = fit_discriminants(shots)
    text_KD = shots.scale * shots.texts_KD
    facts = {"alpha": alpha}
    return LinearScorer(text_KD + alpha * found.coefficient_KD, alpha * found.intercept_K, facts)


def fit_gda(shots: Shots) -> LinearScorer:
    """`fit_gda_fixed` with the alpha of `ALPHAS` that classifies the held-out quarter of the shots best.

    Of equally good alphas the lowest, which stays nearest to zero-shot. Where no class has four images: FIXED_ALPHA.
    """
    parts = shots.hold_out()
    if parts is None:
        return fit_gda_fixed(shots)
    fitted, held = fit_discriminants(shots.take(parts[0])), parts[1]
    image_MD, label_M = shots.image_ND[held], shots.label_N[held]
    text_MK = shots.scale * image_MD @ shots.texts_KD.T
    seen_MK = fitted.score(image_MD)
    hits = [((text_MK + alpha * seen_MK).argmax(axis=1) == label_M).sum() for alpha in ALPHAS]
    return fit_gda_fixed(shots, ALPHAS[int(np.argmax(hits))])


def fit_discriminants(shots: Shots) -> LinearScorer:
    """Log densities of Gaussians around the class means, up to what all classes share; all classes as likely.

    Inverse of the shared covariance: (N - 1 + D) ((N - 1) S + tr(S) I)⁻¹ with the covariance S within classes; of a
    round S it is exactly S⁻¹. The paper has D for the first factor (Kubokawa and Srivastava 2008). With one image of
    each class S is zero: then a round covariance with the trace of the one among all images stands in.
    """
    mean_KD = shots.mean_KD
    coefficient_KD = _apply_precision(shots, mean_KD)
    return LinearScorer(coefficient_KD, -0.5 * (coefficient_KD * mean_KD).sum(axis=1))


def _apply_precision(shots: Shots, vector_KD: NDArray[np.float64]) -> NDArray[Any]:
    """Vectors times the inverse covariance; a system of the smaller of N and D equations."""
    image_ND = np.asarray(shots.image_ND, np.float64)
    count, width = image_ND.shape
    centred_ND = image_ND - shots.mean_KD[shots.label_N]
    trace = float((centred_ND**2).sum()) / (count - 1)
    factor = count - 1 + width
    if trace <= 1e-12:
        total = float(((image_ND - image_ND.mean(axis=0)) ** 2).sum()) / (count - 1)
        return np.asarray(vector_KD * (width / max(total, 1e-12)))
    if count < width:  # Woodbury: (CᵀC + tI)⁻¹ = (I - Cᵀ (CCᵀ + tI)⁻¹ C) / t
        inner_NN = centred_ND @ centred_ND.T + trace * np.eye(count)
        inner_NK = np.linalg.solve(inner_NN, centred_ND @ vector_KD.T)
        return np.asarray(factor * (vector_KD - inner_NK.T @ centred_ND) / trace)
    scatter_DD = centred_ND.T @ centred_ND + trace * np.eye(width)
    return np.asarray(factor * np.linalg.solve(scatter_DD, vector_KD.T).T)
