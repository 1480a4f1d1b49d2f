"""Command-line pieces that several commands share: `--classes a b c`, model options, a bar, the list of skips."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from wordsight.images.skipped import Skipped

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


def index_option(help: str = "The index: a folder or address; your own by default.") -> Callable[[F], F]:
    """Add --in, or --into: the same index under the name that reads best, in every command that takes one."""
    return click.option("--in", "--into", "location", metavar="DIR", help=help)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in a command that has something to say of it: its text."""


def own_line() -> str:
    """Return what comes before a message after Ctrl-C: a terminal leaves ^C, or a bar, on the current line."""
    return "\n" if sys.stderr.isatty() else ""


def say_interrupted(error: KeyboardInterrupt) -> None:
    """Say on a line of its own that a command was interrupted, and what it has to say of it."""
    said = f"{error}\n" if isinstance(error, Interrupted) else ""
    click.echo(f"{own_line()}{said}Interrupted.", err=True)


def listed() -> Iterator[str]:
    """Yield the lines of standard input as paths, bytes that are no UTF-8 included; none where it is closed."""
    if sys.stdin is not None:
        yield from map(os.fsdecode, sys.stdin.buffer)


@dataclass(frozen=True)
class Bar:
    """What a command calls while it works: `advance` once per image, `say` for a line of standard output."""

    advance: Callable[[], object]
    say: Callable[[str], object]


@contextlib.contextmanager
def progress_bar(total: int, what: str) -> Iterator[Bar]:
    """Draw a bar on standard error while that is a terminal; lines of output appear above it."""
    if not sys.stderr.isatty():
        yield Bar(lambda: None, click.echo)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as progress:
        task = progress.add_task(what, total=total)
        # on one terminal only the console knows where the bar is; what goes to a file or a pipe must not pass it
        say = (lambda line: console.out(line, highlight=False)) if sys.stdout.isatty() else click.echo
        yield Bar(lambda: progress.advance(task), say)


@contextlib.contextmanager
def plain_warnings() -> Iterator[None]:
    """Show warnings, such as of a text that is too long, as one line each on standard error."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: click.echo(f"wordsight: {message}", err=True)
        yield


def report_skips(skips: Sequence[Skipped], total: int) -> int:
    """Write the skipped images with their reasons to standard error, and return the exit code."""
    from wordsight.images.names import source_name

    if skips:
        click.echo(f"wordsight: {len(skips)} of {total} images skipped:", err=True)
        for skip in skips[:SKIPS_SHOWN]:
            click.echo(f"  {source_name(skip.item)}: {skip.reason}", err=True)
        if len(skips) > SKIPS_SHOWN:
            click.echo(f"  … and {len(skips) - SKIPS_SHOWN} more", err=True)
    if len(skips) == total:
        return NOTHING_READ
    return SOME_SKIPPED if skips else DONE
