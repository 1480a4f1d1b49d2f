"""Options for reading sources."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class IngestOptions:
    """Options for reading sources.

    exclude: patterns as in a .gitignore file, matched against paths within a folder that is a source: "thumbs/",
        "*.gif", "/2019/**", "!keep.gif".
    image_column: the column of a table or dataset that holds the images, or a pattern over its columns
        ("images/{id}.jpg"); None finds it.
    text_columns: the columns that words are searched in; None: all that hold text.
    urls: fetch the images of a table whose cells are URLs (http and https).
    mask_title_block: of pages of documents, leave out the text block in the corner (done by `update.run`).
    """

    exclude: tuple[str, ...] = ()
    image_column: str | None = None
    text_columns: tuple[str, ...] | None = None
    urls: bool = False
    mask_title_block: bool = False
