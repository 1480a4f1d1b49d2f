"""Probability that an image answers a query, which hardly depends on what else the collection holds.

A cosine means nothing by itself: it depends on the model, on how general the query is, and on whether the query fits
any image at all. Each is measured against unrelated pairs, and a logistic curve makes one probability of them. That a
thing is common in a collection is no evidence against it. For one query the probability rises with the cosine, so that
hits keep their order, and the cosine from which they are likely is one number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wordsight.index.base import Floats
from wordsight.search.reference import Reference, Scale
from wordsight.text.analysis import query_terms
from wordsight.zeroshot.logistic import sigmoid

LIKELY = 0.5  # hits of a probability from here on are said to be likely
BEST = 3  # hits that tell whether a query fits any image at all
_IMAGES_A_BEST = 25
_MOST_WORDS = 8  # longer queries are as specific as this
_IDENTICAL = 0.9999  # cosines above this are of one image embedded twice
_LEAST_SLOPE = 1e-3

# Weights fitted by benchmarks/search_cutoff.py --fit and benchmarks/hybrid_fit.py, with the bundled model, on images
# that it was not trained on; other models are brought to the same scales by their own `Reference`.
TEXT_FEATURES = ("bias", "cosine", "generic", "average", "words", "best rank", "best cosine")
TEXT_WEIGHTS = (-7.71, 1.10, 0.96, -0.83, -1.85, -1.13, -0.41)
# bias; the cosine, in standard deviations above unrelated images; and above what the query has with reference images
IMAGE_WEIGHTS = (-5.62, 1.16, -0.11)
# of a text beside an image: the visual log-odds, the share of the query's words, whether all are there, BM25's score as
# a share of the best one, the logarithm of the number of words
HYBRID_WEIGHTS = (-2.11, 0.73, 0.20, 1.09, 3.13, -1.33)
WORDS_WEIGHTS = (-3.52, 0.0, 1.11, 1.36, 3.62, -1.74)
# bounds of the visual log-odds: the least, the least where a text holds every word (images do not show brands, names
# and part numbers, so that they are no further evidence against them), the most
HYBRID_RANGE = (-8.0, -0.5, 6.0)


def count_words(text: str) -> int:
    """Number of words of a query that carry meaning: "a cup of coffee" has two."""
    return len(query_terms(text))


@dataclass(frozen=True)
class Relevance:
    """Log-odds that an image of a cosine answers one query: offset + slope · cosine."""

    offset: float
    slope: float

    def logits(self, cosine_K: np.ndarray) -> np.ndarray:
        """Log-odds of hits of these cosines, (K,) → (K,) float64."""
        return np.asarray(self.offset + self.slope * np.asarray(cosine_K, np.float64))

    def proba(self, cosine_K: Floats) -> Floats:
        """Probabilities that hits of these cosines answer, (K,) → (K,) float32."""
        return np.asarray(sigmoid(self.logits(cosine_K)), np.float32)

    @property
    def line(self) -> float:
        """Cosine from which hits are likely."""
        return (math.log(LIKELY / (1 - LIKELY)) - self.offset) / self.slope


def best_among(images: int) -> int:
    """Number of a collection's hits that tell whether a query fits any image at all.

    Of a dozen images one alone answers most queries, and two that do not would speak against it. On a dozen of the
    validation photos that the curve was fitted on, with one in place of three, the log loss is 0.23 (0.26) and the mean
    F1 at the line 0.25 (0.11); on a dozen of the products 0.11 (0.11) and 0.67 (0.72). From about 50 photos on, three
    are better.
    """
    return min(BEST, 1 + images // _IMAGES_A_BEST)


def judge_text(reference: Reference, query_D: Floats, words: int, near_KD: Floats) -> Relevance:
    """Curve of a text of so many words. near_KD: the `best_among` nearest images of the collection."""
    features = text_features(reference, query_D, words, near_KD)
    return _line(TEXT_WEIGHTS, features, reference.cosine)


def judge_image(reference: Reference, query_D: Floats) -> Relevance:
    """Curve of a query by an image."""
    weight = IMAGE_WEIGHTS[2]
    own = Scale.of(reference.images_RD @ query_D)
    line = _line(IMAGE_WEIGHTS[:2], (1.0, 0.0), reference.between)
    return Relevance(line.offset - weight * own.mean / own.std, line.slope + weight / own.std)


def text_features(reference: Reference, query_D: Floats, words: int, near_KD: Floats) -> tuple[float, ...]:
    """Features that the curve of texts weighs, in the order of TEXT_FEATURES; 0 in the place of the cosine.

    cosine: in standard deviations above unrelated pairs of this model. generic: how near the query is to unrelated
    prompts; average: to the reference images (Z-norm of speaker verification, Matějka et al. 2017). words: logarithm
    of their number. best rank: of the `BEST` nearest images, the logarithm of the share of unrelated prompts that fit
    them better than the query does (T-norm); prompts near to the query do not count. best cosine: of the same images.
    """
    bank, near_KD = reference.bank, near_KD[:BEST]
    generic = reference.generic(float((bank.vectors_BD @ query_D).mean()))
    rank, best = 0.0, 0.0
    if len(near_KD):
        allowed_B = bank.against(query_D[None]).allowed_KB[0]
        unrelated_UD = bank.vectors_BD
        if allowed_B.any():
            unrelated_UD = unrelated_UD[allowed_B]
        cosine_K = near_KD @ query_D
        better_K = (near_KD @ unrelated_UD.T > cosine_K[:, None]).mean(axis=1)
        rank = float(np.log(better_K + 1 / len(bank.vectors_BD)).mean())
        best = reference.cosine(float(cosine_K.mean()))
    return (1.0, 0.0, generic, reference.average_norm(query_D), math.log(max(1, min(words, _MOST_WORDS))), rank, best)


def _line(weights: Sequence[float], features: Sequence[float], scale: Scale) -> Relevance:
    """Curve of a query whose features, but for the cosine, are known."""
    slope = weights[1] / scale.std
    return Relevance(float(np.dot(weights, features)) - slope * scale.mean, slope)


def fit_relevance(logit_N: np.ndarray, cosine_N: np.ndarray) -> Relevance:
    """Line through log-odds over another cosine: of mixed queries, and of whitened vectors.

    By least squares, rising: what hits are ordered by stays the order of their probabilities.
    """
    logit_N, cosine_N = np.asarray(logit_N, np.float64), np.asarray(cosine_N, np.float64)
    centre, mean = cosine_N.mean(), logit_N.mean()
    spread = float(((cosine_N - centre) ** 2).sum())
    slope = _LEAST_SLOPE
    if spread > 0:
        slope = max(slope, float(((cosine_N - centre) * (logit_N - mean)).sum()) / spread)
    return Relevance(float(mean - slope * centre), slope)


def is_identical(cosine_K: Floats) -> np.ndarray:
    """Whether images of these cosines are the query image itself, embedded again, (K,) → (K,) bool."""
    return np.asarray(cosine_K) > _IDENTICAL


def text_evidence(coverage_K: np.ndarray, bm25_K: np.ndarray, words: int) -> np.ndarray:
    """Evidence of texts, (K, 4): the features of the last four of HYBRID_WEIGHTS.

    coverage_K: the share of the query's words that each text holds. bm25_K: scores, 0 where no word is held. words: of
    the query, less stop words.
    """
    best = float(bm25_K.max(initial=0.0))
    full_K = coverage_K > 1 - 1e-6
    share_K = bm25_K / (best or 1.0)
    share_K = np.where(full_K, (1 + share_K) / 2, share_K)  # that another text says it twice is little against this one
    length_K = np.full(len(bm25_K), math.log(max(1, words)))
    return np.stack([coverage_K, full_K, share_K, length_K], axis=1).astype(np.float64)


def hybrid_logits(visual_K: np.ndarray, texts_KF: np.ndarray, alpha: float = 0.5) -> np.ndarray:
    """Log-odds that hits with texts answer, (K,) float64.

    visual_K: log-odds by visual similarity. texts_KF: `text_evidence`. alpha: 0 weighs the texts alone, 0.5 both, as
    fitted; from there to 1 texts count less and less.
    """
    least, least_of_full, most = HYBRID_RANGE
    visual_K = np.clip(visual_K, np.where(texts_KF[:, 1] > 0, least_of_full, least), most)
    bias, visual, *texts, length = HYBRID_WEIGHTS if alpha > 0 else WORDS_WEIGHTS
    for_visual, for_text = min(1.0, 2 * alpha), min(1.0, 2 * (1 - alpha))
    logit_K = bias + for_visual * visual * visual_K + for_text * (texts_KF[:, :3] @ np.array(texts))
    return np.asarray(logit_K + length * texts_KF[:, 3])
