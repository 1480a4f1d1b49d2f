"""Training: two towers from scratch, fine-tuning, and the baselines that they are compared with. Needs torch.

The public place of training: recipes and notebooks import from here, `from wordsight.train import TrainConfig, train`.
Names are imported when they are first used; settings, sizes and `write_shards` do not import
torch. Modules below are internal.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wordsight.errors import MissingExtraError

if TYPE_CHECKING:
    from wordsight.pairs.shards import write_shards
    from wordsight.train.config import (
        AugmentConfig,
        ComputeConfig,
        DataConfig,
        ObjectiveConfig,
        OptimConfig,
        TrainConfig,
        TuningConfig,
        WatchConfig,
        ZeroShotConfig,
    )
    from wordsight.train.config.objectives import OBJECTIVES
    from wordsight.train.config.sizes import SIZES, size
    from wordsight.train.finetune.tuning import start_spec
    from wordsight.train.loop import train
    from wordsight.train.monitor.reports import RunFacts, RunResult, StepReport, TrainWarning, Watcher, watched_by
    from wordsight.train.monitor.run_log import read_log
    from wordsight.train.run.signals import Stopped

# public name → the module that has it, as imported from here: one more dot for each package above
_HOMES = {
    "OBJECTIVES": "config.objectives",
    "SIZES": "config.sizes",
    "AugmentConfig": "config",
    "ComputeConfig": "config",
    "DataConfig": "config",
    "ObjectiveConfig": "config",
    "OptimConfig": "config",
    "RunFacts": "monitor.reports",
    "RunResult": "monitor.reports",
    "StepReport": "monitor.reports",
    "Stopped": "run.signals",
    "TrainConfig": "config",
    "TrainWarning": "monitor.reports",
    "TuningConfig": "config",
    "WatchConfig": "config",
    "Watcher": "monitor.reports",
    "ZeroShotConfig": "config",
    "read_log": "monitor.run_log",
    "size": "config.sizes",
    "start_spec": "finetune.tuning",
    "train": "loop",
    "watched_by": "monitor.reports",
    "write_shards": ".pairs.shards",
}

__all__ = [
    "OBJECTIVES",
    "SIZES",
    "AugmentConfig",
    "ComputeConfig",
    "DataConfig",
    "ObjectiveConfig",
    "OptimConfig",
    "RunFacts",
    "RunResult",
    "StepReport",
    "Stopped",
    "TrainConfig",
    "TrainWarning",
    "TuningConfig",
    "WatchConfig",
    "Watcher",
    "ZeroShotConfig",
    "read_log",
    "size",
    "start_spec",
    "train",
    "watched_by",
    "write_shards",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
    except ModuleNotFoundError as error:
        if error.name == "torch":
            raise MissingExtraError("Training", "torch", "train") from error
        raise


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
