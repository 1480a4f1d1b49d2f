"""`wordsight train`: train a model from a recipe."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli._messages import DONE, line_start, plain_warnings, say
from wordsight.errors import InputError, MissingExtraError, WordsightError

if TYPE_CHECKING:
    from wordsight.cli._train.watchers import Lines

FAILED = 2

EPILOG = """\b
Examples:
  wordsight train recipes/pictograms.py
  wordsight train recipes/pictograms.py --set optim.lr=1e-3 --set data.pairs=a.tsv,b.tsv --folder runs/fast
  wordsight train recipes/pictograms.py --folder runs/fast --resume
  wordsight train recipes/pictograms.py --show
  torchrun --nproc-per-node 8 -m wordsight train recipes/vit_b32_wit.py

RECIPE is a Python file with a function recipe() that returns a TrainConfig. Relative paths in it are relative to the
current folder. The output directory gets log.jsonl, curves.png, checkpoints, and at the end the model: pass it to
--model.

\b
Exit codes: 0 done; 1 done, but the model fails the forgetting check (tuning.keep);
2 the command, the recipe or its data is wrong, or the run failed; 130 interrupted: --resume continues.
"""


@click.command(epilog=EPILOG)
@click.argument("recipe_path", metavar="RECIPE", type=click.Path(path_type=Path))
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting; --show lists all.")
@click.option("--folder", type=click.Path(path_type=Path), metavar="DIR", help="Output directory (default: "
              "runs/<recipe's name>).")  # fmt: skip
@click.option("--resume", is_flag=True, help="Resume from the newest checkpoint in the output directory; the result is "
              "bit-identical.")  # fmt: skip
@click.option("--show", is_flag=True, help="Print every setting as KEY=VALUE, with the changes of --set, and exit.")
@click.pass_context
def command(
    ctx: click.Context, recipe_path: Path, settings: tuple[str, ...], folder: Path | None, resume: bool, show: bool
) -> None:
    """Train a model from RECIPE. Ctrl-C stops after a checkpoint; --resume continues.

    Progress is printed to standard error, results to standard output.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("Training", "torch", "train")
    try:
        with _warnings_of_first_process():
            code = _run(recipe_path, settings, folder, resume=resume, show=show)
    except WordsightError as error:
        from wordsight.train.compute.placement import FIRST_TO_FAIL

        # One process of a machine reports it for all, and the one that failed first, as others may be ended before.
        if int(os.environ.get("LOCAL_RANK") or 0) and FIRST_TO_FAIL not in getattr(error, "__notes__", ()):
            ctx.exit(FAILED)
        raise
    ctx.exit(code)


def _run(path: Path, texts: tuple[str, ...], folder: Path | None, *, resume: bool, show: bool) -> int:
    from wordsight.train.recipe import load_recipe

    recipe = load_recipe(path).with_settings(texts)
    if show:
        if _is_first():
            _show(recipe.config)
        return DONE
    folder = folder or Path("runs") / recipe.name
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--folder {str(folder)!r} is a file; name a folder for the run.")
    from wordsight.cli._train.watchers import make_watcher
    from wordsight.train.monitor.reports import watched_by
    from wordsight.train.run.signals import Stopped

    watcher = make_watcher()
    try:
        with watched_by(watcher), _warnings_to(watcher):
            result = recipe.run(folder, resume=resume)
    except Stopped as stop:
        watcher.on_end(None)  # ends the bar, so that the message has a line of its own
        if _is_first():
            click.echo(line_start(), nl=False, err=True)
            say(stop)
        return 128 + stop.number
    finally:
        watcher.on_end(None)
    if not _is_first():
        return DONE
    return _report(result, folder, recipe.config)


def _report(result: Any, folder: Path, config: Any) -> int:
    """Print the results of a run; return the exit code."""
    from wordsight.cli._train.report import report
    from wordsight.images.names import source_name
    from wordsight.train.config import TrainConfig
    from wordsight.train.monitor.reports import RunResult

    if not isinstance(result, RunResult):  # a recipe with a run() of its own reports the rest itself
        click.echo(f"Done: {source_name(folder)}")
        return DONE
    texts = not isinstance(config, TrainConfig) or config.objective.traits.embeds_texts
    return report(result, texts=texts)


def _show(config: Any) -> None:
    from wordsight.train.config import settings

    for line in settings.to_lines(config):
        click.echo(line)


def _is_first() -> bool:
    """Whether this process writes messages, of those that torchrun started."""
    return os.environ.get("RANK", "0") in ("", "0")


@contextlib.contextmanager
def _warnings_of_first_process() -> Iterator[None]:
    """Show warnings as one line each; those of other processes than the first not at all."""
    with plain_warnings():
        if not _is_first():
            warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _warnings_to(watcher: Lines) -> Iterator[None]:
    """Show warnings above the bar."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: watcher.write(f"wordsight: {message}")
        yield
