"""PDF documents become items: a page each, with its number and text; rendered when it is read."""

import gc
import json
import os
import pickle
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from items import items_of
from small_pdf import page, small_pdf, square

from wordsight.errors import ImageError
from wordsight.ingest import Unlisted, pdf, pdf_process
from wordsight.ingest.pdf_process import PROCESS
from wordsight.ingest.scan import scan


@pytest.fixture
def drawings(tmp_path):
    path = tmp_path / "pump housing.pdf"
    path.write_bytes(
        small_pdf(
            [page("Front view", extra=square("1 0 0")), page(), page("Section A-A", 100, 200, extra=square("0 0 1"))]
        )
    )
    return path


def test_each_page_is_an_item_with_its_number_and_text(drawings):
    pages = items_of(drawings)
    assert [item.id for item in pages] == [f"{drawings}#page={number}" for number in (1, 2, 3)]
    assert [item.page for item in pages] == [1, 2, 3]
    assert [item.text for item in pages] == ["pump housing\nFront view", "pump housing", "pump housing\nSection A-A"]
    assert {(item.path, item.size) for item in pages} == {(str(drawings), drawings.stat().st_size)}
    assert [unit.unchanged_if_same_mtime for unit in scan([drawings.parent])] == [True]


def test_a_page_is_rendered_on_white_in_true_colours_with_its_longer_side_1024(drawings):
    wide, _, tall = (item.read().image() for item in items_of(drawings))
    assert (wide.mode, wide.size, tall.size) == ("RGB", (1024, 512), (512, 1024))
    assert wide.getpixel((1000, 10)) == (255, 255, 255)
    assert wide.getpixel((5, 505)) == (255, 0, 0)
    assert tall.getpixel((5, 1020)) == (0, 0, 255)
    assert (np.asarray(wide)[:200] == 255).all()


def test_rotated_pages_are_upright(tmp_path):
    (tmp_path / "r.pdf").write_bytes(small_pdf([page("x", 200, 100, extra=square("1 0 0"))], rotate=90))
    image = items_of(tmp_path / "r.pdf")[0].read().image()
    assert image.size == (512, 1024)
    assert image.getpixel((5, 5)) == (255, 0, 0)  # the lower left corner, turned clockwise


def test_a_pages_digest_is_that_of_file_and_number_and_nothing_is_rendered_for_it(drawings, tmp_path, monkeypatch):
    copy = tmp_path / "copy.pdf"
    copy.write_bytes(drawings.read_bytes())
    pages, copies = items_of(drawings), items_of(copy)
    monkeypatch.setattr(pdf.Document, "render", lambda *_: pytest.fail("a page was rendered"))
    digests = [item.read().content_hash for item in pages]
    assert len(set(digests)) == 3
    assert digests == [item.read().content_hash for item in copies]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (small_pdf([page("secret")], encrypted=True), "is encrypted and needs a password; save a copy without one"),
        (b"", "is not a PDF that can be read"),
        (b"%PDF-1.4\ngarbage", "is not a PDF that can be read"),
        (b"\x89PNG\r\n\x1a\n", "is not a PDF that can be read"),
    ],
)
def test_a_document_that_cannot_be_opened_is_told_in_one_line(tmp_path, content, reason):
    path = tmp_path / "bad.pdf"
    path.write_bytes(content)
    (skip,) = items_of(tmp_path)
    assert isinstance(skip, Unlisted)
    assert skip.item == path
    assert skip.reason.startswith(reason)
    assert "\n" not in skip.reason


def test_a_document_without_pages(tmp_path, monkeypatch):
    path = tmp_path / "none.pdf"
    path.write_bytes(small_pdf([]))
    assert items_of(path) == [Unlisted(path, "is not a PDF that can be read (Data format error)")]
    monkeypatch.setattr(pdf.Document, "__len__", lambda _: 0)  # should PDFium ever open one
    assert items_of(path) == [Unlisted(path, "is a PDF without pages")]


@pytest.mark.parametrize(
    ("box", "size"),
    [
        ("[0 0 14400 14400]", (1024, 1024)),
        ("[0 0 200000 100]", (1024, 1)),
        ("[0 0 3 3]", (1024, 1024)),
        ("[0 0 0 0]", None),
    ],
)
def test_pages_of_any_size_are_rendered_at_a_bounded_one(tmp_path, box, size):
    (tmp_path / "huge.pdf").write_bytes(small_pdf([page("x", box=box)]))
    image = items_of(tmp_path)[0].read().image()
    assert max(image.size) <= 1025
    assert size is None or np.abs(np.subtract(image.size, size)).max() <= 1


def test_a_damaged_page_does_not_take_the_others_with_it(tmp_path):
    content = small_pdf([page("one"), page("two"), page("three")]).replace(b"4 0 R 6 0 R 8 0 R", b"4 0 R 3 0 R 8 0 R")
    (tmp_path / "damaged.pdf").write_bytes(content)
    one, two, three = items_of(tmp_path)
    assert (one.text, two.text, three.text) == ("damaged\none", "damaged", "damaged\nthree")
    assert one.read().image().size == three.read().image().size
    with pytest.raises(ImageError, match=r"^page 2 is damaged \("):
        two.read().image()


