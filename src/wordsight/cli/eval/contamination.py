"""`wordsight eval contamination`: test images that a model may have been trained on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from wordsight.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from wordsight.evaluate.data_quality.training_images import TrainingImages
    from wordsight.evaluate.datasets.labelled_set import LabelledSet
    from wordsight.evaluate.models import LoadedImageModel

EPILOG = """\b
Examples:
  wordsight eval contamination test/ --train train/                  two folders
  wordsight eval contamination test/ --in my-index                   an index of the training images
  wordsight eval contamination test/ --train train/ --sheet copies.png
  wordsight eval contamination test/ --train train/ --predictions eval/test/other/predictions.parquet

Copies may be resized, re-encoded, cropped by up to a fifth, mirrored, brighter or darker, as those of wordsight
duplicates: near by their vectors, and the same in their pixels. Look at the matches before you believe them. Accuracy
is zero-shot by the model, or that of --predictions; an interval says how far it differs without the copies.

\b
Exit codes: 0 examined; 1 some images were skipped (listed on standard error); 2 the command or an input is wrong.
"""


@click.command(epilog=EPILOG)
@dataset_argument
@click.option("--train", metavar="IMAGES", help="Training images: a folder, a file or a pattern.")
@click.option("--in", "location", metavar="INDEX", help="Index of the training images, instead of --train.")
@click.option("--predictions", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Predictions whose accuracy is examined (default: zero-shot of the model).")  # fmt: skip
@model_option
@dataset_options
@sheet_option
@result_options
@needs("pyarrow")
@click.pass_context
def command(ctx: click.Context, /, dataset: str, model: str, **options: Any) -> None:
    """Find test images with a copy among training images, and accuracy with and without them."""
    from wordsight.cli.eval._results import deliver, image_progress, open_model, report_all_skips
    from wordsight.evaluate.data_quality.contamination import build_report, find_contamination, show_matches
    from wordsight.evaluate.features import embed_set
    from wordsight.evaluate.models import LoadedImageModel
    from wordsight.evaluate.report.sheets import write_contact_sheet
    from wordsight.evaluate.result_files import write_figures

    if (options["train"] is None) == (options["location"] is None):
        raise InputError("Name the training images: either --train, a folder, or --in, an index of them.")
    check_report(options["report"])
    check_sheet(options["sheet"])
    data = open_dataset(dataset, options)
    embedder = open_model(model, options)
    if not isinstance(embedder, LoadedImageModel):
        raise InputError(f"The model {model!r} has no index of its own; name a CLIP model for comparing images.")
    with image_progress(len(data.images), model) as progress:
        features = embed_set(embedder, data, progress=progress)
    readable = features.of(data)
    trained = _read_training(options, embedder)
    hit_N = _find_hits(options["predictions"], embedder, readable)
    result = find_contamination(
        readable, features, trained, model=model, fingerprint=embedder.fingerprint, hit_N=hit_N,
        seed=options["seed"],
    )  # fmt: skip
    recorded = record_command(ctx)
    write_figures(options["out"], data.name, model, "contamination", result.to_dict(), command=recorded)
    deliver(build_report(result, shlex.join(["wordsight", *recorded])), options)
    if options["sheet"] is not None:
        write_contact_sheet(options["sheet"], [show_matches(result)], f"Copies of {data.name} in {trained.name}")
    ctx.exit(report_all_skips([features]))


def _read_training(options: Mapping[str, Any], model: LoadedImageModel) -> TrainingImages:
    from wordsight.cli.eval._results import image_progress
    from wordsight.evaluate.data_quality.training_images import read_folder, read_index
    from wordsight.images.files import find_images
    from wordsight.index import open_index

    if options["location"] is not None:
        return read_index(open_index(options["location"]), model, options["location"])
    paths = [str(path) for path in find_images([options["train"]])]
    with image_progress(len(paths), "training images") as progress:
        return read_folder(options["train"], paths, model, progress=progress)


def _find_hits(predictions: Path | None, model: LoadedImageModel, data: LabelledSet) -> np.ndarray | None:
    """Whether each image is classified correctly, as floats, NaN where that is not known; None of a model of images."""
    import numpy as np

    from wordsight.evaluate.embedder import ImageTextEmbedder
    from wordsight.evaluate.predictions import read_predictions
    from wordsight.evaluate.zeroshot.run import run_zero_shot

    hits: Mapping[str, bool]
    if predictions is not None:
        read = read_predictions(predictions)
        hits = {key: bool(hit) for key, hit, good in zip(read.keys, read.hits, read.known, strict=True) if good}
        if not set(data.keys) & hits.keys():
            raise InputError(f"{str(predictions)!r} is of another dataset: no key is one of {data.name!r}.")
    elif isinstance(model, ImageTextEmbedder) and len(data.classnames) > 1:
        made = run_zero_shot(model, data).predictions
        hits = {key: bool(hit) for key, hit, good in zip(made.keys, made.hits, made.known, strict=True) if good}
    else:
        return None
    return np.array([float(hits[key]) if key in hits else np.nan for key in data.keys])
