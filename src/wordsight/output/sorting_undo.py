"""Undoing a sorting by its listing: moved files go back, copies and links are removed; nothing is overwritten."""

from __future__ import annotations

import contextlib
import csv
import os
from dataclasses import dataclass
from pathlib import Path

from wordsight.durable import written_whole
from wordsight.errors import InputError
from wordsight.output.sorting import FIELDS, LISTING, fill, same_content


@dataclass(frozen=True)
class Undone:
    """Outcome of `undo`: files moved back, copies and links removed, and (file, reason) of what was left as it is."""

    moved_back: int
    removed: int
    kept: tuple[tuple[Path, str], ...]


def undo(folder: Path) -> Undone:
    """Reverse all that `folder/wordsight-sort.csv` lists, the last step first, and remove those lines from the list.

    A file goes back only to a free place; a copy is removed only while its original is there with the same content, a
    link only while it leads to its original. Folders that are empty then are removed, `folder` too.
    Raises: InputError for a folder without a listing, or one that is damaged or lists files elsewhere.
    """
    rows = _read(folder)
    back = {row["destination"]: Path(row["source"]) for row in rows if row["how"] == "move"}
    moved_back = removed = 0
    kept: list[tuple[dict[str, str], str]] = []
    for row in reversed(rows):
        destination = Path(row["destination"])
        if not os.path.lexists(destination):
            continue  # undone before, or removed by hand
        try:
            reason = _move_back(row, back) if row["how"] == "move" else _remove(row)
        except OSError as error:
            reason = error.strerror or str(error)
        if reason:
            kept.append((row, reason))
            continue
        moved_back += row["how"] == "move"
        removed += row["how"] != "move"
        with contextlib.suppress(OSError):  # others' files are in it
            destination.parent.rmdir()
    _write(folder, [row for row, _ in reversed(kept)])
    return Undone(moved_back, removed, tuple((Path(row["destination"]), reason) for row, reason in reversed(kept)))


def _read(folder: Path) -> list[dict[str, str]]:
    path = folder / LISTING
    try:
        with open(path, newline="", encoding="utf-8", errors="surrogateescape") as file:
            rows = list(csv.DictReader(file, strict=True))
    except FileNotFoundError:
        raise InputError(
            f"{str(folder)!r} has no {LISTING}, which lists what was sorted; name the folder given to --sort-into."
        ) from None
    except csv.Error as error:
        raise InputError(f"{str(path)!r} is damaged ({error}); fix or remove it.") from error
    root = Path(os.path.abspath(folder))
    for number, row in enumerate(rows, 2):
        if not set(FIELDS) <= row.keys() or None in row.values() or row["how"] not in ("copy", "link", "move"):
            raise InputError(
                f"Row {number} of {str(path)!r} is not of a sorting; expected the columns {', '.join(FIELDS)}."
            )
        if not Path(os.path.abspath(row["destination"])).is_relative_to(root):
            raise InputError(
                f"Row {number} of {str(path)!r} names {row['destination']!r}, outside of {str(root)!r}; was the folder "
                "moved or renamed? Give it its old name for --undo."
            )
    return rows


def _move_back(row: dict[str, str], back: dict[str, Path]) -> str:
    """Move a file to where it was; the reason why not, or ""."""
    source, destination = Path(row["source"]), Path(row["destination"])
    source.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(source, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    except FileExistsError:
        return f"{str(source)!r} is taken by another file"
    leads_back: dict[str, Path] = {}
    if destination.is_symlink():
        leads_back = {os.path.realpath(now): before for now, before in back.items() if not os.path.islink(now)}
    fill(destination, source, "move", leads_back)
    return ""


def _remove(row: dict[str, str]) -> str:
    """Remove a copy or link; the reason why not, or ""."""
    source, destination = Path(row["source"]), Path(row["destination"])
    if row["how"] == "link":
        if not destination.is_symlink() or os.readlink(destination) != str(source):
            return "is not the link that was made"
    elif not source.exists():
        return f"its original {str(source)!r} is gone"
    elif destination.samefile(source):
        return "is the original"
    elif not same_content(source, destination):
        return "differs from its original"
    destination.unlink()
    return ""


def _write(folder: Path, rows: list[dict[str, str]]) -> None:
    """Leave what was not undone in the listing; without any, remove the listing, and the folder if it is empty."""
    path = folder / LISTING
    if not rows:
        path.unlink()
        with contextlib.suppress(OSError):  # others' files are in it
            folder.rmdir()
        return
    with (
        written_whole(path) as part,
        open(part, "w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.DictWriter(file, FIELDS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
