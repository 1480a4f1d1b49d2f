"""The command line: each command lives in its own module and is imported only when it is called."""

from __future__ import annotations

import contextlib
import errno
import importlib
import keyword
import sys
from typing import Any

import click

from wordsight import __version__
from wordsight.errors import WordsightError, did_you_mean

# command → (module, one line for `--help`): literal, so that `--help` imports no command
COMMANDS = {
    "classify": "Sort images by words.",
    "completion": "Print the script that completes commands and values on Tab.",
    "convert": "Write a checkpoint in another layout.",
    "demo": "Sort the bundled images with the bundled model.",
    "doctor": "Show and check every fact of a model.",
    "duplicates": "Find images that an index holds more than once.",
    "embed": "Write the embeddings of images to a file.",
    "export": "Write an index as clip-retrieval's files.",
    "import": "Read clip-retrieval's files into an index.",
    "index": "Make images, products and PDF pages findable; run again to update.",
    "models": "List the models that are known by name.",
    "quantize": "Make an int8 copy of a model, and say what it costs.",
    "search": "Find images by words, by example, or by both.",
    "train": "Train a model as a recipe says.",
    "tune": "Choose how words and images are weighed, on your own judged queries.",
}


def module_name(command: str) -> str:
    """Name of the module of a command; `import`, a keyword of Python, has an underscore behind it."""
    return f"wordsight.cli.{command}_" if keyword.iskeyword(command) else f"wordsight.cli.{command}"


INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class _LazyGroup(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            from wordsight.cli._options import say_interrupted

            say_interrupted(error)
            sys.exit(INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(module_name(cmd_name))
        command: click.Command = module.command
        if ctx.resilient_parsing:  # the shell asks what may follow
            from wordsight.cli.completion import complete_values

            return complete_values(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Refuse an unknown command with what was likely meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}.{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from `COMMANDS`, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="wordsight")
def group() -> None:
    """CLIP for images on your own machine: sort, find, read any checkpoint, train your own."""


def main() -> None:
    """Run the command line; errors of the user's making, and of files and disks, become one line and exit status 2."""
    with contextlib.suppress(AttributeError):  # a console that lacks a letter shows its number instead
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        group(standalone_mode=True)
    except SystemExit:
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":  # click's, once a reader such as head closed the pipe
            sys.exit(0)
        raise
    except WordsightError as error:
        click.echo(f"wordsight: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        if error.errno is None or (error.filename is None and error.errno not in (errno.ENOSPC, errno.EDQUOT)):
            raise
        where = f"{error.filename!r}: " if error.filename else ""
        click.echo(f"wordsight: {where}{error.strerror}", err=True)
        sys.exit(2)
