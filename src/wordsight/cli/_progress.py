"""Progress bars on standard error, drawn only while that is a terminal; rich is imported only then."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click


@contextlib.contextmanager
def download_progress() -> Iterator[Callable[[int, int], None]]:
    """Yield a callback (bytes done, bytes in total) that draws a bar from its first call on."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

    bar = Progress(
        TextColumn("Downloading"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=Console(stderr=True)
    )
    tasks: list[TaskID] = []

    def report(done: int, total: int) -> None:
        if not tasks:
            bar.start()
            tasks.append(bar.add_task("download"))
        bar.update(tasks[0], completed=done, total=total or None)

    try:
        yield report
    finally:
        if tasks:  # stopping a bar that was never started prints an empty line
            bar.stop()


@dataclass(frozen=True)
class Bar:
    """Callbacks of a command at work: `advance` once per image, `write` for a line of standard output."""

    advance: Callable[[], object]
    write: Callable[[str], object]


@contextlib.contextmanager
def progress_bar(total: int, label: str) -> Iterator[Bar]:
    """Draw a bar; lines of output appear above it."""
    if not sys.stderr.isatty():
        yield Bar(lambda: None, click.echo)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as progress:
        task = progress.add_task(label, total=total)
        write: Callable[[str], object] = click.echo
        if sys.stdout.isatty():  # only the console knows where the bar is; a file or pipe must not go through it
            write = functools.partial(console.out, highlight=False)
        yield Bar(lambda: progress.advance(task), write)
