"""BM25 as sparse vectors, for stores that search these: one dimension a term, its weight in place of its count.

A document's weights are BM25's term-frequency part; the store multiplies a query's words by their inverse document
frequency (Qdrant's `Modifier.IDF`: ln(1 + (N - n + 0.5) / (n + 0.5)), Lucene's), and the dot product is BM25's score.

Source: Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework: BM25 and Beyond", §3.4.
"""

from __future__ import annotations

import hashlib
from collections import Counter

from wordsight.text.analysis import Query, collect_terms, terms

K1, B = 1.2, 0.75  # Lucene's


def word_id(word: str) -> int:
    """A word's dimension: 32 bits of its hash, the same everywhere.

    Of 100,000 different words about one pair shares a dimension (n²/2 · 2⁻³²).
    """
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4).digest(), "big")


def document_vector(text: str, mean_words: float) -> tuple[list[int], list[float]]:
    """Rising dimensions and their weights of a text in a collection whose texts have `mean_words` terms on average."""
    counts = Counter(word_id(word) for word in terms(text))
    length = K1 * (1 - B + B * counts.total() / mean_words)
    dimensions = sorted(counts)
    return dimensions, [counts[at] * (K1 + 1) / (counts[at] + length) for at in dimensions]


def query_vector(words: Query, *more: str) -> tuple[list[int], list[float]]:
    """Rising dimensions and their weights of a query's different terms, and `more`: 1 each, before the store's IDF."""
    dimensions = sorted({word_id(word) for word in (*collect_terms(words), *more)})
    return dimensions, [1.0] * len(dimensions)
