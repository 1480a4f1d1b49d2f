"""Scenes of one or two objects whose names alone do not tell the answer: position, size, binding, order of words.

Each scene is drawn once for each answer, with the same objects, colours and paper: a model that sees only which
objects there are, or that prefers one of the sentences, answers half of them.
Source of the idea: Thrush et al. 2022, "Winoground"; Yuksekgonul et al. 2023, "When and why vision-language models
behave like bags-of-words".
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from wordsight.evaluate.limits.canvas import COLOURS, PAPERS, Canvas, Colour, Pixels, Point
from wordsight.evaluate.limits.objects import HOLLOW, SHAPES, Thing, add_article, cut_outs, draw_shape, paint_shape
from wordsight.evaluate.limits.question import Choices, Question, word

_SCENES = 60  # of two images each
_INNER = 0.32  # of the outer shape's size

LEFT_RIGHT = (
    "{0} to the left of {1}",
    "{0} on the left and {1} on the right",
    "{1} to the right of {0}",
)
ABOVE_BELOW = (
    "{0} above {1}",
    "{0} at the top and {1} at the bottom",
    "{1} below {0}",
)
SIZES = (
    "a big {0} and a small {1}",
    "a large {0} next to a tiny {1}",
    "the {0} is bigger than the {1}",
)
BOTH = ("{0} and {1}", "an image of {0} and {1}", "{0} next to {1}")
INSIDE = ("{0} inside {1}", "{1} around {0}", "{1} that contains {0}")
_COLOURED = ("{0}", "an image of {0}", "a drawing of {0}", "{0} on a plain background")


def ask_colours(rng: np.random.Generator) -> list[Question]:
    """Colour of one shape, out of eight."""
    names = list(COLOURS)
    questions = []
    for scene in range(15):
        shape, paper = _pick(rng, SHAPES), _paper(rng)
        at, size = _place(rng), float(rng.uniform(0.35, 0.6))
        choices = word(_COLOURED, [(paint_shape(shape, colour).one,) for colour in names])
        control = word(_COLOURED[:3], [(add_article(shape),), ("a cat",), ("a cup of coffee",), ("a bicycle",)])
        for k, colour in enumerate(names):
            thing = paint_shape(shape, colour)
            image = _draw(paper, [(thing, at, size)])
            questions.append(Question(image, str(scene), k, choices, colour, control))
    return questions


def ask_binding(rng: np.random.Generator) -> list[Question]:
    """Which of two shapes has which of two colours."""
    questions = []
    for scene in range(_SCENES):
        first, second = rng.choice(list(SHAPES), 2, replace=False)
        one, two, three, four = rng.choice(list(COLOURS), 4, replace=False)
        pairs = [(paint_shape(first, a), paint_shape(second, b)) for a, b in ((one, two), (two, one))]
        other = (paint_shape(first, three).one, paint_shape(second, four).one)
        choices = word(BOTH, [(a.one, b.one) for a, b in pairs])
        paper, places, size = _paper(rng), _apart(rng), float(rng.uniform(0.3, 0.4))
        for k, things in enumerate(pairs):
            control = (choices[k], *word(BOTH, [other]))
            image = _draw(paper, [(thing, at, size) for thing, at in zip(things, places, strict=True)])
            questions.append(Question(image, str(scene), k, choices, "", control))
    return questions


def ask_left_right(rng: np.random.Generator) -> list[Question]:
    """Which of two objects is on the left."""
    return _ask_places(rng, LEFT_RIGHT, ((0.27, 0.5), (0.73, 0.5)))


def ask_above_below(rng: np.random.Generator) -> list[Question]:
    """Which of two objects is above the other."""
    return _ask_places(rng, ABOVE_BELOW, ((0.5, 0.27), (0.5, 0.73)))


def _ask_places(rng: np.random.Generator, wordings: Sequence[str], places: tuple[Point, Point]) -> list[Question]:
    questions = []
    for scene in range(_SCENES):
        kind, (first, second, *rest) = _pick_things(rng, scene, 4)
        choices = word(wordings, [(first.one, second.one), (second.one, first.one)])
        control = _both(first, second, rest)
        paper, shift = _paper(rng), rng.uniform(-0.04, 0.04, (2, 2))
        sizes = rng.uniform(0.32, 0.42, 2)
        spots = [(float(x + dx), float(y + dy)) for (x, y), (dx, dy) in zip(places, shift, strict=True)]
        for k, order in enumerate(((first, second), (second, first))):
            image = _draw(paper, [(t, at, float(s)) for t, at, s in zip(order, spots, sizes, strict=True)])
            questions.append(Question(image, str(scene), k, choices, kind, control))
    return questions


def ask_sizes(rng: np.random.Generator) -> list[Question]:
    """Which of two objects is the bigger one: more than twice as big."""
    questions = []
    for scene in range(_SCENES):
        kind, (first, second, *rest) = _pick_things(rng, scene, 4)
        bare = [thing.one.split(" ", 1)[1] for thing in (first, second)]
        choices = word(SIZES, [(bare[0], bare[1]), (bare[1], bare[0])])
        control = _both(first, second, rest)
        big, small = float(rng.uniform(0.52, 0.58)), float(rng.uniform(0.18, 0.22))
        paper, flip = _paper(rng), bool(rng.integers(2))
        for k in range(2):
            sizes = (big, small) if k == 0 else (small, big)
            # the big one leaves less room: the gap between the two is in the same place in both images
            gap = 0.66 if sizes[0] == big else 0.34
            spots = [(gap / 2 + 0.01, 0.5), (gap / 2 + 0.5, 0.5)]
            placed = [(first, spots[0], sizes[0]), (second, spots[1], sizes[1])]
            if flip:
                placed = [(thing, (1 - x, y), size) for thing, (x, y), size in placed]
            questions.append(Question(_draw(paper, placed), str(scene), k, choices, kind, control))
    return questions


def ask_inside(rng: np.random.Generator) -> list[Question]:
    """Which of two shapes is inside the other: the same words in another order."""
    questions = []
    for scene in range(_SCENES):
        first, second = rng.choice(HOLLOW, 2, replace=False)
        colour, line = rng.choice(list(COLOURS), 2, replace=False)
        names = [paint_shape(name, colour, named=False) for name in (first, second)]
        choices = word(INSIDE, [(names[0].one, names[1].one), (names[1].one, names[0].one)])
        rest = [paint_shape(name, colour, named=False) for name in SHAPES if name not in (first, second)]
        control = _both(names[0], names[1], [rest[i] for i in rng.permutation(len(rest))[:2]])
        paper, at, size = _paper(rng), _place(rng, 0.03), float(rng.uniform(0.75, 0.85))
        for k, (inner, outer) in enumerate(((first, second), (second, first))):
            canvas = Canvas(paper)
            draw_shape(canvas, outer, at, size, COLOURS[line], line=0.025)
            # the middle of a triangle is lower than that of its box, of which the place is said
            lower = 0.1 * size * ((outer == "triangle") - _INNER * (inner == "triangle"))
            draw_shape(canvas, inner, (at[0], at[1] + lower), size * _INNER, COLOURS[colour])
            questions.append(Question(canvas.finish(), str(scene), k, choices, "", control))
    return questions


def ask_jumbled(rng: np.random.Generator) -> list[Question]:
    """A true sentence, or its words in a random order."""
    questions = []
    for scene in range(_SCENES * 2):
        kind, (first, second, *rest) = _pick_things(rng, scene, 4)
        sentences = word((*LEFT_RIGHT[:2], BOTH[1]), [(first.one, second.one)])[0]
        jumbled = tuple(_jumble(rng, sentence) for sentence in sentences)
        answer = int(rng.integers(2))
        choices = (sentences, jumbled) if answer == 0 else (jumbled, sentences)
        spots = ((0.27, 0.5), (0.73, 0.5))
        size = float(rng.uniform(0.32, 0.42))
        image = _draw(_paper(rng), [(first, spots[0], size), (second, spots[1], size)])
        questions.append(Question(image, str(scene), answer, choices, kind, _both(first, second, rest)))
    return questions


def _jumble(rng: np.random.Generator, sentence: str) -> str:
    """The words in an order in which no two neighbours stay neighbours, or nearly so after 50 attempts."""
    words = sentence.split()
    neighbours = set(itertools.pairwise(words))
    best, kept = words, len(words)
    for _ in range(50):
        order = [words[i] for i in rng.permutation(len(words))]
        stayed = sum(pair in neighbours for pair in itertools.pairwise(order))
        if stayed < kept:
            best, kept = order, stayed
    return " ".join(best)


def _pick_things(rng: np.random.Generator, scene: int, number: int) -> tuple[str, list[Thing]]:
    """Different objects, and their kind: shapes in even scenes, cut-outs of the samples in odd ones."""
    if scene % 2:
        things = list(cut_outs().values())
        return "cut-outs", [things[i] for i in rng.permutation(len(things))[:number]]
    names = rng.permutation(list(SHAPES))[:number]
    colours = rng.permutation(list(COLOURS))[:number]
    return "shapes", [paint_shape(n, c, named=False) for n, c in zip(names, colours, strict=True)]


def _both(first: Thing, second: Thing, rest: Sequence[Thing]) -> Choices:
    """Answers to "which two objects are there?"; the first is true."""
    return word(BOTH, [(first.one, second.one), (rest[0].one, rest[1].one)])


def _pick(rng: np.random.Generator, names: object) -> str:
    return str(rng.choice(list(names)))  # type: ignore[call-overload]


def _paper(rng: np.random.Generator) -> Colour:
    return PAPERS[int(rng.integers(len(PAPERS)))]


def _place(rng: np.random.Generator, spread: float = 0.12) -> Point:
    """A place near the middle."""
    x, y = rng.uniform(0.5 - spread, 0.5 + spread, 2)
    return float(x), float(y)


def _apart(rng: np.random.Generator) -> tuple[Point, Point]:
    """Two places that do not touch, side by side or one above the other, either of them first."""
    low, high = (float(value) for value in rng.uniform((0.25, 0.7), (0.3, 0.75)))
    along = float(rng.uniform(0.42, 0.58))
    places = ((low, along), (high, along)) if rng.integers(2) else ((along, low), (along, high))
    return places if rng.integers(2) else (places[1], places[0])


def _draw(paper: Colour, placed: Sequence[tuple[Thing, Point, float]]) -> Pixels:
    canvas = Canvas(paper)
    for thing, at, size in placed:
        thing.put(canvas, at, size)
    return canvas.finish()
