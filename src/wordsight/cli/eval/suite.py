"""`wordsight eval suite`: many datasets × many models, each by zero-shot, a linear probe and a few shots."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wordsight.cli._messages import say
from wordsight.cli.eval._options import (
    check_report,
    dataset_options,
    datasets_argument,
    models_option,
    needs,
    open_dataset,
    record_command,
    result_options,
)
from wordsight.cli.eval._results import deliver, image_progress, open_model, report_all_skips
from wordsight.errors import InputError

if TYPE_CHECKING:
    from wordsight.evaluate.datasets.labelled_set import LabelledSet
    from wordsight.evaluate.suite.cell import Cell

EPILOG = """\b
Examples:
  wordsight eval suite sets/*/
  wordsight eval suite sets/*/ --model mini --model ViT-B-32/openai --report suite.html
  wordsight eval suite sets/                          with labels.tsv: set, file, label
  wordsight eval suite sets/*/ --groups roles.tsv     means of each group too

\b
Predictions of each run are written to FOLDER/<dataset>/<model>/suite/ (--out); runs that are there already are not
repeated, so that an interrupted suite continues where it was. A dataset that cannot be used is left out, and named.
FOLDER/suite.csv has every figure: set, model, method, shots, value, low, high, n.

\b
Exit codes: 0 measured; 1 some images were skipped (listed on standard error); 2 the command or an input is wrong, or
no dataset can be used.
"""


@click.command(epilog=EPILOG)
@datasets_argument
@models_option
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True,
              help="Draws of the shots for each number.")  # fmt: skip
@click.option("--templates", metavar="TEMPLATES", help="Prompt templates: a built-in set, a template with {}, or a "
              "file (default: those of the dataset, else \"photo\").")  # fmt: skip
@click.option("--groups", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE",
              help="Table of dataset and group, separated by a tab: means of each group are given apart.")  # fmt: skip
@dataset_options
@result_options
@needs("pyarrow", "scipy", "matplotlib")
@click.pass_context
def command(ctx: click.Context, /, datasets: tuple[str, ...], models: tuple[str, ...], **options: Any) -> None:
    """Measure models on many datasets: zero-shot, linear probe, and a few labelled images of each class.

    A bar for each dataset shows zero-shot less probe; a curve shows the mean over datasets by the number of shots.
    """
    from wordsight.evaluate.datasets.opening import check_names
    from wordsight.evaluate.suite.groups import read_groups
    from wordsight.evaluate.suite.report import build_suite_report, write_charts, write_figures
    from wordsight.evaluate.suite.summary import summarise_suite

    check_report(options["report"])
    groups = {} if options["groups"] is None else read_groups(options["groups"])
    left_out: list[tuple[str, str]] = []
    cells: list[Cell] = []
    sets = _open_sets(datasets, options, left_out)
    check_names(sets)
    for name in dict.fromkeys(models):
        cells += _measure(ctx, name, sets, options, left_out)
    if not cells:
        raise InputError(f"None of the {len(datasets)} datasets can be measured; the first: {left_out[0][1]}")
    result = summarise_suite(cells, groups=groups, left_out=left_out)
    charts = write_charts(result, options["out"])
    deliver(build_suite_report(result, shlex.join(["wordsight", *record_command(ctx)])), options)
    say(f"figures written to {write_figures(result, options['out'] / 'suite.csv')}.")
    say(f"charts written to {', '.join(map(str, charts)) or 'no file: there is nothing to draw'}.")
    reused = sum(cell.reused for cell in cells)
    if reused:
        say(f"{reused} runs were there already and were not repeated.")
    ctx.exit(report_all_skips([features for cell in cells for features in cell.features]))


def _open_sets(
    datasets: tuple[str, ...], options: dict[str, Any], left_out: list[tuple[str, str]]
) -> dict[str, LabelledSet]:
    """Sets by their sources; those that cannot be opened are left out. A table of several sets is all of them."""
    from wordsight.evaluate.datasets.opening import list_sets

    sets: dict[str, LabelledSet] = {}
    for source in dict.fromkeys(itertools.chain.from_iterable(map(list_sets, datasets))):
        try:
            sets[source] = open_dataset(source, options)
        except InputError as error:
            left_out.append((Path(source).name, str(error)))
    return sets


def _measure(
    ctx: click.Context,
    name: str,
    sets: dict[str, LabelledSet],
    options: dict[str, Any],
    left_out: list[tuple[str, str]],
) -> list[Cell]:
    """Measure one model on all sets; those that it cannot be measured on are left out."""
    from wordsight.evaluate.fewshot.task import open_pool
    from wordsight.evaluate.suite.cell import Plan, measure_cell
    from wordsight.evaluate.zeroshot.run import choose_templates

    model = open_model(name, options)
    cells: list[Cell] = []
    with image_progress(sum(len(data.images) for data in sets.values()), name) as progress:
        for source, data in sets.items():
            command = record_command(ctx, datasets=[source], models=[name])
            plan = Plan(
                options["out"], seeds=options["seeds"], first_seed=options["seed"] * options["seeds"], command=command
            )
            pool = open_pool(source, data, open_dataset, options)
            templates = choose_templates(data, options["templates"])
            try:
                cells.append(measure_cell(model, data, plan, pool=pool, templates=templates, progress=progress))
            except InputError as error:
                left_out.append((data.name, str(error)))
    return cells
