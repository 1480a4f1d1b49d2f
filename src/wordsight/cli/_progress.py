"""A bar for downloads, which is drawn only when something is downloaded, and only on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def download_progress() -> Iterator[Callable[[int, int], None]]:
    """Yield a callback (bytes done, bytes in all) that draws a bar on standard error from its first call on."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

    bar = Progress(
        TextColumn("downloading"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=Console(stderr=True)
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
        if tasks:  # stopping a bar that never was prints an empty line
            bar.stop()
