"""Predictions of a model on a labelled set: one row per image, the file from which every figure is computed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.durable import written_whole
from wordsight.errors import InputError, MissingExtraError
from wordsight.json_records import build_record, parse_json

TOP = 5  # classes kept of each image; of a multi-label set all are kept
_METADATA = b"wordsight"
_FORMAT = 1  # of the file


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Origin of predictions: enough to repeat them, and to refuse a comparison of what cannot be compared.

    task: "zeroshot", "fewshot", …. command: arguments of the command line behind `wordsight`, or of the call.
    method: how the classes were decided, such as "zero-shot" or "gda 4 shots seed 0". learnt_from: hash of the labelled
    images that shots were drawn from. seconds: by phase.
    """

    task: str
    dataset: str
    dataset_hash: str
    model: str
    fingerprint: str
    version: str
    precision: str = ""
    method: str = ""
    learnt_from: str = ""
    templates: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Predictions:
    """Scores of the best classes for N images, with what is true of them.

    keys: as of the `LabelledSet`. labels: (N,) int64, -1 where not known, or (N, K) bool. top: (N, T) the T best
    classes, best first; score: (N, T) their probabilities. columns: facts of each image that groups are made by.
    """

    origin: Origin
    keys: tuple[str, ...]
    labels: NDArray[Any]
    classnames: tuple[str, ...]
    top: NDArray[np.int64]
    score: NDArray[np.float64]
    columns: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    split: str = "test"

    @property
    def is_multilabel(self) -> bool:
        """Whether an image may have several classes."""
        return self.labels.ndim == 2

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether any class can be right for each image, (N,) bool; see `find_known`."""
        return find_known(self.labels)

    @property
    def hits(self) -> NDArray[np.bool_]:
        """Whether the best class of each image is one of its own, (N,)."""
        if self.is_multilabel:
            return np.asarray(np.take_along_axis(self.labels, self.top[:, :1], axis=1)[:, 0])
        return np.asarray(self.top[:, 0] == self.labels)

    @classmethod
    def from_scores(cls, origin: Origin, data: Any, score_NK: NDArray[Any], *, top: int = TOP) -> Predictions:
        """Predictions of a `LabelledSet` by the scores (N, K) of its classes; of equal scores the lower class first."""
        kept = score_NK.shape[1] if data.is_multilabel else min(top, score_NK.shape[1])
        order_NT = np.argsort(-score_NK, axis=1, kind="stable")[:, :kept]
        best_NT = np.take_along_axis(score_NK, order_NT, axis=1).astype(np.float64)
        return cls(origin, data.keys, data.labels, data.classnames, order_NT, best_NT, data.columns, data.split)


def find_known(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether any class can be right, (N,): of labels (N,) where it is known, of marks (N, K) where there is one."""
    if labels.ndim == 2:
        return np.asarray(labels.any(axis=1))
    return np.asarray(labels >= 0)


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions as Parquet: key, label, top, score, split and the group columns under their own names.

    label and top hold names for readers, label_number and top_number places in the class names, which count: two
    classes may have one name. Class names, origin and the columns' names are in the schema's metadata "wordsight".
    Raises: MissingExtraError without pyarrow.
    """
    arrow, parquet = _pyarrow()
    names = np.array([*predictions.classnames, None], object)  # the last is for -1, a label that is not known
    if predictions.is_multilabel:
        numbers = [np.flatnonzero(row).tolist() for row in predictions.labels]
        label = arrow.array([names[row].tolist() for row in numbers], arrow.list_(arrow.string()))
        label_number = arrow.array(numbers, arrow.list_(arrow.int32()))
    else:
        label = arrow.array(names[predictions.labels].tolist(), arrow.string())
        label_number = arrow.array(predictions.labels, arrow.int32())
    table = {
        "key": arrow.array(predictions.keys, arrow.string()),
        "label": label,
        "top": [names[row].tolist() for row in predictions.top],
        "score": predictions.score.tolist(),
        "split": [predictions.split] * len(predictions.keys),
        "label_number": label_number,
        "top_number": arrow.array(predictions.top.tolist(), arrow.list_(arrow.int32())),
    }
    stored: dict[str, str] = {}
    for name, cells in predictions.columns.items():
        place = name
        while place in table:
            place += "_"
        stored[name] = place
        table[place] = arrow.array(cells, arrow.string())
    facts = {
        "format": _FORMAT,
        "classnames": list(predictions.classnames),
        "origin": asdict(predictions.origin),
        "columns": stored,
    }
    content = json.dumps(facts, ensure_ascii=False).encode("utf-8", "surrogatepass")
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as part:
        parquet.write_table(arrow.table(table).replace_schema_metadata({_METADATA: content}), part, compression="zstd")


def read_predictions(path: Path) -> Predictions:
    """Predictions that `write_predictions` wrote. Raises: InputError for another file, or one that is damaged."""
    arrow, parquet = _pyarrow()
    try:
        table = parquet.read_table(path)
        facts = parse_json((table.schema.metadata or {})[_METADATA])
        if facts["format"] != _FORMAT:
            raise ValueError(f"format {facts['format']!r}, expected {_FORMAT}")
        found = _build(facts, {name: table[name].to_pylist() for name in table.column_names})
        _check(found)
    except (OSError, arrow.ArrowException, KeyError, TypeError, ValueError, IndexError, InputError) as error:
        raise InputError(
            f"{str(path)!r} does not hold predictions of wordsight ({type(error).__name__}: {error}); expected a "
            "predictions.parquet that `wordsight eval` wrote."
        ) from error
    return found


def _build(facts: dict[str, Any], columns: dict[str, list[Any]]) -> Predictions:
    """Predictions from the metadata and columns of a file."""
    origin = build_record(Origin, facts["origin"], "the origin of the predictions", error=InputError)
    classnames = tuple(facts["classnames"])
    numbers = columns["label_number"]
    labels: NDArray[Any] = np.zeros((len(numbers), len(classnames)), np.bool_)
    if numbers and isinstance(numbers[0], list):
        for row, marked in zip(labels, numbers, strict=True):
            row[marked] = True
    else:
        labels = np.array(numbers, np.int64)
    groups = {
        name: tuple(None if cell is None else str(cell) for cell in columns[stored])
        for name, stored in facts["columns"].items()
    }
    return Predictions(
        origin,
        tuple(columns["key"]),
        labels,
        classnames,
        np.array(columns["top_number"], np.int64),
        np.array(columns["score"], np.float64),
        groups,
        str(columns["split"][0]),
    )


def _check(found: Predictions) -> None:
    """Raise ValueError for parts that cannot belong together."""
    n, k = len(found.keys), len(found.classnames)
    if not all(isinstance(text, str) for text in (*found.keys, *found.classnames)):
        raise ValueError("keys and class names must be texts")
    if len(set(found.keys)) != n:
        raise ValueError("keys are not unique")
    if found.top.ndim != 2 or not found.top.shape[1] or found.top.shape != found.score.shape or len(found.top) != n:
        raise ValueError(f"{n} keys, classes of shape {found.top.shape}, scores of shape {found.score.shape}")
    if not ((found.top >= 0) & (found.top < k)).all() or not np.isfinite(found.score).all():
        raise ValueError("a class number outside the class names, or a score that is not finite")
    if not found.is_multilabel and not ((found.labels >= -1) & (found.labels < k)).all():
        raise ValueError("a label outside the class names")


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("A file of predictions", "pyarrow", "eval") from None
    return pyarrow, pyarrow.parquet
