"""Units (files, as they are found) and the items in them: what is known of an image before it is decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from PIL import Image

from wordsight.columns import Value
from wordsight.images.inputs import ImageSource
from wordsight.images.skipped import Skipped


@dataclass(frozen=True, eq=False)
class Content:
    """Content of one item, once read: the hash of its bytes, and `image`, which decodes or renders it when called.

    A PDF page's hash is that of file and page number: nothing is rendered to learn it.
    """

    content_hash: str
    image: Callable[[], ImageSource | Image.Image]


@dataclass(frozen=True, repr=False)
class Unlisted(Skipped):
    """A folder, table, document, archive or dataset that could not be listed, or not to its end.

    `item` is its path (a Path; a dataset's name). What was found in or below it before is not known to be gone.
    """


@dataclass(frozen=True, eq=False)
class Item:
    """One image (or page) of a source; its fields are those of `index.Row`.

    read: returns the content; called in decoding threads. Raises: ImageError with the reason alone. It can be
        pickled, to be called in another process.
    path: `path_text.to_text` of the file, absolute; a URL where a table names one; a dataset's name.
    size, mtime_ns: of that file; 0 for a URL, which is taken as unchanged once read; for a dataset the second
        stands for its state.
    """

    id: str
    source: str
    path: str
    read: Callable[[], Content]
    page: int | None = None
    size: int = 0
    mtime_ns: int = 0
    text: str = ""
    meta: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Unit:
    """A file (or dataset) of a source, listed but not opened; `items` opens it.

    unchanged_if_same_mtime: an unchanged size and mtime mean unchanged items: of images, PDFs and tars, but not of
        tables whose images are other files.
    """

    source: str
    path: str
    size: int
    mtime_ns: int
    items: Callable[[], Iterator[Item | Skipped]]
    unchanged_if_same_mtime: bool = True
