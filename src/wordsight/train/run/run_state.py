"""The state of a run between two steps: saved from its parts into a checkpoint, and restored into them."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
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
from wordsight.train.run.state_check import find_fault


@dataclass(frozen=True)
class Position:
    """Position of a run. data: this process's position in the pairs."""

    step: int
    loss: float
    data: DataState


class RunState:
    """Saves and restores the parts of a run.

    steps_per_epoch: of the run's data; a difference shows that a run is resumed with other data.

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
        """Write a checkpoint and return its path. Raises: TrainError where it cannot be written."""
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
        """Whole weights, averaged if the run has an average; {} on all processes but the first."""
        with self.averaged():
            weights = full_state(self.network).get("network", {})
            return {name: tensor.clone() for name, tensor in weights.items()}

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the average of the weights in their place for the duration of the block, if the run has one."""
        if self.average is None:
            yield
            return
        with self.average.swapped_in():
            yield

    def restore(self, path: Path) -> Position:
        """Restore everything to where a checkpoint was written; return that position.

        Raises: TrainError for a checkpoint that is damaged, of another network, another number of processes or other
            data.
        """
        saved: dict[str, Any] = {}

        def load() -> dict[str, Any]:
            saved.update(self._load(path))
            average = saved["average"] or {"updates": 0}
            return {key: saved[key] for key in ("step", "loss", "processes", "scaler")} | {
                "updates": average["updates"]
            }

        shared = self.processes.on_first(load)
        own = shared["processes"][self.processes.rank]
        with self._report_damage(path):
            if self.average is not None:
                load_full_state(self.network, None, {"network": saved["average"]["weights"]} if saved else None)
                self.average.reset(shared["updates"])
            load_full_state(self.network, self.optimizer, saved or None)
            if self.scaler is not None:
                self.scaler.load_state_dict(shared["scaler"])
            random_state.restore(own["chance"], self.processes.device)
        return Position(shared["step"], shared["loss"], DataState(**own["data"]))

    def _load(self, path: Path) -> dict[str, Any]:
        """State of a checkpoint, checked to be that of this run. Raises: TrainError."""
        state = checkpoints.load(path, self.config)
        shapes = {name: tuple(tensor.shape) for name, tensor in unwrap(self.network).state_dict().items()}
        fault = find_fault(
            state,
            step=checkpoints.read_step(path),
            shapes=shapes,
            averaged=self.average is not None,
            scaled=self.scaler is not None,
        )
        if fault:
            raise TrainError(checkpoints.describe_damage(path, fault))
        if len(state["processes"]) != self.processes.world:
            raise TrainError(
                f"{path} is of {len(state['processes'])} processes, now there are {self.processes.world}: each "
                "continues in its own part of the data. Start as many as before."
            )
        if state["steps_per_epoch"] != self.steps_per_epoch:
            raise TrainError(
                f"The data is not what it was when {path} was written: an epoch had {state['steps_per_epoch']:,} "
                f"steps, now it has {self.steps_per_epoch:,}. Restore it as it was, or start a new run."
            )
        return dict(state)

    @contextlib.contextmanager
    def _report_damage(self, path: Path) -> Iterator[None]:
        """Turn errors of a state that fits in shape but not in content into one that names the checkpoint."""
        try:
            yield
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise TrainError(checkpoints.describe_damage(path, error)) from error
        except RuntimeError as error:
            if self.processes.group is not None:  # perhaps of the connection, which `start` reports
                raise
            raise TrainError(checkpoints.describe_damage(path, error)) from error
