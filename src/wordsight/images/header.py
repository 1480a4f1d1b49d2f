"""Facts that a file states of its image, read without decoding it: size, orientation, when it was taken."""

from __future__ import annotations

import io
import os
import re
from dataclasses import dataclass
from typing import IO

import numpy as np
from PIL import ExifTags, Image

from wordsight.errors import ImageError
from wordsight.images.identify import find_bare_png, identify
from wordsight.images.inputs import ImageSource, as_image
from wordsight.images.names import source_name
from wordsight.images.open_file import open_regular
from wordsight.images.quiet import quiet_pillow
from wordsight.images.raw import raw_header
from wordsight.images.skipped import describe_error

_DATE = re.compile(r"(?!0000)(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d).*")  # as EXIF writes it
# EXIF's orientation → what makes the image upright; all other values, which some programs write, mean "as stored"
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Header:
    """Facts that a file states of its image: upright width and height in pixels; when it was taken, or None.

    taken: ISO 8601 without a zone, from EXIF: when the shutter opened, else when the film was scanned.
    """

    width: int
    height: int
    taken: str | None = None


def read_header(source: ImageSource) -> Header:
    """Image's size and date without decoding its pixels; the same kinds of source as `decode` takes.

    Raises: ImageError naming the image and the reason; InputError for other kinds of source.
    """
    source = as_image(source)
    if isinstance(source, np.ndarray):
        return Header(source.shape[1], source.shape[0])
    if isinstance(source, Image.Image):
        return describe_header(source)
    try:
        with quiet_pillow():
            if not isinstance(source, str | os.PathLike):
                return _file_header(io.BytesIO(source))
            with open_regular(source) as file:
                return _file_header(file)
    except Exception as error:
        raise ImageError(f"{source_name(source)}: {describe_error(error)}") from error


def _file_header(file: IO[bytes]) -> Header:
    try:
        image = identify(file)
    except Exception:
        if (bare := find_bare_png(file)) is None:
            raise
        image = identify(bare)
    if image is None:
        return Header(*raw_header(file))
    return describe_header(image)


def describe_header(image: Image.Image) -> Header:
    """Header of an open image."""
    width, height = image.size
    if read_orientation(image) >= 5:
        width, height = height, width
    return Header(width, height, _taken(image))


def read_orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1–8; 1 where it says nothing, nothing known, or cannot be read."""
    try:
        said = image.getexif().get(ExifTags.Base.Orientation, 1)
        return int(said) if said in UPRIGHT else 1
    except Exception:  # damaged metadata do not justify refusing the pixels; Pillow raises what it meets
        return 1


def turn_upright(image: Image.Image) -> Image.Image | None:
    """Image turned as its EXIF says, None where it is upright as stored. It is loaded first."""
    image.load()  # TIFF turns itself while it is loaded, and then says 1
    method = UPRIGHT.get(read_orientation(image))
    if method is None:
        return None
    return image.transpose(method)


def _taken(image: Image.Image) -> str | None:
    """Date "2021-05-03T10:11:12" of EXIF's "2021:05:03 10:11:12". "DateTime" is when a program wrote the file."""
    try:
        exif = image.getexif()
        if not exif:
            return None
        details = exif.get_ifd(ExifTags.IFD.Exif)
    except Exception:  # see `read_orientation`
        return None
    for tag in (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized):
        if found := _DATE.fullmatch(str(details.get(tag, "")).strip("\0 ")):
            return "{}-{}-{}T{}".format(*found.groups())
    return None
