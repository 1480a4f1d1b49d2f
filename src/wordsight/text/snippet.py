"""The part of a text that answers a query best: a window around the densest matches."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wordsight.text.analysis import Query, matched_words

Span = tuple[int, int]
WIDTH = 160


@dataclass(frozen=True)
class Snippet:
    """A piece of a text, white space made single spaces, "…" where it was cut, and where in it words match."""

    text: str
    spans: tuple[Span, ...] = ()

    def marked(self, before: str, after: str) -> str:
        """Return the text with each match between two strings."""
        out, at = [], 0
        for start, end in self.spans:
            out += [self.text[at:start], before, self.text[start:end], after]
            at = end
        return "".join((*out, self.text[at:]))


def snippet(text: str, query: Query, width: int = WIDTH) -> Snippet:
    """Return about `width` characters of a text (never more) around the densest matches; its start where none match."""
    text = re.sub(r"\s+", " ", text).strip()
    spans = matched_words(query, text)
    start, end = _window(text, spans, width)
    front, back = "… " if start else "", " …" if end < len(text) else ""
    inside = tuple((a - start + len(front), b - start + len(front)) for a, b in spans if a >= start and b <= end)
    return Snippet(f"{front}{text[start:end]}{back}", inside)


def _window(text: str, spans: list[Span], width: int) -> Span:
    """Return where the window lies: most different matched words first, then most matches, then the earliest."""
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
    start = max(0, min(chosen[0] - spare // 3, len(text) - room)) if chosen[0] else 0
    return _to_words(text, start, min(len(text), start + room), chosen)


def _to_words(text: str, start: int, end: int, kept: Span) -> Span:
    """Move the ends of a window inwards to the next space, where one is near and outside what is kept."""
    if start and (space := text.find(" ", start, min(start + 20, kept[0] + 1))) >= 0:
        start = space + 1
    if end < len(text) and (space := text.rfind(" ", max(end - 20, kept[1]), end)) > start:
        end = space
    return start, end
