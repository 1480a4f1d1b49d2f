"""Consistency of a run's settings, before anything is opened or computed."""

from __future__ import annotations

from typing import Any

from wordsight.errors import InputError
from wordsight.train.config.limits import validate_settings
from wordsight.train.config.objectives import names_with
from wordsight.train.config.records import TrainConfig


def check_config(config: TrainConfig) -> TrainConfig:
    """Settings of a run, with every value of its type.

    Raises: InputError for settings that contradict each other or are out of range.
    """
    config = validate_settings(config)
    if (config.steps is None) == (config.epochs is None):
        raise InputError(
            f"steps is {config.steps} and epochs is {config.epochs}; set one of them, to say how long the run is."
        )
    traits = config.objective.traits
    if config.batch < 2 and traits.needs_negatives:
        raise InputError(f"batch is {config.batch}, but a pair is compared with others; expected 2 or more.")
    if config.watch.zero_shot is not None and not traits.uses_texts:
        raise InputError(
            f"watch.zero_shot is set, but the objective {config.objective.name!r} learns no texts to measure with; set "
            "it to none."
        )
    check_tuning(config)
    return config


def check_tuning(config: TrainConfig) -> None:
    """Check the settings of fine-tuning. Raises: InputError for those that contradict each other or make no sense."""
    tuning = config.tuning
    asked = {"image": tuning.image != "full", "text": tuning.text != "full", "alphas": bool(tuning.alphas),
             "forgetting": tuning.forgetting is not None, "take": tuning.take != "both"}  # fmt: skip
    if tuning.start is None:
        for name, is_asked in asked.items():
            if is_asked:
                raise InputError(
                    f"tuning.{name} is {_describe(getattr(tuning, name))}, but the run starts from randomly "
                    "initialised weights; name the model to start from: tuning.start, such as mini or ViT-B-32/openai."
                )
        return
    if not config.objective.traits.embeds_texts:
        raise InputError(
            f"objective.name is {config.objective.name!r}, but tuning.start ({tuning.start!r}) is a model of two "
            f"towers; tune it with {' or '.join(names_with('embeds_texts'))}."
        )
    if tuning.image == tuning.text == "locked":
        raise InputError("tuning.image and tuning.text are both 'locked', so nothing learns; let one of them.")
    if tuning.lora_rank < 1:
        raise InputError(f"tuning.lora_rank is {tuning.lora_rank}, expected 1 or more.")
    for name, share in [("alphas", alpha) for alpha in tuning.alphas] + [("keep", tuning.keep)]:
        if not 0 <= share <= 1:
            raise InputError(f"tuning.{name} has {share:g}, expected 0 to 1.")
    if tuning.alphas and config.watch.zero_shot is None:
        raise InputError(
            "tuning.alphas are to be chosen from, but watch.zero_shot, on which they are measured, is none; name "
            "labelled images there that are not trained on."
        )
    for name in ("text", "alphas", "forgetting"):
        if tuning.take == "image" and asked[name]:
            raise InputError(
                f"tuning.take is 'image', so the text tower is randomly initialised, and tuning.{name} "
                f"({_describe(getattr(tuning, name))}) makes no sense; leave it out, or take both."
            )


def _describe(value: Any) -> str:
    return str(getattr(value, "images", value))
