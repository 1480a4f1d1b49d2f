"""Facts of a model: one frozen, serialisable record of every fact that goes silently wrong elsewhere."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from wordsight.errors import CheckpointError
from wordsight.json_records import build_record, parse_json, record_to_json

Activation = Literal["quick_gelu", "gelu", "gelu_tanh"]
Triple = tuple[float, float, float]

OPENAI_MEAN: Triple = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD: Triple = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True, kw_only=True)
class VitTower:
    """Vision transformer (Dosovitskiy et al. 2021), as in CLIP (class token) and SigLIP (attention pooling).

    `pooling`: "cls" takes the class token after the last norm and multiplies by `visual.proj`;
    "attention" is SigLIP's multihead attention pooling head over all tokens (no class token).
    """

    arch: Literal["vit"] = "vit"
    image_size: int
    patch_size: int
    width: int
    layers: int
    heads: int
    mlp_width: int
    activation: Activation
    pooling: Literal["cls", "attention"]
    patch_bias: bool = False
    pre_norm: bool = True
    norm_eps: float = 1e-5


@dataclass(frozen=True, kw_only=True)
class ResNetTower:
    """OpenAI's ModifiedResNet: 3-convolution stem, anti-aliased strides, attention pooling (Radford et al. 2021)."""

    arch: Literal["modified_resnet"] = "modified_resnet"
    image_size: int
    width: int
    layers: tuple[int, int, int, int]
    heads: int


@dataclass(frozen=True, kw_only=True)
class PlainResNetTower:
    """Residual network (He et al. 2016): strides in the 3×3 convolutions, the mean of the last map.

    `block` "basic": two 3×3 convolutions (ResNet-18 and 34); "bottleneck": 1×1, 3×3, and 1×1 four times as wide
    (ResNet-50 and up). `projection`: features times `visual.proj`; without it they are the mean itself.
    """

    arch: Literal["resnet"] = "resnet"
    image_size: int
    width: int = 64
    layers: tuple[int, int, int, int]
    block: Literal["basic", "bottleneck"]
    projection: bool = True

    @property
    def expansion(self) -> int:
        """Width of a block's output over that of its first convolution."""
        return {"basic": 1, "bottleneck": 4}[self.block]

    @property
    def features(self) -> int:
        """Width of the mean of the last map."""
        return self.width * 8 * self.expansion


@dataclass(frozen=True, kw_only=True)
class EfficientNetTower:
    """EfficientNet-Lite trunk (batch norms folded) with a locked-image-tuning head (Tan & Le 2019; Zhai et al. 2022).

    `stages` rows are (expand_ratio, kernel, stride, channels, repeats). The head reads the pooled last features,
    the means of the blocks in `tap_means` and the standard deviations of those in `tap_spreads`, standardised.
    """

    arch: Literal["efficientnet_lite"] = "efficientnet_lite"
    image_size: int
    stem_width: int
    stages: tuple[tuple[int, int, int, int, int], ...]
    features: int
    tap_means: tuple[int, ...]
    tap_spreads: tuple[int, ...]
    head_width: int
    head_layers: int
    classes: int


@dataclass(frozen=True, kw_only=True)
class TextTower:
    """Text transformer (Radford et al. 2021, §2.4; Zhai et al. 2023).

    `pooling`: which position is the text's feature. "argmax": the highest token id (OpenAI, and HF configs with
    eos_token_id=2); "eos": the first position that holds `eos_id` of the tokenizer; "last": the last position (SigLIP).
    `projection_bias`: whether `text_projection` has a bias (SigLIP).
    """

    context_length: int
    vocab_size: int
    width: int
    layers: int
    heads: int
    mlp_width: int
    activation: Activation
    causal: bool
    pooling: Literal["argmax", "eos", "last"]
    projection_bias: bool = False
    norm_eps: float = 1e-5


@dataclass(frozen=True, kw_only=True)
class Preprocess:
    """From an RGB image to pixels. `resize` "shortest": shorter side to `image_size`, centre crop (torchvision's
    rounding); "squash": straight to a square. Resampling is Pillow's (with antialias), in uint8; then (x/255-mean)/std.
    """

    image_size: int
    resize: Literal["shortest", "squash"] = "shortest"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    mean: Triple = OPENAI_MEAN
    std: Triple = OPENAI_STD


@dataclass(frozen=True, kw_only=True)
class TokenizerSpec:
    """From text to token ids. `kind` "clip_bpe": CLIP's bundled merges; "tokenizer_json": the checkpoint's own file;
    "sentencepiece": the checkpoint's own `spiece.model`.

    `clean`: "clip" = unescape HTML, collapse white space, lower case (OpenAI's `basic_clean`, `whitespace_clean`);
    "canonicalize" = SigLIP's: lower case, punctuation removed; "lower": lower case and white space; "none": as given.
    """

    kind: Literal["clip_bpe", "tokenizer_json", "sentencepiece"]
    context_length: int
    vocab_size: int
    bos_id: int | None
    eos_id: int
    pad_id: int
    clean: Literal["clip", "canonicalize", "lower", "none"]


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Everything needed to use a model's tensors rightly. `logit_scale` is the log; `scale` its exponential.

    `name`, `licence`, `source` and `provenance` (fact → where it came from, e.g. "preprocess.mean":
    "open_clip_config.json") describe; all else determines embeddings and scores, and enters the fingerprint.
    """

    name: str
    family: Literal["clip", "siglip"]
    embed_dim: int
    image: VitTower | ResNetTower | PlainResNetTower | EfficientNetTower
    text: TextTower
    preprocess: Preprocess
    tokenizer: TokenizerSpec
    logit_scale: float
    logit_bias: float | None = None
    normalisation: Literal["l2"] = "l2"
    licence: str = "unknown"
    source: str = "unknown"
    provenance: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def scale(self) -> float:
        """The factor on cosines: exp(logit_scale)."""
        return math.exp(self.logit_scale)

    def facts(self) -> dict[str, Any]:
        """Facts that determine the model's answers, as nested plain values: the fingerprint's part of the spec."""
        plain = dataclasses.asdict(self)
        for descriptive in ("name", "licence", "source", "provenance"):
            del plain[descriptive]
        return plain

    def to_json(self) -> str:
        """Spec as JSON; `from_json` gives an equal spec back."""
        return record_to_json(self)

    @classmethod
    def from_json(cls, text: str) -> ModelSpec:
        """Read a spec that `to_json` wrote.

        Raises: CheckpointError for text that is not JSON, and for missing, unknown or ill-typed keys (named).
        """
        try:
            plain = parse_json(text)
        except ValueError as error:
            raise CheckpointError(
                f"The spec is not valid JSON ({error}); write it with `wordsight convert`."
            ) from error
        return build_record(cls, plain, "spec")
