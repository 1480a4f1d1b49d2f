"""Forward and backward pass of one batch, in parts where it does not fit: the exact gradient of the whole batch.

A contrastive loss needs the features of all rows at once, but not the towers' activations. So the features are computed
in parts that keep no activations; then the loss and its gradient with respect to the features; then each part again,
with activations, through which that gradient flows back (Gao et al. 2021, "Scaling deep contrastive learning batch size
under memory limited setup"; Pham et al. 2021, "BASIC"). The last part's activations are kept the first time,
so n parts cost 2n - 1 forward passes. Objectives that are means over rows need only one pass.

Random numbers (dropped patches) are the same both times. Batch norm sees a part, not the batch: the gradient is that of
a network which normalises each part by itself, the running statistics take each part once. For the whole batch's
statistics, use no chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from wordsight.errors import InputError
from wordsight.train.batch import Batch, Features
from wordsight.train.compute import random_state
from wordsight.train.compute.parallel import unwrap
from wordsight.train.loss.gather import Group, mean_over_processes
from wordsight.train.loss.objectives import Objective


@dataclass(frozen=True)
class StepOutcome:
    """Loss and features of a batch, besides its gradients.

    loss: of the whole batch, (), without the scaler's factor. features: of this process's rows, detached; None for a
    separable objective, whose logits are not read again and would not fit.
    """

    loss: Tensor
    features: Features | None


def accumulate(
    network: nn.Module,
    batch: Batch,
    objective: Objective,
    *,
    chunk: int | None = None,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    scaler: torch.amp.GradScaler | None = None,
    group: Group | None = None,
) -> StepOutcome:
    """Add the gradient of a batch's loss to those of a network's parameters.

    network: a `Network`, bare, compiled, or wrapped by DDP or FSDP2 over `group`; gradients are exchanged once.
    batch: this process's share, on the network's device. chunk: rows that go through the network at once, at most;
    None: all. autocast: makes the context of each forward pass; the objective is outside of it. scaler: fp16's.

    Raises: TrainError if the processes of `group` hold different numbers of rows; InputError for a chunk below 1.
    """
    if chunk is not None and chunk < 1:
        raise InputError(f"compute.chunk is {chunk}, expected 1 row or more; none means the whole batch at once.")
    work = _Work(network, autocast, scaler)
    parts = _parts(batch, chunk)
    if len(parts) == 1:
        return work.whole(batch, objective, group)
    if objective.separable:
        return work.one_by_one(parts, objective, group)
    return work.twice(parts, batch, objective, group)


def _parts(batch: Batch, chunk: int | None) -> list[Batch]:
    """Split a batch into as few parts as `chunk` allows, of sizes that differ by one at most."""
    rows = len(batch)
    if chunk is None or chunk >= rows:
        return [batch]
    count = -(-rows // chunk)
    return [batch.slice(i * rows // count, (i + 1) * rows // count) for i in range(count)]


@dataclass(frozen=True)
class _Work:
    """A network and its precision; each method adds the gradient of one batch to those of the parameters."""

    network: nn.Module
    autocast: Callable[[], AbstractContextManager[Any]]
    scaler: torch.amp.GradScaler | None

    def whole(self, batch: Batch, objective: Objective, group: Group | None) -> StepOutcome:
        """All rows at once; the other two methods give the same."""
        with self.exchanging(True):
            made = self.forward(batch)
            loss = objective(made, batch.ids, group=group)
            torch.autograd.backward(self.scaled(loss))
        return StepOutcome(loss.detach(), None if objective.separable else _detached(made))

    def one_by_one(self, parts: list[Batch], objective: Objective, group: Group | None) -> StepOutcome:
        """Part by part, each loss with the part's share of the rows."""
        rows, losses = sum(map(len, parts)), []
        for part in parts:
            with self.exchanging(part is parts[-1]):
                loss = objective(self.forward(part), part.ids) * (len(part) / rows)
                torch.autograd.backward(self.scaled(loss))
            losses.append(loss.detach())
        return StepOutcome(mean_over_processes(torch.stack(losses).sum(), group), None)

    def twice(self, parts: list[Batch], batch: Batch, objective: Objective, group: Group | None) -> StepOutcome:
        """Features of all parts, then their gradients, then the parts again."""
        *early, final = parts
        device = batch.pixels_BCHW.device
        made, rng_states = [], []
        with self.exchanging(False):
            with torch.no_grad(), _keep_statistics(self.network):
                for part in early:
                    rng_states.append(random_state.capture_torch(device))
                    made.append(self.forward(part))
            remembered = self.forward(final)
        rng_after = random_state.capture_torch(device)

        whole = _joined([*made, remembered])
        del made
        for leaf, source in zip(whole, remembered, strict=True):
            leaf.requires_grad_(source.requires_grad)
        loss = objective(whole, batch.ids, group=group)
        torch.autograd.backward(self.scaled(loss))

        with self.exchanging(False):
            _send_back(remembered, whole, slice(len(batch) - len(final), len(batch)), shared=False)
        del remembered
        start = 0
        for part, state in zip(early, rng_states, strict=True):
            last = part is early[-1]
            random_state.restore_torch(state, device)
            with self.exchanging(last):
                _send_back(self.forward(part), whole, slice(start, start + len(part)), shared=last)
            start += len(part)
        random_state.restore_torch(rng_after, device)
        return StepOutcome(loss.detach(), _detached(whole))

    def forward(self, part: Batch) -> Features:
        """Features of some rows."""
        bare: Any = unwrap(self.network)  # DDP hides all but forward
        with self.autocast():
            features: Features = self.network(*bare.inputs(part))
        return features

    def scaled(self, loss: Tensor) -> Tensor:
        """Loss for the backward pass, times the scaler's factor."""
        if self.scaler is None:
            return loss
        product: Tensor = self.scaler.scale(loss)
        return product

    @contextmanager
    def exchanging(self, now: bool) -> Iterator[None]:
        """Exchange gradients between processes in a backward pass within, or (not `now`) only accumulate them here."""
        network: Any = self.network
        if hasattr(network, "set_requires_gradient_sync"):  # FSDP2
            network.set_requires_gradient_sync(now)
        context: AbstractContextManager[Any] = nullcontext()
        if hasattr(network, "no_sync") and not now:  # DDP
            context = network.no_sync()
        with context:
            yield


