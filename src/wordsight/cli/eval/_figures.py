"""Files of figures: one for each task of a model on a dataset, which a later run of the same overwrites."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_figures(
    out: Path, dataset: str, model: str, task: str, figures: Mapping[str, Any], *, command: Sequence[str] = ()
) -> Path:
    """Write the figures to FOLDER/<dataset>/<model>/<task>.json, without NaN, and return its path.

    command: arguments behind `wordsight` that repeat them, for `wordsight eval rerun`.
    """
    from wordsight import __version__
    from wordsight.durable import write_whole
    from wordsight.evaluate.report.page import as_json
    from wordsight.evaluate.result_folder import result_folder

    path = result_folder(out, dataset, model) / f"{task}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {"version": __version__, "command": list(command), **figures}
    content = json.dumps(as_json(record), ensure_ascii=False, allow_nan=False, indent=1)
    write_whole(path, content + "\n")
    return path
