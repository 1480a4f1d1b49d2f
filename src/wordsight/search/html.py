"""Results of a search as a notebook shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wordsight.index import Index
from wordsight.output.cards import render_cards
from wordsight.output.row_cards import row_card

if TYPE_CHECKING:
    from wordsight.search.hits import Hit


def render_hits(hits: Sequence[Hit], index: Index | None = None) -> str:
    """The first hits with their probabilities and columns as an HTML fragment of bounded size.

    index: where the small images of pages and members of archives are; without it they show as missing.
    """
    cards = (row_card(hit.row, index, f"{hit.proba:.0%}") for hit in hits)
    heading = f"{len(hits):,} hits"
    if len(hits) == 1:
        heading = "1 hit"
    return render_cards(heading, cards, len(hits))
