"""Images in a terminal, decoded again from what is written: each protocol's bytes hold the image that was given."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from wordsight.errors import InputError
from wordsight.output.terminal_images import CELL, COLUMNS, ROWS, beside, cell_pixels, detect_way


def quarters(width=60, height=40):
    """Red, green, blue and white, one in each corner."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 255, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 255)
    pixels[height // 2 :, width // 2 :] = (255, 255, 255)
    return Image.fromarray(pixels)


def corners(image):
    """The colours a little inside the four corners."""
    pixels = np.asarray(image.convert("RGB")).astype(int)
    y, x = pixels.shape[0] // 6, pixels.shape[1] // 6
    return [tuple(pixels[i, j]) for i in (y, -1 - y) for j in (x, -1 - x)]


CORNERS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]


@pytest.mark.parametrize(
    ("environment", "way"),
    [
        ({"TERM": "xterm-kitty", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "230804"}, "kitty"),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "211200"}, None),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, "iterm"),
        ({"TERM": "xterm-256color", "LC_TERMINAL": "iTerm2"}, "iterm"),  # over ssh
        ({"TERM": "foot"}, "sixel"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "vscode"}, None),
        ({"TERM": "tmux-256color", "TMUX": "/run/tmux", "KITTY_WINDOW_ID": "1"}, None),
        ({"TERM": "screen", "TERM_PROGRAM": "iTerm.app"}, None),
        ({"TERM": "xterm", "WORDSIGHT_THUMBNAILS": "sixel"}, "sixel"),
        ({"TERM": "xterm-kitty", "WORDSIGHT_THUMBNAILS": "blocks"}, "blocks"),
        ({}, None),
    ],
)
def test_the_environment_tells_how_images_are_shown(environment, way):
    assert detect_way(environment) == way


def test_a_setting_that_names_no_way_is_refused():
    with pytest.raises(InputError, match="WORDSIGHT_THUMBNAILS is 'yes', expected one of kitty, iterm, sixel, blocks"):
        detect_way({"WORDSIGHT_THUMBNAILS": "yes"})


def test_kitty_gets_a_png_in_chunks_and_is_told_not_to_answer():
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    noise[:40, :40] = (255, 0, 0)
    written = beside(Image.fromarray(noise), ["a line"], "kitty")
    commands = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", written)
    assert len(commands) > 2
    first = dict(pair.split("=") for pair in commands[0][0].split(","))
    assert first == {"a": "T", "f": "100", "q": "2", "C": "1", "c": str(COLUMNS), "m": "1"}
    assert [keys for keys, _ in commands[1:]] == ["m=1"] * (len(commands) - 2) + ["m=0"]
    assert all(len(data) <= 4096 for _, data in commands)
    with Image.open(io.BytesIO(base64.b64decode("".join(data for _, data in commands)))) as shown:
        assert np.array_equal(np.asarray(shown), noise)


@pytest.mark.parametrize(("size", "key"), [((300, 50), f"c={COLUMNS}"), ((50, 300), f"r={ROWS}")])
def test_kitty_is_told_the_side_that_fills_the_box(size, key):
    assert f",{key}," in beside(Image.new("RGB", size), [], "kitty")


def test_iterm_gets_a_png_that_keeps_its_shape():
    written = beside(quarters(), [], "iterm")
    keys, data = re.search(r"\x1b]1337;File=([^:]*):([^\a]*)\a", written).groups()
    content = base64.b64decode(data)
    wanted = {f"width={COLUMNS}", f"height={ROWS}", "preserveAspectRatio=1", f"size={len(content)}"}
    assert wanted < set(keys.split(";"))
    with Image.open(io.BytesIO(content)) as shown:
        assert corners(shown) == CORNERS


def decoded_sixels(text):
    """Draw what sixels say: an interpreter of the few commands that are written."""
    body = re.search(r'\x1bP[^q]*q"1;1;(\d+);(\d+)(.*)\x1b\\', text, re.DOTALL)
    width, height = int(body[1]), int(body[2])
    pixels = np.zeros((height + 6, width, 3), np.uint8)
    palette, x, top, colour = {}, 0, 0, None
    for define, use, count, sixel, move in re.findall(r"#(\d+;2;\d+;\d+;\d+)|#(\d+)|!(\d+)|([?-~])|([$-])", body[3]):
        if define:
            number, _, *rgb = map(int, define.split(";"))
            palette[number] = [round(part * 2.55) for part in rgb]
        elif use:
            colour = int(use)
        elif count:
            repeat = int(count)
        elif move:
            x, top = 0, top + (6 if move == "-" else 0)
        if sixel:
            for bit in range(6):
                if (ord(sixel) - 63) >> bit & 1:
                    pixels[top + bit, x : x + repeat] = palette[colour]
            x += repeat
        if not count:
            repeat = 1
    return Image.fromarray(pixels[:height])


@pytest.mark.parametrize("size", [(60, 40), (7, 90), (1, 1)])
def test_sixels_draw_the_image(size):
    image = quarters(*size) if min(size) > 1 else Image.new("RGB", (1, 1), "white")
    shown = decoded_sixels(beside(image, [], "sixel", cell=(10, 20)))
    assert shown.width <= COLUMNS * 10
    assert shown.height <= ROWS * 20
    assert shown.width / shown.height == pytest.approx(size[0] / size[1], rel=0.1)
    if size == (60, 40):
        assert np.abs(np.array(corners(shown)) - CORNERS).max() <= 3


def test_half_blocks_show_two_pixels_a_cell_and_keep_lines_aligned():
    text = beside(quarters(), ["first", "second"], "blocks")
    lines = text.splitlines()
    assert len(lines) == ROWS
    bare = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert bare[0] == "▀" * COLUMNS + "  first"
    assert "38;2;255;0;0" in lines[0]
    assert "48;2;255;255;255" in text


@pytest.mark.parametrize("way", ["kitty", "iterm", "sixel"])
def test_room_is_made_before_the_image_and_the_cursor_ends_below(way):
    text = beside(quarters(), ["one", "two"], way)
    assert text.startswith("\n" * ROWS + f"\x1b[{ROWS}A\x1b7")
    after = text.rpartition("\x1b8")[2]
    assert after == f"\x1b[{COLUMNS + 2}Cone\n\x1b[{COLUMNS + 2}Ctwo\n" + "\n" * (ROWS - 2)


def test_the_size_of_a_cell_is_what_the_terminal_says():
    termios, fcntl, os = pytest.importorskip("termios"), pytest.importorskip("fcntl"), pytest.importorskip("os")
    import struct

    ours, theirs = os.openpty()
    try:
        assert cell_pixels(theirs) == CELL  # a new one does not say
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 960, 480))
        assert cell_pixels(theirs) == (12, 20)
    finally:
        os.close(ours)
        os.close(theirs)
    with open(__file__) as file:
        assert cell_pixels(file.fileno()) == CELL
