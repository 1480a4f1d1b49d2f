"""Repeating a recorded evaluation, and whether its predictions or figures come out the same."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.predictions import Origin, Predictions, read_predictions
from wordsight.evaluate.result_folder import PREDICTIONS, RESULT
from wordsight.json_records import parse_json

_SOME = float(np.finfo(np.float64).tiny)  # of a difference whose size is not recorded

Run = Callable[[Sequence[str], Path], object]

# facts of the origin that explain a difference, and what they are called
_FACTS = {
    "version": "version of wordsight",
    "fingerprint": "model, backend or precision",
    "precision": "precision",
    "dataset_hash": "dataset",
    "templates": "templates",
    "method": "method",
}
_NOT_COMPARED = re.compile(r"(^|/)(version|command|seconds\w*|\w*_per_second)$")  # what a rerun need not repeat


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """Results as recorded and as repeated.

    compared: images, or figures of a task without predictions. changed: images whose best class differs, or figures.
    largest: difference of two scores of the same class, or of two figures. missing, added: images or figures that only
    the recorded, only the repeated result holds. different: facts of their origins that are not the same, with both.
    """

    command: tuple[str, ...]
    of_images: bool
    compared: int
    changed: int
    largest: float
    missing: int
    added: int
    different: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether the same images got the same classes and bit-identical scores, or all figures are the same."""
        return not (self.changed or self.largest or self.missing or self.added)

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {**asdict(self), "equal": self.equal}


def rerun(path: Path, run: Run) -> Rerun:
    """Repeat the command that a file records: predictions of any task, the result.json beside them, or figures.

    run: runs a command line, given as behind `wordsight`, so that results are written into the folder it is given,
    which is removed again. Whether features come from a cache is its own affair.
    Raises: InputError for a file without a command, and where the command writes no such result.
    """
    found = find_record(path)
    if found.suffix == ".json":
        return _rerun_figures(found, run)
    recorded = read_predictions(found)
    if not recorded.origin.command:
        raise _no_command(path)
    with tempfile.TemporaryDirectory(prefix="wordsight-rerun-") as folder:
        run(recorded.origin.command, Path(folder))
        repeated = _find_repeated(Path(folder), recorded.origin)
    return compare_predictions(recorded, repeated)


def find_record(path: Path) -> Path:
    """The file that a rerun is compared with: of a folder, or of the result.json in it, its predictions.parquet.

    Raises: InputError where there is none.
    """
    if not path.exists():
        raise InputError(f"{str(path)!r} does not exist; expected a {PREDICTIONS}, or a JSON file of `wordsight eval`.")
    if not path.is_dir() and path.name != RESULT:
        return path
    folder = path if path.is_dir() else path.parent
    found = folder / PREDICTIONS
    if not found.exists():
        raise InputError(f"There is no {PREDICTIONS} in {str(folder)!r}, which a rerun is compared with.")
    return found


def compare_predictions(recorded: Predictions, repeated: Predictions) -> Rerun:
    """Differences of repeated predictions from those recorded, image by image."""
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
    return Rerun(
        command=recorded.origin.command,
        of_images=True,
        compared=len(common),
        changed=changed,
        largest=float(largest),
        missing=len(recorded.keys) - len(common),
        added=len(repeated.keys) - len(common),
        different={name: (was[name], now[name]) for name in _FACTS if was[name] != now[name]},
    )


def compare_figures(recorded: Mapping[str, Any], repeated: Mapping[str, Any]) -> Rerun:
    """Differences of repeated figures from those recorded; versions, commands and seconds are not compared."""
    was, now = dict(_flatten(recorded)), dict(_flatten(repeated))
    common = was.keys() & now.keys()
    gaps = [_gap(was[name], now[name]) for name in common]
    different = {}
    if recorded.get("version") != repeated.get("version"):
        different["version"] = (recorded.get("version"), repeated.get("version"))
    return Rerun(
        command=tuple(recorded.get("command") or ()),
        of_images=False,
        compared=len(common),
        changed=sum(gap > 0 for gap in gaps),
        largest=max(gaps, default=0.0),
        missing=len(was) - len(common),
        added=len(now) - len(common),
        different=different,
    )


def describe(result: Rerun) -> str:
    """Whether a rerun is equal, in words, and what may explain a difference."""
    noun = "images" if result.of_images else "figures"
    if result.equal:
        same = "have the same classes with bit-identical scores" if result.of_images else "are the same to the last bit"
        text = f"Equal: all {result.compared} {noun} {same}."
    elif result.of_images:
        text = (
            f"Not equal: {result.changed} of {result.compared} images have another class; the largest difference of a "
            f"score is {result.largest:.3g}."
        )
    else:
        text = (
            f"Not equal: {result.changed} of {result.compared} figures differ; the largest difference is "
            f"{result.largest:.3g}."
        )
    if result.missing or result.added:
        text += f" {result.missing} {noun} are missing now, and {result.added} are new."
    facts = "; ".join(
        f"{_FACTS[name]}: {_short(before)} → {_short(after)}" for name, (before, after) in result.different.items()
    )
    if facts:
        return f"{text}\nDifferent from the record: {facts}."
    if result.of_images and not result.equal:
        return (
            f"{text}\nVersion, model, precision, dataset and templates are those of the record; what is left is the "
            "machine: another processor, or other versions of its libraries."
        )
    return text


def _rerun_figures(path: Path, run: Run) -> Rerun:
    """Repeat a task that writes figures only, such as retrieval, and compare the file of the same name."""
    recorded = _read_figures(path)
    command = recorded.get("command")
    if not isinstance(command, list) or not command:
        raise _no_command(path)
    with tempfile.TemporaryDirectory(prefix="wordsight-rerun-") as folder:
        run(command, Path(folder))
        found = [each for each in sorted(Path(folder).rglob(path.name)) if each.parent.name == path.parent.name]
        if not found:
            raise InputError(f"The recorded command wrote no {path.parent.name}/{path.name} to compare with.")
        return compare_figures(recorded, _read_figures(found[0]))


def _read_figures(path: Path) -> dict[str, Any]:
    try:
        figures = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read as a JSON file of `wordsight eval` ({error}).") from error
    if not isinstance(figures, dict):
        raise InputError(f"{str(path)!r} holds {type(figures).__name__}, expected an object of figures.")
    return figures


def _flatten(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Path and value of each figure in nested objects and lists, without those that are not compared."""
    if _NOT_COMPARED.search(name):
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flatten(item, f"{name}/{key}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _flatten(item, f"{name}/{place}")
    else:
        yield name, value


def _gap(before: Any, after: Any) -> float:
    """Difference of two numbers; 0 of equal values of any kind, infinite of others."""
    if before == after:
        return 0.0
    if isinstance(before, int | float) and isinstance(after, int | float):
        return abs(before - after)
    return math.inf


def _named_scores(predictions: Predictions, place: int) -> dict[str, float]:
    """Scores of an image's best classes by number and name, best first."""
    names = (f"{k} {predictions.classnames[k]}" for k in predictions.top[place])
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


def _no_command(path: Path) -> InputError:
    return InputError(
        f"{str(path)!r} records no command to repeat: predictions.parquet and the JSON files that `wordsight eval` "
        "writes below --out do, the JSON beside a --report does not."
    )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}…"
