"""Few-shot methods against scikit-learn, hand-written loops, and what their papers claim."""

import itertools
import math

import numpy as np
import pytest
from few_shots import draw_shots
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.neighbors import NearestCentroid

from wordsight.errors import InputError
from wordsight.evaluate.fewshot import closed_form, descent, tip_adapter
from wordsight.evaluate.fewshot.learned import LinearScorer, Shots
from wordsight.evaluate.fewshot.methods import DEFAULT, METHODS, NO_VALIDATION, PUBLISHED, find_method, fit_method

OTHERS = draw_shots(each=10, seed=0).image_ND


def shrink(centred_ND):
    """Covariance of 2402.04087 with the factor of `fit_discriminants`: ((N - 1) S + tr(S) I) / (N - 1 + D)."""
    count, width = centred_ND.shape
    scatter_DD = centred_ND.T @ centred_ND
    trace = np.trace(scatter_DD) / (count - 1)
    return (scatter_DD + trace * np.eye(width)) / (count - 1 + width)


class Known:
    """Estimator for scikit-learn of a covariance that is known: its own formula of the scores is the oracle."""

    def __init__(self, covariance_DD):
        self.covariance_ = covariance_DD

    def fit(self, _):
        return self


@pytest.mark.parametrize(("each", "width"), [(2, 30), (30, 6)])
def test_discriminants_are_those_of_scikit_learn(each, width):
    shots = draw_shots(3, each, width)
    image_ND = shots.image_ND.astype(np.float64)
    found = closed_form.fit_discriminants(shots)
    known = Known(shrink(image_ND - shots.mean_KD[shots.label_N]))
    theirs = LinearDiscriminantAnalysis(solver="lsqr", priors=[1 / 3] * 3, covariance_estimator=known)
    theirs.fit(image_ND, shots.label_N)
    ours_NK = found.score(image_ND)
    theirs_NK = theirs.decision_function(image_ND)
    assert np.allclose(ours_NK - ours_NK[:, :1], theirs_NK - theirs_NK[:, :1], rtol=1e-5, atol=1e-5)


def test_the_nearest_mean_is_that_of_scikit_learn():
    shots = draw_shots(noise=1.5)
    found = closed_form.fit_nearest_mean(shots).score(OTHERS).argmax(axis=1)
    theirs = NearestCentroid().fit(shots.image_ND, shots.label_N)
    assert (found == theirs.predict(OTHERS)).all()


def test_with_one_image_a_class_discriminants_are_the_nearest_mean():
    shots = draw_shots(each=1)
    discriminants = closed_form.fit_discriminants(shots).score(OTHERS)
    assert (discriminants.argmax(1) == closed_form.fit_nearest_mean(shots).score(OTHERS).argmax(1)).all()


def test_gda_with_alpha_zero_is_zero_shot():
    shots = draw_shots()
    found = closed_form.fit_gda_fixed(shots, 0.0)
    assert np.allclose(found.score(OTHERS), shots.scale * OTHERS @ shots.class_KD.T, atol=1e-4)


def test_gda_trusts_the_images_more_where_the_texts_are_wrong():
    shots = draw_shots(each=8, noise=0.5)
    wrong = Shots(shots.image_ND, shots.label_N, 4, shots.class_KD[[1, 2, 3, 0]], shots.scale)
    assert closed_form.fit_gda(wrong).facts["alpha"] > closed_form.fit_gda(shots).facts["alpha"]


def test_tip_adapter_scores_as_a_loop_over_the_paper_s_formula():
    shots = draw_shots(3, 2, 5)
    found = tip_adapter.start_tip(shots).score(OTHERS[:4, :5])
    for i, image in enumerate(OTHERS[:4, :5].astype(np.float64)):
        for k in range(3):
            score = shots.scale * sum(float(a) * float(b) for a, b in zip(image, shots.class_KD[k], strict=True))
            for key, label in zip(shots.image_ND, shots.label_N, strict=True):
                if label == k:
                    cosine = sum(float(a) * float(b) for a, b in zip(image, key, strict=True))
                    score += tip_adapter.ALPHA * math.exp(-tip_adapter.BETA * (1 - cosine))
            assert found[i, k] == pytest.approx(score, rel=1e-5)


def test_tip_adapter_f_lowers_the_loss_of_its_shots_epoch_by_epoch():
    shots = draw_shots(noise=1.0)
    losses = [cross_entropy(scorer, shots) for scorer in tip_adapter.train_keys(shots)]
    assert all(after < before for before, after in itertools.pairwise(losses))


def test_the_slope_of_the_keys_is_that_of_the_loss():
    shots = draw_shots(3, 2, 5)
    start = tip_adapter.start_tip(shots)
    slope_ND = tip_adapter.key_slope(start, shots, np.arange(6))
    for place in [(0, 0), (3, 2), (5, 4)]:
        moved = [start.key_ND.copy() for _ in range(2)]
        moved[0][place] += 1e-6
        moved[1][place] -= 1e-6
        high, low = (cross_entropy(tip_adapter.TipScorer(key_ND, start.value_NK, start.text_KD, start.scale), shots)
                     for key_ND in moved)  # fmt: skip
        assert slope_ND[place] == pytest.approx((high - low) / 2e-6, abs=1e-6)


