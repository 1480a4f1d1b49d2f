"""The page of a report: one file, everything escaped, small enough to be sent; its figures beside it as JSON."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.evaluate.report import page
from wordsight.evaluate.report.json_files import as_json
from wordsight.evaluate.report.page import render_page, write_report
from wordsight.evaluate.report.sections import ImageTiles, Report, Section, Table
from wordsight.metrics import Estimate

HOSTILE = '<img src=x onerror="alert(1)">'


class Elements(HTMLParser):
    """Counts the elements of a page and keeps where they point to."""

    def __init__(self, text):
        super().__init__()
        self.names, self.targets = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.targets += [value for name, value in attrs if name in ("src", "href", "xlink:href")]


def report(*parts, **fields):
    fields = {"title": "Accuracy", "answer": "It is 71 %.", "command": "wordsight eval zeroshot pets", **fields}
    return Report(sections=[Section("Part", "A paragraph.", parts)], **fields)


def noise(seed, side=300):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def test_command_and_answer_come_before_the_sections():
    text = render_page(report(Table(["class", "recall"], [["cat", "71 %"]], "By class")))
    places = [text.index(part) for part in ("<h1>Accuracy", "wordsight eval zeroshot", "It is 71 %.", "<h2>Part")]
    assert places == sorted(places)
    assert "<caption>By class</caption>" in text
    assert '<td class="n">71 %</td>' in text


def test_everything_a_user_can_write_is_escaped():
    parts = (Table([HOSTILE], [[HOSTILE]], HOSTILE), ImageTiles([(Path(HOSTILE), HOSTILE)], HOSTILE))
    text = render_page(report(*parts, title=HOSTILE, answer=HOSTILE, command=HOSTILE))
    elements = Elements(text)
    assert elements.names.count("img") == 1  # the tile's own
    assert "script" not in elements.names
    assert all(target.startswith("data:image/jpeg;base64,") for target in elements.targets)


def test_a_page_needs_no_other_file():
    text = render_page(report(ImageTiles([(noise(0), "a"), (Image.new("RGB", (9, 9)), "b"), (b"no image", "c")])))
    assert all(target.startswith("data:") for target in Elements(text).targets)
    assert not re.search(r"url\(|@import|<link", text)


def test_long_tables_are_closed_and_longer_ones_cut_with_a_word_about_it():
    rows = [[f"class {n}", str(n)] for n in range(page.ROWS + 7)]
    text = render_page(report(Table(["class", "n"], rows)))
    assert f"<summary>{page.ROWS - page.ROWS_OPEN} more rows</summary>" in text
    assert "7 further rows are in the JSON file" in text


def test_images_shrink_until_the_page_fits(monkeypatch):
    tiles = ImageTiles([(noise(seed), f"tile {seed}") for seed in range(6)])
    whole = len(render_page(report(tiles)))
    monkeypatch.setattr(page, "PAGE_BYTES", whole // 2)
    text = render_page(report(tiles))
    assert len(text) <= whole // 2
    assert "left out" not in text


def test_images_that_do_not_fit_at_all_are_left_out_with_a_note(monkeypatch):
    monkeypatch.setattr(page, "PAGE_BYTES", 16_000)
    text = render_page(report(ImageTiles([(noise(seed), f"tile {seed}") for seed in range(6)])))
    assert len(text) <= 16_000
    assert re.search(r"[3-6] of 6 images are left out", text)
    assert text.count("<figcaption>tile") == 6, "what is said of them stays"


def test_the_figures_are_beside_the_page_without_nan(tmp_path):
    data = {"acc5": float("nan"), "n": np.int64(3), "recall": np.array([0.5, np.inf]), "e": Estimate(1, 0, 2, 9)}
    figures = write_report(tmp_path / "out.html", report(data=data))
    assert (tmp_path / "out.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert figures == tmp_path / "out.json"
    expected = {"acc5": None, "n": 3, "recall": [0.5, None], "e": {"value": 1, "low": 0, "high": 2, "n": 9}}
    assert json.loads(figures.read_text(encoding="utf-8")) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ((1, 2.5), [1, 2.5]),
        (np.float32("nan"), None),
        (True, True),
        ({"a": Path("b")}, {"a": "b"}),
        ("x\ud800", "x\\ud800"),
    ],
)
def test_values_as_json_holds_them(value, expected):
    assert as_json(value) == expected
