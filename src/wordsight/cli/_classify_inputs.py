"""What `wordsight classify` is given: options that must agree, class names, images and pages of PDF files."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordsight.errors import ImageError, InputError

if TYPE_CHECKING:
    import numpy as np

    from wordsight.images.skipped import Skipped
    from wordsight.model import Model


@dataclass(frozen=True)
class Page:
    """A page of a PDF, counted from 1, among the images to be sorted."""

    path: Path
    number: int

    def __str__(self) -> str:
        """Return it as search results name it."""
        return f"{self.path}#page={self.number}"


Source = Path | Page


def check_conflicts(said: dict[str, Any]) -> None:
    """Raise InputError for options that contradict each other or miss another."""
    for one, other in (("json", "csv"), ("multi", "together")):
        if said.get(f"as_{one}", said.get(one)) and said.get(f"as_{other}", said.get(other)):
            raise InputError(f"Both --{one} and --{other} are given; use one of the two.")
    if said["how"] and not said["sort_into"]:
        raise InputError(f"--{said['how']} says how to sort, but not where; add --sort-into DIR.")
    if said["sidecars"] and (not said["sort_into"] or said["how"] == "link"):
        raise InputError("--sidecars takes files along when images are copied or moved; add --sort-into DIR --move.")
    if said["multi"] and said["how"] == "move":
        raise InputError("An image may have several classes with --multi, but can move into one folder; use --copy or "
                         "--link.")  # fmt: skip
    if said["html"] and said["html"].suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--html is {str(said['html'])!r}, where the contact sheet would be; end its name in .html.")


def wordings(paths: Sequence[str], said: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return class → wordings from --classes or --classes-file."""
    from wordsight.zeroshot.class_embeddings import parse_classes

    classes, file = said["classes"], said["classes_file"]
    if classes and file:
        raise InputError("Both --classes and --classes-file are given; use one of the two.")
    if not classes and file is None:
        raise InputError("No classes are given; add --classes cat dog … or --classes-file FILE.")
    if not paths and not said["from_file"]:
        taken = [name for name in classes if name == "-" or Path(name).exists()]
        hint = f" ({taken[-1]!r} was read as a class; put paths before --classes, or after '--')" if taken else ""
        raise InputError(f"No images are given; name files, folders or patterns before the options.{hint}")
    if file is None:
        wordings = parse_classes(classes)
    else:
        try:
            wordings = parse_classes(file.read_text(encoding="utf-8-sig").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"The class file {str(file)!r} cannot be read ({error}); expected UTF-8 text.") from error
    _check_commas(wordings)
    if len(wordings) == 1 and not said["none"] and not said["multi"]:
        raise InputError(
            f"{next(iter(wordings))!r} is the only class, so every image would be it; add one, or leave out --no-none."
        )
    return wordings


def _check_commas(wordings: dict[str, tuple[str, ...]]) -> None:
    """Refuse "dog,cat" as the only class, which is meant as two; say how it is read where there are others."""
    for name, words in wordings.items():
        parts = [part.strip() for part in name.split(",") if part.strip()]
        if words != (name,) or len(parts) < 2:
            continue
        quoted = " ".join(f'"{part}"' if " " in part else part for part in parts)
        read = f"{name!r} is read as one class with a comma in its name"
        if len(wordings) == 1:
            raise InputError(f'{read}; for {len(parts)} classes: --classes {quoted}. If one is meant: "NAME={name}"')
        click.echo(f"wordsight: {read}; for {len(parts)} classes: --classes {quoted}", err=True)


def sources(paths: Sequence[str], said: dict[str, Any]) -> list[Source]:
    """Return the images that are named, and each page of the PDF files among them."""
    from wordsight.images.files import find_images

    if said["from_file"]:
        paths = (*paths, "-")
        if said["from_file"] != "-" and "-" in paths[:-1]:
            raise InputError('Names are read from --from-file or from "-", standard input; use one of the two.')
    elif said["zero"] and "-" not in paths:
        raise InputError('-0 says how names that are read end; add "-" or --from-file FILE.')
    sources: list[Source] = []
    for path in find_images(paths, _listed(said["from_file"] or "-", said["zero"])):
        sources += _pages(path) if path.suffix.lower() == ".pdf" and path.is_file() else [path]
    return sources


def _listed(file: str, zero: bool) -> Iterator[str]:
    """Yield the names in a file or on standard input, one a line or ended by NUL."""
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
    yield from map(os.fsdecode, content.split(b"\0" if zero else b"\n"))


def _pages(path: Path) -> list[Source]:
    """Return the pages of a PDF. Raises: InputError for one that cannot be opened."""
    from wordsight.ingest.pdf import Document

    try:
        count = len(Document(str(path)))
    except ImageError as error:
        raise InputError(f"{str(path)!r} {error}; leave it out, or give a PDF that opens.") from error
    return [Page(path, number) for number in range(1, count + 1)]


def embedded(model: Model, sources: Sequence[Source], exact: bool) -> Iterator[tuple[Source, np.ndarray] | Skipped]:
    """Yield (source, embedding) of each image and page, or Skipped, in order."""
    from wordsight.images.skipped import Skipped

    if not any(isinstance(source, Page) for source in sources):
        yield from model.stream_images(sources, exact=exact)
        return
    for source, answer in model.stream_read(sources, functools.partial(_read, model=model, exact=exact)):
        yield answer if isinstance(answer, Skipped) else (source, answer)


def _read(source: Source, model: Model, exact: bool) -> Any:
    """Return the pixels that the model sees of an image or a page, or Skipped."""
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
