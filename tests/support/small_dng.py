"""Camera RAW files written by hand: uncompressed DNG with a Bayer pattern, and, where asked, a JPEG preview before it.

Source: Adobe, Digital Negative Specification 1.4; TIFF 6.0.
"""

import struct

import numpy as np

_SHORT, _LONG, _RATIONAL, _BYTE, _ASCII, _SRATIONAL = 3, 4, 5, 1, 2, 10
_SIZES = {_BYTE: 1, _ASCII: 1, _SHORT: 2, _LONG: 4, _RATIONAL: 8, _SRATIONAL: 8}
_LETTERS = {_BYTE: "B", _SHORT: "H", _LONG: "I"}
# what a camera that measures in sRGB would state: XYZ (D65) → camera
_XYZ_TO_SRGB = (3.2406, -1.5372, -0.4986, -0.9689, 1.8758, 0.0415, 0.0557, -0.2040, 1.0570)


def bayer(linear_HW3: np.ndarray) -> np.ndarray:
    """The mosaic (H, W) uint16 that a sensor with the pattern RG/GB records of linear colours in 0–1."""
    wide = np.rint(linear_HW3 * 65535).astype(np.uint16)
    mosaic = wide[:, :, 1].copy()
    mosaic[0::2, 0::2] = wide[0::2, 0::2, 0]
    mosaic[1::2, 1::2] = wide[1::2, 1::2, 2]
    return mosaic


def small_dng(
    mosaic_HW: np.ndarray, *, orientation: int = 1, preview: bytes = b"", preview_size=(0, 0), taken: str = ""
) -> bytes:
    """The bytes of a DNG. preview: a JPEG; it then comes first, as cameras write it. taken: "2020:02:03 04:05:06"."""
    height, width = mosaic_HW.shape
    strip = mosaic_HW.astype("<u2").tobytes()
    matrix = [part for value in _XYZ_TO_SRGB for part in (round(value * 10000), 10000)]
    camera = [
        (271, _ASCII, b"Example\0"), (272, _ASCII, b"Example One\0"), (274, _SHORT, [orientation]),
        (50706, _BYTE, [1, 4, 0, 0]), (50707, _BYTE, [1, 1, 0, 0]), (50708, _ASCII, b"Example One\0"),
        (50721, _SRATIONAL, matrix), (50728, _RATIONAL, [1, 1, 1, 1, 1, 1]), (50778, _SHORT, [21]),
    ]  # fmt: skip
    if taken:
        camera.append((306, _ASCII, taken.encode() + b"\0"))
    sensor = [
        (254, _LONG, [0]), (256, _LONG, [width]), (257, _LONG, [height]), (258, _SHORT, [16]), (259, _SHORT, [1]),
        (262, _SHORT, [32803]), (273, _LONG, ["strip"]), (277, _SHORT, [1]), (278, _LONG, [height]),
        (279, _LONG, [len(strip)]), (284, _SHORT, [1]), (33421, _SHORT, [2, 2]), (33422, _BYTE, [0, 1, 1, 2]),
        (50714, _SHORT, [0]), (50717, _LONG, [65535]),
    ]  # fmt: skip
    if not preview:
        return _tiff([sorted(camera + sensor)], {"strip": strip})
    shown = [
        (254, _LONG, [1]), (256, _LONG, [preview_size[0]]), (257, _LONG, [preview_size[1]]), (258, _SHORT, [8, 8, 8]),
        (259, _SHORT, [7]), (262, _SHORT, [6]), (273, _LONG, ["preview"]), (277, _SHORT, [3]),
        (278, _LONG, [preview_size[1]]), (279, _LONG, [len(preview)]), (284, _SHORT, [1]), (330, _LONG, ["ifd 1"]),
    ]  # fmt: skip
    return _tiff([sorted(camera + shown), sorted(sensor)], {"strip": strip, "preview": preview})


def _tiff(directories: list, blobs: dict[str, bytes]) -> bytes:
    """A little-endian TIFF; the first directory is the main one, others are pointed at by name."""
    places = {}
    at = 8
    for number, entries in enumerate(directories):
        places[f"ifd {number}"] = at
        long = sum(-(-_length(kind, values) // 2) * 2 for _, kind, values in entries if _length(kind, values) > 4)
        at += 2 + 12 * len(entries) + 4 + long
    for name, blob in blobs.items():
        places[name] = at
        at += len(blob) + len(blob) % 2
    content = b"II*\0" + struct.pack("<I", 8)
    for number, entries in enumerate(directories):
        content += _directory(entries, places, places[f"ifd {number}"])
    for blob in blobs.values():
        content += blob + b"\0" * (len(blob) % 2)
    return content


def _directory(entries: list, places: dict[str, int], at: int) -> bytes:
    head = struct.pack("<H", len(entries))
    tail = b""
    tail_at = at + 2 + 12 * len(entries) + 4
    for tag, kind, values in entries:
        packed = _packed(kind, values, places)
        count = len(packed) // _SIZES[kind]
        if len(packed) <= 4:
            head += struct.pack("<HHI", tag, kind, count) + packed.ljust(4, b"\0")
        else:
            head += struct.pack("<HHII", tag, kind, count, tail_at + len(tail))
            tail += packed + b"\0" * (len(packed) % 2)
    return head + struct.pack("<I", 0) + tail


def _packed(kind: int, values, places: dict[str, int]) -> bytes:
    if kind == _ASCII:
        return values
    letter = _LETTERS.get(kind, "i" if kind == _SRATIONAL else "I")
    return b"".join(struct.pack(f"<{letter}", places.get(value, value)) for value in values)


def _length(kind: int, values) -> int:
    return len(_packed(kind, values, {value: 0 for value in values if isinstance(value, str)}))
