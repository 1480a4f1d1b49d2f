"""Names, columns and classes that attack: HTML stays inert, lists stay one line a file, nothing leaves its folder."""

import csv
import os
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wordsight.index import Row
from wordsight.output.contact_sheet import Section, Tile, render_html, render_sections_html
from wordsight.output.embedding_files import open_writer
from wordsight.output.lead_columns import cell_text
from wordsight.output.row_cards import render_rows
from wordsight.output.sorting import LISTING, Sorter
from wordsight.output.sorting_undo import undo
from wordsight.path_text import to_path, to_text
from wordsight.search.hits import Hit
from wordsight.search.tiles import hit_tile

HOSTILE = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)<script>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "\x1b]0;PWN\x07",
    "\x1b[31mred",
    "a\nb",
    "\u202egnp",
    "{style}{title}",
    "=cmd|' calc'!A1",
    "@SUM(1)",
    "+1+1",
    "-2+3",
    os.fsdecode(b"bad\xff\xfe"),
]
ALLOWED = ("data:image/", "file:", "http:", "https:")


class Inspector(HTMLParser):
    """Collects what would run or load something."""

    def __init__(self):
        super().__init__()
        self.bad = []

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "iframe", "object", "svg", "embed"):
            self.bad.append(tag)
        for name, value in attrs:
            if name.startswith("on") or (name in ("href", "src") and not (value or "").startswith(ALLOWED)):
                self.bad.append((tag, name, value))


def active_parts(page):
    inspector = Inspector()
    inspector.feed(page)
    return inspector.bad


def row(text):
    path = to_text(f"/p/{text.replace('/', '_')}.png")
    vector = np.array([1, 0], np.float32)
    meta = {"title": cell(text), cell(text): cell(text), "url": "javascript:alert(1)"}
    return Row(path, "/p", path, "hash", vector, text=cell(text), meta=meta)


def cell(text):
    """The text as a table can hold it."""
    return text.encode("utf-8", "replace").decode()


@pytest.mark.parametrize("text", HOSTILE)
def test_a_contact_sheet_is_inert_whatever_the_names_columns_and_classes(text):
    found = row(text)
    hit = Hit(found.id, to_path(found.path), 0.5, 0.9, found)
    tiles = [
        Tile(Path(f"/p/{text}.png"), [(cell(text), 0.9)], link=text, name=cell(text)),
        hit_tile(hit, words=cell(text)),
    ]
    assert not active_parts(render_html(tiles, cell(text), cell(text)))
    assert not active_parts(render_sections_html([Section(cell(text), tiles)], cell(text)))


@pytest.mark.parametrize("text", HOSTILE)
def test_cards_of_a_notebook_are_inert(text):
    assert not active_parts(render_rows(cell(text), [row(text)]))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_list_of_embedded_files_has_one_printable_line_a_file(tmp_path, text):
    with open_writer(tmp_path / "v.npy", 2, {"model": "mini"}) as writer:
        for name in (f"{text}.png", "plain.png"):
            writer.add(Path(name), np.array([1, 0], np.float32))
        writer.commit()
    lines = (tmp_path / "v.paths.txt").read_text(encoding="utf-8").split("\n")
    assert lines[1:] == ["plain.png", ""]
    assert not any(ord(char) < 32 or ord(char) == 127 for char in lines[0])


@pytest.mark.parametrize("text", [*HOSTILE, "../../escaped", "/etc/escaped", "..", "con"])
def test_a_class_of_any_name_is_sorted_into_its_folder_and_back(tmp_path, text):
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / "=a.png"
    Image.new("RGB", (4, 4)).save(source)
    out = tmp_path / "out"
    placed = Sorter(out, {text: text}, "move").place(source, text, 0.9)
    assert placed.resolve().parent.parent == out.resolve()
    with open(out / LISTING, newline="", encoding="utf-8", errors="surrogateescape") as file:
        (listed,) = csv.DictReader(file)
    assert listed["label"] == text
    assert not listed["source"].startswith(tuple("=+-@\t"))  # an absolute path, which no spreadsheet runs
    assert undo(out).moved_back == 1
    assert source.exists()


def test_a_cell_is_shown_on_one_line():
    assert cell_text("a\nb\tc\rd") == "a b c d"
