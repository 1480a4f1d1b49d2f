"""Whether two images are copies of each other, told from small versions of their pixels.

A copy may be resized, re-encoded, cropped by up to a fifth, mirrored, turned by 90° or 180°, brighter, darker, more or
less colourful, and have a border. The two are laid over each other (which is the crop of which, from where, mirrored or
not; then turned, and without borders), and the light and colour of one brought to the other's; then what is left of
the difference is looked at piece by piece. Images that only resemble
each other, such as two products before the same ground, differ clearly in some piece, however alike they are on the
whole. Sheets of writing or lines (invoices of one form, notes, blank pages) differ in strokes too thin for that: these
are compared at 512 pixels, and every piece with strokes must agree. One digit may still be too small to be seen, so
that `Miniature.paper` tells of what a person should look at before deleting. How well this tells copies from
look-alikes: `benchmarks/duplicates_quality.py`. Not always told: crops of what is fine texture all over, such as a
brick wall or a lawn, cropped or much smaller copies of sheets and of thin things on a plain ground, such as a bicycle.
Not told: copies in black and white, turned copies that are cropped too, and writing across a large part of the image.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from wordsight.images.decode import read_image
from wordsight.images.inputs import ImageSource

# of 365 pairs of the most similar photos and products, none but copies keep to these (benchmarks/duplicates_quality.py)
DETAIL, DIFFERENCE = 0.8, 14.0
_SIDE, _COARSE, _FINE = 128, 32, 48  # pixels of a miniature, of the search for the crop, of the last comparison
_PIECE = 4  # pixels of a piece of the fine image: 12 × 12 pieces
_KEPT = (1.0, 0.975, 0.95, 0.925, 0.9, 0.875, 0.85, 0.825, 0.8)  # of the longer-kept side, what a crop may have left
_LEAST = 0.76  # of either side: what is tried; a fifth cropped, and rounding
_PROMISING, _NEARLY = 0.55, 0.85  # correlations below which no alignment is refined, or only coarsely
_WHOLE, _SAME_RATIO = 0.8, 0.06  # correlation at 32 pixels, and difference of log ratios, of images turned or trimmed
_EDGE, _MOST_BORDER = 14, 0.7  # grey levels that a border's pixels differ by; share of a side that borders may take
_TOUCHING = 0.6  # share of the pixels beside a border that differ from it: margins of products have 0 to 0.3
_LAID, _MORE_EDGES = 3.0, 1.08  # grey levels of what is laid over an image; edges that it adds where it is
_CLIPPED = 4  # grey levels from black and white where brightening and darkening lose what was there
_SATURATION = 0.5, 2.0  # a copy may have so much of the colour; less would make a black thing a copy of a brown one
_FLAT = 1.5  # grey levels of detail below which an image is a plain surface
STROKES = 0.95  # what strokes of copies of sheets correlate with; of bills that differ in number and sum: up to 0.94
READ_AT_LEAST = 256  # pixels to ask `read_image` for: JPEGs then keep twice as many, those of a sheet
_SHEET, _SHEET_PIECE = 512, 16  # pixels of a sheet and of its pieces: a line of small print is 7 high
_WINDOW = 29  # pixels of the sheet over which its ground is taken off
_INK, _FAINT = 16.0, 4.0  # grey levels of detail: of pieces with strokes; of what JPEG leaves on a plain ground
_GROUND, _THICK, _MOST_THICK = 16, 7, 0.2  # grey levels off the ground; pixels of 256 that no stroke is wide; share
_EVEN = 0.45  # share of a sheet within 4 grey levels; of skies and snow with thin things before them hardly any has
_LEAST_THIN = 0.003  # of a sheet with images or bands: strokes beside these


Box = tuple[float, float, float, float]  # left, top, right, bottom in the miniature's pixels


class Miniature:
    """A image as a square of 128 pixels, with what comparisons of it share. ratio: width / height of the original."""

    def __init__(self, image: Image.Image, ratio: float | None = None, sheet: Image.Image | None = None) -> None:
        self.ratio = image.width / image.height if ratio is None else ratio
        self.square = image if image.size == (_SIDE, _SIDE) else _resized(image.convert("RGB"), _SIDE)
        self.sheet = _resized(image.convert("L"), _SHEET) if sheet is None else sheet
        self.grey = self.square.convert("L")
        self.coarse = np.asarray(self.grey.resize((_COARSE, _COARSE), Image.Resampling.BOX), np.float32)
        self._templates: dict[tuple[int, int], np.ndarray] = {}

    @classmethod
    def of(cls, source: ImageSource) -> Miniature:
        """Return the miniature of a path, bytes, PIL image or array. Raises: ImageError."""
        return cls(read_image(source, at_least=READ_AT_LEAST))

    @functools.cached_property
    def mirrored(self) -> Miniature:
        """The image, left and right exchanged."""
        return Miniature(ImageOps.mirror(self.square), self.ratio, ImageOps.mirror(self.sheet))

    @functools.cached_property
    def trimmed(self) -> Miniature | None:
        """The image without a border of one colour around it or at two opposite sides; None where there is none."""
        left, top, right, bottom = self.border
        if max(left, top) == 0 or max(left + right, top + bottom) > _MOST_BORDER * _SIDE:
            return None
        return self._inside((left, top, _SIDE - right, _SIDE - bottom))

    def between_bars(self, ratio: float) -> Miniature | None:
        """Return the middle of the image, of a ratio width / height, if all beside or above and below is border."""
        left, top, right, bottom = self.border
        share = min(ratio / self.ratio, self.ratio / ratio)
        bar = (1 - share) / 2 * _SIDE
        across = ratio < self.ratio  # bars at left and right
        if not 1 - _MOST_BORDER <= share < 0.98 or min((left, right) if across else (top, bottom)) < bar - 1:
            return None
        return self._inside((bar, 0, _SIDE - bar, _SIDE) if across else (0, bar, _SIDE, _SIDE - bar))

    def _inside(self, box: Box) -> Miniature:
        n = _SHEET / _SIDE
        on_sheet: Box = (n * box[0], n * box[1], n * box[2], n * box[3])
        square = self.square.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC, box=box)
        sheet = self.sheet.resize((_SHEET, _SHEET), Image.Resampling.BICUBIC, box=on_sheet)
        return Miniature(square, self.ratio * (box[2] - box[0]) / (box[3] - box[1]), sheet)

    @functools.cached_property
    def border(self) -> tuple[int, int, int, int]:
        """How many of 128 pixels are border: left, top, right, bottom; less than 2 % of a side is none."""
        pixels_HW3 = np.asarray(self.square, np.int16)
        top, bottom = _border(pixels_HW3)
        left, right = _border(pixels_HW3.transpose(1, 0, 2))
        return left, top, right, bottom

    @functools.cached_property
    def framed(self) -> bool:
        """Whether the border is a frame or bars: the image touches it along the whole side, as no product does."""
        if self.trimmed is None:
            return False
        left, top, right, bottom = self.border
        pixels_HW3 = np.asarray(self.square, np.int16)[top : _SIDE - bottom, left : _SIDE - right]
        whole_HW3 = np.asarray(self.square, np.int16)
        sides = [(pixels_HW3[0], whole_HW3[0]), (pixels_HW3[-1], whole_HW3[-1])] if top else []
        if left:
            sides += [(pixels_HW3[:, 0], whole_HW3[:, 0]), (pixels_HW3[:, -1], whole_HW3[:, -1])]
        shares = [(np.abs(inside - np.median(edge, axis=0)) > _EDGE).any(axis=1).mean() for inside, edge in sides]
        return bool(np.mean(shares) >= _TOUCHING)

    def turned(self, quarters: int) -> Miniature:
        """Return the image turned by as many quarters, anticlockwise."""
        how = _TURNS[quarters]
        ratio = self.ratio if quarters == 2 else 1 / self.ratio
        return Miniature(self.square.transpose(how), ratio, self.sheet.transpose(how))

    @functools.cached_property
    def fine(self) -> np.ndarray:
        """The image as (48, 48, 3) float32."""
        return _cut(self.square, (0.0, 0.0, _SIDE, _SIDE))

    @functools.cached_property
    def fine_grey(self) -> np.ndarray:
        """The grey image as (48, 48) float32."""
        return _cut(self.grey, (0.0, 0.0, _SIDE, _SIDE))

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
        """Whether nothing is to be seen on it."""
        strokes = _pieces(_detail(np.asarray(self.sheet, np.float32), _WINDOW)).std(axis=1)
        return bool(_detail(self.fine_grey).std() < _FLAT and strokes.max() < _FAINT)

    def template(self, height: int, width: int) -> np.ndarray:
        """Return the grey image at a size as a vector of mean 0 and length 1; zeros where it is plain."""
        if (height, width) not in self._templates:
            small = np.asarray(self.grey.resize((width, height), Image.Resampling.BOX), np.float32).ravel()
            small = small - small.mean()
            norm = float(np.linalg.norm(small))
            self._templates[height, width] = small / norm if norm > 1 else np.zeros_like(small)
        return self._templates[height, width]


@dataclass(frozen=True)
class Likeness:
    """How alike two images are once laid over each other.

    detail: correlation of what is left without light, shade and large shapes, 1 at most. difference: grey levels by
    which the piece (a 144th of the image) that differs most does so. strokes: of sheets, correlation of the small
    piece that agrees least, where these two allow that they are copies; else 1.
    """

    detail: float
    difference: float
    strokes: float = 1.0

    @property
    def same(self) -> bool:
        """Whether one is a copy of the other."""
        return self.detail >= DETAIL and self.difference <= DIFFERENCE and self.strokes >= STROKES


UNLIKE = Likeness(0.0, 255.0)
_TURNS = {
    1: Image.Transpose.ROTATE_90,
    2: Image.Transpose.ROTATE_180,
    3: Image.Transpose.ROTATE_270,
}


def likeness(one: Miniature, other: Miniature) -> Likeness:
    """Return how alike two images are; UNLIKE where no crop of one fits the other. Plain surfaces agree in detail.

    Where they are no copies as they are, the other is turned, and both are taken without their borders, if that makes
    them agree as a whole.
    """
    found = _upright_likeness(one, other)
    if found.same:
        return found
    for changed in _changed(one, other):
        again = _upright_likeness(*changed)
        if again.same:
            return again
    return found


def laid_over(one: Miniature, other: Miniature) -> bool:
    """Return whether something is laid over a small part of the other, such as writing, that the first lacks.

    That is: both are whole and upright, they differ in few places only, and there the other has more edges.
    """
    if not _agree(one, other, 0):
        return False
    pieces_N = _piece_means(_unexplained(one.fine, other.fine))
    worst = float(pieces_N.max())
    if worst < _LAID or worst < 3 * float(np.median(pieces_N)) + 1:
        return False
    there_N = pieces_N >= worst / 2
    return _edges(other, there_N) > _MORE_EDGES * _edges(one, there_N)


def _edges(image: Miniature, there_N: np.ndarray) -> float:
    """Return the mean step between neighbouring pixels of the large version, in some of the 144 pieces."""
    grey_HW = np.asarray(image.sheet, np.float32)
    steps_HW = np.abs(np.diff(grey_HW, axis=0))[:, :-1] + np.abs(np.diff(grey_HW, axis=1))[:-1]
    pieces = _FINE // _PIECE
    side = -(-_SHEET // pieces)
    where_HW = np.kron(there_N.reshape(pieces, pieces), np.ones((side, side), bool))
    return float(steps_HW[where_HW[: _SHEET - 1, : _SHEET - 1]].mean())


def _changed(one: Miniature, other: Miniature) -> Iterator[tuple[Miniature, Miniature]]:
    """Yield the pair without borders, and turned, where it then agrees as a whole: that costs a product of 32 × 32."""
    within = (one.between_bars(other.ratio), other), (one, other.between_bars(one.ratio))
    trimmed = (one.trimmed, other), (one, other.trimmed), (one.trimmed, other.trimmed)
    for first, second in (*within, *trimmed):
        if first is not None and second is not None and _agree(first, second, 0):
            yield first, second
    yield from ((one, other.turned(n)) for n in _TURNS if _agree(one, other, n))


def _agree(one: Miniature, other: Miniature, quarters: int) -> bool:
    """Return whether two whole images agree coarsely, the other turned, mirrored or not."""
    ratio = 1 / other.ratio if quarters % 2 else other.ratio
    if abs(np.log(one.ratio / ratio)) > _SAME_RATIO:
        return False
    here = one.template(_COARSE, _COARSE)
    there = np.rot90(other.template(_COARSE, _COARSE).reshape(_COARSE, _COARSE), quarters)
    return bool(max(here @ there.ravel(), here @ there[:, ::-1].ravel()) >= _WHOLE)


def _upright_likeness(one: Miniature, other: Miniature) -> Likeness:
    if one.plain and other.plain:
        return Likeness(1.0, _worst_piece(one.fine - other.fine))
    placed = max((_place(whole, part) for whole, part in ((one, other), (other, one))), key=lambda found: found[0])
    correlation, whole, part, box = placed
    if correlation < _PROMISING:
        return UNLIKE
    refined = _refine(whole, part, box)
    if refined is None:
        return UNLIKE
    seen = _cut(whole.square, refined)
    detail = _correlation(_detail(seen.mean(axis=2)), _detail(part.fine.mean(axis=2)))
    ways = _unexplained(seen, part.fine), _unexplained(part.fine, seen)
    found = Likeness(detail, min(map(_worst_piece, ways)))
    if found.same and one.paper and other.paper:  # the strokes take longer than all else
        return replace(found, strokes=_strokes(whole, part, refined))
    return found


def _border(pixels_HW3: np.ndarray) -> tuple[int, int]:
    """Return how many rows at the top and at the bottom are of the colour of the outermost one; both or none."""
    found = []
    for rows_HW3 in (pixels_HW3, pixels_HW3[::-1]):
        colour = np.median(rows_HW3[0], axis=0)
        differs_H = (np.abs(rows_HW3 - colour) > _EDGE).any(axis=(1, 2))
        found.append(int(differs_H.argmax()) if differs_H.any() else 0)
    least = round(0.02 * len(pixels_HW3))
    if min(found) < least:
        return 0, 0
    return found[0] + 1, found[1] + 1  # the next row is border and image mixed


def _resized(image: Image.Image, side: int) -> Image.Image:
    how = Image.Resampling.BOX if min(image.size) > 2 * side else Image.Resampling.BICUBIC
    return image.resize((side, side), how)


def _place(whole: Miniature, part: Miniature) -> tuple[float, Miniature, Miniature, Box]:
    """Return (correlation, whole, part or its mirror image, box of the whole) where `part` fits best as its crop."""
    stretch = part.ratio / whole.ratio  # share of the width kept / share of the height kept
    best: tuple[float, Miniature, Miniature, Box] = (-1.0, whole, part, (0.0, 0.0, 1.0, 1.0))
    for kept in _KEPT:
        share_x, share_y = (kept, kept / stretch) if stretch >= 1 else (kept * stretch, kept)
        if min(share_x, share_y) < _LEAST:
            break
        height, width = round(share_y * _COARSE), round(share_x * _COARSE)
        windows_NP = _windows(whole.coarse, height, width)
        for turned in (part, part.mirrored):
            scores_N = windows_NP @ turned.template(height, width)
            at = int(scores_N.argmax())
            if scores_N[at] > best[0]:
                top, left = divmod(at, _COARSE - width + 1)
                corner = np.array([left, top, left + width, top + height]) * (_SIDE / _COARSE)
                best = (float(scores_N[at]), whole, turned, tuple(corner.tolist()))
    return best


def _windows(image_HW: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return every window of an image as a row of mean 0 and length 1."""
    windows = np.lib.stride_tricks.sliding_window_view(image_HW, (height, width))
    rows_NP = windows.reshape(-1, height * width)
    rows_NP = rows_NP - rows_NP.mean(axis=1, keepdims=True)
    return np.asarray(rows_NP / np.maximum(np.linalg.norm(rows_NP, axis=1, keepdims=True), 1.0))