def test_clap_stays_nearer_to_zero_shot_than_the_unconstrained_probe():
    shots = draw_shots(noise=1.5)
    text_KD = shots.scale * shots.class_KD
    near, far = (np.linalg.norm(fit(shots).coefficient_KD - text_KD)
                 for fit in (descent.fit_clap, descent.fit_zero_shot_start))  # fmt: skip
    assert near < far


def test_clap_s_multipliers_are_the_zero_shot_probabilities_of_the_shots():
    """Two classes at right angles, images on their embeddings: the own class has probability σ(scale)."""
    shots = Shots(np.eye(2), np.array([0, 1]), 2, np.eye(2), scale=3.0)
    assert descent.fit_clap(shots).facts["mean_multiplier"] == pytest.approx(1 / (1 + math.exp(-3)))


def test_lp_plus_lowers_the_loss_of_its_start():
    shots = draw_shots(noise=1.5)
    assert cross_entropy(descent.fit_lp_plus(shots), shots) < cross_entropy(closed_form.fit_nearest_mean(shots), shots)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_learns_what_the_texts_do_not_know(name):
    shots = draw_shots(4, 8, 12, noise=0.15)
    found = METHODS[name].fit(shots)
    score_NK = found.score(shots.image_ND)
    assert score_NK.shape == (32, 4)
    assert np.isfinite(score_NK).all()
    assert (score_NK.argmax(axis=1) == shots.label_N).mean() > 0.9
    assert isinstance(found, LinearScorer) == METHODS[name].is_linear


@pytest.mark.parametrize("name", METHODS)
def test_every_method_gives_the_same_answer_twice(name):
    first, second = (METHODS[name].fit(draw_shots()).score(OTHERS) for _ in range(2))
    assert (first == second).all()


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if method.needs_texts])
def test_methods_that_start_from_texts_say_so_where_there_are_none(name):
    with pytest.raises(InputError, match="no text embeddings, which this method starts from; use 'probe'"):
        METHODS[name].fit(draw_shots(texts=False))


@pytest.mark.parametrize("name", [name for name, method in METHODS.items() if not method.needs_texts])
def test_methods_of_images_alone_do_not_look_at_texts(name):
    assert (
        METHODS[name].fit(draw_shots(texts=False)).coefficient_KD == METHODS[name].fit(draw_shots()).coefficient_KD
    ).all()


@pytest.mark.parametrize("name", METHODS)
def test_labels_of_the_test_images_do_not_change_what_is_learnt(name):
    shots = draw_shots()
    label_M = np.zeros(len(OTHERS), np.int64)
    first, second = (fit_method(name, shots, OTHERS, labels).score(OTHERS) for labels in (label_M, label_M + 1))
    assert (first == second).all()


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_protocols_look_at_the_test_labels_and_gain_by_it(name):
    shots, test = draw_shots(noise=2.0, each=4), draw_shots(noise=2.0, each=30, seed=0)
    published = fit_method(name, shots, test.image_ND, test.label_N)
    honest = fit_method(PUBLISHED[name].honest, shots, test.image_ND, test.label_N)
    hits = [(scorer.score(test.image_ND).argmax(1) == test.label_N).sum() for scorer in (published, honest)]
    assert hits[0] >= hits[1]


def test_the_default_needs_no_validation():
    assert METHODS[DEFAULT].protocol == NO_VALIDATION


def test_an_unknown_method_is_refused_with_the_closest():
    with pytest.raises(InputError, match="tip-adapter"):
        find_method("tip-adaptor")


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([0, 0, 0], 1, "There is 1 class, so there is nothing to tell apart"),
        ([0, 0, 2], 3, r"1 of the 3 classes have no image to learn from \(the first is number 1\)"),
        ([0, 1, 3], 3, "not all 0 to 2"),
        ([0, 1], 2, "3 features and 2 labels"),
    ],
)
def test_shots_that_cannot_be_learnt_from_are_refused(labels, classes, message):
    with pytest.raises(InputError, match=message):
        Shots(np.eye(3), np.array(labels), classes)


def test_class_embeddings_of_another_model_are_refused():
    with pytest.raises(InputError, match=r"shape \(2, 4\), expected \(2, 3\)"):
        Shots(np.eye(3), np.array([0, 1, 1]), 2, np.zeros((2, 4)))


def cross_entropy(scorer, shots):
    """Mean cross-entropy of a scorer on shots."""
    score_NK = scorer.score(shots.image_ND.astype(np.float64))
    top_N = score_NK.max(axis=1)
    own_N = score_NK[np.arange(len(score_NK)), shots.label_N]
    return float((np.log(np.exp(score_NK - top_N[:, None]).sum(axis=1)) + top_N - own_N).mean())
