"""`wordsight duplicates`: find pictures that an index holds more than once."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli._options import DONE, index_option
from wordsight.errors import InputError, StoreError

if TYPE_CHECKING:
    from wordsight.index import Row
    from wordsight.search.copies import LearntThreshold
    from wordsight.search.duplicates import Group
    from wordsight.search.gallery import Gallery

NONE_FOUND = 1
LEARNT_FROM = 200  # pictures in an index from which on a sample of them says what is near

EPILOG = """\b
Examples:
  wordsight duplicates                              groups, the picture to keep first
  wordsight duplicates --html duplicates.html       to look at
  wordsight duplicates -f -0 | xargs -0 trash       all but the best of each group
  wordsight duplicates --learn photos/2019          learn anew what copies of such pictures are like

Copies may be smaller, encoded anew, cropped by up to a fifth, mirrored, somewhat brighter or more colourful. The best
of a group has the most pixels, then the largest file, then the oldest date; each of the others was compared with it.
Nothing is deleted, moved or changed: files are only read. -f leaves out pages and members of archives, which cannot be
deleted alone, groups whose files are not as they were indexed, and sheets of writing or lines (scans, invoices,
drawings) unless they are the same byte for byte: one digit may be all that differs.

\b
Exit codes: 0 some found; 1 none found; 2 the call or an input is wrong, or there is no index.
"""


@click.command(epilog=EPILOG)
@index_option()
@click.option("--threshold", type=float, metavar="T", help="Cosine from which pictures may be copies; else as learnt.")
@click.option("--no-check", is_flag=True, help="Let the cosine alone decide: finds look-alikes too, such as bursts.")
@click.option("--learn", multiple=True, metavar="PICTURES", help="Learn the threshold on copies of these pictures.")
@click.option("--json", "form", flag_value="json", help="One JSON object per group and line.")
@click.option("-f", "--files", "form", flag_value="files", help="Plain paths of all but the best of each group.")
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
    """Find pictures that are copies of each other: exact ones, smaller ones, cropped ones, mirrored ones.

    The first time, some pictures are copied in memory in a dozen ways, to learn which cosines copies have.
    """
    from wordsight.cli.progress import download_progress
    from wordsight.search.duplicates import duplicates
    from wordsight.search.gallery import Gallery

    if zero and form != "files":
        raise InputError("-0 ends plain paths with NUL; add -f.")
    if threshold is not None and learn:
        raise InputError("Both --threshold and --learn are given; a threshold is named or learnt.")
    with download_progress() as download, Gallery.open(location, model=model_name, download=download) as gallery:
        if threshold is None:
            _learn(gallery, learn)
        with _bar() as progress:
            groups = duplicates(gallery.index, threshold, check=not no_check, progress=progress)
        if html:
            _write_html(html, groups, gallery)
    if form == "files":
        _write_paths(groups, b"\0" if zero else b"\n")
    elif form == "json":
        for group in groups:
            click.echo(json.dumps(as_dict(group)))
    else:
        click.echo("\n".join(as_text(groups)), nl=bool(groups))
    if not groups:
        click.echo("wordsight: no duplicates found.", err=True)
    ctx.exit(DONE if groups else NONE_FOUND)


def _learn(gallery: Gallery, named: Sequence[str]) -> None:
    """Learn on what is named, or once on the index's own pictures where it has enough of them."""
    from wordsight.search.copies import learn
    from wordsight.search.duplicates import learnt_threshold

    if named:
        from wordsight.sources import find_pictures

        pictures = find_pictures(named)
        click.echo(_learnt(learn(gallery.index, gallery.model, pictures)), err=True)
    elif len(gallery) >= LEARNT_FROM and learnt_threshold(gallery.index) is None:
        click.echo("wordsight: learning what copies of your pictures are like (once) …", err=True)
        try:
            click.echo(_learnt(learn(gallery.index, gallery.model)), err=True)
        except (InputError, StoreError) as error:  # no file to be read, the model gone, the index not to be written
            click.echo(f"wordsight: nothing was learnt; the usual threshold is taken. {error}", err=True)


