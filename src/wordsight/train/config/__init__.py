"""Settings of a run: frozen records with a default for everything, changed by recipes and `--set`."""

from wordsight.evaluate.held_out.config import ZeroShotConfig
from wordsight.train.config.objectives import OBJECTIVES, ObjectiveName
from wordsight.train.config.records import (
    AugmentConfig,
    ComputeConfig,
    DataConfig,
    ObjectiveConfig,
    OptimConfig,
    TrainConfig,
    TuningConfig,
    WatchConfig,
)

__all__ = [
    "OBJECTIVES",
    "AugmentConfig",
    "ComputeConfig",
    "DataConfig",
    "ObjectiveConfig",
    "ObjectiveName",
    "OptimConfig",
    "TrainConfig",
    "TuningConfig",
    "WatchConfig",
    "ZeroShotConfig",
]
