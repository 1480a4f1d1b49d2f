"""`wordsight eval labels`: labels of a dataset that are likely wrong."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from wordsight.cli.eval._options import (
    check_report,
    check_sheet,
    dataset_argument,
    dataset_options,
    model_option,
    needs,
    open_dataset,
    record_command,
    result_options,
    sheet_option,
)

EPILOG = """\b
Examples:
  wordsight eval labels photos/                           a folder per class
  wordsight eval labels labels.csv --sheet suspects.png   look at the likeliest errors
  wordsight eval labels photos/ --method zero-shot           do not learn from the labels

\b
Probabilities, fitted without the image's own label (--method):
  prior-probe   linear probe pulled towards zero-shot, fitted on the other folds of five (default)
  probe         linear probe; for models that know no words
  zero-shot     class names only

An image is a suspect if another class claims it with at least the confidence it has in its own images (confident
learning, Northcutt et al. 2021). To show how far to trust the list, a twentieth of the labels is changed at random,
three times, and the changed ones are looked for. Nothing is changed in your files.

\b
Exit codes: 0 examined; 1 some images were skipped (listed on standard error); 2 the command or an input is wrong.
"""


@click.command(epilog=EPILOG)
@dataset_argument
@model_option
@dataset_options
@click.option("--method", metavar="METHOD", help="Source of the probabilities: prior-probe, probe or zero-shot.")
@sheet_option
@result_options
@needs("scipy")
@click.pass_context
def command(ctx: click.Context, /, dataset: str, model: str, **options: Any) -> None:
    """Find labels that are likely wrong, and measure how far to trust that."""
    from wordsight.cli.eval._results import deliver, image_progress, open_model, report_all_skips
    from wordsight.evaluate.data_quality.examination import build_report, examine_labels, show_suspects
    from wordsight.evaluate.report.sheets import write_contact_sheet
    from wordsight.evaluate.result_files import write_figures

    check_report(options["report"])
    check_sheet(options["sheet"])
    data = open_dataset(dataset, options)
    embedder = open_model(model, options)
    with image_progress(len(data.images), model) as progress:
        result = examine_labels(embedder, data, method=options["method"], seed=options["seed"], progress=progress)
    recorded = record_command(ctx)
    write_figures(options["out"], data.name, model, "labels", result.to_dict(), command=recorded)
    deliver(build_report(result, shlex.join(["wordsight", *recorded])), options)
    sheet: Path | None = options["sheet"]
    if sheet is not None:
        write_contact_sheet(sheet, [show_suspects(result)], f"Likely label errors of {data.name}")
    ctx.exit(report_all_skips([result.features]))
