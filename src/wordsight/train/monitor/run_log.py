"""Reading a run's `log.jsonl`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wordsight.errors import InputError

LOG = "log.jsonl"


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """Lines of a log, or of the log in a run's folder, in order; a truncated last line is skipped.

    Raises: InputError where there is none.
    """
    path = Path(path)
    file = path / LOG if path.is_dir() else path
    try:
        text = file.read_text(encoding="utf-8", errors="replace")  # a character may be truncated, as a line may
    except OSError as error:
        raise InputError(f"There is no log of a run at {str(file)!r} ({error.strerror}); expected {LOG}.") from error
    records = []
    for line in text.splitlines():
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError):  # the run was killed while it wrote, or the log is damaged
            continue
        if isinstance(record, dict) and isinstance(record.get("step", 0), int):
            records.append(record)
    return records


def column(records: Sequence[dict[str, Any]], name: str, kind: str = "step") -> tuple[list[int], list[float]]:
    """Steps and the values of one of a log's numbers, without steps that lack it."""
    pairs = [(one["step"], one[name]) for one in records if one["kind"] == kind and one.get(name) is not None]
    return [step for step, _ in pairs], [value for _, value in pairs]
