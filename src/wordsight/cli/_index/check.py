"""`wordsight index --check`: what of an index's files is damaged, and which images that concerns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from wordsight.cli._messages import DONE, SKIPS_SHOWN, SOME_SKIPPED, clean

if TYPE_CHECKING:
    from wordsight.gallery import Gallery
    from wordsight.index.base import Damage


def check_index(gallery: Gallery, *, as_json: bool) -> int:
    """Compare all files with their checksums, write what is damaged, and return the exit code."""
    damage = gallery.index.find_damage()
    if as_json:
        found = [{"file": each.file, "images": each.ids} for each in damage]
        click.echo(json.dumps({"index": gallery.location, "damaged": found}))
    elif damage:
        click.echo(clean("\n".join(_lines(gallery.location, damage))))
    else:
        click.echo(clean(f"{gallery.location}: all files are as they were written."))
    return SOME_SKIPPED if damage else DONE


def _lines(location: str, damage: Sequence[Damage]) -> list[str]:
    lines = []
    for each in damage:
        if each.ids is None:
            lines.append(f"{each.file} is damaged; the images that it concerns cannot be told.")
            continue
        line = f"{each.file} is damaged: {len(each.ids):,} images"
        if each.ids:
            line += ":"
        lines.append(line)
        lines += [f"  {id}" for id in each.ids[:SKIPS_SHOWN]]
        if len(each.ids) > SKIPS_SHOWN:
            lines.append(f"  … and {len(each.ids) - SKIPS_SHOWN:,} more (--json lists all)")
    return [*lines, f"Embed these images again with: wordsight index --repair --in {location}"]
