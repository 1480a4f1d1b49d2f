"""Linear probe against scikit-learn, finite differences, and the paper's search."""

import warnings

import numpy as np
import pytest
from few_shots import draw_shots
from sklearn.linear_model import LogisticRegression

from wordsight.evaluate.fewshot import probe
from wordsight.evaluate.fewshot.learned import Shots


@pytest.mark.parametrize("c", [1e-4, 1.0, 1e2, 1e4])
@pytest.mark.parametrize(("classes", "each", "width"), [(2, 5, 30), (2, 40, 8), (5, 3, 40), (5, 30, 10)])
def test_coefficients_are_those_of_scikit_learn(c, classes, each, width):
    shots = draw_shots(classes, each, width)
    ours = probe.fit_path(shots, [c])[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = LogisticRegression(C=c, solver="newton-cg", tol=1e-10, max_iter=1000)
        theirs.fit(shots.image_ND.astype(np.float64), shots.label_N)
    coefficient, intercept = ours.coefficient_KD, ours.intercept_K
    if classes == 2:  # scikit-learn has one row: the second class against the first
        coefficient, intercept = coefficient[1:] - coefficient[:1], intercept[1:] - intercept[:1]
    assert np.linalg.norm(coefficient - theirs.coef_) < 1e-3 * np.linalg.norm(theirs.coef_)
    assert np.ptp(intercept - theirs.intercept_) < 1e-3 * max(1.0, np.abs(theirs.intercept_).max())


def test_a_path_ends_where_single_fits_end():
    shots = draw_shots()
    path = probe.fit_path(shots, probe.GRID[:5])
    alone = probe.fit_path(shots, [probe.GRID[4]])[0]
    assert np.allclose(path[-1].coefficient_KD, alone.coefficient_KD, atol=1e-3 * np.abs(alone.coefficient_KD).max())


def test_the_gradient_is_the_slope_of_the_loss():
    rng = np.random.default_rng(0)
    shots = draw_shots(3, 4, 5)
    weight, offset = rng.normal(size=(6, 3)), rng.normal(size=(12, 3))
    image_ND = shots.image_ND.astype(np.float64)

    def loss(value):
        return probe.probe_loss(value, image_ND, shots.one_hot_NK, 2.5, offset)[0]

    gradient = probe.probe_loss(weight, image_ND, shots.one_hot_NK, 2.5, offset)[1]
    for place in np.ndindex(weight.shape):
        step = np.zeros_like(weight)
        step[place] = 1e-6
        assert gradient[place] == pytest.approx((loss(weight + step) - loss(weight - step)) / 2e-6, abs=1e-5)


def test_the_search_finds_the_best_c_of_the_whole_grid_where_quality_has_one_peak():
    shots = draw_shots(4, 40, 20, noise=1.2)
    fitted, held = shots.hold_out()
    chosen = probe.fit_probe(shots).facts["C"]
    grid = [10 ** (step / 8 - 6) for step in range(97)]
    hits = [(s.score(shots.image_ND[held]).argmax(1) == shots.label_N[held]).sum()
            for s in probe.fit_path(shots.take(fitted), grid)]  # fmt: skip
    assert any(chosen == pytest.approx(c) for c in grid)
    assert hits[int(np.argmin(np.abs(np.log(np.array(grid) / chosen))))] >= max(hits) - 1


def test_c_is_fixed_where_no_class_has_four_images():
    assert probe.fit_probe(draw_shots(each=3)).facts == {"C": probe.FIXED_C}
    assert probe.fit_probe(draw_shots(each=8), "fixed").facts == {"C": probe.FIXED_C}


def test_the_small_sweep_tries_the_seven_values_only():
    assert probe.fit_probe(draw_shots(each=8), "grid").facts["C"] in probe.GRID


def test_with_a_strong_penalty_the_prior_probe_is_zero_shot():
    shots = draw_shots()
    found = probe.fit_prior_probe(shots, 1e-9)
    assert np.allclose(found.coefficient_KD, shots.scale * shots.class_KD, atol=1e-5)


def test_the_prior_probe_is_a_probe_whose_penalty_starts_at_zero_shot():
    """Of the text coefficients T and D what was added, D minimises C · CE(T + D) + ½‖D‖²: its gradient there is 0."""
    shots = draw_shots()
    found = probe.fit_prior_probe(shots, 5.0)
    added_KD = found.coefficient_KD - shots.scale * shots.texts_KD
    score_NK = found.score(shots.image_ND.astype(np.float64))
    proba_NK = np.exp(score_NK) / np.exp(score_NK).sum(axis=1, keepdims=True)
    gradient_KD = 5.0 * (proba_NK - shots.one_hot_NK).T @ shots.image_ND + added_KD
    assert np.abs(gradient_KD).max() < 1e-2


def test_a_constant_feature_does_not_disturb():
    shots = draw_shots()
    wider = np.column_stack([shots.image_ND, np.ones(len(shots.image_ND))])
    both = probe.fit_path(Shots(wider, shots.label_N, 4), [1.0])[0], probe.fit_path(shots, [1.0])[0]
    assert np.allclose(both[0].coefficient_KD[:, :-1], both[1].coefficient_KD, atol=1e-3)
    assert np.allclose(both[0].coefficient_KD[:, -1], 0, atol=1e-6)
