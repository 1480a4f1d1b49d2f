"""Tools that tell what there is: galleries, columns, counts of values."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from wordsight.columns import OWN_KINDS
from wordsight.serve.library import OpenGallery
from wordsight.serve.mcp import arguments
from wordsight.serve.mcp.answer import Answer
from wordsight.serve.mcp.asker import Asker
from wordsight.serve.mcp.questions import ask_facets
from wordsight.serve.mcp.quoting import LONG, NOTE, clean_text, quote_text

_VALUES = 20  # of one column in the text
_COLUMNS = 60  # named in the text; the data has all


class Described(BaseModel):
    """What `describe_gallery` answers. columns: those that filters may name → kind. tuned: the words' weight was."""

    gallery: str
    galleries: list[str]
    images: int
    model: str
    columns: dict[str, str]
    tuned: bool


async def describe_gallery(asker: Asker, asked: arguments.Describe) -> Answer:
    """Galleries there are, and the contents of one."""
    opened = await asker.open_gallery(asked.gallery)
    data = await asyncio.to_thread(_describe, opened, list(asker.service.library.names))
    own = ", ".join(f"{name} ({kind})" for name, kind in data.columns.items() if name in OWN_KINDS)
    given = [f"{_column(name)} ({kind})" for name, kind in data.columns.items() if name not in OWN_KINDS]
    lines = [
        f"Gallery {quote_text(data.gallery)}: {data.images:,} images, model {clean_text(data.model)}.",
        f"Columns of its tables: {', '.join(given[:_COLUMNS]) or 'none'}"
        + (f" and {len(given) - _COLUMNS} more." if len(given) > _COLUMNS else "."),
        f"Columns of every image: {own}.",
    ]
    others = [quote_text(name) for name in data.galleries if name != data.gallery]
    if others:
        lines.append(f"Other galleries: {', '.join(others)}.")
    lines.append("Values and their counts: list_facets. Find images: search_images.")
    return Answer("\n".join([*lines, NOTE]), data)


class Count(BaseModel):
    """A value of a column, or a range from `from_value` to below `to_value` (None: open), and its number of images."""

    value: str | int | float | bool | None = None
    from_value: str | int | float | None = None
    to_value: str | int | float | None = None
    count: int


class CountedColumn(BaseModel):
    """Counts of one column. missing: images without a value."""

    column: str
    kind: str
    counts: list[Count]
    missing: int


class FacetsFound(BaseModel):
    """What `list_facets` answers. total: images that the filter leaves."""

    total: int
    columns: list[CountedColumn]


async def list_facets(asker: Asker, asked: arguments.Facets) -> Answer:
    """Counts of the values of columns, under a filter."""
    answer = await ask_facets(asker.service, asked.model_dump())
    columns = [
        CountedColumn(
            column=clean_text(facet["column"]),
            kind=facet["kind"],
            counts=[_read_value(one) for one in facet["values"]] + [_read_range(one) for one in facet["ranges"]],
            missing=facet["missing"],
        )
        for facet in answer["facets"]
    ]
    data = FacetsFound(total=answer["total"], columns=columns)
    lines = [f"{data.total:,} images. Counts by column (each without the filter's own condition on it):"]
    lines += [_tell_counts(column) for column in columns]
    if not columns:
        lines.append("No column has few enough values to count.")
    return Answer("\n".join([*lines, NOTE]), data)


def _read_value(one: Mapping[str, Any]) -> Count:
    value = one["value"]
    return Count(value=clean_text(value, LONG) if isinstance(value, str) else value, count=one["count"])


def _read_range(one: Mapping[str, Any]) -> Count:
    return Count(from_value=one["from"], to_value=one["to"], count=one["count"])


def _tell_counts(column: CountedColumn) -> str:
    shown = [f"{_tell_value(one)} {one.count:,}" for one in column.counts[:_VALUES]]
    if len(column.counts) > _VALUES:
        shown.append(f"and {len(column.counts) - _VALUES} more values")
    if column.missing:
        shown.append(f"without a value {column.missing:,}")
    return f"- {_column(column.column)} ({column.kind}): {', '.join(shown)}"


def _tell_value(one: Count) -> str:
    if one.value is not None:
        return quote_text(one.value) if isinstance(one.value, str) else str(one.value).lower()
    start = "…" if one.from_value is None else one.from_value
    return f"{start} to below {'…' if one.to_value is None else one.to_value}:"


def _describe(opened: OpenGallery, names: list[str]) -> Described:
    index = opened.gallery.index
    return Described(
        gallery=opened.name,
        galleries=names,
        images=len(index),
        model=index.info.model,
        columns=index.columns(),
        tuned=bool(index.note("fusion")),
    )


def _column(name: str) -> str:
    return name if name.isidentifier() else quote_text(name)
