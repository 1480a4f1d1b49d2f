"""The command line: each command lives in its own module and is imported only when called."""

from __future__ import annotations

import contextlib
import errno
import importlib
import keyword
import sys
from typing import Any, NoReturn

import click

from wordsight import __version__
from wordsight.errors import WordsightError, did_you_mean

# command → its line in `wordsight --help`: literal, so that `--help` imports no command
COMMANDS = {
    "classify": "Sort images by words.",
    "completion": "Print a shell completion script.",
    "convert": "Convert a checkpoint to another layout.",
    "demo": "Sort the bundled images with the bundled model.",
    "doctor": "Show the facts of a model and check each.",
    "duplicates": "Find duplicate images in an index.",
    "embed": "Write the embeddings of images to a file.",
    "eval": "Measure models on labelled images, compare them, and find what works better.",
    "export": "Export an index as clip-retrieval files.",
    "import": "Import clip-retrieval files into an index.",
    "index": "Index images, products and PDF pages for search; rerun to update.",
    "mcp": "Give an agent tools to search your images.",
    "models": "List the models known by name.",
    "quantize": "Make an int8 copy of a model; report accuracy loss and speed-up.",
    "search": "Find images by words, by example, or both.",
    "serve": "Serve a page, an API and tools for agents over galleries.",
    "space": "Write a Hugging Face Space of galleries.",
    "train": "Train a model from a recipe.",
    "tune": "Tune the text/image fusion weight on your own judged queries.",
}


def module_name(command: str) -> str:
    """Name of a command's module; that of `import`, a keyword of Python, ends in an underscore."""
    if keyword.iskeyword(command):
        command += "_"
    return f"wordsight.cli.{command}"


INTERRUPTED = 130  # 128 + SIGINT, as shells report it


class _LazyGroup(click.Group):
    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; report Ctrl-C and end with its exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            from wordsight.cli._messages import report_interrupt

            report_interrupt(error)
            sys.exit(INTERRUPTED)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None for an unknown one."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(module_name(cmd_name))
        command: click.Command = module.command
        if ctx.resilient_parsing:  # the shell asks for completions
            from wordsight.cli.completion import complete_values

            return complete_values(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Reject an unknown command, and suggest what was likely meant."""
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
    """CLIP on your own machine: sort and search images, read any checkpoint, train your own model."""


def main() -> None:
    """Run the command line; an error of the user's making, or of files and disks, is one line and exit status 2."""
    with contextlib.suppress(AttributeError):  # a console without a character shows its number instead
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        group(standalone_mode=True)
    except SystemExit:
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":  # click's, once a reader such as head closed the pipe
            sys.exit(0)
        raise
    except WordsightError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno is None or (error.filename is None and error.errno not in (errno.ENOSPC, errno.EDQUOT)):
            raise
        message = str(error.strerror)
        if error.filename:
            message = f"{error.filename!r}: {message}"
        _fail(message)


def _fail(message: str) -> NoReturn:
    from wordsight.cli._messages import say

    say(message)
    sys.exit(2)
