"""The original among several copies: the evidence for each file, in one order, and the reason to tell the user.

A camera's RAW file comes first; then the image with the most pixels (a border does not count as image), without
a border, with the most camera data, written by no editing program, under a name that is not a copy's, older by a day;
then signs in the pixels of a JPEG in a lossless file, of brightening, darkening and of writing laid over them; then a
format that loses nothing, the larger file, the older one. Mirroring a JPEG leaves no such sign: there dates, names,
camera data and the file's size decide.
"""

from __future__ import annotations

import os.path
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import ExifTags, Image

from wordsight.duplicates.miniature import Miniature
from wordsight.duplicates.physical_files import is_file, is_part
from wordsight.duplicates.shots import is_raw
from wordsight.duplicates.similarity import has_overlay
from wordsight.images.jpeg_traces import was_jpeg
from wordsight.index import Row
from wordsight.path_text import to_path

_AS_LARGE = 0.95  # of the most pixels: a crop by 5 % of both sides has 0.90
_DAY = 86_400 * 10**9
_PILED, _PILED_MORE = 0.005, 0.1  # pixels at the upper end of its range that an image may have more: absolute, share
_TOP, _LOWER = 248, 8  # grey levels: the brightest of an image that uses the range; how much less darkening leaves
_MAIN = ExifTags.Base.Make, ExifTags.Base.Model
_DETAILS = (
    ExifTags.Base.DateTimeOriginal, ExifTags.Base.ExposureTime, ExifTags.Base.FNumber, ExifTags.Base.FocalLength,
    ExifTags.Base.ISOSpeedRatings, ExifTags.Base.LensModel,
)  # fmt: skip
_LOSSLESS = "PNG", "BMP", "PPM", "QOI"
_EDITORS = re.compile(
    r"photoshop|lightroom|gimp|snapseed|picasa|darktable|rawtherapee|affinity|capture one|canva|paint|vsco|pixelmator|"
    r"imagemagick|photoscape|acdsee|luminar|irfanview",
    re.IGNORECASE,
)
_COPY_NAMES = re.compile(
    r"(?<![a-z])(copy|copies|kopie|copie|copia|edited|edit|small|thumb|thumbnail|preview|resized|cropped|watermark|"
    r"watermarked|mirrored|flipped|rotated|framed|web)(?![a-z])|\(\d+\)$|~\d+$",
    re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class Origin:
    """Evidence for a file as the original of its copies.

    pixels: without a border. camera: number of facts the camera wrote (EXIF), None where the file has none. kept:
    2 for a format that loses nothing, 1 for HEIC, 0 for other lossy ones, -1 for a lossless file of what was a JPEG
    before. piled: share of pixels at the upper end of the range; top: where that is, grey levels. overlaid:
    whether something is laid over the image that another one lacks.
    """

    row: Row
    raw: bool = False
    pixels: int = 0
    framed: bool = False
    camera: int | None = None
    edited: bool = False
    kept: int = 0
    piled: float = 0.0
    top: float = 255.0
    overlaid: bool = False


def rank_origins(origins: Sequence[Origin]) -> tuple[list[int], str]:
    """Positions in `origins`, the original first, and why it is the original: "it has the most pixels"."""
    keys = [tuple(key for _, key in _criteria(origin, origins)) for origin in origins]
    order = sorted(range(len(origins)), key=lambda i: keys[i])
    if len(order) < 2:
        return order, ""
    first, second = (list(_criteria(origins[i], origins)) for i in order[:2])
    return order, next(said for (said, mine), (_, its) in zip(first, second, strict=True) if mine != its)


def _criteria(origin: Origin, all_: Sequence[Origin]) -> list[tuple[str, Any]]:
    """(Reason, key) of each criterion in order; the least key is the original's."""
    row, most = origin.row, max(one.pixels for one in all_)
    camera = max(one.camera or 0 for one in all_)
    oldest, least_piled = min(one.row.mtime_ns for one in all_), min(one.piled for one in all_)
    top = max(one.top for one in all_)
    return [
        ("it is the camera's RAW file", not origin.raw),
        ("it has the most pixels", -most if origin.pixels >= _AS_LARGE * most else -origin.pixels),
        ("it has no border", origin.framed),
        ("it holds the most camera data", -(camera if origin.camera is None else origin.camera)),
        ("no editing program wrote it", origin.edited),
        ("its name is not that of a copy", is_named_as_copy(row)),
        ("it is the oldest", row.mtime_ns - oldest > _DAY),
        ("another was a JPEG before, in a lossless file", origin.kept < 0),
        ("its highlights are not clipped", origin.piled > _PILED + (1 + _PILED_MORE) * least_piled),
        ("it was not darkened", top >= _TOP and top - origin.top > _LOWER),
        ("nothing is laid over it", origin.overlaid),
        ("its format loses nothing", -origin.kept),
        ("its file is the largest", -row.size),
        ("it is the oldest", row.mtime_ns),
        ("its name is the shortest", (len(row.path), row.path, row.id)),
    ]


def is_named_as_copy(row: Row) -> bool:
    """Whether a file's name says that it is a copy: "IMG_1 (1).jpg", "IMG_1-edited.jpg", "copy of IMG_1.jpg"."""
    stem = os.path.splitext(os.path.basename(row.path))[0]
    return _COPY_NAMES.search(stem.replace("_", " ")) is not None


def inspect_origin(row: Row, miniature: Miniature | None, others: Sequence[Miniature] = ()) -> Origin:
    """Evidence for a row as the original; of its file the head is read, and all pixels of a lossless one.

    miniature: None where it cannot be read. others: those of its copies, in which to look for what is laid over it.
    """
    raw, pixels = is_raw(row.path) and row.page is None, row.width * row.height
    camera, edited, kept = None, False, 0
    if is_file(row) and not raw and not is_part(row):
        camera, edited, kept = _read_head(row)
    if miniature is None:
        return Origin(row, raw, pixels, camera=camera, edited=edited, kept=kept)
    brightest = np.asarray(miniature.square).max(axis=2)
    top = float(np.quantile(brightest, 0.9995))
    framed = miniature.framed
    if framed and miniature.trimmed is not None:
        left, above, right, below = miniature.border
        side = miniature.square.width
        pixels = round(pixels * (side - left - right) * (side - above - below) / side**2)
    return Origin(
        row, raw, pixels, framed, camera, edited, kept, float((brightest >= top - 4).mean()), top,
        any(has_overlay(other, miniature) for other in others),
    )  # fmt: skip


def _read_head(row: Row) -> tuple[int | None, bool, int]:
    """(Facts of the camera, whether an editing program wrote it, `Origin.kept`)."""
    extension = os.path.splitext(row.path)[1].lower()
    try:
        with warnings.catch_warnings(), Image.open(to_path(row.path)) as image:
            warnings.simplefilter("ignore")
            exif = image.getexif()
            details = exif.get_ifd(ExifTags.IFD.Exif)
            facts = sum(bool(exif.get(tag)) for tag in _MAIN) + sum(bool(details.get(tag)) for tag in _DETAILS)
            facts += bool(exif.get_ifd(ExifTags.IFD.GPSInfo))
            edited = _EDITORS.search(str(exif.get(ExifTags.Base.Software, ""))) is not None
            return facts, edited, _kept(image)
    except Exception:  # Pillow's plugins raise nearly every built-in kind; Pillow has no HEIC
        return None, False, int(extension in (".heic", ".heif", ".hif"))


def _kept(image: Image.Image) -> int:
    """`Origin.kept` of an open file."""
    lossless = image.format in _LOSSLESS or (image.format == "TIFF" and image.info.get("compression") != "jpeg")
    if not lossless:
        return 0
    if was_jpeg(image):
        return -1
    return 2
