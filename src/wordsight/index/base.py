"""Contents and answers of an index: a row for each image, and the `Index` that every store implements."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from wordsight.columns import Value
from wordsight.errors import InputError, StoreError, did_you_mean
from wordsight.text.analysis import Query, Word, query_terms

if TYPE_CHECKING:
    from wordsight.model import Model

Floats: TypeAlias = NDArray[np.float32]
Note: TypeAlias = dict[str, Any]  # what JSON can hold

FORMAT = 2  # 2: with the terms of the texts
# said once, when an index of an older version is written
ANALYSED_AGAIN = (
    "The index {} was made by an older version: its texts were analysed again, so that words are found by their stems, "
    "without accents, and inside other words."
)


def belongs_to(id: str, path: str) -> bool:
    """Whether an id (see `Row.id`) names a part of the file at a path: a page, a tar's member, a table's row."""
    return id.startswith(f"{path}#")


@dataclass(frozen=True)
class IndexInfo:
    """Model and format of an index. A model of another fingerprint is refused: its vectors mean something else.

    model: what `wordsight.load` takes to get the model again. created: ISO 8601, UTC.
    """

    model: str
    fingerprint: str
    dim: int
    created: str
    format: int = FORMAT


@dataclass(frozen=True, eq=False)
class Row:
    """One image (or page) of an index.

    id: unique in the index: the path; of a PDF page "<path>#page=3"; of a tar's member "<path>#<key>"; of a table's row
        "<table>#<image>". Characters that are not UTF-8 are kept by `path_text`.
    source: what the user named that brought it (an absolute path or a URL).
    path: the file that holds the image; page: counted from 1, of documents only.
    content_hash: of the content; rows of equal content share a vector.
    annotation_hash: hash of text and meta: tells a change beside the pixels.
    size, mtime_ns: of the file at `path` when it was read: the shortcut that saves reading it again.
    width, height: of the image in its file, pixels; taken: when, ISO 8601 from EXIF, or None.
    text: what BM25 reads. meta: a table's columns. vector: (D,) float32, unit length.
    thumbnail: a small JPEG where the file itself is not an image (pages); empty else.
    """

    id: str
    source: str
    path: str
    content_hash: str
    vector: Floats
    page: int | None = None
    size: int = 0
    mtime_ns: int = 0
    width: int = 0
    height: int = 0
    taken: str | None = None
    annotation_hash: str = ""
    text: str = ""
    meta: Mapping[str, Value] = field(default_factory=dict)
    thumbnail: bytes = b""

    def __repr__(self) -> str:
        """Fields that tell rows apart, without vector and thumbnail."""
        shown = f"Row {self.id}"
        if self.width:
            shown += f" {self.width}×{self.height}"
        if self.meta:
            shown += f" {dict(self.meta)}"
        return f"<{shown}>"


@dataclass(frozen=True, slots=True)
class RowVersion:
    """Fields of a row that tell whether it is up to date, without its vector."""

    id: str
    source: str
    path: str
    content_hash: str
    size: int
    mtime_ns: int
    annotation_hash: str

    @property
    def in_file(self) -> bool:
        """Whether the row belongs to the file at `path`; a table's does not, whose image is a file of its own."""
        return self.id == self.path or belongs_to(self.id, self.path)


@dataclass(frozen=True, eq=False)
class Match:
    """A row that answers a query: `score` is the cosine (`nearest`) or BM25's score (`match_text`).

    The row has its vector, meta and text; its thumbnail may be left out (see `Index.thumbnail`). coverage: of
    `match_text`, the share of the query's words that the row's text holds, which BM25's score has been multiplied by.
    """

    row: Row
    score: float
    coverage: float | None = None


@dataclass(frozen=True)
class Damage:
    """A file of an index that is not as it was written, or missing. ids: of the images in it; None: cannot be told."""

    file: str
    ids: list[str] | None
    is_missing: bool = False


@dataclass(frozen=True)
class FileCheck:
    """Comparison of an index's files with their checksums.

    compared, unrecorded: numbers of files that have a checksum, and that have none, of which nothing is known.
    is_lost: no version of the index can be read, so that it cannot be repaired.
    """

    damage: tuple[Damage, ...] = ()
    compared: int = 0
    unrecorded: int = 0
    is_lost: bool = False


COUNTED = 200  # rows looked at by a store that cannot count all of a kind

# texts that BM25 finds best are put in order with the share of the words that they hold, at least so many
TEXTS_COMPARED = 200


def by_coverage(found: Iterable[tuple[Row, float, float]], k: int) -> list[Match]:
    """The k best of rows with BM25's scores and their coverage.

    A text that holds one rare word of a query several times is then no better than one that holds all its words. On
    short queries ("women's black handbags") nDCG@10 rises by 0.02, benchmarks/hybrid_quality.py. Source: Lucene's
    `coord`, in its `TFIDFSimilarity` until version 6.
    """
    matches = [Match(row, score * coverage, coverage) for row, score, coverage in found if coverage > 0]
    return sorted(matches, key=lambda match: -match.score)[:k]


