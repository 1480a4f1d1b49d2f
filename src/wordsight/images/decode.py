"""From files, bytes, PIL images and arrays to RGB images; what cannot be read is an ImageError with the reason."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import os
import re
import stat
import struct
import threading
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from wordsight.errors import ImageError, InputError, MissingExtraError, WordsightError
from wordsight.images.faulty_files import JPEG_START, PNG_START, bare_png, ended_jpegs, missing_share
from wordsight.images.inputs import ImageSource as ImageSource
from wordsight.images.inputs import as_image, is_array
from wordsight.images.memory import (
    bytes_as_rgb,
    check_memory,
    in_strips,
    is_large,
    most_bytes,
    reduction,
    turn_of,
)
from wordsight.images.raw import is_raw_tiff, looks_raw, may_be_raw, open_raw, raw_header, raw_is_installed

# Formats that Pillow reads by running another program (EPS) or can name but not read.
_REFUSED = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}
# At a DCT scale that leaves this many times the target, the loss is about 0.3 grey levels (docs/log.md).
_DRAFT_MARGIN = 2
_RAW_BYTES = 8  # of a pixel, which LibRaw needs
_DATE = re.compile(r"(?!0000)(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d).*")  # as EXIF writes it
# what follows "ftyp" in HEIF files that hold HEVC, of stills and of bursts; "mif1" may hold AVIF instead
_HEIF = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1"}
# EXIF's orientation → what makes the image upright; all other values, which some programs write, mean "as stored"
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_NAME = 400  # characters of an image's name in a message: a cell of a table may hold anything


@dataclass(frozen=True)
class Skipped:
    """A image that could not be read: the item as it was given, and why. Counted and listed, never silent."""

    item: Any
    reason: str

    def __repr__(self) -> str:
        """Return the item's name, not its bytes or pixels."""
        return f"<{type(self).__name__} {source_name(self.item)}: {self.reason}>"


class _UnreadableError(Exception):
    """A reason of ours, to be reported with the image's name."""


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
    """Return one RGB image, upright, of a path, encoded bytes, a PIL image or a uint8 array: `decode`'s image."""
    return decode(source, at_least=at_least).image


def decode(source: ImageSource, *, at_least: int | None = None) -> Decoded:
    """Return one RGB image, upright, of a path, encoded bytes, a PIL image or a uint8 array.

    EXIF orientation is applied; transparency is laid over white; of animations the first frame counts (of a PIL
    image the current one, of HEIC bursts the one that cameras show); 16-bit channels keep their upper 8 bits; float
    images in 0–1 or 0–255 are read so and others stretched from their least to their greatest value; colour
    profiles are ignored, and so are metadata that cannot be read. A JPEG that lacks its end is read where at most one
    in 16 rows is missing (`Decoded.flaw`).
    Arrays are (H, W), (H, W, 3) or (H, W, 4), uint8, RGB(A). Open files, tensors and more: see `image_inputs`.

    at_least: a side in pixels. JPEGs whose shorter side is at least 4 times as long are decoded at a half, quarter or
        eighth of their size (DCT scaling), so that at least twice `at_least` remains: several times faster, with a mean
        difference of about 0.3/255 after resizing. Of camera RAW the stored preview serves where it is large enough,
        else the sensor's image at half its size (see `raw.open_raw`). Images of more than 67 megapixels are
        reduced to about twice `at_least`. None keeps all pixels.

    Raises: ImageError naming the image and the reason; InputError for other kinds of source.
    """
    source = as_image(source)
    if isinstance(source, np.ndarray):
        return _whole(_from_array(source))
    try:
        with _quiet_pillow():
            if isinstance(source, Image.Image):
                return _whole(_to_rgb(_upright(source) or source.copy()))
            if isinstance(source, str | os.PathLike):
                with _open_file(Path(source)) as file:
                    return _decode(file, at_least)
            return _decode(io.BytesIO(source), at_least)
    except Exception as error:  # Pillow's plugins raise nearly every built-in kind on damaged files
        raise ImageError(f"{source_name(source)}: {reason_of(error)}") from error


