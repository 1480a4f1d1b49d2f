"""Files whose pixels are whole while something else in them is not: PNG with refused metadata, JPEG without an end."""

from __future__ import annotations

import io
import re
import struct
import zlib
from typing import IO

import numpy as np
from PIL import Image

PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8\xff"
# Chunks beside the critical ones (whose names begin with a capital) that the image needs: transparency, orientation
_NEEDED = {b"tRNS", b"eXIf"}
_SCAN, _END, _PROGRESSIVE = b"\xff\xda", b"\xff\xd9", b"\xff\xc2"  # JPEG's markers
_MOST_MISSING = 1 / 16  # of a JPEG's rows: one row of blocks in 256 pixels
# colours that a JPEG decoder gives to blocks without data: the middle of all channels, as RGB; CMYK may be inverted
_NO_DATA = {(128, 128, 128), (63, 63, 63), (64, 64, 64)}


def bare_png(file: IO[bytes]) -> io.BytesIO | None:
    """Open PNG without texts, profiles and whatever else its pixels do not need; None where there is none.

    Pillow refuses a PNG for a long text or profile, or for a wrong checksum in one; viewers pass over them.
    """
    file.seek(len(PNG_START))
    bare = io.BytesIO()
    bare.write(PNG_START)
    left_out = False
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind[:1].isupper() or kind in _NEEDED:
            body = file.read(length + 4)
            if kind[:1].isupper() or body[-4:] == struct.pack(">I", zlib.crc32(kind + body[:-4])):
                bare.write(head + body)
                continue
        else:
            file.seek(length + 4, io.SEEK_CUR)
        left_out = True
    if not left_out:
        return None
    bare.seek(0)
    return bare


def end_jpeg(file: IO[bytes]) -> tuple[io.BytesIO, io.BytesIO | None] | None:
    """Open JPEG that breaks off with an end mark, so that it can be decoded as far as it goes.

    Of a progressive one, in which each scan goes over the whole image, also one whose last scan is empty. None
    where that last scan is not the one that brings the last bits: others would follow, of which nothing is known.
    Source: ITU-T T.81, B.2.2 and B.2.3.
    """
    file.seek(0)
    content = file.read()
    start = content.rfind(_SCAN)
    if start < 0 or len(content) < start + 14:
        return None
    ended = io.BytesIO(content + _END)
    frame = content.rfind(_PROGRESSIVE, 0, start)
    if frame < 0:
        return ended, None
    finished: set[int] = set()  # components of which a scan with the last bits has begun
    body = 0
    for scan in re.finditer(_SCAN, content[frame:]):
        at = frame + scan.start()
        count = content[at + 4]
        body = at + 8 + 2 * count
        last, bits = content[body - 2 : body]
        if last == 63 and not bits & 15:
            finished.update(content[at + 5 : body - 3 : 2])
    if len(finished) != content[frame + 9]:
        return None
    return ended, io.BytesIO(content[:body] + _END)


def missing_share(image: Image.Image, before: Image.Image | None = None) -> float | None:
    """Share of a JPEG's rows, at the bottom, that has no data; None where that is more than one in 16.

    image, before: the files that `end_jpeg` returns, decoded in full, not turned.
    """
    pixels = np.asarray(image)
    if before is None:
        bottom = pixels[-1, -1]
        if tuple(bottom.tolist()) not in _NO_DATA:
            return 0.0
        whole = pixels != bottom
    else:
        whole = pixels != np.asarray(before)  # where the last scan made a difference
    rows = np.flatnonzero(whole.reshape(len(pixels), -1).any(1))
    missing = 1 - (int(rows.max(initial=-1)) + 1) / len(pixels)
    if missing > _MOST_MISSING:
        return None
    return missing
