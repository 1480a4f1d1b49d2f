"""Images of all modes as RGB: wide channels scaled to 8 bits, transparency over white."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from wordsight.errors import InputError
from wordsight.images.memory import in_strips, is_large
from wordsight.images.skipped import UnreadableError


def to_rgb(image: Image.Image, factor: int = 1) -> Image.Image:
    """Image as RGB: wide channels scaled to 8 bits, transparency over white; its sides divided by `factor`."""
    if min(image.size) < 1:
        raise UnreadableError(f"has no pixels ({image.width}×{image.height})")
    image.load()
    wide = image.mode == "F" or image.mode.startswith("I")
    span = _span(image) if wide else None
    if is_large(image.size) and (factor > 1 or image.mode != "RGB"):
        return in_strips(image, lambda strip: _strip_to_rgb(strip, span), factor)
    return _strip_to_rgb(image, span)


def _strip_to_rgb(image: Image.Image, span: tuple[float, float] | None) -> Image.Image:
    """Image, or a strip of one whose values lie in `span`, as RGB."""
    if span is not None:
        return Image.fromarray(_to_8_bits(np.asarray(image), *span)).convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        return white.convert("RGB")
    if image.mode == "RGB":
        return image
    return image.convert("RGB")


def _span(wide: Image.Image) -> tuple[float, float]:
    """Least and greatest value of an image of integers or floats, some rows at a time."""
    rows = max(1, (4 << 20) // wide.width)
    lows, highs = [], []
    for top in range(0, wide.height, rows):
        strip = np.asarray(wide.crop((0, top, wide.width, min(wide.height, top + rows))))
        if strip.dtype.itemsize == 2:
            return 0.0, 65535.0
        values = _finite(strip)
        lows.append(float(values.min()))
        highs.append(float(values.max()))
    return min(lows), max(highs)


def _finite(values: np.ndarray) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)


def _to_8_bits(wide_HW: np.ndarray, low: float, high: float) -> np.ndarray:
    """Scale integers of 16 or 32 bits and floats in low–high to uint8. The range decides where the type does not."""
    if wide_HW.dtype.itemsize == 2:
        return (wide_HW >> 8).astype(np.uint8)
    if wide_HW.dtype.kind in "iu" and low >= 0 and high <= 65535:
        if high > 255:
            wide_HW = wide_HW >> 8
        return wide_HW.astype(np.uint8)
    values: Any = _finite(wide_HW)
    if wide_HW.dtype.kind == "f" and low >= 0 and high <= 1:
        values = values * 255
    elif low < 0 or high > 255:
        values = (values - low) * (255 / (high - low) if high > low else 0.0)
    scaled: np.ndarray = np.rint(values).astype(np.uint8)
    return scaled


def array_to_rgb(array: np.ndarray) -> Image.Image:
    """Image in a uint8 array (H, W), (H, W, 3) or (H, W, 4)."""
    shaped = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not shaped or not array.size:
        raise InputError(
            f"An image is an array of shape {array.shape} and type {array.dtype}, expected uint8 of shape (H, W), "
            "(H, W, 3) or (H, W, 4), not empty; floats in 0–1: (255 * x).round().astype('uint8')."
        )
    return to_rgb(Image.fromarray(np.ascontiguousarray(array)))
