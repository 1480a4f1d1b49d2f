"""Captions in the cells of tables and datasets and in the JSON of shards: which columns hold them, and which texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from wordsight.errors import InputError, did_you_mean
from wordsight.pairs.options import PairOptions

# usual names of columns of captions, the likeliest first, in lower case
_USUAL = (
    *("caption", "captions", "text", "texts", "sentence", "sentences", "title", "titles", "alt", "alt_text"),
    *("alttext", "description", "prompt", "label", "name"),
)


def extract_captions(values: Iterable[Any]) -> list[str]:
    """Captions that cells hold: texts with a visible character, and those in lists of them."""
    return [value for value in _flat(values) if isinstance(value, str) and _is_visible(value)]


def explain_missing(values: Iterable[Any]) -> str:
    """Reason why cells hold no caption."""
    for value in _flat(values):
        if value is not None and not isinstance(value, str):
            return f"its caption is not a text but {type(value).__name__}"
    return "its caption is empty"


def choose_columns(
    source: str,
    there: Sequence[str],
    others: Iterable[str],
    rows: Iterable[dict[str, Any]],
    options: PairOptions,
) -> tuple[str, ...]:
    """Columns of captions: those named in the options, else those found among `others` by their names and some rows.

    source: as messages name it, such as "table 'pairs.tsv'". Raises: InputError naming the columns that are there.
    """
    columns = ", ".join(there)
    setting = options.name_setting("text_columns")
    if options.text_columns is None:
        found = find_columns(others, rows)
        if not found:
            raise InputError(
                f"No column of the {source} holds captions; its columns are {columns}. Name one in {setting}."
            )
        return found
    for name in options.text_columns:
        if name not in there:
            raise InputError(
                f"{setting} has {name!r}, which the {source} has not; its columns are {columns}."
                f"{did_you_mean(name, there)}"
            )
    return options.text_columns


def find_columns(columns: Iterable[str], rows: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Columns that hold captions: the one of the likeliest name with those numbered after it ("caption2"), else the
    one column whose cells in `rows` hold most words; () where none holds any.
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
            words[name] += sum(len(text.split()) for text in extract_captions([row.get(name)]) if not _is_number(text))
    best = max(words, key=words.__getitem__, default=None)
    if best is None or not words[best]:
        return ()
    return (best,)


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple):
            yield from value
        else:
            yield value


def _is_visible(text: str) -> bool:
    """Whether a text has a visible character, not only blanks, controls and joiners."""
    return any(letter.isprintable() and not letter.isspace() for letter in text)


def _is_number(text: str) -> bool:
    return not any(letter.isalpha() for letter in text)
