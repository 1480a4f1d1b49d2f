"""The contact sheet of `wordsight classify`: a section per label."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from wordsight.cli._classify.answers import ImageAnswer, Tally, count_images

if TYPE_CHECKING:
    from wordsight.output.contact_sheet import Tile

TILES_SHOWN = 300  # per class: the sheet holds its images


def write_html(path: Path, tally: Tally, title: str) -> None:
    """Write a contact sheet with a section per label, the most probable images first."""
    from wordsight.output.contact_sheet import Section, render_sections_html, write_sheet

    sections = []
    for label in tally.labels:
        answers = sorted(tally.answers.get(label, []), key=lambda image: -dict(image.answer.chosen)[label])
        if answers:
            heading = f"{label} · {count_images(len(answers))}"
            if len(answers) > TILES_SHOWN:
                heading += f", the first {TILES_SHOWN}"
            sections.append(Section(heading, [_tile(image) for image in answers[:TILES_SHOWN]]))
    write_sheet(path, render_sections_html(sections, title, " · ".join(tally.labels)))


def _tile(image: ImageAnswer) -> Tile:
    """Tile of one image, which links to its file."""
    from wordsight.images.names import source_name
    from wordsight.output.contact_sheet import Tile, file_link

    thumbnail = b""
    if image.page is not None:
        thumbnail = _thumbnail(image.path, image.page)
    link = file_link(image.path, image.page)
    return Tile(image.path, image.answer.ranked, name=source_name(image.name), link=link, thumbnail=thumbnail)


def _thumbnail(path: Path, page: int) -> bytes:
    """PNG of a page; empty where the document changed since it was sorted: the answer remains an answer."""
    from wordsight.errors import ImageError
    from wordsight.ingest.pdf import Document

    try:
        file = io.BytesIO()
        Document(str(path)).render(page).save(file, "PNG")
        return file.getvalue()
    except ImageError:
        return b""
