"""How many objects there are, and which are not there."""

from __future__ import annotations

import numpy as np

from wordsight.evaluate.limits.canvas import COLOURS, PAPERS, Canvas, Pixels
from wordsight.evaluate.limits.objects import SHAPES, Thing, cut_outs, paint_shape
from wordsight.evaluate.limits.question import Question, word

NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}
_COUNTED = ("{0} {2}", "{1} {2}", "an image of {0} {2}", "there are exactly {0} {2}")
_PLURAL = ("{0}", "an image of {0}", "several {0}")
_NEGATED = (
    ("an image with {0}", "an image without {0}"),
    ("there is {0}", "there is no {1}"),
    ("an image that shows {0}", "an image that does not show {0}"),
)
_CORNERS = ((0.26, 0.26), (0.74, 0.26), (0.26, 0.74), (0.74, 0.74))
_CELLS = [(x, y) for y in (0.18, 0.5, 0.82) for x in (0.18, 0.5, 0.82)]


def ask_counts(rng: np.random.Generator) -> list[Question]:
    """Two to six objects of the same kind, colour and size, that do not touch."""
    questions = []
    for scene in range(28):
        thing, *others = _take_turns(rng, scene)
        choices = word(_COUNTED, [(name, str(number), thing.many) for number, name in NUMBERS.items()])
        control = word(_PLURAL, [(thing.many,), *((other.many,) for other in others[:3])])
        paper = PAPERS[int(rng.integers(len(PAPERS)))]
        for k, number in enumerate(NUMBERS):
            cells = [_CELLS[i] for i in rng.permutation(len(_CELLS))[:number]]
            image = _scatter(rng, paper, [thing] * number, cells)
            questions.append(Question(image, str(scene), k, choices, str(number), control))
    return questions


def ask_negation(rng: np.random.Generator) -> list[Question]:
    """An object is in the image, or another in its place; the answers are "with" and "without" it."""
    questions = []
    for scene in range(60):
        thing, instead, first, second = _take_turns(rng, scene)[:4]
        bare = thing.one.split(" ", 1)[1]
        choices = tuple(tuple(pair[k].format(thing.one, bare) for pair in _NEGATED) for k in range(2))
        there, absent = (tuple(yes.format(shown.one) for yes, _ in _NEGATED) for shown in (thing, instead))
        paper = PAPERS[int(rng.integers(len(PAPERS)))]
        cells = [_CORNERS[i] for i in rng.permutation(len(_CORNERS))[:3]]
        for k, shown in enumerate((thing, instead)):
            image = _scatter(rng, paper, [shown, first, second], cells, size=0.36)
            control = (there, absent) if k == 0 else (absent, there)
            questions.append(Question(image, str(scene), k, choices, ("present", "absent")[k], control))
    return questions


def _take_turns(rng: np.random.Generator, scene: int) -> list[Thing]:
    """All shapes, each in a colour of its own, or all cut-outs; each object is the first in turn.

    The two kinds are not mixed: there are circles in a bicycle.
    """
    if scene % 2:
        things = list(cut_outs().values())
    else:
        colours = rng.permutation(list(COLOURS))
        things = [paint_shape(name, str(c), named=False) for name, c in zip(SHAPES, colours, strict=False)]
    turn = scene // 2 % len(things)
    rest = things[:turn] + things[turn + 1 :]
    return [things[turn], *(rest[i] for i in rng.permutation(len(rest)))]


def _scatter(
    rng: np.random.Generator,
    paper: tuple[int, int, int],
    things: list[Thing],
    cells: list[tuple[float, float]],
    size: float = 0.24,
) -> Pixels:
    """An object in each cell, a little off its middle."""
    canvas = Canvas(paper)
    for thing, (x, y) in zip(things, cells, strict=True):
        dx, dy = rng.uniform(-0.02, 0.02, 2)
        thing.put(canvas, (float(x + dx), float(y + dy)), size)
    return canvas.finish()
