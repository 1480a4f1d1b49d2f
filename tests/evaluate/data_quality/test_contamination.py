"""Contamination: altered copies are found and look-alikes are not, and accuracy with and without them, by hand."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from wordsight.duplicates.threshold import make_copies
from wordsight.evaluate.data_quality.contamination import build_report, find_contamination, show_matches
from wordsight.evaluate.data_quality.training_images import read_folder, read_index
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.features import embed_set
from wordsight.evaluate.models import open_embedder
from wordsight.gallery import Gallery
from wordsight.metrics import Estimate
from wordsight.metrics.hits import bound_of_none
from wordsight.samples import sample_images

TEST = [path for path in sample_images() if path.name in ("astronaut.jpg", "cat.jpg", "coffee.jpg", "rocket.jpg")]


@pytest.fixture(scope="module")
def model():
    return open_embedder("mini")


@pytest.fixture
def data():
    names = tuple(path.name for path in TEST)
    return LabelledSet("samples", [str(path) for path in TEST], names, np.arange(4), names)


@pytest.fixture
def train(tmp_path):
    """Training images: copies of two test images, and two that have nothing to do with them."""
    folder = tmp_path / "train"
    folder.mkdir()
    for path, kind in ((TEST[0], "mirrored"), (TEST[1], "cropped, brighter, smaller, JPEG")):
        make_copies(Image.open(path).convert("RGB"))[kind].save(folder / f"copy-of-{path.stem}.png")
    for path in sample_images():
        if path.name in ("grass.jpg", "photographer.jpg"):
            Image.open(path).save(folder / f"{path.stem}.png")
    return folder


def examine(model, data, train, **options):
    features = embed_set(model, data, cache=False)
    trained = read_folder("train", sorted(map(str, train.iterdir())), model, cache=False)
    return find_contamination(data, features, trained, model="mini", fingerprint=model.fingerprint, **options)


def test_altered_copies_are_found_and_others_are_not(model, data, train):
    result = examine(model, data, train, hit_N=np.array([1.0, 1.0, 0.0, 1.0]))
    names = {data.keys[match.row]: result.trained.names[match.trained] for match in result.matches}
    assert names == {
        "astronaut.jpg": str(train / "copy-of-astronaut.png"), "cat.jpg": str(train / "copy-of-cat.png")}  # fmt: skip
    assert (result.share.value, result.whole.value, result.clean.value, result.copied.value) == (0.5, 0.75, 0.5, 1.0)
    assert result.gain.value == pytest.approx(0.25)
    assert result.gain.low <= 0.25 <= result.gain.high
    report = build_report(result, "")
    assert "2 of the 4 images of samples have a copy among the 4 training images" in report.answer
    assert show_matches(result).tiles[0][1].splitlines()[0] == "test"
    assert len(report.data["matches"]) == 2


def test_images_whose_class_is_not_known_count_for_the_share_only(model, data, train):
    result = examine(model, data, train, hit_N=np.array([np.nan, 1.0, 0.0, 1.0]))
    assert (result.share.n, result.whole.n, result.clean.n, result.copied.n) == (4, 3, 2, 1)
    assert examine(model, data, train).whole is None


def test_no_copy_bounds_the_share(model, data, train):
    clean = data.take([2, 3])
    answer = build_report(examine(model, clean, train), "").answer
    assert answer.startswith("None of the 2 images of samples has a copy among the 4 training images.")
    assert "fewer than 77.6 %" in answer  # (1 - p)² = 5 %


def test_the_same_files_on_both_sides_are_told(model, data):
    same = [str(path) for path in TEST]
    features = embed_set(model, data, cache=False)
    trained = read_folder("train", same[::-1], model, cache=False)
    result = find_contamination(data, features, trained, model="mini", fingerprint=model.fingerprint)
    assert build_report(result, "").answer == (
        "The training images are the 4 files of samples themselves, so that all are copies; name the images that the "
        "model was trained on."
    )


def test_an_index_is_read_with_its_vectors(model, data, train, tmp_path):
    with Gallery.create(tmp_path / "index", model=model.model) as gallery:
        gallery.add(train)
        trained = read_index(gallery.index, model, "index")
        features = embed_set(model, data, cache=False)
        result = find_contamination(data, features, trained, model="mini", fingerprint=model.fingerprint)
        assert [data.keys[match.row] for match in result.matches] == ["astronaut.jpg", "cat.jpg"]
        assert [trained.names[match.trained].rsplit("/", 1)[-1] for match in result.matches] == [
            "copy-of-astronaut.png", "copy-of-cat.png"]  # fmt: skip


def test_the_answer_says_how_much_lower_accuracy_is_and_not_why(model, data, train):
    result = examine(model, data, train, hit_N=np.array([1.0, 1.0, 0.0, 1.0]))
    lower = build_report(replace(result, gain=Estimate(0.02, 0.01, 0.03, 4)), "").answer
    assert lower.endswith("without the copies: 2.0 points [1.0, 3.0] lower without them.")
    higher = build_report(replace(result, gain=Estimate(-0.02, -0.03, -0.01, 4)), "").answer
    assert higher.endswith("2.0 points [1.0, 3.0] higher without them.")


def test_the_bound_of_none_is_the_share_of_which_none_is_seen_one_time_in_twenty():
    assert (1 - bound_of_none(2000)) ** 2000 == pytest.approx(0.05)
    assert bound_of_none(2000) == pytest.approx(3 / 2000, rel=0.01)
