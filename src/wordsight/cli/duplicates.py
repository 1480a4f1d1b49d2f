"""`wordsight duplicates`: find images that an index holds more than once."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wordsight.cli._options import DONE, index_option
from wordsight.errors import InputError, StoreError

if TYPE_CHECKING:
    from wordsight.duplicates.groups import Group
    from wordsight.duplicates.threshold import LearntThreshold
    from wordsight.gallery import Gallery
    from wordsight.index import Row

NONE_FOUND = 1
LEARNT_FROM = 200  # images in an index from which on a sample of them says what is near

EPILOG = """\b
Examples:
  wordsight duplicates                              groups, the image to keep first
  wordsight duplicates --html duplicates.html       to look at
  wordsight duplicates -f -0 | xargs -0 trash       all but the original of each group
  wordsight duplicates --learn photos/2019          calibrate the threshold on such images

Copies may be resized, re-encoded, cropped by up to a fifth, mirrored, brighter, darker, more or less colourful, in a
frame or between bars. Which share of each kind is found depends on the model and the images: it is measured, and
printed, where the threshold is learnt. Copies turned by 90 or 180 degrees are told by their pixels, but the bundled
model hardly ever gives them a similar vector: most are missed, unless the turn is an EXIF orientation. So are most
copies in black and white, and those with writing across a large part of the image.

\b
The original of a group is kept. The first of these that tells two apart decides, and is said:
  a camera's RAW file; the most pixels (borders not counted); no border; the most camera data (EXIF);
  not written by an editing program; no name such as "IMG_1 (1)" or "IMG_1-edited"; older by a day;
  no JPEG resaved as PNG, not brightened, darkened or written over, as the pixels show; a lossless format;
  the larger file; the older.
A RAW file and the image rendered of it are one shot: both stay. Each copy was compared with the one that is kept.

Nothing is deleted, moved or changed: files are only read. A file with two names (links) is one image. -f leaves out
pages and members of archives, which cannot be deleted alone, groups whose files are not as they were indexed, and
sheets of writing or lines (scans, invoices, drawings) unless they are the same byte for byte: one digit may be all that
differs.

