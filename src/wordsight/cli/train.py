"""`wordsight train`: run a recipe."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shlex
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from wordsight.cli._options import DONE, own_line, plain_warnings
from wordsight.errors import InputError, MissingExtraError, WordsightError

NOT_GOOD, FAILED = 1, 2

EPILOG = """\b
Examples:
  wordsight train recipes/pictograms.py
  wordsight train recipes/pictograms.py --set optim.lr=1e-3 --set data.pairs=a.tsv,b.tsv --folder runs/fast
  wordsight train recipes/pictograms.py --folder runs/fast --resume
  wordsight train recipes/pictograms.py --show
  torchrun --nproc-per-node 8 -m wordsight train recipes/vit_b32_wit.py

RECIPE is a Python file with a function recipe() that returns a TrainConfig. Relative paths in it are relative to the
current folder. FOLDER gets log.jsonl, curves.png, checkpoints, and at the end the model: give it to --model.

\b
Exit codes: 0 done; 1 done, but the run is not called good (more was forgotten than tuning.keep allows);
2 the call, the recipe or its data is wrong, or the run failed; 130 interrupted: --resume goes on.
"""


@click.command(epilog=EPILOG)
@click.argument("recipe_path", metavar="RECIPE", type=click.Path(path_type=Path))
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting; --show lists them.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where the run lies; by default runs/<recipe's name>.")
@click.option("--resume", is_flag=True, help="Go on from the newest checkpoint in the folder, bit by bit the same.")
@click.option("--show", is_flag=True, help="Print every setting as KEY=VALUE, as --set changed it, and do nothing.")
@click.pass_context
def command(
    ctx: click.Context, recipe_path: Path, settings: tuple[str, ...], folder: Path | None, resume: bool, show: bool
) -> None:
    """Train a model as a recipe says; Ctrl-C stops after a checkpoint, --resume goes on.

    How it goes appears on standard error, what came out on standard output.
    """
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("Training", "torch", "train")
    try:
        with _quiet_but_on_first():
            code = _run(recipe_path, settings, folder, resume, show)
    except WordsightError as error:
        from wordsight.train.compute.placement import FIRST_TO_FAIL

        # One process of a machine says it for all, and the one it began with, as others may be ended before they can.
        if int(os.environ.get("LOCAL_RANK") or 0) and FIRST_TO_FAIL not in getattr(error, "__notes__", ()):
            ctx.exit(FAILED)
        raise
    ctx.exit(code)


def _run(path: Path, texts: tuple[str, ...], folder: Path | None, resume: bool, show: bool) -> int:
    from wordsight.train.recipe import load_recipe

    recipe = load_recipe(path).with_settings(texts)
    if show:
        if _is_first():
            _show(recipe.config)
        return DONE
    folder = folder or Path("runs") / recipe.name
    if folder.exists() and not folder.is_dir():
        raise InputError(f"--folder {str(folder)!r} is a file; name a folder for the run.")
    from wordsight.cli._run_watchers import run_watcher
    from wordsight.train.config import TrainConfig
    from wordsight.train.monitor.reports import watched_by
    from wordsight.train.run.signals import Stopped

    watcher = run_watcher()
    try:
        with watched_by(watcher), _warnings_to(watcher):
            result = recipe.run(folder, resume=resume)
    except Stopped as stop:
        watcher.on_end(None)  # ends the bar, so that what is said has a line of its own
        if _is_first():
            click.echo(f"{own_line()}wordsight: {stop}", err=True)
        return 128 + stop.number
    finally:
        watcher.on_end(None)
    words = not isinstance(recipe.config, TrainConfig) or recipe.config.objective.traits.embeds_texts
    return _report(result, folder, words) if _is_first() else DONE


def _report(result: Any, folder: Path, words: bool) -> int:
    """Say what came out, and what to do with it (`words`: the model knows texts); return the exit code."""
    from wordsight.cli._run_watchers import figure_lines, time_text
    from wordsight.images.names import source_name
    from wordsight.train.monitor.reports import RunResult

    if not isinstance(result, RunResult):  # a recipe that runs by itself has said the rest
        click.echo(f"Done: {source_name(folder)}")
        return DONE
    place = source_name(result.folder)
    click.echo(f"Model: {place}")
    for line in figure_lines(result.figures):
        click.echo(f"  {line}")
    click.echo(f"  loss {result.loss:.4f} at step {result.step:,}; {time_text(result.seconds)}")
    for name, value in result.notes.items():
        for one in value if isinstance(value, list | tuple) else (value,):
            click.echo(f"  {name.replace('_', ' ')}: {one}")
    if result.skipped:
        click.echo(f"  {sum(result.skipped.values()):,} samples were left out:")
        for reason, count in sorted(result.skipped.items(), key=lambda each: -each[1]):
            names = result.skipped_names.get(reason, ())
            more = ", …" if count > len(names) else ""
            click.echo(f"    {count:,}: {reason}" + (f" ({', '.join(names)}{more})" if names else ""))
    if result.cut:
        click.echo(f"  captions longer than the model reads, of which the end was not seen: {result.cut:,}")
    if (result.folder / "curves.png").exists():
        click.echo(f"Curves: {source_name(result.folder / 'curves.png')}")
    model = shlex.quote(str(result.folder))
    if words:
        click.echo(f"Try it: wordsight classify IMAGES --classes cat dog --model {model}")
    else:
        click.echo(f"Try it: wordsight index IMAGES --in INDEX --model {model}")
    bad = any(getattr(note, "good", True) is False for note in result.notes.values())
    return NOT_GOOD if bad and "TORCHELASTIC_RUN_ID" not in os.environ else DONE  # torchrun would start it all again


def _show(config: Any) -> None:
    from wordsight.train.config import settings

    for line in settings.to_lines(config):
        click.echo(line)


def _is_first() -> bool:
    """Return whether this is the process that speaks, of those that torchrun started."""
    return os.environ.get("RANK", "0") in ("", "0")


@contextlib.contextmanager
def _quiet_but_on_first() -> Iterator[None]:
    """Show warnings as one line each; those of other processes than the first not at all."""
    with plain_warnings():
        if not _is_first():
            warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _warnings_to(watcher: Any) -> Iterator[None]:
    """Show warnings above the bar."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: watcher.say(f"wordsight: {message}")
        yield
