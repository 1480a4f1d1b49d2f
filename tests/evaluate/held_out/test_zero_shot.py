"""Zero-shot accuracy of opened models on labelled images."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from labelled_squares import SPEC, open_model, squares, zero_shot  # noqa: F401
from random_models import random_checkpoint
from training import COLOURS

import wordsight
from wordsight.errors import InputError
from wordsight.evaluate.held_out.config import ZeroShotConfig
from wordsight.evaluate.held_out.pixels import EvaluationWarning
from wordsight.evaluate.held_out.zero_shot import ZeroShot, open_held_out
from wordsight.metrics import estimate_share
from wordsight.zeroshot.classifier import Classifier


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": "nowhere"}, "'nowhere' does not exist; expected .*a folder with a folder for each class"),
        ({"classes": {"red_ting": "red"}}, r"zero_shot\.classes names 'red_ting', but .*Did you mean: red thing"),
        ({"limit": 0}, "limit is 0, expected 1 or more"),
        ({"templates": ("a photo",)}, "lacks '{}'"),
    ],
)
def test_held_out_images_that_cannot_be_used_are_refused_at_once(squares, changes, message):
    with pytest.raises(InputError, match=message):
        ZeroShot(ZeroShotConfig(**({"images": str(squares / "held_out")} | changes)), SPEC.preprocess)


def test_classes_get_the_names_of_the_config(squares):
    data = open_held_out(zero_shot(squares, classes={"red_thing": "scarlet", "blue thing": "azure"}))
    assert data.classnames == (
        "black thing", "azure", "green thing", "orange thing", "purple thing", "scarlet", "white thing", "yellow thing",
    )  # fmt: skip
    assert all("red_thing" in data.images[place] for place in np.flatnonzero(data.labels == 5))


def test_classes_that_get_the_same_name_become_one(squares):
    data = open_held_out(zero_shot(squares, classes={"red_thing": "warm", "orange_thing": "warm"}))
    assert len(data.classnames) == 7
    assert (data.labels == data.classnames.index("warm")).sum() == 6


def test_a_table_is_answered_in_the_words_of_the_config(squares):
    table = str(squares / "all" / "colours.csv")
    with pytest.raises(InputError, match=r"its columns are file, colour\. Name one with zero_shot\.class_column"):
        open_held_out(ZeroShotConfig(images=table))
    (squares / "labels.csv").write_text("label,n\nred,1\nblue,2\n")
    with pytest.raises(InputError, match=r"No column of the table .* Name one with zero_shot\.image_column"):
        open_held_out(ZeroShotConfig(images=str(squares / "labels.csv")))
    data = open_held_out(ZeroShotConfig(images=table, class_column="colour"))
    assert (len(data.images), data.classnames) == (24, tuple(sorted(COLOURS)))


def test_images_of_several_classes_are_refused(squares):
    table = squares / "all" / "several.csv"
    table.write_text("file,label\n000.png,red|warm\n001.png,cold\n")
    with pytest.raises(InputError, match="have several classes each, of which zero-shot accuracy knows one"):
        open_held_out(ZeroShotConfig(images=str(table)))


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
    names = task.data.classnames
    sorter = Classifier(model, names, templates=task.templates, cache=False)
    right = np.array(sorter.predict(task.data.images)) == [names[label] for label in task.data.labels]
    assert task.measure(model) == estimate_share(right)
