"""Indexing with a bar: files done, images per second, time left."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from wordsight.cli._messages import Interrupted

if TYPE_CHECKING:
    from wordsight.update.run import Progress, Summary


@contextlib.contextmanager
def progress_bar() -> Iterator[Callable[[Progress], object]]:
    """Draw a bar on standard error while that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich import progress as rich
    from rich.console import Console

    numbers = rich.TextColumn("{task.completed:,.0f}/{task.fields[of]} files  {task.fields[rate]:.0f} images/s")
    columns = (rich.TextColumn("Indexing"), rich.BarColumn(), numbers, rich.TimeRemainingColumn())
    with rich.Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("index", total=None, of="…", rate=0.0)

        def draw(state: Progress) -> None:
            of = "…" if state.total is None else f"{state.total:,}"
            bar.update(task, completed=state.done, total=state.total, of=of, rate=state.rate)

        yield draw


def run_with_bar(update: Callable[..., Summary]) -> Summary:
    """Summary of an update (`Gallery.add` or `refresh`, its arguments bound), drawn while it runs.

    Raises: Interrupted on Ctrl-C, with the number of images that are kept.
    """
    last: list[Progress] = []
    try:
        with progress_bar() as draw:

            def progress(state: Progress) -> None:
                last[:] = [state]
                draw(state)

            return update(progress=progress)
    except KeyboardInterrupt as error:
        done = last[0].in_index if last else 0
        raise Interrupted(f"{done:,} images were indexed; rerun to continue.") from error