@pytest.mark.parametrize("number", [0, -1, 4, 9])
def test_a_page_that_is_not_there_is_not_called_damaged(drawings, number):
    with pytest.raises(ImageError, match=rf"^has no page {number}; it has 3 pages, counted from 1$"):
        pdf.Document(str(drawings)).render(number)


def test_a_document_that_goes_away(drawings):
    first = items_of(drawings)[0]
    drawings.unlink()
    with pytest.raises(ImageError, match=r"^no such file$"):
        first.read()


def test_odd_file_names(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9\n.pdf")
    path.write_bytes(small_pdf([page("x")]))
    assert items_of(tmp_path)[0].read().image().size == (1024, 512)


def test_few_documents_are_open_at_a_time_and_none_stays_open(tmp_path):
    PROCESS.end()
    for number in range(12):
        (tmp_path / f"{number:02}.pdf").write_bytes(small_pdf([page(f"number {number}")] * 3))
    items = items_of(tmp_path)
    assert len(items) == 36
    assert PROCESS.ask("status", 0, "") == [4, 12]
    with ThreadPoolExecutor(4) as pool:  # PDFium itself may be in one call at a time
        images = list(pool.map(lambda item: np.asarray(item.read().image()), items))
    assert PROCESS.ask("status", 0, "")[0] == 4
    assert all((one == images[number - number % 3]).all() for number, one in enumerate(images))
    assert not (images[0] == images[3]).all()
    del items
    gc.collect()
    assert PROCESS.ask("status", 0, "")[0] == 0


class _Answers:
    """Answers of the process, the first of which is read another way."""

    def __init__(self, answers, first):
        self.answers, self.first = answers, first

    def readline(self):
        first, self.first = self.first, None
        return first(self.answers) if first else self.answers.readline()

    def __getattr__(self, name):
        return getattr(self.answers, name)


def _interrupt(answers):
    raise KeyboardInterrupt


def test_an_interrupt_leaves_no_answer_behind_for_the_next_request(drawings, tmp_path, monkeypatch):
    (tmp_path / "other.pdf").write_bytes(small_pdf([page("other")] * 2))
    document, other = pdf.Document(str(drawings)), pdf.Document(str(tmp_path / "other.pdf"))
    assert (len(document), len(other)) == (3, 2)
    monkeypatch.setattr(PROCESS._process, "stdout", _Answers(PROCESS._process.stdout, _interrupt))
    process = PROCESS._process
    with pytest.raises(KeyboardInterrupt):
        document.render(1)
    assert process.poll() is not None
    assert other.render(1).size == (1024, 512)
    assert document.render(3).size == (512, 1024)


def test_an_answer_to_another_request_is_not_taken(drawings, monkeypatch):
    document = pdf.Document(str(drawings))
    assert len(document) == 3
    stale = b'{"value": 7, "number": 1, "bytes": 0}\n'
    monkeypatch.setattr(PROCESS._process, "stdout", _Answers(PROCESS._process.stdout, lambda answers: stale))
    with pytest.raises(ImageError, match=r"^page 2 "):
        document.render(2)
    assert document.render(3).size == (512, 1024)


def test_a_program_that_ends_with_documents_open_is_quiet(drawings):
    program = "import sys; from wordsight.ingest.scan import scan; units = [*scan(sys.argv[1])]; [*units[0].items()];"
    program += "from wordsight.ingest import pdf; kept = pdf.Document(sys.argv[1]); assert len(kept) == 3"
    ended = subprocess.run([sys.executable, "-c", program, drawings], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_a_document_is_opened_once_for_all_its_pages(tmp_path):
    (tmp_path / "long.pdf").write_bytes(small_pdf([page(f"sheet {number}") for number in range(500)]))
    PROCESS.end()
    items = items_of(tmp_path)
    assert len({item.read().content_hash for item in items}) == 500
    assert items[499].read().image().size == (1024, 512)
    assert items[499].text == "long\nsheet 499"
    assert PROCESS.ask("status", 0, "") == [1, 1]


def test_pages_can_be_read_in_another_process(drawings):
    pages = items_of(drawings)
    seen = [(page.read().content_hash, np.asarray(page.read().image())) for page in pages]
    before = PROCESS.ask("status", 0, "")[1]
    moved = [pickle.loads(pickle.dumps(page.read)) for page in pages]
    for read, (content_hash, image) in zip(moved, seen, strict=True):
        assert read().content_hash == content_hash
        assert (np.asarray(read().image()) == image).all()
    assert PROCESS.ask("status", 0, "")[1] == before + 1


def test_without_pypdfium2_documents_are_skipped_with_the_way_to_read_them(drawings, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    (skip,) = items_of(drawings)
    assert skip.reason.endswith("Install it with: pip install 'wordsight[search]'")


def test_text_is_bounded_and_printable(tmp_path):
    (tmp_path / "t.pdf").write_bytes(small_pdf([page("ab\\000\\001c " * 8000)]))
    text = items_of(tmp_path)[0].text
    assert len(text) <= pdf.TEXT_LIMIT + 3
    assert not any(ord(char) < 32 and char != "\n" for char in text)


def pdf_of(objects):
    """A PDF of numbered objects, the first its catalogue; cross references are left for the reader to rebuild."""
    body = b"".join(b"%d 0 obj\n%s\nendobj\n" % (number, one) for number, one in enumerate(objects, 1))
    return b"%PDF-1.7\n" + body + b"trailer << /Root 1 0 R >>\n%%EOF\n"


CATALOGUE, PAGES = b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count %d >>"
BLANK = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 10 10] >>"


def stream(facts, content):
    return b"<< %s /Length %d >>\nstream\n%s\nendstream" % (facts, len(content), content)


def test_a_page_that_is_never_finished_is_given_up_and_the_others_are_read(tmp_path, drawings, monkeypatch):
    monkeypatch.setattr(pdf_process, "PAGE_SECONDS", 2.0)
    tiles = BLANK.replace(b">>", b"/Contents 4 0 R /Resources << /Pattern << /P 5 0 R >> >> >>")
    tile = b"/PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 1 1] /XStep .0001 /YStep .0001 /Resources <<>>"
    content = [stream(b"", b"/Pattern cs /P scn 0 0 300 200 re f"), stream(tile, b"1 0 0 rg 0 0 1 1 re f")]
    (tmp_path / "tiles.pdf").write_bytes(pdf_of([CATALOGUE, PAGES % 1, tiles, *content]))
    (endless,) = items_of(tmp_path / "tiles.pdf")
    with pytest.raises(ImageError, match=r"^page 1 takes longer than 2 seconds to read"):
        endless.read().image()
    assert items_of(drawings)[0].read().image().size == (1024, 512)
    monkeypatch.setattr(pdf, "_MOST_ENDED", 1)
    with pytest.raises(ImageError, match=r"^page 1 is not read: others of this document take too long"):
        endless.read().image()


class Interrupted:
    """A pipe of which Ctrl-C interrupts the next line."""

    def __init__(self, pipe):
        self.pipe = pipe

    def __getattr__(self, name):
        return getattr(self.pipe, name)

    def readline(self):
        raise KeyboardInterrupt


def test_an_answer_that_ctrl_c_leaves_unread_is_not_that_of_the_next_request(drawings, monkeypatch):
    pages = items_of(drawings)
    with monkeypatch.context() as patch:
        patch.setattr(PROCESS._process, "stdout", Interrupted(PROCESS._process.stdout))
        with pytest.raises(KeyboardInterrupt):
            pages[0].read().image()
    assert pages[2].read().image().size == (512, 1024)
    assert [item.text for item in items_of(drawings)] == [item.text for item in pages]


def test_an_answer_to_another_request_is_refused(drawings, monkeypatch):
    pages = items_of(drawings)
    line = {"ask": "status", "close": [], "seconds": 9, "number": 0}
    PROCESS._process.stdin.write(json.dumps(line).encode() + b"\n")
    with pytest.raises(ImageError, match="page 1 made PDFium break off"):
        pages[0].read().image()
    assert pages[0].read().image().size == (1024, 512)


def test_a_page_that_takes_all_memory_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(pdf_process, "PAGE_SECONDS", 4.0)
    monkeypatch.setattr(pdf_process, "_BESIDE_PIXELS", 0)
    monkeypatch.setenv("WORDSIGHT_IMAGE_MEMORY", "700")
    PROCESS.end()
    bomb = zlib.compress(b"0 0 1 1 re f " * 30_000_000, 1)
    full = BLANK.replace(b">>", b"/Contents 4 0 R >>")
    (tmp_path / "bomb.pdf").write_bytes(pdf_of([CATALOGUE, PAGES % 1, full, stream(b"/Filter /FlateDecode", bomb)]))
    (item,) = items_of(tmp_path / "bomb.pdf")
    try:
        with pytest.raises(ImageError, match=r"^page 1 (made PDFium break off|takes longer|is damaged)"):
            item.read().image()
    finally:
        PROCESS.end()


def test_documents_that_claim_more_pages_than_they_hold(tmp_path):
    (tmp_path / "million.pdf").write_bytes(pdf_of([CATALOGUE, PAGES % 1_000_000, BLANK]))
    (tmp_path / "thousand.pdf").write_bytes(pdf_of([CATALOGUE, PAGES % 1000, BLANK]))
    (skip,) = items_of(tmp_path / "million.pdf")
    assert skip.reason == "has 1,000,000 pages, more than the limit of 100,000; split it"
    *pages, skip = items_of(tmp_path / "thousand.pdf")
    assert len(pages) == 101
    assert skip.reason == "is damaged: of its 1,000 pages none can be read from page 2 on"
