"""Images as small squares, with what comparisons of them share: borders, frames, paper, templates."""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from wordsight.duplicates.pixels import (
    COARSE,
    SHEET,
    SIDE,
    WINDOW,
    Box,
    cut_fine,
    resize_square,
    split_pieces,
    subtract_mean,
)
from wordsight.images.decode import read_image
from wordsight.images.inputs import ImageSource

_EDGE, _MOST_BORDER = 14, 0.7  # grey levels that a border's pixels differ by; share of a side that borders may take
_TOUCHING = 0.6  # share of the pixels beside a border that differ from it: margins of products have 0 to 0.3
_FLAT = 1.5  # grey levels of detail below which an image is a plain surface
READ_AT_LEAST = 256  # pixels to ask `read_image` for: JPEGs then keep twice as many, those of a sheet
_FAINT = 4.0  # grey levels of detail that JPEG leaves on a plain ground
_GROUND, _THICK, _MOST_THICK = 16, 7, 0.2  # grey levels off the ground; pixels of 256 that no stroke is wide; share
_EVEN = 0.45  # share of a sheet within 4 grey levels; of skies and snow with thin things before them hardly any has
_LEAST_THIN = 0.003  # of a sheet with images or bands: strokes beside these
TURNS = {
    1: Image.Transpose.ROTATE_90,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_270,
}


