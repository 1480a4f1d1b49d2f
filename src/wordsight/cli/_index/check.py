"""`wordsight index --check`: what of an index's files is damaged, and which images that concerns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from wordsight.cli._messages import DONE, SKIPS_SHOWN, SOME_SKIPPED, clean

if TYPE_CHECKING:
    from wordsight.gallery import Gallery
    from wordsight.index.base import Damage, FileCheck


def check_index(gallery: Gallery, *, as_json: bool) -> int:
    """Compare all files with their checksums, write what is damaged, and return the exit code."""
    check = gallery.index.check_files()
    if as_json:
        record = {
            "index": gallery.location,
            "compared": check.compared,
            "without_checksum": check.unrecorded,
            "damaged": [{"file": each.file, "images": each.ids} for each in check.damage],
        }
        click.echo(json.dumps(record))
    else:
        lines = [f"{gallery.location}: {_summary(check)}", *_lines(check.damage), *_advice(gallery.location, check)]
        click.echo(clean("\n".join(lines)))
    return SOME_SKIPPED if check.damage else DONE


def _summary(check: FileCheck) -> str:
    if not check.compared and not check.unrecorded and not check.damage:
        return "nothing to compare; its store looks after its files itself."
    text = f"{check.compared:,} files compared"
    if check.unrecorded:
        text += f", {check.unrecorded:,} without a checksum (written by an older version)"
    if check.damage:
        return f"{text}; {len(check.damage):,} damaged or missing:"
    if check.compared:
        text += "; all that were compared are as they were written" if check.unrecorded else ", as they were written"
    return f"{text}."


def _lines(damage: Sequence[Damage]) -> list[str]:
    lines = []
    for each in damage:
        state = "missing" if each.is_missing else "damaged"
        if each.ids is None:
            lines.append(f"{each.file} is {state}; the images that it concerns cannot be told.")
            continue
        line = f"{each.file} is {state}: {len(each.ids):,} images"
        if each.ids:
            line += ":"
        lines.append(line)
        lines += [f"  {id}" for id in each.ids[:SKIPS_SHOWN]]
        if len(each.ids) > SKIPS_SHOWN:
            lines.append(f"  … and {len(each.ids) - SKIPS_SHOWN:,} more (--json lists all)")
    return lines


def _advice(location: str, check: FileCheck) -> list[str]:
    if check.is_lost:
        return [f"No version of it can be read: delete {location} and make it again with: wordsight index …"]
    if check.damage:
        return [f"Embed these images again with: wordsight index --repair --in {location}"]
    if check.unrecorded:
        return [f"Record the missing checksums with: wordsight index --repair --in {location}"]
    return []
