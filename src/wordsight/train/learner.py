"""One optimizer step: a batch through the network and its loss, then the gradients into the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from wordsight.errors import TrainError
from wordsight.train.batch import Batch
from wordsight.train.compute.parallel import unwrap, wrap
from wordsight.train.compute.precision import Precision
from wordsight.train.compute.processes import Processes
from wordsight.train.config import TrainConfig
from wordsight.train.ema import WeightAverage
from wordsight.train.loss.gradient_cache import StepOutcome, accumulate
from wordsight.train.loss.objectives import Objective, build_objective
from wordsight.train.networks import Network
from wordsight.train.optim import build_optimizer, clip_gradients, set_rate


@dataclass(frozen=True, kw_only=True)
class Learner:
    """A network with everything a step reads or changes. average: of the weights, where `optim.ema` asks for one."""

    config: TrainConfig
    processes: Processes
    precision: Precision
    objective: Objective
    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: WeightAverage | None

    @property
    def bare(self) -> Network:
        """The network without its wrappers."""
        return cast(Network, unwrap(self.network))

    @property
    def loss_scale(self) -> float | None:
        """Factor that fp16's scaler puts on the loss; None without a scaler."""
        if (scaler := self.precision.scaler) is None:
            return None
        return scaler.get_scale()

    def step(self, batch: Batch, rate: float) -> tuple[StepOutcome, Tensor]:
        """Take one step at a learning rate; loss and features of the batch, and the norm of its gradient, ().

        Raises: TrainError where memory runs out, with settings that need less.
        """
        scaler = self.precision.scaler
        set_rate(self.optimizer, rate)
        try:
            outcome = accumulate(
                self.network, batch, self.objective, chunk=self.config.compute.chunk, autocast=self.precision.autocast,
                scaler=scaler, group=self.processes.group,
            )  # fmt: skip
        except RuntimeError as error:
            if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
                raise
            raise TrainError(_describe_out_of_memory(self.config, len(batch), error)) from error
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        norm = clip_gradients(self.network, self.config.optim.clip)
        if scaler is not None:
            scaler.step(self.optimizer)  # skips the step if its gradients overflowed
            scaler.update()
        else:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.bare.clamp()
        if self.average is not None:
            self.average.update()
        return outcome, norm


def build_learner(config: TrainConfig, processes: Processes, precision: Precision, network: Network) -> Learner:
    """Learner of a fresh network, which is compiled, wrapped for the processes, and given its optimizer."""
    if config.compute.compile:
        network.compile_passes()  # in place, so that parameters keep their names
    wrapped = wrap(network, config.compute, processes).train()
    return Learner(
        config=config,
        processes=processes,
        precision=precision,
        objective=build_objective(config.objective),
        network=wrapped,
        optimizer=build_optimizer(wrapped, config.optim),
        average=None if config.optim.ema is None else WeightAverage(wrapped, config.optim.ema),
    )


def _describe_out_of_memory(config: TrainConfig, rows: int, error: RuntimeError) -> str:
    chunk = min(config.compute.chunk or rows, rows)
    remedies = [f"--set compute.chunk={max(1, chunk // 2)}"]
    if not config.compute.checkpointing:
        remedies.append("--set compute.checkpointing=true")
    if config.objective.tile is None and config.batch > 4096:
        remedies.append("--set objective.tile=1024")
    return (
        f"Memory ran out with {rows:,} pairs of the batch on this device, {chunk:,} at a time "
        f"({str(error).splitlines()[0]}). The result stays the same with {' or '.join(remedies)}."
    )