def _learnt(learnt: LearntThreshold) -> str:
    found = sum(learnt.recall.values()) / len(learnt.recall)
    alone = sum(learnt.recall_alone.values()) / len(learnt.recall_alone)
    worst = min(learnt.recall, key=lambda kind: learnt.recall[kind])
    return (
        f"wordsight: learnt on {learnt.pictures} pictures and copies of them: compared from a cosine of "
        f"{learnt.candidates:.3f} on, {found:.0%} of copies are found (least of {worst!r}: {learnt.recall[worst]:.0%});"
        f" the cosine alone, without a look at the pixels, would need {learnt.alone:.3f} and find {alone:.0%}."
    )


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
    """Return the lines of the groups: what to keep, then its copies, with size, weight and cosine."""
    lines: list[str] = []
    for number, group in enumerate(groups, 1):
        lines += [f"{number}. {len(group.rows)} pictures" + (", all of the same content" if group.exact else "")]
        for row, cosine in zip(group.rows, group.cosines, strict=True):
            same = row.digest == group.keep.digest
            how = "keep" if row is group.keep else "same" if same else f"{cosine:.3f}"
            size = f"{row.width}×{row.height}"
            lines.append(f"   {how:5}  {size:>11}  {_bytes(row.size):>8}  {_name(row)}")
        lines.append("")
    if groups:
        copies = sum(len(group.copies) for group in groups)
        freed = _bytes(sum(row.size for group in groups for row in group.copies))
        plural = "s" if len(groups) > 1 else ""
        lines.append(f"{len(groups)} group{plural}; without the {copies} copies {freed} less.")
    return lines


def as_dict(group: Group) -> dict[str, Any]:
    """Return what JSON tells of a group."""
    members = [
        {"path": str(_place(row)), "page": row.page, "id": row.id, "width": row.width, "height": row.height,
         "size": row.size, "cosine": round(cosine, 6), "same_content": row.digest == group.keep.digest,
         "paper": row.id in group.paper}
        for row, cosine in zip(group.rows, group.cosines, strict=True)
    ]  # fmt: skip
    return {"keep": members[0]["path"], "exact": group.exact, "pictures": members}


def _write_paths(groups: Sequence[Group], end: bytes) -> None:
    """Write the files of copies once each: what can be deleted without losing a picture, as far as is known now."""
    kept = {os.path.realpath(_file(group.keep)) for group in groups}  # a link's target stays too
    stale = [group for group in groups if not all(map(_as_indexed, group.rows))]
    found = [(row, row.id in group.paper) for group in groups if group not in stale for row in group.copies]
    copies = [row for row, paper in found if not paper]
    whole = [row for row in copies if not _is_part(row)]
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


def _is_part(row: Row) -> bool:
    """Return whether the row's file holds more than this picture."""
    from wordsight.index.rows import is_part_of

    return row.page is not None or is_part_of(row.id, row.path)


def _as_indexed(row: Row) -> bool:
    """Return whether the file is there and as large and old as it was."""
    try:
        status = _file(row).stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (row.size, row.mtime_ns)


def _write_html(file: Path, groups: Sequence[Group], gallery: Gallery) -> None:
    from wordsight.contact_sheet import Section, Tile, file_link, render_sections_html
    from wordsight.images import source_name

    sections = [
        Section(
            f"{number}. {len(group.rows)} pictures",
            [
                Tile(
                    _file(row),
                    lines=[
                        "keep" if row is group.keep else f"cosine {cosine:.3f}",
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


def _file(row: Row) -> Path:
    from wordsight.ingest.paths import to_path

    return to_path(row.path)


def _place(row: Row) -> Path | str:
    from wordsight.search.hits import place_of

    return place_of(row)


def _name(row: Row) -> str:
    from wordsight.images import source_name

    return source_name(_place(row)) + ("" if row.page is None else f", page {row.page}")


def _bytes(n: float) -> str:
    for unit in ("B", "KB", "MB"):
        if n < 1000:
            return f"{n:.0f} {unit}" if unit == "B" or n >= 10 else f"{n:.1f} {unit}"
        n /= 1000
    return f"{n:.1f} GB"
