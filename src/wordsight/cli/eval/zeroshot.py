"""`wordsight eval zeroshot`: how well models name the classes of images without training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

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

if TYPE_CHECKING:
    from wordsight.evaluate.datasets.labelled_set import LabelledSet
    from wordsight.evaluate.features import Features
    from wordsight.evaluate.zeroshot.words import Evaluated

_VARYING = ("templates", "backend", "precision", "split", "limit", "class_column")  # options that make another result

EPILOG = """\b
Examples:
  wordsight eval zeroshot photos/                     a folder for each class
  wordsight eval zeroshot labels.csv --by region      a table; the worst region
  wordsight eval zeroshot photos/ --model mini --model ViT-B-32/openai
  wordsight eval zeroshot photos/ --templates imagenet-80 --report zeroshot.html

\b
Written to FOLDER/<dataset>/<model>/ (--out), behind the model what differs from the defaults, such as the templates:
  predictions.parquet   the best classes of each image, from which all figures are computed
  result.json           the figures, with CLIP_benchmark's keys
  per_class.csv         images and recall of each class, and what it is most often taken for
and to FOLDER/eval_results-<model>.jsonl the figures of all datasets, as DataComp writes them.

\b
Exit codes: 0 measured; 1 some images were skipped (listed on standard error); 2 the command or an input is wrong.
"""


@click.command(epilog=EPILOG)
@datasets_argument
@models_option
@click.option("--templates", metavar="TEMPLATES", help="Prompt templates: a built-in set, a template with {}, or a "
              "file (default: those of the dataset, else \"photo\").")  # fmt: skip
@click.option("--by", multiple=True, metavar="COLUMN", help="Also measure each group of a column, and name the worst; "
              "repeatable.")  # fmt: skip
@dataset_options
@result_options
@needs("pyarrow", "scipy")
@click.pass_context
def command(ctx: click.Context, /, datasets: tuple[str, ...], models: tuple[str, ...], **options: Any) -> None:
    """Measure how well models name the classes of images without training.

    DATASET is a folder with a folder for each class, a table, or another form of labelled images.
    """
    from wordsight.evaluate.datasets.opening import check_names
    from wordsight.evaluate.zeroshot.summary import check_columns
    from wordsight.zeroshot.templates import resolve_templates

    check_report(options["report"])
    if options["templates"] is not None:
        resolve_templates(options["templates"])
    sets = {source: open_dataset(source, options) for source in datasets}
    check_names(sets)
    for data in sets.values():
        check_columns(data.name, data.columns, options["by"])
    evaluated: list[Evaluated] = []
    measured: list[Features] = []
    for model_name in dict.fromkeys(models):
        for each, features in _evaluate(ctx, model_name, sets, options):
            evaluated.append(each)
            measured.append(features)
    ctx.exit(_deliver(ctx, evaluated, measured, options))


def _evaluate(
    ctx: click.Context, model_name: str, sets: dict[str, LabelledSet], options: dict[str, Any]
) -> Sequence[tuple[Evaluated, Features]]:
    """Measure one model on all sets, and write each result as soon as it is there."""
    from wordsight.cli.eval._results import image_progress, open_text_model
    from wordsight.evaluate.predictions import write_predictions
    from wordsight.evaluate.result_folder import PREDICTIONS, lines_path, result_folder
    from wordsight.evaluate.zeroshot.run import run_zero_shot
    from wordsight.evaluate.zeroshot.summary import summarise
    from wordsight.evaluate.zeroshot.words import Evaluated

    model = open_text_model(model_name, options)
    variant = _name_variant(ctx)
    results = []
    for source, data in sets.items():
        recorded = record_command(ctx, datasets=[source], models=[model_name])
        with image_progress(len(data.images), f"{model_name} on {data.name}") as progress:
            run = run_zero_shot(model, data, templates=options["templates"], command=recorded, progress=progress)
        folder = result_folder(options["out"], data.name, model_name, variant)
        write_predictions(folder / PREDICTIONS, run.predictions)
        summary = summarise(run.predictions, by=options["by"], seed=options["seed"])
        _write_figures(folder, lines_path(options["out"], model_name, variant), Evaluated(run.predictions, summary))
        results.append((Evaluated(run.predictions, summary, data), run.features))
    return results


def _name_variant(ctx: click.Context) -> str:
    """Options that are not the default, for the name of the folder: "templates=imagenet-80,precision=f32"."""
    named = {name: ctx.params[name] for name in _VARYING}
    default = {param.name: param.default for param in ctx.command.params}
    return ",".join(f"{name}={value}" for name, value in named.items() if value not in (None, default[name]))


def _write_figures(folder: Path, lines: Path, evaluated: Evaluated) -> None:
    from wordsight.evaluate.result_files import (
        clip_benchmark_metrics,
        write_datacomp_line,
        write_per_class,
        write_result,
    )
    from wordsight.evaluate.result_folder import PER_CLASS, RESULT

    predictions, summary = evaluated.predictions, evaluated.summary
    write_result(folder / RESULT, predictions.origin, clip_benchmark_metrics(summary), {"summary": summary.to_dict()})
    write_per_class(folder / PER_CLASS, summary)
    write_datacomp_line(lines, predictions, summary)


def _deliver(
    ctx: click.Context, evaluated: Sequence[Evaluated], measured: Sequence[Features], options: dict[str, Any]
) -> int:
    """Print and write the report; return the exit code."""
    from wordsight.cli.eval._results import deliver, report_all_skips
    from wordsight.evaluate.zeroshot.overview import build_overview

    deliver(build_overview(evaluated, record_command(ctx), seed=options["seed"]), options)
    return report_all_skips(measured)
