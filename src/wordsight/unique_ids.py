"""Numbers for names that occur several times in one table or archive: each item has an id of its own."""

from __future__ import annotations

import re
from array import array
from collections import Counter

import numpy as np

from wordsight.hashes import hash_text

_NUMBERED = re.compile(r"#\d+$")  # "a#2" as a name: its id is "…#a#2#1", for "…#a#2" is the second "a"


class Numbers:
    """Numbers repeated names in their order. keys: `hash_text` of each name, in all 8 bytes an item."""

    def __init__(self, keys: array[int]) -> None:
        hashes = np.array(keys, np.uint64)
        values, counts = np.unique(hashes, return_counts=True)
        self._repeated = frozenset(values[counts > 1].tolist())
        self._seen: Counter[int] = Counter()

    def suffix(self, name: str) -> str:
        """Suffix of the next item of a name: "", then "#2", "#3" and so on."""
        key = hash_text(name)
        if key in self._repeated:
            self._seen[key] += 1
        nth = max(1, self._seen[key])
        if nth > 1 or _NUMBERED.search(name):
            return f"#{nth}"
        return ""
