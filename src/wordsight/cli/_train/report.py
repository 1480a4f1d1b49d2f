"""Results of a training run, and what to try with the model."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli._messages import DONE, clean
from wordsight.cli._train.watchers import figure_lines, time_text

if TYPE_CHECKING:
    from wordsight.train.monitor.reports import RunResult

FORGOT = 1


def report(result: RunResult, *, texts: bool) -> int:
    """Print the results of a run; return the exit code. texts: whether the model was trained on texts."""
    for line in _lines(result):
        click.echo(clean(line))
    model = shlex.quote(str(result.folder))
    if texts:
        click.echo(f"Try it: wordsight classify IMAGES --classes cat dog --model {model}")
    else:
        click.echo(f"Try it: wordsight index IMAGES --in INDEX --model {model}")
    bad = any(getattr(note, "good", True) is False for note in result.notes.values())
    if bad and "TORCHELASTIC_RUN_ID" not in os.environ:  # torchrun would restart the run
        return FORGOT
    return DONE


def _lines(result: RunResult) -> Iterator[str]:
    from wordsight.images.names import source_name

    yield f"Model: {source_name(result.folder)}"
    for line in figure_lines(result.figures):
        yield f"  {line}"
    yield f"  loss {result.loss:.4f} at step {result.step:,}; {time_text(result.seconds)}"
    for name, value in result.notes.items():
        for one in _values(value):
            yield f"  {name.replace('_', ' ')}: {one}"
    yield from _skip_lines(result)
    if result.truncated:
        yield f"  truncated captions: {result.truncated:,}"
    if (result.folder / "curves.png").exists():
        yield f"Curves: {source_name(result.folder / 'curves.png')}"


def _values(value: Any) -> tuple[Any, ...]:
    if isinstance(value, list | tuple):
        return tuple(value)
    return (value,)


def _skip_lines(result: RunResult) -> Iterator[str]:
    if not result.skipped:
        return
    yield f"  {sum(result.skipped.values()):,} samples skipped:"
    for reason, count in sorted(result.skipped.items(), key=lambda each: -each[1]):
        line = f"    {count:,}: {reason}"
        if names := result.skipped_names.get(reason):
            more = ", …" if count > len(names) else ""
            line += f" ({', '.join(names)}{more})"
        yield line
