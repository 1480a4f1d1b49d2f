"""From files, bytes, PIL pictures and arrays to RGB pictures; what cannot be read is an ImageError with the reason."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import stat
import threading
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, JpegImagePlugin, UnidentifiedImageError

from wordsight.errors import ImageError, InputError, MissingExtraError, WordsightError
from wordsight.image_inputs import ImageSource as ImageSource
from wordsight.image_inputs import as_image, is_array
from wordsight.raw import is_raw_tiff, looks_raw, may_be_raw, open_raw, raw_header, raw_is_installed

# Formats that Pillow reads by running another program (EPS) or can name but not read.
_REFUSED = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}
# At a DCT scale that leaves this many times the target, the loss is about 0.3 grey levels (docs/log.md).
_DRAFT_MARGIN = 2
_DATE = re.compile(r"(?!0000)(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d).*")  # as EXIF writes it
# what follows "ftyp" in HEIF files that hold HEVC, of stills and of bursts; "mif1" may hold AVIF instead
_HEIF = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}


@dataclass(frozen=True)
class Skipped:
    """A picture that could not be read: the item as it was given, and why. Counted and listed, never silent."""

    item: Any
    reason: str

    def __repr__(self) -> str:
        """Return the item's name, not its bytes or pixels."""
        return f"<{type(self).__name__} {source_name(self.item)}: {self.reason}>"


class _UnreadableError(Exception):
    """A reason of ours, to be reported with the picture's name."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """An RGB picture and the part of it (left, top, right, bottom; pixels) that the file's picture fills.

    The part is all of it but for DCT-scaled JPEGs, whose last column and row stand for fewer pixels of the file than
    the others: 1,801 columns at a half are 900.5, held in 901.
    """

    image: Image.Image
    box: tuple[float, float, float, float]


def read_image(source: ImageSource, *, at_least: int | None = None) -> Image.Image:
    """Return one RGB picture, upright, of a path, encoded bytes, a PIL picture or a uint8 array: `decode`'s image."""
    return decode(source, at_least=at_least).image


def decode(source: ImageSource, *, at_least: int | None = None) -> Decoded:
    """Return one RGB picture, upright, of a path, encoded bytes, a PIL picture or a uint8 array.

    EXIF orientation is applied; transparency is laid over white; of animations the first frame counts (of a PIL
    picture the current one, of HEIC bursts the one that cameras show); 16-bit channels keep their upper 8 bits; float
    pictures in 0–1 or 0–255 are read so and others stretched from their least to their greatest value; colour
    profiles are ignored.
    Arrays are (H, W), (H, W, 3) or (H, W, 4), uint8, RGB(A). Open files, tensors and more: see `image_inputs`.

    at_least: a side in pixels. JPEGs whose shorter side is at least 4 times as long are decoded at a half, quarter or
        eighth of their size (DCT scaling), so that at least twice `at_least` remains: several times faster, with a mean
        difference of about 0.3/255 after resizing. Of camera RAW the stored preview serves where it is large enough,
        else the sensor's picture at half its size (see `raw.open_raw`). None decodes all pixels.

    Raises: ImageError naming the picture and the reason; InputError for other kinds of source.
    """
    source = as_image(source)
    if isinstance(source, np.ndarray):
        return _whole(_from_array(source))
    try:
        with _quiet_pillow():
            if isinstance(source, Image.Image):
                return _whole(_to_rgb(ImageOps.exif_transpose(source)))
            if isinstance(source, str | os.PathLike):
                with _open_file(Path(source)) as file:
                    return _decode(file, at_least)
            return _decode(io.BytesIO(source), at_least)
    except Exception as error:  # Pillow's plugins raise nearly every built-in kind on damaged files
        raise ImageError(f"{source_name(source)}: {reason_of(error)}") from error


@dataclass(frozen=True)
class Header:
    """What a file says of its picture: width and height as it is seen (upright), pixels; when it was taken, or None.

    taken: ISO 8601 without a zone, from EXIF: when the shutter opened, else when the film was scanned.
    """

    width: int
    height: int
    taken: str | None = None


def read_header(source: ImageSource) -> Header:
    """Return a picture's size and date without decoding its pixels; the same kinds of source as `decode` takes.

    Raises: ImageError naming the picture and the reason; InputError for other kinds of source.
    """
    source = as_image(source)
    if isinstance(source, np.ndarray):
        return Header(source.shape[1], source.shape[0])
    if isinstance(source, Image.Image):
        return _header(source)
    try:
        with _quiet_pillow():
            if not isinstance(source, str | os.PathLike):
                return _file_header(io.BytesIO(source))
            with _open_file(Path(source)) as file:
                return _file_header(file)
    except Exception as error:
        raise ImageError(f"{source_name(source)}: {reason_of(error)}") from error


def _file_header(file: IO[bytes]) -> Header:
    image = _identify(file)
    return Header(*raw_header(file)) if image is None else _header(image)


