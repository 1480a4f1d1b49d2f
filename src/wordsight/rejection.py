"""The probability that a picture shows none of the classes, judged against a bank of unrelated prompts."""

from __future__ import annotations

import functools
import importlib.resources
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wordsight.class_embeddings import Floats, TextEmbedder, embed_classes, normalise_rows

# a bank prompt is left out for a class when their texts are nearer than this share of all pairs of bank prompts
NEAR_QUANTILE = 0.97
# how many of the nearest bank prompts make the level that a class has to reach
TOP = 3
# the more classes, the higher the best of them stands by chance: taken off per natural logarithm of their number
CROWD = 0.75
# logistic curve from margin to probability; these three by benchmarks/none_of_these.py --fit
SLOPE = 1.36
OFFSET = -2.49
# pictures × classes × bank prompts looked at in one go: bounds memory
_CELLS_AT_ONCE = 1 << 24
# templates used for the bank: their mean hardly moves beyond a few
_BANK_TEMPLATES = 7


@functools.cache
def bank_words() -> tuple[str, ...]:
    """Return the bundled bank: some five hundred everyday things and scenes."""
    text = (importlib.resources.files("wordsight") / "data" / "none_bank.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


@dataclass(frozen=True, eq=False)
class Bank:
    """Unrelated prompts as unit vectors (B, D), and what is the same of them whatever they are held against.

    All prompts share a direction, and short common words are near to all others: `centre_D` is taken off before
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
        """Return the judge of classes (unit vectors (K, D)), without the prompts that are near to one for that one."""
        cosine_KB = normalise_rows(class_KD - self.centre_D) @ self.centred_BD.T
        # a class that is near to nearly everything ("thing") still keeps the farther half
        limit_K1 = np.maximum(self.limit, np.median(cosine_KB, axis=1, keepdims=True))
        return NoneOfThese(class_KD, self.vectors_BD, cosine_KB < limit_K1)


@dataclass(frozen=True, eq=False)
class NoneOfThese:
    """Judges pictures against classes (K, D) and a bank (B, D); `allowed_KB` tells which bank prompts count for which.

    For a picture, each class is compared with the level that unrelated prompts reach on that same picture: the mean
    of its `TOP` nearest ones, in units of the spread of all. The best class's margin, less what the best of so many
    classes has by chance, becomes a probability by a logistic curve fitted once (docs/none-of-these.md).
    """

    class_KD: Floats
    bank_BD: Floats
    allowed_KB: np.ndarray

    @classmethod
    def build(
        cls, model: TextEmbedder, class_KD: Floats, templates: Sequence[str], *, cache: bool = True
    ) -> NoneOfThese:
        """Embed the bank with (up to seven of) the classes' own templates, and leave out what is near to a class."""
        step = max(1, -(-len(templates) // _BANK_TEMPLATES))
        words = {word: (word,) for word in bank_words()}
        bank_BD = embed_classes(model, words, tuple(itertools.islice(templates, 0, None, step)), cache=cache)
        return cls.from_embeddings(class_KD, bank_BD)

    @staticmethod
    def from_embeddings(class_KD: Floats, bank_BD: Floats) -> NoneOfThese:
        """Build from unit vectors: classes (K, D), bank (B, D)."""
        return Bank.of(bank_BD).against(class_KD)

    def margin(self, image_ND: Floats) -> Floats:
        """Return how far the best class stands above unrelated prompts, in spreads of the bank. (N, D) → (N,)."""
        rows = max(1, _CELLS_AT_ONCE // self.allowed_KB.size)
        parts = [self._margin(image_ND[i : i + rows]) for i in range(0, len(image_ND), rows)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)

    def _margin(self, image_ND: Floats) -> Floats:
        bank_NB = image_ND @ self.bank_BD.T
        order_NB = np.argsort(-bank_NB, axis=1)
        sorted_NB = np.take_along_axis(bank_NB, order_NB, axis=1)
        allowed_NKB = self.allowed_KB[:, order_NB].transpose(1, 0, 2)  # each picture's nearest bank prompts first
        counted_NKB = allowed_NKB & (allowed_NKB.cumsum(axis=2) <= TOP)
        level_NK = np.einsum("nkb,nb->nk", counted_NKB, sorted_NB) / np.maximum(counted_NKB.sum(axis=2), 1)
        spread_N1 = bank_NB.std(axis=1, keepdims=True)
        margin_NK = (image_ND @ self.class_KD.T - level_NK) / np.maximum(spread_N1, 1e-6)
        return np.asarray(margin_NK.max(axis=1) - CROWD * np.log(len(self.class_KD)), dtype=np.float32)

    def proba(self, image_ND: Floats) -> Floats:
        """Return the probability of "none of these", (N, D) → (N,)."""
        return np.asarray(0.5 * (1 - np.tanh(0.5 * SLOPE * (self.margin(image_ND) - OFFSET))), dtype=np.float32)
