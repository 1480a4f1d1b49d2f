"""References to pairs that are not decoded yet: light enough to be shuffled, skipped and sent to a worker."""

from __future__ import annotations

from array import array
from typing import NamedTuple, Protocol


class FileRange(NamedTuple):
    """Bytes in a file: `size` of them from `start`; -1 is all there are."""

    path: str
    start: int = 0
    size: int = -1


class DatasetRow(NamedTuple):
    """A row of one of the datasets that the reader holds."""

    dataset: int
    row: int


class Reference(NamedTuple):
    """One pair. `draw`: seed of its random choices (seed, epoch, number of the pair), the same in every process.

    captions: of which one is drawn, as texts or as ranges of files; `fields`: a JSON object that holds them instead.
    problem: reason why there is no pair here, "" where there is one.
    """

    key: str
    draw: tuple[int, ...]
    image: FileRange | DatasetRow | None
    captions: tuple[str | FileRange, ...] = ()
    fields: FileRange | None = None
    problem: str = ""

    @property
    def number(self) -> tuple[int, ...]:
        """Number among pairs of the same key, such as other captions of the same image; the same in every epoch."""
        return self.draw[2:]


class Pairs(Protocol):
    """A source whose pairs can be taken in any order."""

    def __len__(self) -> int: ...

    def reference(self, index: int, draw: tuple[int, ...]) -> Reference:
        """Pair by its number."""


class PackedStrings:
    """Texts packed end to end: as a list of str millions of them would cost each worker several times the memory."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._ends = array("Q", [0])

    def append(self, text: str) -> None:
        """Add a text."""
        self._content += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._content))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, index: int) -> str:
        return self._content[self._ends[index] : self._ends[index + 1]].decode("utf-8", "surrogatepass")
