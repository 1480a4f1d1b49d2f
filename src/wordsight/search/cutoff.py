"""How probable it is that a picture answers a query: its cosine against what unrelated pictures and words reach."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wordsight.class_embeddings import TextEmbedder, embed_classes
from wordsight.index.rows import Floats
from wordsight.rejection import NoneOfThese, bank_words
from wordsight.templates import TEMPLATE_SETS

# hits of a lower probability are left out
CUT = 0.5
# rows of the collection that are looked at
SAMPLE = 2000


def bank_vectors(model: TextEmbedder) -> Floats:
    """Return the bank of unrelated prompts as unit vectors (B, D), embedded as queries are; kept on disk once made."""
    return embed_classes(model, {word: (word,) for word in bank_words()}, TEMPLATE_SETS["plain"])


@dataclass(frozen=True, eq=False)
class Cutoff:
    """Judges the hits of one query."""

    mean: float
    spread: float
    count: int
    against: NoneOfThese | None

    @classmethod
    def of(cls, query_D: Floats, sample_ND: Floats, bank_BD: Floats | None, count: int) -> Cutoff:
        """Return the judge of a query from a sample of the collection (N, D), and for texts the bank (B, D)."""
        cosine_N = sample_ND @ query_D
        against = None if bank_BD is None else NoneOfThese.from_embeddings(query_D[None], bank_BD)
        mean, spread = (float(cosine_N.mean()), float(cosine_N.std())) if len(cosine_N) else (0.0, 1.0)
        return cls(mean, max(spread, 1e-6), count, against)

    def proba(self, cosine_K: Floats, vectors_KD: Floats) -> Floats:
        """Return the probability that each hit answers, from its cosine and its vector; (K,), (K, D) → (K,)."""
        z_K = (cosine_K - self.mean) / self.spread
        logit_K = z_K - 1
        return np.asarray(0.5 * (1 + np.tanh(0.5 * logit_K)), np.float32)
