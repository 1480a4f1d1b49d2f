"""How probable it is that a picture answers a query: its cosine against what unrelated pictures and words reach."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np

from wordsight.class_embeddings import TextEmbedder, embed_classes
from wordsight.index.rows import Floats
from wordsight.rejection import Bank, bank_words
from wordsight.templates import TEMPLATE_SETS

# rows of the collection that the cosine is compared with
SAMPLE = 1000
# how many of the nearest rows tell what the best of this query is like
TOP = 5
# what is known beforehand of mean and spread counts like so many rows: decides in a collection of a dozen
_PRIOR = 10
# the spread of a query's cosines where there is one row only
_USUAL = 0.1
# standing beyond this, either way, is no further evidence: 1 in 100 queries of the fit lay there
_FARTHEST = 6.0
# cosines above this are of one picture embedded twice
_IDENTICAL = 0.9999
# above so many rows the size no longer counts: no larger collection was fitted
LARGEST = 4000


@dataclass(frozen=True)
class Curve:
    """A logistic curve: the weights of a hit's cosine, of the best hits' cosine and standing, and of the size."""

    offset: float
    cosine: float
    best: float
    standing: float
    size: float


# fitted by benchmarks/search_cutoff.py --fit, on collections whose right answers are known
TEXT = Curve(-1.62, 2.61, -2.28, 0.77, -0.40)
PICTURE = Curve(0.34, 1.96, -3.32, 1.56, -0.13)
# hits of a lower probability are left out: on the sets of the fit F1 of words is best here, and of both together it is
# the same from here to 0.19 (see `Cutoff`)
CUT = 0.16


def bank_vectors(model: TextEmbedder) -> Floats:
    """Return the bank of unrelated prompts as unit vectors (B, D), embedded as queries are; kept on disk once made."""
    return embed_classes(model, {word: (word,) for word in bank_words()}, TEMPLATE_SETS["plain"])


_bank_of_model: weakref.WeakKeyDictionary[TextEmbedder, Bank] = weakref.WeakKeyDictionary()


def bank_of(model: TextEmbedder) -> Bank:
    """Return the bank of unrelated prompts, compared with each other; kept in memory while the model is in use."""
    if (bank := _bank_of_model.get(model)) is None:
        bank = _bank_of_model[model] = Bank.of(bank_vectors(model))
    return bank


@dataclass(frozen=True)
class Cutoff:
    """What a query's cosines are judged by; the probability rises with the cosine, so that hits keep their order.

    mean, spread: of the query's cosines with the collection. best: those of its `TOP` nearest rows, in spreads above
    the mean. standing: how far these stand above what unrelated queries reach on the same rows, in spreads of
    those. size: rows of the collection.

    A cosine in spreads above the mean is what speaker verification calls a score normalised by its query (Z-norm),
    `standing` one normalised by its answer (T-norm); Matějka et al. 2017 use both. The probability of a hit falls
    with the best hits' cosine, as a row far below them is no answer, and with the size, as a large collection has
    more rows that come near by chance. Taking hits of probabilities above half the F1 that can be reached makes
    F1 best (Lipton et al. 2014): that is why `CUT` is below one half.

    Of words, on the labelled sets that the curve was fitted on, F1 is 0.60; without `best` 0.55, without `standing`
    0.47, without `size` 0.57. Fitted and measured with the bundled model only.
    """

    mean: float
    spread: float
    best: float
    standing: float
    size: int
    curve: Curve

    @classmethod
    def of(cls, query_D: Floats, near_KD: Floats, sample_ND: Floats, size: int, bank: Bank | None = None) -> Cutoff:
        """Return the judge of a query from its nearest rows, a sample of the collection, and for texts the bank.

        Of pictures the sample itself stands for unrelated queries.
        """
        unrelated_BD = sample_ND[:: max(1, len(sample_ND) // 500)] if bank is None else bank.vectors_BD
        cosine_N, between_NB = sample_ND @ query_D, sample_ND[:: max(1, len(sample_ND) // 100)] @ unrelated_BD.T
        mean, spread = _shrunk(cosine_N, between_NB)
        near_KD = near_KD[np.argsort(-(near_KD @ query_D))[:TOP]]
        if not len(near_KD):
            return cls(mean, spread, 0.0, 0.0, size, PICTURE if bank is None else TEXT)
        best = float((near_KD @ query_D).mean() - mean) / spread
        if bank is None:
            others_KB = near_KD @ unrelated_BD.T
            standing_K = (near_KD @ query_D - others_KB.mean(axis=1)) / np.maximum(others_KB.std(axis=1), 1e-6)
        else:
            standing_K = bank.against(query_D[None]).margin(near_KD)
        standing = float(np.clip(standing_K.mean(), -_FARTHEST, _FARTHEST))
        return cls(mean, spread, best, standing, size, PICTURE if bank is None else TEXT)

    def proba(self, cosine_K: Floats) -> Floats:
        """Return the probability that hits of these cosines answer the query, (K,) → (K,)."""
        z_K = (np.asarray(cosine_K, np.float64) - self.mean) / self.spread
        known = self.curve.offset + self.curve.best * self.best + self.curve.standing * self.standing
        logit_K = self.curve.cosine * z_K + known + self.curve.size * np.log(min(max(self.size, 1), LARGEST))
        proba_K = 0.5 * (1 + np.tanh(0.5 * logit_K))
        # where a collection holds much that is alike, the curve would doubt even the picture that was asked with
        return np.asarray(np.where(np.asarray(cosine_K) > _IDENTICAL, 1.0, proba_K), np.float32)


def _shrunk(cosine_N: Floats, between_NB: Floats) -> tuple[float, float]:
    """Return mean and spread of a query's cosines, drawn to those of unrelated queries where there are few rows."""
    if not len(cosine_N):
        return 0.0, 1.0
    n, mean, variance = len(cosine_N), float(cosine_N.mean()), float(np.var(cosine_N))
    usual = between_NB[between_NB < 0.9999]  # a picture is no unrelated query of itself
    if len(usual):
        mean = (n * mean + _PRIOR * float(usual.mean())) / (n + _PRIOR)
    variance = (n * variance + _PRIOR * float(np.var(usual) if len(usual) else _USUAL**2)) / (n + _PRIOR)
    return mean, max(variance**0.5, 1e-6)
