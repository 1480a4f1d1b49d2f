"""BM25 as sparse vectors equals BM25 as its formula is written."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from memory_index import bm25

from wordsight.index.bm25 import document_vector, query_vector, word_id
from wordsight.text.analysis import terms


def scores(query, documents):
    """Sparse dot products with the IDF that Qdrant's `Modifier.IDF` multiplies the query's words by."""
    mean = sum(len(terms(text)) for text in documents) / len(documents)
    vectors = [dict(zip(*document_vector(text, mean), strict=True)) for text in documents]
    found = [0.0] * len(documents)
    for at, weight in zip(*query_vector(query), strict=True):
        n = sum(at in vector for vector in vectors)
        idf = math.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
        found = [score + idf * weight * vector.get(at, 0) for score, vector in zip(found, vectors, strict=True)]
    return found


def test_the_dot_product_is_bm25():
    documents = ["red winter coat", "blue coat coat", "green shoes of the winter", "a red red red dress with a belt"]
    for query in ("coat", "red coat", "winter belt", "nothing here"):
        assert scores(query, documents) == pytest.approx(bm25(query, documents))


words = st.sampled_from(["red", "blue", "coat", "shoe", "winter", "a", "the"])
texts = st.lists(words, min_size=1, max_size=8).map(" ".join)


@given(st.lists(texts, min_size=1, max_size=8), texts)
def test_any_texts_score_as_bm25_scores_them(documents, query):
    assert scores(query, documents) == pytest.approx(bm25(query, documents))


def test_a_words_dimension_is_the_same_everywhere_and_fits_32_bits():
    assert word_id("coat") == 0x56C0FAA3 < 2**32
    assert word_id("coat") != word_id("coats")


def test_dimensions_rise():
    dimensions, weights = document_vector("one two three four five six", 6)
    assert dimensions == sorted(set(dimensions))
    assert len(weights) == 6
    assert query_vector("six, six, one")[1] == [1.0, 1.0]
