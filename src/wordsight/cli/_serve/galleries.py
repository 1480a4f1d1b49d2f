"""Galleries as the commands that serve take them: an index, or what one is made of."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from wordsight.cli._index.bar import run_with_bar
from wordsight.cli._messages import clean, plain_warnings, say
from wordsight.errors import InputError, NoIndexError
from wordsight.locations import default_index

_SHOWN = 40  # characters of a source's name in that of its index


def read_galleries(given: Sequence[str], model: str | None = None) -> dict[str, str]:
    """Name → location of what is named as INDEX or NAME=INDEX; without any, of the personal index if it is there.

    A folder, table, document or archive that is not an index is indexed first, or brought up to date (`index_source`).
    Raises: InputError for one that does not exist, and two of one name.
    """
    from wordsight.index import resolve_location

    if not given:
        place = resolve_location(None)
        if os.path.isdir(place):
            return {"personal": place}
        say(
            "there is no index yet, so there is nothing to find; name images to serve: wordsight serve --gallery FOLDER"
        )
        return {}
    galleries: dict[str, str] = {}
    for one in given:
        name, place = _split_name(one)
        if name in galleries:
            raise InputError(f"Two galleries are named {name!r}; name them apart: --gallery NAME=INDEX")
        galleries[name] = _find_index(resolve_location(place), model)
    return galleries


def index_source(source: Path, model: str | None = None) -> str:
    """Location of the index of a source, in the user's data, updated with a bar.

    Its name is the source's with a hash of the absolute path, so that two folders "photos" are kept apart.
    """
    from wordsight.cli._index.summary import report
    from wordsight.cli._progress import download_progress
    from wordsight.gallery import Gallery
    from wordsight.index.new_index import nothing_left_of_failure

    path = os.path.abspath(source)
    digest = hashlib.blake2b(os.fsencode(path), digest_size=6).hexdigest()
    shown = re.sub(r"[^\w.-]+", "-", os.path.basename(path))[:_SHOWN].strip("-.")
    place = str(default_index().parent / "galleries" / f"{shown}-{digest}".lstrip("-"))
    with nothing_left_of_failure(place), download_progress() as download, plain_warnings():
        try:
            gallery = Gallery.open(place, model=model, download=download)
        except NoIndexError:
            gallery = Gallery.create(place, model=model or "mini", download=download)
        with gallery:
            summary = run_with_bar(partial(gallery.add, path))
            report(summary)
            click.echo(clean(f"{len(gallery):,} images of {source} are in the index {place}"), err=True)
    return place


def _split_name(given: str) -> tuple[str, str]:
    """Name and place of one gallery; its name is that of the folder where none is given."""
    name, separator, place = given.partition("=")
    if separator and name and not re.search(r"[/\\:]", name):
        return name, place
    return os.path.basename(os.path.normpath(given)) or given, given


def _find_index(place: str, model: str | None) -> str:
    """Location of an index: the place itself, or the index of the images there."""
    from wordsight.index import is_local, open_index

    if not is_local(place):
        return place
    if not os.path.exists(place):
        raise InputError(f"{place!r} does not exist; expected an index, or images to index: a folder, table or PDF.")
    if os.path.isdir(place):
        try:
            open_index(place).close()
        except NoIndexError:
            pass
        else:
            return place
    return index_source(Path(place), model)
