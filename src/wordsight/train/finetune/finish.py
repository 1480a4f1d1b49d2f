"""What comes out of a tuning run: the share α of the tuned weights, what was forgotten, and the finished model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from wordsight.checkpoint import Checkpoint
from wordsight.encoder import open_encoder
from wordsight.metrics import Estimate, bootstrap_hits
from wordsight.model import Model
from wordsight.nn.clip import CLIP, load_tensors
from wordsight.spec import ModelSpec
from wordsight.train.config import TrainConfig
from wordsight.train.finetune import wise_ft
from wordsight.train.finetune.forgetting import judge, remedy, warn_at_chance_level
from wordsight.train.finetune.tuning import open_tokenizer, tokenizer_files
from wordsight.train.measure import ZeroShotInTraining
from wordsight.train.networks import Network

Autocast = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Finished:
    """What a run gives in the end.

    figures: "zero_shot" of the chosen α; "original_before" and "original", on what is not to be forgotten.
    notes: "α tried", the figures of each; "α", the one that is kept; "verdict" (a `Verdict`, whose `good` says whether
    enough is left) and "what to try" where it is not.
    """

    checkpoint: Checkpoint
    figures: Mapping[str, Estimate] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


class Judge:
    """Measures what a run began with, and in the end chooses α and says how much was forgotten.

    start: as of `tuning.read_start`; with None a run is finished as it is. zero_shot: measures `watch.zero_shot`.

    Raises: InputError for images of `tuning.forgetting` that are not there, as `ZeroShot` does.
    """

    def __init__(
        self, config: TrainConfig, start: Checkpoint | None, zero_shot: ZeroShotInTraining | None = None
    ) -> None:
        self.config, self.start, self.zero_shot = config, start, zero_shot
        self.original: ZeroShotInTraining | None = None
        self._before = np.zeros(0, bool)
        if start is not None and config.tuning.forgetting is not None:
            self.original = ZeroShotInTraining(config.tuning.forgetting, start.spec, open_tokenizer(config, start))

    def measure_before(self, device: torch.device, autocast: Autocast) -> None:
        """Measure, before the first step, what is not to be forgotten.

        Raises: InputError where the model knows nothing of it. Warns: TrainWarning where it knows no more than chance.
        """
        if self.original is not None and self.start is not None:
            model = open_for_measuring(self.start, device)
            self._before = self.original.find_hits(model, autocast=autocast)
            warn_at_chance_level(judge(self._before, self._before, 0.0).before, len(self.original.labelled.names))

    def finish(self, network: Network, autocast: Autocast) -> Finished:
        """Return the finished model of a network, between where it began and where it is if `tuning.alphas` say so."""
        checkpoint = network.checkpoint()
        if self.start is None:
            return Finished(checkpoint)
        spec = _described(checkpoint.spec, self.start.spec)
        files = tokenizer_files(self.config, self.start)
        checkpoint = dataclasses.replace(checkpoint, spec=spec, tokenizer_files=files)
        device = next(network.parameters()).device
        if not self.config.tuning.alphas:
            after = self._hits(open_for_measuring(checkpoint, device), autocast) if self.original else None
            return self._judged(Finished(checkpoint), after, [])
        tried, hits = [], []
        for alpha in self.config.tuning.alphas:
            between = wise_ft.interpolate(self.start.tensors, checkpoint.tensors, alpha)
            model = open_for_measuring(dataclasses.replace(checkpoint, tensors=between), device)
            assert self.zero_shot is not None, "tuning.check() asks for watch.zero_shot where there are alphas"
            hits.append(self._hits(model, autocast))
            original = None if hits[-1] is None else bootstrap_hits(hits[-1])
            tried.append(wise_ft.AlphaResult(alpha, self.zero_shot.measure(model, autocast=autocast), original))
        best = wise_ft.choose(tried)
        notes = {"α tried": tuple(tried), "α": best.alpha}
        tensors = wise_ft.interpolate(self.start.tensors, checkpoint.tensors, best.alpha)
        spec = dataclasses.replace(spec, logit_scale=float(tensors["logit_scale"]))
        checkpoint = dataclasses.replace(checkpoint, spec=spec, tensors=tensors)
        return self._judged(Finished(checkpoint, {"zero_shot": best.target}, notes), hits[tried.index(best)], tried)

    def _hits(self, model: nn.Module | Model, autocast: Autocast) -> np.ndarray | None:
        return None if self.original is None else self.original.find_hits(model, autocast=autocast)

    def _judged(self, finished: Finished, after: np.ndarray | None, tried: list[wise_ft.AlphaResult]) -> Finished:
        """Return what is finished with the verdict on it."""
        if after is None:
            return finished
        verdict = judge(self._before, after, self.config.tuning.keep)
        figures = {"original_before": verdict.before, "original": verdict.after}
        notes: dict[str, Any] = {"verdict": verdict}
        if not verdict.good:
            notes["what to try"] = remedy(tried, verdict.before, verdict.least)
        return Finished(finished.checkpoint, {**finished.figures, **figures}, {**finished.notes, **notes})


def open_for_measuring(checkpoint: Checkpoint, device: torch.device) -> nn.Module | Model:
    """Return a model to embed some hundred images with: torch's networks on a GPU, else what `wordsight.load` gives.

    On a processor that is several times as fast, convolutions most of all, at the cost of a second to compile.
    """
    if device.type == "cpu":
        return Model(checkpoint, open_encoder(checkpoint, "openvino", "f32"))
    with torch.device("meta"):
        clip = CLIP(checkpoint.spec)
    load_tensors(clip, checkpoint.tensors)
    return clip.to(device).eval()


def _described(spec: ModelSpec, start: ModelSpec) -> ModelSpec:
    """Return a tuned model's spec with its origin: a model has at least the terms of what it was made of."""
    origin = {"weights": f"tuned from {start.name} ({start.source}), licence {start.licence}"}
    licence = start.licence if spec.licence == "unknown" else spec.licence
    return dataclasses.replace(spec, licence=licence, provenance={**spec.provenance, **origin})
