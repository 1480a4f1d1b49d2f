"""Specs of models to train, by size: the published ones, and small ones that train on a CPU.

Source of the published sizes: Radford et al. 2021, tables 19 and 20; ViT-S: open_clip's `ViT-S-32` and `ViT-S-16`.
All have CLIP's byte-pair tokenizer, QuickGELU, CLIP's preprocessing, and a scale that begins at 1/0.07.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from wordsight.arguments import check_type
from wordsight.errors import InputError, did_you_mean
from wordsight.spec import (
    Activation,
    ModelSpec,
    PlainResNetTower,
    Preprocess,
    ResNetTower,
    TextTower,
    TokenizerSpec,
    VitTower,
)

ImageTower = VitTower | ResNetTower | PlainResNetTower

CONTEXT_LENGTH = 77
VOCAB_SIZE = 49408
INITIAL_LOGIT_SCALE = math.log(1 / 0.07)  # Radford et al. 2021, §2.5
SIGMOID_LOGIT_SCALE, SIGMOID_LOGIT_BIAS = math.log(10), -10.0  # Zhai et al. 2023, §3.2


def _vit(image_size: int, patch_size: int, width: int, layers: int, heads: int) -> VitTower:
    return VitTower(
        image_size=image_size, patch_size=patch_size, width=width, layers=layers, heads=heads, mlp_width=4 * width,
        activation="quick_gelu", pooling="cls",
    )  # fmt: skip


def _text(width: int, layers: int, heads: int) -> TextTower:
    return TextTower(
        context_length=CONTEXT_LENGTH, vocab_size=VOCAB_SIZE, width=width, layers=layers, heads=heads,
        mlp_width=4 * width, activation="quick_gelu", causal=True, pooling="argmax",
    )  # fmt: skip


# name → (embed_dim, image tower, text tower)
SIZES: dict[str, tuple[int, ImageTower, TextTower]] = {
    "RN50": (1024, ResNetTower(image_size=224, width=64, layers=(3, 4, 6, 3), heads=32), _text(512, 12, 8)),
    "RN101": (512, ResNetTower(image_size=224, width=64, layers=(3, 4, 23, 3), heads=32), _text(512, 12, 8)),
    "ViT-B-32": (512, _vit(224, 32, 768, 12, 12), _text(512, 12, 8)),
    "ViT-B-16": (512, _vit(224, 16, 768, 12, 12), _text(512, 12, 8)),
    "ViT-L-14": (768, _vit(224, 14, 1024, 24, 16), _text(768, 12, 12)),
    "ViT-L-14-336": (768, _vit(336, 14, 1024, 24, 16), _text(768, 12, 12)),
    "ViT-S-32": (384, _vit(224, 32, 384, 12, 6), _text(384, 12, 6)),
    "ViT-S-16": (384, _vit(224, 16, 384, 12, 6), _text(384, 12, 6)),
    # Plain residual networks (He et al. 2016, table 1) with a linear projection of the mean of the last map.
    "plain-RN18": (512, PlainResNetTower(image_size=224, block="basic", layers=(2, 2, 2, 2)), _text(512, 12, 8)),
    "plain-RN50": (1024, PlainResNetTower(image_size=224, block="bottleneck", layers=(3, 4, 6, 3)), _text(512, 12, 8)),
    # SimCLR's towers (Chen et al. 2020): the mean itself is the embedding, and there is no text to train.
    "simclr-RN18": (
        512,
        PlainResNetTower(image_size=224, block="basic", layers=(2, 2, 2, 2), projection=False),
        _text(512, 12, 8),
    ),
    "simclr-RN50": (
        2048,
        PlainResNetTower(image_size=224, block="bottleneck", layers=(3, 4, 6, 3), projection=False),
        _text(512, 12, 8),
    ),
    # Ours: minutes on a CPU.
    "tiny": (128, _vit(64, 8, 192, 6, 3), _text(192, 4, 3)),
    "tiny-rn": (128, ResNetTower(image_size=64, width=24, layers=(1, 1, 2, 1), heads=12), _text(192, 4, 3)),
    "tiny-plain-rn": (
        128,
        PlainResNetTower(image_size=64, width=24, block="basic", layers=(1, 1, 1, 1)),
        _text(192, 4, 3),
    ),
}


def size(name: str, /, **changes: Any) -> ModelSpec:
    """Spec of a size, to be trained; "ViT-B/32" is ViT-B-32.

    changes: fields of ModelSpec; also `image_size` (of tower and preprocessing), `context_length` (of tower and
        tokenizer) and `activation` (of both towers).

    Raises: InputError for an unknown size or field (with what was likely meant), or a change that the size lacks.
    """
    check_type("The size", name, str, f"one of {', '.join(SIZES)}")
    known = {known.lower(): known for known in SIZES}
    found = known.get(name.lower().replace("/", "-").replace("@", "-"))
    if found is None:
        hint = did_you_mean(name.replace("/", "-"), SIZES)
        raise InputError(f"There is no size {name!r}, expected one of {', '.join(SIZES)}.{hint}")
    embed_dim, image, text = SIZES[found]
    spec = ModelSpec(
        name=found,
        family="clip",
        embed_dim=embed_dim,
        image=image,
        text=text,
        preprocess=Preprocess(image_size=image.image_size),
        tokenizer=TokenizerSpec(
            kind="clip_bpe", context_length=CONTEXT_LENGTH, vocab_size=VOCAB_SIZE, bos_id=49406, eos_id=49407, pad_id=0,
            clean="clip",
        ),
        logit_scale=INITIAL_LOGIT_SCALE,
        source="trained with wordsight",
    )  # fmt: skip
    return _changed(spec, changes)


def for_sigmoid(spec: ModelSpec) -> ModelSpec:
    """Spec with the parameters that SigLIP's loss learns besides the towers: a scale from 10 and a bias from -10.

    Source: Zhai et al. 2023, §3.2. A spec that has a bias already is returned as it is.
    """
    if spec.logit_bias is not None:
        return spec
    return dataclasses.replace(spec, family="siglip", logit_scale=SIGMOID_LOGIT_SCALE, logit_bias=SIGMOID_LOGIT_BIAS)


def _changed(spec: ModelSpec, changes: dict[str, Any]) -> ModelSpec:
    fields = {field.name for field in dataclasses.fields(ModelSpec)}
    known = fields | {"image_size", "context_length", "activation"}
    for field in changes:
        if field not in known:
            hint = did_you_mean(field, known)
            raise InputError(f"A spec has no {field!r}, expected one of {', '.join(sorted(known))}.{hint}")
    spec = dataclasses.replace(spec, **{field: value for field, value in changes.items() if field in fields})
    if "image_size" in changes:
        spec = dataclasses.replace(
            spec,
            image=dataclasses.replace(spec.image, image_size=changes["image_size"]),
            preprocess=dataclasses.replace(spec.preprocess, image_size=changes["image_size"]),
        )
    if "context_length" in changes:
        length = changes["context_length"]
        spec = dataclasses.replace(
            spec,
            text=dataclasses.replace(spec.text, context_length=length),
            tokenizer=dataclasses.replace(spec.tokenizer, context_length=length),
        )
    if "activation" in changes:
        activation: Activation = changes["activation"]
        spec = dataclasses.replace(spec, text=dataclasses.replace(spec.text, activation=activation))
        if isinstance(spec.image, VitTower):
            spec = dataclasses.replace(spec, image=dataclasses.replace(spec.image, activation=activation))
    return spec
