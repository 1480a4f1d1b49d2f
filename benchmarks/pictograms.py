"""The recipe `pictograms` with our loop and with open_clip's, written here in plain torch: equal loss, then equal time.

    python benchmarks/pictograms.py [--only curves,time] [--steps N] [--quick]

- curves: 100 fp32 steps from the same initial weights on the same batches, with open_clip's loss (every other pair of
  the batch is a negative, gradients are not clipped) and the recipe's schedule. At these rates a difference in the last
  bit grows two- to threefold each step in any implementation, so open_clip's loop is run twice: as it is written (for
  several processes: one product and its transpose; for one it multiplies twice), and with the one product of scale and
  cosines taken in our order, scale·(I·Tᵀ) in place of (scale·I)·Tᵀ. The second must be within 1e-4 of ours; the first
  shows how far open_clip drifts from itself by rounding alone.
- time: ours runs the recipe as it is (duplicates masked, gradients clipped); then open_clip's loop, which neither masks
  nor clips, for the same time, with a cosine that ends with it: as many steps as fit at the pace of its first steps.
  Then zero-shot top-1 and top-5 and text→image recall@10 on the style that neither saw (`pictograms_data`), and on
  images of the styles of training that were kept apart, against chance. Only on an otherwise idle machine.

The first run fetches the packages (0.5 GB) and draws 23,000 images. Results go to `results/pictograms.jsonl`.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from harness import RESULTS, write_rows
from torch import Tensor, nn
from torch.nn import functional as F

from wordsight.model import Model, load
from wordsight.nn.clip import CLIP
from wordsight.spec import OPENAI_MEAN, OPENAI_STD
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.batch import Batch
from wordsight.train.config import ObjectiveConfig, OptimConfig, TrainConfig, WatchConfig
from wordsight.train.data import open_data
from wordsight.train.loop import train
from wordsight.train.monitor.reports import StepReport, Watcher
from wordsight.train.networks import build_network

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "recipes"))  # before this file of the same name

import pictograms
from pictograms_measure import chance, measured

CURVE, TOLERANCE = 100, 1e-4
TRIED = 4, 24  # steps, between which the pace of open_clip's loop is measured
Logits = Callable[[Tensor, Tensor, Tensor], Tensor]


def open_clips(scale: Tensor, image_features: Tensor, text_features: Tensor) -> Tensor:
    """Logits per image, as open_clip's `ClipLoss.get_logits` multiplies them."""
    return scale * image_features @ text_features.T


def in_our_order(scale: Tensor, image_features: Tensor, text_features: Tensor) -> Tensor:
    """The same product, rounded as ours."""
    return scale * (image_features @ text_features.T)


class OpenClip:
    """open_clip's training of a CLIP on one device, fp32: `training/main.py`, `train.py`, `scheduler.py`, `loss.py`."""

    def __init__(self, clip: CLIP, config: OptimConfig, steps: int, logits: Logits) -> None:
        self.clip, self.config, self.steps, self.logits, self.done = clip.train(), config, steps, logits, 0
        mean, std = (torch.tensor(v, dtype=torch.float64) for v in (OPENAI_MEAN, OPENAI_STD))
        self.gain, self.shift = (v.float().view(3, 1, 1) for v in (1 / (255 * std), -mean / std))
        gain_or_bias = [p for name, p in clip.named_parameters() if _is_gain_or_bias(name, p)]
        rest = [p for name, p in clip.named_parameters() if not _is_gain_or_bias(name, p)]
        self.optimizer = torch.optim.AdamW(
            [{"params": gain_or_bias, "weight_decay": 0.0}, {"params": rest, "weight_decay": config.weight_decay}],
            lr=config.lr,
            betas=(config.beta1, config.beta2),
            eps=config.eps,
            fused=True,  # the fastest of torch, for both
        )

    def step(self, batch: Batch) -> float:
        """One step: symmetric cross-entropy of all cosines of the batch, warm-up and cosine, scale at most 100."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        images = torch.addcmul(self.shift, batch.pixels_BCHW.float(), self.gain)  # (x/255 - mean)/std
        self.optimizer.zero_grad()
        image_features = F.normalize(self.clip.encode_image(images), dim=-1)
        text_features = F.normalize(self.clip.encode_text(batch.tokens_BT), dim=-1)
        logits_per_image = self.logits(self.clip.logit_scale.exp(), image_features, text_features)
        labels = torch.arange(len(batch))
        loss = (F.cross_entropy(logits_per_image, labels) + F.cross_entropy(logits_per_image.T, labels)) / 2
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            self.clip.logit_scale.clamp_(0, math.log(100))
        self.done += 1
        return loss.item()

    def rate(self) -> float:
        """Learning rate of the next step."""
        lr, warmup = self.config.lr, self.config.warmup
        if self.done < warmup:
            return lr * (self.done + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (self.done - warmup) / (self.steps - warmup))) * lr


def _is_gain_or_bias(name: str, parameter: nn.Parameter) -> bool:
    return parameter.ndim < 2 or any(part in name for part in ("bn", "ln", "bias", "logit_scale"))


class Recorder(Watcher):
    """Keeps the losses that a run reported."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_step(self, report: StepReport) -> None:
        """Keep the loss of a step."""
        self.losses.append(report.loss)


