"""`wordsight duplicates`: find duplicate images in an index."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli._messages import DONE, plural, say
from wordsight.cli._options import (
    check_html,
    check_path_options,
    html_option,
    index_model_option,
    index_option,
    json_lines_option,
    path_end,
    path_options,
)
from wordsight.errors import InputError

if TYPE_CHECKING:
    from wordsight.duplicates.groups import Found, Group

NONE_FOUND = 1

EPILOG = """\b
Examples:
  wordsight duplicates                              print groups, the image to keep first
  wordsight duplicates --html duplicates.html       review them side by side
  wordsight duplicates -f -0 | xargs -0 trash       trash all but the original of each group
  wordsight duplicates --learn photos/2019          calibrate the threshold on similar images

Copies may be resized, re-encoded, cropped by up to a fifth, mirrored, brighter, darker, more or less colourful, framed
or letterboxed. The share found of each kind depends on the model and the images; calibration measures and prints it.
Copies turned by 90 or 180 degrees are recognised by their pixels, but most are missed, unless the turn is an EXIF
orientation: the bundled model rarely gives them a similar vector. Most copies in black and white, and those with text
across a large part of the image, are missed too.

\b
One image of each group is kept, the original. The first of these criteria that separates two images decides:
  a camera's RAW file; the most pixels (without borders); no border; the most camera data (EXIF);
  not written by an editing program; no name such as "IMG_1 (1)" or "IMG_1-edited"; older by a day;
  not a JPEG resaved as PNG, brightened, darkened or overwritten, as the pixels show; a lossless format;
  the larger file; the older file.
A RAW file and the image rendered from it are one shot: both are kept. Each copy is compared with the image kept.

Files are only read: nothing is deleted, moved or changed. A file with two names (links) is one image. -f leaves out
what is not safe to delete: pages and members of archives; groups whose files changed since they were indexed; and
sheets of text or lines (scans, invoices, drawings) that are not byte-identical, since they may differ in a single
digit.

\b
Exit codes: 0 duplicates found; 1 none found; 2 the command or an input is wrong, or there is no index.
"""


@click.command(epilog=EPILOG)
@index_option()
@click.option("--threshold", type=float, metavar="T", help="Lowest cosine of copies (default: calibrated).")
@click.option("--no-check", is_flag=True, help="Decide by cosine only, without comparing pixels: finds look-alikes "
              "too, such as bursts.")  # fmt: skip
@click.option("--learn", multiple=True, metavar="IMAGES", help="Calibrate the threshold on copies of these images.")
@json_lines_option("group")
@path_options("Print plain paths of the copies, one per line: all but the original of each group.")
@html_option()
@index_model_option
@click.pass_context
def command(ctx: click.Context, /, location: str | None, **options: Any) -> None:
    """Find images that are copies of each other: identical, resized, cropped, mirrored and more.

    The first run calibrates the threshold: it makes copies of some images in memory and measures the similarity of
    copies.
    """
    from wordsight.cli._duplicates.calibration import calibrate
    from wordsight.cli._progress import download_progress
    from wordsight.duplicates.groups import find_duplicates
    from wordsight.gallery import Gallery

    check_path_options(options)
    check_html(options["html"])
    threshold = options["threshold"]
    if threshold is not None and options["learn"]:
        raise InputError("--threshold and --learn cannot be combined; use one of them.")
    with (
        download_progress() as download,
        Gallery.open(location, model=options["model_name"], download=download) as gallery,
    ):
        if threshold is None:
            calibrate(gallery, options["learn"])
        with _bar() as progress:
            found = find_duplicates(gallery.index, threshold, check=not options["no_check"], progress=progress)
        if options["html"]:
            from wordsight.cli._duplicates.contact_sheet import write_html

            write_html(options["html"], found.groups, gallery)
    _write(found.groups, options)
    any_copies = any(group.copies for group in found.groups)
    if not any_copies:
        say("no duplicates found.")
    _report(found)
    ctx.exit(DONE if any_copies else NONE_FOUND)


def _write(groups: Sequence[Group], options: dict[str, Any]) -> None:
    """Print the groups in the form asked for."""
    if options["files"]:
        from wordsight.cli._duplicates.paths import write_paths

        write_paths(groups, path_end(options))
        return
    if options["as_json"]:
        for group in groups:
            click.echo(json.dumps(group.to_dict()))
    else:
        from wordsight.cli._duplicates.text import as_text

        click.echo("\n".join(as_text(groups)), nl=bool(groups))


def _report(found: Found) -> None:
    """Report shots that are there as RAW and rendered, and files that are gone."""
    if shots := sum(bool(group.shot) for group in found.groups):
        exist = plural(shots, "shot exists", "shots exist")
        say(f"{shots} {exist} as RAW file and as rendered image: both are kept (--html, --json).")
    if gone := len(found.gone):
        missing = plural(gone, "file is missing and was", "files are missing and were")
        say(f"{gone} {missing} left out. Run: wordsight index (or connect the drive)")


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[int, int], object] | None]:
    """Draw a bar on standard error while that is a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("Comparing", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
