"""How a run is done: frozen records with a default for everything, changed by recipes and `--set`."""

from wordsight.train.config.records import (
    AugmentConfig,
    ComputeConfig,
    DataConfig,
    ObjectiveConfig,
    ObjectiveName,
    OptimConfig,
    TrainConfig,
    TuningConfig,
    WatchConfig,
    ZeroShotConfig,
)

__all__ = [
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
