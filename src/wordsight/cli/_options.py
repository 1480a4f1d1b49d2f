"""Command-line pieces that several commands share: `--classes a b c`, model options, a bar, the list of skips."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from wordsight.images import Skipped

F = TypeVar("F", bound=Callable[..., Any])

DONE, SOME_SKIPPED, NOTHING_READ = 0, 1, 3
SKIPS_SHOWN = 20


def spread(option: str, args: Sequence[str]) -> list[str]:
    """Return `args` with `--classes a b c` written as `--classes a --classes b --classes c`.

    The values end at the next argument that begins with a dash; "--" ends them too and is kept.
    """
    spread_args: list[str] = []
    rest = iter(args)
    taking = first = False
    for arg in rest:
        if arg == "--":
            return [*spread_args, arg, *rest]
        if arg == option:
            taking, first = True, True
            continue
        if taking and arg.startswith("-"):
            if first:
                spread_args.append(option)  # without a value: click says so
            taking = False
        if taking:
            spread_args += [option, arg]
            first = False
        else:
            spread_args.append(arg)
    return [*spread_args, option] if taking and first else spread_args


class SpreadCommand(click.Command):
    """A command whose `--classes` takes all values up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse after spreading `--classes`."""
        return super().parse_args(ctx, spread("--classes", args))


def model_options(command: F) -> F:
    """Add --model, --backend, --precision and --exact."""
    for option in (
        click.option("--exact", is_flag=True, help="Decode big JPEGs in full (slower, hardly ever matters)."),
        click.option("--precision", default="auto", show_default=True, help="auto, f32, bf16 or int8."),
        click.option("--backend", default="auto", show_default=True, help="auto, openvino, torch or reference."),
        click.option("--model", "model_name", default="mini", show_default=True, help="Name, file, folder, hf-hub:…"),
    ):
        command = option(command)
    return command


@contextlib.contextmanager
def progress_bar(total: int, what: str) -> Iterator[Callable[[], None]]:
    """Give a function to call once per picture; a bar is drawn on standard error when that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # rich must not send what goes to a file or a pipe to the terminal
    with Progress(
        *columns, console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty()
    ) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


def report_skips(skips: Sequence[Skipped], total: int) -> int:
    """Write the skipped pictures with their reasons to standard error, and return the exit code."""
    from wordsight.images import source_name

    if skips:
        click.echo(f"wordsight: {len(skips)} of {total} pictures skipped:", err=True)
        for skip in skips[:SKIPS_SHOWN]:
            click.echo(f"  {source_name(skip.item)}: {skip.reason}", err=True)
        if len(skips) > SKIPS_SHOWN:
            click.echo(f"  … and {len(skips) - SKIPS_SHOWN} more", err=True)
    if len(skips) == total:
        return NOTHING_READ
    return SOME_SKIPPED if skips else DONE
