"""Limits on JPEG files whose decoding would take minutes: thousands of scans over one image, endless headers.

Each scan of a progressive JPEG goes over the whole image, so that a file of 100 kB can keep a decoder busy for hours.
Source: ITU-T T.81, B.1 and B.2; libjpeg-turbo 2.1, "-maxscans".
"""

from __future__ import annotations

import re
from typing import IO

from wordsight.images.skipped import UnreadableError

MOST_SCANS = 100  # encoders write 1 to 12; the specification's finest script for three components has 64
MOST_SEGMENTS = 10_000  # before the first scan: profiles and metadata, at most 64 kB each
_MOST_JUNK = 1 << 20  # bytes between segments, which decoders pass over one by one
_MOST_WORK = 4_000_000_000  # pixels times scans; about half a minute
_SOS, _EOI = 0xDA, 0xD9
_FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
_NO_LENGTH = {0x01, *range(0xD0, 0xD9)}
_SCAN = re.compile(rb"\xff\xda")  # in the data of a scan 0xFF is always followed by 0x00 or a restart marker
_CHUNK = 1 << 20


def check_scans(file: IO[bytes]) -> None:
    """Read an open JPEG's segments, and count its scans where one is not enough; the file is left at its start.

    Raises: UnreadableError for more than decoders can be asked to read.
    """
    try:
        _check(file)
    finally:
        file.seek(0)


def _check(file: IO[bytes]) -> None:
    file.seek(2)
    components = pixels = 0
    progressive = False
    for _ in range(MOST_SEGMENTS):
        marker = _next_marker(file)
        if marker in (None, _EOI):  # the decoder says what is wrong with it
            return
        if marker in _NO_LENGTH:
            continue
        body = file.read(2)
        length = max(2, int.from_bytes(body, "big"))
        if marker in _FRAMES:
            frame = file.read(min(6, length - 2))
            pixels = int.from_bytes(frame[1:3], "big") * int.from_bytes(frame[3:5], "big")
            components = int.from_bytes(frame[5:6], "big")  # 0 where the header is too short
            progressive = marker in (0xC2, 0xC6, 0xCA, 0xCE)
            file.seek(length - 2 - len(frame), 1)
        elif marker == _SOS:
            in_scan = file.read(1)
            if progressive or (in_scan and in_scan[0] < components):
                _count_scans(file, pixels)
            return
        else:
            file.seek(length - 2, 1)
    raise UnreadableError(f"is a JPEG of more than {MOST_SEGMENTS:,} segments before its image; save it again")


def _next_marker(file: IO[bytes]) -> int | None:
    """Next marker's second byte; None at the end of the file."""
    byte = file.read(1)
    junk = 0
    while byte:
        if byte == b"\xff":
            while byte == b"\xff":
                byte = file.read(1)
                junk += 1
            if byte and byte != b"\0":
                return byte[0]
        byte = file.read(1)
        junk += 1
        if junk > _MOST_JUNK:
            raise UnreadableError(f"is a JPEG with more than {_MOST_JUNK:,} bytes of junk before its image")
    return None


def _count_scans(file: IO[bytes], pixels: int) -> None:
    scans, tail = 1, b""
    most = min(MOST_SCANS, max(12, _MOST_WORK // max(1, pixels)))
    while chunk := file.read(_CHUNK):
        scans += len(_SCAN.findall(tail + chunk))
        tail = chunk[-1:]
        if scans > most:
            raise UnreadableError(
                f"is a JPEG of more than {most} scans over {pixels:,} pixels, which take too long to decode; "
                "save it again as an ordinary JPEG"
            )
