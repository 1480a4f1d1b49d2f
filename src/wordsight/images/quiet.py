"""Pillow's warnings, silenced while images are decoded."""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Iterator
from typing import Any

_quiet_lock = threading.Lock()
_quiet_depth = 0
_quiet_filter: Any = None


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """Silence Pillow's warnings while any thread decodes, and only then.

    `warnings.catch_warnings` is not safe in threads, so one filter is put in by the first and taken out by the last.
    """
    global _quiet_depth, _quiet_filter
    with _quiet_lock:
        _quiet_depth += 1
        if _quiet_depth == 1:
            warnings.filterwarnings("ignore", module=r"PIL\.|wordsight\.images")
            _quiet_filter = warnings.filters[0]
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0:
                with contextlib.suppress(ValueError):
                    warnings.filters.remove(_quiet_filter)  # type: ignore[attr-defined]