class Index(ABC):
    """A store of rows. Everything written is durable when a method returns; a killed process leaves a readable index.

    `where`: an SQL condition over OWN_COLUMNS and the tables' columns: "gender = 'Women' and price < 50".
    Raises (all methods): InputError for a condition that cannot be read, naming it and the columns there are;
    StoreError for a store that cannot be read or written, naming where it lies and what to do.
    """

    info: IndexInfo

    @abstractmethod
    def __len__(self) -> int:
        """Number of rows."""

    @abstractmethod
    def columns(self) -> dict[str, str]:
        """Columns that `where` may name → "text", "integer", "number" or "boolean"."""

    @abstractmethod
    def row_versions(self) -> Iterator[RowVersion]:
        """Yield the version of every row, some at a time: memory does not grow with the index."""

    def begin_writing(self) -> None:  # noqa: B027 - a store that many may write at a time has nothing to do
        """Take the right to write now and keep it until `optimise` or `close`; else the first writing takes it.

        Raises: StoreError where another process or object has it.
        """

    @abstractmethod
    def add(self, rows: Sequence[Row]) -> None:
        """Add rows; a row whose id is there already takes the old one's place.

        Raises: `columns.ColumnKindError` where a column holds another kind of value than before; nothing is added then.

        Lance adds all or none. Qdrant and Pinecone check all rows first, but a process killed while it sends them
        leaves those that were sent.
        """

    @abstractmethod
    def remove(self, ids: Sequence[str]) -> None:
        """Remove rows; ids that are not there are ignored."""

    @abstractmethod
    def get(self, ids: Sequence[str]) -> list[Row]:
        """Rows of those ids that are there, in the order asked, whole (vector, text, thumbnail)."""

    @abstractmethod
    def find_vectors(self, content_hashes: Sequence[str]) -> dict[str, Floats]:
        """Content hash → vector (D,) of the contents that are there: renamed and copied files reuse theirs."""

    @abstractmethod
    def nearest(self, query_D: Floats, k: int, where: str | None = None) -> list[Match]:
        """The k rows of the largest cosine with a unit vector, best first."""

    def count_near(self, query_D: Floats, cosine: float, where: str | None = None) -> tuple[int, bool]:
        """Number of rows of a cosine with a unit vector from this one on, and whether there may be more."""
        near = self.nearest(query_D, COUNTED, where)
        number = sum(match.score >= cosine for match in near)
        return number, number == COUNTED

    @abstractmethod
    def match_text(self, words: Query, k: int, where: str | None = None) -> list[Match]:
        """The k rows whose text matches best (see `by_coverage`), best first; none where no word is found.

        words: a text, read by `query_words`, or what that returned. Quotes and operators mean nothing.
        """

    def query_words(self, text: str) -> tuple[Word, ...]:
        """Words of a query, with other spellings of those that no text of the index holds, where it can."""
        return query_terms(text)

    @abstractmethod
    def sample(self, n: int) -> Floats:
        """Vectors (≤ n, D) of rows spread evenly over the index, the same each time."""

    def read_columns(self, names: Sequence[str], where: str | None = None) -> dict[str, list[Value]]:
        """Values of columns, and the ids under "id", of all rows that a condition admits; None where there is none.

        names: of `columns`. The rows of each list are the same, in an order that stays while nothing is written.
        Raises: InputError for a column that is not there, and of a store that cannot list rows (Pinecone).
        """
        raise InputError("This store cannot list its rows, so that there are no facets and no browsing.")

    def count(self, where: str) -> int:
        """Number of rows that a condition admits. Raises: InputError of a store that cannot count them (Pinecone)."""
        return len(self.read_columns([], where)["id"])

    def state(self) -> str | None:
        """Name of the present contents, another after each write; None of a store that does not tell."""
        return None

    @abstractmethod
    def batches(self, size: int = 4096) -> Iterator[tuple[list[str], Floats]]:
        """Batches of (ids, vectors (B, D)) of the whole index, some at a time."""

    @abstractmethod
    def note(self, key: str) -> Note | None:
        """Note that was kept under a key (learnt thresholds, sources, the tuned fusion), or None."""

    @abstractmethod
    def set_note(self, key: str, note: Note) -> None:
        """Keep a note."""

    @abstractmethod
    def optimise(self) -> None:
        """Make queries fast after rows came or went: compact, bring the text and the ANN index up to date."""

    @abstractmethod
    def close(self) -> None:
        """Close files and connections."""

    def check_files(self) -> FileCheck:
        """Comparison of all files with their checksums; empty of a store that looks after its files itself."""
        return FileCheck()

    def find_damage(self) -> list[Damage]:
        """Files of the index that are damaged or missing."""
        return list(self.check_files().damage)

    def repair(self) -> None:  # noqa: B027 - a store without files of its own has nothing to do
        """Remove what is damaged, with its rows: the next update embeds those again whose images are there.

        Raises: StoreError where nothing can be kept.
        """

    def thumbnail(self, id: str) -> bytes:
        """Row's small JPEG, or b""."""
        rows = self.get([id])
        return rows[0].thumbnail if rows else b""


def check_columns(names: Sequence[str], known: Iterable[str]) -> None:
    """Raise InputError for a column that is not there, with those that are."""
    known = list(known)
    for name in names:
        if name not in known:
            raise InputError(f"There is no column {name!r}; there are: {', '.join(known)}.{did_you_mean(name, known)}")


def check_model(index: Index, model: Model) -> None:
    """Raise StoreError where an index was made with another model, naming both."""
    check_same_model(index.info, model.spec.name, model.fingerprint, model.spec.embed_dim)


def describe_absence(location: str) -> str:
    """Message where there is no index."""
    return f"There is no index in {location}; make one with: wordsight index FOLDER --in {location}"


def check_same_model(info: IndexInfo, name: str, fingerprint: str, dim: int, location: str = "") -> None:
    """Raise StoreError unless this model, of the name, fingerprint and dimensions given, made the index."""
    if (fingerprint, dim) == (info.fingerprint, info.dim):
        return
    index = "The index"
    if location:
        index += f" {location}"
    raise StoreError(
        f"{index} was made with the model {info.model} (fingerprint {info.fingerprint}, {info.dim} dimensions), not "
        f"with {name} (fingerprint {fingerprint}, {dim} dimensions): their vectors cannot be compared. Use the index's "
        "model, or make another index."
    )
