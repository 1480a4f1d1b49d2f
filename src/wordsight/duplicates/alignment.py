"""Alignment of two small images: which is the crop of which, from where, mirrored or not, turned, without borders."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from wordsight.duplicates.miniature import TURNS, Miniature
from wordsight.duplicates.pixels import (
    COARSE,
    SIDE,
    Box,
    correlate,
    cut_fine,
)

_KEPT = (1.0, 0.975, 0.95, 0.925, 0.9, 0.875, 0.85, 0.825, 0.8)  # of the longer-kept side, what a crop may have left
_LEAST = 0.76  # of either side: what is tried; a fifth cropped, and rounding
PROMISING, _NEARLY = 0.55, 0.85  # correlations below which no alignment is refined, or only coarsely
_WHOLE, _SAME_RATIO = 0.8, 0.06  # correlation at 32 pixels, and difference of log ratios, of images turned or trimmed
_MOVES = ((1, 0, 1, 0), (0, 1, 0, 1), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))


def list_changes(one: Miniature, other: Miniature) -> Iterator[tuple[Miniature, Miniature]]:
    """The pair without borders, and turned, where it then agrees as a whole: that costs a product of 32 × 32."""
    within = (one.between_bars(other.ratio), other), (one, other.between_bars(one.ratio))
    trimmed = (one.trimmed, other), (one, other.trimmed), (one.trimmed, other.trimmed)
    for first, second in (*within, *trimmed):
        if first is not None and second is not None and agree_coarsely(first, second, 0):
            yield first, second
    yield from ((one, other.turned(n)) for n in TURNS if agree_coarsely(one, other, n))


def agree_coarsely(one: Miniature, other: Miniature, quarters: int) -> bool:
    """Whether two whole images agree coarsely, the other turned, mirrored or not."""
    ratio = other.ratio
    if quarters % 2:
        ratio = 1 / ratio
    if abs(np.log(one.ratio / ratio)) > _SAME_RATIO:
        return False
    here = one.template(COARSE, COARSE)
    there = np.rot90(other.template(COARSE, COARSE).reshape(COARSE, COARSE), quarters)
    return bool(max(here @ there.ravel(), here @ there[:, ::-1].ravel()) >= _WHOLE)


def find_crop(whole: Miniature, part: Miniature) -> tuple[float, Miniature, Miniature, Box]:
    """(Correlation, whole, part or its mirror image, box of the whole) where `part` fits best as its crop."""
    stretch = part.ratio / whole.ratio  # share of the width kept / share of the height kept
    best: tuple[float, Miniature, Miniature, Box] = (-1.0, whole, part, (0.0, 0.0, 1.0, 1.0))
    for kept in _KEPT:
        share_x, share_y = (kept, kept / stretch) if stretch >= 1 else (kept * stretch, kept)
        if min(share_x, share_y) < _LEAST:
            break
        height, width = round(share_y * COARSE), round(share_x * COARSE)
        windows_NP = _windows(whole.coarse, height, width)
        for turned in (part, part.mirrored):
            scores_N = windows_NP @ turned.template(height, width)
            at = int(scores_N.argmax())
            if scores_N[at] > best[0]:
                top, left = divmod(at, COARSE - width + 1)
                corner = np.array([left, top, left + width, top + height]) * (SIDE / COARSE)
                best = (float(scores_N[at]), whole, turned, tuple(corner.tolist()))
    return best


def _windows(image_HW: np.ndarray, height: int, width: int) -> np.ndarray:
    """Windows of an image, each a row of mean 0 and length 1."""
    windows = np.lib.stride_tricks.sliding_window_view(image_HW, (height, width))
    rows_NP = windows.reshape(-1, height * width)
    rows_NP = rows_NP - rows_NP.mean(axis=1, keepdims=True)
    return np.asarray(rows_NP / np.maximum(np.linalg.norm(rows_NP, axis=1, keepdims=True), 1.0))


def refine_crop(whole: Miniature, part: Miniature, box: Box) -> Box | None:
    """Move the box and its sides until the images agree best; None where they turn out not to."""
    best, step = correlate(cut_fine(whole.grey, box), part.fine_grey), 2.0
    while step >= 0.25:
        before = best
        for move in _MOVES:
            for sign in (step, -step):
                left, top, right, bottom = (edge + sign * by for edge, by in zip(box, move, strict=True))
                inside = min(left, top) >= 0 and max(right, bottom) <= SIDE
                if not inside or min(right - left, bottom - top) < _LEAST * SIDE:
                    continue
                score = correlate(cut_fine(whole.grey, (left, top, right, bottom)), part.fine_grey)
                if score > best:
                    best, box = score, (left, top, right, bottom)
        if best <= before:
            if best < _NEARLY:
                return None
            step /= 2
    return box
