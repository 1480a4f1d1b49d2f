"""The tests, as a table: what is asked, what stands beside it as a control, and what failing means to a user."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wordsight.errors import InputError, did_you_mean
from wordsight.evaluate.limits import composition, degraded, fine_classes, presence, writing
from wordsight.evaluate.limits.question import Question


@dataclass(frozen=True)
class LimitTest:
    """One ability that is tested.

    ask: draws its questions. trust: what a user would rely on, as in "do not trust counts". control: the easier
    question of the same images. is_curve: its conditions are levels of a degradation, and the control is without it.
    """

    name: str
    title: str
    trust: str
    control: str
    ask: Callable[[np.random.Generator], list[Question]]
    is_curve: bool = False


TESTS: tuple[LimitTest, ...] = (
    LimitTest("colour", "Colour of one shape", "colours", "a shape or something else", composition.ask_colours),
    LimitTest("binding", "Which shape has which colour", "which object has which colour",
              "shapes of these colours or of others", composition.ask_binding),
    LimitTest("counting", "Number of objects, two to six", "counts", "which objects they are", presence.ask_counts),
    LimitTest("left-right", "Which of two is on the left", "left and right",
              "which two objects there are", composition.ask_left_right),
    LimitTest("above-below", "Which of two is above", "above and below", "which two objects there are",
              composition.ask_above_below),
    LimitTest("size", "Which of two is bigger", "relative sizes",
              "which two objects there are", composition.ask_sizes),
    LimitTest("inside", "Which shape is inside the other", "the order of words",
              "which two shapes there are", composition.ask_inside),
    LimitTest("jumbled", "True sentence or its words jumbled", "grammar",
              "which two objects there are", composition.ask_jumbled),
    LimitTest("negation", '"With" or "without" an object', '"no" and "without"',
              "this object or the other one", presence.ask_negation),
    LimitTest("words", "Reading one of eight words", "text in images", "a written word or something else",
              writing.ask_words),
    LimitTest("typed-label", "Photo with a wrong name on it", "photos with text pasted on them",
              "the same photos without the name", writing.ask_labelled_photos),
    LimitTest("digits", "Digits in six hands and fonts", "digits", "a number or something else", writing.ask_digits),
    LimitTest("clock", "Hour of a clock", "the time of a clock", "a clock or something else",
              fine_classes.ask_clocks),
    LimitTest("dice", "Dots of a dice face", "the dots of dice", "a dice or something else", fine_classes.ask_dice),
    LimitTest("suits", "Suit of a playing card", "the suits of cards", "a playing card or something else",
              fine_classes.ask_suits),
    LimitTest("polygons", "Kind of a polygon", "the number of corners", "a geometric shape or something else",
              fine_classes.ask_polygons),
    LimitTest("blur", "Blurred photos", "blurred photos", "the same photos, sharp", degraded.ask_blurred, True),
    LimitTest("noise", "Noisy photos", "noisy photos", "the same photos, clean", degraded.ask_noisy, True),
    LimitTest("rotation", "Turned photos", "photos that are not upright", "the same photos, upright",
              degraded.ask_turned, True),
    LimitTest("greyscale", "Photos without colour", "photos without colour", "the same photos in colour",
              degraded.ask_without_colour, True),
    LimitTest("resolution", "Photos of few pixels", "tiny photos", "the same photos at 256 pixels",
              degraded.ask_low_resolution, True),
)  # fmt: skip


def pick_tests(names: tuple[str, ...]) -> tuple[LimitTest, ...]:
    """Tests by their names; all of them for none. Raises: InputError for an unknown name."""
    by_name = {test.name: test for test in TESTS}
    for name in names:
        if name not in by_name:
            raise InputError(
                f"{name!r} is not one of the tests of limits.{did_you_mean(name, by_name)} "
                f"The tests are: {', '.join(by_name)}."
            )
    return tuple(by_name[name] for name in dict.fromkeys(names)) or TESTS
