"""Files opened and their formats found, before any pixel is decoded."""

from __future__ import annotations

import contextlib
import functools
import io
import struct
from typing import IO

from PIL import Image, UnidentifiedImageError

from wordsight.errors import MissingExtraError
from wordsight.images.faulty_files import JPEG_START, PNG_START, bare_png
from wordsight.images.jpeg_scans import check_scans
from wordsight.images.raw import is_raw_tiff, looks_raw, may_be_raw, raw_is_installed
from wordsight.images.skipped import UnreadableError

# Formats that Pillow reads by running another program (EPS) or can name but not read.
_REFUSED = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}
# what follows "ftyp" in HEIF files that hold HEVC, of stills and of bursts; "mif1" may hold AVIF instead
_HEIF = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}


def identify(file: IO[bytes]) -> Image.Image | None:
    """Open an image lazily, of any size, since DCT scaling decides how much of a JPEG is decoded; None: it is RAW."""
    head = file.read(32)
    file.seek(0)
    if not head:
        raise UnreadableError("the file is empty")
    if head.startswith(JPEG_START):
        check_scans(file)
    elif looks_raw(head):
        return None
    image: Image.Image
    try:
        image = Image.open(file, formats=readable_formats())
    except Image.DecompressionBombError:
        image = _open_of_any_size(file, head)
    except UnidentifiedImageError:
        file.seek(0)
        return _identify_others(file, head)
    if image.format == "TIFF" and is_raw_tiff(getattr(image, "tag_v2", {})):
        file.seek(0)
        return None
    return image


def _open_of_any_size(file: IO[bytes], head: bytes) -> Image.Image:
    """Open lazily, as `Image.open`, what has more pixels than Pillow likes; `check_memory` comes before decoding."""
    for name in readable_formats():
        factory, accept = Image.OPEN[name]
        if accept is None or accept(head[:16]) is True:
            file.seek(0)
            with contextlib.suppress(SyntaxError, IndexError, TypeError, struct.error):
                image: Image.Image = factory(file, "")
                return image
    raise UnreadableError("is not an image that Pillow can read")


def _identify_others(file: IO[bytes], head: bytes) -> Image.Image | None:
    """Open what Pillow alone cannot: HEIC; None for RAW whose first directory is the sensor's."""
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if brand in (b"avif", b"avis") or (brand == b"mif1" and b"avif" in head):
        raise UnreadableError("is an AVIF image, which this Pillow cannot read; pip install --upgrade pillow")
    if brand in _HEIF:
        return _open_heif(file)
    if may_be_raw(head) and raw_is_installed():
        return None
    hint = ""
    if may_be_raw(head):
        hint = "; camera RAW needs: pip install 'wordsight[raw]'"
    raise UnreadableError(f"is not an image that Pillow can read; it starts with {head[:12]!r}{hint}")


def _open_heif(file: IO[bytes]) -> Image.Image:
    """Open a HEIC image by pillow-heif's class, without registering it with Pillow, which is the caller's."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise MissingExtraError("Reading HEIC images", "pillow-heif", "search") from None
    image: Image.Image = HeifImageFile(file)  # type: ignore[no-untyped-call]
    return image


@functools.cache
def readable_formats() -> tuple[str, ...]:
    """Formats to try, after all of Pillow's plug-ins are known."""
    Image.init()
    return tuple(name for name in Image.ID if name not in _REFUSED)


def find_bare_png(file: IO[bytes]) -> io.BytesIO | None:
    """PNG without metadata, None of other files and where there are none."""
    file.seek(0)
    if file.read(8) != PNG_START:
        return None
    return bare_png(file)
