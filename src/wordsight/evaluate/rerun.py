"""Repeating a recorded evaluation, and whether its predictions come out the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.predictions import Origin, Predictions, read_predictions
from wordsight.evaluate.result_files import read_results
from wordsight.evaluate.result_folder import PREDICTIONS

_SOME = float(np.finfo(np.float64).tiny)  # of a difference whose size is not recorded

Run = Callable[[Sequence[str]], object]

# facts of the origin that explain a difference, and what they are called
_FACTS = {
    "version": "version of wordsight",
    "fingerprint": "model, backend or precision",
    "precision": "precision",
    "dataset_hash": "dataset",
    "templates": "templates",
    "method": "method",
}


@dataclass(frozen=True)
class Rerun:
    """Predictions as recorded and as repeated.

    images: that both hold. changed: whose best class differs. largest: difference of two scores of the same class.
    missing, added: images that only the recorded, only the repeated predictions hold. different: facts of the origins
    that are not the same, with both values.
    """

    command: tuple[str, ...]
    images: int
    changed: int
    largest: float
    missing: int
    added: int
    different: dict[str, tuple[Any, Any]]

    @property
    def equal(self) -> bool:
        """Whether the same images got the same classes and bit-identical scores."""
        return not (self.changed or self.largest or self.missing or self.added)

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {**asdict(self), "equal": self.equal}


def rerun(path: Path, run: Run) -> Rerun:
    """Repeat the command that a predictions.parquet, or the result.json beside it, records.

    run: runs a command line, given behind `wordsight`; it is given the recorded one with an `--out` that lies in a
    temporary folder, which is removed again. Whether features come from a cache is its own affair.
    Raises: InputError for a file without a command, and where the command writes no such predictions.
    """
    recorded = read_predictions(find_predictions(path))
    if not recorded.origin.command:
        raise InputError(
            f"{str(path)!r} records no command: its predictions were made by a program, which only it can repeat."
        )
    with tempfile.TemporaryDirectory(prefix="wordsight-rerun-") as folder:
        run([*recorded.origin.command, "--out", folder])
        repeated = _find_repeated(Path(folder), recorded.origin)
    return compare_predictions(recorded, repeated)


def find_predictions(path: Path) -> Path:
    """The predictions.parquet that a path names itself, or by a result.json or a folder beside or around it.

    Raises: InputError where there is none.
    """
    if not path.exists():
        raise InputError(f"{str(path)!r} does not exist; expected a {PREDICTIONS}, or a result.json beside one.")
    if path.suffix == ".json":
        read_results(path)  # says what is wrong with a file that is not a result
    if path.suffix != ".json" and not path.is_dir():
        return path
    folder = path if path.is_dir() else path.parent
    found = folder / PREDICTIONS
    if not found.exists():
        raise InputError(f"There is no {PREDICTIONS} in {str(folder)!r}, which a rerun is compared with.")
    return found


def compare_predictions(recorded: Predictions, repeated: Predictions) -> Rerun:
    """How far repeated predictions differ from those recorded, image by image."""
    place_of = {key: place for place, key in enumerate(repeated.keys)}
    common = [(i, place_of[key]) for i, key in enumerate(recorded.keys) if key in place_of]
    changed, largest = 0, 0.0
    for i, j in common:
        before = _named_scores(recorded, i)
        after = _named_scores(repeated, j)
        changed += next(iter(before)) != next(iter(after))
        largest = max([largest, *(abs(before[name] - after[name]) for name in before.keys() & after.keys())])
        if before.keys() != after.keys():  # a class that only one of them keeps: at least the gap to the other's last
            largest = max(largest, abs(min(before.values()) - min(after.values())), _SOME)
    was, now = asdict(recorded.origin), asdict(repeated.origin)
    different = {name: (was[name], now[name]) for name in _FACTS if was[name] != now[name]}
    return Rerun(
        command=recorded.origin.command,
        images=len(common),
        changed=changed,
        largest=float(largest),
        missing=len(recorded.keys) - len(common),
        added=len(repeated.keys) - len(common),
        different=different,
    )


def describe(result: Rerun) -> str:
    """Whether a rerun is equal, in words, and what may explain a difference."""
    if result.equal:
        text = f"Equal: all {result.images} images have the same classes with bit-identical scores."
    else:
        text = (
            f"Not equal: {result.changed} of {result.images} images have another class; the largest difference of a "
            f"score is {result.largest:.3g}."
        )
        if result.missing or result.added:
            text += f" {result.missing} images are missing now, and {result.added} are new."
    facts = "; ".join(
        f"{_FACTS[name]}: {_short(before)} → {_short(after)}" for name, (before, after) in result.different.items()
    )
    if facts:
        return f"{text}\nDifferent from the record: {facts}."
    if not result.equal:
        return (
            f"{text}\nVersion, model, precision, dataset and templates are those of the record; what is left is the "
            "machine: another processor, or other versions of its libraries."
        )
    return text


def _named_scores(predictions: Predictions, place: int) -> dict[str, float]:
    """Scores of an image's best classes by name, best first."""
    names = (predictions.classnames[k] for k in predictions.top[place])
    return dict(zip(names, predictions.score[place].tolist(), strict=True))


def _find_repeated(folder: Path, origin: Origin) -> Predictions:
    """Predictions of the same task, model and method that a repeated command wrote."""
    found = [read_predictions(path) for path in sorted(folder.rglob("*.parquet"))]
    for each in found:
        if (each.origin.task, each.origin.model, each.origin.method) == (origin.task, origin.model, origin.method):
            return each
    raise InputError(
        f"The recorded command wrote no predictions of {origin.model} by {origin.method!r}, but {len(found)} other "
        "files of predictions."
    )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
