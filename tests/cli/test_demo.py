"""The demo and its contact sheet; with the bundled model where it is there."""

import html.parser
import re

import pytest
from click.testing import CliRunner
from colour_model import write_images
from PIL import Image

from wordsight.cli import group
from wordsight.output.contact_sheet import Tile, render_html
from wordsight.output.contact_sheet_png import render_png
from wordsight.samples import DEMO_CLASSES, sample_images


@pytest.fixture
def tiles(tmp_path):
    write_images(tmp_path, ["red.png", "blue.png"])
    return [
        Tile(tmp_path / "red.png", [("<b>red</b> & \"more\"", 0.75), ("blue", 0.2), ("green", 0.05)]),
        Tile(tmp_path / "blue.png", [("blue", 1.0)]),
    ]  # fmt: skip


def test_the_samples_are_small_credited_and_readable():
    images = sample_images()
    credits = (images[0].parent / "CREDITS.md").read_text(encoding="utf-8")
    assert len(images) >= 10
    assert sum(path.stat().st_size for path in images) < 1_000_000
    for path in images:
        assert re.search(rf"`{re.escape(path.name)}`.*(CC0|public domain)", credits)
        with Image.open(path) as image:
            assert 200 <= min(image.size) <= 512
    assert len(set(DEMO_CLASSES)) == len(DEMO_CLASSES)


def test_the_png_shows_images_and_bars(tiles):
    sheet = render_png(tiles, "Title", "words")
    pixels = list(sheet.get_flattened_data() if hasattr(sheet, "get_flattened_data") else sheet.getdata())
    assert {(255, 0, 0), (0, 0, 255), (47, 111, 222)} <= set(pixels)  # two images, and the bars' blue
    assert render_png(tiles * 5, "Title").height > sheet.height


def test_the_html_needs_no_other_file_and_escapes_what_users_write(tiles):
    page = render_html(tiles, "A & B")
    assert "&lt;b&gt;red&lt;/b&gt; &amp; &quot;more&quot;" in page
    assert "<b>" not in page
    assert page.count("data:image/jpeg;base64,") == 2
    assert not re.search(r'(src|href)="(?!data:)', page)
    opened = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            if tag not in ("meta", "img"):
                opened.append(tag)

        def handle_endtag(self, tag):
            assert opened.pop() == tag

    Reader().feed(page)
    assert not opened


def test_the_demo_sorts_finds_and_writes_the_sheet(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    result = CliRunner().invoke(group, ["demo", "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    for path in sample_images():
        assert path.name in result.stdout
    assert re.search(r"^search 'a cup of coffee': coffee.jpg \d+%", result.stdout, re.MULTILINE)
    assert "wordsight classify" in result.stdout
    assert "wordsight search" in result.stdout.splitlines()[-1]
    with Image.open(tmp_path / "out" / "contact-sheet.png") as sheet:
        assert sheet.width > 1000
    assert (tmp_path / "out" / "contact-sheet.html").stat().st_size > 100_000