def _cut(image: Image.Image, box: Box) -> np.ndarray:
    return np.asarray(image.resize((_FINE, _FINE), Image.Resampling.BILINEAR, box=box), np.float32)


_MOVES = ((1, 0, 1, 0), (0, 1, 0, 1), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))


def _refine(whole: Miniature, part: Miniature, box: Box) -> Box | None:
    """Move the box and its sides until the images agree best; None where they turn out not to."""
    best, step = _correlation(_cut(whole.grey, box), part.fine_grey), 2.0
    while step >= 0.25:
        before = best
        for move in _MOVES:
            for sign in (step, -step):
                left, top, right, bottom = (edge + sign * by for edge, by in zip(box, move, strict=True))
                inside = min(left, top) >= 0 and max(right, bottom) <= _SIDE
                if not inside or min(right - left, bottom - top) < _LEAST * _SIDE:
                    continue
                score = _correlation(_cut(whole.grey, (left, top, right, bottom)), part.fine_grey)
                if score > best:
                    best, box = score, (left, top, right, bottom)
        if best <= before:
            if best < _NEARLY:
                return None
            step /= 2
    return box


def _correlation(one_HW: np.ndarray, other_HW: np.ndarray) -> float:
    """Return the normalised correlation of two arrays of one shape."""
    one, other = one_HW.ravel() - one_HW.mean(), other_HW.ravel() - other_HW.mean()
    norms = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    return float(one @ other) / norms if norms > 0 else 0.0


