"""Decoding: from files, bytes, PIL images and arrays to RGB images; what cannot be read is an ImageError."""

from __future__ import annotations

import dataclasses
import io
import os
from dataclasses import dataclass
from typing import IO

import numpy as np
from PIL import Image

from wordsight.errors import ImageError
from wordsight.images.faulty_files import JPEG_START, end_jpeg, missing_share
from wordsight.images.header import UPRIGHT, read_orientation, turn_upright
from wordsight.images.identify import find_bare_png, identify
from wordsight.images.inputs import ImageSource, as_image
from wordsight.images.memory import bytes_as_rgb, check_memory, is_large, most_bytes, reduction, wait_for_turn
from wordsight.images.names import source_name
from wordsight.images.open_file import open_regular
from wordsight.images.quiet import quiet_pillow
from wordsight.images.raw import open_raw
from wordsight.images.skipped import describe_error
from wordsight.images.to_rgb import array_to_rgb, to_rgb

# At a DCT scale that leaves this many times the target, the loss is about 0.3 grey levels (docs/log.md).
_DRAFT_MARGIN = 2
_RAW_BYTES = 8  # of a pixel, which LibRaw needs


@dataclass(frozen=True, eq=False)
class Decoded:
    """An RGB image and the part of it (left, top, right, bottom; pixels) that the file's image fills.

    The part is all of it but for DCT-scaled JPEGs, whose last column and row stand for fewer pixels of the file than
    the others: 1,801 columns at a half are 900.5, held in 901; so it is for large images of other kinds, which are
    reduced.
    flaw: what is missing in a file that was read all the same, "" of a whole one.
    """

    image: Image.Image
    box: tuple[float, float, float, float]
    flaw: str = ""


def read_image(source: ImageSource, *, at_least: int | None = None) -> Image.Image:
    """One RGB image, upright, of a path, encoded bytes, a PIL image or a uint8 array: `decode`'s image."""
    return decode(source, at_least=at_least).image


def decode(source: ImageSource, *, at_least: int | None = None) -> Decoded:
    """One RGB image, upright, of a path, encoded bytes, a PIL image or a uint8 array.

    EXIF orientation is applied; transparency is laid over white; of animations the first frame counts (of a PIL
    image the current one, of HEIC bursts the one that cameras show); 16-bit channels keep their upper 8 bits; float
    images in 0–1 or 0–255 are read so and others stretched from their least to their greatest value; colour
    profiles are ignored, and so are metadata that cannot be read. A JPEG that lacks its end is read where at most one
    in 16 rows is missing (`Decoded.flaw`).
    Arrays are (H, W), (H, W, 3) or (H, W, 4), uint8, RGB(A). Open files, tensors and more: see `images.inputs`.

    at_least: a side in pixels. JPEGs whose shorter side is at least 4 times as long are decoded at a half, quarter or
        eighth of their size (DCT scaling), so that at least twice `at_least` remains: several times faster, with a mean
        difference of about 0.3/255 after resizing. Of camera RAW the stored preview serves where it is large enough,
        else the sensor's image at half its size (see `raw.open_raw`). Images of more than 67 megapixels are
        reduced to about twice `at_least`. None keeps all pixels.

    Raises: ImageError naming the image and the reason; InputError for other kinds of source.
    """
    source = as_image(source)
    if isinstance(source, np.ndarray):
        return _whole(array_to_rgb(source))
    try:
        with quiet_pillow():
            if isinstance(source, Image.Image):
                return _whole(to_rgb(turn_upright(source) or source.copy()))
            if isinstance(source, str | os.PathLike):
                with open_regular(source) as file:
                    return _decode(file, at_least)
            return _decode(io.BytesIO(source), at_least)
    except Exception as error:  # Pillow's plugins raise nearly every built-in kind on damaged files
        raise ImageError(f"{source_name(source)}: {describe_error(error)}") from error


def _decode(file: IO[bytes], at_least: int | None) -> Decoded:
    """Image in an open file as upright RGB, all its pixels loaded; what is not needed may be damaged."""
    try:
        return _decode_sound(file, at_least)
    except ImageError:
        raise
    except Exception as error:
        if (bare := find_bare_png(file)) is not None:
            return _decode_sound(bare, at_least)
        if (cut := _without_end(file, at_least, error)) is not None:
            return cut
        raise


def _without_end(file: IO[bytes], at_least: int | None, error: Exception) -> Decoded | None:
    """Image of a JPEG that lacks little more than its end; None of all others."""
    file.seek(0)
    if "truncated" not in str(error) or file.read(3) != JPEG_START or (files := end_jpeg(file)) is None:
        return None
    missing = missing_share(*(_decode_sound(file, None, turn=False).image for file in files if file is not None))
    if missing is None:
        return None
    flaw = "the JPEG lacks its end"
    if missing:
        flaw += f", and with it {missing:.1%} of its rows"
    return dataclasses.replace(_decode_sound(files[0], at_least), flaw=f"{flaw}; it was read as far as it goes")


def _decode_sound(file: IO[bytes], at_least: int | None, *, turn: bool = True) -> Decoded:
    """Image in an open file as RGB, upright unless `turn` is false."""
    file.seek(0)
    image = identify(file) or open_raw(file, at_least, most_bytes() / _RAW_BYTES)
    stored = image.size
    filled: tuple[float, float] | None = None
    if at_least and image.format in ("JPEG", "MPO"):
        drafted = image.draft(None, (_DRAFT_MARGIN * at_least, _DRAFT_MARGIN * at_least))
        if drafted:
            filled = drafted[1][2:]
    factor = reduction(image.size, at_least and _DRAFT_MARGIN * at_least)
    needed = bytes_as_rgb(image, factor)
    if image.info.get("progressive"):  # libjpeg holds its coefficients whole, at 2 bytes each, however small the result
        needed = max(needed, 2 * stored[0] * stored[1])
    check_memory(stored, needed)
    with wait_for_turn(needed):
        _allocate(image)
        image.load()
        orientation = read_orientation(image) if turn else 1
        if factor > 1:
            width, height = filled or image.size
            filled = (width / factor, height / factor)
        rgb = to_rgb(image, factor)
        if orientation > 1:
            rgb = rgb.transpose(UPRIGHT[orientation])
    if filled is None:
        return _whole(rgb)
    return Decoded(rgb, _turned_box(filled, rgb.size, orientation))


def _allocate(image: Image.Image) -> None:
    """Make the memory of a large TIFF, which Pillow's plug-in would hold against its own limit; `check_memory` did."""
    if image.format == "TIFF" and is_large(image.size):
        image.im = Image.core.new(  # type: ignore[attr-defined]
            image.mode, getattr(image, "_tile_size", image.size)
        )


def _turned_box(
    filled: tuple[float, float], size: tuple[int, int], orientation: int
) -> tuple[float, float, float, float]:
    """Box where the `filled` (width, height) at the stored image's top left lies in the turned one of `size`."""
    width, height = filled
    if orientation >= 5:
        width, height = height, width
    left = top = 0.0
    if orientation in (2, 3, 6, 7):
        left = size[0] - width
    if orientation in (3, 4, 7, 8):
        top = size[1] - height
    return left, top, left + width, top + height


def _whole(image: Image.Image) -> Decoded:
    """Decoded image that fills all of its pixels."""
    return Decoded(image, (0.0, 0.0, image.width, image.height))