\b
Exit codes: 0 some found; 1 none found; 2 the call or an input is wrong, or there is no index.
"""


@click.command(epilog=EPILOG)
@index_option()
@click.option("--threshold", type=float, metavar="T", help="Cosine from which images may be copies; else as learnt.")
@click.option("--no-check", is_flag=True, help="Let the cosine alone decide: finds look-alikes too, such as bursts.")
@click.option("--learn", multiple=True, metavar="IMAGES", help="Learn the threshold on copies of these images.")
@click.option("--json", "form", flag_value="json", help="One JSON object per group and line.")
@click.option(
    "-f", "--files", "form", flag_value="files", help="Plain paths of the copies: of each group all but the original."
)
@click.option("-0", "zero", is_flag=True, help="With -f: end paths with NUL, for xargs -0.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write a contact sheet.")
@click.option("--model", "model_name", metavar="MODEL", help="Where the index's model is now, if it was moved.")
@click.pass_context
def command(
    ctx: click.Context,
    location: str | None,
    threshold: float | None,
    no_check: bool,
    learn: tuple[str, ...],
    form: str | None,
    zero: bool,
    html: Path | None,
    model_name: str | None,
) -> None:
    """Find images that are copies of each other: exact ones, smaller ones, cropped ones, mirrored ones.

    The first time, some images are copied in memory in many ways, to calibrate the threshold: how similar copies are.
    """
    from wordsight.cli._progress import download_progress
    from wordsight.duplicates.groups import find_duplicates
    from wordsight.gallery import Gallery

    if zero and form != "files":
        raise InputError("-0 ends plain paths with NUL; add -f.")
    if threshold is not None and learn:
        raise InputError("Both --threshold and --learn are given; a threshold is named or learnt.")
    with download_progress() as download, Gallery.open(location, model=model_name, download=download) as gallery:
        if threshold is None:
            _learn(gallery, learn)
        with _bar() as progress:
            found = find_duplicates(gallery.index, threshold, check=not no_check, progress=progress)
        groups = found.groups
        if html:
            _write_html(html, groups, gallery)
    if form == "files":
        _write_paths(groups, b"\0" if zero else b"\n")
    elif form == "json":
        for group in groups:
            click.echo(json.dumps(group.to_dict()))
    else:
        click.echo("\n".join(as_text(groups)), nl=bool(groups))
    any_copies = any(group.copies for group in groups)
    if not any_copies:
        click.echo("wordsight: no duplicates found.", err=True)
    if shots := sum(bool(group.shot) for group in groups):
        what = "1 shot is" if shots == 1 else f"{shots} shots are"
        click.echo(f"wordsight: {what} there as RAW file and as rendered image: both stay (--html, --json).", err=True)
    if found.gone:
        what = (
            "1 file is not there, it is" if len(found.gone) == 1 else f"{len(found.gone)} files are not there, they are"
        )
        click.echo(f"wordsight: {what} in no group. Run: wordsight index (or connect the drive)", err=True)
    ctx.exit(DONE if any_copies else NONE_FOUND)


def _learn(gallery: Gallery, named: Sequence[str]) -> None:
    """Learn on what is named, or once on the index's own images where it has enough of them."""
    from wordsight.duplicates.groups import read_threshold
    from wordsight.duplicates.threshold import learn

    if named:
        from wordsight.images.files import find_images

        images = find_images(named)
        click.echo(_learnt(learn(gallery.index, gallery.model, images)), err=True)
    elif len(gallery) >= LEARNT_FROM and read_threshold(gallery.index) is None:
        click.echo("wordsight: calibrating the threshold on copies of your images (once) …", err=True)
        try:
            click.echo(_learnt(learn(gallery.index, gallery.model)), err=True)
        except (InputError, StoreError) as error:  # no file to be read, the model gone, the index not to be written
            click.echo(f"wordsight: nothing was learnt; the usual threshold is taken. {error}", err=True)


def _learnt(learnt: LearntThreshold) -> str:
    """Return what was learnt, with the share of copies found of each kind, and what the figures rest on."""
    from wordsight.metrics import widest_margin

    width = max(map(len, learnt.recall))
    lines = [
        f"wordsight: the threshold was learnt on {learnt.images} images, each copied in {len(learnt.recall)} ways; "
        f"pixels are compared from a cosine of {learnt.candidates:.3f} on.",
        f"Share of these copies that are found (by the cosine alone, from {learnt.alone:.3f} on, as with --no-check):",
        *(
            f"  {kind:{width}}  {share:4.0%}  ({learnt.recall_alone[kind]:.0%})"
            for kind, share in learnt.recall.items()
        ),
        f"Each figure is of {learnt.images} copies: for images like these it may be {widest_margin(learnt.images):.0%} "
        "off either way.",
    ]
    return "\n".join(lines)


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


def as_text(groups: Sequence[Group]) -> list[str]:
    """Return the lines of the groups that hold copies: what to keep and why, then its copies, size, weight, cosine."""
    from wordsight.duplicates.physical_files import freed_bytes

    lines: list[str] = []
    groups = [group for group in groups if group.copies]
    for number, group in enumerate(groups, 1):
        same = ", all of the same content" if group.exact else ""
        because = f"; the first is kept because {group.because}" if group.because else ""
        lines.append(f"{number}. {len(group.rows)} images{same}{because}")
        for row, cosine in zip(group.rows, group.cosines, strict=True):
            size = f"{row.width}×{row.height}"
            lines.append(f"   {_role(group, row, cosine):5}  {size:>11}  {_bytes(row.size):>8}  {_name(row)}")
        lines.append("")
    if groups:
        copies = [row for group in groups for row in group.copies]
        counts = _count(len(groups), "group"), _count(len(copies), "copy", "copies")
        lines.append(f"{counts[0]}; deleting {counts[1]} frees {_bytes(sum(map(freed_bytes, copies)))}.")
    return lines


