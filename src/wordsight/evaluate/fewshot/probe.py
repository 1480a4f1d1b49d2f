"""Linear probe: multinomial logistic regression with an L2 penalty, its strength chosen on shots that are held out.

The objective is scikit-learn's: C · Σ cross-entropy + ½ ‖coefficients‖², the intercept not penalised, of two classes on
the difference of their coefficients. Source of the sweep: Radford et al. 2021, appendix A.3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import MissingExtraError
from wordsight.evaluate.fewshot.learned import LinearScorer, Shots
from wordsight.zeroshot.logistic import softmax

GRID = tuple(10.0**power for power in range(-6, 7, 2))  # where the paper's search starts
STEPS_PER_DECADE = 8  # and the resolution it ends with: 97 values of C from 1e-6 to 1e6
# Both from benchmarks/results/fewshot_constants.jsonl: where no shot can be held out, for which 1 to 10,000 are alike;
# and of the probe with the zero-shot classifier as prior, the best of 1 to 100 over good and weak texts.
FIXED_C, PRIOR_C = 10.0, 100.0
Sweep = Literal["paper", "grid", "fixed"]

_CHOOSING, _FINAL = 1e-2, 1e-4  # distance from the best coefficients to stop at, relative to the largest of them
_MEMORY, _STEPS, _ROUNDS = 10, 40, 25  # of L-BFGS: 1,000 iterations in all, as the paper allows


def fit_probe(shots: Shots, sweep: Sweep = "paper") -> LinearScorer:
    """Probe with the C that classifies the held-out quarter of the shots best, fitted on all shots with that C.

    Of equally many hits the lower cross-entropy decides. Where no class has four images C is `FIXED_C`.
    sweep: "paper" halves its steps around the best C four times, "grid" tries the seven of `GRID`, "fixed" none.
    """
    parts = shots.hold_out()
    if sweep == "fixed" or parts is None:
        return fit_path(shots, [FIXED_C])[0]
    fitted, held = shots.take(parts[0]), parts[1]
    search = _Search(_Problem(fitted.image_ND, fitted.one_hot_NK), shots.image_ND[held], shots.label_N[held])
    c = search.find_best(refine=sweep == "paper")
    return fit_path(shots, [c])[0]


def fit_prior_probe(shots: Shots, c: float = PRIOR_C) -> LinearScorer:
    """Probe that is pulled towards the zero-shot classifier instead of towards zero, with a fixed C.

    Its coefficients are those of the zero-shot classifier, scale times the class embeddings, and what the shots add.
    Convex, so that it has one minimum: what a probe that starts at the class embeddings and is stopped early aims at.
    """
    text_KD = shots.scale * shots.texts_KD
    offset_NK = shots.image_ND @ text_KD.T
    problem = _Problem(shots.image_ND, shots.one_hot_NK, offset_NK, size=float(np.abs(text_KD).max()))
    coefficient_KD, intercept_K = problem.expand(problem.solve(c, None, _FINAL))
    return LinearScorer(text_KD + coefficient_KD, intercept_K, {"C": c})


def fit_path(shots: Shots, cs: Sequence[float], tolerance: float = _FINAL) -> list[LinearScorer]:
    """Probes for several C, each started from the one before; quickest in rising order."""
    problem = _Problem(shots.image_ND, shots.one_hot_NK)
    found: list[LinearScorer] = []
    weight: NDArray[np.float64] | None = None
    for c in cs:
        weight = problem.solve(c, weight, tolerance)
        coefficient_KD, intercept_K = problem.expand(weight)
        found.append(LinearScorer(coefficient_KD, intercept_K, {"C": c}))
    return found


def probe_loss(
    weight: NDArray[np.float64],
    feature_NR: NDArray[np.float64],
    one_hot_NK: NDArray[np.float64],
    c: float,
    offset_NK: NDArray[np.float64] | float = 0.0,
) -> tuple[float, NDArray[np.float64]]:
    """Objective and its gradient at weight (R + 1, K): coefficients, and the intercepts in the last row.

    offset_NK: scores that the weights add to, such as those of the zero-shot classifier.
    """
    score_NK = feature_NR @ weight[:-1] + weight[-1] + offset_NK
    score_NK -= score_NK.max(axis=1, keepdims=True)
    proba_NK = np.exp(score_NK)
    total_N1 = proba_NK.sum(axis=1, keepdims=True)
    loss = c * float(np.log(total_N1).sum() - (score_NK * one_hot_NK).sum()) + 0.5 * float((weight[:-1] ** 2).sum())
    proba_NK /= total_N1
    proba_NK -= one_hot_NK
    gradient = np.empty_like(weight)
    np.matmul(feature_NR.T, proba_NK, out=gradient[:-1])
    gradient[-1] = proba_NK.sum(axis=0)
    gradient *= c
    gradient[:-1] += weight[:-1]
    return loss, gradient


class _Problem:
    """Probe of some shots in coordinates where it is small and round: the same minimum, found in fewer steps.

    The best coefficients lie in the span of the centred features, at most N directions of D; along their principal
    axes each coordinate is scaled by the curvature of the objective there. Centring moves the intercept only.
    size: of the coefficients that the offset stands for; the precision asked for is relative to it too.
    """

    def __init__(
        self,
        image_ND: NDArray[Any],
        one_hot_NK: NDArray[np.float64],
        offset_NK: NDArray[np.float64] | float = 0.0,
        size: float = 0.0,
    ) -> None:
        image_ND = np.asarray(image_ND, np.float64)
        self.mean_D = image_ND.mean(axis=0)
        centred_ND = image_ND - self.mean_D
        basis_DR = np.eye(centred_ND.shape[1])
        if len(centred_ND) < centred_ND.shape[1]:
            basis_DR = np.linalg.qr(centred_ND.T)[0]
        reduced_NR = centred_ND @ basis_DR
        rotation_RR = np.linalg.eigh(reduced_NR.T @ reduced_NR)[1]
        self.basis_DR = basis_DR @ rotation_RR
        self.feature_NR = np.ascontiguousarray(reduced_NR @ rotation_RR)
        self.one_hot_NK, self.offset_NK, self.size = one_hot_NK, offset_NK, size
        self._square_NR = np.column_stack([self.feature_NR**2, np.ones(len(image_ND))])

    def solve(self, c: float, start: NDArray[np.float64] | None, tolerance: float) -> NDArray[np.float64]:
        """Weights (R + 1, K) that minimise the objective for C, from weights near them or from zero.

        The curvature, and with it the scale of the axes, is estimated again after each round of steps. The objective
        is strongly convex in the coefficients, so their distance from the best is at most the length of the gradient.
        """
        classes = self.one_hot_NK.shape[1]
        strength = c / 2 if classes == 2 else c  # ½‖w₁ - w₀‖² is ‖w₀‖² + ‖w₁‖² where w₁ = -w₀, twice the penalty
        if start is None:
            start = np.zeros((self.feature_NR.shape[1] + 1, classes))
        weight = start
        for _ in range(_ROUNDS):
            weight, done = self._descend(weight, strength, tolerance)
            if done:
                break
        return weight

    def _descend(
        self, start: NDArray[np.float64], strength: float, tolerance: float
    ) -> tuple[NDArray[np.float64], bool]:
        """Some steps of L-BFGS from weights; whether they ended at the minimum, or as near as numbers allow."""
        try:
            from scipy.optimize import minimize
        except ModuleNotFoundError:
            raise MissingExtraError("Fitting a linear probe", "scipy", "eval") from None

        scale_R1 = self._scale(strength, start)
        close = False

        def value(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            nonlocal close
            weight = flat.reshape(start.shape) * scale_R1
            loss, gradient = probe_loss(weight, self.feature_NR, self.one_hot_NK, strength, self.offset_NK)
            size = max(float(np.abs(weight[:-1]).max()), self.size)
            miss = max(float(np.abs(gradient[:-1]).max()), float(np.abs(gradient[-1] * scale_R1[-1] ** 2).max()) * size)
            close = miss <= tolerance * size
            return loss, (gradient * scale_R1).ravel()

        def stop(_: Any) -> None:
            if close:
                raise StopIteration

        options = {"maxcor": _MEMORY, "maxiter": _STEPS, "gtol": 0.0, "ftol": 0.0}
        found = minimize(value, (start / scale_R1).ravel(), jac=True, method="L-BFGS-B", callback=stop, options=options)
        return np.asarray(found.x.reshape(start.shape) * scale_R1), close or found.nit < _STEPS

    def expand(self, weight: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coefficients (K, D) and intercepts (K,) of the features as they were given."""
        coefficient_KD = (self.basis_DR @ weight[:-1]).T
        return coefficient_KD, weight[-1] - coefficient_KD @ self.mean_D

    def _scale(self, strength: float, start: NDArray[np.float64]) -> NDArray[np.float64]:
        """Lengths (R + 1, 1) along the axes over which the objective curves alike, at the start."""
        score_NK = self.feature_NR @ start[:-1] + start[-1] + self.offset_NK
        proba_NK = softmax(score_NK)
        spread_N = (proba_NK * (1 - proba_NK)).mean(axis=1)
        curvature_R = strength * (spread_N @ self._square_NR)
        curvature_R[:-1] += 1
        return np.asarray(1 / np.sqrt(np.maximum(curvature_R, 1e-12))[:, None])


