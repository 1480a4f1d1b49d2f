"""Range of each numeric setting, checked before anything is opened or computed."""

from __future__ import annotations

import math
from typing import NamedTuple

from wordsight.errors import InputError
from wordsight.train.config import TrainConfig, settings


class Range(NamedTuple):
    """Numbers from `least` to `most`; above, below: without the ends themselves."""

    least: float
    most: float = math.inf
    above: bool = False
    below: bool = False

    def holds(self, value: float) -> bool:
        """Whether a number is in the range; NaN never is."""
        if (self.above and value == self.least) or (self.below and value == self.most):
            return False
        return self.least <= value <= self.most

    def __str__(self) -> str:
        """Range in words, such as "more than 0 and 1 at most"."""
        words = f"{self.least:g} or more"
        if self.above:
            words = f"more than {self.least:g}"
        if self.most == math.inf:
            return words
        if self.below:
            return f"{words} and below {self.most:g}"
        return f"{words} and {self.most:g} at most"


_COUNT, _SHARE, _PART = Range(1), Range(0, 1), Range(0, 1, above=True)
RANGES = {
    "batch": _COUNT,
    "steps": _COUNT,
    "epochs": Range(0, above=True),
    "seed": Range(-(2**63), 2**63 - 1),  # torch's
    "data.buffer": _COUNT,
    "data.samples": _COUNT,
    "data.workers": Range(0),
    "data.augment.min_area": _PART,
    "data.augment.flip": _SHARE,
    "data.augment.colour": Range(0),
    "data.augment.grey": _SHARE,
    "data.augment.blur": _SHARE,
    "objective.tile": _COUNT,
    "objective.temperature": Range(0, above=True),
    "optim.lr": Range(0),
    "optim.beta1": Range(0, 1, below=True),
    "optim.beta2": Range(0, 1, below=True),
    "optim.eps": Range(0, above=True),
    "optim.weight_decay": Range(0),
    "optim.warmup": Range(0),
    "optim.clip": Range(0, above=True),
    "optim.layer_decay": _PART,
    "optim.ema": _PART,
    "compute.chunk": _COUNT,
    "compute.patch_dropout": Range(0, 1, below=True),
    "compute.timeout": Range(0, above=True),
    "watch.log_every": _COUNT,
    "watch.save_every": _COUNT,
    "watch.keep": _COUNT,
    "watch.evaluate_every": _COUNT,
}
MAY_BE_NONE = {"data.samples", "objective.tile", "optim.clip", "optim.ema", "compute.chunk", "watch.evaluate_every"}


def validate_settings(config: TrainConfig) -> TrainConfig:
    """Settings of a run with every value of its type (lists as tuples, paths as text).

    Recipes are Python, which checks no types: pairs="photos" would be six sources of one letter each.
    Raises: InputError naming the setting that is of another type or out of its range.
    """
    try:
        typed = settings.from_json(TrainConfig, settings.to_json(config))
    except TypeError as error:  # JSON's, for a kind of value that no setting has
        raise InputError(f"The settings hold what JSON cannot ({error}); use plain numbers and text.") from error
    for key, value in settings.flatten(typed).items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        allowed = RANGES.get(key)
        if number and allowed is not None and not allowed.holds(value):
            none = ", or none" if key in MAY_BE_NONE else ""
            raise InputError(f"{key} is {value}, expected {allowed}{none}.")
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, float) and not math.isfinite(each):
                raise InputError(f"{key} is {value}, expected a finite number.")
    return typed
