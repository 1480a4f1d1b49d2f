"""Intervals of values that seeds and images decide at once."""

import numpy as np
import pytest
from scipy import stats

from wordsight.errors import InputError
from wordsight.metrics import estimate_crossed, estimate_gain, estimate_runs, estimate_runs_gain, estimate_share


@pytest.mark.parametrize(("of_seed", "of_image", "of_both"), [(1, 1, 1), (0.1, 1, 1), (1, 0.1, 1), (0.3, 0.3, 0.0)])
def test_intervals_hold_the_mean_in_95_of_100_cases(of_seed, of_image, of_both):
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        values = of_seed * rng.normal(size=(5, 1)) + of_image * rng.normal(size=50) + of_both * rng.normal(size=(5, 50))
        seen = estimate_crossed(values)
        held += seen.low <= 0 <= seen.high
    assert 0.92 <= held / 1000 <= 0.97  # 95 % ± 2 standard errors, and the approximation of the degrees of freedom


def test_of_a_single_seed_it_is_students_interval_over_images():
    values = np.random.default_rng(0).normal(size=30)
    seen = estimate_crossed(values[None])
    low, high = stats.t.interval(0.95, 29, values.mean(), stats.sem(values))
    assert (seen.low, seen.high) == pytest.approx((low, high), rel=1e-3)
    assert seen.n == 30


def test_values_that_never_differ_have_an_empty_interval():
    seen = estimate_crossed(np.full((3, 4), 0.5))
    assert (seen.low, seen.value, seen.high) == (0.5, 0.5, 0.5)


def test_a_single_image_is_refused():
    with pytest.raises(InputError, match="There are 1 images and 3 seeds"):
        estimate_crossed(np.zeros((3, 1)))


@pytest.mark.parametrize("share", [0.6, 0.95])
def test_shares_of_five_seeds_are_held_95_times_of_100_or_more(share):
    rng = np.random.default_rng(0)
    held = {"share": 0, "gain": 0}
    for _ in range(600):
        limit_SN = norm_of(share) + 0.1 * rng.normal(size=(5, 1)) + 0.9 * rng.normal(size=100)
        hits = (limit_SN + 0.4 * rng.normal(size=(5, 100)) > 0) * 1.0
        true = stats.norm.cdf(norm_of(share) / np.sqrt(0.01 + 0.81 + 0.16))
        seen = estimate_runs(hits)
        held["share"] += seen.low <= true <= seen.high
        gain = estimate_runs_gain(rng.random(100) < 0.5, hits)
        held["gain"] += gain.low <= true - 0.5 <= gain.high
    assert 0.93 <= held["share"] / 600 <= 0.99
    assert 0.93 <= held["gain"] / 600 <= 0.97


def norm_of(share):
    return stats.norm.ppf(share)


def test_runs_that_agree_are_one():
    rng = np.random.default_rng(0)
    hits, base = rng.random(50) < 0.9, rng.random(50) < 0.7
    assert estimate_runs(hits) == estimate_runs([hits] * 3) == estimate_share(hits)
    assert estimate_runs(np.ones((3, 20))) == estimate_share(np.ones(20))  # not an empty interval
    assert estimate_runs_gain(base, hits) == estimate_runs_gain(base, [hits] * 3) == estimate_gain(base, hits)


def test_a_single_miss_of_a_single_run_does_not_make_sure():
    hits = np.ones((5, 12))
    alike, alike_gain = estimate_runs(hits), estimate_runs_gain(hits[0], hits)
    hits[0, 0] = 0
    seen, gain = estimate_runs(hits), estimate_runs_gain(hits[1], hits)
    assert seen.value == pytest.approx(59 / 60)
    assert seen.low < alike.low + 0.02
    assert seen.high <= 1.0
    assert gain.low < alike_gain.low + 0.02 < 0 < gain.high
