"""Find and hide the title block of a drawing sheet: the ruled table in the lower right corner that all sheets share.

Sheets of one office look alike to a model because of their blocks, whatever is drawn on them. Lines are found as runs
of ink along rows and columns; a block is a rectangle of lines with rules and text in it that ends at the sheet's lower
right corner: on the frame, or a little inside it. Scans must stand straight: a line may stray by one pixel in its run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Box: TypeAlias = tuple[int, int, int, int]  # left, top, right, bottom: pixels, the last two exclusive
Bools: TypeAlias = NDArray[np.bool_]
Counts: TypeAlias = NDArray[np.int32]

# All shares are of the sheet's width or height. ISO 5457 puts the frame 10 mm from the paper's edges, 20 mm where it is
# bound, which is up to 10 % of A4; ISO 7200 makes the block at most 180 mm wide.
_SIZE = 1024  # longer side, in pixels, that lines are looked for at: about 3.4 pixels a millimetre of A4
_MARGIN = 0.1  # the frame's corner is at most so far from the paper's
_FRAME = 0.6  # a frame's side is at least so long
_WIDTH = (0.1, 0.75)  # least and greatest width of a block in the corner
_HEIGHT = (0.02, 0.45)
_STRIP = 0.3  # a strip along a whole side is at most so deep
_PLENTY = 6  # so many rules make a table of what nothing is written in
_RULE = 0.25  # a rule within a block is at least so long, as a share of the block
_INK = 24  # grey levels between ink and paper: a line a fifth of a pixel wide has 51, or half that in each of two
_SLACK = 4  # pixels by which the ends of lines that meet may miss each other; lines are up to so thick


def find(image: Image.Image) -> list[Box]:
    """Boxes of the sheet's title block: none on other pages, several where parts stand beside each other.

    A block that is not ruled on its left, whose rows just end, counts where at least 3 of them are equally long.
    """
    reduced = max(1, max(image.size) // _SIZE)
    ink_HW = _ink(image, reduced)
    if ink_HW is None:
        return []
    lines = _Lines.of(ink_HW)
    for bottom, right in lines.corners():
        boxes = _blocks(lines, bottom, right)
        if boxes:
            return [(a * reduced, b * reduced, c * reduced, d * reduced) for a, b, c, d in boxes]
    return []


def mask(image: Image.Image) -> Image.Image:
    """Image with its title block painted in the paper's colour; the image itself where there is none.

    The frame stays. Any mode that can be RGB is read; where a block is found, the result is RGB.
    """
    boxes = find(image)
    if not boxes:
        return image
    masked = image.convert("RGB")
    paper = tuple(
        int(np.median(np.asarray(channel))) for channel in masked.resize((256, 256), Image.Resampling.NEAREST).split()
    )
    if masked is image:
        masked = image.copy()
    draw = ImageDraw.Draw(masked)
    for left, top, right, bottom in boxes:
        draw.rectangle((left, top, right - 1, bottom - 1), fill=paper)
    return masked


def _ink(image: Image.Image, reduced: int) -> Bools | None:
    """Pixels that differ from the paper, or None of what is not a sheet: small images, photos.

    Of each `reduced`² pixels the one that differs most counts, so that thin lines outlive it.
    """
    if min(image.size) < 200:
        return None
    grey = image.convert("L")
    paper = np.uint8(np.searchsorted(np.cumsum(grey.histogram()), grey.width * grey.height / 2))  # the median
    grey_HW = np.asarray(grey)
    differs_HW = np.maximum(grey_HW, paper) - np.minimum(grey_HW, paper)
    height, width = (side // reduced for side in differs_HW.shape)
    cells = differs_HW[: height * reduced, : width * reduced].reshape(height, reduced, width, reduced)
    ink_HW: Bools = cells.max(axis=(1, 3)) > _INK
    if ink_HW.mean() > 0.4:  # a sheet is mostly paper; of a photo, or a page that an image fills, nothing can be told
        return None
    return ink_HW


@dataclass(frozen=True, eq=False)
class _Lines:
    """The ink of a sheet, and how far a line continues from each pixel to the left and up (0 where there is none)."""

    ink_HW: Bools
    leftward_HW: Counts
    upward_HW: Counts

    @classmethod
    def of(cls, ink_HW: Bools) -> _Lines:
        """Measure the lines; ink in a neighbouring row (column) counts, which lets lines stray by a pixel."""
        return cls(ink_HW, _runs(_thicker(ink_HW)), _runs(_thicker(ink_HW.T)).T)

    @property
    def transposed(self) -> _Lines:
        """The sheet mirrored about its diagonal: what was at the right is at the bottom."""
        return _Lines(self.ink_HW.T, self.upward_HW.T, self.leftward_HW.T)

    def corners(self) -> Iterator[tuple[int, int]]:
        """Yield (row, column) of the crossings where lines from the left and from above end, outermost first."""
        height, width = self.ink_HW.shape
        top, left = int((1 - _MARGIN) * height), int((1 - _MARGIN) * width)
        ends = (self.leftward_HW[top:, left:] >= _WIDTH[0] * width) & (
            self.upward_HW[top:, left:] >= _HEIGHT[0] * height
        )
        rows, columns = np.nonzero(ends)
        found: list[tuple[int, int]] = []
        for i in np.argsort(-(rows + columns), kind="stable"):
            corner = top + int(rows[i]), left + int(columns[i])
            if all(abs(corner[0] - y) > _SLACK or abs(corner[1] - x) > _SLACK for y, x in found):
                found.append(corner)
        yield from found[:24]

    def ending_at(self, right: int) -> Counts:
        """Length of the line that ends in a column, for each row, or up to 2 pixels before it (H,)."""
        return np.asarray(self.leftward_HW[:, max(0, right - 2) : right + 1].max(axis=1))

    def framed(self, bottom: int, right: int) -> bool:
        """Whether the lines that end at a corner are as long as a frame's."""
        height, width = self.ink_HW.shape
        long_enough = self.leftward_HW[bottom, right] >= _FRAME * width and self.upward_HW[bottom, right] >= (
            _FRAME * height
        )
        return bool(long_enough)


