"""Which of several copies is kept, and the reason that is given."""

import io
import os
from dataclasses import replace

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from wordsight.duplicates.miniature import Miniature
from wordsight.duplicates.originals import Origin, inspect_origin, is_named_as_copy, rank_origins
from wordsight.duplicates.threshold import make_copies
from wordsight.images.decode import read_image
from wordsight.images.jpeg_traces import was_jpeg
from wordsight.index import Row
from wordsight.samples import sample_images

ROCKET = next(path for path in sample_images() if path.stem == "rocket")
DAY = 86_400 * 10**9


def row(path="a.jpg", *, pixels=100, **more):
    return Row(str(path), "s", str(path), f"digest of {path}", np.ones(2, np.float32), width=pixels, height=1, **more)


def saved(folder, name, image, **options):
    """The row of an image in a file, as old as all others."""
    image.convert("RGB").save(folder / name, **options)
    facts = {"width": image.width, "height": image.height, "size": os.path.getsize(folder / name)}
    return replace(row(folder / name), **facts)


def kept(*rows):
    """The name of the row that is kept, and why."""
    miniatures = [Miniature.of(row.path) for row in rows]
    origins = [
        inspect_origin(row, mine, [one for one in miniatures if one is not mine])
        for row, mine in zip(rows, miniatures, strict=True)
    ]
    order, because = rank_origins(origins)
    return os.path.basename(rows[order[0]].path), because


ROW = row()
ORDER = [  # each beats the one that is larger, older and so on by all criteria below
    ("it is the camera's RAW file", {"raw": True}),
    ("it has the most pixels", {"pixels": 1000}),
    ("it has no border", {"framed": False}),
    ("it holds the most camera data", {"camera": 5}),
    ("no editing program wrote it", {"edited": False}),
    ("its name is not that of a copy", {"row": row("b.jpg")}),
    ("it is the oldest", {"row": row("a (1).jpg", mtime_ns=0)}),
    ("another was a JPEG before, in a lossless file", {"kept": 0}),
    ("its highlights are not clipped", {"piled": 0.0}),
    ("it was not darkened", {"top": 255.0}),
    ("nothing is laid over it", {"overlaid": False}),
    ("its format loses nothing", {"kept": 2}),
    ("its file is the largest", {"row": row("a (1).jpg", size=9, mtime_ns=2 * DAY)}),
    ("it is the oldest", {"row": row("a (1).jpg", mtime_ns=2 * DAY - 1)}),
    ("its name is the shortest", {"row": row("(1).jpg", mtime_ns=2 * DAY)}),
]
WORST = Origin(
    row("a (1).jpg", mtime_ns=2 * DAY),
    pixels=500,
    framed=True,
    camera=1,
    edited=True,
    piled=0.5,
    top=200.0,
    overlaid=True,
    kept=-1,
)


@pytest.mark.parametrize(("because", "better"), ORDER)
def test_one_sign_decides_where_all_else_is_equal(because, better):
    worst = replace(WORST, kept=0) if because == "its format loses nothing" else WORST
    assert rank_origins([worst, replace(worst, **better)]) == ([1, 0], because)


def test_a_sign_further_up_outweighs_all_below():
    best_below = Origin(row("b.jpg", size=9), pixels=100, camera=9, kept=2)
    assert rank_origins([best_below, replace(WORST, raw=True)]) == ([1, 0], "it is the camera's RAW file")


def test_pixels_that_differ_little_do_not_decide():
    """The frame of a scanner or a pixel of rounding: as many as 95 % count as equal."""
    largest = Origin(row("a.jpg"), pixels=1000, camera=0)
    assert rank_origins([largest, Origin(row("b.jpg"), pixels=970, camera=5)])[0] == [1, 0]
    assert rank_origins([largest, Origin(row("b.jpg"), pixels=900, camera=5)])[0] == [0, 1]


def test_what_a_file_does_not_tell_decides_nothing():
    """Pillow alone reads no HEIC: its camera data are not known to be fewer."""
    assert rank_origins([Origin(row("a.jpg"), camera=9), Origin(row("b.heic"), camera=None, kept=1)])[0] == [1, 0]


def test_names_of_copies():
    names = ["IMG_1 (1).jpg", "IMG_1-edited.jpg", "Copy of IMG_1.jpg", "IMG_1_small.jpg", "IMG_1~2.jpg"]
    assert all(is_named_as_copy(row(f"p/{name}")) for name in names)
    assert not any(is_named_as_copy(row(f"copies/{name}")) for name in ("IMG_1.jpg", "website.jpg", "smallville.png"))


