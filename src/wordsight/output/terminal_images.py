"""Small images in a terminal, beside lines of text: kitty's and iTerm2's protocols, sixels, or half blocks.

The protocol is chosen by environment variables alone; the terminal is not queried, so that no answer of it can end up
in what the user types next.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
from PIL import Image

from wordsight.errors import InputError

Way: TypeAlias = Literal["kitty", "iterm", "sixel", "blocks"]
SETTING = "WORDSIGHT_THUMBNAILS"  # names the way where the terminal's own variables do not tell

COLUMNS, ROWS = 14, 6  # the box of an image, character cells
CELL = (8, 16)  # pixels of a cell where the terminal does not say
_CHUNK = 4096  # bytes of base64 in one escape sequence of kitty's protocol, its limit
_COLOURS = 64  # of a sixel image
_PIXELS = 320  # longest side of what is sent to terminals that scale by themselves


def detect_way(environment: Mapping[str, str]) -> Way | None:
    """Protocol by which the terminal of these environment variables shows images, or None where it is not known.

    Half blocks ("blocks") are never the answer unless SETTING asks for them: they work wherever there is true colour,
    and are coarse. Inside tmux and screen, which swallow images, the answer is None.
    Raises: InputError for a SETTING that is not a protocol.
    """
    if named := environment.get(SETTING, ""):
        for way in get_args(Way):
            if named == way:
                return way  # type: ignore[no-any-return]
        raise InputError(f"{SETTING} is {named!r}, expected one of {', '.join(get_args(Way))}, or nothing.")
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if "TMUX" in environment or "STY" in environment or term.startswith(("screen", "tmux")):
        return None
    if "KITTY_WINDOW_ID" in environment or term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm", "mintty") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm"
    if environment.get("KONSOLE_VERSION", "").isdecimal() and int(environment["KONSOLE_VERSION"]) >= 220400:
        return "kitty"
    if term.startswith(("foot", "mlterm", "contour", "yaft")):
        return "sixel"
    return None


def cell_pixels(descriptor: int) -> tuple[int, int]:
    """(Width, height) of a character cell of the terminal at a file descriptor, CELL where it does not say."""
    try:
        import fcntl
        import struct
        import termios

        answer = fcntl.ioctl(descriptor, termios.TIOCGWINSZ, b"\0" * 8)
    except (ImportError, OSError):
        return CELL
    rows, columns, width, height = struct.unpack("HHHH", answer)
    if min(rows, columns, width, height) < 1:
        return CELL
    return max(1, width // columns), max(1, height // rows)


def beside(image: Image.Image, lines: Sequence[str], way: Way, cell: tuple[int, int] = CELL) -> str:
    """Text that shows an RGB image in a box of COLUMNS × ROWS cells with up to ROWS lines to the right of it.

    Ends with a line break. The rows are made first and then gone back over, so that a terminal that scrolls at its
    last line does not tear image and text apart.
    """
    texts = [*lines[:ROWS], *[""] * (ROWS - len(lines))]
    if way == "blocks":
        return "".join(f"{left}  {text}".rstrip() + "\n" for left, text in zip(_blocks(image), texts, strict=True))
    if way == "sixel":
        shown = _sixel(image, cell)
    else:
        shown = {"kitty": _kitty, "iterm": _iterm}[way](image)
    beside_it = "".join(f"\x1b[{COLUMNS + 2}C{text}\n" if text else "\n" for text in texts)
    return "\n" * ROWS + f"\x1b[{ROWS}A\x1b7{shown}\x1b8{beside_it}"


def fitted(image: Image.Image, width: int, height: int) -> Image.Image:
    """The image scaled to lie within width × height, pixels, its shape kept; at least one pixel."""
    factor = min(width / image.width, height / image.height)
    size = (max(1, int(image.width * factor)), max(1, int(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.BICUBIC)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    if max(image.size) > _PIXELS:
        image = fitted(image, _PIXELS, _PIXELS)
    image.save(file, "PNG")
    return file.getvalue()


def _kitty(image: Image.Image) -> str:
    """Source: kitty's "terminal graphics protocol": PNG (f=100), no answers (q=2), the cursor stays (C=1)."""
    box = f"r={ROWS}"
    if image.width * ROWS * CELL[1] > image.height * COLUMNS * CELL[0]:  # wider than the box
        box = f"c={COLUMNS}"
    data = base64.b64encode(_png(image)).decode()
    parts = [data[i : i + _CHUNK] for i in range(0, len(data), _CHUNK)]
    keys = f"a=T,f=100,q=2,C=1,{box},"
    return "".join(
        f"\x1b_G{keys if i == 0 else ''}m={int(i + 1 < len(parts))};{part}\x1b\\" for i, part in enumerate(parts)
    )


def _iterm(image: Image.Image) -> str:
    """Source: iTerm2's "inline images protocol"."""
    data = _png(image)
    keys = f"inline=1;size={len(data)};width={COLUMNS};height={ROWS};preserveAspectRatio=1"
    return f"\x1b]1337;File={keys}:{base64.b64encode(data).decode()}\a"


def _sixel(image: Image.Image, cell: tuple[int, int]) -> str:
    """Source: DEC's VT3xx programmer reference, chapter 14: six rows of pixels to a band, one pass for each colour."""
    small = fitted(image, COLUMNS * cell[0], ROWS * cell[1]).quantize(_COLOURS)
    pixels_HW = np.asarray(small)
    palette = np.array(small.getpalette() or [], np.float64).reshape(-1, 3)
    used = [int(colour) for colour in np.unique(pixels_HW)]
    out = [f'\x1bP0;1;0q"1;1;{small.width};{small.height}']
    out += ["#{};2;{};{};{}".format(c, *(round(part * 100 / 255) for part in palette[c])) for c in used]
    for top in range(0, small.height, 6):
        band_6W = pixels_HW[top : top + 6]
        bits_61 = (1 << np.arange(len(band_6W)))[:, None]
        passes = [f"#{c}{_run_lengths(((band_6W == c) * bits_61).sum(axis=0))}" for c in used if (band_6W == c).any()]
        out.append("$".join(passes) + "-")
    return "".join(out) + "\x1b\\"


def _run_lengths(sixels_W: np.ndarray) -> str:
    """Row of sixels, 0–63 each, with repetitions counted: "!12~"."""
    starts = np.flatnonzero(np.diff(sixels_W, prepend=-1))
    lengths = np.diff(starts, append=len(sixels_W))
    return "".join(
        (f"!{n}{chr(63 + value)}" if n > 3 else chr(63 + value) * n)
        for value, n in zip(sixels_W[starts].tolist(), lengths.tolist(), strict=True)
    )


def _blocks(image: Image.Image) -> list[str]:
    """ROWS lines of upper half blocks, two pixels each, in 24-bit colour; empty cells to the right and below."""
    small = np.asarray(fitted(image, COLUMNS, 2 * ROWS))
    lines = []
    height, width = small.shape[:2]
    for top in range(0, height, 2):
        cells = []
        for x in range(width):
            upper = "38;2;{};{};{}".format(*small[top, x])
            if top + 1 < height:
                lower = "48;2;{};{};{}".format(*small[top + 1, x])
                cells.append(f"\x1b[{upper};{lower}m▀")
            else:
                cells.append(f"\x1b[0;{upper}m▀")
        lines.append("".join(cells) + "\x1b[0m" + " " * (COLUMNS - width))
    return lines + [" " * COLUMNS] * (ROWS - len(lines))
