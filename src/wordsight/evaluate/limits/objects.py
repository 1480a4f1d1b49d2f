"""Objects that scenes are made of: coloured shapes, and cut-outs of the bundled sample images."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from wordsight.evaluate.limits.canvas import COLOURS, Canvas, Colour, Point
from wordsight.samples import sample_images

Outline = list[tuple[float, float]]  # corners, -1 to 1 around the middle


def polygon(corners: int, *, turn: float = 0.0) -> Outline:
    """Corners of a regular polygon, the first at the top, turned by a share of a side."""
    angles = [2 * math.pi * (k + turn) / corners - math.pi / 2 for k in range(corners)]
    return [(math.cos(angle), math.sin(angle)) for angle in angles]


def _star() -> Outline:
    radii = (1.0, 0.42)
    angles = [math.pi * k / 5 - math.pi / 2 for k in range(10)]
    return [(radii[k % 2] * math.cos(angle), radii[k % 2] * math.sin(angle)) for k, angle in enumerate(angles)]


def _heart() -> Outline:
    turns = [2 * math.pi * k / 80 for k in range(80)]
    return [
        (
            math.sin(t) ** 3,
            -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)) / 17 - 0.12,
        )
        for t in turns
    ]


def _cross() -> Outline:
    a, b = 0.32, 0.95
    return [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a), (-a, -a)]


# name → corners, of shapes that nobody takes for one another
SHAPES: dict[str, Outline] = {
    "circle": polygon(90),
    "square": [(-0.82, -0.82), (0.82, -0.82), (0.82, 0.82), (-0.82, 0.82)],
    "triangle": [(x, y + 0.2) for x, y in polygon(3)],
    "star": _star(),
    "heart": _heart(),
    "cross": _cross(),
}
# shapes that hold another without touching it
HOLLOW = ("circle", "square", "triangle")


def draw_shape(canvas: Canvas, name: str, centre: Point, size: float, colour: Colour, *, line: float = 0.0) -> None:
    """Draw a shape, filled, or as an outline `line` thick."""
    corners = canvas_corners(canvas, SHAPES[name], centre, size)
    if line:
        width = round(canvas.scale(line)[0])
        canvas.draw.line([*corners, corners[0], corners[1]], colour, width, joint="curve")
    else:
        canvas.draw.polygon(corners, colour)


def canvas_corners(canvas: Canvas, outline: Outline, centre: Point, size: float) -> list[tuple[float, float]]:
    """Corners of an outline where it lies on the canvas; `size` is its longer side."""
    x, y = canvas.scale(*centre)
    half = canvas.scale(size / 2)[0]
    return [(x + half * a, y + half * b) for a, b in outline]


@dataclass(frozen=True)
class Thing:
    """An object with its name in the singular, with article, and in the plural; `put` draws it."""

    one: str
    many: str
    put: Callable[[Canvas, Point, float], None]


def paint_shape(name: str, colour: str, *, named: bool = True) -> Thing:
    """A shape in a colour; `named`: which its name tells."""
    words = f"{colour} {name}" if named else name
    many = f"{words}es" if words.endswith("s") else f"{words}s"
    fill = COLOURS[colour]
    return Thing(add_article(words), many, lambda canvas, at, size: draw_shape(canvas, name, at, size, fill))


# stem of a sample → its name and plural
_CUT_OUTS = {
    "strawberry": ("a strawberry", "strawberries"),
    "bicycle": ("a bicycle", "bicycles"),
    "sailing-boat": ("a sailing boat", "sailing boats"),
    "cat": ("a cat", "cats"),
    "coffee": ("a cup of coffee", "cups of coffee"),
    "astronaut": ("an astronaut", "astronauts"),
}


@functools.cache
def cut_outs() -> dict[str, Thing]:
    """Things that the bundled samples show, by name: drawings without their paper, photos as square prints."""
    paths = {path.stem: path for path in sample_images()}
    return {one: Thing(one, many, _paster(paths[stem])) for stem, (one, many) in _CUT_OUTS.items()}


def _paster(path: Path) -> Callable[[Canvas, Point, float], None]:
    return lambda canvas, at, size: canvas.paste(_cut_out(path), at, size)


@functools.cache
def _cut_out(path: Path) -> Image.Image:
    """RGBA image of a sample; of a drawing without its white."""
    image = Image.open(path).convert("RGB")
    if path.suffix != ".png":
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        return image.crop((left, top, left + side, top + side)).resize((256, 256)).convert("RGBA")
    cut = image.convert("RGBA")
    white_HW = np.asarray(image).min(axis=2) > 245  # its paper; what is white in the drawing shows the scene's
    cut.putalpha(Image.fromarray(np.where(white_HW, 0, 255).astype(np.uint8)))
    return cut.crop(cut.getbbox())


def add_article(words: str) -> str:
    """ "a cat", "an orange"."""
    if words[0] in "aeiou":
        return f"an {words}"
    return f"a {words}"
