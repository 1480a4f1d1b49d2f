"""Plain paths of the copies: files that can be deleted without losing an image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from wordsight.cli._duplicates.rows import file
from wordsight.cli._messages import say

if TYPE_CHECKING:
    from wordsight.duplicates.groups import Group
    from wordsight.index import Row


def write_paths(groups: Sequence[Group], end: bytes) -> None:
    """Write the files of copies once each, and report those that are left out."""
    from wordsight.duplicates.physical_files import is_file, is_part

    kept = {os.path.realpath(file(group.keep)) for group in groups}  # a link's target is kept too
    stale = [group for group in groups if group.copies and not all(map(_is_as_indexed, group.rows))]
    found = [(row, row.id in group.paper) for group in groups if group not in stale for row in group.copies]
    copies = [row for row, paper in found if not paper]
    whole = [row for row in copies if is_file(row) and not is_part(row)]
    for path in dict.fromkeys(map(file, whole)):
        if os.path.realpath(path) not in kept:
            click.echo(os.fsencode(path) + end, nl=False)
    if len(copies) < len(found):
        say(f"{len(found) - len(copies)} copies are sheets of text or lines, which may differ in a single digit; they "
            "are not listed. Review them with --html FILE.")  # fmt: skip
    if len(whole) < len(copies):
        say(f"{len(copies) - len(whole)} copies are pages or members of archives; they are not listed.")
    if stale:
        say(f"{len(stale)} groups contain files that changed or disappeared since they were indexed; they are not "
            "listed. Run: wordsight index")  # fmt: skip


def _is_as_indexed(row: Row) -> bool:
    """Whether the file exists, with the size and time of when it was indexed."""
    try:
        status = file(row).stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (row.size, row.mtime_ns)
