"""From an RGB image to the model's square of pixels: Pillow's resampling, torchvision's sizes and crop rounding."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from wordsight.errors import ImageError, InputError
from wordsight.spec import Preprocess

FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
_SUPPORT = {"bicubic": 2.0, "bilinear": 1.0}
# An image more elongated than this is cropped before it is resized, so that its memory stays bounded.
ELONGATED = 16


def preprocess(
    image: Image.Image, spec: Preprocess, box: tuple[float, float, float, float] | None = None
) -> np.ndarray:
    """Pixels (S, S, 3) uint8 that a model sees of `image`; mean and std belong to the encoder.

    "shortest": shorter side to S with antialias, then the centre S×S; "squash": straight to S×S. Equal, pixel by
    pixel, to torchvision's Resize + CenterCrop on PIL images. An image more than 16 times as long as wide is cropped
    first, which bounds memory; only the order of Pillow's two passes can then differ, as it also does between Pillow
    versions: by one grey level, or a few where extreme contrasts are clipped between the passes.

    box: the part (left, top, right, bottom) of `image` to use, from its edge to its edge but for fractions of a pixel:
        `images.decode.Decoded.box`. Sizes are worked out from it, so that a JPEG decoded at a half, quarter or eighth
        is cut where the whole one would be; half a pixel of shift else costs up to 100 grey levels at sharp edges.

    Raises: InputError for an image that is not RGB or has no pixels; ImageError where Pillow cannot resize it, so that
        one image is skipped and the others continue.
    Source: torchvision.transforms (`_compute_resized_output_size`, `center_crop`); Radford et al. 2021, openai/CLIP.
    """
    if image.mode != "RGB" or min(image.size) < 1:
        raise InputError(
            f"preprocess needs an RGB image, got mode {image.mode}, size {image.width}×{image.height}; "
            "use wordsight.images.decode.read_image to make one."
        )
    try:
        return _square(image, box or (0, 0, image.width, image.height), spec)
    except (ValueError, OSError, MemoryError) as error:
        raise ImageError(f"cannot be resized ({type(error).__name__}: {error})") from error


def _square(image: Image.Image, box: tuple[float, float, float, float], spec: Preprocess) -> np.ndarray:
    left, top, right, bottom = box
    size, filter_ = spec.image_size, FILTERS[spec.interpolation]
    if spec.resize == "squash":
        return np.array(image.resize((size, size), filter_, box=box))
    if max(image.size) > ELONGATED * min(image.size):
        return np.array(_crop_then_resize(image, box, spec))
    width, height = resized_size(right - left, bottom - top, size)
    x, y = crop_start(width, size), crop_start(height, size)
    whole = image.resize((width, height), filter_, box=box)
    return np.array(whole.crop((x, y, x + size, y + size)))


def resized_size(width: float, height: float, size: int) -> tuple[int, int]:
    """Width and height with the shorter side `size` and the longer one cut to a whole pixel, as torchvision."""
    if width <= height:
        return size, int(size * height / width)
    return int(size * width / height), size


def crop_start(length: int, size: int) -> int:
    """Start of a centre crop of `size` in `length`: halves go to the even neighbour, as in torchvision."""
    return round((length - size) / 2.0)


def _crop_then_resize(image: Image.Image, box: tuple[float, float, float, float], spec: Preprocess) -> Image.Image:
    """Resize only the part of `image` that the centre crop keeps, with the neighbours its filter reaches.

    The window is cut at whole pixels first since Pillow holds a box's corners in 32-bit floats.
    """
    size = spec.image_size
    lengths = (box[2] - box[0], box[3] - box[1])
    spans = []
    for axis, resized in enumerate(resized_size(*lengths, size)):
        scale = lengths[axis] / resized
        start = box[axis] + crop_start(resized, size) * scale
        end = min(start + size * scale, box[axis + 2])
        reach = math.ceil(_SUPPORT[spec.interpolation] * max(scale, 1.0)) + 1
        first = max(0, math.floor(start) - reach)
        last = min(image.size[axis], math.ceil(end) + reach)
        spans.append((first, last, start - first, end - first))
    (left, right, x0, x1), (top, bottom, y0, y1) = spans
    window = image.crop((left, top, right, bottom))
    return window.resize((size, size), FILTERS[spec.interpolation], box=(x0, y0, x1, y1))
