"""Whether a folder holds the run that is to be resumed: settings that may change, and those that may not."""

from __future__ import annotations

from pathlib import Path

from wordsight.errors import InputError, TrainError
from wordsight.train.config import TrainConfig, settings

# Settings that may differ when a run is resumed: how the same result is computed, read, logged or evaluated.
FREE = ("watch.", "data.workers", "compute.chunk", "compute.device", "compute.compile", "compute.checkpointing",
        "compute.sharding", "compute.timeout", "objective.tile",
        "tuning.alphas", "tuning.forgetting", "tuning.keep")  # fmt: skip
_SHOWN = 8


def check_same_run(config: TrainConfig, stored: str, source: Path) -> None:
    """Compare a run's stored configuration, as JSON, with `config` in everything that is not `FREE`.

    Raises: TrainError, naming the settings that differ and the file `source` that `stored` was read from.
    """
    try:
        before = settings.from_json(TrainConfig, stored)
    except InputError as error:
        raise TrainError(f"{source} is not a readable configuration: {error}") from error
    differ = {key: pair for key, pair in settings.differences(before, config).items() if not key.startswith(FREE)}
    if differ:
        shown = [f"{key} was {was!r}, is now {now!r}" for key, (was, now) in differ.items()]
        raise TrainError(
            f"The run of {source} is a different one: {settings.join_first(shown, _SHOWN)}. Resume with the same "
            "settings, or choose another folder for a new run."
        )
