"""open_clip's `open_clip_config.json` ↔ ModelSpec.

Source: open_clip's `CLIPVisionCfg`, `CLIPTextCfg`, `PreprocessCfg`, and timm's `vision_transformer.py` for what a
SigLIP tower's name stands for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from wordsight.errors import CheckpointError
from wordsight.spec import (
    OPENAI_MEAN,
    OPENAI_STD,
    Activation,
    ModelSpec,
    PlainResNetTower,
    Preprocess,
    ResNetTower,
    TextTower,
    VitTower,
)
from wordsight.towers import pools_by_attention
from wordsight.weights.file_names import OPEN_CLIP_CONFIG
from wordsight.weights.layouts import SUPPORTED
from wordsight.weights.layouts.config_values import ConfigValues, scalar
from wordsight.weights.layouts.hf_tokenizer import Clean, read_tokenizer

DEFAULT = "open_clip's default (key absent)"

# what timm's names mean: width, layers, heads, MLP width, activation; patch and image size stand in the name.
# Source: huggingface/pytorch-image-models, timm/models/vision_transformer.py.
TIMM_SIGLIP: dict[str, tuple[int, int, int, int, Activation]] = {
    "vit_base_patch32_siglip_256": (768, 12, 12, 3072, "gelu_tanh"),
    "vit_base_patch16_siglip_224": (768, 12, 12, 3072, "gelu"),
    "vit_base_patch16_siglip_256": (768, 12, 12, 3072, "gelu"),
    "vit_base_patch16_siglip_384": (768, 12, 12, 3072, "gelu"),
    "vit_base_patch16_siglip_512": (768, 12, 12, 3072, "gelu"),
    "vit_large_patch16_siglip_256": (1024, 24, 16, 4096, "gelu"),
    "vit_large_patch16_siglip_384": (1024, 24, 16, 4096, "gelu"),
    "vit_large_patch16_siglip_512": (1024, 24, 16, 4096, "gelu_tanh"),
    "vit_so400m_patch14_siglip_224": (1152, 27, 16, 4304, "gelu"),
    "vit_so400m_patch14_siglip_378": (1152, 27, 16, 4304, "gelu"),
    "vit_so400m_patch14_siglip_384": (1152, 27, 16, 4304, "gelu"),
    "vit_so400m_patch16_siglip_256": (1152, 27, 16, 4304, "gelu_tanh"),
    "vit_so400m_patch16_siglip_384": (1152, 27, 16, 4304, "gelu_tanh"),
    "vit_so400m_patch16_siglip_512": (1152, 27, 16, 4304, "gelu_tanh"),
    "vit_giantopt_patch16_siglip_256": (1536, 40, 16, 6144, "gelu_tanh"),
    "vit_giantopt_patch16_siglip_384": (1536, 40, 16, 6144, "gelu_tanh"),
}

# timm's plain residual networks, all of width 64: block, layers. Source: the same repository, timm/models/resnet.py.
TIMM_RESNETS: dict[str, tuple[Literal["basic", "bottleneck"], tuple[int, int, int, int]]] = {
    "resnet18": ("basic", (2, 2, 2, 2)),
    "resnet34": ("basic", (3, 4, 6, 3)),
    "resnet50": ("bottleneck", (3, 4, 6, 3)),
    "resnet101": ("bottleneck", (3, 4, 23, 3)),
    "resnet152": ("bottleneck", (3, 8, 36, 3)),
}
TIMM_RESNET_WIDTH = 64

# keys that change the network, and the values under which they do not
_NEUTRAL_IMAGE: dict[str, tuple[Any, ...]] = {
    "ls_init_value": (None,), "attentional_pool": (False, None), "no_ln_pre": (False,), "input_patchnorm": (False,),
    "pos_embed_type": ("learnable",), "final_ln_after_pool": (False,), "pool_type": ("tok",), "act_kwargs": (None, {}),
    "global_average_pool": (False,), "block_type": (None, "default"), "qk_norm": (False,),
    "scaled_cosine_attn": (False,),
}  # fmt: skip
_NEUTRAL_TEXT: dict[str, tuple[Any, ...]] = {
    "ls_init_value": (None,), "embed_cls": (False,), "final_ln_after_pool": (False,), "proj_type": ("linear",),
    "block_type": (None, "default"), "qk_norm": (False,), "scaled_cosine_attn": (False,), "use_pad_mask": (False,),
}  # fmt: skip


def read_spec(
    config: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    tokenizer_files: Mapping[str, bytes],
    file: str = OPEN_CLIP_CONFIG,
) -> tuple[ModelSpec, dict[str, bytes]]:
    """Spec of an open_clip configuration, and the tokenizer files to keep.

    tensors: canonical names. Raises: CheckpointError for architectures that wordsight does not have (named).
    """
    log: dict[str, str] = {}
    model = ConfigValues(config.get("model_cfg") or {}, file, "model_cfg", log)
    if not model.config:
        raise CheckpointError(f"{file} has no model_cfg; expected the configuration that open_clip writes.")
    if "multimodal_cfg" in model.config:
        raise CheckpointError(f"{file}: model_cfg.multimodal_cfg means CoCa, which is not supported; {SUPPORTED}.")
    image, text = model.within("vision_cfg"), model.within("text_cfg")
    quick = bool(model.get("image.activation", "quick_gelu", False, f"{DEFAULT}: gelu"))
    tower = _image_tower(image, quick)
    words = _text_tower(text, quick)
    own_files: Mapping[str, bytes] = {}
    if text.config.get("hf_tokenizer_name") or pools_by_attention(tower):
        own_files = tokenizer_files
    tokenizer, kept = read_tokenizer(
        own_files, context_length=words.context_length, vocab_size=words.vocab_size, clean=_clean(text), log=log
    )
    family: Literal["clip", "siglip"] = "clip"
    logit_bias = None
    if "logit_bias" in tensors:
        family, logit_bias = "siglip", scalar(tensors, "logit_bias")
    log["logit_scale"] = "tensor logit_scale"
    spec = ModelSpec(
        name="",
        family=family,
        embed_dim=model.whole("embed_dim", "embed_dim"),
        image=tower,
        text=words,
        preprocess=_preprocess(config, tower.image_size, log, file),
        tokenizer=tokenizer,
        logit_scale=scalar(tensors, "logit_scale"),
        logit_bias=logit_bias,
        provenance=log,
    )
    return spec, kept


def _check_neutral(facts: ConfigValues, neutral: Mapping[str, tuple[Any, ...]]) -> None:
    for key, values in neutral.items():
        if key in facts.config and facts.config[key] not in values:
            raise CheckpointError(
                f"{facts.file}: {facts.place(key)} is {facts.config[key]!r}, which is not supported; {SUPPORTED}."
            )


def _image_tower(facts: ConfigValues, quick: bool) -> VitTower | ResNetTower | PlainResNetTower:
    if name := facts.config.get("timm_model_name"):
        if name in TIMM_RESNETS:
            return _timm_resnet(name, facts)
        return _timm_tower(str(name), facts)
    _check_neutral(facts, _NEUTRAL_IMAGE)
    size = facts.get("image.image_size", "image_size", 224, DEFAULT)
    if isinstance(size, list) and len(size) == 2 and size[0] == size[1]:
        size = size[0]
    if type(size) is not int:
        raise CheckpointError(f"{facts.file}: {facts.place('image_size')} is {size!r}, expected one number of pixels.")
    width = facts.whole("image.width", "width", 768, DEFAULT)
    head_width = facts.whole("image.heads", "head_width", 64, f"{DEFAULT}: width / 64")
    layers = facts.get("image.layers", "layers", 12, DEFAULT)
    if isinstance(layers, list):
        if len(layers) != 4 or not all(type(n) is int and n > 0 for n in layers):
            raise CheckpointError(f"{facts.file}: {facts.place('layers')} is {layers!r}, expected four numbers.")
        first, second, third, fourth = layers
        return ResNetTower(
            image_size=size, width=width, layers=(first, second, third, fourth), heads=width * 32 // head_width
        )
    return VitTower(
        image_size=size,
        patch_size=facts.whole("image.patch_size", "patch_size", 16, DEFAULT),
        width=width,
        layers=facts.whole("image.layers", "layers", 12, DEFAULT),
        heads=width // head_width,
        mlp_width=int(width * facts.real("image.mlp_width", "mlp_ratio", 4.0, f"{DEFAULT}: 4 · width")),
        activation="quick_gelu" if quick else "gelu",
        pooling="cls",
        norm_eps=facts.within("norm_kwargs").real("image.norm_eps", "eps", 1e-5, DEFAULT),
    )


def _timm_tower(name: str, facts: ConfigValues) -> VitTower:
    if name not in TIMM_SIGLIP or facts.config.get("timm_pool") != "map" or facts.config.get("timm_proj") != "none":
        raise CheckpointError(
            f"{facts.file}: the image tower is timm's {name!r} with pool {facts.config.get('timm_pool')!r}, which "
            f"is not supported; {SUPPORTED}."
        )
    width, layers, heads, mlp_width, act = TIMM_SIGLIP[name]
    for fact in ("width", "layers", "heads", "mlp_width", "activation", "patch_size"):
        facts.log[f"image.{fact}"] = f"{facts.file}: {facts.place('timm_model_name')} = {name}"
    return VitTower(
        image_size=facts.whole("image.image_size", "image_size", int(name.rsplit("_", 1)[1]), "timm's name"),
        patch_size=int(name.split("_patch")[1].split("_")[0]),
        width=width,
        layers=layers,
        heads=heads,
        mlp_width=mlp_width,
        activation=act,
        pooling="attention",
        patch_bias=True,
        pre_norm=False,
        norm_eps=1e-6,
    )


def _timm_resnet(name: str, facts: ConfigValues) -> PlainResNetTower:
    pool, projection = facts.config.get("timm_pool", "avg"), facts.config.get("timm_proj", "linear")
    if pool not in ("", "avg") or projection != "linear" or facts.config.get("timm_proj_bias"):
        raise CheckpointError(
            f"{facts.file}: the image tower is timm's {name!r} with pool {pool!r} and projection {projection!r}; "
            "expected 'avg' and 'linear' without a bias."
        )
    for fact in ("width", "layers", "block"):
        facts.log[f"image.{fact}"] = f"{facts.file}: {facts.place('timm_model_name')} = {name}"
    block, layers = TIMM_RESNETS[name]
    return PlainResNetTower(
        image_size=facts.whole("image.image_size", "image_size", 224, DEFAULT),
        width=TIMM_RESNET_WIDTH,
        layers=layers,
        block=block,
    )


def _text_tower(facts: ConfigValues, quick: bool) -> TextTower:
    if hf_model := facts.config.get("hf_model_name"):
        raise CheckpointError(
            f"{facts.file}: the text tower is Hugging Face's {hf_model!r}, which is not supported; {SUPPORTED}."
        )
    _check_neutral(facts, _NEUTRAL_TEXT)
    pool = facts.get("text.pooling", "pool_type", "argmax", f"{DEFAULT}: the highest token id")
    if pool not in ("argmax", "last", "eos"):
        raise CheckpointError(f"{facts.file}: text_cfg.pool_type is {pool!r}, expected argmax, eos or last.")
    tanh = (facts.config.get("act_kwargs") or {}).get("approximate") == "tanh"
    act: Activation = "gelu"
    if quick:
        act = "quick_gelu"
    elif tanh:
        act = "gelu_tanh"
    facts.log["text.activation"] = facts.log["image.activation"]
    if tanh:
        facts.log["text.activation"] = f"{facts.file}: {facts.place('act_kwargs')}"
    width = facts.whole("text.width", "width", 512, DEFAULT)
    return TextTower(
        context_length=facts.whole("text.context_length", "context_length", 77, DEFAULT),
        vocab_size=facts.whole("text.vocab_size", "vocab_size", 49408, DEFAULT),
        width=width,
        layers=facts.whole("text.layers", "layers", 12, DEFAULT),
        heads=facts.whole("text.heads", "heads", 8, DEFAULT),
        mlp_width=int(width * facts.real("text.mlp_width", "mlp_ratio", 4.0, f"{DEFAULT}: 4 · width")),
        activation=act,
        causal=not facts.get("text.causal", "no_causal_mask", False, f"{DEFAULT}: causal"),
        pooling=pool,
        projection_bias=bool(facts.get("text.projection_bias", "proj_bias", False, f"{DEFAULT}: none")),
        norm_eps=facts.within("norm_kwargs").real("text.norm_eps", "eps", 1e-5, DEFAULT),
    )


def _clean(facts: ConfigValues) -> Clean:
    known: dict[str, Clean] = {"canonicalize": "canonicalize", "lower": "lower", "whitespace": "none", "none": "none"}
    kwargs = facts.within("tokenizer_kwargs")
    clean = kwargs.get("tokenizer.clean", "clean", "whitespace", DEFAULT)
    if clean not in known:
        raise CheckpointError(
            f"{facts.file}: {kwargs.place('clean')} is {clean!r}, expected one of {', '.join(known)}."
        )
    return known[clean]


def _preprocess(config: Mapping[str, Any], image_size: int, log: dict[str, str], file: str) -> Preprocess:
    facts = ConfigValues(config.get("preprocess_cfg") or {}, file, "preprocess_cfg", log)
    resize = facts.get("preprocess.resize", "resize_mode", "shortest", DEFAULT)
    interpolation = facts.get("preprocess.interpolation", "interpolation", "bicubic", DEFAULT)
    if resize not in ("shortest", "squash") or interpolation not in ("bicubic", "bilinear"):
        raise CheckpointError(
            f"{file}: preprocess_cfg has resize_mode {resize!r} and interpolation {interpolation!r}; expected "
            "shortest or squash, and bicubic or bilinear."
        )
    return Preprocess(
        image_size=image_size,
        resize=resize,
        interpolation=interpolation,
        mean=facts.triple("preprocess.mean", "mean", OPENAI_MEAN, DEFAULT),
        std=facts.triple("preprocess.std", "std", OPENAI_STD, DEFAULT),
    )


def make_config(spec: ModelSpec) -> dict[str, Any]:
    """The `open_clip_config.json` of a spec.

    Raises: CheckpointError for a SigLIP tower or a plain ResNet whose sizes no tower of timm has.
    """
    text, image = spec.text, spec.image
    text_cfg: dict[str, Any] = {
        "context_length": text.context_length, "vocab_size": text.vocab_size, "width": text.width,
        "heads": text.heads, "layers": text.layers, "mlp_ratio": _ratio(text.mlp_width, text.width),
        "pool_type": text.pooling, "no_causal_mask": not text.causal, "proj_bias": text.projection_bias,
        "norm_kwargs": {"eps": text.norm_eps},
    }  # fmt: skip
    if text.activation == "gelu_tanh":
        text_cfg["act_kwargs"] = {"approximate": "tanh"}
    if spec.tokenizer.kind != "clip_bpe":
        text_cfg["hf_tokenizer_name"] = "tokenizer"
        clean = "whitespace" if spec.tokenizer.clean in ("none", "clip") else spec.tokenizer.clean
        text_cfg["tokenizer_kwargs"] = {"clean": clean}
    model: dict[str, Any] = {"embed_dim": spec.embed_dim, "vision_cfg": _vision_cfg(spec), "text_cfg": text_cfg}
    if (isinstance(image, VitTower) and image.activation == "quick_gelu") or (
        isinstance(image, (ResNetTower, PlainResNetTower)) and text.activation == "quick_gelu"
    ):
        model["quick_gelu"] = True
    if spec.logit_bias is not None:
        model["init_logit_bias"] = spec.logit_bias
        if pools_by_attention(image):
            model["custom_text"] = True
    pixels = spec.preprocess
    preprocess = {
        "mean": list(pixels.mean), "std": list(pixels.std), "interpolation": pixels.interpolation,
        "resize_mode": pixels.resize, "size": [pixels.image_size, pixels.image_size],
    }  # fmt: skip
    return {"model_cfg": model, "preprocess_cfg": preprocess}


def _vision_cfg(spec: ModelSpec) -> dict[str, Any]:
    image = spec.image
    if isinstance(image, ResNetTower):
        head_width = image.width * 32 // image.heads
        return {
            "image_size": image.image_size,
            "layers": list(image.layers),
            "width": image.width,
            "head_width": head_width,
        }
    if isinstance(image, PlainResNetTower):
        return _timm_resnet_cfg(image)
    assert isinstance(image, VitTower)
    if image.pooling == "cls":
        return {
            "image_size": image.image_size, "layers": image.layers, "width": image.width,
            "patch_size": image.patch_size, "head_width": image.width // image.heads,
            "mlp_ratio": _ratio(image.mlp_width, image.width), "norm_kwargs": {"eps": image.norm_eps},
        }  # fmt: skip
    sizes = (image.width, image.layers, image.heads, image.mlp_width, image.activation)
    fitting = [n for n, known in TIMM_SIGLIP.items() if known == sizes and f"_patch{image.patch_size}_" in n]
    if not fitting:
        raise CheckpointError(
            f"open_clip takes SigLIP's image towers from timm, which has none of width {image.width}, {image.layers} "
            f"layers, patch {image.patch_size} and activation {image.activation}; use --to hf or --to wordsight."
        )
    exact = [name for name in fitting if name.endswith(f"_{image.image_size}")]
    return {"image_size": image.image_size, "timm_model_name": (exact or fitting)[0], "timm_model_pretrained": False,
            "timm_pool": "map", "timm_proj": "none"}  # fmt: skip


def _timm_resnet_cfg(image: PlainResNetTower) -> dict[str, Any]:
    fitting = [name for name, known in TIMM_RESNETS.items() if known == (image.block, image.layers)]
    if not fitting or image.width != TIMM_RESNET_WIDTH or not image.projection:
        projection = "a projection" if image.projection else "no projection"
        raise CheckpointError(
            f"open_clip takes plain ResNets from timm, which has none of width {image.width} with the layers "
            f"{image.layers} of {image.block} blocks and {projection}; use --to wordsight."
        )
    return {"image_size": image.image_size, "timm_model_name": fitting[0], "timm_model_pretrained": False,
            "timm_pool": "avg", "timm_proj": "linear"}  # fmt: skip


def _ratio(mlp_width: int, width: int) -> float:
    """Factor from which open_clip's int(width · factor) makes exactly `mlp_width`."""
    ratio = mlp_width / width
    if int(width * ratio) == mlp_width:
        return ratio
    return (mlp_width + 0.25) / width
