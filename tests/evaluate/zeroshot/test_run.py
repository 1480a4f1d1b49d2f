"""Zero-shot predictions: templates that are chosen, scores that are kept, what is refused."""

import numpy as np
import pytest
from colour_model import COLOURS, ColourModel

from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.zeroshot.run import run_zero_shot
from wordsight.evaluate.zeroshot.summary import score_matrix
from wordsight.zeroshot.class_embeddings import embed_classes
from wordsight.zeroshot.logistic import softmax


class Model(ColourModel):
    name = "colour"


def colours(classnames=COLOURS, labels=None, **fields):
    images = [np.full((8, 8, 3), 255 * np.eye(3, dtype=np.uint8)[i % 3], np.uint8) for i in range(6)]
    labels = np.arange(6) % 3 if labels is None else labels
    return LabelledSet("colours", images, tuple("abcdef"), labels, tuple(classnames), **fields)


def test_scores_are_the_softmax_of_scaled_cosines():
    model, data = Model(scale=20.0), colours()
    predictions = run_zero_shot(model, data, cache=False).predictions
    classes_KD = embed_classes(model, {name: (name,) for name in COLOURS}, ["a photo of a {}."], cache=False)
    logits_NK = 20.0 * (model.embed_images(data.images) @ classes_KD.T).astype(float)
    np.testing.assert_allclose(score_matrix(predictions), softmax(logits_NK), rtol=1e-6)
    assert predictions.hits.all()


def test_scores_of_several_labels_are_cosines_of_all_classes():
    labels = np.eye(3, dtype=bool)[np.arange(6) % 3]
    predictions = run_zero_shot(Model(), colours(labels=labels), cache=False).predictions
    assert predictions.top.shape == (6, 3)
    assert (np.abs(predictions.score) <= 1).all()
    assert predictions.score.sum(axis=1) != pytest.approx(1)


@pytest.mark.parametrize(
    ("own", "asked", "used"),
    [
        ((), None, ("a photo of a {}.",)),
        (("a {} square.",), None, ("a {} square.",)),
        (("a {} square.",), "plain", ("{}",)),
        (("a {} square.",), ["{}!", "{}?"], ("{}!", "{}?")),
    ],
)
def test_templates_that_are_asked_for_go_before_those_of_the_set(own, asked, used):
    run = run_zero_shot(Model(), colours(templates=own), templates=asked, cache=False)
    assert run.predictions.origin.templates == used


def test_an_unreadable_image_leaves_the_others_in_place():
    data = colours()
    data.images[1] = b"no image"
    run = run_zero_shot(Model(), data, cache=False)
    assert run.predictions.keys == ("a", "c", "d", "e", "f")
    assert run.predictions.hits.all()
    assert len(run.features.skipped) == 1


def test_two_classes_of_one_name_are_both_scored():
    predictions = run_zero_shot(Model(), colours(["red", "green", "green"]), cache=False).predictions
    assert predictions.top.shape == (6, 3)


def test_one_class_is_nothing_to_choose_from():
    with pytest.raises(InputError, match="has only the class 'red'; zero-shot classification chooses between two"):
        run_zero_shot(Model(), colours(["red"], np.zeros(6, int)))
