"""Reports of a run to its watchers: facts at its start, one report per step, figures, and its result.

Neither torch nor NumPy is needed here, so a watcher may live anywhere. A run has its own watchers, made by
`logs.default_watchers(config, folder)` (the log, the curves, the alarms); callers of `train` add theirs, or, where a
recipe calls it, those who run the recipe (`watched_by`).
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wordsight.errors import WordsightWarning
from wordsight.train.config import TrainConfig

if TYPE_CHECKING:
    from wordsight.metrics import Estimate


class TrainWarning(WordsightWarning):
    """A problem of a run that continues nevertheless; the text says what to try."""


@dataclass(frozen=True, kw_only=True)
class RunFacts:
    """Facts of a run at its start. `steps`: its length; `done`: steps that were taken before it was resumed.

    device: a human-readable name, such as "cpu" or "cuda (NVIDIA A100)". trainable: parameters that learn.
    """

    folder: Path
    steps: int
    steps_per_epoch: int
    device: str
    parameters: int
    trainable: int
    done: int = 0
    processes: int = 1


@dataclass(frozen=True, kw_only=True)
class StepReport:
    """An optimizer step, of all processes together but for `local_batch`, `keys`, `wait_share` and the two recalls.

    The loop reports every `watch.log_every` steps and the last; `seconds`, `samples_per_s` and `wait_share` are then
    means over the steps since the report before.

    step: number of steps done, including this one. epoch: passes over the data so far, such as 1.25.
    loss: of the whole global batch. grad_norm: before clipping. scale: of the cosines; None where the
    objective has none. recall_at_1: of this process's images that have negatives, the share whose own text scores
    higher than all of them; chance_recall: its chance level.
    chance_loss: chance-level loss. negatives: mean number of negatives of a pair: pairs of another image and another
    text. alone: share of pairs that have none. None where the objective has no negatives.
    wait_share: share of `seconds`, a step's wall-clock time, in which the processor or GPU waited for data.
    skipped: samples that could not be read since the run began. keys: names of this process's samples.
    """

    step: int
    epoch: float
    loss: float
    lr: float
    grad_norm: float
    seconds: float
    samples_per_s: float
    local_batch: int
    global_batch: int
    scale: float | None = None
    wait_share: float = 0.0
    recall_at_1: float | None = None
    chance_recall: float | None = None
    chance_loss: float | None = None
    negatives: float | None = None
    alone: float | None = None
    skipped: int = 0
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """A finished run. `folder` opens with `wordsight.load`; `loss` is the last step's; `seconds` those of this call.

    figures: measured with the weights that are kept, such as "zero_shot". skipped: reason → samples;
    skipped_names: reason → the first of them. truncated: samples whose caption was truncated.
    notes: extra messages, such as the α that was chosen.
    """

    folder: Path
    step: int
    loss: float
    seconds: float
    figures: Mapping[str, Estimate] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    skipped_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    truncated: int = 0
    notes: Mapping[str, Any] = field(default_factory=dict)


class Watcher:
    """Receives the events of a run, on the first process only; a subclass overrides the hooks it needs.

    It must not change the run: it draws no random numbers from the global state of torch, NumPy or Python.
    """

    def on_start(self, config: TrainConfig, facts: RunFacts) -> None:
        """Before the first step, or the first after resuming."""

    def on_step(self, report: StepReport) -> None:
        """After optimizer steps, as often as the run reports them."""

    def on_evaluate(self, step: int, figures: Mapping[str, Estimate]) -> None:
        """After an evaluation on held-out images; `step` steps are done."""

    def on_save(self, step: int, folder: Path) -> None:
        """After a checkpoint was written to `folder`."""

    def on_end(self, result: RunResult | None) -> None:
        """Last, and always once `on_start` was called; `result` is None after an error or an interrupt."""


_WATCHING: contextvars.ContextVar[tuple[Watcher, ...]] = contextvars.ContextVar("watching", default=())


@contextlib.contextmanager
def watched_by(*watchers: Watcher) -> Iterator[None]:
    """Add these watchers to every run that starts within the block, whoever calls `train`."""
    token = _WATCHING.set((*_WATCHING.get(), *watchers))
    try:
        yield
    finally:
        _WATCHING.reset(token)


def active_watchers() -> tuple[Watcher, ...]:
    """Watchers of `watched_by`."""
    return _WATCHING.get()
