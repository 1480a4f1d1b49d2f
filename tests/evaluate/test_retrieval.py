"""Retrieval by texts and by images: recall worked by hand, and of models that know more and less."""

import numpy as np
import pytest
from labelled_squares import build_clip, open_model
from random_models import random_checkpoint
from taught_model import taught_checkpoint

from wordsight.doctor.whatif import CAPTIONS
from wordsight.errors import InputError
from wordsight.evaluate.retrieval import estimate_recall, measure_retrieval
from wordsight.samples import sample_images
from wordsight.train.in_training import InTraining


def test_a_model_that_knows_better_scores_better():
    checkpoint = taught_checkpoint()
    model = open_model(checkpoint)
    images = {path.name: path for path in sample_images()}
    images = [images[name] for name in CAPTIONS]
    captions = list(enumerate(CAPTIONS.values()))
    found = measure_retrieval(model, images, captions, model.spec.preprocess, ks=(1, 5))
    assert found["text→image R@1"].value == found["image→text R@1"].value == 1.0
    network = build_clip(checkpoint)
    with InTraining(network, model.spec, model.tokenizer) as in_training:
        assert measure_retrieval(in_training, images, captions, model.spec.preprocess, ks=(1, 5)) == found
    random = open_model(random_checkpoint(model.spec))
    assert measure_retrieval(random, images, captions, model.spec.preprocess)["text→image R@1"].value < 1


def test_recall_is_the_share_of_queries_with_a_positive_among_the_first():
    gallery_ND = np.eye(4)
    queries_QD = np.array([[1.0, 0.5, 0.2, 0], [1.0, 0.5, 0.2, 0], [1.0, 0.5, 0.2, 0]])
    found = estimate_recall(queries_QD, gallery_ND, [[0], [2, 1], [3]], ks=(1, 2, 4))
    assert {k: (one.value, one.n) for k, one in found.items()} == {1: (1 / 3, 3), 2: (2 / 3, 3), 4: (1.0, 3)}


def test_recall_in_parts_is_recall(monkeypatch):
    rng = np.random.default_rng(0)
    queries_QD, gallery_ND = rng.normal(size=(50, 8)), rng.normal(size=(30, 8))
    positives = [[int(n)] for n in rng.integers(0, 30, 50)]
    whole = estimate_recall(queries_QD, gallery_ND, positives)
    monkeypatch.setattr("wordsight.evaluate.retrieval._SCORES", 100)
    assert estimate_recall(queries_QD, gallery_ND, positives) == whole


def test_a_model_whose_vectors_are_all_the_same_finds_nothing():
    same_ND = np.ones((6, 3))
    assert estimate_recall(same_ND, same_ND, [[n] for n in range(6)], ks=(1,))[1].value == 0


def test_queries_without_positives_are_refused():
    with pytest.raises(InputError, match="2 queries have 1 sets of positives"):
        estimate_recall(np.eye(2), np.eye(2), [[0]])
    with pytest.raises(InputError, match="each needs at least one"):
        estimate_recall(np.eye(2), np.eye(2), [[0], []])
