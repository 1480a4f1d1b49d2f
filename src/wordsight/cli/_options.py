"""Options that several commands share, each with one name, one meaning and one help text."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from wordsight.arguments import check_folder_of
from wordsight.errors import InputError

F = TypeVar("F", bound=Callable[..., Any])

INDEX = "Index folder or URL (default: your personal index)."
NEW_INDEX = "Index folder or URL, created if missing (default: your personal index)."


def spread(option: str, args: Sequence[str]) -> list[str]:
    """Arguments with `--classes a b c` written as `--classes a --classes b --classes c`.

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
                spread_args.append(option)  # without a value: click reports it
            taking = False
        if taking:
            spread_args += [option, arg]
            first = False
        else:
            spread_args.append(arg)
    if taking and first:
        spread_args.append(option)
    return spread_args


class SpreadCommand(click.Command):
    """A command one of whose options takes all values up to the next option: `--classes` unless a subclass says else.

    A subclass names it in `spread_option`.
    """

    spread_option = "--classes"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse after spreading the option."""
        return super().parse_args(ctx, spread(self.spread_option, args))


def backend_options(command: F) -> F:
    """Add --backend and --precision."""
    for option in (
        click.option("--precision", default="auto", show_default=True, help="Precision: auto, f32, bf16 or int8."),
        click.option(
            "--backend", default="auto", show_default=True, help="Backend: auto, openvino, torch or reference."
        ),
    ):
        command = option(command)
    return command


def model_options(command: F) -> F:
    """Add --model, --backend, --precision and --exact."""
    command = click.option("--exact", is_flag=True, help="Decode large JPEGs at full size (slower, rarely changes "
                           "results).")(command)  # fmt: skip
    command = backend_options(command)
    return click.option("--model", "model_name", metavar="MODEL", default="mini", show_default=True,
                        help="Model: name, file, folder or hf-hub:org/repo.")(command)  # fmt: skip


def index_option(help: str = INDEX) -> Callable[[F], F]:
    """Add --in, or --into: the same index under the name that reads best, in every command that takes one."""
    return click.option("--in", "--into", "location", metavar="INDEX", help=help)


def quote_index_option(location: str | None) -> str:
    """The --in of a command to suggest, behind a space, quoted for a shell; "" of the personal index."""
    if not location:
        return ""
    return f" --in {shlex.quote(location)}"


def index_model_option(command: F) -> F:
    """Add --model, for an index whose model is no longer where it was."""
    return click.option("--model", "model_name", metavar="MODEL", help="New location of the index's model, if it was "
                        "moved.")(command)  # fmt: skip


def json_option(help: str = "Print one JSON object.") -> Callable[[F], F]:
    """Add --json."""
    return click.option("--json", "as_json", is_flag=True, help=help)


def json_lines_option(each: str) -> Callable[[F], F]:
    """Add --json, of a command that prints a line for each image, result or group."""
    return json_option(f"Print JSON Lines: one object per {each}.")


def path_options(help: str) -> Callable[[F], F]:
    """Add -f and -0: plain paths for other programs."""

    def add(command: F) -> F:
        command = click.option("-0", "zero", is_flag=True, help="With -f: end paths with NUL, for xargs -0.")(command)
        return click.option("-f", "--files", is_flag=True, help=help)(command)

    return add


def path_end(options: Mapping[str, Any]) -> bytes:
    """Byte that ends a path: NUL with -0, else a line break."""
    return b"\0" if options["zero"] else b"\n"


def html_option(help: str = "Write a contact sheet to FILE.") -> Callable[[F], F]:
    """Add --html."""
    return click.option("--html", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help=help)


def check_html(html: Path | None) -> None:
    """Raise InputError for a contact sheet that is not called .html, such as an image that it would replace.

    Also for one in a folder that does not exist: a long search would be lost.
    """
    if html is None:
        return
    if html.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--html is {str(html)!r}, where the contact sheet would be written; its name must end in "
                         ".html.")  # fmt: skip
    check_folder_of(html, "--html")


def check_path_options(options: Mapping[str, Any]) -> None:
    """Raise InputError for -f, -0 and --json that contradict each other."""
    if options["files"] and options["as_json"]:
        raise InputError("-f and --json cannot be combined; use one of them.")
    if options["zero"] and not options["files"]:
        raise InputError("-0 ends plain paths with NUL; add -f.")


def read_stdin_paths() -> Iterator[str]:
    """Lines of standard input as paths, bytes that are not UTF-8 included; none where it is closed."""
    if sys.stdin is not None:
        yield from map(os.fsdecode, sys.stdin.buffer)
