"""CLIP from scratch on emoji, clip art and stamps, in minutes on a CPU; tested on a style it never saw.

Source: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision"; its ModifiedResNet
    and text transformer, much smaller. The images come from public packages (see `pictograms_data`).
Command: `wordsight train recipes/pictograms.py --folder runs/pictograms`
    needs the extra `train`, resvg-py, npm, apt-get and dpkg-deb. The first run fetches the packages (0.5 GB) and draws
    23,000 images (2 GB of disk, a few minutes) under ~/.cache/wordsight-recipes/pictograms, or WORDSIGHT_PICTOGRAMS.
Hardware: two CPU cores, 2 GB of memory; no GPU.
Time: 10.5 minutes for 500 steps of 256 pairs (`benchmarks/pictograms.py`).
Result: on 1,547 Fluent 3D emoji, each of a class of its own, a style of which training has nothing: zero-shot top-1
    12 % (by chance 0.06 %), top-5 33 % (0.3 %), text→image recall@10 48 % (0.6 %). On images of the styles of
    training that were kept apart, of 417 classes: top-1 32 % (0.2 %), recall@10 76 % (2.4 %).
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pictograms_data
from pictograms_measure import chance, labelled, measured

import wordsight
from wordsight.spec import ModelSpec, ResNetTower
from wordsight.train import (
    AugmentConfig,
    ComputeConfig,
    DataConfig,
    ObjectiveConfig,
    OptimConfig,
    RunResult,
    TrainConfig,
    WatchConfig,
    size,
    train,
)

WORK = Path(os.environ.get("WORDSIGHT_PICTOGRAMS", Path.home() / ".cache/wordsight-recipes/pictograms"))
EMBED_DIM = 256
SIDE, CONTEXT = 64, 16
EMOJI_TIMES = 4  # that an emoji is seen for each time any other image is: it is emoji that are asked for


def model() -> ModelSpec:
    """The two towers: 64 px and short captions are enough for pictograms."""
    base = size("tiny-rn", context_length=CONTEXT, embed_dim=EMBED_DIM)
    return dataclasses.replace(
        base,
        name="pictograms",
        image=ResNetTower(image_size=SIDE, width=24, layers=(1, 1, 1, 1), heads=12),
        text=dataclasses.replace(base.text, width=128, layers=2, heads=2, mlp_width=512),
    )


def recipe() -> TrainConfig:
    """Run's settings; `--set data.pairs=…` names tables made elsewhere."""
    return TrainConfig(
        model=model(),
        data=DataConfig(
            pairs=(*EMOJI_TIMES * (str(WORK / "emoji.tsv"),), str(WORK / "others.tsv")),
            image_column="filepath",
            text_columns=pictograms_data.TEXT_COLUMNS,
            augment=AugmentConfig(crop="resized", min_area=0.8),
            workers=1,
        ),
        batch=256,
        steps=500,
        objective=ObjectiveConfig(mask_duplicates=True),
        optim=OptimConfig(lr=2e-3, weight_decay=0.2, warmup=50),
        compute=ComputeConfig(device="cpu"),
        watch=WatchConfig(save_every=200, evaluate_every=200, zero_shot=labelled(WORK / "validation.tsv")),
    )


def tables() -> Path:
    """The folder of the pair tables, which are made if they are not there."""
    if not all((WORK / f"{name}.tsv").exists() for name in pictograms_data.TABLES):
        pictograms_data.prepare(WORK)
    return WORK


def run(config: TrainConfig, folder: Path, resume: bool) -> RunResult:
    """Make the tables, train, and measure the finished model on the style that it never saw."""
    tables()
    result = train(config, folder, resume=resume)
    model, table = wordsight.load(folder, backend="torch"), WORK / "heldout.tsv"
    found = measured(model, table, model.spec, model.tokenizer)
    blind = ", ".join(f"{name} {100 * share:.2f} %" for name, share in chance(table).items())
    figures = {**result.figures, **{f"unseen style, {name}": one for name, one in found.items()}}
    return dataclasses.replace(result, figures=figures, notes={**result.notes, "by chance on the unseen style": blind})
