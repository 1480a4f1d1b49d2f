"""Classes that differ by a detail: hours of a clock, dots of a die, suits of cards, corners of polygons."""

from __future__ import annotations

import math

import numpy as np

from wordsight.evaluate.limits.canvas import COLOURS, PAPERS, Canvas, Colour, Pixels
from wordsight.evaluate.limits.objects import SHAPES, add_article, canvas_corners, draw_shape, polygon
from wordsight.evaluate.limits.question import Choices, Question, word

_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_CLOCK = ("a clock that shows {0} o'clock", "a clock at {1}:00", "the time is {0} o'clock")
_DIE = ("a dice that shows {0}", "a dice face with {0} dots", "the side of a dice with {1} dots")
_SUIT = ("the ace of {0}", "a playing card, the ace of {0}", "a playing card of the suit {0}")
_POLYGON = ("{0}", "an image of {0}", "a drawing of {0}, a geometric shape")
_KINDS = ("{0}", "an image of {0}", "a drawing of {0}")
_OTHERS = ("a clock face", "a dice", "a playing card", "a hexagon", "a page of text")
_INKS: tuple[Colour, ...] = ((20, 20, 20), (20, 40, 110), (110, 20, 20), (20, 80, 40))
_SUITS = ("hearts", "diamonds", "spades", "clubs")
_POLYGONS = {"triangle": 3, "square": 4, "pentagon": 5, "hexagon": 6, "octagon": 8}
# places of the dots of a die's faces, in thirds around the middle
_DOTS: tuple[tuple[tuple[int, int], ...], ...] = (
    ((0, 0),),
    ((-1, -1), (1, 1)),
    ((-1, -1), (0, 0), (1, 1)),
    ((-1, -1), (1, -1), (-1, 1), (1, 1)),
    ((-1, -1), (1, -1), (0, 0), (-1, 1), (1, 1)),
    ((-1, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (1, 1)),
)


def ask_clocks(rng: np.random.Generator) -> list[Question]:
    """Full hours of a clock with hands, out of twelve."""
    choices = word(_CLOCK, [(name, str(hour)) for hour, name in enumerate(_WORDS, 1)])
    control = _control("a clock face")
    questions = []
    for scene in range(10):
        ink, paper = _pick(rng, _INKS), _pick(rng, PAPERS)
        figures, size = bool(scene % 2), float(rng.uniform(0.75, 0.9))
        for hour in range(1, 13):
            image = _draw_clock(hour, ink, paper, figures=figures, size=size)
            condition = "with figures" if figures else "with marks"
            questions.append(Question(image, str(scene), hour - 1, choices, condition, control))
    return questions


def ask_dice(rng: np.random.Generator) -> list[Question]:
    """Dots of a die's face, one to six."""
    choices = word(_DIE, [(name, str(number)) for number, name in enumerate(_WORDS[:6], 1)])
    questions = []
    for scene in range(20):
        paper = _pick(rng, PAPERS)
        body, dots = ((252, 252, 252), (20, 20, 20)) if scene % 2 else (COLOURS["red"], (255, 255, 255))
        turn, size = float(rng.uniform(-12, 12)), float(rng.uniform(0.5, 0.75))
        for k in range(6):
            canvas = Canvas(paper)
            canvas.draw.rounded_rectangle(
                canvas.box((0.5, 0.5), size),
                canvas.scale(size / 6)[0],
                body,
                (60, 60, 60),
                round(canvas.scale(0.01)[0]),
            )
            for x, y in _DOTS[k]:
                canvas.draw.ellipse(canvas.box((0.5 + x * size * 0.27, 0.5 + y * size * 0.27), size * 0.18), dots)
            canvas.rotate(turn, paper)
            questions.append(Question(canvas.finish(), str(scene), k, choices, _WORDS[k], _control("a dice")))
    return questions


def ask_suits(rng: np.random.Generator) -> list[Question]:
    """Suit of an ace, out of four; two are red and two are black."""
    choices = word(_SUIT, [(suit,) for suit in _SUITS])
    questions = []
    for scene in range(30):
        paper, turn = _pick(rng, ((60, 120, 80), (200, 200, 205), (90, 110, 150))), float(rng.uniform(-10, 10))
        for k, suit in enumerate(_SUITS):
            canvas = Canvas(paper)
            _draw_ace(canvas, suit)
            canvas.rotate(turn, paper)
            questions.append(Question(canvas.finish(), str(scene), k, choices, suit, _control("a playing card")))
    return questions


def ask_polygons(rng: np.random.Generator) -> list[Question]:
    """Kind of a regular polygon, out of five."""
    choices = word(_POLYGON, [(add_article(name),) for name in _POLYGONS])
    control = word(_KINDS, [("a geometric shape",), ("a cat",), ("a cup of coffee",)])
    questions = []
    for scene in range(24):
        colour, paper = COLOURS[str(rng.choice(list(COLOURS)))], _pick(rng, PAPERS)
        size, (x, y) = float(rng.uniform(0.5, 0.75)), rng.uniform(0.45, 0.55, 2)
        for k, (name, corners) in enumerate(_POLYGONS.items()):
            canvas = Canvas(paper)
            outline = polygon(corners, turn=0.5 * (corners % 2 == 0))
            points = canvas_corners(canvas, outline, (float(x), float(y)), size)
            if scene % 2:
                canvas.draw.line([*points, points[0], points[1]], colour, round(canvas.scale(0.02)[0]), joint="curve")
            else:
                canvas.draw.polygon(points, colour)
            questions.append(Question(canvas.finish(), str(scene), k, choices, name, control))
    return questions


def _draw_clock(hour: int, ink: Colour, paper: Colour, *, figures: bool, size: float) -> Pixels:
    canvas = Canvas(paper)
    canvas.draw.ellipse(canvas.box((0.5, 0.5), size), (255, 255, 255), ink, round(canvas.scale(0.02)[0]))

    def at(share: float, turn: float) -> tuple[float, float]:
        """Place on a ray from the middle; `turn` 0 to 1, clockwise from the top."""
        angle = 2 * math.pi * turn
        return 0.5 + share * size / 2 * math.sin(angle), 0.5 - share * size / 2 * math.cos(angle)

    def hand(start: float, end: float, turn: float, thick: float) -> None:
        ends = [canvas.scale(*at(share, turn)) for share in (start, end)]
        canvas.draw.line([(ends[0][0], ends[0][1]), (ends[1][0], ends[1][1])], ink, round(canvas.scale(thick)[0]))

    for mark in range(12):
        if figures:
            canvas.write(str(mark or 12), at(0.82, mark / 12), 0.09 * size, ink)
        else:
            hand(0.84, 0.94, mark / 12, 0.014)
    hand(-0.08, 0.74, 0, 0.012)
    hand(-0.08, 0.42, hour / 12, 0.03)
    canvas.draw.ellipse(canvas.box((0.5, 0.5), 0.05), ink)
    return canvas.finish()


def _draw_ace(canvas: Canvas, suit: str) -> None:
    colour = COLOURS["red"] if suit in ("hearts", "diamonds") else COLOURS["black"]
    left, top, right, bottom = canvas.scale(0.22, 0.1, 0.78, 0.9)
    canvas.draw.rounded_rectangle(
        (left, top, right, bottom), canvas.scale(0.04)[0], (255, 255, 255), (120, 120, 120), 2
    )
    for at, size in (((0.5, 0.5), 0.26), ((0.285, 0.26), 0.06)):
        _draw_suit(canvas, suit, at, size, colour)
    canvas.write("A", (0.285, 0.18), 0.09, colour)
    corner = canvas.image.crop((int(left) + 4, int(top) + 4, int(canvas.scale(0.36)[0]), int(canvas.scale(0.32)[0])))
    opposite = (int(right) - 4 - corner.width, int(bottom) - 4 - corner.height)
    canvas.image.paste(corner.rotate(180), opposite)


def _draw_suit(canvas: Canvas, suit: str, at: tuple[float, float], size: float, colour: Colour) -> None:
    x, y = at
    if suit == "hearts":
        draw_shape(canvas, "heart", at, size, colour)
        return
    if suit == "diamonds":
        corners = [(0.0, -1.0), (0.75, 0.0), (0.0, 1.0), (-0.75, 0.0)]
        canvas.draw.polygon(canvas_corners(canvas, corners, at, size), colour)
        return
    stem = [(0.0, 0.1), (0.38, 1.0), (-0.38, 1.0)]
    canvas.draw.polygon(canvas_corners(canvas, stem, at, size), colour)
    if suit == "spades":
        upside_down = [(a, -b) for a, b in SHAPES["heart"]]
        canvas.draw.polygon(canvas_corners(canvas, upside_down, (x, y - 0.06 * size), size * 0.95), colour)
        return
    for dx, dy in ((0, -0.26), (-0.26, 0.12), (0.26, 0.12)):
        canvas.draw.ellipse(canvas.box((x + dx * size, y + dy * size), size * 0.48), colour)
    canvas.draw.ellipse(canvas.box(at, size * 0.2), colour)


def _control(name: str) -> Choices:
    return word(_KINDS, [(name,), *((other,) for other in _OTHERS if other != name)])


def _pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[int(rng.integers(len(colours)))]
