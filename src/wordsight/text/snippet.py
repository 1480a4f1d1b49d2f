"""The part of a text that answers a query best: a window around the densest matches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from wordsight.text.analysis import Query, matched_words

Span = tuple[int, int]
WIDTH = 160


@dataclass(frozen=True)
class Marked:
    """A text and where in it words match: (start, end), in order, without overlaps."""

    text: str
    spans: tuple[Span, ...] = ()

    def parts(self) -> Iterator[tuple[str, bool]]:
        """Yield the text in parts, each with whether it matches."""
        at = 0
        for start, end in self.spans:
            yield self.text[at:start], False
            yield self.text[start:end], True
            at = end
        yield self.text[at:], False

    def marked(self, before: str, after: str) -> str:
        """Text with each match between two strings."""
        return "".join(f"{before}{part}{after}" if matches else part for part, matches in self.parts())


def marked(text: str, query: Query) -> Marked:
    """Text with the words of a query marked, white space made single spaces."""
    text = re.sub(r"\s+", " ", text).strip()
    return Marked(text, tuple(matched_words(query, text)))


def snippet(text: str, query: Query, width: int = WIDTH) -> Marked:
    """About `width` characters of a text (never more) around the densest matches; its start where none match.

    "…" stands where it is cut.
    """
    text = re.sub(r"\s+", " ", text).strip()
    spans = matched_words(query, text)
    start, end = _window(text, spans, width)
    front = "… " if start else ""
    back = " …" if end < len(text) else ""
    inside = tuple((a - start + len(front), b - start + len(front)) for a, b in spans if a >= start and b <= end)
    return Marked(f"{front}{text[start:end]}{back}", inside)


def _window(text: str, spans: list[Span], width: int) -> Span:
    """Place of the window: most different matched words first, then most matches, then the earliest."""
    if len(text) <= width:
        return 0, len(text)
    room = max(width - 4, 1)  # for the ellipses
    best, chosen = (0, 0), (0, 0)
    last = 0
    for first, (start, _) in enumerate(spans):
        last = max(last, first)
        while last < len(spans) and spans[last][1] <= start + room:
            last += 1
        inside = spans[first:last]
        score = (len({text[a:b].casefold() for a, b in inside}), len(inside))
        if score > best:
            best, chosen = score, (start, inside[-1][1])
    spare = room - (chosen[1] - chosen[0])
    start = 0
    if chosen[0]:
        start = max(0, min(chosen[0] - spare // 3, len(text) - room))
    return _to_words(text, start, min(len(text), start + room), chosen)


def _to_words(text: str, start: int, end: int, kept: Span) -> Span:
    """Move the ends of a window inwards to the next space, where one is near and outside what is kept."""
    if start and (space := text.find(" ", start, min(start + 20, kept[0] + 1))) >= 0:
        start = space + 1
    if end < len(text) and (space := text.rfind(" ", max(end - 20, kept[1]), end)) > start:
        end = space
    return start, end
