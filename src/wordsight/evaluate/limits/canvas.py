"""Square images that are drawn at twice their size and made smaller, so that edges are smooth."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
Point = tuple[float, float]  # place on the canvas, 0 to 1 from left and from top
Colour = tuple[int, int, int]

SIDE = 256  # pixels of an image's side
_DRAWN = 2 * SIDE  # `finish` makes it half as big

# names that everybody agrees on, far from each other and from the papers
COLOURS: dict[str, Colour] = {
    "red": (214, 30, 38),
    "green": (34, 150, 60),
    "blue": (30, 80, 210),
    "yellow": (250, 212, 20),
    "orange": (250, 128, 10),
    "purple": (130, 40, 160),
    "pink": (250, 130, 180),
    "black": (20, 20, 20),
}
PAPERS: tuple[Colour, ...] = ((255, 255, 255), (244, 244, 240), (236, 240, 246), (232, 232, 232))


class Canvas:
    """A square sheet of one colour; places and sizes are shares of its side."""

    def __init__(self, paper: Colour = PAPERS[0]) -> None:
        self.image = Image.new("RGB", (_DRAWN, _DRAWN), paper)
        self.draw = ImageDraw.Draw(self.image)

    @classmethod
    def on(cls, photo: Image.Image) -> Canvas:
        """Canvas with a photo for its paper; its middle square is taken."""
        canvas = cls()
        side = min(photo.size)
        left, top = (photo.width - side) // 2, (photo.height - side) // 2
        square = photo.convert("RGB").crop((left, top, left + side, top + side))
        canvas.image.paste(square.resize((_DRAWN, _DRAWN), Image.Resampling.BICUBIC))
        return canvas

    def scale(self, *shares: float) -> tuple[float, ...]:
        """Shares of the side in the units of `draw`."""
        return tuple(share * _DRAWN for share in shares)

    def box(self, centre: Point, size: float) -> tuple[float, float, float, float]:
        """Square around a place, in the units of `draw`."""
        (x, y), half = centre, size / 2
        return ((x - half) * _DRAWN, (y - half) * _DRAWN, (x + half) * _DRAWN, (y + half) * _DRAWN)

    def paste(self, image: Image.Image, centre: Point, size: float) -> None:
        """Put an RGBA image there, its longer side `size`."""
        factor = size * _DRAWN / max(image.size)
        width, height = (max(1, round(side * factor)) for side in image.size)
        small = image.resize((width, height), Image.Resampling.BICUBIC)
        left, top = round(centre[0] * _DRAWN - width / 2), round(centre[1] * _DRAWN - height / 2)
        self.image.paste(small, (left, top), small)

    def write(
        self,
        text: str,
        centre: Point,
        height: float,
        colour: Colour = (0, 0, 0),
        *,
        width: float = 0.94,
        stroke: int = 0,
    ) -> tuple[float, float, float, float]:
        """Write a text around a place and return its box; it is made smaller until it is no wider than `width`."""
        font = load_font(round(height * _DRAWN))
        box = self.draw.textbbox((0, 0), text, font, stroke_width=stroke)
        if box[2] - box[0] > width * _DRAWN:
            font = load_font(int(height * _DRAWN * width * _DRAWN / (box[2] - box[0])))
            box = self.draw.textbbox((0, 0), text, font, stroke_width=stroke)
        left = centre[0] * _DRAWN - (box[0] + box[2]) / 2
        top = centre[1] * _DRAWN - (box[1] + box[3]) / 2
        self.draw.text((left, top), text, colour, font, stroke_width=stroke)
        return left + box[0], top + box[1], left + box[2], top + box[3]

    def rotate(self, degrees: float, paper: Colour) -> None:
        """Turn everything counter-clockwise around the middle."""
        self.image = self.image.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=paper)
        self.draw = ImageDraw.Draw(self.image)

    def finish(self) -> Pixels:
        """Pixels (SIDE, SIDE, 3) uint8."""
        return np.asarray(self.image.reduce(2))


@functools.cache
def load_font(size: int) -> ImageFont.FreeTypeFont:
    """The font that comes with Pillow (Aileron), in pixels: the same on every machine."""
    font = ImageFont.load_default(max(size, 8))
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow's wheels have FreeType
    return font
