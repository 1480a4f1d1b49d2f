"""Hint for a condition that no row meets: values of its columns that are close to those it names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from wordsight.errors import did_you_mean
from wordsight.index import Row

_EQUALS = re.compile(r"""(?:"([^"]+)"|\b(\w+))\s*=\s*'((?:[^']|'')*)'""")  # gender = 'women', "my col" = 'x'


def suggest_values(where: str, rows: Sequence[Row]) -> str:
    """Message about the first text that no row has in its column; "" where there is none with a close value.

    rows: some of the collection, in which values are looked for.
    """
    for quoted, name, text in _EQUALS.findall(where):
        column, value = quoted or name, text.replace("''", "'")
        values = {cell for row in rows if isinstance(cell := row.meta.get(column), str)}
        hint = did_you_mean(value, values)
        if hint and value not in values:
            return f"No row seen has {column} = {value!r}.{hint}"
    return ""
