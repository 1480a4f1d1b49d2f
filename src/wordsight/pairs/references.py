"""What is known of a pair before it is decoded: light enough to be shuffled, skipped and sent to a worker."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from wordsight.errors import TrainError, did_you_mean

# what columns of captions are called, the likeliest first, in lower case
_USUAL = (
    *("caption", "captions", "text", "texts", "sentence", "sentences", "title", "titles", "alt", "alt_text"),
    *("alttext", "description", "prompt", "label", "name"),
)
LeftOut = tuple[str, str, tuple[int, ...]]  # a sample's key, the reason, its number

_NAMES_KEPT = 3  # of the samples of each reason
_REASONS_KEPT = 50


class Place(NamedTuple):
    """Where bytes lie: in a file, from `start` on, `size` of them; -1 is all there are."""

    path: str
    start: int = 0
    size: int = -1


class Row(NamedTuple):
    """A row of one of the datasets that the decoder holds."""

    dataset: int
    row: int


class Reference(NamedTuple):
    """One pair. `draw`: what its chance is seeded with (seed, epoch, which one it is), the same in every process.

    captions: of which one is drawn, as texts or as where they lie; `fields`: a JSON object that holds them instead.
    problem: why there is no pair here, "" where there is one.
    """

    key: str
    draw: tuple[int, ...]
    image: Place | Row | None
    captions: tuple[str | Place, ...] = ()
    fields: Place | None = None
    problem: str = ""

    @property
    def number(self) -> tuple[int, ...]:
        """What tells it from others of its key, such as other captions of the same image; alike in every epoch."""
        return self.draw[2:]


class Pairs(Protocol):
    """A source whose pairs can be taken in any order."""

    def __len__(self) -> int: ...

    def reference(self, index: int, draw: tuple[int, ...]) -> Reference:
        """Return a pair by its number."""


class Strings:
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


class Tally:
    """Samples that were left out: how many for each reason, with the first names; each sample counts once."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.names: dict[str, list[str]] = {}
        self._seen: set[int] = set()

    @property
    def total(self) -> int:
        """How many samples were left out."""
        return self.reasons.total()

    def add(self, key: str, reason: str, number: tuple[int, ...] = ()) -> bool:
        """Count a sample; return whether it was not counted before. number: tells samples of one key apart."""
        mark = hash((key, reason, number))
        if mark in self._seen:
            return False
        self._seen.add(mark)
        kind = reason if reason in self.reasons or len(self.reasons) < _REASONS_KEPT else "other reasons"
        self.reasons[kind] += 1
        names = self.names.setdefault(kind, [])
        if len(names) < _NAMES_KEPT:
            names.append(key)
        return True

    def lines(self) -> list[str]:
        """Return a line for each reason, the commonest first: "12 × no such file: a.jpg, b.jpg, c.jpg, …"."""
        return [
            f"{count:,} × {reason}: {', '.join(self.names[reason])}{', …' if count > _NAMES_KEPT else ''}"
            for reason, count in self.reasons.most_common()
        ]


def captions_in(values: Iterable[Any]) -> list[str]:
    """Return the captions that cells hold: texts in which something can be seen, and those in lists of them."""
    return [value for value in _flat(values) if isinstance(value, str) and _shows(value)]


def why_none(values: Iterable[Any]) -> str:
    """Return why cells hold no caption."""
    for value in _flat(values):
        if value is not None and not isinstance(value, str):
            return f"its caption is no text but {type(value).__name__}"
    return "its caption is empty"


def chosen_columns(
    source: str,
    there: Sequence[str],
    others: Iterable[str],
    rows: Iterable[dict[str, Any]],
    named: tuple[str, ...] | None,
) -> tuple[str, ...]:
    """Return the columns of captions: those named, else those found among `others` by their names and some rows.

    source: what it is, such as "table 'pairs.tsv'". Raises: TrainError naming the columns that are there.
    """
    columns = ", ".join(there)
    if named is None:
        if found := caption_columns(others, rows):
            return found
        raise TrainError(
            f"No column of the {source} holds captions; its columns are {columns}. Name one in data.text_columns."
        )
    for name in named:
        if name not in there:
            raise TrainError(
                f"data.text_columns has {name!r}, which the {source} has not; its columns are {columns}."
                f"{did_you_mean(name, there)}"
            )
    return named


def caption_columns(columns: Iterable[str], rows: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Return the columns that hold captions: of the likeliest name with those numbered after it ("caption2"), else
    the one column whose cells in `rows` hold most words; () where none holds any.
    """
    columns = list(columns)
    by_stem: dict[str, list[str]] = {}
    for name in columns:
        by_stem.setdefault(name.lower().rstrip("0123456789").rstrip("_- "), []).append(name)
    for usual in _USUAL:
        if usual in by_stem:
            return tuple(by_stem[usual])
    words = dict.fromkeys(columns, 0)
    for row in rows:
        for name in columns:
            words[name] += sum(len(text.split()) for text in captions_in([row.get(name)]) if not _is_number(text))
    best = max(words, key=words.__getitem__, default=None)
    return (best,) if best is not None and words[best] else ()


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from value
        else:
            yield value


def _shows(text: str) -> bool:
    """Return whether a text has more than blanks and what cannot be printed (controls, joiners of nothing)."""
    return any(letter.isprintable() and not letter.isspace() for letter in text)


def _is_number(text: str) -> bool:
    return not any(letter.isalpha() for letter in text)
