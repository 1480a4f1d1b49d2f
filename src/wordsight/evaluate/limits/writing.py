"""Text in images: words to read, digits in many hands, and a wrong name pasted on what a photo shows."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFilter

from wordsight.evaluate.limits.canvas import COLOURS, PAPERS, Canvas, Colour, Pixels
from wordsight.evaluate.limits.objects import add_article
from wordsight.evaluate.limits.question import Question, word
from wordsight.samples import sample_images

_WORDS = ("coffee", "open", "danger", "music", "winter", "school", "market", "window")
_READ = ('an image of the word "{0}"', 'text that says "{0}"', 'a sign that reads "{0}"')
_SEEN = ("{0}", "an image of {0}", "{0} on a plain background")
_DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DIGIT = ('a photo of the number: "{1}"', "the digit {1}", "an image of the number {0}")
_SHOWN = ("a photo of {0}", "an image of {0}", "{0}")

# file → its name, of the samples that show one thing
NAMED_SAMPLES = {
    "astronaut": "an astronaut",
    "bicycle": "a bicycle",
    "bricks": "a brick wall",
    "cat": "a cat",
    "coffee": "a cup of coffee",
    "grass": "grass",
    "photographer": "a photographer",
    "rocket": "a rocket",
    "sailing-boat": "a sailing boat",
    "strawberry": "a strawberry",
}
# names to paste that none of the samples shows
_WRONG = ("dog", "horse", "pizza", "piano", "car", "elephant", "guitar", "banana", "train", "fish", "clock", "bird")
# ink and paper that are far from each other
_PAIRS = (("red", "yellow"), ("blue", "yellow"), ("yellow", "black"), ("purple", "pink"), ("pink", "black"))


@functools.cache
def read_samples() -> dict[str, Image.Image]:
    """Samples that show one thing, as RGB images by their names."""
    paths = {path.stem: path for path in sample_images()}
    return {stem: Image.open(paths[stem]).convert("RGB") for stem in NAMED_SAMPLES}


def ask_words(rng: np.random.Generator) -> list[Question]:
    """Which of eight words is written."""
    choices = word(_READ, [(name,) for name in _WORDS])
    control = word(_SEEN, [("a written word",), ("a cat",), ("a red circle",), ("a landscape",)])
    questions = []
    for scene in range(15):
        ink, paper = COLOURS[str(rng.choice(["red", "green", "blue", "purple", "black"]))], _pick(rng, PAPERS)
        height, y = float(rng.uniform(0.16, 0.24)), float(rng.uniform(0.3, 0.7))
        capitals, stroke = bool(scene % 2), int(rng.integers(4))
        for k, name in enumerate(_WORDS):
            canvas = Canvas(paper)
            canvas.write(name.upper() if capitals else name, (0.5, y), height, ink, stroke=stroke)
            condition = "capitals" if capitals else "small letters"
            questions.append(Question(canvas.finish(), str(scene), k, choices, condition, control))
    return questions


def ask_labelled_photos(rng: np.random.Generator) -> list[Question]:
    """A sample photo, or the wrong name that is pasted on it; the control is the same photo with an empty label.

    Source: Goh et al. 2021, "Multimodal neurons in artificial neural networks", on typographic attacks.
    """
    questions = []
    for stem, photo in read_samples().items():
        for i, name in enumerate(_WRONG):
            style = ("label", "letters")[i % 2]
            at = (0.5, float(rng.uniform(0.3, 0.75)))
            choices = word(_SHOWN, [(NAMED_SAMPLES[stem],), (add_article(name),)])
            answer = int(rng.integers(2))
            if answer:
                choices = choices[::-1]
            image, empty = (_paste_name(photo, text, at, style) for text in (name, ""))
            questions.append(Question(image, stem, answer, choices, style, control_image=empty))
    return questions


def _paste_name(photo: Image.Image, text: str, at: tuple[float, float], style: str) -> Pixels:
    """Photo with a text on a white label, or in white letters with a dark edge; without text the same without it."""
    canvas = Canvas.on(photo)
    box = Canvas().write(text or "nothing", at, 0.15, width=0.8)
    if style == "label":
        margin = canvas.scale(0.03)[0]
        edges = (box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin)
        canvas.draw.rectangle(edges, (255, 255, 255), (40, 40, 40), 3)
        if text:
            canvas.write(text, at, 0.15, (0, 0, 0), width=0.8)
    elif text:
        canvas.write(text, at, 0.15, (0, 0, 0), width=0.8, stroke=6)
        canvas.write(text, at, 0.15, (255, 255, 255), width=0.8)
    return canvas.finish()


def ask_digits(rng: np.random.Generator) -> list[Question]:
    """Digits in hands and fonts of many kinds, out of ten; "handwritten" are as those of MNIST, the others are not."""
    choices = word(_DIGIT, [(name, str(digit)) for digit, name in enumerate(_DIGIT_NAMES)])
    control = word(_SEEN, [("a number",), ("a cat",), ("a red circle",), ("a landscape",)])
    questions = []
    for hand, draw in _HANDS.items():
        for time in range(2):
            for digit in range(10):
                questions.append(Question(draw(rng, digit), f"{hand} {time}", digit, choices, hand, control))
    return questions


def _write_typed(rng: np.random.Generator, digit: int) -> Pixels:
    canvas = Canvas()
    canvas.write(str(digit), _near_middle(rng), 0.7)
    return canvas.finish()


def _write_coloured(rng: np.random.Generator, digit: int) -> Pixels:
    ink, paper = _PAIRS[int(rng.integers(len(_PAIRS)))]
    canvas = Canvas(COLOURS[paper])
    canvas.write(str(digit), _near_middle(rng), 0.7, COLOURS[ink], stroke=8)
    return canvas.finish()


def _write_outlined(rng: np.random.Generator, digit: int) -> Pixels:
    paper, at = _pick(rng, PAPERS), _near_middle(rng)
    canvas = Canvas(paper)
    canvas.write(str(digit), at, 0.7, COLOURS["black"], stroke=10)
    canvas.write(str(digit), at, 0.7, paper)
    return canvas.finish()


def _write_segments(rng: np.random.Generator, digit: int) -> Pixels:
    """Digit of a seven-segment display, lit in one of three colours."""
    lit = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgecd", "abc", "abcdefg", "abcdfg")[digit]
    left, right, top, middle, bottom = 0.32, 0.68, 0.14, 0.5, 0.86
    ends = {
        "a": (left, top, right, top),
        "b": (right, top, right, middle),
        "c": (right, middle, right, bottom),
        "d": (left, bottom, right, bottom),
        "e": (left, middle, left, bottom),
        "f": (left, top, left, middle),
        "g": (left, middle, right, middle),
    }
    colour: Colour = _pick(rng, ((255, 50, 40), (60, 255, 90), (90, 200, 255)))
    canvas = Canvas((16, 16, 18))
    for segment in lit:
        x0, y0, x1, y1 = ends[segment]
        dx, dy = 0.045 * (x1 > x0), 0.045 * (y1 > y0)
        line = canvas.scale(x0 + dx, y0 + dy, x1 - dx, y1 - dy)
        canvas.draw.line([(line[0], line[1]), (line[2], line[3])], colour, round(canvas.scale(0.065)[0]))
    return canvas.finish()


# strokes of each digit, as most people write it: places from left and from top, 0 to 1
_STROKES: tuple[tuple[tuple[tuple[float, float], ...], ...], ...] = (
    (((0.5, 0.05), (0.22, 0.25), (0.18, 0.6), (0.4, 0.95), (0.65, 0.9), (0.82, 0.6), (0.78, 0.25), (0.5, 0.05)),),
    (((0.35, 0.25), (0.55, 0.05), (0.55, 0.35), (0.52, 0.95)),),
    (((0.22, 0.25), (0.4, 0.06), (0.68, 0.1), (0.74, 0.35), (0.5, 0.65), (0.2, 0.93)), ((0.2, 0.93), (0.82, 0.92))),
    (((0.25, 0.12), (0.55, 0.05), (0.76, 0.22), (0.62, 0.42), (0.42, 0.48)),
     ((0.42, 0.48), (0.72, 0.54), (0.8, 0.75), (0.58, 0.94), (0.22, 0.88))),
    (((0.35, 0.06), (0.2, 0.55)), ((0.2, 0.55), (0.84, 0.52)), ((0.66, 0.08), (0.6, 0.95))),
    (((0.76, 0.07), (0.32, 0.08)), ((0.32, 0.08), (0.27, 0.45)),
     ((0.27, 0.45), (0.6, 0.4), (0.78, 0.62), (0.66, 0.88), (0.4, 0.95), (0.2, 0.84))),
    (((0.68, 0.05), (0.38, 0.3), (0.22, 0.65), (0.36, 0.93), (0.66, 0.92), (0.76, 0.7), (0.6, 0.52), (0.28, 0.64)),),
    (((0.2, 0.1), (0.8, 0.08)), ((0.8, 0.08), (0.58, 0.45), (0.44, 0.95))),
    (((0.72, 0.14), (0.48, 0.04), (0.26, 0.2), (0.48, 0.45), (0.74, 0.7), (0.6, 0.94), (0.36, 0.92), (0.24, 0.72),
      (0.5, 0.46), (0.74, 0.22), (0.72, 0.14)),),
    (((0.74, 0.3), (0.5, 0.46), (0.26, 0.32), (0.4, 0.08), (0.66, 0.08), (0.75, 0.3), (0.68, 0.65), (0.55, 0.95)),),
)  # fmt: skip


def _write_by_hand(rng: np.random.Generator, digit: int) -> Pixels:
    """White strokes on black, soft and a little askew, 28 pixels wide before they are made bigger: as in MNIST."""
    canvas = Canvas((0, 0, 0))
    slant, turn = float(rng.uniform(-0.15, 0.2)), float(rng.uniform(-6, 6))
    thick = canvas.scale(float(rng.uniform(0.075, 0.1)))[0]
    for stroke in _STROKES[digit]:
        placed = [canvas.scale(0.2 + 0.6 * (x - slant * (y - 0.5)), 0.16 + 0.68 * y) for x, y in _round_off(stroke)]
        canvas.draw.line([(x, y) for x, y in placed], (255, 255, 255), round(thick), joint="curve")
        for x, y in placed:
            canvas.draw.ellipse((x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2), (255, 255, 255))
    canvas.rotate(turn, (0, 0, 0))
    size = canvas.image.size
    tiny = canvas.image.filter(ImageFilter.GaussianBlur(4)).resize((28, 28), Image.Resampling.BOX)
    canvas.image = tiny.resize(size, Image.Resampling.BICUBIC)
    return canvas.finish()


def _write_with_a_pen(rng: np.random.Generator, digit: int) -> Pixels:
    """The same strokes in blue ink on paper, at full resolution."""
    canvas = Canvas((250, 248, 240))
    slant, thick = float(rng.uniform(-0.15, 0.2)), canvas.scale(0.03)[0]
    for stroke in _STROKES[digit]:
        placed = [canvas.scale(0.2 + 0.6 * (x - slant * (y - 0.5)), 0.16 + 0.68 * y) for x, y in _round_off(stroke)]
        canvas.draw.line([(x, y) for x, y in placed], (30, 50, 140), round(thick), joint="curve")
    return canvas.finish()


_HANDS: dict[str, Callable[[np.random.Generator, int], Pixels]] = {
    "handwritten": _write_by_hand,
    "pen on paper": _write_with_a_pen,
    "typed": _write_typed,
    "coloured": _write_coloured,
    "outlined": _write_outlined,
    "seven-segment": _write_segments,
}


def _round_off(points: object) -> list[tuple[float, float]]:
    """Points of a smooth curve through some: a Catmull-Rom spline."""
    knots = np.asarray(points, np.float64)
    if len(knots) < 3:
        return [(float(x), float(y)) for x, y in knots]
    before, after = 2 * knots[0] - knots[1], 2 * knots[-1] - knots[-2]
    if (knots[0] == knots[-1]).all():
        before, after = knots[-2], knots[1]
    padded = np.concatenate([before[None], knots, after[None]])
    t = np.linspace(0, 1, 12, endpoint=False)[:, None]
    curve = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        curve.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return [(float(x), float(y)) for x, y in [*np.concatenate(curve), knots[-1]]]


def _near_middle(rng: np.random.Generator) -> tuple[float, float]:
    x, y = rng.uniform(0.46, 0.54, 2)
    return float(x), float(y)


def _pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[int(rng.integers(len(colours)))]
