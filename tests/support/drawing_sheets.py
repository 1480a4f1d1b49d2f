"""Sheets of technical drawings, put together: a drawing inside a frame, with one of several companies' title blocks.

Real drawings with title blocks are seldom free to use, so tests and `benchmarks/search_quality.py` compose them. A
sheet's image is what an indexed PDF page is: about 1,024 pixels long, lines anti-aliased. `COMPANIES` differ in
paper, frame and block: a table in the corner (ISO 7200), a strip along the bottom, a column at the right (architects'),
a parts list standing on the block, a block that keeps a distance from the frame, a block without its left line.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw, ImageFont

LONGEST = 1024  # pixels of a sheet's longer side
FINER = 2  # sheets are drawn this many times larger and reduced, which makes lines as soft as a renderer's
Box = tuple[float, float, float, float]  # left, top, right, bottom
WORDS = ("BRACKET", "HOUSING", "SHAFT", "VALVE", "PANEL", "CONTROL", "SUPPLY", "MIXER", "FILTER", "ASSEMBLY", "DETAIL")
NAMES = ("A. Berg", "J. Novak", "M. Rossi", "K. Tanaka", "L. Dubois", "P. Silva")


class Pen:
    """Draws in millimetres from the sheet's top left corner."""

    def __init__(self, width_mm: float, height_mm: float) -> None:
        self.scale = FINER * LONGEST / max(width_mm, height_mm)
        size = round(width_mm * self.scale), round(height_mm * self.scale)
        self.image = Image.new("RGB", size, "white")
        self.draw = ImageDraw.Draw(self.image)

    def line(self, x0: float, y0: float, x1: float, y1: float, mm: float = 0.35) -> None:
        ends = [v * self.scale for v in (x0, y0, x1, y1)]
        self.draw.line(ends, "black", max(1, round(mm * self.scale)))

    def box(self, box: Box, mm: float = 0.35) -> None:
        left, top, right, bottom = box
        for ends in ((left, top, right, top), (left, bottom, right, bottom)):
            self.line(*ends, mm)
        for ends in ((left, top, left, bottom), (right, top, right, bottom)):
            self.line(*ends, mm)

    def text(self, x: float, y: float, words: str, mm: float = 2.5) -> None:
        self.draw.text((x * self.scale, y * self.scale), words, "black", ImageFont.load_default(mm * self.scale))

    def logo(self, box: Box, sides: int) -> None:
        left, top, right, bottom = (v * self.scale for v in box)
        radius = min(right - left, bottom - top) / 2
        circle = ((left + right) / 2, (top + bottom) / 2, radius)
        self.draw.regular_polygon(circle, sides, fill="black")
        self.draw.regular_polygon((*circle[:2], radius / 2), sides, rotation=30, fill="white")


@dataclass(frozen=True)
class Company:
    """How one company makes its sheets. block(pen, company, frame, words) draws the block and returns where it is."""

    name: str
    paper: tuple[float, float]  # width, height, mm
    margins: Box  # of the frame from the paper's edges, mm
    block: Callable[[Pen, Company, Box, list[str]], Box]
    logo: int = 3  # corners
    zones: bool = False  # a second line round the frame, with letters and numbers of zones


def grid(pen: Pen, box: Box, columns: list[float], rows: list[float], words: list[str], mm: float = 0.25) -> None:
    """Rule a table (shares of its width and height) and write small captions and words in its cells."""
    left, top, right, bottom = box
    xs = [left + (right - left) * x for x in (0, *np.cumsum(columns) / sum(columns))]
    ys = [top + (bottom - top) * y for y in (0, *np.cumsum(rows) / sum(rows))]
    for x in xs[1:-1]:
        pen.line(x, top, x, bottom, mm)
    for y in ys[1:-1]:
        pen.line(left, y, right, y, mm)
    cells = [(x, y, x1 - x, y1 - y) for y, y1 in pairwise(ys) for x, x1 in pairwise(xs)]
    for i, (x, y, width, height) in enumerate(cells):
        word = words[i % len(words)]
        pen.text(x + 1, y + 0.5, word[: max(1, int(width / 1.9))], min(2.5, 0.5 * height))