def test_nothing_else_than_one_file_has_no_reason():
    assert rank_origins([Origin(ROW)]) == ([0], "")


@pytest.fixture(scope="module")
def rocket():
    return read_image(ROCKET)


@pytest.fixture(scope="module")
def drawing():
    """An image that was never a JPEG."""
    return read_image(next(path for path in sample_images() if path.stem == "strawberry"))


def test_the_framed_copy_has_more_pixels_and_is_not_kept(tmp_path, rocket):
    original = saved(tmp_path, "b.jpg", rocket, quality=80)
    for name, copy in {
        "a.png": ImageOps.expand(rocket, 40, "white"),
        "c.png": make_copies(rocket)["between bars"],
    }.items():
        assert kept(saved(tmp_path, name, copy), original) == ("b.jpg", "it has no border")


def test_the_margin_around_a_product_is_no_border(tmp_path):
    """Else its crop were kept."""
    product = Image.new("RGB", (400, 400), "white")
    ImageDraw.Draw(product).ellipse((120, 100, 280, 300), fill="navy")
    whole, crop = saved(tmp_path, "b.png", product), saved(tmp_path, "a.png", product.crop((118, 98, 282, 302)))
    assert kept(crop, whole) == ("b.png", "it has the most pixels")


def test_the_camera_s_file_is_kept_though_the_mirrored_copy_is_larger(tmp_path, rocket):
    exif = Image.Exif()
    exif[ExifTags.Base.Make], exif[ExifTags.Base.Model] = "Example", "One"
    original = saved(tmp_path, "b.jpg", rocket, quality=70, exif=exif)
    mirrored = saved(tmp_path, "a.png", ImageOps.mirror(rocket))
    assert kept(mirrored, original) == ("b.jpg", "it holds the most camera data")


def test_an_editing_program_says_so(tmp_path, rocket):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Example"
    original = saved(tmp_path, "b.jpg", rocket, quality=70, exif=exif)
    exif[ExifTags.Base.Software] = "Adobe Photoshop 25.0"
    edited = saved(tmp_path, "a.jpg", ImageEnhance.Color(rocket).enhance(1.3), quality=95, exif=exif)
    assert kept(edited, original) == ("b.jpg", "no editing program wrote it")


@pytest.mark.parametrize("factor", [1.3, 0.7])
def test_changed_brightness_shows_in_the_pixels(tmp_path, rocket, factor):
    """The file of the copy is the larger one."""
    original = saved(tmp_path, "b.jpg", rocket, quality=80)
    changed = saved(tmp_path, "a.jpg", ImageEnhance.Brightness(rocket).enhance(factor), quality=95)
    why = "its highlights are not clipped" if factor > 1 else "it was not darkened"
    assert kept(changed, original) == ("b.jpg", why)


def test_a_watermark_shows_in_the_pixels(tmp_path, rocket):
    original = saved(tmp_path, "b.jpg", rocket, quality=80)
    marked = saved(tmp_path, "a.jpg", make_copies(rocket)["marked in a corner"], quality=95)
    assert kept(marked, original) == ("b.jpg", "nothing is laid over it")


def test_a_lossless_copy_of_a_jpeg_is_not_kept(tmp_path, rocket):
    """It has the larger file, and a mirrored image shows no other sign."""
    original = saved(tmp_path, "b.jpg", rocket.crop((0, 0, 571, 383)), quality=75)
    mirrored = saved(tmp_path, "a.png", ImageOps.mirror(read_image(tmp_path / "b.jpg")))
    assert kept(mirrored, original) == ("b.jpg", "another was a JPEG before, in a lossless file")


def test_traces_of_jpeg(drawing):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 205, 3), np.uint8))
    smooth = noise.filter(ImageFilter.GaussianBlur(2))
    assert not was_jpeg(smooth)
    assert not was_jpeg(noise)
    assert not was_jpeg(drawing)
    assert not was_jpeg(Image.new("RGB", (9, 9)))
    file = io.BytesIO()
    smooth.save(file, "JPEG", quality=75)
    assert was_jpeg(Image.open(file))


def test_a_recompressed_copy_is_not_kept(tmp_path, drawing):
    original = saved(tmp_path, "b.png", drawing)
    copies = [saved(tmp_path, f"a{quality}.jpg", drawing, quality=quality) for quality in (35, 75, 95)]
    assert kept(*copies, original) == ("b.png", "its format loses nothing")
    assert kept(*copies)[0] == "a95.jpg"
