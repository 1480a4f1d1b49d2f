"""Camera RAW: the preview that the camera stored where it is large enough, else the sensor's image by LibRaw."""

from __future__ import annotations

import contextlib
import importlib.util
import io
from collections.abc import Iterator
from typing import IO, Any

from PIL import ExifTags, Image

from wordsight.errors import ImageError, MissingExtraError

# How much a preview's proportions may differ from the sensor's image: sensors have a margin of some pixels. Beyond
# that it is cut, or has black bars.
_SAME_SHAPE = 0.05
_FULL_SIZE = 0.9  # of the sensor's sides: cameras' largest previews leave out the margin
_SRGB = (2.4, 12.92)  # LibRaw's gamma and slope for it; its default is BT.709's, which is darker
_ORIENTATIONS = {0: 1, 3: 3, 5: 8, 6: 6}  # LibRaw's flip → EXIF
_TURNS = {3: Image.Transpose.ROTATE_180, 5: Image.Transpose.ROTATE_90, 6: Image.Transpose.ROTATE_270}

_STARTS = (b"FUJIFILMCCD-RAW", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"\0MRM", b"FOVb", b"II\x1a\0\0\0HEAPCCDR")
_TIFF_STARTS = (b"II*\0", b"MM\0*")


def looks_raw(head: bytes) -> bool:
    """Whether a file's first 16 bytes are those of a kind of RAW that no other format shares."""
    canon = head[8:10] == b"CR" and head.startswith(_TIFF_STARTS)
    return canon or head[4:12] == b"ftypcrx " or head.startswith(_STARTS)


def may_be_raw(head: bytes) -> bool:
    """Whether a file's first bytes are those of TIFF, which most kinds of RAW are."""
    return head.startswith(_TIFF_STARTS)


def is_raw_tiff(tags: Any) -> bool:
    """Whether a TIFF's first directory (tag → value) is that of a RAW file, whose image lies elsewhere in it.

    Source: DNG 1.4 (DNGVersion, 50706); TIFF/EP: the first directory is a smaller image (254), with others below
    it (330).
    """
    return 50706 in tags or bool(tags.get(254, 0) & 1 and 330 in tags)


def raw_is_installed() -> bool:
    """Whether RAW can be read here."""
    return importlib.util.find_spec("rawpy") is not None


def raw_header(file: IO[bytes]) -> tuple[int, int, str | None]:
    """Width and height of an open RAW file's image as it is seen, and when it was taken (ISO 8601).

    Raises: as `open_raw`.
    """
    rawpy = _rawpy()
    with _reasons(rawpy), rawpy.imread(file) as raw:
        width, height = raw.sizes.iwidth, raw.sizes.iheight
        if raw.sizes.flip in (5, 6):
            width, height = height, width
        when = getattr(getattr(raw, "other", None), "timestamp", None)  # older rawpy has no `other`
        taken = None
        if when is not None and when.year > 1970:  # 1970 where the file tells nothing
            taken = when.replace(tzinfo=None).isoformat()  # the camera's clock, without a zone
        return width, height, taken


def open_raw(file: IO[bytes], at_least: int | None, most_pixels: float) -> Image.Image:
    """Image of an open RAW file: an upright one, or a JPEG not loaded yet whose EXIF says how to turn it.

    at_least: a side in pixels. The preview serves where its shorter side is as long; else the sensor's image at half
        its size, where that is; else at its full size. None: the preview only where it is of full size.
    most_pixels: a larger image is refused.
    Raises: ImageError with the reason alone; MissingExtraError without rawpy.
    """
    rawpy = _rawpy()
    with _reasons(rawpy), rawpy.imread(file) as raw:
        width, height = raw.sizes.iwidth, raw.sizes.iheight
        preview = _preview(rawpy, raw)
        if preview is not None and _serves(preview.size, (width, height), at_least):
            return preview
        half = at_least is not None and min(width, height) // 2 >= at_least
        if width * height // (4 if half else 1) > most_pixels:
            raise ImageError(f"has {width * height:,} pixels, more than the limit of {most_pixels:,.0f} pixels")
        pixels_HW3 = raw.postprocess(half_size=half, use_camera_wb=True, gamma=_SRGB, output_bps=8)
        return Image.fromarray(pixels_HW3)


@contextlib.contextmanager
def _reasons(rawpy: Any) -> Iterator[None]:
    """Turn LibRaw's errors into ours."""
    try:
        yield
    except rawpy.LibRawError as error:
        reason = next(iter(error.args), type(error).__name__)
        if isinstance(reason, bytes):
            reason = reason.decode("utf-8", "replace")
        raise ImageError(f"is a camera RAW file that LibRaw cannot read ({reason})") from error


def _preview(rawpy: Any, raw: Any) -> Image.Image | None:
    """Largest preview that the file holds, None where there is none that can be read."""
    try:
        found = raw.extract_thumb()
    except rawpy.LibRawError:
        return None
    flip = raw.sizes.flip
    if found.format != rawpy.ThumbFormat.JPEG:
        bitmap = Image.fromarray(found.data)
        if flip in _TURNS:
            return bitmap.transpose(_TURNS[flip])
        return bitmap
    try:
        preview = Image.open(io.BytesIO(found.data), formats=["JPEG"])
    except OSError:
        return None
    exif = preview.getexif()
    if ExifTags.Base.Orientation not in exif:
        exif[ExifTags.Base.Orientation] = _ORIENTATIONS.get(flip, 1)
    return preview


def _serves(preview: tuple[int, int], sensor: tuple[int, int], at_least: int | None) -> bool:
    """Whether a preview is large enough and shows the same part of the image."""
    (low, high), (sensor_low, sensor_high) = sorted(preview), sorted(sensor)
    if abs(high / low - sensor_high / sensor_low) > _SAME_SHAPE * sensor_high / sensor_low:
        return False
    if at_least is None:
        return low >= _FULL_SIZE * sensor_low
    return low >= at_least


def _rawpy() -> Any:
    try:
        import rawpy
    except ImportError:
        raise MissingExtraError("Reading camera RAW", "rawpy", "raw") from None
    return rawpy
