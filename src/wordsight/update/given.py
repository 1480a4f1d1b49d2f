"""Sources as a caller gives them: paths, images in memory, a table in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wordsight.arguments import check_type
from wordsight.errors import InputError
from wordsight.images.inputs import is_frame
from wordsight.ingest import Item
from wordsight.ingest.in_memory import given_units
from wordsight.ingest.options import IngestOptions
from wordsight.ingest.scan import NO_SOURCE
from wordsight.update.sources import Source, Units


@dataclass(frozen=True, eq=False)
class GivenSources:
    """Sources of one call: paths, which the index follows, or units of in-memory images."""

    paths: tuple[Source, ...] = ()
    units: Units | None = None


def read_given(sources: Any, *, image: str | None, id: str | None, options: IngestOptions | None) -> GivenSources:
    """Sort what was given. image, id: columns of a table in memory.

    Raises: InputError for other kinds, tables without `image`, paths beside in-memory images, and no source.
    """
    for name, column in (("image", image), ("id", id)):
        if column is not None:
            check_type(name, column, str, "the name of a column")
    if options is not None:
        check_type("options", options, IngestOptions, "ingest.IngestOptions")
    if image is not None and not isinstance(sources, str | Path):
        from wordsight.ingest.frames import frame_units

        units = list(frame_units(sources, image, id=id, options=options))
        return GivenSources(units=lambda: iter(units))
    if id is not None:
        raise InputError("id names a column of a table in memory; give the table with image=… too.")
    named = _list_sources(sources)
    in_memory = [source for source in named if isinstance(source, tuple | Item)]
    if not named:
        raise InputError(NO_SOURCE)
    if not in_memory:
        return GivenSources(paths=tuple(named))
    if len(in_memory) < len(named):
        raise InputError("Paths and images with ids are given together; add them in two calls.")
    return GivenSources(units=lambda: given_units(in_memory))


def _list_sources(sources: Any) -> list[Any]:
    """The sources one by one. Raises: InputError for other kinds, and tables without `image`."""
    if is_frame(sources):
        kind = type(sources).__name__
        raise InputError(
            f"A table is given ({kind}); say which column holds the images: gallery.add(df, image='path')."
        )
    named = [sources] if isinstance(sources, str | Path) or not isinstance(sources, Iterable) else [*sources]
    for source in named:
        if not isinstance(source, str | Path | tuple | Item):
            hint = ""
            if isinstance(source, dict):
                hint = "; for a list of dicts, name the column of images: image='path'"
            kind = type(source).__name__
            raise InputError(f"A source is given as {kind}, expected a path, or a list of tuples (id, image){hint}.")
    return named
