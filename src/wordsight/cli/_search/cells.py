"""Parts of a line about a result: its path, notes, columns, snippet and probability bar, safe to print."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wordsight.cli._messages import plural
from wordsight.images.names import source_name

if TYPE_CHECKING:
    from wordsight.output.lead_columns import Lead
    from wordsight.search.hits import Hit

BAR = 6  # cells
SNIPPET = 160  # characters of a document's text
_EIGHTHS: tuple[str, ...] = ("", *"▏▎▍▌▋▊▉")


def place(hit: Hit) -> str:
    """The file of a result, or the URL that it was fetched from, as text."""
    from wordsight import row_images

    return os.fspath(row_images.locate_image(hit.row))


def display_path(hit: Hit) -> str:
    """The path as it is printed: relative in the current folder, odd characters escaped."""
    return source_name(place(hit).removeprefix(os.path.join(os.getcwd(), "")))


def notes(hit: Hit) -> str:
    """Notes behind the path of a result: its copies, a file that is gone."""
    from wordsight.update.row_state import is_gone

    found = ""
    if n := len(hit.copies):
        found = f" (+{n} {plural(n, 'copy', 'copies')})"
    if is_gone(hit.row):
        found += " (file is gone)"
    return found


def snippet(hit: Hit) -> list[str]:
    """The part of a document's text that contains words of the query; none where there is none."""
    from wordsight.text.snippet import snippet

    if hit.bm25 is None or hit.page is None:
        return []
    return [source_name(snippet(hit.row.text, hit.words, SNIPPET).marked("[", "]"))]


def column_names(lead: Lead) -> list[str]:
    """The columns to show, the heading first."""
    return [key for key in (lead.heading, *lead.columns) if key is not None]


def cell(hit: Hit, column: str) -> str:
    """The value of a column."""
    from wordsight.output.lead_columns import cell_text

    value = hit.meta.get(column)
    if column == "page" and column not in hit.meta:
        value = hit.page
    return source_name(cell_text(value))


def probability_bar(proba: float) -> str:
    """A bar whose length is the probability, in eighths of a cell."""
    eighths = min(8 * BAR, max(0, round(8 * BAR * proba)))
    full, part = divmod(eighths, 8)
    return ("█" * full + _EIGHTHS[part]).ljust(BAR)


def is_first_unlikely(hits: Sequence[Hit], at: int) -> bool:
    """Whether the hit at a position is the first that is not likely."""
    return not hits[at].likely and (at == 0 or hits[at - 1].likely)