def _header(image: Image.Image) -> Header:
    exif = image.getexif()
    turned = exif.get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
    width, height = image.size[::-1] if turned else image.size
    return Header(width, height, _taken(exif))


def _taken(exif: Image.Exif) -> str | None:
    """Return "2021-05-03T10:11:12" of EXIF's "2021:05:03 10:11:12". "DateTime" is when a program wrote the file."""
    details = exif.get_ifd(ExifTags.IFD.Exif) if exif else {}
    for tag in (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized):
        if found := _DATE.fullmatch(str(details.get(tag, "")).strip("\0 ")):
            return "{}-{}-{}T{}".format(*found.groups())
    return None


def skipped(item: Any, error: ImageError) -> Skipped:
    """Return the record of a picture that raised `error`, its reason without the name."""
    return Skipped(item, str(error).removeprefix(f"{source_name(item)}: "))


def source_name(source: Any) -> str:
    """Return a printable one-line name of a picture's source: its path with odd bytes and controls escaped."""
    if isinstance(source, str | os.PathLike):
        text = os.fsdecode(source).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return _escaped(text, lambda c: c.isprintable() or unicodedata.category(c) == "Zs")
    if isinstance(source, Image.Image):
        filename = getattr(source, "filename", "")
        return source_name(filename) if filename else f"PIL picture {source.mode} {source.width}×{source.height}"
    if isinstance(source, np.ndarray) or is_array(source):
        kind = "array" if isinstance(source, np.ndarray) else type(source).__name__
        return f"{kind} {tuple(source.shape)} {source.dtype}"
    if isinstance(source, bytes | bytearray):
        return f"{len(source)} bytes"
    name = getattr(source, "name", None)
    return source_name(name) if isinstance(name, str) else type(source).__name__


