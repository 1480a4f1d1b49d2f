"""Tables as streams of records, whatever the format of their files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import IO, Any, TypeAlias

from wordsight.columns import Kinds

Record: TypeAlias = dict[str, Any]

_LINE = 64 << 20  # characters of a line at most: a file without line breaks would be held whole


class TableFile(ABC):
    """A table: its columns, and its records as often as asked, in order.

    Raises: InputError when it is opened and cannot be read; ValueError or OSError where it turns out damaged later.
    """

    columns: list[str]

    def __init__(self, path: str) -> None:
        self.path = path

    @abstractmethod
    def records(self, columns: Sequence[str] | None = None, *, nested: bool = False) -> Iterator[Record | str]:
        """Yield each row as column → value, or why it is not a row.

        columns: those needed; None is all. nested: lists and objects stay as they are.
        """

    def holds(self, column: str | None) -> bool:
        """Whether a column holds images themselves, not their names."""
        return False

    def kinds(self) -> Kinds:
        """Kinds of which nothing is known yet; a format that records its types tells them."""
        return Kinds()


def read_lines(file: IO[str]) -> Iterator[str]:
    """Yield the lines of a file. Raises: ValueError for one that is too long to be held."""
    while line := file.readline(_LINE):
        if len(line) == _LINE and not line.endswith("\n"):
            raise ValueError(f"it is damaged (a line is longer than {_LINE:,} characters)")
        yield line
