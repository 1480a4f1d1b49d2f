"""Measures of pixels that comparisons of small images share: sizes, crops, pieces, detail, correlation."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from PIL import Image

SIDE, COARSE, FINE = 128, 32, 48  # pixels of a miniature, of the search for the crop, of the last comparison
PIECE = 4  # pixels of a piece of the fine image: 12 × 12 pieces
SHEET, SHEET_PIECE = 512, 16  # pixels of a sheet and of its pieces: a line of small print is 7 high
WINDOW = 29  # pixels of the sheet over which its ground is subtracted

Box: TypeAlias = tuple[float, float, float, float]  # left, top, right, bottom in the miniature's pixels


def resize_square(image: Image.Image, side: int) -> Image.Image:
    """The image as a square of `side` pixels, whatever its shape."""
    how = Image.Resampling.BOX if min(image.size) > 2 * side else Image.Resampling.BICUBIC
    return image.resize((side, side), how)


def cut_fine(image: Image.Image, box: Box) -> np.ndarray:
    """Pixels of the box as float32 (48, 48) or (48, 48, 3)."""
    return np.asarray(image.resize((FINE, FINE), Image.Resampling.BILINEAR, box=box), np.float32)


def correlate(one_HW: np.ndarray, other_HW: np.ndarray) -> float:
    """Normalised correlation of two arrays of one shape."""
    one, other = one_HW.ravel() - one_HW.mean(), other_HW.ravel() - other_HW.mean()
    norms = float(np.linalg.norm(one)) * float(np.linalg.norm(other))
    if norms <= 0:
        return 0.0
    return float(one @ other) / norms


def subtract_mean(grey_HW: np.ndarray, n: int = 7) -> np.ndarray:
    """The image minus its mean over n × n pixels: detail without light, shade and large shapes."""
    padded = np.pad(grey_HW, n // 2, mode="edge").astype(np.float64)  # sums of a sheet are beyond float32
    sums = np.pad(padded.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    mean: np.ndarray = (sums[n:, n:] - sums[:-n, n:] - sums[n:, :-n] + sums[:-n, :-n]) / n**2
    return np.asarray(grey_HW - mean, np.float32)


def centre_pieces(sheet_HW: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pieces of a sheet with mean 0 (N, pixels), and their lengths (N,)."""
    pieces_NP = split_pieces(sheet_HW)
    pieces_NP = pieces_NP - pieces_NP.mean(axis=1, keepdims=True)
    return pieces_NP, np.linalg.norm(pieces_NP, axis=1)


def split_pieces(sheet_HW: np.ndarray) -> np.ndarray:
    """Pieces of a sheet, a row each (N, pixels)."""
    n = SHEET // SHEET_PIECE
    return sheet_HW.reshape(n, SHEET_PIECE, n, SHEET_PIECE).transpose(0, 2, 1, 3).reshape(n * n, -1)


def measure_pieces(difference_HWC: np.ndarray) -> np.ndarray:
    """Mean of absolute values of each piece (144,)."""
    pieces = FINE // PIECE
    means: np.ndarray = np.abs(difference_HWC).reshape(pieces, PIECE, pieces, PIECE, -1).mean(axis=(1, 3, 4))
    return means.ravel()


def measure_worst_piece(difference_HW3: np.ndarray) -> float:
    """Largest mean of absolute differences of any piece."""
    return float(measure_pieces(difference_HW3).max())
