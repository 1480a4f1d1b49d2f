"""Groups of datasets, such as those seen in training and others, as a table names them."""

from __future__ import annotations

import csv
from pathlib import Path

from wordsight.errors import InputError


def read_groups(path: Path) -> dict[str, str]:
    """Group of each dataset, from a table of dataset and group, separated by a tab.

    Raises: InputError for a file that is not UTF-8 text, and a line without two cells.
    """
    groups: dict[str, str] = {}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read as a table of groups ({error}).") from error
    for number, row in enumerate(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE), 1):
        if not row:
            continue
        if len(row) != 2 or not all(cell.strip() for cell in row):
            raise InputError(
                f"Line {number} of {str(path)!r} is {row!r}, expected a dataset and its group, separated by a tab."
            )
        groups[row[0].strip()] = row[1].strip()
    return groups
