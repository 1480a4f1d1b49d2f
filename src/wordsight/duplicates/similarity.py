"""Similarity of two images, from small versions of their pixels: whether one is a copy of the other.

A copy may be resized, re-encoded, cropped by up to a fifth, mirrored, turned by 90° or 180°, brighter, darker, more or
less colourful, and have a border. The two are laid over each other (which is the crop of which, from where, mirrored or
not; then turned, and without borders), and the light and colour of one brought to the other's; then what is left of the
difference is compared piece by piece. Images that only resemble each other, such as two products on the same
background, differ clearly in some piece, however alike they are on the whole. Sheets of writing or lines (invoices of
one form, notes, blank pages) differ in strokes too thin for that: these are compared at 512 pixels, and every piece
with strokes must agree. One digit may still be too small to be seen, so that `Miniature.paper` marks images that a
person should see before deleting. How well this separates copies from look-alikes: `benchmarks/duplicates_quality.py`.
Not always found: crops of images that are fine texture all over, such as a brick wall or a lawn, cropped or much
smaller copies of sheets and of thin things on a plain ground, such as a bicycle. Not found: copies in black and white,
turned copies that are cropped too, and writing across a large part of the image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageFilter

from wordsight.duplicates.alignment import (
    PROMISING,
    agree_coarsely,
    find_crop,
    list_changes,
    refine_crop,
)
from wordsight.duplicates.miniature import Miniature
from wordsight.duplicates.pixels import (
    FINE,
    PIECE,
    SHEET,
    SHEET_PIECE,
    SIDE,
    WINDOW,
    Box,
    centre_pieces,
    correlate,
    cut_fine,
    measure_pieces,
    measure_worst_piece,
    subtract_mean,
)

# of 365 pairs of the most similar photos and products, none but copies keep to these (benchmarks/duplicates_quality.py)
DETAIL, DIFFERENCE = 0.8, 14.0
_LAID, _MORE_EDGES = 3.0, 1.08  # grey levels of what is laid over an image; edges that it adds where it is
_CLIPPED = 4  # grey levels from black and white where brightening and darkening lose what was there
_SATURATION = 0.5, 2.0  # a copy may have so much of the colour; less would make a black thing a copy of a brown one
STROKES = 0.95  # what strokes of copies of sheets correlate with; of bills that differ in number and sum: up to 0.94
_INK = 16.0  # grey levels of detail of pieces with strokes


@dataclass(frozen=True)
class Likeness:
    """Similarity of two images once aligned.

    detail: correlation without light, shade and large shapes, 1 at most. difference: grey levels by
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


def compare_images(one: Miniature, other: Miniature) -> Likeness:
    """Similarity of two images; UNLIKE where no crop of one fits the other. Plain surfaces agree in detail.

    Where they are not copies as they are, the other is turned, and both are taken without their borders, if that makes
    them agree as a whole.
    """
    found = _upright_likeness(one, other)
    if found.same:
        return found
    for changed in list_changes(one, other):
        again = _upright_likeness(*changed)
        if again.same:
            return again
    return found


def has_overlay(one: Miniature, other: Miniature) -> bool:
    """Whether something is laid over a small part of the other, such as writing, that the first lacks.

    That is: both are whole and upright, they differ in few places only, and there the other has more edges.
    """
    if not agree_coarsely(one, other, 0):
        return False
    pieces_N = measure_pieces(_residual(one.fine, other.fine))
    worst = float(pieces_N.max())
    if worst < _LAID or worst < 3 * float(np.median(pieces_N)) + 1:
        return False
    there_N = pieces_N >= worst / 2
    return _mean_edge(other, there_N) > _MORE_EDGES * _mean_edge(one, there_N)


def _mean_edge(image: Miniature, there_N: np.ndarray) -> float:
    """Mean step between neighbouring pixels of the large version, in some of the 144 pieces."""
    grey_HW = np.asarray(image.sheet, np.float32)
    steps_HW = np.abs(np.diff(grey_HW, axis=0))[:, :-1] + np.abs(np.diff(grey_HW, axis=1))[:-1]
    pieces = FINE // PIECE
    side = -(-SHEET // pieces)
    where_HW = np.kron(there_N.reshape(pieces, pieces), np.ones((side, side), bool))
    return float(steps_HW[where_HW[: SHEET - 1, : SHEET - 1]].mean())


def _upright_likeness(one: Miniature, other: Miniature) -> Likeness:
    if one.plain and other.plain:
        return Likeness(1.0, measure_worst_piece(one.fine - other.fine))
    placed = max((find_crop(whole, part) for whole, part in ((one, other), (other, one))), key=lambda found: found[0])
    correlation, whole, part, box = placed
    if correlation < PROMISING:
        return UNLIKE
    refined = refine_crop(whole, part, box)
    if refined is None:
        return UNLIKE
    seen = cut_fine(whole.square, refined)
    detail = correlate(subtract_mean(seen.mean(axis=2)), subtract_mean(part.fine.mean(axis=2)))
    ways = _residual(seen, part.fine), _residual(part.fine, seen)
    found = Likeness(detail, min(map(measure_worst_piece, ways)))
    if found.same and one.paper and other.paper:  # the strokes take longer than all else
        return replace(found, strokes=_strokes(whole, part, refined))
    return found


def _strokes(whole: Miniature, part: Miniature, box: Box) -> float:
    """Least correlation of any piece of two sheets that has strokes on either; 1 where there are none."""
    left, top, right, bottom = (edge * SHEET / SIDE for edge in box)
    seen = whole.sheet.resize((SHEET, SHEET), Image.Resampling.BILINEAR, box=(left, top, right, bottom))
    blurred = (np.asarray(one.filter(ImageFilter.GaussianBlur(1)), np.float32) for one in (seen, part.sheet))
    one_HW, other_HW = (subtract_mean(grey, WINDOW) for grey in blurred)
    other_NP, other_N = centre_pieces(other_HW)
    agree_N = np.full(len(other_N), -1.0)
    inked_N = np.maximum(centre_pieces(one_HW)[1], other_N) > _INK * SHEET_PIECE
    around = np.pad(one_HW, 1, mode="edge")
    for down, along in np.ndindex(3, 3):  # the box is known to a pixel of the sheet
        one_NP, one_N = centre_pieces(around[down : down + SHEET, along : along + SHEET])
        agree_N = np.maximum(agree_N, (one_NP * other_NP).sum(axis=1) / np.maximum(one_N * other_N, 1e-6))
    return float(agree_N[inked_N].min(initial=1.0))


def _residual(one_HW3: np.ndarray, other_HW3: np.ndarray) -> np.ndarray:
    """The part of `other` that no change of brightness, contrast and saturation of `one` explains (least squares).

    Pixels that turned black or white are left out of the fit, and expected to be black or white.
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
