"""Options that the subcommands of `wordsight eval` share, each with one name, one meaning and one help text."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wordsight.arguments import check_folder_of
from wordsight.cli._options import backend_options, json_option
from wordsight.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from wordsight.evaluate.datasets.labelled_set import LabelledSet

F = TypeVar("F", bound=Callable[..., Any])

# Names of parameters, which are the keys of the `options` that commands take.
_NOT_RECORDED = frozenset({"out", "report", "sheet", "as_json", "save"})

dataset_argument = click.argument("dataset", metavar="DATASET")
datasets_argument = click.argument("datasets", nargs=-1, required=True, metavar="DATASET...")

out_option = click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("eval"),
                          show_default=True, metavar="FOLDER", help="Write results to FOLDER/<dataset>/<model>/."
                          )  # fmt: skip
report_option = click.option("--report", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
                             help="Write a page with charts and images to FILE.html (or FILE.md with charts as PNG), "
                             "and its figures to FILE.json beside it.")  # fmt: skip
seed_option = click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
                           help="Seed of all random draws.")  # fmt: skip
sheet_option = click.option("--sheet", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
                            help="Write the images to look at to FILE.png.")  # fmt: skip
one_json_option = json_option("Print the figures as one JSON object.")


def needs(*packages: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Refuse to run without packages of the extra `eval`, before anything is computed; `--help` does without them."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def run(*args: Any, **options: Any) -> Any:
            check_packages(f"`wordsight eval {click.get_current_context().info_name}`", *packages)
            return command(*args, **options)

        return run

    return add


def check_packages(feature: str, *packages: str) -> None:
    """Raise MissingExtraError for the first package of the extra `eval` that is not installed."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(feature, package, "eval")


def dataset_options(command: F) -> F:
    """Add --split, --image-column, --class-column and --limit: how a dataset is read. See `open_dataset`."""
    for option in (
        click.option("--limit", type=click.IntRange(1), metavar="N", help="Use at most N images, spread evenly over "
                     "the classes."),
        click.option("--class-column", metavar="NAME", help="Column of the classes, of a table."),
        click.option("--image-column", metavar="NAME", help="Column of the images, of a table."),
        click.option("--split", metavar="NAME", help="Split to measure on (default: test, where there is one)."),
    ):  # fmt: skip
        command = option(command)
    return command


def models_option(command: F) -> F:
    """Add --model, which may be given several times, --backend and --precision."""
    command = backend_options(command)
    return click.option("--model", "models", multiple=True, default=("mini",), show_default=True, metavar="MODEL",
                        help="Model: name, file, folder, hf-hub:org/repo, or an embeddings server: "
                        "http://HOST/v1#NAME; repeatable.")(command)  # fmt: skip


def model_option(command: F) -> F:
    """Add --model, --backend and --precision, of a command that works with one model."""
    command = backend_options(command)
    return click.option("--model", default="mini", show_default=True, metavar="MODEL",
                        help="Model: name, file, folder, hf-hub:org/repo, or an embeddings server: "
                        "http://HOST/v1#NAME.")(command)  # fmt: skip


def result_options(command: F) -> F:
    """Add --out, --report, --json and --seed."""
    for option in (seed_option, one_json_option, report_option, out_option):
        command = option(command)
    return command


def open_dataset(source: str, options: Mapping[str, Any]) -> LabelledSet:
    """Dataset by the options of `dataset_options`, those that the command has."""
    from wordsight.evaluate.datasets.opening import open_set

    names = ("split", "image_column", "class_column", "limit")
    return open_set(source, **{name: options[name] for name in names if name in options})


def record_command(ctx: click.Context, **only: Any) -> tuple[str, ...]:
    """Arguments behind `wordsight` that repeat this command, as `Origin.command` keeps them.

    Values that are the default, and where results go, are left out. only: parameters of which another value is
    recorded, such as the one model of several to which a file belongs: `record_command(ctx, models=["mini"])`.
    """
    path = _command_names(ctx)
    arguments: list[str] = []
    for param in ctx.command.params:
        value = only.get(param.name or "", ctx.params.get(param.name or ""))
        if param.name in _NOT_RECORDED or value is None or (value == param.default and param.name not in only):
            continue
        values = list(map(str, value)) if isinstance(value, list | tuple) else [str(value)]
        if isinstance(param, click.Argument):
            path += values
        elif isinstance(param, click.Option):
            arguments += _option_arguments(param, value, values)
    return (*path, *arguments)


def _command_names(ctx: click.Context) -> list[str]:
    """Names of a command and its groups behind the program's: ["eval", "zeroshot"]."""
    names: list[str] = []
    while ctx.parent is not None:
        names.insert(0, ctx.info_name or "")
        ctx = ctx.parent
    return names


def _option_arguments(param: click.Option, value: Any, values: list[str]) -> list[str]:
    name = max(param.opts, key=len)
    if not param.is_flag:
        return [text for each in values for text in (name, each)]
    if value is True:
        return [name]
    if value is False:
        return [max(param.secondary_opts, key=len)] if param.secondary_opts else []
    return [max(param.opts, key=len)] if value == param.flag_value else []


def check_report(report: Path | None) -> None:
    """Raise InputError for a report whose name does not end in .html, or in a folder that does not exist.

    Raises: MissingExtraError too where its charts cannot be drawn: all of it would otherwise be told after a long run.
    """
    if report is None:
        return
    check_packages("--report", "matplotlib")
    if report.suffix.lower() not in (".html", ".htm", ".md"):
        raise InputError(f"--report is {str(report)!r}, where a page would be written; its name must end in .html, or "
                         "in .md for Markdown.")  # fmt: skip
    check_folder_of(report, "--report")


def check_sheet(sheet: Path | None) -> None:
    """Raise InputError for a contact sheet whose name does not end in .png, or in a folder that does not exist."""
    if sheet is None:
        return
    if sheet.suffix.lower() != ".png":
        raise InputError(f"--sheet is {str(sheet)!r}, where an image would be written; its name must end in .png.")
    check_folder_of(sheet, "--sheet")
