"""Queries of a Lance dataset: scans, conditions over many values, the query for words."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from wordsight.errors import MissingExtraError
from wordsight.index.base import Note
from wordsight.index.lance import ITEMS
from wordsight.index.lance import schema as columns
from wordsight.text.analysis import GUESSED, Word, collect_terms

NOTE = "wordsight.note."
VALUES_PER_CONDITION = 2000
# so that memory does not grow with the index
SCAN = {"batch_size": 4096, "batch_readahead": 1, "fragment_readahead": 1, "io_buffer_size": 8 * 2**20}


def dataset_address(location: str, folder: Path | None) -> str:
    """Where Lance finds the dataset of an index."""
    if folder is None:
        return location.rstrip("/")
    return str(folder.absolute() / ITEMS)


def import_lance() -> Any:
    """Import Lance, which writes to standard error on its own unless told not to."""
    os.environ.setdefault("LANCE_LOG", "error")
    try:
        import lance
    except ImportError:
        raise MissingExtraError("An index on disk", "pylance", "search") from None
    return lance


def terms_query(words: Sequence[Word]) -> Any:
    """Query for any of the terms; what was only guessed scores less."""
    lance = import_lance().query
    asked = lance.MatchQuery(" ".join(collect_terms(words)), columns.TERMS)
    if not (guesses := " ".join(dict.fromkeys(term for word in words for term in word.guesses))):
        return asked
    less = lance.MatchQuery(guesses, columns.TERMS, boost=GUESSED)
    return lance.BooleanQuery([(lance.Occur.SHOULD, asked), (lance.Occur.SHOULD, less)])


def scan(data: Any, names: list[str], **more: Any) -> Iterator[pa.RecordBatch]:
    """Batches of some columns, one at a time; more: options of Lance's scanner."""
    batches = data.scanner(names, **{**SCAN, **more}).to_batches()
    yield from (batch for batch in batches if batch.num_rows)


def count_rows(data: Any) -> int:
    """Number of rows."""
    return int(data.count_rows())


def read_notes(data: Any) -> dict[str, Note]:
    """All notes: key → note."""
    return {key.removeprefix(NOTE): json.loads(note) for key, note in data.config().items() if key.startswith(NOTE)}


def values_condition(column: str, values: Sequence[str]) -> str:
    """Condition that a column has one of some values."""
    return f"{column} in ({', '.join(quote(value) for value in values)})"


def quote(value: str) -> str:
    """Text as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def split_values(values: Sequence[str]) -> Iterator[Sequence[str]]:
    """Different values in lists that are short enough for one condition."""
    unique = list(dict.fromkeys(values))
    for start in range(0, len(unique), VALUES_PER_CONDITION):
        yield unique[start : start + VALUES_PER_CONDITION]


def list_data_files(dataset: Any) -> Iterator[tuple[int, str]]:
    """Fragment's number and name, below the index's folder, of each data file of a dataset."""
    for fragment in dataset.get_fragments():
        for file in fragment.data_files():
            yield fragment.fragment_id, f"{ITEMS}/data/{file.path}"
