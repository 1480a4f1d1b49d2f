"""Answers of a classifier beside their images, for notebooks. Galleries and search results show themselves."""

from __future__ import annotations

from collections.abc import Sized
from itertools import islice
from typing import TYPE_CHECKING, Any

from wordsight.images.decode import read_image
from wordsight.images.inputs import is_image_like
from wordsight.images.names import source_name
from wordsight.output.cards import CARDS, Card, Html, render_cards

if TYPE_CHECKING:
    from wordsight.zeroshot.classifier import Classifier


def show_answers(classifier: Classifier, images: Any, k: int = 3) -> Html:
    """The first images, as many as are shown, with their k best labels and probabilities.

    images: as `Classifier.predict` takes them, one or several.
    Raises: what `Classifier.top_k` raises.
    """
    if isinstance(images, str) or is_image_like(images):
        images = [images]
    total = len(images) if isinstance(images, Sized) else None
    given = list(islice(images, CARDS))
    decoded = [read_image(image) for image in given]
    answers: list[list[tuple[str, float]]] = []
    if decoded:
        answers = classifier.top_k(decoded, k)
    cards = (
        Card(pixels.copy, ranked[0][0], (*(f"{label} {p:.0%}" for label, p in ranked), source_name(image)))
        for image, pixels, ranked in zip(given, decoded, answers, strict=True)
    )
    return Html(render_cards(repr(classifier)[1:-1], cards, total))
