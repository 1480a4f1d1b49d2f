"""Intervals of values that seeds and images decide at once."""

import numpy as np
import pytest
from scipy import stats

from wordsight.errors import InputError
from wordsight.metrics import estimate_crossed


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