@dataclass(frozen=True)
class Header:
    """What a file says of its image: width and height as it is seen (upright), pixels; when it was taken, or None.

    taken: ISO 8601 without a zone, from EXIF: when the shutter opened, else when the film was scanned.
    """

    width: int
    height: int
    taken: str | None = None


def read_header(source: ImageSource) -> Header:
    """Return an image's size and date without decoding its pixels; the same kinds of source as `decode` takes.

    Raises: ImageError naming the image and the reason; InputError for other kinds of source.
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
    try:
        image = _identify(file)
    except Exception:
        if (bare := _bare(file)) is None:
            raise
        image = _identify(bare)
    return Header(*raw_header(file)) if image is None else _header(image)


def _header(image: Image.Image) -> Header:
    width, height = image.size[::-1] if _orientation(image) >= 5 else image.size
    return Header(width, height, _taken(image))


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation, 1–8; 1 where it says nothing, nothing known, or cannot be read."""
    try:
        said = image.getexif().get(ExifTags.Base.Orientation, 1)
        return int(said) if said in _UPRIGHT else 1
    except Exception:  # damaged metadata is no reason to refuse the pixels; Pillow raises what it meets
        return 1


def _upright(image: Image.Image) -> Image.Image | None:
    """Return an image turned as its EXIF says, None where it is upright as stored. It is loaded first."""
    image.load()  # TIFF turns itself while it is loaded, and then says 1
    method = _UPRIGHT.get(_orientation(image))
    return None if method is None else image.transpose(method)


def _taken(image: Image.Image) -> str | None:
    """Return "2021-05-03T10:11:12" of EXIF's "2021:05:03 10:11:12". "DateTime" is when a program wrote the file."""
    try:
        exif = image.getexif()
        details = exif.get_ifd(ExifTags.IFD.Exif) if exif else {}
    except Exception:  # see `_orientation`
        return None
    for tag in (ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized):
        if found := _DATE.fullmatch(str(details.get(tag, "")).strip("\0 ")):
            return "{}-{}-{}T{}".format(*found.groups())
    return None


def skipped(item: Any, error: ImageError) -> Skipped:
    """Return the record of an image that raised `error`, its reason without the name."""
    return Skipped(item, str(error).removeprefix(f"{source_name(item)}: "))


def source_name(source: Any) -> str:
    """Return a printable one-line name of an image's source: its path with odd bytes and controls escaped.

    Of more than 400 characters, which may be an image itself (data:image/png;base64,…), the middle is left out.
    """
    if isinstance(source, str | os.PathLike):
        path = os.fsdecode(source)
        if len(path) > _NAME:
            path = f"{path[: _NAME // 2]}…{path[-_NAME // 2 :]}"
        text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return _escaped(text, lambda c: c.isprintable() or unicodedata.category(c) == "Zs")
    if isinstance(source, Image.Image):
        filename = getattr(source, "filename", "")
        return source_name(filename) if filename else f"PIL image {source.mode} {source.width}×{source.height}"
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
        raise _UnreadableError("is a folder; give the images in it")
    if not stat.S_ISREG(status.st_mode):
        raise _UnreadableError("is not a regular file")
    return path.open("rb")


def _decode(file: IO[bytes], at_least: int | None) -> Decoded:
    """Return the image in an open file as upright RGB, all its pixels loaded; what is not needed may be damaged."""
    try:
        return _decode_sound(file, at_least)
    except ImageError:
        raise
    except Exception as error:
        if (bare := _bare(file)) is not None:
            return _decode_sound(bare, at_least)
        if (cut := _without_end(file, at_least, error)) is not None:
            return cut
        raise


