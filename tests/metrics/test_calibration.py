"""Calibration: against scikit-learn and worked by hand."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from wordsight.metrics import measure_reliability


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
