"""`wordsight eval prompts`: which prompts help on a labelled set, and whether they are better than noise."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from wordsight.cli.eval._options import (
    check_report,
    dataset_argument,
    dataset_options,
    model_option,
    one_json_option,
    open_dataset,
    record_command,
    report_option,
    seed_option,
)

EPILOG = """\b
Examples:
  wordsight eval prompts photos/                                   imagenet-7 against "a photo of a {}."
  wordsight eval prompts photos/ --templates imagenet-80 --prune rank
  wordsight eval prompts photos/ --templates mine.txt --control waffle
  wordsight eval prompts birds/ --cupl birds.json --dclip birds_descriptors.json --control waffle
  wordsight eval prompts pets/ --kind pet --rename "crane=crane bird"

Every prompt set is compared with --baseline on the same images; intervals are 95 %. --cupl and --dclip files are JSON:
{"hen": ["text", …], …}, with full prompts or descriptors ("red comb"). --prune chooses templates on some images and
reports their gain on others. For one image and many wordings, see wordsight eval wordings.

\b
Exit codes: 0 measured; 1 some images were skipped (listed on standard error); 2 the command or an input is wrong.
"""

_CONFIG = ("templates", "baseline", "cupl", "dclip", "renames", "kind", "prune", "control", "seeds", "seed")
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(epilog=EPILOG)
@dataset_argument
@dataset_options
@model_option
@click.option("--templates", multiple=True, default=("imagenet-7",), show_default=True, metavar="TEMPLATES",
              help="Prompt templates: a built-in set, a template with {}, or a file; repeatable.")  # fmt: skip
@click.option("--baseline", default="a photo of a {}.", show_default=True, metavar="TEMPLATE",
              help="Template that the others are compared with.")  # fmt: skip
@click.option("--cupl", multiple=True, type=_FILE, metavar="FILE", help="JSON of class name to full prompts, whose "
              "embeddings are averaged; repeatable.")  # fmt: skip
@click.option("--dclip", multiple=True, type=_FILE, metavar="FILE", help="JSON of class name to descriptors, whose "
              "similarities are averaged; repeatable.")  # fmt: skip
@click.option("--rename", "renames", multiple=True, metavar="NAME=WORDING", help="Try another wording of a class; "
              "repeatable.")  # fmt: skip
@click.option("--kind", metavar="WORD", help='Try ", a type of WORD" after every name, such as pet.')
@click.option("--prune", type=click.Choice(["greedy", "rank"]), help="Choose fewer templates, measured by "
              "cross-validation.")  # fmt: skip
@click.option("--control", type=click.Choice(["waffle"]), help="Compare with as many prompts of random words.")
@click.option("--seeds", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="With --control: "
              "sets of random prompts.")  # fmt: skip
@click.option("--bank", type=click.Path(path_type=Path), metavar="FOLDER", help="Unrelated images, for the label-free "
              "weights of templates.")  # fmt: skip
@report_option
@one_json_option
@seed_option
@click.pass_context
def command(ctx: click.Context, /, dataset: str, model: str, **options: Any) -> None:
    """Compare prompts on labelled images: templates, ensembles, files of prompts, other names, and random words."""
    from wordsight.cli.eval._results import deliver, image_progress, open_text_model, report_all_skips
    from wordsight.evaluate.features import embed_set
    from wordsight.evaluate.prompts.config import PromptStudyConfig, check_study
    from wordsight.evaluate.prompts.report import build_report, draw_charts
    from wordsight.evaluate.prompts.study import study_prompts

    check_report(options["report"])
    data = open_dataset(dataset, options)
    config = PromptStudyConfig(**{name: options[name] for name in _CONFIG})
    check_study(data, config)
    embedder = open_text_model(model, options)
    if options["bank"]:
        config = replace(config, bank_MD=_embed_bank(embedder, options["bank"]))
    with image_progress(len(data.images), model) as progress:
        features = embed_set(embedder, data, progress=progress)
    study = study_prompts(embedder, data, features, config)
    charts = {}
    if options["report"]:
        charts = draw_charts(study)
    deliver(build_report(study, shlex.join(["wordsight", *record_command(ctx)]), charts=charts), options)
    ctx.exit(report_all_skips([features]))


def _embed_bank(embedder: Any, folder: Path) -> Any:
    """Unit vectors (M, D) of the images in a folder that can be read."""
    import numpy as np

    from wordsight.errors import InputError
    from wordsight.images.files import find_images

    answers = embedder.stream_images(find_images([str(folder)]))
    vectors = [answer[1] for answer in answers if isinstance(answer, tuple)]
    if not vectors:
        raise InputError(f"--bank is {str(folder)!r}, which holds no image that can be read; give a folder of images.")
    return np.stack(vectors)
