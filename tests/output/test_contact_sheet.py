"""The contact sheet of search results and groups: pages, links, names that would break a page, what cannot be read."""

import errno
import html.parser
import io
import re
from pathlib import Path

import numpy as np
import pytest
from colour_model import image, write_images
from memory_index import MemoryIndex, index_info
from small_pdf import page as pdf_page
from small_pdf import small_pdf

from wordsight.index import Row
from wordsight.output.contact_sheet import (
    Section,
    Tile,
    file_link,
    render_html,
    render_sections_html,
    write_sheet,
)
from wordsight.output.contact_sheet_png import render_png
from wordsight.search.hits import Hit
from wordsight.search.tiles import hit_tile, hit_tiles


def hit(path, proba=0.5, **more):
    row = Row(more.pop("id", "i"), "s", str(path), "d", image_vector(), **more)
    return Hit(row.id, Path(row.path), 0.25, proba, row)


def image_vector():
    return np.eye(index_info().dim, dtype=np.float32)[0]


class Reader(html.parser.HTMLParser):
    """Collects text, links and images; refuses tags that do not close."""

    def __init__(self, page):
        super().__init__()
        self.text, self.links, self.images, self.open = [], [], [], []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "a":
            self.links.append(attributes["href"])
        if tag == "img":
            self.images.append(attributes)
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def thumbnail(colour):
    file = io.BytesIO()
    image(colour, (30, 20)).save(file, "JPEG")
    return file.getvalue()


def test_a_result_shows_its_name_probability_columns_and_cosine(tmp_path):
    write_images(tmp_path, ["red.png"])
    tile = hit_tile(hit(tmp_path / "red.png", 0.8, meta={"title": "A & B", "price": 3.5, "colour": None}))
    page = Reader(render_html([tile], "red"))
    assert {"red.png", "80%", "A & B", "price: 3.5", "cosine 0.250", str(tmp_path / "red.png")} <= set(page.text)
    assert page.links == [(tmp_path / "red.png").as_uri()] * 3  # image, heading, name
    assert not any("colour:" in text for text in page.text)


def test_a_page_is_shown_by_its_thumbnail_and_opened_at_its_number(tmp_path):
    tile = hit_tile(hit(tmp_path / "plan.pdf", page=4), thumbnail("blue"))
    page = Reader(render_html([tile], "plan"))
    assert "plan.pdf, page 4" in page.text
    assert page.links[0].endswith("plan.pdf#page=4")
    pixels = np.asarray(render_png([tile], "plan")).astype(int)
    assert ((pixels[..., 2] > 240) & (pixels[..., 0] < 20)).sum() > 500


def marks(page):
    return re.findall("<mark>(.*?)</mark>", page)


def test_words_asked_for_are_marked_in_heading_columns_and_the_snippet_of_a_page(tmp_path):
    shirt = hit(tmp_path / "a.png", meta={"title": "Puma T-shirts <red>", "note": "a tshirt & more", "brand": "Puma"})
    assert marks(render_html([hit_tile(shirt, words="puma tshirt red")], "x")) == [
        "Puma", "T-shirts", "red", "Puma", "tshirt"
    ]  # fmt: skip
    text = f"{'nothing of it ' * 99}how to install LinuxCNC on a disk {'and more ' * 99}"
    page = render_html([hit_tile(hit(tmp_path / "plan.pdf", page=4, text=text), words="installing LinuxCNC")], "x")
    assert marks(page) == ["install", "LinuxCNC"]
    assert "… " in page
    assert '<figure class="page">' in page


def test_a_column_that_is_not_shown_is_where_it_alone_holds_a_word(tmp_path):
    meta = {"title": "Boots", "price": 1, "brand": "A", "color": "red", "size": 8, "season": "winter", "use": "sport"}
    made = hit(tmp_path / "a.png", meta=meta)
    shown = [line if isinstance(line, str) else line.text for line in hit_tile(made, words="winter boots").lines]
    assert shown == ["price: 1", "brand: A", "color: red", "size: 8", "season: winter", "cosine 0.250"]


