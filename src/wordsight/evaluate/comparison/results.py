"""Results to compare: predictions of wordsight, found in folders, and single figures of other tools."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wordsight.errors import InputError
from wordsight.evaluate.predictions import Predictions, read_predictions
from wordsight.evaluate.result_files import OURS
from wordsight.evaluate.result_folder import is_lines_path
from wordsight.json_records import parse_json, show

_TASKS = ("zeroshot_classification", "linear_probe")  # of CLIP_benchmark's: those that have an accuracy


@dataclass(frozen=True)
class Result:
    """One model's result on one dataset.

    predictions: of each image, where wordsight wrote them; accuracy: the share of hits, all that other tools tell.
    given: the path under which the user named it. task: as in `Origin`, "" where other tools measured it.
    """

    dataset: str
    model: str
    method: str
    path: Path
    given: str
    precision: str = ""
    prompts: str = ""
    predictions: Predictions | None = None
    accuracy: float = math.nan
    task: str = ""


@dataclass(frozen=True)
class Unread:
    """A file, or a part of one, that was found but cannot be compared."""

    path: Path
    reason: str


def find_results(paths: Sequence[str | Path]) -> tuple[list[Result], list[Unread]]:
    """Results in files and, searched with all their subfolders, in folders; in the order of the paths, then by name.

    Of folders are taken: *.parquet with predictions, and .json and .jsonl of other tools where there are none beside.
    Raises: InputError for a path that is not there, a folder without a result, and a file that is named but unreadable.
    """
    results: list[Result] = []
    unread: list[Unread] = []
    for given in map(str, paths):
        path = Path(given).expanduser()
        if path.is_dir():
            found, bad = _search(path, given)
        elif path.is_file():
            found, bad = _read(path, given)
        else:
            raise InputError(f"There is no file or folder {given!r}; expected predictions that `wordsight eval` wrote.")
        if not found:
            reason = f" ({bad[0].path.name}: {bad[0].reason})" if bad else ""
            raise InputError(
                f"{given!r} holds no result to compare{reason}; expected predictions.parquet, as `wordsight eval "
                "zeroshot` writes it, or JSON of CLIP_benchmark with an accuracy."
            )
        results += found
        unread += bad
    return results, unread


@dataclass(frozen=True)
class SameDataset:
    """Two names of a dataset that are taken for one, of which the shorter, `name`, is kept."""

    other: str
    name: str

    def to_dict(self) -> dict[str, str]:
        """Fields by name, as JSON holds them."""
        return {"other": self.other, "name": self.name}


def name_datasets(results: Sequence[Result]) -> tuple[list[Result], list[SameDataset]]:
    """Results by the names of their datasets as compared, and which names are taken for one.

    "wds/cars" is "cars", unless another folder has one too: "x/cars" and "y/cars" may be different datasets.
    """
    by_end: dict[str, set[str]] = {}
    for result in results:
        by_end.setdefault(_end(result.dataset), set()).add(result.dataset)
    short: dict[str, str] = {}
    same: list[SameDataset] = []
    for end, names in by_end.items():
        (name, *others) = sorted(names - {end}) or [end]
        if others or name == end:
            continue
        short[name] = end
        if end in names:
            same.append(SameDataset(name, end))
    return [replace(result, dataset=short.get(result.dataset, result.dataset)) for result in results], same


def _end(dataset: str) -> str:
    return dataset.rsplit("/", 1)[-1]


def label_results(results: Sequence[Result]) -> list[str]:
    """Name of each result's contender: model, and what else tells contenders apart, such as method or precision.

    Equal names on several datasets are one contender. Raises: InputError where nothing tells two results apart.
    """
    facts = [[result.model, result.method, result.precision, result.prompts] for result in results]
    if _find_double(results, facts) is not None:  # the same model twice: by where the user found them
        facts = [[*fact, result.given] for fact, result in zip(facts, results, strict=True)]
    if _find_double(results, facts) is not None and len({result.path.name for result in results}) == 1:
        facts = [[*fact, result.path.parent.name] for fact, result in zip(facts, results, strict=True)]
    double = _find_double(results, facts)
    if double is not None:
        one, other = double
        raise InputError(
            f"{str(one.path)!r} and {str(other.path)!r} both hold results of {one.model!r} on {one.dataset!r}, by "
            "the same method; name one of them, or each by itself."
        )
    varying = [place for place, values in enumerate(zip(*facts, strict=True)) if len(set(values)) > 1]
    model_varies = 0 in varying
    shown = varying if model_varies or varying else [0]
    return [" · ".join(filter(None, (fact[place] for place in shown))) or fact[0] for fact in facts]


def _find_double(results: Sequence[Result], facts: Sequence[Sequence[str]]) -> tuple[Result, Result] | None:
    seen: dict[tuple[str, ...], Result] = {}
    for result, fact in zip(results, facts, strict=True):
        key = (result.dataset, *fact)
        if key in seen:
            return seen[key], result
        seen[key] = result
    return None


def _search(folder: Path, given: str) -> tuple[list[Result], list[Unread]]:
    results: list[Result] = []
    unread: list[Unread] = []
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".parquet", ".json", ".jsonl"))
    with_predictions = {path.parent for path in files if path.suffix == ".parquet"}
    for path in files:
        if with_predictions and is_lines_path(path):
            continue  # figures of the predictions below
        try:
            found, bad = _read(path, given, without_ours=path.parent in with_predictions)
        except InputError as error:
            unread.append(Unread(path, str(error)))
            continue
        results += found
        if found:
            unread += bad  # a .json of something else is not worth a word
    return results, unread


def _read(path: Path, given: str, *, without_ours: bool = False) -> tuple[list[Result], list[Unread]]:
    """Results of a file. without_ours: leave out figures that this package wrote, whose predictions lie beside."""
    if path.suffix == ".parquet":
        return [_read_parquet(path, given)], []
    if path.suffix not in (".json", ".jsonl"):
        raise InputError(f"{str(path)!r} is not a result; expected .parquet, .json or .jsonl.")
    results: list[Result] = []
    unread: list[Unread] = []
    for record in _read_records(path):
        if without_ours and OURS in record:
            continue
        result, reason = _read_foreign(record, path)
        if result is not None:
            results.append(replace(result, given=given))
        else:
            unread.append(Unread(path, reason))
    return results, unread


def _read_parquet(path: Path, given: str) -> Result:
    predictions = read_predictions(path)
    origin = predictions.origin
    dataset = origin.dataset
    if predictions.split != "test":
        dataset = f"{dataset} ({predictions.split})"
    prompts = ""
    if len(origin.templates) == 1:
        prompts = f"“{origin.templates[0]}”"
    elif origin.templates:
        prompts = f"{len(origin.templates)} prompts"
    facts = origin.precision, prompts, predictions
    return Result(dataset, origin.model, origin.method, path, given, *facts, task=origin.task)


def _read_records(path: Path) -> Iterator[Mapping[str, Any]]:
    """JSON objects of a file: one, a list of them, or one a line."""
    try:
        text = path.read_text(encoding="utf-8")
        content = [parse_json(line) for line in text.splitlines() if line.strip()] if path.suffix == ".jsonl" else (
            parse_json(text))  # fmt: skip
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} is not JSON ({error}).") from error
    records: Iterable[Any] = content if isinstance(content, list) else [content]
    yield from (record for record in records if isinstance(record, dict))


def _read_foreign(record: Mapping[str, Any], path: Path) -> tuple[Result | None, str]:
    """Result of CLIP_benchmark ("acc1") or DataComp ("main_metric"), or the reason why there is none."""
    metrics = record.get("metrics")
    if not isinstance(metrics, dict) or not isinstance(record.get("dataset"), str):
        return None, "no dataset with metrics"
    dataset = record["dataset"]
    task = record.get("task", _TASKS[0])
    if task not in _TASKS:
        return None, f"{dataset}: the task {task!r} has no accuracy"
    for name in ("acc1", "main_metric", "lp_acc1"):
        accuracy = metrics.get(name)
        if isinstance(accuracy, int | float) and not isinstance(accuracy, bool):
            break
    else:
        return None, f"{dataset}: no acc1 among {', '.join(map(str, metrics)) or 'no metrics'}"
    if not math.isfinite(accuracy):
        return None, f"{dataset}: {name} is {accuracy}"
    if not 0 <= accuracy <= 1:
        return None, f"{dataset}: {name} is {accuracy:g}, expected a share of 0 to 1"
    names = [record[key] for key in ("model", "pretrained") if record.get(key)]
    for name in names:
        if not isinstance(name, str):
            return None, f"{dataset}: the model is {show(name)}, expected a name"
    model = "/".join(names) or path.parent.name
    method = "zero-shot" if task == _TASKS[0] else "linear probe"
    return Result(dataset, model, method, path, "", accuracy=float(accuracy)), ""
