"""Zero-shot accuracy of opened models on labelled images."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from labelled_squares import SPEC, open_model, squares, zero_shot  # noqa: F401
from random_models import random_checkpoint

import wordsight
from wordsight.errors import InputError
from wordsight.evaluate.config import ZeroShotConfig
from wordsight.evaluate.pixels import EvaluationWarning
from wordsight.evaluate.zero_shot import ZeroShot
from wordsight.metrics import bootstrap_hits
from wordsight.zeroshot.classifier import Classifier


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": "nowhere"}, "'nowhere' are not there; expected a folder or a table"),
        ({"classes": {"red_ting": "red"}}, r"zero_shot\.classes names 'red_ting', but .*Did you mean: red_thing"),
        ({"limit": 0}, "limit is 0, expected 1 or more"),
        ({"templates": ("a photo",)}, "lacks '{}'"),
    ],
)
def test_held_out_images_that_cannot_be_used_are_refused_at_once(squares, changes, message):
    with pytest.raises(InputError, match=message):
        ZeroShot(ZeroShotConfig(**({"images": str(squares / "held_out")} | changes)), SPEC.preprocess)


def test_images_that_cannot_be_read_are_left_out_and_said_once(squares):
    bad = squares / "held_out" / "red_thing" / "broken.png"
    bad.write_bytes(b"no image")
    task = ZeroShot(zero_shot(squares), SPEC.preprocess)
    model = open_model(random_checkpoint(SPEC))
    with pytest.warns(EvaluationWarning, match=r"1 of 25 held-out images cannot be read and are left out; .*broken"):
        assert task.measure(model).n == 24
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert task.measure(model).n == 24
    for path in (squares / "held_out").rglob("*.png"):
        path.write_bytes(b"no image")
    task = ZeroShot(zero_shot(squares), SPEC.preprocess)
    for _ in range(2):
        with pytest.raises(InputError, match=r"25 of 25 .*so nothing can be measured"):
            task.measure(model)


def test_the_bundled_model_knows_clothes():
    images = Path(os.environ.get("WORDSIGHT_DATA", "../shared/data")) / "clothing" / "validation"
    if not images.is_dir():
        pytest.skip("needs the photos of clothes: set WORDSIGHT_DATA")
    model = wordsight.load("mini")
    seen = ZeroShot(ZeroShotConfig(images=str(images), limit=40), model.spec.preprocess).measure(model)
    assert seen.n == 40
    assert seen.low > 0.5


@pytest.mark.parametrize("templates", [("a photo of a {}.",), ("{}", "a {} square"), ("cifar10",)])
def test_the_accuracy_is_that_of_the_classifier_on_the_folder(squares, templates):
    model = open_model(random_checkpoint(SPEC, seed=3))
    task = ZeroShot(zero_shot(squares, templates=templates), SPEC.preprocess)
    names = task.labelled.names
    sorter = Classifier(model, names, templates=task.templates, cache=False)
    right = np.array(sorter.predict(task.labelled.images)) == [names[label] for label in task.labelled.labels]
    assert task.measure(model) == bootstrap_hits(right)
