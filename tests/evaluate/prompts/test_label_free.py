"""Weights of prompts and priors of classes without labels."""

import numpy as np
import pytest
from scipy.special import softmax as scipy_softmax

from wordsight.evaluate.prompts.label_free import (
    centre_scores,
    estimate_priors,
    match_priors,
    weighted_classes,
    zpe_scores,
    zpe_weights,
)

# two images, two templates, two classes, in a plane: cosines that can be read off
IMAGES = np.array([[1, 0], [0, 1]], np.float32)
TEMPLATES = np.array([[[1, 0], [0, 1]], [[0.6, 0.8], [0.8, 0.6]]], np.float32)


def test_zpe_scores_are_those_worked_out_by_hand():
    # template 0: cosines [[1, 0], [0, 1]], expected [.5, .5]; the best are .5 and .5
    # template 1: cosines [[.6, .8], [.8, .6]], expected [.7, .7]; the best are .1 and .1
    np.testing.assert_allclose(zpe_scores(IMAGES, TEMPLATES), [0.5, 0.1], atol=1e-6)
    # a bank of one image [1, 0]: its cosines are [1, 0] and [.6, .8]; expected [.75, .25] and [.65, .75]
    # template 0: [[.25, -.25], [-.75, .75]] → .25, .75; template 1: [[-.05, .05], [.15, -.15]] → .05, .15
    np.testing.assert_allclose(zpe_scores(IMAGES, TEMPLATES, IMAGES[:1]), [0.5, 0.1], atol=1e-6)
    bank = np.array([[0.8, 0.6]], np.float32)  # cosines [.8, .6] and [.96, 1.0]; expected [.65, .55], [.83, .85]
    # template 0: [[.35, -.55], [-.65, .45]] → .35, .45; template 1: [[-.23, -.05], [-.03, -.25]] → -.05, -.03
    np.testing.assert_allclose(zpe_scores(IMAGES, TEMPLATES, bank), [0.4, -0.04], atol=1e-6)


def test_zpe_weights_are_the_softmax_of_scaled_scores_and_draw_the_classes():
    weights = zpe_weights(np.array([0.5, 0.1]), 10.0)
    np.testing.assert_allclose(weights, scipy_softmax([5.0, 1.0]))
    expected = weights[0] * TEMPLATES[0].astype(float) + weights[1] * TEMPLATES[1].astype(float)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(weighted_classes(TEMPLATES, weights), expected, atol=1e-6)


def test_equal_weights_are_the_uniform_ensemble():
    mean = TEMPLATES.mean(axis=0)
    expected = mean / np.linalg.norm(mean, axis=1, keepdims=True)
    np.testing.assert_allclose(weighted_classes(TEMPLATES, np.array([0.5, 0.5])), expected, atol=1e-6)


def test_centred_scores_favour_no_class_on_average():
    scores = np.array([[0.3, 0.5], [0.1, 0.7]])
    np.testing.assert_allclose(centre_scores(scores), [[0.1, -0.1], [-0.1, 0.1]])


def test_priors_by_em_reach_the_fixed_point_worked_out_by_hand():
    # two images with (.8, .2) and one with (.1, .9), under equal priors. With a share s of the first class the
    # posteriors are .8s / (.2 + .6s) and .1s / (.9 - .8s); that their mean is s gives
    # 1.6 / (.2 + .6s) + .1 / (.9 - .8s) = 3, or 1.44 s² - 2.36 s + .92 = 0, whose roots are 1 and .92 / 1.44
    proba = np.array([[0.8, 0.2], [0.8, 0.2], [0.1, 0.9]])
    s = 0.92 / 1.44
    assert 1.6 / (0.2 + 0.6 * s) + 0.1 / (0.9 - 0.8 * s) == pytest.approx(3)
    priors, adjusted = estimate_priors(proba)
    np.testing.assert_allclose(priors, [s, 1 - s], atol=1e-4)
    np.testing.assert_allclose(adjusted[2, 0], 0.1 * s / (0.9 - 0.8 * s), atol=1e-4)


def test_priors_by_em_find_a_known_shift_and_gain_by_it():
    rng = np.random.default_rng(0)
    truth = np.array([0.7, 0.2, 0.1])
    labels = rng.choice(3, size=6000, p=truth)
    scores = rng.normal(size=(6000, 3)) + 1.5 * np.eye(3)[labels]
    proba = scipy_softmax(1.5 * scores, axis=1)  # the exact posterior under equal priors
    priors, adjusted = estimate_priors(proba)
    np.testing.assert_allclose(priors, truth, atol=0.03)
    assert (adjusted.argmax(axis=1) == labels).mean() > (proba.argmax(axis=1) == labels).mean() + 0.03


def test_priors_by_em_are_told_from_which_shares_the_probabilities_come():
    rng = np.random.default_rng(1)
    before, truth = np.array([0.8, 0.2]), np.array([0.3, 0.7])
    labels = rng.choice(2, size=6000, p=truth)
    scores = rng.normal(size=6000) + 1.5 * labels  # N(0, 1) against N(1.5, 1)
    odds = np.exp(1.5 * scores - 1.5**2 / 2) * before[1] / before[0]
    proba = np.stack([1 / (1 + odds), odds / (1 + odds)], axis=1)
    np.testing.assert_allclose(estimate_priors(proba, before)[0], truth, atol=0.03)


def test_priors_by_em_lose_where_probabilities_are_vaguer_than_the_answers_deserve():
    rng = np.random.default_rng(2)
    labels = rng.choice(3, size=3000, p=[0.5, 0.3, 0.2])
    scores = rng.normal(size=(3000, 3)) + 2 * np.eye(3)[labels]
    vague = scipy_softmax(0.5 * scores, axis=1)  # the posterior would be the softmax of 2 × scores
    priors, adjusted = estimate_priors(vague)
    assert priors[0] > 0.6
    assert (adjusted.argmax(axis=1) == labels).mean() < (vague.argmax(axis=1) == labels).mean() - 0.1


@pytest.mark.parametrize("priors", [None, [0.5, 0.3, 0.2]])
def test_matched_probabilities_have_the_expected_shares(priors):
    proba = scipy_softmax(3 * np.random.default_rng(0).normal(size=(50, 3)) + [2, 0, 0], axis=1)
    matched = match_priors(proba, priors and np.array(priors))
    np.testing.assert_allclose(matched.sum(axis=1), 1)
    np.testing.assert_allclose(matched.mean(axis=0), priors or [1 / 3] * 3, atol=1e-4)


def test_certain_probabilities_do_not_break_the_corrections():
    proba = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    np.testing.assert_allclose(estimate_priors(proba)[0], [2 / 3, 1 / 3], atol=1e-4)
    assert np.isfinite(match_priors(np.array([[1.0, 0.0], [1.0, 0.0]]))).all()
