"""`wordsight eval pick`: which model at which precision, on this machine and these images?"""

from __future__ import annotations

import shlex
from typing import Any

import click

from wordsight.cli._options import spread
from wordsight.cli.eval._options import (
    check_report,
    dataset_argument,
    dataset_options,
    needs,
    one_json_option,
    open_dataset,
    record_command,
    report_option,
    seed_option,
)

EPILOG = """\b
Examples:
  wordsight eval pick photos/ --models mini --precisions f32 bf16
  wordsight quantize mini --calibrate photos/ -o mini-int8
  wordsight eval pick photos/ --models mini-int8 ViT-B-32/openai --report pick.html

Each candidate is measured in processes of its own, so that its memory is its own; for speed they take turns, and the
median is given. Let the machine do nothing else meanwhile. A precision that the processor lacks, and int8 of a model
that has no int8 copy, are listed with the reason; nothing is emulated.

\b
Exit codes: 0 measured; 2 the command or an input is wrong, or no candidate can be measured.
"""


class _SpreadLists(click.Command):
    """A command whose --models and --precisions take all values up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse after spreading both."""
        return super().parse_args(ctx, spread("--precisions", spread("--models", args)))


@click.command(cls=_SpreadLists, epilog=EPILOG)
@dataset_argument
@click.option("--models", multiple=True, default=("mini",), show_default=True, metavar="MODEL...",
              help="Models: names, files, folders or hf-hub:org/repo.")  # fmt: skip
@click.option("--precisions", multiple=True, default=("f32", "bf16", "int8"), show_default=True, metavar="NAME...",
              type=click.Choice(["auto", "f32", "bf16", "int8"]), help="Precisions of each.")  # fmt: skip
@click.option("--backend", default="auto", show_default=True, help="Backend: auto, openvino or torch.")
@click.option("--templates", metavar="TEMPLATES", help="Prompt templates: a built-in set, a template with {}, or a "
              "file (default: those of the dataset, else \"photo\").")  # fmt: skip
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1), help="Rounds of timing.")
@dataset_options
@report_option
@one_json_option
@seed_option
@needs("pyarrow", "scipy")
@click.pass_context
def command(ctx: click.Context, /, dataset: str, **options: Any) -> None:
    """Find the model and precision to use: accuracy, speed and memory, here and on your images.

    DATASET is a folder with a folder for each class, a table, or another form of labelled images.
    """
    from wordsight.cli.eval._results import deliver
    from wordsight.evaluate.picking.pick import pick
    from wordsight.evaluate.picking.report import build_report

    check_report(options["report"])
    data = open_dataset(dataset, options)
    picking = pick(
        data,
        list(dict.fromkeys(options["models"])),
        list(dict.fromkeys(options["precisions"])),
        backend=options["backend"],
        templates=options["templates"],
        rounds=options["rounds"],
        seed=options["seed"],
        progress=lambda step: click.echo(f"{step} …", err=True),
    )
    words = shlex.join(["wordsight", *record_command(ctx)])
    deliver(build_report(picking, words), options)