def ours(config: TrainConfig, folder: Path) -> tuple[Model, list[float]]:
    """Run our loop: the finished model and the loss of each step."""
    recorder = Recorder()
    train(config, folder, watchers=[recorder])
    return load(folder, backend="torch"), recorder.losses


def theirs(config: TrainConfig, logits: Logits = open_clips) -> tuple[CLIP, list[float], list[float]]:
    """Run open_clip's loop from the same weights on the same batches: network, losses, time at the end of each step."""
    assert config.steps
    clip = build_network(config, Tokenizer(config.model.tokenizer, {})).clip
    assert isinstance(clip, CLIP)
    loop = OpenClip(clip, config.optim, config.steps, logits)
    losses, times = [], []
    with open_data(config, Tokenizer(config.model.tokenizer, {})) as data:
        for batch, _ in itertools.islice(data.batches(), config.steps):
            losses.append(loop.step(batch))
            times.append(time.perf_counter())
    return clip, losses, times


def as_open_clip(config: TrainConfig, steps: int) -> TrainConfig:
    """The same run with open_clip's defaults: no masking, gradients as they are; every step reported."""
    return dataclasses.replace(
        config,
        steps=steps,
        objective=ObjectiveConfig(mask_duplicates=False, tile=None),
        optim=dataclasses.replace(config.optim, clip=None),
        watch=WatchConfig(log_every=1, save_every=10**9),
    )


def curves(config: TrainConfig, steps: int) -> dict[str, Any]:
    """Difference of the curves, with equal weights, batches and loss."""
    config = as_open_clip(config, steps)
    with tempfile.TemporaryDirectory() as folder:
        _, mine = ours(config, Path(folder) / "run")
    same, written = (theirs(config, logits)[1] for logits in (in_our_order, open_clips))
    row = {
        "kind": "curves",
        "steps": steps,
        "batch": config.batch,
        "ours to open_clip's in our order": apart(mine, same),
        "within 1e-4": apart(mine, same) <= TOLERANCE,
        "open_clip's in our order to open_clip's": apart(same, written),
        "steps until these two are 1e-4 apart": next(
            (i for i, (a, b) in enumerate(zip(same, written, strict=True)) if abs(a - b) > TOLERANCE), None
        ),
        "ours": [round(loss, 6) for loss in mine],
        "open_clip in our order": [round(loss, 6) for loss in same],
        "open_clip": [round(loss, 6) for loss in written],
    }
    print({key: value for key, value in row.items() if not isinstance(value, list)})
    return row


def apart(first: list[float], second: list[float]) -> float:
    """Largest difference of two curves."""
    return max(abs(a - b) for a, b in zip(first, second, strict=True))


def equal_time(config: TrainConfig) -> Iterator[dict[str, Any]]:
    """Results of our loop after the steps of `config`, and of open_clip's after the same time."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        model, _ = ours(dataclasses.replace(config, watch=WatchConfig(save_every=10**9)), Path(folder) / "run")
        seconds = time.perf_counter() - start
        yield from _rows("ours", model, config, seconds)
        del model
    first, last = TRIED
    times = theirs(as_open_clip(config, last))[2]
    pace = (times[-1] - times[first - 1]) / (last - first)
    config = as_open_clip(config, round(seconds / pace))
    start = time.perf_counter()
    clip = theirs(config)[0]
    yield from _rows("open_clip", clip, config, time.perf_counter() - start)


def _rows(loop: str, model: Model | CLIP, config: TrainConfig, seconds: float) -> Iterator[dict[str, Any]]:
    """Rows of a finished run, for each table; one line is printed."""
    assert config.steps
    for split in ("heldout", "validation"):
        path = pictograms.WORK / f"{split}.tsv"
        figures = measured(model, path, config.model, Tokenizer(config.model.tokenizer, {}))
        row = {
            "kind": "time",
            "loop": loop,
            "table": split,
            "steps": config.steps,
            "batch": config.batch,
            "minutes": round(seconds / 60, 2),
            "pairs/s": round(config.steps * config.batch / seconds, 1),
            **{name: dataclasses.asdict(one) for name, one in figures.items()},
            **{f"chance of {name}": share for name, share in chance(path).items()},
        }
        print(row, flush=True)
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="curves,time")
    parser.add_argument("--steps", type=int, help="of our run; by default the recipe's")
    parser.add_argument("--quick", action="store_true", help="smoke run: a few small steps; writes nothing")
    options = parser.parse_args()
    pictograms.tables()
    config = pictograms.recipe()
    config = dataclasses.replace(config, steps=options.steps or config.steps)
    if options.quick:
        config = dataclasses.replace(config, batch=32, steps=options.steps or 8)
    rows = []
    if "curves" in options.only:
        rows.append(curves(config, 8 if options.quick else CURVE))
    if "time" in options.only:
        rows += equal_time(config)
    if not options.quick:
        print(write_rows("pictograms", [*kept({row["kind"] for row in rows}), *rows]))


def kept(replaced: set[str]) -> list[dict[str, Any]]:
    """Rows of an earlier call for the parts that this one did not run; the machine is that of the last call."""
    path = RESULTS / "pictograms.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []
    return [row for row in map(json.loads, lines) if row["kind"] not in replaced]


if __name__ == "__main__":
    main()
