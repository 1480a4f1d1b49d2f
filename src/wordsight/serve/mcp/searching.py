"""Tool that finds images by words and by example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from wordsight.errors import InputError
from wordsight.row_images import page_suffix
from wordsight.search.query_parts import NOT_WEIGHT
from wordsight.serve.mcp import arguments
from wordsight.serve.mcp.answer import Answer
from wordsight.serve.mcp.asker import Asker
from wordsight.serve.mcp.questions import ask_search
from wordsight.serve.mcp.quoting import LONG, NOTE, clean_columns, clean_text, quote_columns, quote_text
from wordsight.serve.mcp.row_names import name_row, read_row_name

_SNIPPET = 200  # characters of a document's text
_LINE = "-- below this line: probably not --"


class FoundImage(BaseModel):
    """One hit. probability: that it matches; None where nothing was asked. likely: it is at least one half."""

    number: int
    id: str
    name: str
    probability: float | None
    likely: bool
    page: int | None
    width: int
    height: int
    taken: str | None
    meta: dict[str, str | int | float | bool | None]
    snippet: str
    copies: int


class Found(BaseModel):
    """What `search_images` answers.

    likely: number of images of the gallery that probably match; at_least: there may be more. nothing_likely: a query
    was asked, and no image probably matches. remaining: images behind these; cursor: asks for the next of them.
    """

    gallery: str
    likely: int
    at_least: bool
    nothing_likely: bool
    hits: list[FoundImage]
    remaining: int | None
    cursor: str | None
    hint: str


async def search_images(asker: Asker, asked: arguments.Search) -> Answer:
    """Images that most probably match, numbered, with a line where the improbable ones begin."""
    is_query = bool((asked.text or "").strip() or asked.like)
    if asked.exclude and not is_query:
        raise InputError("exclude takes away from a search; also give text or like.")
    answer = await ask_search(asker.service, _make_request(asked), asker.searcher)
    hits = [_read_hit(number, hit) for number, hit in enumerate(answer["hits"], 1)]  # as a sheet of the same ids has it
    data = Found(
        gallery=answer["gallery"],
        likely=answer["likely"],
        at_least=answer["at_least"],
        nothing_likely=is_query and not answer["likely"],
        hits=hits,
        remaining=answer["remaining"],
        cursor=answer["cursor"],
        hint=clean_text(answer["hint"], LONG),
    )
    lines = [_summarise(data, asked, is_query), *_list_hits(hits, data.nothing_likely)]
    if data.hint:
        lines.append(f"Hint: {quote_text(data.hint, LONG)}")
    lines.append(_tell_rest(data))
    return Answer("\n".join([*lines, NOTE]), data)


def _make_request(asked: arguments.Search) -> dict[str, Any]:
    """The request as the HTTP API takes it."""
    parts: list[dict[str, Any]] = [{"like": read_row_name(id)} for id in asked.like]
    parts += [{"like": read_row_name(id), "weight": NOT_WEIGHT} for id in asked.unlike]
    return {
        "gallery": asked.gallery,
        "text": asked.text,
        "query": parts,
        "exclude": asked.exclude,
        "filter": asked.filter or None,
        "limit": asked.limit,
        "cursor": asked.cursor,
    }


def _read_hit(number: int, hit: Mapping[str, Any]) -> FoundImage:
    page, snippet = hit["page"], hit["snippet"]
    return FoundImage(
        number=number,
        id=name_row(hit["id"]),
        name=clean_text((PurePath(hit["path"]).name or hit["id"]) + page_suffix(page)),
        probability=hit["probability"],
        likely=bool(hit["likely"]),
        page=page,
        width=hit["width"],
        height=hit["height"],
        taken=hit["taken"],
        meta=clean_columns(hit["meta"]),
        snippet=clean_text(snippet["text"], LONG) if snippet else "",
        copies=len(hit["copies"]),
    )


def _summarise(data: Found, asked: arguments.Search, is_query: bool) -> str:
    """First line: how many images probably match, said plainly where it is none."""
    place = f"in the gallery {quote_text(data.gallery)}"
    if not is_query:
        return f"Images {place}, without a query:" if data.hits else f"No image {place} meets the filter."
    wanted = quote_text(asked.text) if asked.text else "the examples"
    if data.nothing_likely:
        rest = " The nearest, all probably not what was asked:" if data.hits else ""
        return f"Nothing likely matches {wanted} {place}.{rest}"
    more = "At least " if data.at_least else ""
    verb = "image probably matches" if data.likely == 1 else "images probably match"
    return f"{more}{data.likely:,} {verb} {wanted} {place}:"


def _list_hits(hits: Sequence[FoundImage], nothing_likely: bool) -> list[str]:
    lines, is_drawn = [], nothing_likely
    for hit in hits:
        if not hit.likely and hit.probability is not None and not is_drawn:
            lines.append(_LINE)
            is_drawn = True
        lines.append(_describe_hit(hit))
    return lines


def _describe_hit(hit: FoundImage) -> str:
    facts = [f"{hit.number}."]
    if hit.probability is not None:
        facts.append(f"{hit.probability:.0%} {'likely' if hit.likely else 'not likely'}")
    facts.append(f'{quote_text(hit.name)} id="{hit.id}"')
    if hit.meta:
        facts.append(quote_columns(hit.meta))
    if hit.snippet:
        facts.append(f"text={quote_text(hit.snippet, _SNIPPET)}")
    if hit.copies:
        facts.append(f"(+{hit.copies} near copies)")
    return " ".join(facts)


def _tell_rest(data: Found) -> str:
    """Last line: how much is behind these, and how to ask for it."""
    if data.cursor is None:
        return "remaining: 0"
    known = "unknown" if data.remaining is None else f"{data.remaining:,}"
    return f'remaining: {known}; for the next ask again with cursor="{data.cursor}"'
