"""Inputs of `wordsight classify`: options that must agree, class names, images and pages of PDF files."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.cli._options import check_html, path_end
from wordsight.errors import ImageError, InputError

if TYPE_CHECKING:
    import numpy as np

    from wordsight.images.skipped import Skipped
    from wordsight.model import Model


@dataclass(frozen=True)
class Page:
    """A page of a PDF, counted from 1, among the images to sort."""

    path: Path
    number: int

    def __str__(self) -> str:
        """Its name, as in search results."""
        return f"{self.path}#page={self.number}"


Source = Path | Page


def check_conflicts(options: dict[str, Any]) -> None:
    """Raise InputError for options that contradict each other, or that need another one."""
    for one, other, both in (
        ("--json", "--csv", options["as_json"] and options["as_csv"]),
        ("--multi", "--together", options["multi"] and options["together"]),
    ):
        if both:
            raise InputError(f"{one} and {other} cannot be combined; use one of them.")
    if options["how"] and not options["sort_into"]:
        raise InputError(f"--{options['how']} needs a destination; add --sort-into DIR.")
    if options["sidecars"] and (not options["sort_into"] or options["how"] == "link"):
        raise InputError("--sidecars takes files along when images are copied or moved; add --sort-into DIR --move.")
    if options["multi"] and options["how"] == "move":
        raise InputError("With --multi an image may have several classes, but it can move into one folder only; use "
                         "--copy or --link.")  # fmt: skip
    check_html(options["html"])


def find_sources(paths: Sequence[str], options: dict[str, Any]) -> list[Source]:
    """Images that are named, and each page of the PDF files among them."""
    from wordsight.images.files import find_images

    if options["from_file"]:
        paths = (*paths, "-")
        if options["from_file"] != "-" and "-" in paths[:-1]:
            raise InputError('--from-file and "-", standard input, cannot be combined; use one of them.')
    elif options["zero"] and "-" not in paths:
        raise InputError('-0 separates names that are read; add "-" or --from-file FILE.')
    sources: list[Source] = []
    for path in find_images(paths, _read_names(options["from_file"] or "-", path_end(options))):
        if path.suffix.lower() == ".pdf" and path.is_file():
            sources += _pages(path)
        else:
            sources.append(path)
    return sources


def _read_names(file: str, end: bytes) -> Iterator[str]:
    """Names in a file or on standard input, each but the last followed by `end`."""
    try:
        if file != "-":
            content = Path(file).read_bytes()
        elif sys.stdin is None:  # closed
            return
        else:
            content = sys.stdin.buffer.read()
    except OSError as error:
        raise InputError(
            f"The list {file!r} cannot be read ({error.strerror or error}); expected names of images."
        ) from error
    yield from map(os.fsdecode, content.split(end))


def _pages(path: Path) -> list[Source]:
    """Pages of a PDF. Raises: InputError for one that cannot be opened."""
    from wordsight.ingest.pdf import Document

    try:
        count = len(Document(str(path)))
    except ImageError as error:
        raise InputError(f"{str(path)!r} {error}; leave it out, or give a PDF that opens.") from error
    return [Page(path, number) for number in range(1, count + 1)]


def stream_embeddings(
    model: Model, sources: Sequence[Source], *, exact: bool
) -> Iterator[tuple[Source, np.ndarray] | Skipped]:
    """(source, embedding) of each image and page, or Skipped, in order."""
    from wordsight.images.skipped import Skipped

    if not any(isinstance(source, Page) for source in sources):
        yield from model.stream_images(sources, exact=exact)
        return
    for source, answer in model.stream_read(sources, functools.partial(_read_pixels, model=model, exact=exact)):
        yield answer if isinstance(answer, Skipped) else (source, answer)


def _read_pixels(source: Source, model: Model, *, exact: bool) -> Any:
    """Pixels that the model sees of an image or a page, or Skipped."""
    from wordsight.images.preprocess import preprocess
    from wordsight.images.skipped import Skipped
    from wordsight.ingest.pdf import Document
    from wordsight.model import read_pixels

    if isinstance(source, Path):
        return read_pixels(source, model.spec.preprocess, exact=exact)
    try:
        return preprocess(Document(str(source.path)).render(source.number), model.spec.preprocess)
    except ImageError as error:
        return Skipped(str(source), str(error))
