"""Geometry: pixel-exact with torchvision's path for PIL images, on images that are not square."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from wordsight.errors import InputError
from wordsight.images.decode import decode
from wordsight.images.preprocess import preprocess, resized_size
from wordsight.spec import Preprocess


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    """Random pixels: every shift by one pixel shows."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def torchvision_resize_and_crop(image: Image.Image, size: int) -> np.ndarray:
    """torchvision 0.2x, functional.resize(int) + center_crop for PIL images, restated from its source."""
    width, height = image.size
    short, long = (width, height) if width <= height else (height, width)
    new_short, new_long = size, int(size * long / short)
    new_width, new_height = (new_short, new_long) if width <= height else (new_long, new_short)
    image = image.resize((new_width, new_height), Image.Resampling.BICUBIC)
    crop_top = int(round((new_height - size) / 2.0))  # noqa: RUF046 - as written there
    crop_left = int(round((new_width - size) / 2.0))  # noqa: RUF046
    return np.asarray(image.crop((crop_left, crop_top, crop_left + size, crop_top + size)))


@settings(max_examples=2000, deadline=None)
@given(st.integers(1, 400), st.integers(1, 400), st.integers(8, 48))
def test_pixels_equal_torchvision_over_thousands_of_sizes(width, height, size):
    if max(width, height) > 16 * min(width, height):
        height = width
    image = noise(width, height)
    ours = preprocess(image, Preprocess(image_size=size))
    assert ours.shape == (size, size, 3)
    assert ours.dtype == np.uint8
    assert np.array_equal(ours, torchvision_resize_and_crop(image, size))


@pytest.mark.parametrize("shape", [(640, 427), (333, 500), (225, 224), (224, 227), (1, 1), (3, 48), (4032, 3024)])
def test_pixels_equal_torchvision_at_224(shape):
    image = noise(*shape)
    assert np.array_equal(preprocess(image, Preprocess(image_size=224)), torchvision_resize_and_crop(image, 224))


def test_crop_rounds_halves_to_even_where_transformers_rounds_down():
    """A rest of 3 pixels is cut as 2 + 1 by torchvision (and in CLIP's training), as 1 + 2 by transformers."""
    transformers = pytest.importorskip("transformers")
    theirs = transformers.CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size=32, do_normalize=False, do_rescale=False
    )
    spec = Preprocess(image_size=32)
    seen = set()
    for width in range(33, 53):
        for image in (noise(width, 32), noise(32, width), noise(2 * width, 64)):
            rest = max(resized_size(*image.size, 32)) - 32
            expected = np.asarray(theirs(image, return_tensors="np")["pixel_values"])[0].transpose(1, 2, 0)
            same = np.array_equal(preprocess(image, spec), expected)
            assert same == (rest % 4 != 3), image.size
            seen.add(rest % 4)
    assert seen == {0, 1, 2, 3}


def test_squash_and_bilinear():
    image = noise(300, 200)
    squashed = preprocess(image, Preprocess(image_size=64, resize="squash"))
    assert np.array_equal(squashed, np.asarray(image.resize((64, 64), Image.Resampling.BICUBIC)))
    bilinear = preprocess(image, Preprocess(image_size=64, resize="squash", interpolation="bilinear"))
    assert np.array_equal(bilinear, np.asarray(image.resize((64, 64), Image.Resampling.BILINEAR)))
    assert not np.array_equal(squashed, bilinear)


@pytest.mark.parametrize(
    "shape", [(17 * 40, 40), (40, 17 * 40 + 3), (2000, 7), (11, 3001), (5000, 100), (301, 9000), (20000, 1), (1, 999)]
)
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_elongated_images_differ_from_the_plain_way_by_one_grey_level_at_most(shape, interpolation):
    image = Image.fromarray((np.asarray(noise(*shape)) // 2 + 64).astype(np.uint8))  # nothing to clip
    spec = Preprocess(image_size=32, interpolation=interpolation)
    width, height = resized_size(*image.size, 32)
    whole = image.resize((width, height), getattr(Image.Resampling, interpolation.upper()))
    left, top = round((width - 32) / 2), round((height - 32) / 2)
    plain = np.asarray(whole.crop((left, top, left + 32, top + 32))).astype(int)
    difference = np.abs(preprocess(image, spec).astype(int) - plain)
    assert difference.max() <= 1
    assert difference.mean() < 0.4


def test_extreme_images_need_little_memory(monkeypatch):
    """The plain way would make images of 1.5 GB or 150 GB here."""
    made = []
    for name in ("resize", "crop"):
        plain = getattr(Image.Image, name)
        monkeypatch.setattr(
            Image.Image, name, lambda *args, plain=plain, **kwargs: made.append(plain(*args, **kwargs)) or made[-1]
        )
    spec = Preprocess(image_size=224)
    for shape in [(100_000, 10), (10, 100_000), (1_000_000, 1)]:
        image = Image.new("RGB", shape, (200, 100, 50))
        pixels = preprocess(image, spec)
        assert (pixels == (200, 100, 50)).all()
    assert len(made) == 6
    assert max(one.width * one.height for one in made) <= 224 * 224


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("resize", "shape"), [("shortest", (901, 1347)), ("shortest", (1801, 1203)), ("squash", (403, 401))]
)
def test_scaled_jpegs_are_cut_where_whole_ones_are(shape, resize, orientation):
    """The last column and row of a DCT-scaled JPEG are partly filled; taken as whole, they shift every edge."""
    detail = noise(shape[0] // 16, shape[1] // 16).resize(shape, Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    detail.save(buffer, "JPEG", quality=95, exif=exif)
    spec = Preprocess(image_size=100, resize=resize)
    whole, scaled = decode(buffer.getvalue()), decode(buffer.getvalue(), at_least=100)
    assert scaled.image.width < whole.image.width
    exact = preprocess(whole.image, spec, whole.box).astype(int)
    assert np.array_equal(exact, preprocess(whole.image, spec))
    right = np.abs(preprocess(scaled.image, spec, scaled.box) - exact)
    naive = np.abs(preprocess(scaled.image, spec) - exact)
    assert right.mean() < 1
    assert right.max() <= 6
    assert right.mean() < naive.mean() / 5


def test_other_modes_are_refused():
    with pytest.raises(InputError, match=r"mode L, size 4×3; use wordsight.images.decode.read_image"):
        preprocess(Image.new("L", (4, 3)), Preprocess(image_size=8))
    with pytest.raises(InputError, match=r"size 0×3"):
        preprocess(Image.new("RGB", (0, 3)), Preprocess(image_size=8))