def _count(n: int, one: str, more: str = "") -> str:
    return f"{n} {one if n == 1 else more or one + 's'}"


def _role(group: Group, row: Row, cosine: float) -> str:
    """Return "keep", "shot" (it stays too), "same" content, or the cosine."""
    if row is group.keep:
        return "keep"
    if row.id in group.shot:
        return "shot"
    return "same" if row.content_hash == group.keep.content_hash else f"{cosine:.3f}"


def _write_paths(groups: Sequence[Group], end: bytes) -> None:
    """Write the files of copies once each: what can be deleted without losing an image, as far as is known now."""
    from wordsight.duplicates.physical_files import is_file, is_part

    kept = {os.path.realpath(_file(group.keep)) for group in groups}  # a link's target stays too
    stale = [group for group in groups if group.copies and not all(map(_as_indexed, group.rows))]
    found = [(row, row.id in group.paper) for group in groups if group not in stale for row in group.copies]
    copies = [row for row, paper in found if not paper]
    whole = [row for row in copies if is_file(row) and not is_part(row)]
    for path in dict.fromkeys(map(_file, whole)):
        if os.path.realpath(path) not in kept:
            click.echo(os.fsencode(path) + end, nl=False)
    if len(copies) < len(found):
        click.echo(
            f"wordsight: {len(found) - len(copies)} copies are sheets of writing or lines, where one digit may be all "
            "that differs; they are not listed. Look at them: --html FILE",
            err=True,
        )
    if len(whole) < len(copies):
        click.echo(
            f"wordsight: {len(copies) - len(whole)} copies are pages or members of archives; they are not listed.",
            err=True,
        )
    if stale:
        click.echo(
            f"wordsight: {len(stale)} groups hold files that changed or went since they were indexed; they are not "
            "listed. Run: wordsight index",
            err=True,
        )


def _as_indexed(row: Row) -> bool:
    """Return whether the file is there and as large and old as it was."""
    try:
        status = _file(row).stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (row.size, row.mtime_ns)


def _write_html(file: Path, groups: Sequence[Group], gallery: Gallery) -> None:
    from wordsight.images.names import source_name
    from wordsight.output.contact_sheet import Section, Tile, file_link, render_sections_html

    sections = [
        Section(
            f"{number}. {len(group.rows)} images" + (f"; kept because {group.because}" if group.because else ""),
            [
                Tile(
                    _file(row),
                    lines=[
                        _tile_role(group, row, cosine),
                        f"{row.width} × {row.height}, {_bytes(row.size)}",
                    ],
                    name=_name(row),
                    link=file_link(_place(row), row.page),
                    thumbnail=gallery.index.thumbnail(row.id),
                )
                for row, cosine in zip(group.rows, group.cosines, strict=True)
            ],
        )
        for number, group in enumerate(groups, 1)
    ]
    page = render_sections_html(sections, "Duplicates", f"{len(groups)} groups in {source_name(gallery.location)}")
    file.write_text(page, encoding="utf-8", errors="backslashreplace")
    click.echo(f"wordsight: contact sheet written to {source_name(file)}", err=True)


def _tile_role(group: Group, row: Row, cosine: float) -> str:
    role = _role(group, row, cosine)
    return {"shot": "stays: same shot, RAW and rendered", "same": "same content"}.get(
        role, role.replace("0.", "cosine 0.")
    )


def _file(row: Row) -> Path:
    from wordsight.path_text import to_path

    return to_path(row.path)


def _place(row: Row) -> Path | str:
    from wordsight.row_images import place_of

    return place_of(row)


def _name(row: Row) -> str:
    from wordsight.images.names import source_name

    return source_name(_place(row)) + ("" if row.page is None else f", page {row.page}")


def _bytes(n: float) -> str:
    for unit in ("B", "KB", "MB"):
        if n < 1000:
            return f"{n:.0f} {unit}" if unit == "B" or n >= 10 else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} GB"
