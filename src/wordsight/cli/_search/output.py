"""Results of a search for other programs: JSON, plain paths, a contact sheet, the desktop's viewer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wordsight.cli._messages import clean, plural, say
from wordsight.cli._search.cells import place
from wordsight.errors import InputError
from wordsight.images.names import source_name

if TYPE_CHECKING:
    from wordsight.gallery import Gallery
    from wordsight.search.hits import Hit
    from wordsight.search.query_parts import QueryPart


def write_json(hits: Sequence[Hit], *, first: int) -> None:
    """Write one object per line."""
    for rank, hit in enumerate(hits, first):
        click.echo(json.dumps({"rank": rank, **hit.to_dict()}))


def write_paths(hits: Sequence[Hit], end: bytes) -> None:
    """Write each file once, best first, byte for byte; report those that are gone, and leave them out."""
    from wordsight.update.row_state import is_gone

    gone = {place(hit) for hit in hits if is_gone(hit.row)}
    for path in dict.fromkeys(map(place, hits)):
        if path not in gone:
            click.echo(os.fsencode(path) + end, nl=False)
    if gone:
        names = ", ".join(map(source_name, sorted(gone)[:3]))
        if len(gone) > 3:
            names += " …"
        say(f"{len(gone)} left out, whose files are gone: {names}")


def write_html(
    file: Path, hits: Sequence[Hit], gallery: Gallery, parts: Sequence[QueryPart], title: str, show: str | None = None
) -> None:
    """Write the contact sheet."""
    from wordsight.output.contact_sheet import render_html, write_sheet
    from wordsight.search.tiles import hit_tiles

    tiles = hit_tiles(
        hits,
        gallery.index,
        words=hits[0].words or " ".join(part.value for part in parts if part.kind == "text" and part.weight > 0),
        show=show,
        unlikely={hit.id for hit in hits if not hit.likely},
        copies={hit.id: len(hit.copies) for hit in hits if hit.copies},
    )
    examples = [part.value for part in parts if part.kind == "image" and part.weight > 0]
    n = len(gallery)
    subtitle = clean(f"{len(hits)} of {n:,} {plural(n, 'image')} in {gallery.location}")
    page = render_html(tiles, title, subtitle, asked=examples)
    write_sheet(file, page)
    say(f"contact sheet written to {source_name(file)}")


def open_in_viewer(target: str | Path) -> None:
    """Open a file or URL with the desktop's program for it. Raises: InputError where there is none."""
    if hasattr(os, "startfile"):
        os.startfile(target)
        return
    program = "open" if sys.platform == "darwin" else "xdg-open"
    try:
        subprocess.Popen(
            [program, _as_argument(target)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise InputError(
            f"{source_name(target)} cannot be opened: the program {program!r} is missing ({error.strerror})."
        ) from error


def _as_argument(target: str | Path) -> str:
    """A file or URL as an argument that no program takes for one of its options."""
    text = os.fspath(target)
    return f"./{text}" if text.startswith("-") else text
