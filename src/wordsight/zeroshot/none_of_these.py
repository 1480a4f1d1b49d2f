"""Probability that an image shows none of the classes, judged against a bank of unrelated prompts."""

from __future__ import annotations

import functools
import importlib.resources
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wordsight.zeroshot.class_embeddings import Floats, TextEmbedder, embed_classes, normalise_rows
from wordsight.zeroshot.logistic import sigmoid

# a bank prompt is left out for a class when their texts are nearer than this share of all pairs of bank prompts
NEAR_QUANTILE = 0.97
# "none of these", from `NoneOfThese.evidence`: how sharp the soft maxima are, the logistic curve for as many images of
# the classes as of none, and the price per natural logarithm of the number of classes, the best of which is higher by
# chance; by benchmarks/none_of_these.py --fit
SHARPNESS = 1.4
SLOPE = 1.34
CROWD = 0.82
OFFSET = 5.10
# share of images that show none of the classes, without knowledge of the collection
PRIOR = 0.25
# the probability of one text by itself, from its cosine in standard deviations of the bank's;
# by benchmarks/none_of_these.py --fit
TEXT_SLOPE = 1.47
TEXT_OFFSET = -4.01
# templates used for the bank: their mean hardly moves beyond a few
_BANK_TEMPLATES = 7


@functools.cache
def bank_words() -> tuple[str, ...]:
    """Words of the bundled bank: some five hundred everyday things and scenes."""
    text = (importlib.resources.files("wordsight") / "data" / "none_bank.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def bank_templates(templates: Sequence[str]) -> tuple[str, ...]:
    """Templates that the bank is embedded with: up to seven of the classes' own."""
    step = max(1, -(-len(templates) // _BANK_TEMPLATES))
    return tuple(itertools.islice(templates, 0, None, step))


@dataclass(frozen=True, eq=False)
class Bank:
    """Unrelated prompts as unit vectors (B, D), and what does not depend on the classes.

    All prompts share a direction, and short common words are near to all others: `centre_D` is subtracted before
    prompts are compared. limit: the cosine of `centred_BD` that `NEAR_QUANTILE` of their pairs stay below.
    """

    vectors_BD: Floats
    centre_D: Floats
    centred_BD: Floats
    limit: float

    @classmethod
    def of(cls, bank_BD: Floats) -> Bank:
        """Compare the prompts with each other, which takes most of the time of a judge of few classes."""
        centre_D = bank_BD.mean(axis=0)
        centred_BD = normalise_rows(bank_BD - centre_D)
        between_BB = centred_BD @ centred_BD.T
        limit = np.quantile(between_BB[np.triu_indices(len(bank_BD), 1)], NEAR_QUANTILE)
        return cls(bank_BD, centre_D, centred_BD, limit)

    def against(self, class_KD: Floats) -> NoneOfThese:
        """Judge of classes (unit vectors (K, D)), for each without the prompts that are near to it."""
        cosine_KB = normalise_rows(class_KD - self.centre_D) @ self.centred_BD.T
        # a class that is near to nearly everything ("thing") still keeps the farther half
        limit_K1 = np.maximum(self.limit, np.median(cosine_KB, axis=1, keepdims=True))
        return NoneOfThese(class_KD, self.vectors_BD, cosine_KB < limit_K1)


@dataclass(frozen=True, eq=False)
class NoneOfThese:
    """Judges images against classes (K, D) and a bank (B, D); `allowed_KB` says which bank prompts count for which.

    Cosines are counted in standard deviations of the bank's cosines with the same image, from their mean: images that
    are near to every text, and models whose cosines are all high, need no other constants.
    """

    class_KD: Floats
    bank_BD: Floats
    allowed_KB: np.ndarray

    @classmethod
    def build(
        cls, model: TextEmbedder, class_KD: Floats, templates: Sequence[str], *, cache: bool = True
    ) -> NoneOfThese:
        """Embed the bank with (up to seven of) the classes' own templates, and leave out what is near to a class."""
        words = {word: (word,) for word in bank_words()}
        bank_BD = embed_classes(model, words, bank_templates(templates), cache=cache)
        return cls.from_embeddings(class_KD, bank_BD)

    @staticmethod
    def from_embeddings(class_KD: Floats, bank_BD: Floats) -> NoneOfThese:
        """Build from unit vectors: classes (K, D), bank (B, D)."""
        return Bank.of(bank_BD).against(class_KD)

    def t_norms(self, image_ND: Floats) -> tuple[Floats, Floats]:
        """Cosines of classes (N, K) and of bank prompts (N, B), in standard deviations of the bank's (T-norm)."""
        bank_NB = image_ND @ self.bank_BD.T
        mean_N1 = bank_NB.mean(axis=1, keepdims=True)
        std_N1 = np.maximum(bank_NB.std(axis=1, keepdims=True), 1e-6)
        return (image_ND @ self.class_KD.T - mean_N1) / std_N1, (bank_NB - mean_N1) / std_N1

    def evidence(self, image_ND: Floats) -> Floats:
        """Soft maximum of the classes minus that of the bank, in standard deviations: high where a class fits. (N,).

        Both are log-sums of exponentials, so that several unrelated prompts that fit count for more than one, and a
        class is not doubted for a single lucky prompt. The bank's leaves out what is near to the image's best class.
        """
        class_NK, bank_NB = self.t_norms(image_ND)
        best_N = class_NK.argmax(axis=1)
        weight_NB = np.exp(SHARPNESS * bank_NB) * self.allowed_KB[best_N]
        bank_N = np.log(np.maximum(weight_NB.sum(axis=1), np.finfo(np.float32).tiny))
        top_N1 = class_NK.max(axis=1, keepdims=True)
        class_N = np.log(np.exp(SHARPNESS * (class_NK - top_N1)).sum(axis=1)) + SHARPNESS * top_N1[:, 0]
        return np.asarray((class_N - bank_N) / SHARPNESS, dtype=np.float32)

    def proba(self, image_ND: Floats) -> Floats:
        """Probability of "none of these", (N, D) → (N,), where one image in four shows none (`PRIOR`)."""
        any_N = SLOPE * self.evidence(image_ND) - CROWD * np.log(len(self.class_KD)) + OFFSET
        return np.asarray(sigmoid(np.log(PRIOR / (1 - PRIOR)) - any_N), np.float32)

    def independent_proba(self, image_ND: Floats) -> Floats:
        """Probability of each class by itself, (N, D) → (N, K); rows need not sum to 1."""
        return text_proba(self.t_norms(image_ND)[0])


def text_proba(t_norm: Floats) -> Floats:
    """Probability that a text is true of an image, from its cosine in standard deviations of the bank's.

    Same shape as `t_norm`. Fitted on captions, a text being true of one image in ten.
    """
    return np.asarray(sigmoid(TEXT_SLOPE * t_norm + TEXT_OFFSET), np.float32)
