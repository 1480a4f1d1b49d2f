"""How much memory one image may take, and how a large one is made smaller before it becomes RGB.

Pillow's own limit counts pixels, whatever they take: a bilevel plan of 400 megapixels is refused like a photograph of
400. Here the limit is one of bytes, and a large image becomes RGB strip by strip, reduced on the way.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Callable, Iterator

from PIL import Image

from wordsight.errors import ImageError, InputError

VARIABLE = "WORDSIGHT_IMAGE_MEMORY"  # MiB that one image may take
# Bytes for each pixel of Pillow's limit: 1,365 MiB by default, enough for RGBA beside RGB at twice that limit, above
# which Pillow refuses an image.
_PER_PILLOWS_PIXEL = 16
_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}  # of a pixel; other modes 4
# Bytes of a pixel that decoders take beside the image itself, by format: WebP's canvases, its frame and a copy of it;
# libavif's and libheif's planes and their RGB; OpenJPEG's components at 4 bytes each.
_DECODER_BYTES = {"WEBP": 12, "AVIF": 12, "HEIF": 8, "JPEG2000": 16}
_LARGE = 256 << 20  # bytes of RGB from which an image becomes RGB in strips, and waits for other large ones
_STRIP = 4 << 20  # pixels
_COMPRESSION, _ROWS_PER_STRIP, _TILE_WIDTH = 259, 278, 322  # tags of TIFF
_turn = threading.Lock()


def most_bytes() -> float:
    """Bytes that an image may take: what the variable says in MiB, else by PIL.Image.MAX_IMAGE_PIXELS.

    Raises: InputError where the variable holds no number above 0.
    """
    said = os.environ.get(VARIABLE, "")
    if said:
        try:
            mebibytes = float(said)
        except ValueError:
            mebibytes = math.nan
        if not mebibytes > 0:
            raise InputError(f"{VARIABLE} is {said!r}, expected how many MiB an image may take, such as 2000.")
        return mebibytes * (1 << 20)
    if Image.MAX_IMAGE_PIXELS is None:
        return math.inf
    return _PER_PILLOWS_PIXEL * Image.MAX_IMAGE_PIXELS


def check_memory(size: tuple[int, int], needed: int) -> None:
    """Raise ImageError with the reason alone, and with what to do, where an image needs more than it may take."""
    limit = most_bytes()
    if needed > limit:
        enough = math.ceil(needed / (100 << 20)) * 100
        raise ImageError(
            f"has {size[0] * size[1]:,} pixels, which take {needed / 2**20:,.0f} MiB of memory, more than the limit of "
            f"{limit / 2**20:,.0f} MiB; make it smaller, or set the variable {VARIABLE}={enough}"
        )


def bytes_as_rgb(image: Image.Image, factor: int) -> int:
    """Bytes that an image takes while it becomes RGB, its sides divided by `factor`."""
    pixels = image.width * image.height
    needed = pixels * (_BYTES.get(image.mode, 4) + _DECODER_BYTES.get(image.format or "", 0))
    if image.mode != "RGB" or factor != 1:
        needed += 4 * pixels // factor**2
    return needed + _strip_bytes(image)


def _strip_bytes(image: Image.Image) -> int:
    """Bytes of one strip of a TIFF, which is decoded whole before it is copied."""
    tags = getattr(image, "tag_v2", {})
    if image.format != "TIFF" or not tags or tags.get(_COMPRESSION, 1) == 1 or _TILE_WIDTH in tags:
        return 0
    rows = min(int(tags.get(_ROWS_PER_STRIP, image.height)), image.height)
    return rows * image.width * _BYTES.get(image.mode, 4)


def is_large(size: tuple[int, int]) -> bool:
    """Whether an image is one that becomes RGB in strips."""
    return 4 * size[0] * size[1] > _LARGE


def reduction(size: tuple[int, int], at_least: int | None) -> int:
    """Divisor of a large image's sides, so that the shorter one stays `at_least` pixels; 1 of others.

    at_least: None keeps all pixels.
    """
    if not at_least or not is_large(size):
        return 1
    return max(1, min(size) // at_least)


def in_strips(image: Image.Image, to_rgb: Callable[[Image.Image], Image.Image], factor: int) -> Image.Image:
    """Image as RGB, its sides divided by `factor` (the mean of each square), some rows at a time."""
    width, height = image.size
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = max(1, _STRIP // (width * factor)) * factor
    for top in range(0, height, rows):
        strip = image
        if rows < height:  # Pillow 12 refuses to crop what it would refuse to open
            strip = image.crop((0, top, width, min(height, top + rows)))
        strip = to_rgb(strip)
        if factor > 1:
            strip = strip.reduce(factor)
        small.paste(strip, (0, top // factor))
    return small


@contextlib.contextmanager
def wait_for_turn(needed: int) -> Iterator[None]:
    """Let images that need much memory be decoded one at a time, whatever the number of threads."""
    if needed <= _LARGE:
        yield
        return
    with _turn:
        yield
