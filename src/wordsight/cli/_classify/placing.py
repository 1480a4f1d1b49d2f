"""Sorting into folders for `wordsight classify`: --sort-into and --undo."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli._classify.answers import ImageAnswer
from wordsight.cli._classify.classes import Classes
from wordsight.cli._classify.inputs import Page, Source
from wordsight.cli._messages import DONE, SOME_SKIPPED, say
from wordsight.errors import InputError

if TYPE_CHECKING:
    from wordsight.images.skipped import Skipped
    from wordsight.output.sorting import Sorter


def make_sorter(classes: Classes, paths: Sequence[str], options: dict[str, Any]) -> Sorter | None:
    """Sorter of the images, checked against the paths that were given; None without --sort-into."""
    if options["sort_into"] is None:
        return None
    from wordsight.output.sorting import Sorter
    from wordsight.zeroshot.answer import NONE_LABEL

    labels = {name: name for name in classes.names}
    if classes.none:
        labels[NONE_LABEL] = "none"
    sorter = Sorter(options["sort_into"], labels, options["how"] or "copy", sidecars=options["sidecars"])
    sorter.check(Path(path) for path in paths if path != "-")
    return sorter


def check_sources(sorter: Sorter, sources: list[Source]) -> None:
    """Check the images found against the sorter, and put links to move first: they are read while they lead somewhere.

    Raises: InputError for pages of documents, which have no file of their own.
    """
    for source in sources:
        if isinstance(source, Page):
            raise InputError(f"{str(source)!r} is a page, which --sort-into cannot place; use --csv, --json or --html.")
    sorter.check([source for source in sources if isinstance(source, Path)])
    if sorter.how == "move":
        sources.sort(key=lambda source: isinstance(source, Path) and not source.is_symlink())


def place_links_last(
    answers: Iterator[ImageAnswer | Skipped], sorter: Sorter | None
) -> Iterator[ImageAnswer | Skipped]:
    """The answers, links to move last: the new places of what they lead to are known then."""
    links: list[ImageAnswer] = []
    for image in answers:
        if sorter is not None and sorter.how == "move" and isinstance(image, ImageAnswer) and image.path.is_symlink():
            links.append(image)
        else:
            yield image
    yield from links


def place(sorter: Sorter, image: ImageAnswer) -> ImageAnswer | Skipped:
    """Put one image into its folder, or into each of its folders, and pass its answer on; a failure is Skipped."""
    from wordsight.images.skipped import Skipped

    for label, probability in image.answer.chosen:
        try:
            sorter.place(image.path, label, probability)
        except OSError as error:
            return Skipped(image.path, f"could not be put into the folder of {label!r} ({error.strerror or error})")
    return image


def report_placing(sorter: Sorter, folder: Path) -> None:
    """Report sidecar files that were left where they were, and how to undo the sorting."""
    if sorter.left_behind:
        say(f"{len(sorter.left_behind)} files that belong to moved images stay where they were (such as "
            f"{str(sorter.left_behind[0])!r}); --sidecars takes them along")  # fmt: skip
    say(f"to undo: wordsight classify --sort-into {shlex.quote(str(folder))} --undo")


def undo_sorting(paths: Sequence[str], options: dict[str, Any]) -> int:
    """Undo a sorting, report the result, and return the exit code."""
    from wordsight.output.sorting_undo import undo

    folder = options["sort_into"]
    if folder is None:
        raise InputError("--undo needs the folder that was sorted into; add --sort-into DIR.")
    if paths or options["classes"] or options["classes_file"] or options["probe"]:
        raise InputError("--undo takes only --sort-into DIR; everything in the listing there is put back.")
    undone = undo(folder)
    click.echo(f"{undone.moved_back} files moved back, {undone.removed} copies and links removed.")
    for path, reason in undone.kept:
        say(f"{path} stays: {reason}")
    return SOME_SKIPPED if undone.kept else DONE