def test_tiles_of_results_share_their_columns_and_show_pages_to_be_read(tmp_path):
    (tmp_path / "plan.pdf").write_bytes(small_pdf([pdf_page("install the pump")]))
    facts = {"page": 1, "mtime_ns": (tmp_path / "plan.pdf").stat().st_mtime_ns, "text": "plan install the pump"}
    page = hit(tmp_path / "plan.pdf", id="page", **facts)
    shoes = [hit(tmp_path / f"{i}.png", id=f"{i}", meta={"name": "Shoe", "size": i, "made": "here"}) for i in "ab"]
    index = MemoryIndex()
    index.add([one.row for one in (page, *shoes)])
    tiles = hit_tiles([page, *shoes], index, words="installing", unlikely=["b"], copies={"a": 2})
    assert max(tiles[0].thumbnail.size) > 900
    assert tiles[0].snippet.marked("[", "]") == "plan [install] the pump"
    assert [tile.likely for tile in tiles] == [True, True, False]
    assert [tile.copies for tile in tiles] == [0, 2, 0]
    assert [line if isinstance(line, str) else line.text for line in tiles[1].lines][:2] == ["size: a", "made: here"]
    chosen = hit_tiles(shoes, index, show="made,name")[0]
    assert (chosen.heading.text, chosen.lines[0].text) == ("here", "name: Shoe")
    assert hit_tiles([hit(tmp_path / "gone.pdf", id="gone", page=1)], index)[0].thumbnail == b""


def test_what_is_not_likely_stands_below_a_line_and_copies_are_counted(tmp_path):
    write_images(tmp_path, ["red.png", "blue.png"])
    likely = hit_tile(hit(tmp_path / "red.png"), copies=3)
    unlikely = hit_tile(hit(tmp_path / "blue.png"), likely=False)
    page = "".join(Reader(render_html([likely, unlikely], "x")).text)
    assert page.index("red.png") < page.index("+3 copies") < page.index("probably not") < page.index("blue.png")
    assert "Nothing here is likely to match." in render_html([unlikely], "x")
    assert "probably not" not in render_html([likely], "x")


def test_what_cannot_be_read_any_more_is_still_listed(tmp_path):
    page = Reader(render_html([hit_tile(hit(tmp_path / "gone.png"))], "x"))
    assert "gone.png" in page.text
    assert page.images[0]["src"].startswith("data:image/jpeg")


@pytest.mark.parametrize("name", ['"><script>alert(1)</script>.png', "a\nb.png", "#?%41.png", "\udcff.png"])
def test_no_name_breaks_the_page(tmp_path, name):
    tile = hit_tile(hit(tmp_path / name, meta={name.encode("utf-8", "replace").decode(): "<i>"}))
    page = render_html([tile], name, name)
    assert "<script>" not in page
    assert "<i>" not in page
    link = Reader(page).links[0]
    assert link.startswith("file:///")
    assert not set(link) & set('"<>\n#?')


def test_only_addresses_of_files_and_the_web_become_links(tmp_path):
    write_images(tmp_path, ["red.png"])
    page = Reader(render_html([Tile(tmp_path / "red.png", link="javascript:alert(1)")], "x"))
    assert page.links == []


def test_a_link_to_the_web_is_the_address_itself():
    assert file_link(Path("https://host/a%20b.png?x=1")) == "https://host/a%20b.png?x=1"


def test_a_fetched_image_is_named_and_linked_by_its_address():
    url = "https://host/a%20b.png?x=1"
    page = Reader(render_html([hit_tile(hit(url), thumbnail("red"))], "x"))
    assert url in page.text
    assert page.links == [url] * 3


def test_images_asked_with_stand_in_the_head(tmp_path):
    page = Reader(render_html([], "x", asked=[thumbnail("red"), tmp_path / "gone.png"]))
    assert [one["alt"] for one in page.images] == ["query", "query"]


def test_sections_have_headings(tmp_path):
    write_images(tmp_path, ["red.png", "blue.png"])
    tiles = [Tile(tmp_path / "red.png", lines=["keep"]), Tile(tmp_path / "blue.png", lines=["cosine 0.9"])]
    page = Reader(render_sections_html([Section("1. <two>", tiles), Section("2.", tiles[:1])], "Duplicates"))
    assert {"1. <two>", "2.", "keep", "cosine 0.9", "red.png"} <= set(page.text)
    assert len(page.images) == 3


def test_the_png_grows_with_its_lines(tmp_path):
    write_images(tmp_path, ["red.png"])
    plain, lined = Tile(tmp_path / "red.png"), Tile(tmp_path / "red.png", lines=["one", "two"])
    assert render_png([lined], "x").height == render_png([plain], "x").height + 40


def test_a_sheet_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    sheet, link = tmp_path / "sheet.html", tmp_path / "link.html"
    write_sheet(sheet, "old \ud800")
    link.symlink_to(sheet)
    write_sheet(link, "new \ud800")
    assert link.is_symlink()
    assert sheet.read_text(encoding="utf-8") == "new \\ud800"

    def fill_disk(path, content):
        path.open("wb").close()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_disk)
    with pytest.raises(OSError, match="No space left"):
        write_sheet(sheet, "newer")
    assert sheet.read_text(encoding="utf-8") == "new \\ud800"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.html", "sheet.html"]
