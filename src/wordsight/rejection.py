"""The probability that a picture shows none of the classes, judged against a bank of unrelated prompts."""

from __future__ import annotations

import functools
import importlib.resources
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wordsight.class_embeddings import Floats, TextEmbedder, embed_classes

# a bank prompt is left out for a class when their texts are nearer than this share of all pairs of bank prompts
NEAR_QUANTILE = 0.97
# how many of the nearest bank prompts make the level that a class has to reach
TOP = 5
# logistic curve from margin to probability
SLOPE = 3.0
OFFSET = 0.0
# templates used for the bank: their mean hardly moves beyond a few
_BANK_TEMPLATES = 7


@functools.cache
def bank_words() -> tuple[str, ...]:
    """Return the bundled bank: some five hundred everyday things and scenes."""
    text = (importlib.resources.files("wordsight") / "data" / "none_bank.txt").read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


@dataclass(frozen=True, eq=False)
class NoneOfThese:
    """Judges pictures against classes (K, D) and a bank (B, D); `allowed_KB` tells which bank prompts count for which.

    For a picture, each class is compared with the level that unrelated prompts reach on that same picture: the mean
    of its `TOP` nearest ones, in units of the spread of all. The best class's margin becomes a probability by a
    logistic curve whose two numbers were fitted once (docs/none-of-these.md).
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

    @classmethod
    def from_embeddings(cls, class_KD: Floats, bank_BD: Floats) -> NoneOfThese:
        """Build from unit vectors: classes (K, D), bank (B, D)."""
        between_BB = bank_BD @ bank_BD.T
        pairs = between_BB[np.triu_indices(len(bank_BD), 1)]
        allowed_KB = class_KD @ bank_BD.T < np.quantile(pairs, NEAR_QUANTILE)
        return cls(class_KD, bank_BD, allowed_KB)

    def margin(self, image_ND: Floats) -> Floats:
        """Return how far the best class stands above unrelated prompts, in spreads of the bank. (N, D) → (N,)."""
        bank_NB = image_ND @ self.bank_BD.T
        class_NK = image_ND @ self.class_KD.T
        spread_N = bank_NB.std(axis=1)
        best_N = np.full(len(image_ND), -np.inf, dtype=np.float32)
        for k, allowed_B in enumerate(self.allowed_KB):
            level_N = np.sort(bank_NB[:, allowed_B], axis=1)[:, -TOP:].mean(axis=1)
            best_N = np.maximum(best_N, (class_NK[:, k] - level_N) / spread_N)
        return best_N

    def proba(self, image_ND: Floats) -> Floats:
        """Return the probability of "none of these", (N, D) → (N,)."""
        return np.asarray(0.5 * (1 - np.tanh(0.5 * SLOPE * (self.margin(image_ND) - OFFSET))), dtype=np.float32)