def iso_corner(pen: Pen, company: Company, frame: Box, words: list[str]) -> Box:
    """A table of 180 × 45 mm (or what the paper bears) in the lower right corner, as in ISO 7200."""
    width = min(180.0, 0.62 * (frame[2] - frame[0]))
    box = (frame[2] - width, frame[3] - 45, frame[2], frame[3])
    pen.box(box, 0.7)
    middle = box[0] + 0.35 * width
    grid(pen, (box[0], box[1], middle, box[3]), [1, 2, 2], [1] * 6, words)
    pen.line(middle, box[1], middle, box[3], 0.5)
    grid(pen, (middle, box[1] + 22, box[2], box[3]), [2, 2, 1], [1, 1], words[3:])
    pen.line(middle, box[1] + 22, box[2], box[1] + 22)
    pen.logo((middle + 3, box[1] + 3, middle + 19, box[1] + 19), company.logo)
    pen.text(middle + 22, box[1] + 3, company.name, 6)
    pen.text(middle + 22, box[1] + 12, " ".join(words[:3]), 4)
    return box


def bottom_strip(pen: Pen, company: Company, frame: Box, words: list[str]) -> Box:
    """A strip of 22 mm along the whole bottom of the frame."""
    box = (frame[0], frame[3] - 22, frame[2], frame[3])
    pen.line(box[0], box[1], box[2], box[1], 0.7)
    head = box[0] + 0.25 * (box[2] - box[0])
    pen.line(head, box[1], head, box[3], 0.5)
    pen.logo((box[0] + 2, box[1] + 3, box[0] + 18, box[3] - 3), company.logo)
    pen.text(box[0] + 21, box[1] + 7, company.name, 5)
    grid(pen, (head, box[1], box[2], box[3]), [3, 1, 1, 1, 1, 2], [1, 1], words)
    return box


def right_column(pen: Pen, company: Company, frame: Box, words: list[str]) -> Box:
    """A column of 48 mm along the whole right side of the frame."""
    box = (frame[2] - 48, frame[1], frame[2], frame[3])
    pen.line(box[0], box[1], box[0], box[3], 0.7)
    third = box[1] + (box[3] - box[1]) / 3
    pen.logo((box[0] + 9, box[1] + 5, box[2] - 9, box[1] + 35), company.logo)
    pen.text(box[0] + 3, box[1] + 42, company.name, 5)
    grid(pen, (box[0], third, box[2], box[3]), [1], [4, 3, 1, 1, 1, 1, 1, 2], words)
    pen.line(box[0], third, box[2], third)
    return box


def parts_list(pen: Pen, company: Company, frame: Box, words: list[str]) -> Box:
    """A block of 120 × 30 mm with a list of parts of the same width standing on it."""
    width = min(120.0, 0.6 * (frame[2] - frame[0]))
    box = (frame[2] - width, frame[3] - 30 - 35, frame[2], frame[3])
    pen.box(box, 0.5)
    pen.line(box[0], box[3] - 30, box[2], box[3] - 30, 0.7)
    grid(pen, (box[0], box[1], box[2], box[3] - 30), [1, 4, 1, 3], [1] * 7, words)
    grid(pen, (box[0], box[3] - 15, box[2], box[3]), [2, 1, 1], [1, 1], words[4:])
    pen.line(box[0], box[3] - 15, box[2], box[3] - 15)
    pen.text(box[0] + 3, box[3] - 26, company.name, 6)
    pen.logo((box[2] - 15, box[3] - 29, box[2] - 2, box[3] - 16), company.logo)
    return box


def apart(pen: Pen, company: Company, frame: Box, words: list[str]) -> Box:
    """A thick-lined block of 100 × 40 mm that keeps 3 mm from the frame."""
    width = min(100.0, 0.55 * (frame[2] - frame[0]))
    box = (frame[2] - 3 - width, frame[3] - 43, frame[2] - 3, frame[3] - 3)
    pen.box(box, 0.9)
    pen.text(box[0] + 20, box[1] + 4, company.name, 6)
    pen.logo((box[0] + 3, box[1] + 2, box[0] + 15, box[1] + 14), company.logo)
    pen.line(box[0], box[1] + 16, box[2], box[1] + 16, 0.5)
    grid(pen, (box[0], box[1] + 16, box[2], box[3]), [1, 2, 1], [1, 1, 1], words)
    return box


def open_left(pen: Pen, company: Company, frame: Box, words: list[str]) -> Box:
    """Rules of 110 mm that come from the frame and end nowhere: no left line closes them."""
    width = min(110.0, 0.6 * (frame[2] - frame[0]))
    box = (frame[2] - width, frame[3] - 40, frame[2], frame[3])
    for i, y in enumerate(np.linspace(box[1], box[3], 6)[:-1]):
        pen.line(box[0], y, box[2], y, 0.35)
        pen.text(box[0] + 2, y + 2, f"{words[i]}: {words[i + 3]}", 3.5)
    pen.logo((box[2] - 22, box[1] + 3, box[2] - 4, box[1] + 21), company.logo)
    pen.text(box[0] + 50, box[3] - 7, company.name, 5)
    return box


