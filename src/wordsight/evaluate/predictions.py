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

TOP = 5  # classes kept of each image; of a multi-label set all are kept
_METADATA = b"wordsight"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Origin of predictions: enough to repeat them, and to refuse a comparison of what cannot be compared.

    task: "zeroshot", "fewshot", …. command: arguments of the command line behind `wordsight`, or of the call.
    method: how the classes were decided, such as "zero-shot" or "gda 4 shots seed 0". seconds: by phase.
    """

    task: str
    dataset: str
    dataset_hash: str
    model: str
    fingerprint: str
    version: str
    precision: str = ""
    method: str = ""
    templates: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


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


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write predictions as Parquet: key, label (name, or names), top (names), score, split and the group columns.

    Class names and origin are in the metadata "wordsight" of the schema. Raises: MissingExtraError without pyarrow.
    """
    arrow, parquet = _pyarrow()
    names = np.array([*predictions.classnames, None], object)  # the last is for -1, a label that is not known
    labels: list[Any]
    if predictions.is_multilabel:
        labels = [[predictions.classnames[k] for k in np.flatnonzero(row)] for row in predictions.labels]
    else:
        labels = names[predictions.labels].tolist()
    taken = {"key", "label", "top", "score", "split"}
    table = arrow.table(
        {
            "key": arrow.array(predictions.keys, arrow.string()),
            "label": labels,
            "top": [names[row].tolist() for row in predictions.top],
            "score": predictions.score.tolist(),
            "split": [predictions.split] * len(predictions.keys),
            **{name if name not in taken else f"{name}_": list(cells) for name, cells in predictions.columns.items()},
        }
    )
    facts = {"classnames": list(predictions.classnames), "origin": asdict(predictions.origin)}
    table = table.replace_schema_metadata({_METADATA: json.dumps(facts, ensure_ascii=False).encode("utf-8")})
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as part:
        parquet.write_table(table, part, compression="zstd")


def read_predictions(path: Path) -> Predictions:
    """Predictions that `write_predictions` wrote. Raises: InputError for another file, or one that is damaged."""
    arrow, parquet = _pyarrow()
    try:
        table = parquet.read_table(path)
        facts = json.loads((table.schema.metadata or {})[_METADATA])
        facts["origin"]["templates"] = tuple(facts["origin"]["templates"])
        facts["origin"]["command"] = tuple(facts["origin"]["command"])
        origin = Origin(**facts["origin"])
        classnames = tuple(facts["classnames"])
        columns = {name: table[name].to_pylist() for name in table.column_names}
        number = {name: place for place, name in enumerate(classnames)}
        labels: NDArray[Any]
        if columns["label"] and isinstance(columns["label"][0], list):
            labels = np.array([[name in row for name in classnames] for row in map(set, columns["label"])])
        else:
            labels = np.array([-1 if name is None else number[name] for name in columns["label"]], np.int64)
        top = np.array([[number[name] for name in row] for row in columns["top"]], np.int64)
        score = np.array(columns["score"], np.float64)
    except (OSError, arrow.ArrowException, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{str(path)!r} does not hold predictions of wordsight ({type(error).__name__}: {error}); expected a "
            "predictions.parquet that `wordsight eval` wrote."
        ) from error
    groups = {
        name: tuple(None if cell is None else str(cell) for cell in cells)
        for name, cells in columns.items()
        if name not in ("key", "label", "top", "score", "split")
    }
    split = str(columns["split"][0]) if columns["split"] else "test"
    return Predictions(origin, tuple(columns["key"]), labels, classnames, top, score, groups, split)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtraError("A file of predictions", "pyarrow", "eval") from None
    return pyarrow, pyarrow.parquet
