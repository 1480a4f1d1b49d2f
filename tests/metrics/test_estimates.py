"""Estimates: worked by hand, against float64 loops and scipy, and by simulation."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import norm, sem
from scipy.stats import t as student
from sklearn.metrics import balanced_accuracy_score

from wordsight.errors import InputError
from wordsight.metrics import (
    Estimate,
    bootstrap_clusters,
    bootstrap_difference,
    bootstrap_mean,
    bootstrap_ratio,
    bootstrap_statistic,
    bootstrap_strata,
    estimate_share,
    estimates,
    widest_margin,
)


def test_an_estimate_is_shown_with_its_interval():
    share = Estimate(0.412, 0.371, 0.45, 1400)
    assert str(share) == f"{share}" == "41.2 % [37.1, 45.0] of 1,400"
    assert f"{share:.0%}" == "41 % [37, 45]"
    assert f"{share:.3f}" == "0.412 [0.371, 0.450]"
    assert f"{Estimate(-0.01, -0.02, 0.03, 9):+.2f}" == "-0.01 [-0.02, +0.03]"
    assert share.to_dict() == {"value": 0.412, "low": 0.371, "high": 0.45, "n": 1400}


@pytest.mark.parametrize("n", [8, 20, 57])
def test_the_interval_of_a_mean_of_few_images_is_students(n):
    """Of values that are normal quantiles, as regular as a sample can be, it should be exact."""
    values = norm.ppf((np.arange(n) + 0.5) / n)
    low, high = student.interval(0.95, n - 1, values.mean(), sem(values))
    seen = bootstrap_mean(values, draws=20_000)
    assert (seen.value, seen.n) == (pytest.approx(0), n)
    assert (seen.low, seen.high) == pytest.approx((low, high), rel=0.04)
    percentiles = scipy_bootstrap((values,), np.mean, method="percentile", rng=2).confidence_interval
    assert seen.high - seen.low > (1 + 1 / n) * (percentiles.high - percentiles.low)


def test_resamples_that_are_drawn_in_parts_are_the_same(monkeypatch):
    values = np.random.default_rng(3).random(57)
    at_once = bootstrap_mean(values)
    monkeypatch.setattr(estimates, "_DRAWN_AT_ONCE", 100)
    assert bootstrap_mean(values) == at_once


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


def test_the_quantile_of_students_t_is_that_of_scipy():
    for freedom in (3, 5, 20, 300):
        assert estimates.t_quantile(freedom) == pytest.approx(student.ppf(0.975, freedom), rel=0.002)
        assert estimates.t_quantile(freedom, 0.8) == pytest.approx(student.ppf(0.9, freedom), rel=0.002)


def test_of_two_and_three_images_the_quantile_is_exact():
    for freedom in (1, 2):
        assert estimates.t_quantile(freedom) == pytest.approx(student.ppf(0.975, freedom))
    for freedom in (1.1, 1.4, 1.7, 2.2, 2.6, 2.9):  # as Satterthwaite's approximation gives them
        assert estimates.t_quantile(freedom) == pytest.approx(student.ppf(0.975, freedom), rel=0.004)


def test_intervals_looked_at_together_are_widened():
    seen = Estimate(0.5, 0.4, 0.7, 9).widen(5)
    factor = norm.ppf(0.995) / norm.ppf(0.975)
    assert (seen.value, seen.n) == (0.5, 9)
    assert (seen.low, seen.high) == pytest.approx((0.5 - 0.1 * factor, 0.5 + 0.2 * factor))
    assert Estimate(0.5, 0.4, 0.7, 9).widen(1) == Estimate(0.5, pytest.approx(0.4), pytest.approx(0.7), 9)


def test_the_interval_of_five_images_is_wider_than_its_percentiles():
    values = np.random.default_rng(0).normal(size=5)
    means = values[np.random.default_rng(0).integers(5, size=(4000, 5))].mean(axis=1)
    seen = bootstrap_mean(values)
    assert seen.high - seen.low > 1.3 * np.diff(np.percentile(means, [2.5, 97.5]))[0]
    assert bootstrap_mean([0.5]) == Estimate(0.5, 0.5, 0.5, 1)  # nothing tells how one varies


def test_a_difference_is_resampled_by_clusters_or_strata_where_they_are_named():
    rng = np.random.default_rng(0)
    before, after, group = rng.random(60), rng.random(60), [i // 4 for i in range(60)]
    assert bootstrap_difference(before, after, cluster_N=group) == bootstrap_clusters(after - before, group)
    assert bootstrap_difference(before, after, stratum_N=group) == bootstrap_strata(after - before, group)


# Samples are drawn and measured 2,000 times by `make test-slow`, and in full by benchmarks/interval_coverage.py.
RUNS = [500, pytest.param(2000, marks=pytest.mark.slow)]


@pytest.mark.parametrize("runs", RUNS)
@pytest.mark.parametrize(
    "case", ["plain", "twenty images", "clustered", "paired", "paired and clustered", "five images a class"]
)
def test_intervals_hold_the_truth_95_times_of_100(case, runs):
    held = 0
    truth = 4.5 if case == "five images a class" else 0.0
    for run in range(runs):
        seen = measure_sample(case, np.random.default_rng([2, run]), run)
        held += seen.low <= truth <= seen.high
    chance = 2.5 * np.sqrt(0.95 * 0.05 / runs)  # 1.2 % of 2,000 runs
    assert held / runs == pytest.approx(0.95, abs=chance)


def measure_sample(case, rng, seed):
    """Estimate from a sample of images whose mean is 0, or whose mean over ten classes of means 0 to 9 is 4.5."""
    cluster = np.repeat(np.arange(40), 3)
    if case == "plain":
        return bootstrap_mean(rng.normal(size=80), seed=seed)
    if case == "twenty images":
        return bootstrap_mean(rng.normal(size=20), seed=seed)
    if case == "clustered":
        values = rng.normal(size=40)[cluster] + rng.normal(size=120)
        return bootstrap_clusters(values, cluster.tolist(), seed=seed)
    if case == "paired":
        before = rng.normal(size=60)
        return bootstrap_difference(before, before + rng.normal(size=60), seed=seed)
    if case == "paired and clustered":
        after = rng.normal(size=40)[cluster] + rng.normal(size=120)
        return bootstrap_difference(rng.normal(size=120), after, cluster_N=cluster.tolist(), seed=seed)
    label = np.repeat(np.arange(10), 5)
    return bootstrap_strata(label + rng.normal(size=50), label.tolist(), seed=seed)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_mean([]), "nothing to measure: no image or query is left"),
        (lambda: bootstrap_mean([1.0, np.inf]), "1 of the 2 values are not finite; leave these images out"),
        (lambda: bootstrap_ratio([1, np.nan], [1, 0]), "1 of the 2 values are not finite"),
        (lambda: bootstrap_ratio([1, 0.5], [1, 0]), "neither 0 nor 1; expected hits"),
        (lambda: bootstrap_mean([[1.0]]), r"have the shape \(1, 1\); expected 1 dimension\."),
        (lambda: bootstrap_statistic(len, 0), "nothing to measure"),
        (lambda: bootstrap_difference([1.0], [1.0, 0.0]), r"There are 1 and 2 values; expected two of each image"),
        (lambda: bootstrap_ratio([0, 0], [1, 0]), "None of the 2 images was a hit before; a ratio needs one at least"),
        (
            lambda: bootstrap_difference([1.0], [1.0], cluster_N="a", stratum_N="a"),
            "Both clusters and strata are given",
        ),
        (lambda: bootstrap_clusters([1.0], "ab"), "There are 1 values and 2 names of their groups"),
    ],
)
def test_what_cannot_be_measured_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_the_widest_margin_is_that_of_a_share_of_a_half():
    assert widest_margin(100) == pytest.approx(1.96 * math.sqrt(0.5 * 0.5 / 100))
    assert widest_margin(0) <= 1
    seen = estimate_share(np.arange(400) % 2)
    assert (seen.high - seen.low) / 2 == pytest.approx(widest_margin(400), abs=0.005)
