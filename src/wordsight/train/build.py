"""The parts of a run on one process, built in the order in which they need each other."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from wordsight.train.compute import random_state
from wordsight.train.compute.precision import Precision
from wordsight.train.compute.processes import Processes
from wordsight.train.config import TrainConfig
from wordsight.train.data import TrainData, open_data
from wordsight.train.evaluator import Evaluator
from wordsight.train.finetune import tuning
from wordsight.train.finetune.finish import Judge
from wordsight.train.learner import Learner, build_learner
from wordsight.train.measure import ZeroShotInTraining
from wordsight.train.monitor.meter import Meter
from wordsight.train.networks import Network, build_network
from wordsight.train.run.run_state import RunState


@dataclass(frozen=True, kw_only=True)
class Run:
    """Parts of a run. steps: its length. started_at: `time.perf_counter()` when it was built."""

    config: TrainConfig
    folder: Path
    processes: Processes
    learner: Learner
    evaluator: Evaluator
    data: TrainData
    state: RunState
    meter: Meter
    steps: int
    started_at: float

    def close(self) -> None:
        """End the workers that read the data."""
        self.data.close()


def build_run(config: TrainConfig, folder: Path, processes: Processes) -> Run:
    """Run of a configuration, before its first step: data opened, weights initialised, random states seeded.

    All processes must call it. Raises: InputError, TrainError and what reading `tuning.start` raises.
    """
    started_at = time.perf_counter()
    processes.split_batch(config.batch)
    precision = Precision(config.compute.precision, processes.device)
    start = processes.first_then_others(lambda: tuning.read_start(config))  # the first may download it for all
    tokenizer = tuning.open_tokenizer(config, start)
    held_out: list[tuple[ZeroShotInTraining | None, Judge]] = []

    def open_held_out() -> None:
        zero_shot = None
        if config.watch.zero_shot is not None:
            zero_shot = ZeroShotInTraining(config.watch.zero_shot, config.model, tokenizer)
            zero_shot.pixels.check()
        judge = Judge(config, start, zero_shot)
        judge.measure_before(processes.device, precision.autocast)
        held_out.append((zero_shot, judge))

    def fresh_network() -> Network:
        network = build_network(config, tokenizer)
        tuning.prepare(network, config, start)
        return network

    processes.on_first(open_held_out)  # which stays there: other processes get errors only
    zero_shot, judge = held_out[0] if held_out else (None, None)
    learner = build_learner(config, processes, precision, fresh_network())
    data = open_data(config, tokenizer, rank=processes.rank, world=processes.world)
    state = RunState(
        config, folder, processes, learner.network, learner.optimizer, learner.average, precision.scaler,
        data.steps_per_epoch,
    )  # fmt: skip
    run = Run(
        config=config,
        folder=folder,
        processes=processes,
        learner=learner,
        evaluator=Evaluator(
            learner=learner, state=state, fresh_network=fresh_network, zero_shot=zero_shot, judge=judge
        ),
        data=data,
        state=state,
        meter=Meter(config, processes, data),
        steps=count_steps(config, data.steps_per_epoch),
        started_at=started_at,
    )
    random_state.seed(config.seed, processes.rank)
    return run


def count_steps(config: TrainConfig, steps_per_epoch: int) -> int:
    """Number of steps of a run."""
    if config.steps is not None:
        return config.steps
    return max(1, round(cast(float, config.epochs) * steps_per_epoch))
