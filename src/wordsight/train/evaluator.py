"""Evaluation of a run on held-out images, and its finished model: both with the weights that are kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wordsight.metrics import Estimate
from wordsight.train.finetune.finish import Judge
from wordsight.train.learner import Learner
from wordsight.train.measure import ZeroShotInTraining
from wordsight.train.networks import Network
from wordsight.train.run.run_state import RunState
from wordsight.train.run.write_model import write_model


@dataclass(frozen=True, kw_only=True)
class Evaluator:
    """Measures a run's network. fresh_network: builds one with initial weights, for a whole copy of FSDP's shards.

    zero_shot: measures `watch.zero_shot`. Both it and `judge` exist on the first process only.
    """

    learner: Learner
    state: RunState
    fresh_network: Callable[[], Network]
    zero_shot: ZeroShotInTraining | None
    judge: Judge | None

    def measure(self) -> dict[str, Estimate] | None:
        """Accuracy on the held-out images; None on all processes but the first. All processes must call it."""
        with self.kept_network() as network:
            if network is None or self.zero_shot is None:
                return None
            return {"zero_shot": self.zero_shot.measure(network, autocast=self.learner.precision.autocast)}

    def finish(
        self, folder: Path, measured: Mapping[str, Estimate]
    ) -> tuple[Mapping[str, Estimate], Mapping[str, Any]]:
        """Write the finished model into a folder; its figures (with those `measured` before) and its notes.

        All processes must call it; the first one writes. Raises: TrainError where the model cannot be written.
        """
        with self.kept_network() as network:

            def finish() -> tuple[Mapping[str, Estimate], Mapping[str, Any]]:
                assert network is not None
                assert self.judge is not None
                finished = self.judge.finish(network, self.learner.precision.autocast)
                write_model(finished.checkpoint, folder)
                return {**measured, **finished.figures}, finished.notes

            return self.learner.processes.on_first(finish)

    @contextlib.contextmanager
    def kept_network(self) -> Iterator[Network | None]:
        """Network with the weights that are kept (their average, if there is one), whole also with FSDP.

        None on all processes but the first.
        """
        learner, processes = self.learner, self.learner.processes
        if learner.config.compute.sharding == "fsdp" and processes.world > 1:
            weights = self.state.weights()
            if not processes.is_first:
                yield None
                return
            whole = self.fresh_network()
            whole.load_state_dict(weights)
            yield whole.to(processes.device)
            return
        with self.state.averaged():
            yield learner.bare if processes.is_first else None
