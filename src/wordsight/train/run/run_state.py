"""The state of a run between two steps: taken from its parts into a checkpoint, and put back into them."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wordsight.errors import TrainError
from wordsight.train.compute import random_state
from wordsight.train.compute.parallel import full_state, load_full_state, unwrap
from wordsight.train.compute.processes import Processes
from wordsight.train.config import TrainConfig
from wordsight.train.data import DataState
from wordsight.train.ema import WeightAverage
from wordsight.train.run import checkpoints

# what a checkpoint holds
STATE = ("step", "steps_per_epoch", "loss", "processes", "scaler", "average", "network", "optimizer")


@dataclass(frozen=True)
class Position:
    """How far a run is. data: this process's place in the pairs."""

    step: int
    loss: float
    data: DataState


class RunState:
    """Takes the parts of a run as they are, and puts them back.

    steps_per_epoch: of the run's data, by which other data is seen when a run goes on.

    Every method is one that all processes must call, in the same order.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        processes: Processes,
        network: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: WeightAverage | None,
        scaler: torch.amp.GradScaler | None,
        steps_per_epoch: int,
    ) -> None:
        self.config, self.folder, self.processes, self.steps_per_epoch = config, folder, processes, steps_per_epoch
        self.network, self.optimizer, self.average, self.scaler = network, optimizer, average, scaler

    def save(self, at: Position) -> Path:
        """Write a checkpoint; return where it is. Raises: TrainError where it cannot be written."""
        own = {"chance": random_state.capture(self.processes.device), "data": dataclasses.asdict(at.data)}
        state = {
            "step": at.step,
            "steps_per_epoch": self.steps_per_epoch,
            "loss": at.loss,
            "processes": self.processes.gather_objects(own),
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "average": None if self.average is None else {"updates": self.average.updates, "weights": self.weights()},
            **full_state(self.network, self.optimizer),
        }
        keep = self.config.watch.keep
        return self.processes.on_first(
            lambda: checkpoints.save(self.folder, at.step, state, config=self.config, keep=keep)
        )

    def weights(self) -> dict[str, Tensor]:
        """Return the average of the weights, else the weights, whole; {} on all processes but the first."""
        with self.average.swapped_in() if self.average is not None else contextlib.nullcontext():
            weights = full_state(self.network).get("network", {})
            return {name: tensor.clone() for name, tensor in weights.items()}

    def restore(self, path: Path) -> Position:
        """Put everything back to where a checkpoint was written; return where that was.

        Raises: TrainError for a checkpoint that is damaged, of another network, another number of processes or other
            data.
        """
        saved: dict[str, Any] = {}

        def load() -> dict[str, Any]:
            saved.update(self._whole(path, checkpoints.load(path, self.config)))
            if len(saved["processes"]) != self.processes.world:
                raise TrainError(
                    f"{path} is of {len(saved['processes'])} processes, now there are {self.processes.world}: each "
                    "goes on in its own part of the data. Start as many as before."
                )
            if saved["steps_per_epoch"] != self.steps_per_epoch:
                raise TrainError(
                    f"The data is not what it was when {path} was written: an epoch had {saved['steps_per_epoch']:,} "
                    f"steps, now it has {self.steps_per_epoch:,}. Put it back as it was, or begin a new run."
                )
            return {key: saved[key] for key in ("step", "loss", "processes", "scaler")} | {
                "updates": saved["average"]["updates"] if saved["average"] is not None else 0
            }

        told = self.processes.on_first(load)
        if self.average is not None:
            load_full_state(self.network, None, {"network": saved["average"]["weights"]} if saved else None)
            self.average.reset(told["updates"])
        load_full_state(self.network, self.optimizer, saved or None)
        if self.scaler is not None:
            self.scaler.load_state_dict(told["scaler"])
        own = told["processes"][self.processes.rank]
        random_state.restore(own["chance"], self.processes.device)
        return Position(told["step"], told["loss"], DataState(**own["data"]))

    def _whole(self, path: Path, state: Any) -> dict[str, Any]:
        """Return a state that was read, if it has all that a run of this network writes. Raises: TrainError."""
        missing = [key for key in STATE if key not in state] if isinstance(state, dict) else list(STATE)
        if missing:
            raise TrainError(checkpoints.describe_damage(path, f"it lacks {', '.join(missing)}"))
        there = {name: tuple(tensor.shape) for name, tensor in state["network"].items()}
        expected = {name: tuple(tensor.shape) for name, tensor in unwrap(self.network).state_dict().items()}
        if strange := [name for name in {**expected, **there} if there.get(name) != expected.get(name)]:
            raise TrainError(checkpoints.describe_damage(path, f"it is of another network: {', '.join(strange[:4])}"))
        return dict(state)
