"""Folders and files of the results of a model on a dataset: FOLDER/<dataset>/<model>/."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

PREDICTIONS, RESULT, PER_CLASS = "predictions.parquet", "result.json", "per_class.csv"

_LINES = "eval_results-"  # how the names of files with a line for each dataset begin

_ODD = re.compile(r"[^\w.+-]+")
_LONGEST = 80


def result_folder(out: Path, dataset: str, model: str, variant: str = "") -> Path:
    """Folder of the results of a model on a dataset; it is not made here.

    variant: what was not done by default, such as the templates, so that results of several lie side by side.
    """
    return out / folder_name(dataset) / folder_name(_vary(model, variant))


def run_name(method: str, count: int | str, seed: int) -> str:
    """Name of the file of a few-shot run's predictions, without its extension: "probe-4-shots-seed-0"."""
    return folder_name(f"{method}-{count}-shots-seed-{seed}")


def lines_path(out: Path, model: str, variant: str = "") -> Path:
    """File with a line for each dataset on which a model was measured, as DataComp writes them."""
    return out / f"{_LINES}{folder_name(_vary(model, variant))}.jsonl"


def is_lines_path(path: Path) -> bool:
    """Whether a file is called as `lines_path` calls it."""
    return path.suffix == ".jsonl" and path.name.startswith(_LINES)


def folder_name(name: str) -> str:
    """Name of a dataset or model as the name of one folder: "ViT-B-32/openai" → "ViT-B-32_openai".

    Of a long name, such as a path, the end is kept. A name that loses more than slashes ends in a hash of the whole, so
    that two names never share a folder.
    """
    flat = name.replace("/", "_")
    plain = _ODD.sub("_", flat).strip("._")
    short = plain[-_LONGEST:].lstrip("._") or "unnamed"
    if short == flat:
        return short
    return f"{short}-{hashlib.blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=3).hexdigest()}"


def _vary(model: str, variant: str) -> str:
    return f"{model}+{variant}" if variant else model
