"""Templates by themselves, their ensemble, and fewer of them."""

import numpy as np
import pytest

from wordsight.errors import InputError
from wordsight.evaluate.folds import assign_folds
from wordsight.evaluate.prompts.pruning import prune_templates
from wordsight.evaluate.prompts.templates_scored import score_templates
from wordsight.zeroshot.class_embeddings import normalise_rows

K, D, N = 4, 16, 200


def draw(noise, seed=0):
    """Images around the class directions, and templates that blur these by so much each."""
    rng = np.random.default_rng(seed)
    truth_KD = normalise_rows(rng.normal(size=(K, D)))
    label_N = np.arange(N) % K
    image_ND = normalise_rows(truth_KD[label_N] + 0.4 * rng.normal(size=(N, D)))
    vectors_TKD = np.stack([normalise_rows(truth_KD + each * rng.normal(size=(K, D))) for each in noise])
    return image_ND, label_N, vectors_TKD


def accuracy(image_ND, label_N, class_KD):
    """Accuracy by a loop in double precision."""
    right = 0
    for image, label in zip(image_ND.astype(np.float64), label_N, strict=True):
        right += int(np.argmax([image @ row for row in class_KD.astype(np.float64)])) == label
    return right / len(label_N)


def test_each_template_and_the_ensemble_have_the_accuracy_of_a_loop():
    image_ND, label_N, vectors_TKD = draw([0.2, 0.5, 1.0])
    scores = score_templates(image_ND, label_N, ("a", "b", "c"), vectors_TKD)
    for score, vectors_KD in zip(scores.each, vectors_TKD, strict=True):
        assert score.alone.value == pytest.approx(accuracy(image_ND, label_N, vectors_KD))
    whole = normalise_rows(vectors_TKD.astype(np.float64).mean(axis=0))
    assert scores.ensemble.value == pytest.approx(accuracy(image_ND, label_N, whole))
    without = normalise_rows(vectors_TKD[:2].astype(np.float64).mean(axis=0))
    gain = scores.ensemble.value - accuracy(image_ND, label_N, without)
    assert scores.each[2].contribution.value == pytest.approx(gain)
    mean = np.mean([score.alone.value for score in scores.each])
    assert scores.gain.value == pytest.approx(scores.ensemble.value - mean)


def test_a_template_that_misleads_is_said_to_hurt():
    image_ND, label_N, vectors_TKD = draw([0.1, 0.1])
    misleading_KD = -2 * vectors_TKD[0] + 0.1 * vectors_TKD[1][::-1]
    scores = score_templates(image_ND, label_N, ("a", "b", "not"), np.stack([*vectors_TKD, misleading_KD]))
    assert [score.hurts for score in scores.each] == [False, False, True]
    assert scores.to_dict()["templates"][2]["hurts"]


def test_templates_that_agree_dispute_no_image():
    image_ND, label_N, vectors_TKD = draw([0.1])
    scores = score_templates(image_ND, label_N, ("a", "b"), np.concatenate([vectors_TKD, vectors_TKD]))
    assert scores.disputed.value == 0
    assert scores.gain.value == 0


def test_a_single_template_contributes_nothing_that_can_be_told():
    image_ND, label_N, vectors_TKD = draw([0.1])
    (only,) = score_templates(image_ND, label_N, ("a",), vectors_TKD).each
    assert only.contribution is None
    assert not only.hurts


@pytest.mark.parametrize("how", ["greedy", "rank"])
def test_pruning_keeps_what_helps_and_gains_on_images_it_has_not_seen(how):
    image_ND, label_N, vectors_TKD = draw([0.1, 3, 3, 3, 3, 3])
    pruned = prune_templates(image_ND, label_N, tuple("abcdef"), vectors_TKD, how=how)
    assert pruned.kept[0] == "a"
    assert pruned.gain.low > 0
    assert pruned.to_dict()["kept"] == list(pruned.kept)


@pytest.mark.parametrize("how", ["greedy", "rank"])
def test_the_gain_of_choosing_among_equals_is_seen_only_on_the_images_of_the_choice(how):
    seen, held = [], []
    for seed in range(12):
        image_ND, label_N, vectors_TKD = draw([1.5] * 12, seed)
        pruned = prune_templates(image_ND[:40], label_N[:40], tuple("abcdefghijkl"), vectors_TKD, how=how, seed=seed)
        seen.append(pruned.seen_gain)
        held.append(pruned.gain.value)
    assert np.mean(seen) > np.mean(held) + 0.03


def test_folds_share_the_images_of_each_class_evenly():
    label_N = np.repeat([0, 1, 2], [50, 25, 10])
    fold_N = assign_folds(label_N, 5, 7)
    for label in range(3):
        counts = np.bincount(fold_N[label_N == label], minlength=5)
        assert counts.max() - counts.min() <= 1
    np.testing.assert_array_equal(fold_N, assign_folds(label_N, 5, 7))


@pytest.mark.parametrize(
    ("count", "images", "options", "message"),
    [
        (2, N, {"how": "best"}, "The pruning is 'best', expected one of: greedy, rank"),
        (2, N, {"folds": 1}, "folds is 1, expected a whole number, 2 or more"),
        (1, N, {}, "There is one template only, so none can be left out"),
        (2, 3, {}, "There are 3 images, fewer than the 5 folds"),
    ],
)
def test_what_cannot_be_pruned_is_refused(count, images, options, message):
    image_ND, label_N, vectors_TKD = draw([0.1] * count)
    with pytest.raises(InputError, match=message):
        prune_templates(image_ND[:images], label_N[:images], tuple("ab"[:count]), vectors_TKD, **options)
