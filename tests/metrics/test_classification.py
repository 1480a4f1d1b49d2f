"""Measures of classification: against scikit-learn and loops over resamples."""

import numpy as np
import pytest
import sklearn.metrics
from sklearn.metrics import average_precision_score, balanced_accuracy_score, top_k_accuracy_score

from wordsight.errors import InputError
from wordsight.metrics import (
    average_precision_of_classes,
    classification,
    confusion_matrix,
    mean_average_precision,
    mean_per_class_recall,
    rank_labels,
)


def test_ranks_of_labels_give_the_accuracy_of_scikit_learn():
    rng = np.random.default_rng(0)
    scores, labels = rng.random((200, 7)), rng.integers(7, size=200)
    ranks = rank_labels(scores, labels)
    for k in (1, 3, 5):
        assert (ranks < k).mean() == pytest.approx(top_k_accuracy_score(labels, scores, k=k))
    assert ((ranks < 1) == (scores.argmax(axis=1) == labels)).all()


def test_of_equal_scores_the_lower_class_comes_first():
    assert rank_labels([[1.0, 1.0, 0.0]] * 3, [0, 1, 2]).tolist() == [0, 1, 2]
    assert rank_labels([[np.nan, 1.0]], [1]).tolist() == [1]
    assert rank_labels([[np.nan, 1.0]], [0]).tolist() != [0]  # not a number is not a hit


def scored_images(n=120, classes=5):
    """Labels, guesses and scores of made-up images."""
    rng = np.random.default_rng(0)
    label = rng.integers(classes, size=n)
    scores = rng.random((n, classes)) + 0.5 * np.eye(classes)[label]
    return label, scores.argmax(axis=1), scores


def several_labels(n=80, classes=6):
    """Scores of one decimal, so that many are equal, and labels; no image has the last class."""
    rng = np.random.default_rng(1)
    labels = rng.random((n, classes)) < [0.5, 0.3, 0.2, 0.1, 0.05, 0]
    return np.round(rng.random((n, classes)) + 0.4 * labels, 1), labels


def test_the_confusion_matrix_is_that_of_scikit_learn():
    label, guess, _ = scored_images()
    assert (confusion_matrix(label, guess, 5) == sklearn.metrics.confusion_matrix(label, guess)).all()
    assert confusion_matrix([0, 0, 2], [0, 1, 2], 3).tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_mean_recall_per_class_is_the_balanced_accuracy_of_scikit_learn():
    label, guess, _ = scored_images()
    seen = mean_per_class_recall(guess == label, label)
    assert seen.value == pytest.approx(balanced_accuracy_score(label, guess))
    assert seen.low < seen.value < seen.high


def test_average_precision_of_classes_is_that_of_scikit_learn():
    scores, labels = several_labels()
    seen = average_precision_of_classes(scores, labels)
    assert seen[:5] == pytest.approx(average_precision_score(labels[:, :5], scores[:, :5], average=None))
    assert np.isnan(seen[5])  # where scikit-learn says 0, with a warning


def test_the_interval_of_map_is_that_of_a_loop_over_resamples(monkeypatch):
    scores, labels = several_labels()
    scores, labels = scores[:, :4], labels[:, :4]
    seen = mean_average_precision(scores, labels, draws=300)
    assert seen.value == pytest.approx(average_precision_score(labels, scores))
    counts = np.random.default_rng(0).multinomial(80, np.full(80, 1 / 80), 300)
    drawn = [np.repeat(np.arange(80), count) for count in counts]
    means = [np.nanmean(average_precision_of_classes(scores[rows], labels[rows])) for rows in drawn]
    assert (seen.low, seen.high) == pytest.approx(np.percentile(means, [2.5, 97.5]), abs=0.005)
    monkeypatch.setattr(classification, "_COUNTED_AT_ONCE", 1000)
    assert mean_average_precision(scores, labels, draws=300) == seen  # in parts


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: confusion_matrix([0, 1], [0], 2), "There are 2 labels and 1 guesses; expected one of each an image"),
        (lambda: confusion_matrix([0, -1], [0, 1], 2), "go from -1 to 1, expected 0 to 1; leave out images without"),
        (lambda: rank_labels([[0.2, 0.8]], [-1]), "go from -1 to -1, expected 0 to 1; leave out images without"),
        (lambda: rank_labels([[0.2, 0.8]], [2]), "go from 2 to 2, expected 0 to 1"),
        (lambda: rank_labels([[0.2, 0.8]], [0, 1]), r"scores \(1, 2\) and labels \(2,\); expected"),
        (lambda: mean_average_precision([[0.5]], [[0]]), "None of the 1 images has a class; mAP needs one at least"),
        (lambda: mean_average_precision([[0.5]], [[0, 1]]), r"scores \(1, 1\) and labels \(1, 2\); expected both"),
        (lambda: average_precision_of_classes([[np.nan]], [[1]]), "1 scores are not finite"),
    ],
)
def test_labels_that_do_not_fit_are_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()
