"""A run's folder: opened for a new run or to resume one, with `config.json`, which says what the run is."""

from __future__ import annotations

import shutil
from pathlib import Path

from wordsight import durable
from wordsight.errors import InputError, TrainError
from wordsight.train.config import TrainConfig, settings
from wordsight.train.monitor.run_log import LOG
from wordsight.train.run.checkpoints import CHECKPOINTS, UNFINISHED, list_steps
from wordsight.train.run.same_run import check_same_run
from wordsight.weights.file_names import SPEC, WORDSIGHT_WEIGHTS

CONFIG = "config.json"


def open_folder(config: TrainConfig, folder: Path, *, resume: bool) -> Path | None:
    """Newest checkpoint in a run's folder, to resume from; None: start at step 0. The folder is created if needed.

    A run that stopped before its first checkpoint starts from scratch.
    Raises: TrainError for a folder with a run in it if `resume` is false, for a run with another configuration (the
        settings that differ are named), and for a place that cannot be written.
    """
    try:
        found = list_steps(folder)
        if found or (folder / SPEC).exists() or (folder / WORDSIGHT_WEIGHTS[0]).exists():
            if not (folder / CONFIG).is_file():
                raise TrainError(
                    f"{folder} holds a model or checkpoints, but not the {CONFIG} of a run; choose another folder."
                )
            if not resume:
                raise TrainError(
                    f"{folder} already holds a run. Resume it (--resume; resume=True), or choose another folder."
                )
            check_same_run(config, _text(folder / CONFIG), folder / CONFIG)
        elif not _is_free(folder):
            raise TrainError(
                f"{folder} holds a {CONFIG if (folder / CONFIG).exists() else LOG} that no run wrote, which would be "
                "overwritten; choose another folder."
            )
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        for left in (folder / CHECKPOINTS).glob(f"{UNFINISHED}*"):  # of a run that was killed
            shutil.rmtree(left)
        durable.remove_parts(folder)
    except (OSError, ValueError) as error:  # a NUL in the name
        raise TrainError(_describe_unusable(folder, error)) from error
    return next(reversed(found.values()), None)


def _is_free(folder: Path) -> bool:
    """Whether a folder has no files of a run, or those of a run that stopped before its first checkpoint."""
    if not (folder / CONFIG).exists():
        return not (folder / LOG).exists()
    try:
        settings.from_json(TrainConfig, _text(folder / CONFIG))
    except InputError:
        return False
    return True


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace")


def write_config(config: TrainConfig, folder: Path) -> None:
    """Write the configuration of a folder's run. Raises: TrainError."""
    try:
        durable.write_whole(folder / CONFIG, settings.to_json(config), sync=True)
    except OSError as error:
        raise TrainError(_describe_unusable(folder, error)) from error


def _describe_unusable(folder: Path, error: OSError | ValueError) -> str:
    reason = getattr(error, "strerror", None) or error
    return f"The run's folder {folder} cannot be used ({reason}); choose another place."
