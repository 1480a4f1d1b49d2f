"""Random augmentation of training images: places of crops, and changes of colour."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wordsight.images.decode import decode
from wordsight.images.preprocess import preprocess, resized_size
from wordsight.samples import sample_images
from wordsight.spec import Preprocess
from wordsight.train.config import AugmentConfig
from wordsight.train.data.augment import random_box, training_pixels

SPEC = Preprocess(image_size=32)
PHOTO = decode(sample_images()[0])


class Chance:
    """Chance that says what it is told: every draw is the share `at` of its range."""

    def __init__(self, at):
        self.at = at

    def random(self):
        return self.at

    def uniform(self, low, high):
        return low + self.at * (high - low)

    def integers(self, count):
        return min(int(self.at * count), count - 1)

    def permutation(self, count):
        return np.arange(count)


def ramp(width, height):
    """An image whose red says how far right, and whose green how far down a pixel is."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    pixels_HWC = np.stack([across, down, np.zeros_like(down)], -1).round().astype(np.uint8)
    return decode(pixels_HWC)


@pytest.mark.parametrize(("width", "height"), [(64, 32), (32, 64), (48, 48), (50, 33), (1000, 32)])
def test_a_square_crop_slides_along_the_longer_side(width, height):
    image = ramp(width, height)
    longer = 0 if width > height else 1
    first, last = (training_pixels(image, SPEC, AugmentConfig(), Chance(at)) for at in (0, 0.9999))
    assert first.shape == last.shape == (32, 32, 3)
    if width != height:
        assert first[..., longer].min() <= 4
        assert last[..., longer].max() >= 251
        assert last[..., longer].min() > first[..., longer].min()
    other = 1 - longer
    assert first[..., other].min() <= 4  # the whole of the shorter side is seen
    assert first[..., other].max() >= 251


@pytest.mark.parametrize("resize", ["bicubic", "bilinear"])
def test_a_square_crop_is_cut_from_the_image_resized(resize):
    """From its middle the pixels of embedding, elsewhere those of resizing all of it; rounding may differ."""
    image = decode(PHOTO.image.crop((0, 0, 180, 77)))
    spec = dataclasses.replace(SPEC, interpolation=resize)
    assert resized_size(180, 77, 32) == (74, 32)
    whole = np.asarray(image.image.resize((74, 32), {"bicubic": 3, "bilinear": 2}[resize])).astype(int)
    for at, x in ((0, 0), (0.3, 12), (0.9999, 42)):
        seen = training_pixels(image, spec, AugmentConfig(), Chance(at))
        assert np.abs(seen - whole[:, x : x + 32]).max() <= 1
    middle = training_pixels(image, spec, AugmentConfig(), Chance(0.5))  # of 43 places the 21st
    assert np.abs(middle.astype(int) - preprocess(image.image, spec)).max() <= 1
    centre = training_pixels(image, spec, AugmentConfig(crop="centre"), Chance(0.5))
    assert np.array_equal(centre, preprocess(image.image, spec))


def test_very_long_images_keep_their_shape():
    for at in (0, 0.5, 0.9999):
        seen = training_pixels(ramp(6400, 320), SPEC, AugmentConfig(), Chance(at)).astype(int)
        assert seen.shape == (32, 32, 3)
        assert np.ptp(seen[..., 0]) == pytest.approx(255 / 20, abs=2)


@given(width=st.integers(1, 5000), height=st.integers(1, 5000), min_area=st.floats(0.05, 1), seed=st.integers(0, 2**32))
def test_random_parts_lie_within_and_have_the_shape_asked_for(width, height, min_area, seed):
    whole = (0.5, 0.0, width + 0.5, float(height))
    left, top, right, bottom = random_box(whole, min_area, np.random.default_rng(seed))
    assert whole[0] <= left < right <= whole[2]
    assert whole[1] <= top < bottom <= whole[3]
    assert 0.74 < (right - left) / (bottom - top) < 1.35
    share = (right - left) * (bottom - top) / (width * height)
    assert share <= 1.001
    if 3 / 4 <= width / height <= 4 / 3:
        assert share >= min_area * 0.74  # the fallback's shape costs a little


def test_random_parts_are_spread_evenly():
    rng = np.random.default_rng(0)
    boxes = np.array([random_box((0, 0, 100, 100), 0.2, rng) for _ in range(2000)])
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]) / 1e4
    assert area.min() < 0.22
    assert np.quantile(area, 0.5) == pytest.approx(0.54, abs=0.03)  # not 0.6: the largest fit rarely
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    assert np.abs(centre.mean(0) - 50).max() < 1.5


def test_a_mirror_is_a_mirror():
    plain = training_pixels(PHOTO, SPEC, AugmentConfig(crop="centre"), np.random.default_rng(0))
    flipped = training_pixels(PHOTO, SPEC, AugmentConfig(crop="centre", flip=1.0), np.random.default_rng(0))
    assert np.array_equal(flipped, plain[:, ::-1])


def test_grey_has_one_value_a_pixel():
    grey = training_pixels(PHOTO, SPEC, AugmentConfig(crop="centre", grey=1.0), np.random.default_rng(0))
    assert np.array_equal(grey[..., 0], grey[..., 1])
    assert np.array_equal(grey[..., 0], grey[..., 2])


def test_blur_takes_contrast_from_neighbours():
    plain = training_pixels(PHOTO, SPEC, AugmentConfig(crop="centre"), Chance(0.5)).astype(int)
    blurred = training_pixels(PHOTO, SPEC, AugmentConfig(crop="centre", blur=1.0), Chance(0.5)).astype(int)
    assert np.abs(np.diff(blurred, axis=0)).mean() < 0.7 * np.abs(np.diff(plain, axis=0)).mean()
    assert blurred.mean() == pytest.approx(plain.mean(), abs=2)


def test_colours_change_as_in_simclr():
    """At strength 1: brightness by 0.2 to 1.8, so that the darkest draw of all leaves a dark image."""
    image = decode(Image.new("RGB", (40, 40), (100, 100, 100)))
    augment = AugmentConfig(crop="centre", colour=1.0)
    darkest = training_pixels(image, SPEC, augment, Chance(0.0))
    assert darkest.max() == 20  # grey has no contrast, saturation or hue to lose
    unchanged = training_pixels(image, SPEC, augment, Chance(0.5))
    assert np.abs(unchanged.astype(int) - 100).max() <= 1
    red = decode(Image.new("RGB", (40, 40), (200, 40, 40)))
    draws = [training_pixels(red, SPEC, augment, np.random.default_rng(seed))[0, 0] for seed in range(40)]
    same = sum(np.array_equal(draw, [200, 40, 40]) for draw in draws)
    assert 2 <= same <= 16  # one in five is left as it is
    assert any(draw[1] > draw[2] + 20 for draw in draws)  # hue went towards yellow
    assert any(draw[2] > draw[1] + 20 for draw in draws)  # and towards violet


def test_the_same_chance_gives_the_same_image():
    augment = AugmentConfig(crop="resized", min_area=0.2, flip=0.5, colour=1.0, grey=0.2, blur=0.5)
    one, two, other = (training_pixels(PHOTO, SPEC, augment, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