def _detail(grey_HW: np.ndarray, n: int = 7) -> np.ndarray:
    """Return the image less its mean over n × n pixels: detail without light, shade and large shapes."""
    padded = np.pad(grey_HW, n // 2, mode="edge").astype(np.float64)  # sums of a sheet are beyond float32
    sums = np.pad(padded.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    mean: np.ndarray = (sums[n:, n:] - sums[:-n, n:] - sums[n:, :-n] + sums[:-n, :-n]) / n**2
    return np.asarray(grey_HW - mean, np.float32)


def _strokes(whole: Miniature, part: Miniature, box: Box) -> float:
    """Return the least correlation of any piece of two sheets that has strokes on either; 1 where there are none."""
    left, top, right, bottom = (edge * _SHEET / _SIDE for edge in box)
    seen = whole.sheet.resize((_SHEET, _SHEET), Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    blurred = (np.asarray(one.filter(ImageFilter.GaussianBlur(1)), np.float32) for one in (seen, part.sheet))
    one_HW, other_HW = (_detail(grey, _WINDOW) for grey in blurred)
    other_NP, other_N = _centred(other_HW)
    agree_N = np.full(len(other_N), -1.0)
    inked_N = np.maximum(_centred(one_HW)[1], other_N) > _INK * _SHEET_PIECE
    around = np.pad(one_HW, 1, mode="edge")
    for down, along in np.ndindex(3, 3):  # the box is known to a pixel of the sheet
        one_NP, one_N = _centred(around[down : down + _SHEET, along : along + _SHEET])
        agree_N = np.maximum(agree_N, (one_NP * other_NP).sum(axis=1) / np.maximum(one_N * other_N, 1e-6))
    return float(agree_N[inked_N].min(initial=1.0))


def _centred(sheet_HW: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pieces of a sheet with mean 0 (N, pixels), and their lengths (N,)."""
    pieces_NP = _pieces(sheet_HW)
    pieces_NP = pieces_NP - pieces_NP.mean(axis=1, keepdims=True)
    return pieces_NP, np.linalg.norm(pieces_NP, axis=1)


def _pieces(sheet_HW: np.ndarray) -> np.ndarray:
    n = _SHEET // _SHEET_PIECE
    return sheet_HW.reshape(n, _SHEET_PIECE, n, _SHEET_PIECE).transpose(0, 2, 1, 3).reshape(n * n, -1)


def _unexplained(one_HW3: np.ndarray, other_HW3: np.ndarray) -> np.ndarray:
    """Return what of `other` is no change of brightness, contrast and saturation of `one` (least squares).

    What turned black or white is left out of the fit, and expected to be black or white.
    """
    grey = one_HW3.mean(axis=2, keepdims=True)
    wide = np.broadcast_to(grey, one_HW3.shape)
    terms = np.stack([wide.ravel(), (wide * wide).ravel() / 255, (one_HW3 - grey).ravel(), np.ones(wide.size)], axis=1)
    seen_N = ~(_clipped(other_HW3) & ~_clipped(one_HW3)).ravel()
    fitted, wanted = terms[seen_N], other_HW3.ravel()[seen_N]
    weights = np.linalg.lstsq(fitted.T @ fitted, fitted.T @ wanted, rcond=None)[0]
    weights[2] = np.clip(weights[2], *_SATURATION)
    return np.asarray(other_HW3 - np.clip(terms @ weights, 0, 255).reshape(other_HW3.shape))


def _clipped(pixels_HW3: np.ndarray) -> np.ndarray:
    return np.asarray((pixels_HW3 <= _CLIPPED) | (pixels_HW3 >= 255 - _CLIPPED))


def _worst_piece(difference_HW3: np.ndarray) -> float:
    """Return the largest mean of absolute differences of any piece."""
    return float(_piece_means(difference_HW3).max())


def _piece_means(difference_HWC: np.ndarray) -> np.ndarray:
    """Return the mean of absolute values of each piece (144,)."""
    pieces = _FINE // _PIECE
    means: np.ndarray = np.abs(difference_HWC).reshape(pieces, _PIECE, pieces, _PIECE, -1).mean(axis=(1, 3, 4))
    return means.ravel()
