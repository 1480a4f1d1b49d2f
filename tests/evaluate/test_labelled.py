"""Labelled images: classes found in folders and tables, and pixels read once."""

import numpy as np
import pytest
from labelled_squares import SPEC, squares, zero_shot  # noqa: F401
from training import COLOURS

from wordsight.errors import InputError
from wordsight.evaluate import pixels as pixels_module
from wordsight.evaluate.config import ZeroShotConfig
from wordsight.evaluate.labelled import find_labelled
from wordsight.evaluate.pixels import Pixels
from wordsight.images.decode import read_image
from wordsight.images.preprocess import preprocess


def test_a_folder_of_folders_names_its_classes(squares):
    found = find_labelled(zero_shot(squares, classes={"red_thing": "scarlet"}))
    assert found.names == (
        "black thing", "blue thing", "green thing", "orange thing", "purple thing", "scarlet", "white thing",
        "yellow thing",
    )  # fmt: skip
    assert [found.names[label] for label in found.labels[:3]] == ["black thing"] * 3
    assert "black_thing" in str(found.images[0])


def test_a_table_names_its_classes_by_a_column(squares):
    table = str(squares / "all" / "colours.csv")
    with pytest.raises(InputError, match=r"No column .* like a class .*its columns are file, colour\. Name one"):
        find_labelled(ZeroShotConfig(images=table))
    with pytest.raises(InputError, match=r"has no column 'color'; .*Did you mean: colour\?"):
        find_labelled(ZeroShotConfig(images=table, class_column="color"))
    (squares / "labels.csv").write_text("label,n\nred,1\nblue,2\n")
    with pytest.raises(InputError, match=r"No column of the table .* Name one with zero_shot\.image_column"):
        find_labelled(ZeroShotConfig(images=str(squares / "labels.csv")))
    found = find_labelled(ZeroShotConfig(images=table, class_column="colour"))
    assert len(found.images) == 24
    assert found.names == tuple(sorted(COLOURS))
    assert preprocess_of(found.images[0]).mean() < 60  # black comes first


def preprocess_of(path):
    return next(Pixels([path], SPEC.preprocess).batches(1))[1]


def test_classes_that_get_the_same_name_become_one(squares):
    found = find_labelled(zero_shot(squares, classes={"red_thing": "warm", "orange_thing": "warm"}))
    assert len(found.names) == 7
    assert found.labels.count(found.names.index("warm")) == 6


def test_a_limit_takes_of_every_class_its_share(squares):
    found = find_labelled(zero_shot(squares, limit=8))
    assert sorted(found.labels) == list(range(8))
    assert len(find_labelled(zero_shot(squares, limit=99)).images) == 24


def test_one_class_is_nothing_to_choose_from(squares):
    with pytest.raises(InputError, match="hold only the class 'deep'; expected a folder for each class"):
        find_labelled(ZeroShotConfig(images=str(squares / "held_out" / "red_thing")))


def test_pixels_are_those_that_the_model_sees_and_are_read_once(squares, monkeypatch):
    paths = find_labelled(zero_shot(squares)).images
    pixels = Pixels(paths, SPEC.preprocess, memory=10 * 16 * 16 * 3)
    first = list(pixels.batches(7))
    assert [len(places) for places, _ in first] == [7, 7, 7, 3]
    assert np.array_equal(first[0][1][2], preprocess(read_image(paths[2], at_least=None), SPEC.preprocess))
    read = []
    kept = pixels_module.read_pixels
    monkeypatch.setattr(pixels_module, "read_pixels", lambda item, spec: read.append(item) or kept(item, spec))
    again = list(pixels.batches(7))
    assert all(np.array_equal(one, other) for (_, one), (_, other) in zip(first, again, strict=True))
    assert len(read) == 14  # ten of 24 fit into the memory that was allowed