class Miniature:
    """An image as a square of 128 pixels, with what comparisons of it share. ratio: width / height of the original."""

    def __init__(self, image: Image.Image, ratio: float | None = None, sheet: Image.Image | None = None) -> None:
        self.ratio = ratio or image.width / image.height
        self.square = image
        if image.size != (SIDE, SIDE):
            self.square = resize_square(image.convert("RGB"), SIDE)
        self.sheet = sheet or resize_square(image.convert("L"), SHEET)
        self.grey = self.square.convert("L")
        self.coarse = np.asarray(self.grey.resize((COARSE, COARSE), Image.Resampling.BOX), np.float32)
        self._templates: dict[tuple[int, int], np.ndarray] = {}

    @classmethod
    def of(cls, source: ImageSource) -> Miniature:
        """Miniature of a path, bytes, PIL image or array. Raises: ImageError."""
        return cls(read_image(source, at_least=READ_AT_LEAST))

    @functools.cached_property
    def mirrored(self) -> Miniature:
        """The image, left and right exchanged."""
        return Miniature(ImageOps.mirror(self.square), self.ratio, ImageOps.mirror(self.sheet))

    @functools.cached_property
    def trimmed(self) -> Miniature | None:
        """The image without a border of one colour around it or at two opposite sides; None where there is none."""
        left, top, right, bottom = self.border
        if max(left, top) == 0 or max(left + right, top + bottom) > _MOST_BORDER * SIDE:
            return None
        return self._inside((left, top, SIDE - right, SIDE - bottom))

    def between_bars(self, ratio: float) -> Miniature | None:
        """Middle of the image, of a ratio width / height, if all beside or above and below is border."""
        left, top, right, bottom = self.border
        share = min(ratio / self.ratio, self.ratio / ratio)
        bar = (1 - share) / 2 * SIDE
        x, y, thinnest = 0.0, bar, min(top, bottom)
        if ratio < self.ratio:  # bars at left and right
            x, y, thinnest = bar, 0.0, min(left, right)
        if not 1 - _MOST_BORDER <= share < 0.98 or thinnest < bar - 1:
            return None
        return self._inside((x, y, SIDE - x, SIDE - y))

    def _inside(self, box: Box) -> Miniature:
        n = SHEET / SIDE
        on_sheet: Box = (n * box[0], n * box[1], n * box[2], n * box[3])
        square = self.square.resize((SIDE, SIDE), Image.Resampling.BICUBIC, box=box)
        sheet = self.sheet.resize((SHEET, SHEET), Image.Resampling.BICUBIC, box=on_sheet)
        return Miniature(square, self.ratio * (box[2] - box[0]) / (box[3] - box[1]), sheet)

    @functools.cached_property
    def border(self) -> tuple[int, int, int, int]:
        """Width of the border, of 128 pixels: left, top, right, bottom; less than 2 % of a side is none."""
        pixels_HW3 = np.asarray(self.square, np.int16)
        top, bottom = _find_border(pixels_HW3)
        left, right = _find_border(pixels_HW3.transpose(1, 0, 2))
        return left, top, right, bottom

    @functools.cached_property
    def framed(self) -> bool:
        """Whether the border is a frame or bars: the image touches it along the whole side, as no product does."""
        if self.trimmed is None:
            return False
        left, top, right, bottom = self.border
        pixels_HW3 = np.asarray(self.square, np.int16)[top : SIDE - bottom, left : SIDE - right]
        whole_HW3 = np.asarray(self.square, np.int16)
        sides = []
        if top:
            sides += [(pixels_HW3[0], whole_HW3[0]), (pixels_HW3[-1], whole_HW3[-1])]
        if left:
            sides += [(pixels_HW3[:, 0], whole_HW3[:, 0]), (pixels_HW3[:, -1], whole_HW3[:, -1])]
        shares = [(np.abs(inside - np.median(edge, axis=0)) > _EDGE).any(axis=1).mean() for inside, edge in sides]
        return bool(np.mean(shares) >= _TOUCHING)

    def turned(self, quarters: int) -> Miniature:
        """The image turned by as many quarters, anticlockwise."""
        how = TURNS[quarters]
        ratio = self.ratio
        if quarters % 2:
            ratio = 1 / ratio
        return Miniature(self.square.transpose(how), ratio, self.sheet.transpose(how))

    @functools.cached_property
    def fine(self) -> np.ndarray:
        """The image as (48, 48, 3) float32."""
        return cut_fine(self.square, (0.0, 0.0, SIDE, SIDE))

    @functools.cached_property
    def fine_grey(self) -> np.ndarray:
        """The grey image as (48, 48) float32."""
        return cut_fine(self.grey, (0.0, 0.0, SIDE, SIDE))

    @functools.cached_property
    def paper(self) -> bool:
        """Whether it is thin strokes on a plain ground, or nothing at all: a sheet of writing, a form, a drawing."""
        small = self.sheet.resize((256, 256), Image.Resampling.BOX)
        shades = np.convolve(small.histogram(), np.ones(9), "same")
        if shades.max() < _EVEN * 256**2:
            return False
        far = np.abs(np.asarray(small, np.int16) - int(shades.argmax())) > _GROUND
        thick = Image.fromarray(far.astype(np.uint8)).filter(ImageFilter.MinFilter(_THICK))
        beside = np.asarray(thick.filter(ImageFilter.MaxFilter(2 * _THICK + 3))) == 0
        much = float(np.asarray(thick).mean())
        thin = float((far & beside).mean())
        return bool(far.mean() < 0.5 and (much < 0.01 or (much < _MOST_THICK and thin > _LEAST_THIN)))

    @functools.cached_property
    def plain(self) -> bool:
        """Whether the image is empty."""
        strokes = split_pieces(subtract_mean(np.asarray(self.sheet, np.float32), WINDOW)).std(axis=1)
        return bool(subtract_mean(self.fine_grey).std() < _FLAT and strokes.max() < _FAINT)

    def template(self, height: int, width: int) -> np.ndarray:
        """Grey image at a size as a vector of mean 0 and length 1; zeros where it is plain."""
        if (height, width) not in self._templates:
            small = np.asarray(self.grey.resize((width, height), Image.Resampling.BOX), np.float32).ravel()
            small = small - small.mean()
            norm = float(np.linalg.norm(small))
            self._templates[height, width] = small / norm if norm > 1 else np.zeros_like(small)
        return self._templates[height, width]


def _find_border(pixels_HW3: np.ndarray) -> tuple[int, int]:
    """Numbers of rows at the top and at the bottom of the colour of the outermost one; both or none."""
    found = []
    for rows_HW3 in (pixels_HW3, pixels_HW3[::-1]):
        colour = np.median(rows_HW3[0], axis=0)
        differs_H = (np.abs(rows_HW3 - colour) > _EDGE).any(axis=(1, 2))
        found.append(int(differs_H.argmax()))  # 0 where none differs
    least = round(0.02 * len(pixels_HW3))
    if min(found) < least:
        return 0, 0
    return found[0] + 1, found[1] + 1  # the next row is border and image mixed
