"""Measures of rankings: worked by hand, against loops and scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score, recall_score

from wordsight.errors import InputError
from wordsight.metrics import (
    average_precision,
    hit_rate_at_k,
    mark_relevant,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
)

MARKS = np.array([[1, 0, 1, 0], [0, 1, 1, 1]], bool)


def test_measures_of_rankings_by_hand():
    assert recall_at_k(MARKS, 2).tolist() == [1 / 2, 1 / 3]
    assert recall_at_k(MARKS, 2, total_Q=[4, 5]).tolist() == [1 / 4, 1 / 5]
    assert hit_rate_at_k(MARKS, 1).tolist() == [1, 0]
    assert precision_at_k(MARKS, 3).tolist() == [2 / 3, 2 / 3]
    assert average_precision(MARKS) == pytest.approx([(1 + 2 / 3) / 2, (1 / 2 + 2 / 3 + 3 / 4) / 3])
    # the first and third of four answer, of two in all: (1 + 1/2) / (1 + 1/log2(3))
    assert ndcg_at_k(MARKS, 10)[0] == pytest.approx(1.5 / (1 + 1 / np.log2(3)))
    assert ndcg_at_k([[1, 1]], 2, total_Q=[3]) == [1]  # no order shows three in two places
    assert ndcg_at_k([[0, 0]], 2, total_Q=[1]) == recall_at_k([[0, 0]], 2, total_Q=[1]) == [0]


def test_rankings_of_ids_become_marks():
    marks, total = mark_relevant([["x", "a", "b"], ["a"], []], [{"a", "b"}, {"a"}, {"c"}], 2)
    assert marks.tolist() == [[False, True], [True, False], [False, False]]
    assert total.tolist() == [2, 1, 1]
    assert recall_at_k(marks, 2, total).tolist() == [1 / 2, 1, 0]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.lists(st.booleans(), min_size=14, max_size=14).filter(any), min_size=1, max_size=5))
def test_measures_of_rankings_are_those_of_scikit_learn(rows):
    marks = np.array(rows)
    scores = -np.arange(14.0)
    of_each = [average_precision_score(row, scores) for row in marks]
    assert average_precision(marks) == pytest.approx(of_each)
    assert ndcg_at_k(marks, 10).mean() == pytest.approx(ndcg_score(marks, np.tile(scores, (len(marks), 1)), k=10))
    first = np.arange(14) < 10
    assert recall_at_k(marks, 10) == pytest.approx([recall_score(row, first) for row in marks])


@settings(deadline=None, max_examples=50)
@given(st.permutations(range(14)), st.sets(st.integers(0, 13), min_size=1), st.integers(1, 14))
def test_measures_of_rankings_are_those_of_a_loop(order, relevant, k):
    marks, total = mark_relevant([order], [relevant], k)
    found = [rank for rank, item in enumerate(order[:k], start=1) if item in relevant]
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(relevant)) + 1))
    assert ndcg_at_k(marks, k, total) == [sum(1 / math.log2(rank + 1) for rank in found) / ideal]  # bit-identical
    assert recall_at_k(marks, k, total) == [len(found) / len(relevant)]
    assert hit_rate_at_k(marks, k) == [float(bool(found))]
    expected = sum(sum(other <= rank for other in found) / rank for rank in found) / len(relevant)
    assert average_precision(marks, total) == pytest.approx([expected])


def test_a_query_without_an_answer_is_refused():
    with pytest.raises(InputError, match="Query 1 has no relevant item; leave it out"):
        recall_at_k([[1], [0]], 1)
    with pytest.raises(InputError, match="Query 0 has no relevant item"):
        average_precision([[0]])


@pytest.mark.parametrize("measure", [average_precision, lambda marks, total: ndcg_at_k(marks, 2, total)])
def test_more_marks_than_answers_are_refused(measure):
    with pytest.raises(InputError, match="Query 0 has 2 relevant items in its ranking, but 1 in all"):
        measure([[1, 1]], [1])


@pytest.mark.parametrize("measure", [recall_at_k, hit_rate_at_k, precision_at_k, ndcg_at_k])
def test_a_ranking_without_a_first_item_is_refused(measure):
    with pytest.raises(InputError, match="k is 0, expected 1 or more"):
        measure([[1, 0]], 0)
