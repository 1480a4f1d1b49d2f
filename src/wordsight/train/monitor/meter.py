"""Numbers of the steps: read from the device only when needed, and checked to be finite."""

from __future__ import annotations

import math
import time

import numpy as np
import torch
from torch import Tensor

from wordsight.errors import TrainError
from wordsight.train.batch import Batch, Features, Ids
from wordsight.train.compute.processes import Processes
from wordsight.train.config import TrainConfig
from wordsight.train.data import TrainData
from wordsight.train.loss.gradient_cache import StepOutcome
from wordsight.train.monitor import baseline
from wordsight.train.monitor.reports import StepReport

_QUERIES = 1024  # images of a batch that recall is measured with
_KEYS_SHOWN = 8


class Meter:
    """Keeps the losses and gradient norms of steps on the device, and turns them into reports.

    Reading a number makes the CPU wait for the GPU, so all steps since the last time are read at once.
    loss: of the newest step that was read.
    """

    def __init__(self, config: TrainConfig, processes: Processes, data: TrainData) -> None:
        self.config, self.processes, self.data = config, processes, data
        self.loss = math.nan
        self._unread: list[tuple[int, tuple[str, ...], Tensor]] = []
        self._newest: tuple[tuple[str, ...], Ids, Features | None] | None = None
        self._norm = math.nan
        self.begin()

    def begin(self) -> None:
        """Start counting seconds."""
        self._steps = 0  # since the last report
        self._since, self._waited, self._paused = time.perf_counter(), self.data.wait_s, 0.0

    def add(self, step: int, batch: Batch, outcome: StepOutcome, norm: Tensor) -> None:
        """Add a finished step."""
        self._unread.append((step, batch.keys, torch.stack((outcome.loss.float(), norm.float()))))
        self._newest = batch.keys, batch.ids, outcome.features  # not the pixels, which may be large
        self._steps += 1

    def read(self, loss_scale: float | None = None) -> None:
        """Read the numbers of all steps since the last time; `loss_scale`: fp16's, under which a norm may be infinite.

        Raises: TrainError where the loss or the gradient of a step is NaN or infinite, naming the step and its samples.
        """
        if not self._unread:
            return
        rows = torch.stack([numbers for _, _, numbers in self._unread]).tolist()
        for (step, keys, _), (loss, norm) in zip(self._unread, rows, strict=True):
            if not math.isfinite(loss):
                raise TrainError(_describe_non_finite("loss", loss, step, keys, self.config))
            if not math.isfinite(norm) and (loss_scale is None or loss_scale < 1):
                raise TrainError(_describe_non_finite("gradient's norm", norm, step, keys, self.config))
        self.loss, self._norm = rows[-1]
        self._unread.clear()

    def report(self, step: int, rate: float) -> StepReport:
        """Report of the newest step, whose numbers were read; all processes must call it."""
        assert self._newest is not None
        keys, ids, features = self._newest
        now, waited = time.perf_counter(), self.data.wait_s
        spent = max(now - self._since - self._paused, 1e-9)
        seconds = spent / max(1, self._steps)
        waiting = (waited - self._waited) / spent
        self._since, self._waited, self._paused, self._steps = now, waited, 0.0, 0
        traits = self.config.objective.traits
        if not traits.uses_texts:
            ids = Ids(ids.image_B, ids.image_B)
        image_B, text_B = (each_B.cpu().numpy() for each_B in ids)
        negatives_B = baseline.count_negatives(
            *np.concatenate(self.processes.gather_objects((image_B, text_B)), axis=1)
        )
        scale = recall = chance_recall = negatives = alone = None
        if features is not None:
            recall, chance_recall = recall_at_1(features, ids), baseline.chance_recall(image_B, text_B)
            if traits.learns_scale:
                scale = float(features.scale)
        if traits.needs_negatives:
            negatives, alone = float(negatives_B.mean()), float((negatives_B == 0).mean())
        return StepReport(
            step=step,
            epoch=step / self.data.steps_per_epoch,
            loss=self.loss,
            lr=rate,
            grad_norm=self._norm,
            seconds=seconds,
            samples_per_s=self.config.batch / seconds,
            local_batch=len(keys),
            global_batch=self.config.batch,
            scale=scale,
            wait_share=min(1.0, waiting),
            recall_at_1=recall,
            chance_recall=chance_recall,
            chance_loss=baseline.chance_loss(self.config, negatives_B),
            negatives=negatives,
            alone=alone,
            skipped=round(self.processes.total([self.data.skipped.total])[0]),
            keys=keys,
        )

    def pause(self, seconds: float) -> None:
        """Exclude seconds that were spent on something other than steps."""
        self._paused += seconds


@torch.no_grad()
def recall_at_1(features: Features, ids: Ids) -> float | None:
    """Share of images whose own text scores higher than all negatives; None where none has a negative.

    Texts that are the same, or of the same image, are not negatives; an image without negatives does not count. Of a
    large batch the first 1,024 images are scored against all its texts.
    """
    scores_RB = features.first[:_QUERIES] @ features.second.T
    rows = torch.arange(len(scores_RB), device=scores_RB.device)
    same_RB = ids.image_B[: len(rows), None] == ids.image_B
    same_RB |= ids.text_B[: len(rows), None] == ids.text_B
    asked_R = ~same_RB.all(dim=1)
    same_RB[rows, rows] = False
    found_R = scores_RB.masked_fill(same_RB, -torch.inf).argmax(dim=1) == rows
    if not asked_R.any():
        return None
    return float(found_R[asked_R].float().mean())


def _describe_non_finite(what: str, value: float, step: int, keys: tuple[str, ...], config: TrainConfig) -> str:
    shown = ", ".join(keys[:_KEYS_SHOWN])
    if len(keys) > _KEYS_SHOWN:
        shown += f" and {len(keys) - _KEYS_SHOWN} more"
    advice = [
        f"a lower rate (optim.lr, now {config.optim.lr:g})",
        f"a longer warm-up (optim.warmup, now {config.optim.warmup})",
    ]
    if config.optim.clip is None:
        advice.append("clipping the gradient (optim.clip=1)")
    if config.compute.precision != "f32":
        advice.append(f"compute.precision=f32 (now {config.compute.precision})")
    return (
        f"The {what} of step {step} is {value}, so the run cannot continue; checkpoints hold earlier steps. "
        f"Samples of this step: {shown}. Try {', '.join(advice)}; or check whether a sample is damaged."
    )
