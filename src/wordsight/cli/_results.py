"""How results of a search are shown: a table, images beside lines, JSON, plain paths, a contact sheet, a viewer.

Without rich, whose import takes a tenth of the time that a search may take.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wordsight.errors import ImageError, InputError
from wordsight.images.names import source_name

if TYPE_CHECKING:
    from wordsight.gallery import Gallery
    from wordsight.index import Index
    from wordsight.output.lead_columns import Lead
    from wordsight.search.hits import Hit
    from wordsight.search.query_parts import QueryPart

_BAR = 6  # cells
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_WIDE_COLUMN = 60  # where the output is not a terminal
_COLUMN = 24  # cells of a table's column at most
_LEAST_PATH = 24
_FRONT = 3 + 2 + _BAR + 1 + 4 + 2  # cells before the path
_SNIPPET = 160  # characters of a document's text
UNLIKELY = "probably not"
_BOLD, _FAINT, _BLUE, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[34m", "\x1b[0m"


def write_table(hits: Sequence[Hit], index: Index, *, first: int, ask: bool | None, show: str | None = None) -> None:
    """Write a table, or images with lines beside them where the terminal shows images or `ask` says so.

    show: see `output.lead_columns`.
    """
    from wordsight.output.terminal_images import way_of

    terminal = sys.stdout is not None and sys.stdout.isatty()  # None where it was closed
    way = way_of(os.environ) if ask or (ask is None and terminal) else None
    if ask and way is None:
        way = "blocks"
    if way is None:
        for line in table(hits, first, width=shutil.get_terminal_size().columns if terminal else None, show=show):
            click.echo(line, color=False if "NO_COLOR" in os.environ else None)
        return
    from wordsight.output.lead_columns import lead_columns
    from wordsight.output.terminal_images import CELL, COLUMNS, beside, cell_pixels
    from wordsight.row_images import row_image

    cell = cell_pixels(sys.stdout.fileno()) if terminal else CELL
    width = shutil.get_terminal_size().columns - COLUMNS - 3
    lead = lead_columns([hit.meta for hit in hits], show)
    for rank, hit in enumerate(hits, first):
        if _first_unlikely(hits, rank - first):
            click.echo(click.style(f"── {UNLIKELY} ──", dim=True), color=True)
        lines = _lines(rank, hit, width, lead)
        try:
            image = row_image(index, hit.row, at_least=320)
        except ImageError:
            click.echo("\n".join(lines) + "\n", color=True)
            continue
        click.echo(beside(image, lines, way, cell), color=True)


def table(hits: Sequence[Hit], first: int, *, width: int | None, show: str | None = None) -> list[str]:
    """Return the lines of a table: rank, probability, path, page, columns. width: cells; None: as many as it takes.

    A line stands where results are no longer likely, and below a page of a document what of its text answers.
    """
    from wordsight.output.lead_columns import lead_columns

    if not hits:
        return []
    lead = lead_columns([hit.meta for hit in hits], show)
    keys = [key for key in (lead.heading, *lead.columns) if key is not None]
    if any(hit.page is not None for hit in hits):
        keys.insert(0, "page")
    widest = _COLUMN if width is not None else _WIDE_COLUMN
    cells = {key: [_shortened(_cell(hit, key), widest) for hit in hits] for key in keys}
    names = {key: source_name(key) for key in keys}
    wide = {key: max(_width(names[key]), *map(_width, cells[key])) for key in keys}
    paths = [shown_path(hit) + _notes(hit) for hit in hits]
    longest = max(map(_width, paths))
    free = None if width is None else max(width - _FRONT, 10)
    kept: list[str] = []
    taken = 0
    for key in keys:
        takes = 2 + wide[key]
        if free is not None and min(longest, max(_LEAST_PATH, free // 2)) + taken + takes > free:
            break
        kept.append(key)
        taken += takes
    room = longest if free is None else min(longest, free - taken)
    heads = "".join(f"  {_padded(names[key], wide[key])}" for key in kept)
    lines = [click.style((" " * _FRONT + _padded("path", room) + heads).rstrip(), dim=True)] if kept else []
    for i, hit in enumerate(hits):
        if _first_unlikely(hits, i):
            lines.append(click.style(f"     ── {UNLIKELY} ──", dim=True))
        columns = "".join(f"  {_padded(cells[key][i], wide[key])}" for key in kept)
        bar = click.style(_bar(hit.proba), fg="blue")
        line = f"{first + i:3}  {bar} {hit.proba:4.0%}  {_padded(_shortened(paths[i], room), room)}{columns}"
        lines.append(line.rstrip())
        lines += [click.style(" " * _FRONT + _shortened(said, free or _SNIPPET), dim=True) for said in _snippet(hit)]
    return lines


def _first_unlikely(hits: Sequence[Hit], at: int) -> bool:
    """Whether the hit at a position is the first that is not likely."""
    return not hits[at].likely and (at == 0 or hits[at - 1].likely)


def _notes(hit: Hit) -> str:
    """Return what is said of a result behind its path."""
    from wordsight.update.row_state import is_gone

    copies = f" (+{len(hit.copies)} {'copy' if len(hit.copies) == 1 else 'copies'})" if hit.copies else ""
    return copies + (" (file is gone)" if is_gone(hit.row) else "")


def _snippet(hit: Hit) -> list[str]:
    """Return the part of a document's text that holds words of the query, where there is one."""
    from wordsight.text.snippet import snippet

    if hit.bm25 is None or hit.page is None:
        return []
    return [source_name(snippet(hit.row.text, hit.words, _SNIPPET).marked("[", "]"))]


