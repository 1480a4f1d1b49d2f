"""`wordsight eval compare`: is a difference between models real, and how many images would show it?"""

from __future__ import annotations

import shlex
from typing import Any

import click

from wordsight.cli.eval._options import check_report, one_json_option, record_command, report_option, seed_option

EPILOG = """\b
Examples:
  wordsight eval zeroshot aid --model mini --model ViT-B-32/openai --out eval
  wordsight eval compare eval                                all zero-shot results in eval/
  wordsight eval compare eval --task fewshot                 methods by the number of labelled images
  wordsight eval compare eval/aid/mini eval/aid/ViT-B-32_openai
  wordsight eval compare before/ after/ --report compare.html
  wordsight eval compare eval clip_benchmark.json            accuracies of other tools, without pairing

Paths are files of predictions, or folders that are searched for them. Models are compared on the images that all of
them have. Several datasets are equally weighted; intervals of the mean take these datasets as a sample of datasets,
and those "on exactly these" as all there are. Of a few-shot method with a number of shots, one draw of the shots is
compared; files that are named by themselves are compared as they are.

\b
Exit codes: 0 compared; 2 the command or an input is wrong, or predictions of different datasets have one name.
"""


@click.command(epilog=EPILOG)
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--task", type=click.Choice(["zeroshot", "fewshot", "suite"]), help="Results to compare of those that "
              "a folder holds (default: the first of these that it has).")  # fmt: skip
@click.option("--cluster", default="", metavar="COLUMN", help="Column of groups of images that are alike, such as the "
              "film of a frame: they are drawn together, and intervals become wider.")  # fmt: skip
@report_option
@one_json_option
@seed_option
@click.pass_context
def command(ctx: click.Context, /, paths: tuple[str, ...], **options: Any) -> None:
    """Compare models by their predictions on the same images: differences with intervals, ranks, and ties."""
    from wordsight.cli.eval._results import deliver
    from wordsight.evaluate.comparison.compare import compare_results
    from wordsight.evaluate.comparison.experiments import choose_results
    from wordsight.evaluate.comparison.report import build_report

    check_report(options["report"])
    choice = choose_results(paths, options["task"])
    comparison = compare_results(
        choice.results, choice.unread, remarks=choice.remarks, cluster=options["cluster"], seed=options["seed"]
    )
    words = shlex.join(["wordsight", *record_command(ctx)])
    deliver(build_report(comparison, words), options)