def _send_back(made: Features, whole: Features, rows: slice, *, shared: bool) -> None:
    """Let the gradient of features flow into the network that made some rows of them.

    shared: include the gradient of scale and bias, which all rows share: it must flow back once.
    """
    pairs = [(side, leaf.grad[rows]) for side, leaf in zip(made[:2], whole[:2], strict=True) if leaf.grad is not None]
    if shared:
        pairs += [(one, leaf.grad) for one, leaf in zip(made[2:], whole[2:], strict=True) if leaf.grad is not None]
    if pairs:
        torch.autograd.backward([x for x, _ in pairs], [gradient.to(x.dtype) for x, gradient in pairs])


def _joined(parts: list[Features]) -> Features:
    """Features of all parts, detached."""
    first, second = (torch.cat([part[side].detach() for part in parts]) for side in (0, 1))
    return Features(first, second, parts[-1].scale.detach(), parts[-1].bias.detach())


def _detached(features: Features) -> Features:
    return Features(*(x.detach() for x in features))


@contextmanager
def _keep_statistics(network: nn.Module) -> Iterator[None]:
    """Undo at the end the updates of batch norms' running statistics: those parts pass through again."""
    buffers = [
        buffer
        for module in network.modules()
        if isinstance(module, _NormBase)
        for buffer in module.buffers(recurse=False)
    ]
    before = [buffer.clone() for buffer in buffers]
    yield
    for buffer, old in zip(buffers, before, strict=True):
        buffer.copy_(old)
