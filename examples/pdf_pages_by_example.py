"""Similarity search over PDF pages: a rough sketch finds the page with such a drawing.

Command: `python examples/pdf_pages_by_example.py` makes a small catalogue as PDF; on your own documents and an image
    of what you look for, `python examples/pdf_pages_by_example.py FOLDER_OF_PDF SKETCH.png`.
Time: 4 s on two CPU cores; of your own PDF, about 20 pages a second.
Result: The sketch of a flange finds the two pages with flanges, and no other is likely. The sketch of a plan finds the
    floor plan; the circuit, which is lines at right angles too, follows and is called likely, wrongly.
"""

# %% A catalogue of six pages, as drawing offices make them: a frame, a title block, a drawing or text
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

import wordsight

Pen = ImageDraw.ImageDraw
HOLES = ((450, 320), (450, 640), (290, 480), (610, 480), (337, 367), (563, 593), (337, 593), (563, 367))


def draw_flange(pen: Pen, holes: int = 4) -> None:
    """A disc with a bore and holes around it."""
    for radius in (280, 230, 90):
        pen.circle((450, 480), radius, outline="black", width=4)
    for x, y in HOLES[:holes]:
        pen.circle((x, y), 25, outline="black", width=4)


def draw_circuit(pen: Pen) -> None:
    """Branches of wire with resistors in them."""
    pen.line((150, 180, 1200, 180, 1200, 650, 150, 650, 150, 180), fill="black", width=4)
    for x in (410, 670, 930):
        pen.line((x, 180, x, 650), fill="black", width=4)
        for y in (280, 450):
            pen.rectangle((x - 22, y, x + 22, y + 100), outline="black", fill="white", width=4)
    for x in (200, 460, 720, 980):
        pen.rectangle((x, 160, x + 100, 200), outline="black", fill="white", width=4)


def draw_plan(pen: Pen) -> None:
    """Walls of four rooms, with openings for doors."""
    pen.rectangle((150, 120, 1150, 720), outline="black", width=14)
    pen.line((600, 120, 600, 720), fill="black", width=14)
    pen.line((150, 400, 1150, 400), fill="black", width=14)
    for door in ((590, 200, 612, 290), (590, 500, 612, 590), (300, 390, 390, 412), (800, 390, 890, 412)):
        pen.rectangle(door, fill="white")


def draw_chart(pen: Pen) -> None:
    """Bars on two axes."""
    pen.line((150, 120, 150, 700, 1150, 700), fill="black", width=5)
    for number, height in enumerate((180, 320, 260, 460, 520, 390)):
        pen.rectangle((210 + 150 * number, 700 - height, 300 + 150 * number, 700), fill="gray", outline="black")


def draw_text(pen: Pen) -> None:
    """Lines of prose."""
    words = "Tighten all screws crosswise. Check the seal before each use and after 200 hours of work. "
    for row in range(14):
        line = (words * 2)[row * 5 : row * 5 + 75]
        pen.text((120, 110 + 44 * row), line, fill="black", font=ImageFont.load_default(28))


def draw_page(title: str, draw: Callable[[Pen], None]) -> Image.Image:
    """A sheet with frame and title block around a drawing."""
    page = Image.new("L", (1414, 1000), "white")
    pen = ImageDraw.Draw(page)
    draw(pen)
    pen.rectangle((40, 40, 1373, 959), outline="black", width=3)
    pen.rectangle((873, 779, 1373, 959), outline="black", fill="white", width=3)
    for row, words in enumerate(("EXAMPLE WORKS LTD", title, "SHEET 1 OF 1")):
        pen.line((873, 779 + 60 * row, 1373, 779 + 60 * row), fill="black", width=3)
        pen.text((890, 794 + 60 * row), words, fill="black", font=ImageFont.load_default(28))
    return page


def draw_sketch(draw: Callable[[Pen], None], angle: float) -> Image.Image:
    """The drawing alone, turned a little and made small, as somebody would scribble it."""
    sketch = Image.new("L", (1300, 1000), "white")
    draw(ImageDraw.Draw(sketch))
    return sketch.rotate(angle, fillcolor="white").resize((650, 500))


CATALOGUE = {
    "FLANGE DN 80": draw_flange,
    "SUPPLY CIRCUIT": draw_circuit,
    "GROUND FLOOR": draw_plan,
    "SALES BY MONTH": draw_chart,
    "ASSEMBLY NOTES": draw_text,
    "FLANGE DN 100": lambda pen: draw_flange(pen, holes=8),
}

# %% Index: each page is an image of its own. The title block, alike on all sheets, is hidden from the model
folder = tempfile.TemporaryDirectory()
work = Path(folder.name)
given = [word for word in sys.argv[1:] if not word.startswith("-")]
if given:
    documents = Path(given[0])
    queries = {Path(name).name: Path(name) for name in given[1:]}
    if not queries:
        raise SystemExit("Give an image of what you look for too: pdf_pages_by_example.py FOLDER_OF_PDF SKETCH.png")
else:
    documents = work / "catalogue.pdf"
    pages = [draw_page(title, draw) for title, draw in CATALOGUE.items()]
    pages[0].save(documents, save_all=True, append_images=pages[1:])
    queries = {"a flange, sketched": draw_sketch(draw_flange, 4), "a plan, sketched": draw_sketch(draw_plan, -3)}

gallery = wordsight.Gallery.create(work / "index")
summary = gallery.add(documents, options=wordsight.IngestOptions(mask_title_block=True))
print(f"{len(gallery)} pages indexed, {len(summary.skipped)} files skipped")

# %% Search by example: the pages that look like the sketch, the most probable first
for name, sketch in queries.items():
    hits = gallery.search(sketch, k=4)
    print(f"\n{name}: {hits.likely} likely pages")
    for hit in hits:
        title = "" if given else list(CATALOGUE)[hit.page - 1]
        print(f"  {hit.proba:4.0%}  {hit.path.name} page {hit.page}  {title}".rstrip())

gallery.close()
folder.cleanup()
