"""Amount of work, counted in a thread while the work is under way: listing first would keep the model waiting."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from collections.abc import Callable, Iterator
from typing import TypeAlias

from wordsight.errors import WordsightError
from wordsight.images.skipped import Skipped
from wordsight.ingest import Unit
from wordsight.update.run import Progress

OnProgress: TypeAlias = Callable[[Progress], object]


@contextlib.contextmanager
def counted(units: Callable[[], Iterator[Unit | Skipped]], progress: OnProgress | None) -> Iterator[OnProgress | None]:
    """Yield a callback that adds `total` to what it is told, once the sources were listed a second time."""
    if progress is None:
        yield None
        return
    total: list[int] = []
    stopped = threading.Event()

    def count() -> None:
        with contextlib.suppress(WordsightError, OSError):  # the update itself meets the same, and says so
            found = sum(1 for _ in _steps(units(), stopped))
            if not stopped.is_set():
                total.append(found)

    thread = threading.Thread(target=count, name="wordsight-count", daemon=True)
    thread.start()
    try:
        yield lambda state: progress(dataclasses.replace(state, total=next(iter(total), None)))
    finally:
        stopped.set()
        thread.join()


def _steps(units: Iterator[Unit | Skipped], stopped: threading.Event) -> Iterator[None]:
    """Yield once for each file, and for each item of a table, as `Plan` counts them."""
    for unit in units:
        if stopped.is_set():
            return
        yield
        if isinstance(unit, Unit) and not unit.unchanged_if_same_mtime:
            for _ in unit.items():
                if stopped.is_set():
                    return
                yield
