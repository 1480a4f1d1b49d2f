"""The finished model at the top of a run's folder, which `wordsight.load` then opens."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from wordsight import durable
from wordsight.checkpoint import Checkpoint
from wordsight.errors import InputError, TrainError
from wordsight.weights.file_names import SPEC
from wordsight.weights.write import write_checkpoint

_BESIDE = ".unfinished_model"


def write_model(checkpoint: Checkpoint, folder: Path) -> None:
    """Write a model into a folder that holds other files too, in wordsight's layout; its `wordsight.json` comes last.

    The model is named after its folder: under the name of the model it was tuned from it would be mistaken for that.

    Raises: TrainError where it cannot be written; the run's checkpoints stay.
    """
    beside = folder / _BESIDE
    named = replace(checkpoint, spec=replace(checkpoint.spec, name=folder.resolve().name))
    try:
        shutil.rmtree(beside, ignore_errors=True)  # of a run that was killed just here
        write_checkpoint(named, beside, "wordsight")
        for path in sorted(beside.iterdir(), key=lambda path: path.name == SPEC):
            durable.sync_file(path)
            os.replace(path, folder / path.name)
        durable.sync_folder(folder)
    except (OSError, InputError) as error:
        reason = str(getattr(error, "strerror", None) or error).rstrip(".")
        raise TrainError(
            f"The finished model was not written into {folder}: {reason}. The last checkpoint is whole: check the "
            "disk, then run again with --resume (resume=True), which only writes the model."
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
