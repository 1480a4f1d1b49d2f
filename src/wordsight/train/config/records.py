"""Settings of a run: one frozen record, made by a recipe's function, changed by `--set`, kept beside the weights.

They say how the run is *done*; what the trained model *is* stays in its `ModelSpec`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from wordsight.evaluate.held_out.config import ZeroShotConfig
from wordsight.spec import ModelSpec
from wordsight.train.config.objectives import ObjectiveName, ObjectiveTraits, get_traits


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Random augmentation of a training image; probabilities and shares are 0 to 1.

    crop: "square": a random square of the image resized to the shorter side (the only augmentation of Radford et al.
        2021, §2.4); "resized": a random part of at least `min_area` of the area, resized (Szegedy et al. 2015);
        "centre": the same as when embedding.
    colour: strength of brightness, contrast, saturation and hue changes; `grey`, `blur`, `flip`: how often.
    """

    crop: Literal["square", "resized", "centre"] = "square"
    min_area: float = 0.9
    flip: float = 0.0
    colour: float = 0.0
    grey: float = 0.0
    blur: float = 0.0


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where pairs come from and how they are read.

    pairs: sources, together: tables (.csv, .tsv, .jsonl, .parquet), folders of images (beside each its caption in a
        .txt; without one the words of its name), webdataset shards ("shards/{00000..00099}.tar", a glob, a folder of
        .tar) and Hugging Face datasets ("hf:name", a saved folder).
    image_column, text_columns: columns of tables and datasets; None: found by name. A row with several texts gives one
        of them each time it is drawn.
    buffer: how many samples of the shards are shuffled at a time; the shards' order is shuffled too.
    samples: how many make an epoch; None: all there are (shards are counted first by their headers, which takes minutes
    for millions).
    workers: processes that decode; 0 decodes in a thread.
    """

    pairs: tuple[str, ...]
    image_column: str | None = None
    text_columns: tuple[str, ...] | None = None
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    buffer: int = 10_000
    samples: int | None = None
    workers: int = 2


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """Loss to minimise; `tile`: rows of the B×B matrix held at once (None: all of it); `temperature`: NT-Xent's.

    mask_duplicates: a pair whose caption or image equals another's is not a negative of it.
    """

    name: ObjectiveName = "info_nce"
    mask_duplicates: bool = True
    tile: int | None = 1024
    temperature: float = 0.5

    @property
    def traits(self) -> ObjectiveTraits:
        """Facts of the objective. Raises: InputError for an unknown name."""
        return get_traits(self.name)


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """AdamW with decoupled decay, linear warm-up, cosine to 0 (Radford et al. 2021, §2.5 and Table 19).

    weight_decay leaves out gains, biases and logit_scale. layer_decay: a layer's rate is this times that of the layer
    above it. ema: decay of an average of the weights, which is then evaluated and kept. clip: the largest
    gradient norm.
    """

    lr: float = 5e-4
    beta1: float = 0.9
    beta2: float = 0.98
    eps: float = 1e-6
    weight_decay: float = 0.2
    warmup: int = 2000
    clip: float | None = 1.0
    layer_decay: float = 1.0
    ema: float | None = None


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """Settings of the computation; only rounding and patch_dropout change the result.

    chunk: pairs that go through the towers at once in a process; fewer than its share of the batch means gradient
        caching (two passes, the exact gradient of the whole batch). None: the whole share.
    precision: "f32"; "bf16" or "fp16" autocast, fp16 with a loss scaler. device: None takes a GPU if there is one.
    patch_dropout: share of patches that a vision transformer does not see while training (FLIP: Li et al. 2023).
    sharding: "ddp": every process holds the whole model; "fsdp": parameters, gradients and moments are split.
    timeout: seconds a process waits for the others (at a rendezvous, while one evaluates or saves) before it gives up.
    """

    chunk: int | None = None
    precision: Literal["f32", "bf16", "fp16"] = "f32"
    device: str | None = None
    compile: bool = False
    checkpointing: bool = False
    patch_dropout: float = 0.0
    sharding: Literal["ddp", "fsdp"] = "ddp"
    timeout: float = 600.0


@dataclass(frozen=True, kw_only=True)
class TuningConfig:
    """Fine-tuning of an existing model. With all defaults the run trains from scratch.

    start: name or path of the checkpoint to begin with; `model` is then its spec (`tuning.start_spec`). take: "image":
    only the image tower is taken, the text tower is randomly initialised (with image="locked": LiT, Zhai et al.
    2022). image, text: what of a tower learns ("lora": low-rank changes only, Hu et al. 2022, of `lora_rank`).
    alphas: WiSE-FT's shares of the tuned weights to try, the rest being the pre-trained ones (Wortsman et al. 2022);
    the best on `watch.zero_shot` is kept. keep: least share of the original zero-shot accuracy on `forgetting`
    (labelled images the run is not about) below which a run fails the forgetting check.
    """

    start: str | None = None
    take: Literal["both", "image"] = "both"
    image: Literal["full", "locked", "lora"] = "full"
    text: Literal["full", "locked", "lora"] = "full"
    lora_rank: int = 8
    alphas: tuple[float, ...] = ()
    forgetting: ZeroShotConfig | None = None
    keep: float = 0.9


@dataclass(frozen=True, kw_only=True)
class WatchConfig:
    """Logging, saving and evaluation during a run; all counts are optimizer steps.

    save_every: checkpoints to resume from, of which the newest `keep` stay. zero_shot: held-out labelled images,
    measured every `evaluate_every` steps and at the end. tensorboard: write event files too.
    """

    log_every: int = 10
    save_every: int = 500
    keep: int = 2
    evaluate_every: int | None = None
    zero_shot: ZeroShotConfig | None = None
    tensorboard: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole run. `batch` is the global batch; one of `steps` and `epochs` says how long."""

    model: ModelSpec
    data: DataConfig
    batch: int
    steps: int | None = None
    epochs: float | None = None
    seed: int = 0
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    tuning: TuningConfig = field(default_factory=TuningConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)
