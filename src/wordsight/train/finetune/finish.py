"""The end of a fine-tuning run: the share α of the tuned weights, what was forgotten, and the finished model."""

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
from wordsight.metrics import Estimate, estimate_share
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
    """Result of a run: its model, figures and notes.

    figures: "zero_shot" of the chosen α; "original_before" and "original", on the images that must not be forgotten.
    notes: "α tried", the figures of each; "α", the one that is kept; "verdict" (a `Verdict`, whose `good` says whether
    enough is left) and "what to try" where it is not.
    """

    checkpoint: Checkpoint
    figures: Mapping[str, Estimate] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


class Judge:
    """Measures the model that a run starts from; at the end chooses α and reports how much was forgotten.

    start: from `tuning.read_start`; with None the model is finished as it is. zero_shot: measures `watch.zero_shot`.

    Raises: InputError for images of `tuning.forgetting` that are not there, as `ZeroShotInTraining` does.
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
        """Measure, before the first step, the accuracy that must not be forgotten.

        Raises: InputError where no image is classified correctly. Warns: TrainWarning where accuracy is at chance
            level.
        """
        if self.original is not None and self.start is not None:
            model = open_for_measuring(self.start, device)
            self._before = self.original.find_hits(model, autocast=autocast)
            warn_at_chance_level(judge(self._before, self._before, 0.0).before, len(self.original.data.classnames))

    def finish(self, network: Network, autocast: Autocast) -> Finished:
        """Finished model of a network, interpolated with its start where `tuning.alphas` ask for it."""
        checkpoint = network.checkpoint()
        if self.start is None:
            return Finished(checkpoint)
        spec = _describe_origin(checkpoint.spec, self.start.spec)
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
            assert self.zero_shot is not None, "check_tuning asks for watch.zero_shot where there are alphas"
            hits.append(self._hits(model, autocast))
            original = None if hits[-1] is None else estimate_share(hits[-1])
            tried.append(wise_ft.AlphaResult(alpha, self.zero_shot.measure(model, autocast=autocast), original))
        best = wise_ft.choose(tried)
        notes = {"α tried": tuple(tried), "α": best.alpha}
        tensors = wise_ft.interpolate(self.start.tensors, checkpoint.tensors, best.alpha)
        spec = dataclasses.replace(spec, logit_scale=float(tensors["logit_scale"]))
        checkpoint = dataclasses.replace(checkpoint, spec=spec, tensors=tensors)
        return self._judged(Finished(checkpoint, {"zero_shot": best.target}, notes), hits[tried.index(best)], tried)

    def _hits(self, model: nn.Module | Model, autocast: Autocast) -> np.ndarray | None:
        if self.original is None:
            return None
        return self.original.find_hits(model, autocast=autocast)

    def _judged(self, finished: Finished, after: np.ndarray | None, tried: list[wise_ft.AlphaResult]) -> Finished:
        """Result with the verdict on what was forgotten."""
        if after is None:
            return finished
        verdict = judge(self._before, after, self.config.tuning.keep)
        figures = {"original_before": verdict.before, "original": verdict.after}
        notes: dict[str, Any] = {"verdict": verdict}
        if not verdict.good:
            notes["what to try"] = remedy(tried, verdict.before, verdict.least)
        return Finished(finished.checkpoint, {**finished.figures, **figures}, {**finished.notes, **notes})


def open_for_measuring(checkpoint: Checkpoint, device: torch.device) -> nn.Module | Model:
    """Model for embedding a few hundred images: torch's networks on a GPU, otherwise as `wordsight.load` opens it.

    On a CPU the latter is several times faster, most of all for convolutions, and takes a second to compile.
    """
    if device.type == "cpu":
        return Model(checkpoint, open_encoder(checkpoint, "openvino", "f32"))
    with torch.device("meta"):
        clip = CLIP(checkpoint.spec)
    load_tensors(clip, checkpoint.tensors)
    return clip.to(device).eval()


def _describe_origin(spec: ModelSpec, start: ModelSpec) -> ModelSpec:
    """Spec of a tuned model with its origin, and the licence of the model it was tuned from."""
    origin = {"weights": f"tuned from {start.name} ({start.source}), licence {start.licence}"}
    licence = spec.licence
    if licence == "unknown":
        licence = start.licence
    return dataclasses.replace(spec, licence=licence, provenance={**spec.provenance, **origin})
