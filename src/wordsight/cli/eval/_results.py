"""Results of `wordsight eval` on their way out: progress, printed text or JSON, pages, and exit codes."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli._messages import clean, report_skips, say
from wordsight.cli._progress import download_progress

if TYPE_CHECKING:
    from wordsight.evaluate.embedder import ImageEmbedder, ImageTextEmbedder
    from wordsight.evaluate.features import Features
    from wordsight.evaluate.report.sections import Report

_WIDEST = 120  # cells of a line that are easily read
_WITHOUT_TERMINAL = 100


def deliver(report: Report, options: Mapping[str, Any], *, written: Report | None = None) -> None:
    """Print a report as text, or with --json its figures, and write the page that --report names.

    written: the report that the page holds, where that is longer than what is printed.
    """
    if options["as_json"]:
        from wordsight.evaluate.report.json_files import render_json

        click.echo(render_json(report.data, indent=1))
    else:
        from wordsight.evaluate.report.text import render_text

        click.echo(clean(render_text(report, width=_terminal_width())))
    if options.get("report"):
        figures = _write_report(options["report"], written or report)
        say(f"report written to {options['report']}, its figures to {figures.name} beside it.")


def _write_report(path: Path, report: Report) -> Path:
    """Write the report in the form that its name asks for; returns the path of its figures."""
    if path.suffix.lower() == ".md":
        from wordsight.evaluate.report.markdown import write_markdown

        return write_markdown(path, report)
    from wordsight.evaluate.report.page import write_report

    return write_report(path, report)


def report_all_skips(measured: Sequence[Features]) -> int:
    """Report the images that could not be read, each once; returns the exit code: 0, or 1 where some were skipped."""
    totals = {(str(skip.item), skip.reason): skip for features in measured for skip in features.skipped}
    images = max(len(features.places) + len(features.skipped) for features in measured)
    return report_skips(list(totals.values()), max(images, len(totals) + 1))


def open_model(name: str, options: Mapping[str, Any]) -> ImageEmbedder:
    """Model by --model, --backend and --precision, with a bar while it is downloaded."""
    from wordsight.evaluate.models import open_embedder

    with download_progress() as progress:
        return open_embedder(name, backend=options["backend"], precision=options["precision"], progress=progress)


def open_text_model(name: str, options: Mapping[str, Any]) -> ImageTextEmbedder:
    """`open_model` of a model that embeds texts too. Raises: InputError for one that embeds images only."""
    from wordsight.evaluate.models import open_image_text_embedder

    with download_progress() as progress:
        return open_image_text_embedder(
            name, backend=options["backend"], precision=options["precision"], progress=progress
        )


@contextlib.contextmanager
def image_progress(total: int, label: str) -> Iterator[Callable[[int], object] | None]:
    """Callback for `embed_set(progress=)` that draws a bar on standard error; None where that is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(clean(label), total=total)
        yield lambda n: bar.advance(task, n)


def _terminal_width() -> int:
    if not sys.stdout.isatty():
        return _WITHOUT_TERMINAL
    return min(_WIDEST, shutil.get_terminal_size().columns)
