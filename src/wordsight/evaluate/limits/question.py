"""A question that an image answers: the answers to choose from, each in several wordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wordsight.evaluate.limits.canvas import Pixels

Choices = tuple[tuple[str, ...], ...]  # K answers, each in the same W wordings


@dataclass(frozen=True)
class Question:
    """An image, K answers of which one is true, and an easier question about what it shows.

    scene: name of what several images share; they are resampled together, and compared with each other. choices: the
    answers in the same wordings each. condition: by which results are broken down, such as the number to count.
    control: answers to the easier question, the first of which is true; where empty, the question itself is asked of
    `control_image`, the image without the difficulty.
    """

    image: Pixels
    scene: str
    answer: int
    choices: Choices
    condition: str = ""
    control: Choices = ()
    control_image: Pixels | None = None


def word(templates: Sequence[str], answers: Sequence[tuple[str, ...]]) -> Choices:
    """Answers in all wordings: each template with "{0}", "{1}", … filled by the parts of an answer."""
    return tuple(tuple(template.format(*parts) for template in templates) for parts in answers)
