"""Estimates and measures: worked by hand, against float64 loops, scikit-learn and scipy, and by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as scipy_bootstrap
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    ndcg_score,
    recall_score,
    top_k_accuracy_score,
)

from wordsight import metrics
from wordsight.errors import InputError
from wordsight.metrics import (
    Estimate,
    average_precision,
    bootstrap_clusters,
    bootstrap_difference,
    bootstrap_hits,
    bootstrap_mean,
    bootstrap_ratio,
    bootstrap_statistic,
    bootstrap_strata,
    hit_rate_at_k,
    mark_relevant,
    measure_reliability,
    ndcg_at_k,
    precision_at_k,
    rank_labels,
    recall_at_k,
    widest_margin,
)

MARKS = np.array([[1, 0, 1, 0], [0, 1, 1, 1]], bool)


def test_an_estimate_is_shown_with_its_interval():
    share = Estimate(0.412, 0.371, 0.45, 1400)
    assert str(share) == f"{share}" == "41.2 % [37.1, 45.0] of 1,400"
    assert f"{share:.0%}" == "41 % [37, 45]"
    assert f"{share:.3f}" == "0.412 [0.371, 0.450]"
    assert f"{Estimate(-0.01, -0.02, 0.03, 9):+.2f}" == "-0.01 [-0.02, +0.03]"
    assert share.to_dict() == {"value": 0.412, "low": 0.371, "high": 0.45, "n": 1400}


def test_the_interval_of_a_mean_is_that_of_a_loop_over_resamples(monkeypatch):
    values = np.random.default_rng(3).random(57)
    rng = np.random.default_rng(0)
    means = [np.mean([values[i] for i in rng.integers(57, size=57)]) for _ in range(metrics.DRAWS)]
    seen = bootstrap_mean(values)
    assert (seen.value, seen.n) == (values.mean(), 57)
    assert (seen.low, seen.high) == pytest.approx(np.percentile(means, [2.5, 97.5]))
    monkeypatch.setattr(metrics, "_DRAWN_AT_ONCE", 100)
    assert bootstrap_mean(values) == seen  # in parts


def test_the_interval_of_a_mean_is_that_of_scipy():
    values = np.random.default_rng(1).exponential(size=200)
    theirs = scipy_bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=2).confidence_interval
    ours = bootstrap_mean(values, draws=5000)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_the_bootstrap_is_seeded_and_narrows_with_more_queries():
    values = np.random.default_rng(0).random(400)
    assert bootstrap_mean(values) == bootstrap_mean(values) != bootstrap_mean(values, seed=1)
    few, many = bootstrap_mean(values[:25]), bootstrap_mean(values)
    assert few.low < few.value < few.high
    assert many.high - many.low < (few.high - few.low) / 2
    half = 1.96 * values.std() / np.sqrt(len(values))  # the normal approximation
    assert (many.low, many.high) == pytest.approx((many.value - half, many.value + half), abs=0.01)


def test_hits_have_the_interval_of_their_resamples():
    hits = np.arange(200) < 60
    draws = np.random.default_rng(1).integers(0, 200, (4000, 200))
    low, high = np.percentile(hits[draws].mean(axis=1), [2.5, 97.5])
    seen = bootstrap_hits(hits)
    assert (seen.value, seen.n) == (0.3, 200)
    assert (seen.low, seen.high) == pytest.approx((low, high), abs=0.01)
    assert bootstrap_hits(np.ones(9)) == Estimate(1.0, 1.0, 1.0, 9)


def test_values_of_a_cluster_are_drawn_together():
    values, names = [0.0, 0.0, 1.0, 1.0, 1.0], ["a", "a", "b", "b", "b"]
    seen = bootstrap_clusters(values, names)
    assert (seen.value, seen.low, seen.high, seen.n) == (0.6, 0.0, 1.0, 5)  # often all are of one cluster
    numbers = np.random.default_rng(0).random(90)
    alone = bootstrap_clusters(numbers, range(90))
    plain = bootstrap_mean(numbers)
    assert (alone.low, alone.high) == pytest.approx((plain.low, plain.high))
    copies, image = np.repeat(numbers, 5), np.repeat(np.arange(90), 5).tolist()  # five captions say nothing new
    five = bootstrap_clusters(copies, image)
    assert (five.value, five.low, five.high) == pytest.approx((alone.value, alone.low, alone.high))
    naive = bootstrap_mean(copies)
    assert naive.high - naive.low < 0.6 * (five.high - five.low)


def test_strata_count_alike_and_are_resampled_within():
    seen = bootstrap_strata([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"])
    assert seen == Estimate(0.5, 0.5, 0.5, 4)
    rng = np.random.default_rng(0)
    label, guess = rng.integers(5, size=300), rng.integers(5, size=300)
    assert bootstrap_strata(label == guess, label.tolist()).value == pytest.approx(
        balanced_accuracy_score(label, guess)
    )


def test_a_difference_of_the_same_queries_is_surer_than_its_sides():
    rng = np.random.default_rng(0)
    before = rng.random(200)
    after = before + 0.02 + 0.01 * rng.normal(size=200)
    gain = bootstrap_difference(before, after)
    assert gain == bootstrap_mean(after - before)
    assert 0.015 < gain.low < gain.value < gain.high < 0.025
    assert bootstrap_mean(after).low < bootstrap_mean(before).high


def test_a_ratio_is_that_of_resampled_images():
    rng = np.random.default_rng(0)
    before = rng.random(300) < 0.7
    after = np.where(rng.random(300) < 0.9, before, rng.random(300) < 0.3)
    drawn = rng.integers(300, size=(4000, 300))
    ratios = after[drawn].mean(axis=1) / before[drawn].mean(axis=1)
    seen = bootstrap_ratio(before, after)
    assert seen.value == pytest.approx(after.mean() / before.mean())
    assert (seen.low, seen.high) == pytest.approx(np.percentile(ratios, [2.5, 97.5]), abs=0.015)


def test_any_statistic_of_rows_or_of_clusters():
    ranks = np.array([1, 2, 2, 3, 90])
    median = bootstrap_statistic(lambda rows: float(np.median(ranks[rows])), 5)
    assert (median.value, median.n) == (2.0, 5)
    assert median.low == 1.0
    values, image = np.random.default_rng(0).random(60), [i // 3 for i in range(60)]
    same = bootstrap_statistic(lambda rows: float(values[rows].mean()), 60, image)
    other = bootstrap_clusters(values, image)
    assert (same.value, same.low, same.high) == pytest.approx((other.value, other.low, other.high))


@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_hold_the_truth_95_times_of_100(clustered):
    rng = np.random.default_rng(0)
    held = 0
    for seed in range(1000):
        image_of = np.repeat(np.arange(80), 3)
        values = rng.normal(size=80)[image_of] + rng.normal(size=240)
        if clustered:
            seen = bootstrap_clusters(values, image_of.tolist(), seed=seed, draws=500)
        else:
            seen = bootstrap_mean(values[::3], seed=seed, draws=500)
        held += seen.low <= 0 <= seen.high
    assert 0.925 <= held / 1000 <= 0.965


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_mean([]), "nothing to measure: no image or query is left"),
        (lambda: bootstrap_hits(np.zeros(0)), "nothing to measure"),
        (lambda: bootstrap_statistic(len, 0), "nothing to measure"),
        (lambda: bootstrap_difference([1.0], [1.0, 0.0]), r"There are 1 and 2 values; expected two of each image"),
        (lambda: bootstrap_ratio([0, 0], [1, 0]), "None of the 2 images was a hit before; a ratio needs one at least"),
        (lambda: bootstrap_clusters([1.0], "ab"), "There are 1 values and 2 names of their groups"),
        (lambda: recall_at_k([[1], [0]], 1), "Query 1 has no relevant item; leave it out"),
        (lambda: average_precision([[0]]), "Query 0 has no relevant item"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_the_widest_margin_is_that_of_a_share_of_a_half():
    assert widest_margin(100) == pytest.approx(1.96 * math.sqrt(0.5 * 0.5 / 100))
    assert widest_margin(0) <= 1
    seen = bootstrap_hits(np.arange(400) % 2)
    assert (seen.high - seen.low) / 2 == pytest.approx(widest_margin(400), abs=0.005)


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


def test_ranks_of_labels_give_the_accuracy_of_scikit_learn():
    rng = np.random.default_rng(0)
    scores, labels = rng.random((200, 7)), rng.integers(7, size=200)
    ranks = rank_labels(scores, labels)
    for k in (1, 3, 5):
        assert (ranks < k).mean() == pytest.approx(top_k_accuracy_score(labels, scores, k=k))
    assert ((ranks < 1) == (scores.argmax(axis=1) == labels)).all()


def test_of_equal_scores_the_lower_class_comes_first():
    assert rank_labels([[1.0, 1.0, 0.0]] * 3, [0, 1, 2]).tolist() == [0, 1, 2]
    assert rank_labels([[np.nan, 1.0]], [1]).tolist() == [1]
    assert rank_labels([[np.nan, 1.0]], [0]).tolist() != [0]  # not a number is not a hit


@pytest.mark.parametrize(("binning", "strategy"), [("equal_mass", "quantile"), ("equal_width", "uniform")])
def test_reliability_is_that_of_scikit_learn(binning, strategy):
    rng = np.random.default_rng(0)
    confidence = rng.beta(3, 2, size=500)
    hits = rng.random(500) < confidence**2
    table = measure_reliability(confidence, hits, 10, binning=binning)
    accuracy, mean = calibration_curve(hits, confidence, n_bins=10, strategy=strategy)
    assert table.accuracy_B == pytest.approx(accuracy)
    assert table.confidence_B == pytest.approx(mean)
    assert table.weight_B.sum() == 500
    assert table.error == pytest.approx(sum(table.weight_B * abs(accuracy - mean)) / 500)


def test_calibration_by_hand():
    table = measure_reliability([0.9, 0.9, 0.5, 0.5], [1, 1, 1, 0], 2)
    assert table.weight_B.tolist() == [2, 2]
    assert table.accuracy_B.tolist() == [0.5, 1.0]
    assert table.error == pytest.approx(0.05)
    same = measure_reliability([0.7] * 10, [1] * 7 + [0] * 3)
    assert (same.weight_B.tolist(), same.error) == ([10], pytest.approx(0))


def test_a_prediction_of_weight_two_counts_as_two():
    rng = np.random.default_rng(0)
    confidence, hits, weight = rng.random(60), rng.random(60) < 0.5, rng.integers(1, 4, size=60)
    once = measure_reliability(confidence, hits, 5, weight_N=weight)
    often = measure_reliability(np.repeat(confidence, weight), np.repeat(hits, weight), 5)
    assert once.weight_B.tolist() == often.weight_B.tolist()
    assert once.error == pytest.approx(often.error)
