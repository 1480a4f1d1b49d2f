"""Hugging Face's `preprocessor_config.json` ↔ Preprocess, with its many spellings of sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from wordsight.errors import CheckpointError
from wordsight.spec import OPENAI_MEAN, OPENAI_STD, Preprocess
from wordsight.weights.layouts.config_values import ConfigValues

HALF = (0.5, 0.5, 0.5)
_RESAMPLE: dict[Any, Literal["bicubic", "bilinear"]] = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers
_ABSENT = "the image processor's default (no preprocessor_config.json)"


def read_preprocess(config: Mapping[str, Any] | None, family: str, image_size: int, log: dict[str, str]) -> Preprocess:
    """The Preprocess of an image processor's configuration; the family's defaults where a key is absent.

    Raises: CheckpointError for steps that change pixels in ways which wordsight does not do (named).
    """
    siglip = family == "siglip"
    facts = ConfigValues(config or {}, "preprocessor_config.json", log=log)
    why = _ABSENT if config is None else "the image processor's default (key absent)"
    resize = _geometry(facts, siglip, image_size, why)
    for step in ("do_resize", "do_rescale", "do_normalize"):
        if facts.config.get(step) is False:
            raise CheckpointError(
                f"preprocessor_config.json: {step} is false; expected true: wordsight always does it."
            )
    factor = facts.real("preprocess.rescale_factor", "rescale_factor", 1 / 255, why)
    log.pop("preprocess.rescale_factor")
    if abs(factor * 255 - 1) > 1e-6:
        raise CheckpointError(f"preprocessor_config.json: rescale_factor is {factor}, expected 1/255.")
    resample = facts.get("preprocess.interpolation", "resample", 3, why)
    if resample not in _RESAMPLE:
        raise CheckpointError(
            f"preprocessor_config.json: resample is {resample!r}, expected 2 (bilinear) or 3 (bicubic)."
        )
    mean, std = OPENAI_MEAN, OPENAI_STD
    if siglip:
        mean = std = HALF
    return Preprocess(
        image_size=image_size,
        resize=resize,
        interpolation=_RESAMPLE[resample],
        mean=facts.triple("preprocess.mean", "image_mean", mean, why),
        std=facts.triple("preprocess.std", "image_std", std, why),
    )


def _geometry(facts: ConfigValues, siglip: bool, image_size: int, why: str) -> Literal["shortest", "squash"]:
    default = {"height": image_size, "width": image_size} if siglip else {"shortest_edge": image_size}
    size = facts.get("preprocess.resize", "size", default, why)
    crop = bool(facts.config.get("do_center_crop", not siglip))
    edge, squashed = _size(size, facts)
    if crop:
        target, _ = _size(facts.config.get("crop_size", image_size), facts)
    else:
        target = edge
    if squashed and (not crop or target == edge):
        resize: Literal["shortest", "squash"] = "squash"
    elif not squashed and crop:
        resize = "shortest"
    else:
        raise CheckpointError(
            f"preprocessor_config.json: size {size!r} with do_center_crop {crop} leaves images that are not square; "
            "expected shortest_edge with a centre crop, or height and width without one."
        )
    if edge != target or target != image_size:
        raise CheckpointError(
            f"preprocessor_config.json: resize to {edge}, crop to {target}, but the image tower takes {image_size} px; "
            "expected the three to be equal."
        )
    return resize


def _size(size: Any, facts: ConfigValues) -> tuple[int, bool]:
    """Return (pixels, whether both sides are forced) of a size as an integer or as one of the nested forms."""
    if isinstance(size, int):
        return size, "do_center_crop" in facts.config and not facts.config["do_center_crop"]
    if isinstance(size, Mapping):
        if isinstance(edge := size.get("shortest_edge"), int):
            return edge, False
        height, width = size.get("height"), size.get("width")
        if isinstance(height, int) and height == width:
            return height, True
    raise CheckpointError(
        f"preprocessor_config.json: size is {size!r}, expected a number, a shortest_edge, or equal height and width."
    )


def make_config(preprocess: Preprocess, family: str) -> dict[str, Any]:
    """The `preprocessor_config.json` of a Preprocess, as transformers reads it."""
    size, squash = preprocess.image_size, preprocess.resize == "squash"
    square = {"height": size, "width": size}
    siglip = family == "siglip"
    made: dict[str, Any] = {
        "image_processor_type": "SiglipImageProcessor" if siglip else "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": list(preprocess.mean),
        "image_std": list(preprocess.std),
        "resample": {name: number for number, name in _RESAMPLE.items()}[preprocess.interpolation],
        "rescale_factor": 1 / 255,
        "size": square if squash else {"shortest_edge": size},
    }
    if not siglip or not squash:
        made |= {"do_center_crop": not squash, "crop_size": square}
    return made