class _Search:
    """Search of C by what held-out images say; each C is fitted once, from the nearest that is."""

    def __init__(self, problem: _Problem, image_MD: NDArray[Any], label_M: NDArray[Any]) -> None:
        self.problem, self.image_MD, self.label_M = problem, image_MD, label_M
        self.weights: dict[float, NDArray[np.float64]] = {}
        self.quality: dict[float, tuple[int, float]] = {}

    def find_best(self, refine: bool) -> float:
        """C with the most hits among those tried."""
        for c in GRID:
            self._try(c)
        if refine:
            step = 2.0  # decades between the values of GRID
            while step > 1 / STEPS_PER_DECADE:
                step /= 2
                peak = self._best()
                for power in (math.log10(peak) - step, math.log10(peak) + step):
                    if -6 <= round(power, 6) <= 6:
                        self._try(10.0 ** round(power, 6))
        return self._best()

    def _best(self) -> float:
        return max(self.quality, key=lambda c: self.quality[c])

    def _try(self, c: float) -> None:
        if c in self.quality:
            return
        nearest = min(self.weights, key=lambda other: abs(math.log(other / c)), default=None)
        start = None if nearest is None else self.weights[nearest]
        self.weights[c] = self.problem.solve(c, start, _CHOOSING)
        coefficient_KD, intercept_K = self.problem.expand(self.weights[c])
        score_MK = self.image_MD @ coefficient_KD.T + intercept_K
        own_M = np.take_along_axis(score_MK, self.label_M[:, None], axis=1)[:, 0]
        top_M = score_MK.max(axis=1)
        total_M = np.log(np.exp(score_MK - top_M[:, None]).sum(axis=1)) + top_M
        hits = int((score_MK.argmax(axis=1) == self.label_M).sum())
        self.quality[c] = (hits, float((own_M - total_M).sum()))
