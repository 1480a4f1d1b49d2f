"""The contact sheet of duplicates: a section per group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.cli._duplicates.rows import display_name, file, place, role, size_text
from wordsight.cli._messages import clean, say

if TYPE_CHECKING:
    from wordsight.duplicates.groups import Group
    from wordsight.gallery import Gallery
    from wordsight.index import Row
    from wordsight.output.contact_sheet import Tile


def write_html(path: Path, groups: Sequence[Group], gallery: Gallery) -> None:
    """Write the contact sheet."""
    from wordsight.images.names import source_name
    from wordsight.output.contact_sheet import Section, render_sections_html, write_sheet

    sections = []
    for number, group in enumerate(groups, 1):
        heading = f"{number}. {len(group.rows)} images"
        if group.because:
            heading += f"; kept because {group.because}"
        sections.append(Section(heading, list(_tiles(group, gallery))))
    page = render_sections_html(sections, "Duplicates", clean(f"{len(groups)} groups in {gallery.location}"))
    write_sheet(path, page)
    say(f"contact sheet written to {source_name(path)}")


def _tiles(group: Group, gallery: Gallery) -> Iterator[Tile]:
    from wordsight.output.contact_sheet import Tile, file_link

    for row, cosine in zip(group.rows, group.cosines, strict=True):
        yield Tile(
            file(row),
            lines=[_role_text(group, row, cosine), f"{row.width} × {row.height}, {size_text(row.size)}"],
            name=display_name(row),
            link=file_link(place(row), row.page),
            thumbnail=gallery.index.thumbnail(row.id),
        )


def _role_text(group: Group, row: Row, cosine: float) -> str:
    texts = {"keep": "keep", "shot": "keep too: same shot, RAW and rendered", "same": "identical content"}
    return texts.get(role(group, row, cosine), f"cosine {cosine:.3f}")
