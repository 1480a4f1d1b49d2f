"""Features of a set: computed once, kept by the contents of the images, and never believed when damaged."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from wordsight.errors import InputError
from wordsight.evaluate import features
from wordsight.evaluate.datasets.labelled_set import LabelledSet, hash_images
from wordsight.evaluate.features import embed_set
from wordsight.images.skipped import Skipped


class Grey:
    """Embeds an image as (grey, 1), of unit length; counts how many it was asked for."""

    name = fingerprint = "grey"

    def __init__(self, limit=10**9):
        self.seen, self.limit = 0, limit

    def stream_images(self, images):
        for item in images:
            self.seen += 1
            try:
                with Image.open(item) as image:
                    grey = float(np.asarray(image.convert("L")).mean())
                    size = image.width
            except OSError:
                yield Skipped(item, "is damaged")
                continue
            if size > self.limit:
                yield Skipped(item, "is too large")
                continue
            yield item, np.array([grey, 1], np.float32) / np.hypot(grey, 1)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    paths = []
    for n in range(4):
        paths.append(tmp_path / f"{n}.png")
        Image.new("L", (8 + 8 * (n == 3), 8), 40 * n).save(paths[-1])
    return LabelledSet("photos", paths, tuple("abcd"), np.zeros(4, np.int64), ("grey",))


def kept(tmp_path):
    return sorted((tmp_path / "cache" / "features").rglob("*.safetensors"))


def test_features_are_computed_once(photos):
    model = Grey()
    first = embed_set(model, photos)
    again = embed_set(model, photos)
    assert model.seen == 4
    assert (again.seconds, again.places.tolist()) == (0.0, [0, 1, 2, 3])
    np.testing.assert_array_equal(first.image_MD, again.image_MD)


def test_another_content_under_the_same_name_is_another_image(photos):
    before = embed_set(Grey(), photos)
    Image.new("L", (8, 8), 255).save(photos.images[0])
    after = embed_set(Grey(), photos)
    assert before.image_MD[0, 0] != after.image_MD[0, 0]


def test_an_image_that_is_replaced_while_it_is_read_is_not_kept(photos, tmp_path):
    class Replacing(Grey):
        def stream_images(self, images):
            Image.new("L", (8, 8), 255).save(photos.images[0])
            yield from super().stream_images(images)

    embed_set(Replacing(), photos)
    assert kept(tmp_path) == []


def test_an_image_that_could_not_be_read_is_tried_again(photos):
    small = embed_set(Grey(limit=8), photos)
    assert [skip.reason for skip in small.skipped] == ["is too large"]
    model = Grey()
    large = embed_set(model, photos)
    assert (model.seen, large.places.tolist(), large.skipped) == (1, [0, 1, 2, 3], ())
    np.testing.assert_array_equal(large.image_MD, embed_set(Grey(), photos, cache=False).image_MD)


@pytest.mark.parametrize("damage", ["order", "zeros", "places", "rows", "bytes", "pipe"])
def test_a_damaged_part_is_computed_again(photos, tmp_path, damage):
    right = embed_set(Grey(), photos).image_MD
    (path,) = kept(tmp_path)
    tensors = load_file(path)
    if damage == "order":
        tensors["vectors"] = np.ascontiguousarray(tensors["vectors"][::-1])
    elif damage == "zeros":
        tensors["vectors"] *= 0
    elif damage == "places":
        tensors["places"] += 1
    elif damage == "rows":
        tensors = {name: np.ascontiguousarray(tensor[:2]) for name, tensor in tensors.items()}
    save_file(tensors, path, {"skipped": "{}", "checksum": "0"})
    if damage == "bytes":
        path.write_bytes(path.read_bytes()[:50])
    elif damage == "pipe":
        path.unlink()
        os.mkfifo(path)
    np.testing.assert_array_equal(embed_set(Grey(), photos).image_MD, right)


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(features, "_PART", 2)


def write_part_of_another_width(path, places=(0, 1), reasons=None):
    """A part as a model of three dimensions would have kept it under the same name."""
    vectors = np.full((len(places), 3), 3**-0.5, np.float32)
    features._write_part(path, (vectors, np.array(places, np.int64), reasons or {}))


@pytest.mark.parametrize("number", [0, 1])
def test_a_part_of_another_width_is_computed_again(photos, tmp_path, small_parts, number):
    right = embed_set(Grey(), photos).image_MD
    write_part_of_another_width(kept(tmp_path)[number])
    np.testing.assert_array_equal(embed_set(Grey(), photos).image_MD, right)
    np.testing.assert_array_equal(embed_set(Grey(), photos).image_MD, right)  # kept again
    assert embed_set(Grey(), photos).seconds == 0.0


def test_a_part_of_another_width_is_not_mixed_with_images_that_can_be_read_now(photos, tmp_path):
    right = embed_set(Grey(), photos).image_MD
    (path,) = kept(tmp_path)
    write_part_of_another_width(path, (0, 1), {"2": "is too large", "3": "is too large"})
    np.testing.assert_array_equal(embed_set(Grey(), photos).image_MD, right)


def test_two_writers_of_one_part_leave_one_whole_file(photos, tmp_path):
    """Both have embedded before either writes, as two commands started at once do."""
    both_done = threading.Barrier(2, timeout=30)

    class Waiting(Grey):
        def stream_images(self, images):
            yield from super().stream_images(images)
            both_done.wait()

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: embed_set(Waiting(), photos).image_MD, range(2))
    np.testing.assert_array_equal(first, second)
    (path,) = kept(tmp_path)
    assert os.listdir(path.parent) == [path.name]
    assert embed_set(Grey(), photos).seconds == 0.0


def test_a_set_of_which_nothing_can_be_read(photos):
    for path in photos.images:
        path.write_bytes(b"")
    with pytest.raises(
        InputError, match=r"None of the 4 images of 'photos' can be read; the first, '.*/0\.png': is damaged"
    ):
        embed_set(Grey(), photos)


def test_the_hash_tells_keys_from_contents_and_does_not_wait_for_pipes(tmp_path):
    assert hash_images(["a"], [b"Xb\0Y"]) != hash_images(["a", "b"], [b"X", b"Y"])
    os.mkfifo(tmp_path / "pipe.jpg")
    assert hash_images(["a"], [tmp_path / "pipe.jpg"]) == hash_images(["a"], [tmp_path / "absent.jpg"])