def _bare(file: IO[bytes]) -> io.BytesIO | None:
    """Return a PNG without metadata, None of other files and where there are none."""
    file.seek(0)
    return bare_png(file) if file.read(8) == PNG_START else None


def _without_end(file: IO[bytes], at_least: int | None, error: Exception) -> Decoded | None:
    """Return the image of a JPEG that lacks little more than its end; None of all others."""
    file.seek(0)
    if "truncated" not in str(error) or file.read(3) != JPEG_START or (files := ended_jpegs(file)) is None:
        return None
    ended, before = files
    missing = missing_share(
        _decode_sound(ended, None, turn=False).image,
        None if before is None else _decode_sound(before, None, turn=False).image,
    )
    if missing is None:
        return None
    decoded = _decode_sound(ended, at_least)
    rows = f", and with it {missing:.1%} of its rows" if missing else ""
    return dataclasses.replace(decoded, flaw=f"the JPEG lacks its end{rows}; it was read as far as it goes")


def _decode_sound(file: IO[bytes], at_least: int | None, *, turn: bool = True) -> Decoded:
    """Return the image in an open file as RGB, upright unless it shall not be turned."""
    file.seek(0)
    image = _identify(file) or open_raw(file, at_least, most_bytes() / _RAW_BYTES)
    stored = image.size
    filled: tuple[float, float] | None = None
    if at_least and image.format in ("JPEG", "MPO"):
        drafted = image.draft(None, (_DRAFT_MARGIN * at_least, _DRAFT_MARGIN * at_least))
        filled = drafted[1][2:] if drafted else None
    factor = reduction(image.size, at_least and _DRAFT_MARGIN * at_least)
    needed = bytes_as_rgb(image, factor)
    if image.info.get("progressive"):  # libjpeg holds its coefficients whole, at 2 bytes each, however small the result
        needed = max(needed, 2 * stored[0] * stored[1])
    check_memory(stored, needed)
    with turn_of(needed):
        _allocate(image)
        image.load()
        orientation = _orientation(image) if turn else 1
        if factor > 1:
            width, height = filled or image.size
            filled = (width / factor, height / factor)
        rgb = _to_rgb(image, factor)
        if orientation > 1:
            rgb = rgb.transpose(_UPRIGHT[orientation])
    return _whole(rgb) if filled is None else Decoded(rgb, _turned_box(filled, rgb.size, orientation))


def _allocate(image: Image.Image) -> None:
    """Make the memory of a large TIFF, which Pillow's plug-in would hold against its own limit; `check_memory` did."""
    if image.format == "TIFF" and is_large(image.size):
        image.im = Image.core.new(  # type: ignore[attr-defined]
            image.mode, getattr(image, "_tile_size", image.size)
        )


def _turned_box(
    filled: tuple[float, float], size: tuple[int, int], orientation: int
) -> tuple[float, float, float, float]:
    """Return where the `filled` (width, height) at the stored image's top left lies in the turned one of `size`."""
    width, height = filled if orientation < 5 else filled[::-1]
    left = size[0] - width if orientation in (2, 3, 6, 7) else 0.0
    top = size[1] - height if orientation in (3, 4, 7, 8) else 0.0
    return left, top, left + width, top + height


def _whole(image: Image.Image) -> Decoded:
    """Return an image that fills all of its pixels."""
    return Decoded(image, (0.0, 0.0, image.width, image.height))


def _identify(file: IO[bytes]) -> Image.Image | None:
    """Open an image lazily, of any size, since DCT scaling decides how much of a JPEG is decoded; None: it is RAW."""
    head = file.read(32)
    file.seek(0)
    if not head:
        raise _UnreadableError("the file is empty")
    if not head.startswith(JPEG_START) and looks_raw(head):
        return None
    image: Image.Image
    try:
        image = Image.open(file, formats=_formats())
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
    for name in _formats():
        factory, accept = Image.OPEN[name]
        if accept is None or accept(head[:16]) is True:
            file.seek(0)
            with contextlib.suppress(SyntaxError, IndexError, TypeError, struct.error):
                image: Image.Image = factory(file, "")
                return image
    raise _UnreadableError("is not an image that Pillow can read")


