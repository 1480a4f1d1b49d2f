"""Result files as other tools read them: CLIP_benchmark's JSON and DataComp's eval_results.jsonl.

`wordsight eval compare` reads those of other tools (`comparison.results`).

Sources: LAION-AI/CLIP_benchmark `clip_benchmark/cli.py` (the keys of a result) and
`metrics/zeroshot_classification.py` (its measures); mlfoundations/datacomp `evaluate.py` (a line of its file) and
`tasklist.yml` (`random_score`).
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from filelock import BaseFileLock, FileLock

from wordsight import __version__
from wordsight.durable import write_whole
from wordsight.errors import InputError
from wordsight.evaluate.predictions import Origin, Predictions
from wordsight.evaluate.report.json_files import render_json, write_json
from wordsight.evaluate.result_folder import result_folder
from wordsight.evaluate.zeroshot.summary import Summary, known_labels
from wordsight.json_records import parse_json
from wordsight.locations import cache_dir

# tasks of this package → names that CLIP_benchmark gives them
_TASKS = {"zeroshot": "zeroshot_classification"}
OURS = "wordsight"  # key of what CLIP_benchmark's files do not hold
MAIN = "main_metric"


def clip_benchmark_metrics(summary: Summary) -> dict[str, float | None]:
    """Metrics of a summary by CLIP_benchmark's names and definitions; acc5 is None of fewer than five classes.

    Of multi-label sets its mean average precision counts a class without images as 0; `Summary` leaves it out.
    """
    if summary.mean_average_precision is not None:
        precisions = [0.0 if each.recall is None else each.recall.value for each in summary.classes]
        return {"mean_average_precision": float(np.mean(precisions))}
    return {
        "acc1": summary.top1.value,
        "acc5": None if summary.top5 is None else summary.top5.value,
        "mean_per_class_recall": None if summary.mean_recall is None else summary.mean_recall.value,
    }


def write_result(path: Path, origin: Origin, metrics: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
    """Write a result with exactly CLIP_benchmark's keys, and all of ours under one further key, "wordsight".

    ours: such as `Summary.to_dict()`; the origin is written beside it. NaN is written as null, which its file is not.
    """
    model, pretrained = split_model(origin.model)
    result = {
        "dataset": origin.dataset,
        "model": model,
        "pretrained": pretrained,
        "task": _TASKS.get(origin.task, origin.task),
        "metrics": metrics,
        "language": "en",
        OURS: {**ours, "origin": asdict(origin)},
    }
    write_json(path, result)


def write_figures(
    out: Path, dataset: str, model: str, task: str, figures: Mapping[str, Any], *, command: Sequence[str] = ()
) -> Path:
    """Write the figures of a task to FOLDER/<dataset>/<model>/<task>.json, without NaN, and return its path.

    command: arguments behind `wordsight` that repeat them, for `wordsight eval rerun`.
    """
    path = result_folder(out, dataset, model) / f"{task}.json"
    write_json(path, {"version": __version__, "command": list(command), **figures})
    return path


def write_datacomp_line(path: Path, predictions: Predictions, summary: Summary, *, main: str = "acc1") -> None:
    """Add a dataset's line to an eval_results.jsonl of DataComp, in place of the line it has there already.

    main: metric that stands for the set; of multi-label sets the mean average precision does. random_score: what
    drawing classes by their frequency would reach, as in DataComp's list of tasks.
    Raises: InputError where the file holds something else.
    """
    origin = predictions.origin
    metrics = clip_benchmark_metrics(summary)
    if summary.mean_average_precision is not None:
        main = "mean_average_precision"
    line = {
        "key": origin.dataset,
        "dataset": origin.dataset,
        "metrics": {**metrics, MAIN: metrics[main]},
        "random_score": chance_by_frequency(predictions),
        OURS: {"model": origin.model, "low": summary.main.low, "high": summary.main.high, "n": summary.n},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with _lock(path):
        kept = [record for record in _read_lines(path) if record.get("key") != origin.dataset] if path.exists() else []
        write_whole(path, "".join(render_json(each) + "\n" for each in [*kept, line]))


def write_per_class(path: Path, summary: Summary) -> None:
    """Write a line of CSV for each class: its images, recall with 95 % interval, and what it is most often taken for.

    Of multi-label sets "recall" is the average precision. Cells that are not known are empty.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class", "images", "recall", "low", "high", "most_often_taken_for", "taken"])
    for each in summary.classes:
        recall = each.recall
        figures: tuple[float | str, ...] = ("", "", "")
        if recall is not None:
            figures = (recall.value, recall.low, recall.high)
        cells = ["" if isinstance(cell, str) or math.isnan(cell) else f"{cell:.6f}" for cell in figures]
        writer.writerow([each.name, each.n, *cells, each.taken_for, each.taken])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.getvalue())


def chance_by_frequency(predictions: Predictions) -> float:
    """Expected share of hits of drawing each class as often as it occurs: Σ p²; of multi-label sets, mean share."""
    known = known_labels(predictions)
    if predictions.is_multilabel:
        return float(predictions.labels.mean())
    share_K = np.bincount(predictions.labels[known], minlength=len(predictions.classnames)) / len(known)
    return float((share_K**2).sum())


def split_model(name: str) -> tuple[str, str]:
    """Architecture and pre-training as CLIP_benchmark tells them apart: "ViT-B-32/openai" → ("ViT-B-32", "openai").

    A name of another form is the model, with an empty pre-training.
    """
    model, slash, pretrained = name.partition("/")
    if not slash or not model or "/" in pretrained or ":" in name or Path(name).exists():
        return name, ""
    return model, pretrained


def _lock(path: Path) -> BaseFileLock:
    """Lock of a file that is read, changed and written: two commands at once would lose a line."""
    name = hashlib.blake2b(str(path.resolve()).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    locks = cache_dir("locks")
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / f"{name}.lock")


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a JSON Lines file; bare NaN, which JSON does not have and other tools write, is read."""
    try:
        objects = [parse_json(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read as a file of results to add to ({error}).") from error
    for each in objects:
        if not isinstance(each, dict):
            raise InputError(f"{str(path)!r} holds {type(each).__name__}, expected an object for each result.")
        yield each