def recorded_path(path: str | os.PathLike[str]) -> str:
    """Return a path for a file of paths, one a line: only odd bytes, controls and line breaks are escaped.

    Spaces of all kinds and joiners, which names of screenshots and emoji hold, stay, so that the path can be opened.
    """
    text = os.fsdecode(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return _escaped(text, lambda c: unicodedata.category(c) not in ("Cc", "Zl", "Zp"))


def _escaped(text: str, plain: Callable[[str], bool]) -> str:
    return "".join(c if plain(c) else c.encode("unicode_escape").decode() for c in text)


def _open_file(path: Path) -> IO[bytes]:
    """Open a regular file that holds something; a pipe or device would block or never end."""
    if str(path).startswith(("http:/", "https:/")):
        raise _UnreadableError("is an address, not a file; download it first")
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise _UnreadableError("is a folder; give the pictures in it")
    if not stat.S_ISREG(status.st_mode):
        raise _UnreadableError("is not a regular file")
    return path.open("rb")


def _decode(file: IO[bytes], at_least: int | None) -> Decoded:
    """Return the picture in an open file as upright RGB, all its pixels loaded."""
    image = _identify(file) or open_raw(file, at_least, _most_pixels())
    width, height = image.size
    drafted = None
    if at_least and image.format in ("JPEG", "MPO"):
        drafted = image.draft(None, (_DRAFT_MARGIN * at_least, _DRAFT_MARGIN * at_least))
    # libjpeg holds a progressive picture's coefficients whole, at 2 bytes each, however small the result.
    needed = max(image.width * image.height, width * height // 2 if image.info.get("progressive") else 0)
    if needed > _most_pixels():
        raise _UnreadableError(_too_large(width * height))
    if drafted is None:
        ImageOps.exif_transpose(image, in_place=True)
        return _whole(_to_rgb(image))
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    ImageOps.exif_transpose(image, in_place=True)
    return Decoded(_to_rgb(image), _turned_box(drafted[1][2:], image.size, orientation))


def _turned_box(
    filled: tuple[float, float], size: tuple[int, int], orientation: int
) -> tuple[float, float, float, float]:
    """Return where the `filled` (width, height) at the stored picture's top left lies in the turned one of `size`."""
    width, height = filled if orientation < 5 else filled[::-1]
    left = size[0] - width if orientation in (2, 3, 6, 7) else 0.0
    top = size[1] - height if orientation in (3, 4, 7, 8) else 0.0
    return left, top, left + width, top + height


def _whole(image: Image.Image) -> Decoded:
    """Return a picture that fills all of its pixels."""
    return Decoded(image, (0.0, 0.0, image.width, image.height))


def _identify(file: IO[bytes]) -> Image.Image | None:
    """Open a picture lazily, of any size, since DCT scaling decides how much of a JPEG is decoded; None: it is RAW."""
    head = file.read(32)
    file.seek(0)
    if not head:
        raise _UnreadableError("the file is empty")
    jpeg = head.startswith(b"\xff\xd8\xff")
    if not jpeg and looks_raw(head):
        return None
    try:
        image = Image.open(file, formats=_formats())
    except Image.DecompressionBombError:
        file.seek(0)
        if jpeg:
            return JpegImagePlugin.JpegImageFile(file)
        raise
    except UnidentifiedImageError:
        file.seek(0)
        return _identify_others(file, head)
    if image.format == "TIFF" and is_raw_tiff(getattr(image, "tag_v2", {})):
        file.seek(0)
        return None
    return image


def _identify_others(file: IO[bytes], head: bytes) -> Image.Image | None:
    """Open what Pillow alone cannot: HEIC; None for RAW whose first directory is the sensor's."""
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if brand in (b"avif", b"avis") or (brand == b"mif1" and b"avif" in head):
        raise _UnreadableError("is an AVIF picture, which this Pillow cannot read; pip install --upgrade pillow")
    if brand in _HEIF:
        return _open_heif(file)
    if may_be_raw(head) and raw_is_installed():
        return None
    hint = "; camera RAW needs: pip install 'wordsight[raw]'" if may_be_raw(head) else ""
    raise _UnreadableError(f"is not a picture that Pillow can read; it starts with {head[:12]!r}{hint}")


def _open_heif(file: IO[bytes]) -> Image.Image:
    """Open a HEIC picture by pillow-heif's class, without registering it with Pillow, which is the caller's."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise MissingExtraError("Reading HEIC pictures", "pillow-heif", "search") from None
    image: Image.Image = HeifImageFile(file)  # type: ignore[no-untyped-call]
    return image


def _most_pixels() -> float:
    """Return how many pixels a picture may have."""
    return float("inf") if Image.MAX_IMAGE_PIXELS is None else 2 * Image.MAX_IMAGE_PIXELS


@functools.cache
def _formats() -> tuple[str, ...]:
    """Return the formats to try, after all of Pillow's plug-ins are known."""
    Image.init()
    return tuple(name for name in Image.ID if name not in _REFUSED)


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return `image` as RGB: wide channels scaled to 8 bits, transparency over white."""
    if min(image.size) < 1:
        raise _UnreadableError(f"has no pixels ({image.width}×{image.height})")
    image.load()
    if image.mode == "F" or image.mode.startswith("I"):
        return Image.fromarray(_to_8_bits(np.asarray(image))).convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        return white.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_8_bits(wide_HW: np.ndarray) -> np.ndarray:
    """Scale integers of 16 or 32 bits and floats to uint8. The range decides where the type does not."""
    if wide_HW.dtype.itemsize == 2:
        return (wide_HW >> 8).astype(np.uint8)
    values = np.nan_to_num(wide_HW.astype(np.float64), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if wide_HW.dtype.kind in "iu" and low >= 0 and high <= 65535:
        return (wide_HW >> 8 if high > 255 else wide_HW).astype(np.uint8)
    if wide_HW.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.rint(values * 255).astype(np.uint8)
    if low >= 0 and high <= 255:
        return np.rint(values).astype(np.uint8)
    return np.rint((values - low) * (255 / (high - low) if high > low else 0.0)).astype(np.uint8)


def _from_array(array: np.ndarray) -> Image.Image:
    """Return the picture in a uint8 array (H, W), (H, W, 3) or (H, W, 4)."""
    shaped = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not shaped or not array.size:
        raise InputError(
            f"A picture is an array of shape {array.shape} and type {array.dtype}, expected uint8 of shape (H, W), "
            "(H, W, 3) or (H, W, 4), not empty; floats in 0–1: (255 * x).round().astype('uint8')."
        )
    return _to_rgb(Image.fromarray(np.ascontiguousarray(array)))


def reason_of(error: Exception) -> str:
    """Return what to tell the user about an error while reading a picture."""
    if isinstance(error, Image.DecompressionBombError):
        return f"{_too_large(None)} ({error})"
    if isinstance(error, FileNotFoundError):
        return "no such file"
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, _UnreadableError | OSError | WordsightError):
        return str(error)
    return f"is damaged ({type(error).__name__}: {error})"


def _too_large(pixels: int | None) -> str:
    """Return the reason for refusing a picture that would need too much memory."""
    seen = "has more" if pixels is None else f"has {pixels:,} pixels, more"
    limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
    return f"{seen} than the limit of {limit:,} pixels; make it smaller, or raise PIL.Image.MAX_IMAGE_PIXELS"


_quiet_lock = threading.Lock()
_quiet_depth = 0
_quiet_filter: Any = None


@contextlib.contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Silence Pillow's warnings while any thread decodes, and only then.

    `warnings.catch_warnings` is not safe in threads, so one filter is put in by the first and taken out by the last.
    """
    global _quiet_depth, _quiet_filter
    with _quiet_lock:
        _quiet_depth += 1
        if _quiet_depth == 1:
            warnings.filterwarnings("ignore", module=r"PIL\.|wordsight\.images")
            _quiet_filter = warnings.filters[0]
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0:
                with contextlib.suppress(ValueError):
                    warnings.filters.remove(_quiet_filter)  # type: ignore[attr-defined]
