"""Messages on standard error: one form for all commands, without secrets and without control characters."""

from __future__ import annotations

import contextlib
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from wordsight.cli._redaction import redact

if TYPE_CHECKING:
    from wordsight.images.skipped import Skipped

DONE, SOME_SKIPPED, NOTHING_READ = 0, 1, 3
SKIPS_SHOWN = 20

# all but line breaks and tabs; marks that turn the direction of writing; halves of characters
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """Text that can be shown: secrets are left out, control characters escaped (`\\x1b`), line breaks kept.

    File names, cells of tables, checkpoints and answers of servers may hold what steers a terminal.
    """
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode(), redact(text))


def say(message: object) -> None:
    """Write a message on standard error, behind the program's name."""
    click.echo(f"wordsight: {clean(str(message))}", err=True)


def plural(n: int, one: str, many: str = "") -> str:
    """The noun for a number of things: "image" of 1, "images" of 2; many: a plural that does not just add an s."""
    if n == 1:
        return one
    return many or f"{one}s"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in a command that tells what was kept, and how to resume: its text."""


def line_start() -> str:
    """Line break before a message after Ctrl-C, where a terminal shows ^C or a bar on the current line."""
    return "\n" if sys.stderr.isatty() else ""


def report_interrupt(error: KeyboardInterrupt) -> None:
    """Report on a line of its own that a command was interrupted, with what the command adds."""
    click.echo(line_start(), nl=False, err=True)
    if isinstance(error, Interrupted):
        say(error)
    click.echo("Interrupted.", err=True)


@contextlib.contextmanager
def plain_warnings() -> Iterator[None]:
    """Show warnings, such as of truncated text, as one line each on standard error."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: say(message)
        yield


def report_skips(skips: Sequence[Skipped], total: int) -> int:
    """Write the skipped images with their reasons to standard error, and return the exit code."""
    from wordsight.images.names import source_name

    if skips:
        say(f"{len(skips)} of {total} images skipped:")
        for skip in skips[:SKIPS_SHOWN]:
            click.echo(clean(f"  {source_name(skip.item)}: {skip.reason}"), err=True)
        if len(skips) > SKIPS_SHOWN:
            click.echo(f"  … and {len(skips) - SKIPS_SHOWN} more", err=True)
    if len(skips) == total:
        return NOTHING_READ
    return SOME_SKIPPED if skips else DONE