def _blocks(lines: _Lines, bottom: int, right: int) -> list[Box]:
    """Parts of the block that ends at a corner: what stands in it, then what stands on that or beside it."""
    framed = lines.framed(bottom, right)
    if framed:
        if strip := _strip(lines, bottom, right):
            return [strip]
        if column := _strip(lines.transposed, right, bottom):
            return [(column[1], column[0], column[3], column[2])]
    block = _rectangle(lines, bottom, right, rules=2 if framed else 3)
    if block is None:
        rows = framed and _open_rows(lines, bottom, right)
        return [rows] if rows else []
    boxes = [block]
    if above := _rectangle(lines, block[1] + _SLACK // 2, right, rules=2):
        boxes.append(above)
    if beside := _rectangle(lines, bottom, block[0] + _SLACK // 2, rules=2):
        boxes.append(beside)
    return boxes


def _rectangle(lines: _Lines, bottom: int, right: int, rules: int) -> Box | None:
    """Largest rectangle whose lower right corner is given, whose lines end at its other corners."""
    height, width = lines.ink_HW.shape
    best: Box | None = None
    rises, lengths = lines.transposed.ending_at(bottom), lines.ending_at(right)
    first, last = max(0, right - int(_WIDTH[1] * width)), right - int(_WIDTH[0] * width)
    for left in range(first, max(first, last)):
        rise = int(rises[left])
        if not _HEIGHT[0] * height <= rise <= _HEIGHT[1] * height:
            continue
        top = bottom - rise + 1
        across = int(lengths[max(0, top - 2) : top + _SLACK].max())
        closed = right - left - _SLACK <= across <= right - left + 0.02 * width
        stands = lines.upward_HW[bottom, right] >= rise - 2 * _SLACK
        box = left - 1, top - 1, right + 1, bottom + 1
        if closed and stands and (best is None or _area(box) > _area(best)) and _is_table(lines, box, rules):
            best = box
    return best and _within_frame(lines, best)


def _strip(lines: _Lines, bottom: int, right: int) -> Box | None:
    """Strip along the whole of a frame's lower side; no line goes from it into what is above."""
    height = lines.ink_HW.shape[0]
    length = int(lines.leftward_HW[bottom, right])
    rise = int(lines.upward_HW[bottom, right])
    left, frame_top = right - length + 1, bottom - rise + 1
    lengths = lines.ending_at(right)
    full = [y for y in range(frame_top, bottom) if lengths[y] >= length - _SLACK]
    inner = [y for y in full if frame_top + 2 * _SLACK < y < bottom - _HEIGHT[0] * height]
    if not inner or min(inner) < bottom - _STRIP * height:  # a ruled page (a table, a form) has such lines all over
        return None
    top = min(inner)
    crossing = lines.upward_HW[top + 2 * _SLACK, left + 2 * _SLACK : right - 2 * _SLACK] > 4 * _SLACK
    box = left, top - 1, right + 1, bottom + 1
    if crossing.any() or not _is_table(lines, box, rules=1):
        return None
    return _within_frame(lines, box, left_too=True)


def _open_rows(lines: _Lines, bottom: int, right: int) -> Box | None:
    """Box where at least 3 equally long rules come from the frame's right side, one above the other."""
    height, width = lines.ink_HW.shape
    lengths = lines.ending_at(right)
    rows = [y for y in range(int((1 - _HEIGHT[1]) * height), bottom - _SLACK) if lengths[y] >= _WIDTH[0] * width]
    best: list[int] = []
    for y in rows:
        if lengths[y] <= _WIDTH[1] * width:
            alike = [other for other in rows if abs(int(lengths[other]) - int(lengths[y])) <= _SLACK]
            best = max(best, alike, key=len)
    if _clusters(best) < 3 or bottom - best[-1] > 0.15 * height:
        return None
    box = right - int(lengths[best].max()), best[0] - 1, right + 1, bottom + 1
    return _within_frame(lines, box)


def _is_table(lines: _Lines, box: Box, rules: int) -> bool:
    """Whether a box holds at least so many rules and something written, or plenty of rules."""
    left, top, right, bottom = (box[0] + 2 * _SLACK, box[1] + 2 * _SLACK, box[2] - 2 * _SLACK, box[3] - 2 * _SLACK)
    if right - left < 4 * _SLACK or bottom - top < 4 * _SLACK:
        return False
    ink_HW = lines.ink_HW[top:bottom, left:right]
    across_HW, along_HW = _runs(_thicker(ink_HW)), _runs(_thicker(ink_HW.T)).T
    across_H = np.flatnonzero(across_HW.max(axis=1) >= _RULE * (box[2] - box[0]))
    along_W = np.flatnonzero(along_HW.max(axis=0) >= _RULE * (box[3] - box[1]))
    found = _clusters(across_H.tolist()) + _clusters(along_W.tolist())
    if found < rules or found >= _PLENTY:
        return found >= _PLENTY
    written_HW = ink_HW.copy()
    written_HW[across_H] = False
    written_HW[:, along_W] = False
    return bool(0.002 <= written_HW.mean() <= 0.5)


def _within_frame(lines: _Lines, box: Box, left_too: bool = False) -> Box:
    """Box without the sides that are the frame's: those whose line continues beyond the box."""
    left, top, right, bottom = box
    ends_right, ends_bottom = right, bottom
    if lines.upward_HW[bottom - 2, right - 2] > bottom - top + 2 * _SLACK:
        ends_right = _line_start(lines.ink_HW[top:bottom].mean(axis=0), right)
    if lines.leftward_HW[bottom - 2, right - 2] > right - left + 2 * _SLACK or left_too:
        ends_bottom = _line_start(lines.ink_HW[:, left:right].mean(axis=1), bottom)
    if left_too:
        mirrored = lines.ink_HW[top:bottom, ::-1].mean(axis=0)
        left = len(mirrored) - _line_start(mirrored, len(mirrored) - left)
    return max(0, left), max(0, top), ends_right, ends_bottom


def _line_start(inked: NDArray[np.float64], about: int) -> int:
    """First row (column) of the line, a share of ink over 0.8, whose last is about there."""
    first, end = max(0, about - 2 * _SLACK), min(about + _SLACK, len(inked))
    line = np.flatnonzero(inked[first:end] > 0.8)
    if not len(line):
        return about
    start = first + int(line[-1])
    while start > 0 and inked[start - 1] > 0.8:
        start -= 1
    return start


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _clusters(positions: list[int]) -> int:
    """Number of lines in a sorted list of rows or columns: neighbours belong to one."""
    return sum(1 for i, y in enumerate(positions) if i == 0 or y - positions[i - 1] > 2)


def _thicker(ink_HW: Bools) -> Bools:
    """Ink with the rows above and below added to each row."""
    thick_HW = ink_HW.copy()
    thick_HW[1:] |= ink_HW[:-1]
    thick_HW[:-1] |= ink_HW[1:]
    return thick_HW


def _runs(ink_HW: Bools) -> Counts:
    """Number of inked pixels without a gap that end at each pixel, coming from the left."""
    columns_W = np.arange(1, ink_HW.shape[1] + 1, dtype=np.int32)
    last_gap_HW = np.maximum.accumulate(np.where(ink_HW, np.int32(0), columns_W), axis=1)
    return np.asarray(columns_W - last_gap_HW, np.int32)
