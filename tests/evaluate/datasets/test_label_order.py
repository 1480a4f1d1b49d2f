"""Names in another order than the labels: found where they are, not where a model is merely bad."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest

import wordsight
from wordsight.errors import InputError
from wordsight.evaluate.datasets.label_order import check_label_order
from wordsight.evaluate.datasets.opening import open_set
from wordsight.metrics import confusion_matrix
from wordsight.zeroshot.classifier import Classifier

NAMES = ("ant", "bee", "cat", "dog", "eel", "fox")


def confuse(order, *, per_class=20, accuracy=0.7, seed=0):
    """Confusion of a model that is right with a probability, where label i is called NAMES[order[i]].

    What label i shows is NAMES[i]; the class that is called so is the place of i in `order`.
    """
    chance = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(order)), per_class)
    seen = np.where(chance.random(len(labels)) < accuracy, labels, chance.integers(0, len(order), len(labels)))
    return confusion_matrix(labels, np.argsort(order)[seen], len(order)), [NAMES[i] for i in order]


def test_names_that_are_shifted_by_one_are_found():
    found = check_label_order(*confuse([1, 2, 3, 4, 5, 0]))
    assert (found.finding, found.is_suspicious) == ("order", True)
    assert {(pair.name, pair.looks_like) for pair in found.misnamed} == {
        ("bee", "ant"), ("cat", "bee"), ("dog", "cat"), ("eel", "dog"), ("fox", "eel"), ("ant", "fox"),
    }  # fmt: skip
    assert found.gain == pytest.approx(0.7, abs=0.1)
    assert "is called 'dog', but looks like 'cat'" in str(found.to_dict()["sentence"])
    assert "; and 3 more. With the names exchanged the mean recall would be" in found.sentence


def test_right_names_are_left_alone_whatever_the_model():
    for accuracy, per_class in itertools.product((0.0, 0.2, 0.5, 1.0), (2, 5, 40)):
        found = check_label_order(*confuse(range(6), accuracy=accuracy, per_class=per_class))
        assert (found.finding, found.misnamed) == ("fits", ())
    assert found.sentence == "The names fit the labels: no other assignment of names is far better."


def test_chance_gives_no_alarm():
    """Labels drawn at random: the best of K! assignments fits them well, on the images it was chosen on."""
    chance = np.random.default_rng(0)
    for k, n in itertools.product((2, 3, 10), (12, 60, 300)):
        alarms = sum(
            check_label_order(confusion_matrix(*chance.integers(0, k, (2, n)), k), list("abcdefghij"[:k])).is_suspicious
            for _ in range(20)
        )
        assert alarms <= 1


def test_a_model_that_answers_one_class_gives_no_alarm():
    """The commonest label would gain most by being called what the model always says."""
    counts = np.zeros((3, 3), int)
    counts[:, 1] = 10, 20, 500
    assert check_label_order(counts, ["a", "b", "c"]).finding == "fits"


def test_two_names_that_are_exchanged_among_many():
    order = np.arange(40)
    order[[3, 17]] = 17, 3
    labels = np.repeat(np.arange(40), 10)
    found = check_label_order(confusion_matrix(labels, order[labels], 40), [f"kind {n}" for n in order])
    assert found.finding == "exchanged"
    assert {pair.label for pair in found.misnamed} == {3, 17}
    assert "exchanged: label 3 is called 'kind 17', but looks like 'kind 3'" in found.sentence


def test_one_image_of_each_class_says_nothing():
    found = check_label_order(np.eye(5, dtype=int)[[1, 2, 3, 4, 0]], list("abcde"))
    assert found.finding == "unknown"
    assert "nothing can be said of the order of the names" in found.sentence


@pytest.mark.parametrize(
    "counts", [np.zeros((2, 2), int), np.ones((2, 3), int), np.full((2, 2), 0.5), np.array([[1, -1], [0, 1]])]
)
def test_counts_of_another_shape_are_refused(counts):
    with pytest.raises(InputError, match=r"expected whole counts of the shape \(2, 2\) of 2 classes"):
        check_label_order(counts, ["a", "b"])


def test_the_bundled_model_finds_permuted_names_of_flowers():
    folder = Path(os.environ.get("WORDSIGHT_DATA", "../shared/data")) / "transfer" / "flowers5"
    if not folder.is_dir():
        pytest.skip("needs the small labelled sets: set WORDSIGHT_DATA")
    data = open_set(folder)
    answers = Classifier(wordsight.load("mini"), data.classnames, cache=False).predict(data.images)
    seen = np.array([data.classnames.index(answer) for answer in answers])
    assert check_label_order(confusion_matrix(data.labels, seen, 5), data.classnames).finding == "fits"
    shifted = np.roll(data.classnames, 1).tolist()
    found = check_label_order(confusion_matrix(data.labels, (seen + 1) % 5, 5), shifted)
    assert found.finding == "order"
    assert all(pair.looks_like == data.classnames[pair.label] for pair in found.misnamed)
