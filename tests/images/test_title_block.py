"""Title blocks of drawing sheets are found and hidden; other pages are left as they are."""

import numpy as np
import pytest
from drawing_sheets import COMPANIES, sheet, sketch
from PIL import Image, ImageDraw, ImageFont

from wordsight.images.decode import read_image
from wordsight.images.title_block import find, mask
from wordsight.samples import sample_images


def covered(image, boxes):
    """Which pixels of an image lie in any of the boxes."""
    inside = np.zeros((image.height, image.width), bool)
    for left, top, right, bottom in boxes:
        inside[round(top) : round(bottom), round(left) : round(right)] = True
    return inside


def overlap(image, boxes, block):
    found, true = covered(image, boxes), covered(image, [block])
    return (found & true).sum() / (found | true).sum()


@pytest.mark.parametrize("company", COMPANIES, ids=lambda company: company.block.__name__)
def test_each_kind_of_block_is_found_where_it_is(company):
    rng = np.random.default_rng(7)
    for _ in range(2):
        image, block = sheet(sketch(rng), company, rng)
        assert overlap(image, find(image), block) > 0.9


@pytest.mark.parametrize("company", COMPANIES[:4], ids=lambda company: company.block.__name__)
def test_masking_leaves_the_drawing_and_the_frame(company):
    rng = np.random.default_rng(8)
    image, block = sheet(sketch(rng), company, rng)
    masked = np.asarray(mask(image).convert("L"), int)
    before = np.asarray(image.convert("L"), int)
    outside = ~covered(image, [(block[0] - 4, block[1] - 4, block[2] + 4, block[3] + 4)])
    assert (masked[outside] == before[outside]).all()
    inner = covered(image, [(block[0] + 6, block[1] + 6, block[2] - 6, block[3] - 6)])
    assert (before[inner] < 128).any()
    assert (masked[inner] > 250).all()


def test_two_drawings_on_sheets_of_one_office_are_masked_alike():
    rng = np.random.default_rng(9)
    one, two = (mask(sheet(Image.new("RGB", (60, 40), "white"), COMPANIES[0], rng)[0]) for _ in range(2))
    assert (np.abs(np.asarray(one, int) - np.asarray(two, int)) > 64).mean() < 1e-3


@pytest.mark.parametrize("factor", [0.6, 2.0, 3.3])
def test_the_size_in_pixels_matters_little(factor):
    rng = np.random.default_rng(10)
    image, block = sheet(sketch(rng), COMPANIES[0], rng)
    resized = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)
    assert overlap(resized, find(resized), tuple(v * factor for v in block)) > 0.85


def test_white_lines_on_blue_are_masked_in_blue():
    rng = np.random.default_rng(11)
    image, block = sheet(sketch(rng), COMPANIES[0], rng)
    grey = np.asarray(image.convert("L"))[..., None] / 255
    blue = Image.fromarray((grey * (20, 50, 120) + (1 - grey) * 255).astype(np.uint8))
    assert overlap(blue, find(blue), block) > 0.9
    x, y = round((block[0] + block[2]) / 2), round((block[1] + block[3]) / 2)
    assert mask(blue).getpixel((x, y)) == (20, 50, 120)


def paper():
    image = Image.new("RGB", (724, 1024), "white")
    return image, ImageDraw.Draw(image)


def text_page():
    image, draw = paper()
    for y in range(80, 950, 16):
        draw.text((75, y), "what is written here fills the line up to its end, as text does " * 2, "black")
    draw.rectangle((650, 0, 724, 1024), fill="white")
    return image


def table_page(left=70, top=80, right=654, bottom=940):
    """A table over the whole page, ruled throughout: its outline is like a frame, its last cells like a block."""
    image, draw = paper()
    for y in np.linspace(top, bottom, 25):
        draw.line((left, y, right, y), "black", 1)
        draw.text((left + 5, y + 4), "12.5   valve", "black", ImageFont.load_default(10))
    for x in np.linspace(left, right, 6):
        draw.line((x, top, x, bottom), "black", 1)
    return image


def framed_text():
    image = text_page()
    ImageDraw.Draw(image).rectangle((30, 30, 694, 994), outline="black", width=2)
    return image


def small_table():
    """A table low on a page of text, within its margins."""
    page, box = text_page(), (290, 690, 650, 910)
    page.paste(table_page(300, 700, 640, 900).crop(box), box)
    return page


@pytest.mark.parametrize(
    "page",
    [
        text_page(),
        table_page(),
        table_page(20, 20, 704, 1004),
        framed_text(),
        small_table(),
        paper()[0],
        Image.new("RGB", (40, 30), "white"),
    ],
    ids=["text", "table", "table to the edges", "framed text", "text and table", "blank", "tiny"],
)
def test_other_pages_are_left_alone(page):
    assert find(page) == []
    assert mask(page) is page


def test_photos_are_left_alone():
    for path in sample_images():
        assert find(read_image(path)) == []


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_any_mode_is_read_and_the_image_given_is_not_painted_on(mode):
    rng = np.random.default_rng(12)
    image = sheet(sketch(rng), COMPANIES[0], rng)[0].convert(mode)
    before = image.tobytes()
    masked = mask(image)
    assert masked.mode == "RGB"
    assert masked.size == image.size
    assert masked is not image
    assert image.tobytes() == before