def _identify_others(file: IO[bytes], head: bytes) -> Image.Image | None:
    """Open what Pillow alone cannot: HEIC; None for RAW whose first directory is the sensor's."""
    brand = head[8:12] if head[4:8] == b"ftyp" else b""
    if brand in (b"avif", b"avis") or (brand == b"mif1" and b"avif" in head):
        raise _UnreadableError("is an AVIF image, which this Pillow cannot read; pip install --upgrade pillow")
    if brand in _HEIF:
        return _open_heif(file)
    if may_be_raw(head) and raw_is_installed():
        return None
    hint = "; camera RAW needs: pip install 'wordsight[raw]'" if may_be_raw(head) else ""
    raise _UnreadableError(f"is not an image that Pillow can read; it starts with {head[:12]!r}{hint}")


def _open_heif(file: IO[bytes]) -> Image.Image:
    """Open a HEIC image by pillow-heif's class, without registering it with Pillow, which is the caller's."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        raise MissingExtraError("Reading HEIC images", "pillow-heif", "search") from None
    image: Image.Image = HeifImageFile(file)  # type: ignore[no-untyped-call]
    return image


@functools.cache
def _formats() -> tuple[str, ...]:
    """Return the formats to try, after all of Pillow's plug-ins are known."""
    Image.init()
    return tuple(name for name in Image.ID if name not in _REFUSED)


def _to_rgb(image: Image.Image, factor: int = 1) -> Image.Image:
    """Return `image` as RGB: wide channels scaled to 8 bits, transparency over white; its sides divided by `factor`."""
    if min(image.size) < 1:
        raise _UnreadableError(f"has no pixels ({image.width}×{image.height})")
    image.load()
    wide = image.mode == "F" or image.mode.startswith("I")
    if is_large(image.size) and (factor > 1 or image.mode != "RGB"):
        span = _span(image) if wide else None
        return in_strips(image, lambda strip: _strip_to_rgb(strip, span), factor)
    return _strip_to_rgb(image, _span(image) if wide else None)


def _strip_to_rgb(image: Image.Image, span: tuple[float, float] | None) -> Image.Image:
    """Return an image, or a strip of one whose values lie in `span`, as RGB."""
    if span is not None:
        return Image.fromarray(_to_8_bits(np.asarray(image), *span)).convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        return white.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _span(wide: Image.Image) -> tuple[float, float]:
    """Return the least and the greatest value of an image of integers or floats, some rows at a time."""
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
        return (wide_HW >> 8 if high > 255 else wide_HW).astype(np.uint8)
    values: Any = _finite(wide_HW)
    if wide_HW.dtype.kind == "f" and low >= 0 and high <= 1:
        values = values * 255
    elif low < 0 or high > 255:
        values = (values - low) * (255 / (high - low) if high > low else 0.0)
    scaled: np.ndarray = np.rint(values).astype(np.uint8)
    return scaled


def _from_array(array: np.ndarray) -> Image.Image:
    """Return the image in a uint8 array (H, W), (H, W, 3) or (H, W, 4)."""
    shaped = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not shaped or not array.size:
        raise InputError(
            f"A image is an array of shape {array.shape} and type {array.dtype}, expected uint8 of shape (H, W), "
            "(H, W, 3) or (H, W, 4), not empty; floats in 0–1: (255 * x).round().astype('uint8')."
        )
    return _to_rgb(Image.fromarray(np.ascontiguousarray(array)))


def reason_of(error: Exception) -> str:
    """Return what to tell the user about an error while reading an image."""
    if isinstance(error, Image.DecompressionBombError):
        return f"is larger than Pillow reads ({error}); make it smaller"
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
