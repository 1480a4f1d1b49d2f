"""`wordsight eval pairs`: compositional pairs in the forms of Winoground and SugarCrepe."""

from __future__ import annotations

import shlex
from typing import Any

import click

from wordsight.cli.eval._options import check_report, models_option, record_command, result_options

EPILOG = """\b
Examples:
  wordsight eval pairs add_att.json swap_obj.json --images coco/val2017      SugarCrepe: kinds are the files' names
  wordsight eval pairs examples.jsonl --images images --report pairs.html    Winoground: kinds are collapsed_tag
  wordsight eval pairs mine.csv                                              columns image, caption, negative_caption

\b
Columns (CSV, TSV, JSON lines, Parquet, or SugarCrepe's JSON):
  image_0, image_1, caption_0, caption_1     two images, two captions: text, image and group score
  filename, caption, negative_caption        one image, a right and a wrong caption: accuracy

Chance levels are 25 %, 25 % and 16.7 % of the first form, 50 % of the second. A tie counts as wrong.

\b
Exit codes: 0 measured; 1 some images were skipped (listed on standard error); 2 the command or an input is wrong.
"""


@click.command(epilog=EPILOG)
@click.argument("tables", nargs=-1, required=True, metavar="TABLE...")
@models_option
@click.option("--images", metavar="FOLDER", help="Folder of the images (default: the table's, and images in it).")
@click.option("--kind-column", metavar="NAME", help="Column of the kinds of tests.")
@result_options
@click.pass_context
def command(ctx: click.Context, /, tables: tuple[str, ...], models: tuple[str, ...], **options: Any) -> None:
    """Measure whether captions of nearly the same words are told apart: word order, attributes, relations."""
    from wordsight.cli.eval._results import deliver, image_progress, open_text_model, report_all_skips
    from wordsight.evaluate.compositional.items import open_pairs
    from wordsight.evaluate.compositional.measure import score_pairs
    from wordsight.evaluate.compositional.report import build_report, draw_charts
    from wordsight.evaluate.result_files import write_figures

    check_report(options["report"])
    data = open_pairs(tables, images=options["images"], kind_column=options["kind_column"])
    results = []
    for name in models:
        model = open_text_model(name, options)
        with image_progress(len(data.images), name) as progress:
            results.append(score_pairs(model, data, seed=options["seed"], progress=progress))
    for result in results:
        repeat = record_command(ctx, models=[result.model])
        write_figures(options["out"], data.name, result.model, "pairs", result.to_dict(), command=repeat)
    charts = draw_charts(results) if options["report"] else []
    words = shlex.join(["wordsight", *record_command(ctx)])
    deliver(build_report(results, words, charts=charts, seed=options["seed"]), options)
    ctx.exit(report_all_skips([result.features for result in results]))
