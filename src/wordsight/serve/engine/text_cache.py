"""Embeddings of texts that were asked for lately: a repeated search needs no forward pass."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CACHE_BYTES = 16 << 20  # about 8,000 searches with mini
_BESIDE = 300  # bytes of an entry beside its text and vector: objects and the dictionary's slot


@dataclass(frozen=True, eq=False)
class EmbeddedText:
    """Unit vector (D,) of a text, and its tokens: those that were read and those beyond the context."""

    vector: NDArray[np.float32]
    tokens: int
    truncated: int


class TextCache:
    """The embeddings used last, as many as fit into so many bytes."""

    def __init__(self, most_bytes: int = CACHE_BYTES) -> None:
        self.most_bytes = most_bytes
        self.bytes = 0
        self._entries: OrderedDict[str, EmbeddedText] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Number of texts in it."""
        return len(self._entries)

    def get(self, text: str) -> EmbeddedText | None:
        """Embedding of a text, None where it is not there."""
        with self._lock:
            found = self._entries.get(text)
            if found is not None:
                self._entries.move_to_end(text)
            return found

    def put(self, text: str, embedded: EmbeddedText) -> None:
        """Add a text's embedding; those unused for longest go. One that would take a 16th of it all is not kept."""
        size = _size(text, embedded)
        if size > self.most_bytes // 16:
            return
        with self._lock:
            if (old := self._entries.pop(text, None)) is not None:
                self.bytes -= _size(text, old)
            self._entries[text] = embedded
            self.bytes += size
            while self.bytes > self.most_bytes:
                self.bytes -= _size(*self._entries.popitem(last=False))

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self.bytes = 0


def _size(text: str, embedded: EmbeddedText) -> int:
    return text.__sizeof__() + embedded.vector.nbytes + _BESIDE
