"""Alarms: problems that a person watching every step would notice, and remedies to try."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable
from typing import Any

from wordsight.model import decode_threads
from wordsight.train.config import TrainConfig
from wordsight.train.monitor.baseline import chance_loss, chance_words
from wordsight.train.monitor.reports import RunFacts, StepReport, TrainWarning, Watcher

WINDOW = 200  # steps that a problem must last before it is reported
NEAR = 0.98  # of the chance-level loss
FEW_NEGATIVES = 0.5  # share of pairs without any
MUCH_WAITING = 0.3
MANY_SKIPPED = 0.05
SCALE_CLIP = 100.0  # Radford et al. 2021, §2.5


def _warn(message: str) -> None:
    warnings.warn(message, TrainWarning, stacklevel=4)


class Alarms(Watcher):
    """Reports, once and then rarely, what seems wrong and what to try; `say` is `warnings.warn` by default.

    - most pairs of a batch have no negatives;
    - after warm-up the loss stays at the chance level;
    - the model waits for data;
    - the scale of the cosines reaches its clip in the first half of the run;
    - many samples cannot be read.
    """

    def __init__(self, say: Callable[[str], Any] = _warn, window: int = WINDOW) -> None:
        self.say, self.window = say, window

    def on_start(self, config: TrainConfig, facts: RunFacts) -> None:
        """Start watching."""
        self.config, self.facts = config, facts
        self._window = max(5, min(self.window, facts.steps // 10))
        self._last: deque[StepReport] = deque()  # the reports of the last `_window` steps
        self._first: StepReport | None = None
        self._quiet_until: dict[str, int] = {}

    def on_step(self, report: StepReport) -> None:
        """Check a step."""
        self._first = self._first or report
        self._last.append(report)
        while self._last[0].step <= report.step - self._window:
            self._last.popleft()
        alarms: list[Callable[[StepReport], str | None]] = [self._no_negatives]  # which already shows in one batch
        if report.step - self.facts.done >= self._window:
            alarms += [self._at_chance_level, self._waiting, self._scale_clipped, self._skipping]
        for alarm in alarms:
            name = alarm.__name__
            if report.step >= self._quiet_until.get(name, 0) and (message := alarm(report)):
                self._quiet_until[name] = report.step + max(10 * self._window, self.facts.steps // 5)
                self.say(f"Step {report.step:,}: {message}")

    @property
    def _first_scale(self) -> float | None:
        return self._first.scale if self._first else None

    def _no_negatives(self, report: StepReport) -> str | None:
        if report.alone is None or report.alone <= FEW_NEGATIVES or self.config.batch == 1:
            return None
        what = "images"
        if self.config.objective.traits.uses_texts:
            what = "captions (or images)"
        return (
            f"{report.alone:.0%} of the pairs of a batch have no negatives: their {what} are all the same, so there is "
            "nothing to distinguish them from, and nothing is learned, however low the loss. Check data.pairs and "
            "data.text_columns: does the column describe each image?"
        )

    def _at_chance_level(self, report: StepReport) -> str | None:
        if (report.alone or 0.0) > FEW_NEGATIVES:
            return None  # the better explanation is reported already
        known = [step.chance_loss for step in self._last if step.chance_loss is not None]
        chance = sum(known) / len(known) if known else chance_loss(self.config)
        # a warm-up longer than the run would silence this forever
        after = min(self.config.optim.warmup, self.facts.steps // 2) + self._window
        if chance is None or report.step < after:
            return None
        mean = sum(step.loss for step in self._last) / len(self._last)
        if mean < NEAR * chance:
            return None
        lr, left = self.config.optim.lr, report.negatives
        if left is None:
            left = self.config.batch - 1
        return (
            f"the loss has been {mean:.2f} for {self._window} steps; the chance level is {chance:.2f} "
            f"({chance_words(self.config, left)}). Check that captions belong to their images (data.pairs, "
            f"data.text_columns), then try a lower optim.lr, such as {lr / 5:.2g} (now {lr:.2g}), a longer "
            f"optim.warmup (now {self.config.optim.warmup:,}){self._stuck_scale(report)}."
        )

    def _stuck_scale(self, report: StepReport) -> str:
        first = self._first_scale
        if first is None or report.scale is None or not (0.98 < report.scale / first < 1.02):
            return ""
        return f"; the scale of the cosines has not moved from {first:.1f} either: is nearly everything locked?"

    def _waiting(self, report: StepReport) -> str | None:
        share = sum(step.wait_share for step in self._last) / len(self._last)
        if share < MUCH_WAITING:
            return None
        processors, workers = decode_threads(), self.config.data.workers
        if workers < processors:
            advice = f"Raise data.workers (now {workers}; this machine has {processors} processors)"
        else:
            advice = f"All {processors} processors are decoding already (data.workers={workers}): store smaller images"
        size = self.config.model.preprocess.image_size
        return (
            f"the model waits for data {share:.0%} of the time. {advice}, with the shorter side near {size} pixels, "
            "or as shards."
        )

    def _scale_clipped(self, report: StepReport) -> str | None:
        first = self._first_scale
        at_clip = all(step.scale is not None and step.scale >= 0.999 * SCALE_CLIP for step in self._last)
        if not at_clip or first is None or first >= 0.99 * SCALE_CLIP or report.step > self.facts.steps // 2:
            return None
        return (
            f"the scale of the cosines has already risen from {first:.1f} to its clip of {SCALE_CLIP:.0f}. So early it "
            "means that the pairs are memorised (overfitting) or that steps are too large: try a lower optim.lr (now "
            f"{self.config.optim.lr:.2g}), more pairs, stronger data.augment."
        )

    def _skipping(self, report: StepReport) -> str | None:
        seen = (report.step - self.facts.done) * report.global_batch
        share = report.skipped / max(1, seen + report.skipped)
        if share < MANY_SKIPPED:
            return None
        return (
            f"{report.skipped:,} samples, {share:.0%} of those drawn, could not be read and were left out. The "
            "reasons are listed at the end; if this is unexpected, check data.pairs and its columns now."
        )
