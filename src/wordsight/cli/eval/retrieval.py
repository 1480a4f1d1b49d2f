"""`wordsight eval retrieval`: recall of images by their captions, and of captions by their images."""

from __future__ import annotations

import shlex
from typing import Any

import click

from wordsight.cli.eval._options import (
    check_report,
    dataset_argument,
    models_option,
    record_command,
    result_options,
)

EPILOG = """\b
Examples:
  wordsight eval retrieval captions.tsv                            image names and captions, one pair per row
  wordsight eval retrieval photos/ --report retrieval.html         photos with a .txt beside each
  wordsight eval retrieval 'shards/{000..009}.tar' --model mini --model ViT-B-32/openai

Rows that name the same image are one image with several captions. "Hit" recall@k, the one of papers, counts a query
as found if any of its answers is among the first k; "true" recall@k is the share of its answers. Both have 95 %
intervals by resampling images with all their captions. Where several images have the same caption, each of them
counts as its answer. The JSON has CLIP_benchmark's keys too: image_retrieval_recall@5, text_retrieval_recall@5.

For images that find images of their class, see wordsight eval similarity.

\b
Exit codes: 0 measured; 1 some images were skipped (listed on standard error); 2 the command or an input is wrong.
"""


@click.command(epilog=EPILOG)
@dataset_argument
@models_option
@click.option("-k", "ks", multiple=True, type=click.IntRange(1), default=(1, 5, 10), show_default=True, metavar="K",
              help="Number of first results that count; repeatable.")  # fmt: skip
@click.option("--text-column", "text_columns", multiple=True, metavar="NAME", help="Column of captions; repeatable.")
@click.option("--image-column", metavar="NAME", help="Column of the images, of a table.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Use the first N images.")
@result_options
@click.pass_context
def command(ctx: click.Context, /, dataset: str, models: tuple[str, ...], **options: Any) -> None:
    """Measure how well captions find their images, and images their captions."""
    from wordsight.cli.eval._results import deliver, image_progress, open_text_model, report_all_skips
    from wordsight.evaluate.result_files import write_figures
    from wordsight.evaluate.retrieval.captioned import open_captions
    from wordsight.evaluate.retrieval.measure import evaluate_retrieval
    from wordsight.evaluate.retrieval.report import build_report, draw_charts

    check_report(options["report"])
    data = open_captions(
        dataset,
        image_column=options["image_column"],
        text_columns=options["text_columns"],
        limit=options["limit"],
    )
    ks = sorted(set(options["ks"]))
    results = []
    for name in models:
        model = open_text_model(name, options)
        with image_progress(len(data.images), name) as progress:
            results.append(evaluate_retrieval(model, data, ks=ks, seed=options["seed"], progress=progress))
    words = record_command(ctx)
    charts = draw_charts(results) if options["report"] else []
    for result in results:
        repeat = record_command(ctx, models=[result.model])
        write_figures(options["out"], data.name, result.model, "retrieval", result.to_dict(), command=repeat)
    deliver(build_report(results, shlex.join(["wordsight", *words]), charts=charts, seed=options["seed"]), options)
    ctx.exit(report_all_skips([result.features for result in results]))