COMPANIES = (
    Company("NORDWERK AG", (420, 297), (20, 10, 10, 10), iso_corner, 5, zones=True),
    Company("Halden & Sons", (297, 210), (10, 10, 10, 10), bottom_strip, 3),
    Company("ATELIER MIRO", (420, 297), (15, 10, 10, 10), right_column, 6),
    Company("Kestrel Electric", (297, 210), (20, 5, 5, 5), parts_list, 4),
    Company("OMEGA TOOLS", (279, 216), (12, 12, 12, 12), apart, 8),
    Company("Polar Instruments", (210, 297), (20, 10, 10, 10), iso_corner, 4),
    Company("Lindqvist Oy", (297, 210), (10, 7, 7, 7), open_left, 7),
)


def sheet(drawing: Image.Image, company: Company, rng: np.random.Generator) -> tuple[Image.Image, Box]:
    """Return a company's sheet that holds a drawing (black on white), and its block (left, top, right, bottom; pixels).

    Where the drawing stands, how large it is, and what is written in the block's cells are drawn from `rng`.
    """
    pen = Pen(*company.paper)
    frame = company.margins[0], company.margins[1], company.paper[0] - company.margins[2], 0.0
    frame = (*frame[:3], company.paper[1] - company.margins[3])
    pen.box(frame, 0.6)
    if company.zones:
        outer = (frame[0] - 5, frame[1] - 5, frame[2] + 5, frame[3] + 5)
        pen.box(outer, 0.25)
        for i, x in enumerate(np.linspace(frame[0], frame[2], 7)[:-1]):
            pen.line(x, outer[1], x, frame[1])
            pen.text(x + 25, outer[1] + 0.5, str(i + 1), 3.5)
        for i, y in enumerate(np.linspace(frame[1], frame[3], 5)[:-1]):
            pen.line(outer[0], y, frame[0], y)
            pen.text(outer[0] + 1, y + 30, "ABCD"[i], 3.5)
    words = [str(w) for w in rng.permutation([*WORDS, *NAMES, f"{rng.integers(1000, 9999)}-{rng.integers(10, 99)}"])]
    block = company.block(pen, company, frame, words)
    place(pen, drawing, free_part(frame, block), rng)
    image = pen.image.resize((pen.image.width // FINER, pen.image.height // FINER), Image.Resampling.LANCZOS)
    left, top, right, bottom = (v * pen.scale / FINER for v in block)
    return image, (left, top, right, bottom)


def free_part(frame: Box, block: Box) -> Box:
    """Return the larger of what is above the block and what is left of it, within the frame."""
    above = (frame[0], frame[1], frame[2], block[1])
    beside = (frame[0], frame[1], block[0], frame[3])
    return max(above, beside, key=lambda box: (box[2] - box[0]) * (box[3] - box[1]))


def place(pen: Pen, drawing: Image.Image, free: Box, rng: np.random.Generator) -> None:
    """Paste a drawing somewhere into the free part, filling 60–95 % of what it could."""
    left, top, right, bottom = (round(v * pen.scale) for v in free)
    gap = round(4 * pen.scale)
    left, top, right, bottom = left + gap, top + gap, right - gap, bottom - gap
    factor = rng.uniform(0.6, 0.95) * min((right - left) / drawing.width, (bottom - top) / drawing.height)
    size = max(1, round(drawing.width * factor)), max(1, round(drawing.height * factor))
    x = left + int(rng.integers(0, max(1, right - left - size[0])))
    y = top + int(rng.integers(0, max(1, bottom - top - size[1])))
    pen.image.paste(drawing.convert("RGB").resize(size, Image.Resampling.LANCZOS), (x, y))


def sketch(rng: np.random.Generator) -> Image.Image:
    """Return a made-up drawing: outlines of boxes, circles and lines between them."""
    image = Image.new("RGB", (900, 600), "white")
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(4, 9))):
        x, y, size = (int(v) for v in rng.integers((60, 60, 40), (650, 400, 180)))
        if rng.random() < 0.5:
            draw.ellipse((x, y, x + size, y + size), outline="black", width=3)
        else:
            draw.rectangle((x, y, x + size, y + size // 2), outline="black", width=3)
        draw.line((x, y, *(int(v) for v in rng.integers(50, 550, 2))), "black", 3)
    return image
