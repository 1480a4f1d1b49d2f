"""Whether an image in a lossless file was a JPEG before: then the JPEG is nearer to the original than this file."""

from __future__ import annotations

import numpy as np
from PIL import Image

_ROWS = 1024  # that are looked at
_LEAST_SIDE = 64  # pixels below which chance decides
# by how much steps at the borders of blocks are larger than elsewhere, down and across together. Of 240 photos of
# 250 × 200 pixels that were scaled down 2 % have more; of the same as JPEGs of quality 75 98 %, of 85 83 %, of 92 49 %
_LARGER = 0.128


def was_jpeg(image: Image.Image) -> bool:
    """Whether steps between pixels are larger at the borders of JPEG's blocks of 8 × 8 than elsewhere.

    The blocks begin at the top left, or, of a mirrored image, at the top right.
    Source: Fan and de Queiroz 2003, "Identification of bitmap compression history".
    """
    width, height = image.size
    if min(width, height) < _LEAST_SIDE:
        return False
    grey_HW = np.asarray(image.crop((0, 0, width, min(height, _ROWS))).convert("L"), np.float32)
    down_8, across_8 = _steps(grey_HW.T), _steps(grey_HW)
    across = max(_excess(across_8, 0), _excess(across_8, width % 8))
    return _excess(down_8, 0) + across >= _LARGER


def _steps(grey_HW: np.ndarray) -> np.ndarray:
    """Mean step for each x modulo 8 from column x - 1 to x beyond what slopes explain."""
    steps = np.abs(grey_HW[:, :-3] - 3 * grey_HW[:, 1:-2] + 3 * grey_HW[:, 2:-1] - grey_HW[:, 3:])
    return np.array([steps[:, (x - 2) % 8 :: 8].mean() for x in range(8)])


def _excess(steps_8: np.ndarray, x: int) -> float:
    others = float(np.delete(steps_8, x).mean())
    return (float(steps_8[x]) - others) / max(others, 1.0)