def _lines(rank: int, hit: Hit, width: int, lead: Lead) -> list[str]:
    """Return what stands beside an image."""
    page = "" if hit.page is None else f"  page {hit.page}"
    size = f"{hit.row.width} × {hit.row.height}" if hit.row.width else ""
    keys = [key for key in (lead.heading, *lead.columns) if key is not None and hit.meta.get(key) not in (None, "")]
    meta = "  ".join(f"{source_name(key)}: {_cell(hit, key)}" for key in keys)
    return [
        f"{_BOLD}{rank:3}{_PLAIN}  {_BLUE}{_bar(hit.proba)}{_PLAIN} {hit.proba:4.0%}",
        "     " + _shortened(shown_path(hit) + _notes(hit), max(width - 5, 10)) + page,
        *(
            f"     {_FAINT}{_shortened(line, max(width - 5, 10))}{_PLAIN}"
            for line in (size, meta, *_snippet(hit))
            if line
        ),
    ]


def write_json(hits: Sequence[Hit], *, first: int) -> None:
    """Write one object per line."""
    for rank, hit in enumerate(hits, first):
        click.echo(json.dumps({"rank": rank, **hit.to_dict()}))


def write_paths(hits: Sequence[Hit], end: bytes) -> None:
    """Write each file once, best first, byte for byte; those that are gone are left out, and said to be."""
    from wordsight.update.row_state import is_gone

    gone = {place_of(hit) for hit in hits if is_gone(hit.row)}
    for place in dict.fromkeys(map(place_of, hits)):
        if place not in gone:
            click.echo(os.fsencode(place) + end, nl=False)
    if gone:
        names = ", ".join(map(source_name, sorted(gone)[:3])) + (" …" if len(gone) > 3 else "")
        click.echo(f"wordsight: {len(gone)} left out, whose files are gone: {names}", err=True)


def write_html(
    file: Path, hits: Sequence[Hit], gallery: Gallery, parts: Sequence[QueryPart], title: str, show: str | None = None
) -> None:
    """Write the contact sheet."""
    from wordsight.output.contact_sheet import render_html
    from wordsight.search.tiles import hit_tiles

    tiles = hit_tiles(
        hits,
        gallery.index,
        words=hits[0].words or " ".join(part.value for part in parts if part.kind == "text" and part.weight > 0),
        show=show,
        unlikely={hit.id for hit in hits if not hit.likely},
        copies={hit.id: len(hit.copies) for hit in hits if hit.copies},
    )
    asked = [part.value for part in parts if part.kind == "image" and part.weight > 0]
    n = len(gallery)
    subtitle = f"{len(hits)} of {n:,} image{'s' if n != 1 else ''} in {source_name(gallery.location)}"
    page = render_html(tiles, title, subtitle, asked=asked)
    file.write_text(page, encoding="utf-8", errors="backslashreplace")
    click.echo(f"wordsight: contact sheet written to {source_name(file)}", err=True)


def place_of(hit: Hit) -> str:
    """Return the file of a result or the address that it was fetched from, as text."""
    from wordsight import row_images

    return os.fspath(row_images.place_of(hit.row))


def shown_path(hit: Hit) -> str:
    """Return the path as it is printed: from the current folder where it lies in it, odd characters escaped."""
    return source_name(place_of(hit).removeprefix(os.path.join(os.getcwd(), "")))


def open_in_viewer(place: str | Path) -> None:
    """Open a file or an address with the desktop's program for it. Raises: InputError where there is none."""
    if hasattr(os, "startfile"):
        os.startfile(place)
        return
    program = "open" if sys.platform == "darwin" else "xdg-open"
    try:
        subprocess.Popen(
            [program, os.fspath(place)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except OSError as error:
        raise InputError(
            f"{source_name(place)} cannot be opened: the program {program!r} is missing ({error.strerror})."
        ) from error


def _cell(hit: Hit, key: str) -> str:
    from wordsight.output.lead_columns import cell_text

    return source_name(cell_text(hit.page if key == "page" and key not in hit.meta else hit.meta.get(key)))


def _bar(proba: float) -> str:
    eighths = min(8 * _BAR, max(0, round(8 * _BAR * proba)))
    full, part = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[part] if part else "")).ljust(_BAR)


def _width(text: str) -> int:
    """Return how many cells a text takes: letters of East Asia two, accents that stand for themselves none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _padded(text: str, width: int) -> str:
    return text + " " * max(0, width - _width(text))


def _shortened(text: str, width: int) -> str:
    """Return a text within so many cells, its middle left out: of a path, the end tells most."""
    if _width(text) <= width:
        return text
    head, tail = text[: max(0, (width - 1) // 3)], text[-(max(1, width - 1 - (width - 1) // 3)) :]
    while _width(head) + 1 + _width(tail) > width and (head or tail):
        head, tail = (head[:-1], tail) if len(head) > len(tail) // 2 else (head, tail[1:])
    return f"{head}…{tail}"
