"""Small data and small networks to train: plain squares whose caption is their colour."""

import contextlib
import dataclasses
import math

import numpy as np
import pytest
import torch
from PIL import Image

from wordsight.spec import ModelSpec, Preprocess, TextTower, TokenizerSpec, VitTower
from wordsight.train.config import (
    ComputeConfig,
    DataConfig,
    ObjectiveConfig,
    OptimConfig,
    TrainConfig,
    TuningConfig,
    WatchConfig,
)
from wordsight.train.monitor.reports import Watcher

COLOURS = {
    "red": (220, 30, 30), "green": (30, 160, 40), "blue": (40, 60, 220), "yellow": (240, 220, 40),
    "black": (15, 15, 15), "white": (245, 245, 245), "purple": (140, 40, 160), "orange": (245, 140, 20),
}  # fmt: skip


def write_squares(folder, count=48, seed=0):
    """Write `count` images, each of one colour and a little noise, and a table of them; return the table."""
    chance = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["image\tcaption"]
    for n in range(count):
        name = list(COLOURS)[n % len(COLOURS)]
        pixels = np.array(COLOURS[name]) + chance.normal(0, 20, (20, 24, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{n:03}.png")
        rows.append(f"{n:03}.png\ta {name} square, number {n}")
    (folder / "pairs.tsv").write_text("\n".join(rows) + "\n")
    return folder / "pairs.tsv"


def small_spec(**changes):
    """Return a spec of two towers of two layers, 32 and 16 wide; images have 16 × 16 pixels."""
    spec = ModelSpec(
        name="small", family="clip", embed_dim=16,
        image=VitTower(image_size=16, patch_size=4, width=32, layers=2, heads=2, mlp_width=64,
                       activation="quick_gelu", pooling="cls"),
        text=TextTower(context_length=16, vocab_size=49408, width=16, layers=2, heads=2, mlp_width=32,
                       activation="quick_gelu", causal=True, pooling="argmax"),
        preprocess=Preprocess(image_size=16),
        tokenizer=TokenizerSpec(kind="clip_bpe", context_length=16, vocab_size=49408, bos_id=49406, eos_id=49407,
                                pad_id=0, clean="clip"),
        logit_scale=math.log(1 / 0.07),
    )  # fmt: skip
    return dataclasses.replace(spec, **changes)


def small_run(table, *, steps=6, batch=8, **changes):
    """Return the config of a run on a table; `changes`: parts of it, or "optim.lr" as optim__lr."""
    parts = {
        "model": small_spec(),
        "data": DataConfig(pairs=(str(table),), workers=0),
        "optim": OptimConfig(lr=1e-3, warmup=2),
        "objective": ObjectiveConfig(),
        "compute": ComputeConfig(device="cpu"),
        "tuning": TuningConfig(),
        "watch": WatchConfig(log_every=1, save_every=1000),
    }
    for key, value in changes.items():
        part, _, field = key.partition("__")
        parts[part] = dataclasses.replace(parts[part], **{field: value}) if field else value
    return TrainConfig(steps=steps, batch=batch, **parts)


@contextlib.contextmanager
def quickly():
    """Draw no curves, which takes longer than these runs, and keep to one thread, which is faster for so little."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wordsight.train.monitor.curves.Curves.on_end", lambda self, result: None)
        yield
    torch.set_num_threads(threads)


class Notes(Watcher):
    """Keeps all that a run tells."""

    def __init__(self):
        self.facts, self.reports, self.saved, self.measured, self.result = None, [], [], [], "not ended"

    def on_start(self, config, facts):
        self.facts = facts

    def on_step(self, report):
        self.reports.append(report)

    def on_save(self, step, folder):
        self.saved.append(step)

    def on_evaluate(self, step, figures):
        self.measured.append((step, dict(figures)))

    def on_end(self, result):
        self.result = result

    @property
    def losses(self):
        return [report.loss for report in self.reports]
