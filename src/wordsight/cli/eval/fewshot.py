"""`wordsight eval fewshot`: how much a few labelled images of each class help, method by method."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli._messages import say
from wordsight.cli._options import spread
from wordsight.cli.eval._options import (
    check_report,
    dataset_argument,
    dataset_options,
    model_option,
    needs,
    open_dataset,
    record_command,
    result_options,
)
from wordsight.cli.eval._results import deliver, image_progress, open_model, report_all_skips

if TYPE_CHECKING:
    from wordsight.evaluate.fewshot.curves import Run
    from wordsight.evaluate.predictions import Predictions

_METHODS = ("prior-probe", "probe", "nearest-mean", "gda", "clap", "tip-adapter")


class _SpreadCommand(click.Command):
    """A command whose --methods and --shots take all values up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse after spreading both."""
        return super().parse_args(ctx, spread("--shots", spread("--methods", args)))


EPILOG = """\b
Examples:
  wordsight eval fewshot photos/
  wordsight eval fewshot photos/ --methods clap probe --shots 1 4 all --report fewshot.html
  wordsight eval fewshot photos/ --model pixels:16 --methods probe nearest-mean
  wordsight eval fewshot photos/ --save products.safetensors
  wordsight classify new/ --probe products.safetensors

\b
Methods: probe, nearest-mean, gda, gda-fixed, prior-probe, zero-shot-start, clap, lp++, tip-adapter, tip-adapter-f;
tip-adapter:published and tip-adapter-f:published are tuned on the test images, to show what that is worth.

Shots are drawn from the train split where there is one, else from half of each class; the rest is tested on.

\b
Exit codes: 0 measured; 1 some images were skipped (listed on standard error); 2 the command or an input is wrong.
"""


@click.command(cls=_SpreadCommand, epilog=EPILOG)
@dataset_argument
@model_option
@click.option("--methods", multiple=True, default=_METHODS, metavar="NAME...", show_default=True,
              help="Methods to compare: one or more, up to the next option.")  # fmt: skip
@click.option("--shots", multiple=True, default=("1", "2", "4", "8", "16", "all"), metavar="K...", show_default=True,
              help='Images of each class to learn from: numbers, and "all".')  # fmt: skip
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True,
              help="Draws of the shots for each number.")  # fmt: skip
@click.option("--templates", metavar="TEMPLATES", help="Prompt templates: a built-in set, a template with {}, or a "
              "file (default: those of the dataset, else \"photo\").")  # fmt: skip
@click.option("--save", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Fit the first linear method of --methods on all images, and write it to FILE for "
              "`wordsight classify --probe`.")  # fmt: skip
@dataset_options
@result_options
@needs("pyarrow", "scipy", "matplotlib")
@click.pass_context
def command(ctx: click.Context, /, dataset: str, **options: Any) -> None:
    """Measure what a few labelled images of each class add to zero-shot.

    Curves of accuracy by the number of labelled images, for linear probes and their relatives, with 95 % intervals
    over draws of the shots and test images; and in words, how many images zero-shot is worth.
    """
    from wordsight.evaluate.fewshot import curves, report, saving
    from wordsight.evaluate.fewshot.methods import find_method
    from wordsight.evaluate.fewshot.shots import parse_shots
    from wordsight.evaluate.fewshot.task import open_pool, prepare_task
    from wordsight.evaluate.fewshot.verdict import describe_head
    from wordsight.evaluate.result_folder import result_folder
    from wordsight.evaluate.zeroshot.run import choose_templates

    check_report(options["report"])
    saving.check_save(options["save"], options["methods"])
    shots = parse_shots(options["shots"])
    for name in options["methods"]:
        find_method(name)
    data = open_dataset(dataset, options)
    templates = choose_templates(data, options["templates"])
    pool = open_pool(dataset, data, open_dataset, options)
    model = open_model(options["model"], options)
    images = sum(len(part.images) for part in (data, pool) if part is not None)
    with image_progress(images, "Embedding") as progress:
        task = prepare_task(model, data, pool=pool, templates=templates, progress=progress)
    notes: list[str] = []
    methods = curves.plan_methods(task, options["methods"], notes)
    counts = curves.plan_counts(task, shots, notes)
    line = record_command(ctx)
    with image_progress(curves.count_fits(methods, counts, options["seeds"]), "Fitting") as progress:
        first = options["seed"] * options["seeds"]  # another --seed draws other shots
        runs = curves.run_methods(
            task, methods, counts, options["seeds"], first_seed=first, command=line, progress=progress
        )
    zero_shot = curves.predict_zero_shot(task, line)
    result = curves.summarise(task, runs, zero_shot, notes, seed=options["seed"])
    folder = result_folder(options["out"], task.name, task.model) / "fewshot"
    _write_results(folder, runs, zero_shot)
    report.draw_curves(result).write_files(folder / "curves")
    deliver(report.build_report(result, shlex.join(["wordsight", *line])), options)
    say(f"predictions, curves.png and curves.svg written to {folder}.")
    if options["save"]:
        head = saving.fit_head(task, methods, model, result)
        head.save(options["save"])
        say(f"{head.kind}, fitted on all {head.facts['images']} images, saved to {options['save']}.")
        say(describe_head(head.kind, result))
    ctx.exit(report_all_skips(task.features))


def _write_results(folder: Path, runs: Sequence[Run], zero_shot: Predictions | None) -> None:
    """Predictions of each run, for `wordsight eval compare`: probe-4-shots-seed-0.parquet."""
    from wordsight.evaluate.predictions import write_predictions
    from wordsight.evaluate.result_folder import run_name

    if zero_shot is not None:
        write_predictions(folder / "zero-shot.parquet", zero_shot)
    for run in runs:
        write_predictions(folder / f"{run_name(run.method, run.count, run.seed)}.parquet", run.predictions)
