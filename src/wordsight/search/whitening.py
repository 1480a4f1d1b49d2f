"""Whitening: subtract the mean of a collection, and even out the directions in which its images differ.

Drawing sheets share frames and title blocks, products a white ground, scans their paper. Most of
the vectors' variance then comes from these; compared whitened, images are near for what is their own. It is learnt from
the collection's own vectors, without labels, and needs about 100 of them.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.index import Index
from wordsight.index.base import Floats

POWER = 0.5  # 1 finds the same drawing more often, but no longer its kind (docs/search-quality.md)
_SAMPLE = 10_000  # vectors to learn from: 26 a dimension of "mini"
_GROWTH = 1.02  # an index that has grown or shrunk by more than this is learnt again
_TINY = 1e-6  # variance (of unit vectors) and length that are rounding errors of float32


@dataclass(frozen=True, eq=False)
class Whitening:
    """x → (x - mean) · matrix, to unit length. Learnt by `Whitening.fit`.

    mean_D: (D,) float64. matrix_DD: (D, D) float64, symmetric: the inverse of the shrunk covariance to half of `power`.
    shrinkage: the share, 0–1, of the covariance that was replaced by equal variances in all directions.
    """

    mean_D: NDArray[np.float64]
    matrix_DD: NDArray[np.float64]
    shrinkage: float

    @classmethod
    def fit(cls, vectors_ND: Floats, *, power: float = POWER, shrinkage: float | None = None) -> Whitening:
        """Whitening of a collection's vectors (N, D).

        power: 1 makes the variances of all directions equal, 0 only subtracts the mean.
        shrinkage: how far the covariance is shrunk towards equal variances, since the small ones of few vectors are
            noise; None computes it from N and the vectors.
        Vectors that do not differ, or fewer than two, give a whitening that changes nothing.

        Raises: InputError for vectors that are not a finite (N, D) array, and a power or shrinkage outside 0–1.
        Source: Mu & Viswanath 2018 (All-but-the-Top); Su et al. 2021 (Whitening Sentence Representations); Jégou & Chum
        2012; shrinkage: Ledoit & Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices".
        """
        given_ND = _check_vectors(vectors_ND)
        for name, value in (("power", power), ("shrinkage", shrinkage or 0.0)):
            if not 0 <= value <= 1:
                raise InputError(f"The whitening's {name} is {value}, expected a number from 0 to 1.")
        n, dim = given_ND.shape
        mean_D = given_ND.mean(axis=0) if n else np.zeros(dim)
        centred_ND = given_ND - mean_D
        covariance_DD = centred_ND.T @ centred_ND / max(n, 1)
        variance = float(np.trace(covariance_DD)) / max(dim, 1)
        if n < 2 or variance * dim < _TINY:
            return cls(np.zeros(dim), np.eye(dim), 1.0)
        share = ledoit_wolf(centred_ND, covariance_DD) if shrinkage is None else shrinkage
        variances_D, directions_DD = np.linalg.eigh(covariance_DD)
        shrunk_D = (1 - share) * np.maximum(variances_D, 0.0) + share * variance
        # a direction without variance has no information: it is left out rather than amplified
        gains_D = np.zeros(dim)
        np.power(shrunk_D, -power / 2, out=gains_D, where=shrunk_D > _TINY * variance)
        return cls(mean_D, (directions_DD * gains_D) @ directions_DD.T, share)

    def apply(self, vectors_ND: Floats) -> Floats:
        """Vectors (N, D) whitened, of unit length, float32.

        One at the mean has no direction left; it keeps its own.
        Raises: InputError for vectors of another D.
        """
        given_ND = _check_vectors(vectors_ND)
        if given_ND.shape[1] != len(self.mean_D):
            raise InputError(
                f"Vectors of {given_ND.shape[1]} dimensions cannot be whitened by {len(self.mean_D)}; give "
                "vectors of the model that the collection was embedded with."
            )
        centred_ND = given_ND - self.mean_D
        whitened_ND = centred_ND @ self.matrix_DD
        nowhere_N = (np.linalg.norm(centred_ND, axis=1) < _TINY) | (np.linalg.norm(whitened_ND, axis=1) == 0)
        whitened_ND[nowhere_N] = given_ND[nowhere_N]
        norms_N1 = np.linalg.norm(whitened_ND, axis=1, keepdims=True)
        return (whitened_ND / np.where(norms_N1 > 0, norms_N1, 1.0)).astype(np.float32)


def ledoit_wolf(centred_ND: NDArray[np.float64], covariance_DD: NDArray[np.float64]) -> float:
    """Share (0–1) of equal variances in the covariance that has the least expected squared error.

    Source: Ledoit & Wolf 2004, lemmas 3.2–3.4, with their m = trace(S)/D, d² = ‖S - mI‖² and b² = Σ‖xxᵀ - S‖² / N².
    """
    n, dim = centred_ND.shape
    equal_DD = np.eye(dim) * (np.trace(covariance_DD) / dim)
    spread = float(((covariance_DD - equal_DD) ** 2).sum())
    error = float((np.einsum("nd,nd->n", centred_ND, centred_ND) ** 2).sum()) / n**2
    error -= float((covariance_DD**2).sum()) / n
    if spread <= 0:
        return 1.0
    return float(min(1.0, max(0.0, error / spread)))


_learnt: weakref.WeakKeyDictionary[Index, tuple[int, Whitening]] = weakref.WeakKeyDictionary()


def learn_whitening(index: Index) -> Whitening:
    """Whitening of an index, learnt from up to 10,000 of its vectors.

    It is kept while the index is open, and learnt again once the number of rows has changed by more than 2 %. Nothing
    is stored: the index holds plain vectors, so the same one answers whitened and plain queries.
    """
    rows = len(index)
    known = _learnt.get(index)
    if known and known[0] / _GROWTH <= rows <= known[0] * _GROWTH:
        return known[1]
    whitening = Whitening.fit(index.sample(_SAMPLE))
    _learnt[index] = rows, whitening
    return whitening


def _check_vectors(vectors_ND: Any) -> NDArray[np.float64]:
    """Vectors as float64 (N, D): the sums over a collection would lose digits in float32."""
    array = np.asarray(vectors_ND)
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise InputError(
            f"Vectors are an array of shape {array.shape} and type {array.dtype}, expected finite numbers (N, D), "
            "one row an image."
        )
    return array.astype(np.float64)
