"""Rows of all processes gathered, with correct gradients.

The convention in all of `train`: each process holds the same number of rows, a loss is that of the whole batch and the
same on every process, and gradients of *features* are too large by the number of processes, so that the mean over
processes that DDP and FSDP take of parameters' gradients is the gradient of the whole batch's loss.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from wordsight.errors import TrainError
from wordsight.train.batch import Features, Ids

Group = dist.ProcessGroup
# its name since torch 2.13, which warns of the old one
_reduce_scatter: Any = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor


def rank_and_world(group: Group | None) -> tuple[int, int]:
    """This process's rank and the number of processes; (0, 1) without a group."""
    if group is None:
        return 0, 1
    return dist.get_rank(group), dist.get_world_size(group)


def check_even(rows: int, group: Group | None, device: torch.device) -> None:
    """Refuse shares of a batch that differ between processes.

    Raises: TrainError, on every process, with the number of rows of each.
    """
    if rank_and_world(group)[1] == 1:
        return
    seen = gather_rows(torch.tensor([rows], device=device), group).tolist()
    if len(set(seen)) > 1:
        raise TrainError(
            f"The processes hold {', '.join(map(str, seen))} rows of this batch, by rank; every process must hold "
            "equally many. Drop the incomplete last batch, or choose a batch that the number of processes divides."
        )


def gather_rows(rows_RX: Tensor, group: Group | None) -> Tensor:
    """Rows of all processes, by rank, (R*world, ...); no gradient flows back."""
    world = rank_and_world(group)[1]
    if world == 1:
        return rows_RX.detach()
    rows_RX = rows_RX.detach().contiguous()
    parts = [torch.empty_like(rows_RX) for _ in range(world)]
    dist.all_gather(parts, rows_RX, group=group)
    return torch.cat(parts)


def sum_own_rows(all_BX: Tensor, group: Group | None) -> Tensor:
    """This process's rows of the sum of all processes' `all_BX`: the reverse of `gather_rows`."""
    rank, world = rank_and_world(group)
    if world == 1:
        return all_BX
    rows = len(all_BX) // world
    if all_BX.is_cuda:
        own_RX = all_BX.new_empty(rows, *all_BX.shape[1:])
        _reduce_scatter(own_RX, all_BX.contiguous(), group=group)
        return own_RX
    # Not every version of gloo has reduce_scatter.
    return sum_over_processes(all_BX, group)[rank * rows : (rank + 1) * rows].clone()


def sum_over_processes(x: Tensor, group: Group | None) -> Tensor:
    """Sum of all processes' `x`; no gradient flows back."""
    x = x.detach()
    if rank_and_world(group)[1] > 1:
        x = x.contiguous().clone()
        dist.all_reduce(x, group=group)
    return x


class _Gather(torch.autograd.Function):
    """`gather_rows` whose gradient is that of the sum of all processes' losses."""

    @staticmethod
    def forward(ctx: Any, rows_RX: Tensor, group: Group) -> Tensor:
        """Rows of all processes."""
        ctx.group = group
        return gather_rows(rows_RX, group)

    @staticmethod
    def backward(ctx: Any, gradient_BX: Tensor) -> tuple[Tensor, None]:
        """Gradient of own rows, summed over the processes."""
        return sum_own_rows(gradient_BX, ctx.group), None


def _gather(rows_RX: Tensor, group: Group | None) -> Tensor:
    all_BX: Tensor = _Gather.apply(rows_RX, group)  # type: ignore[no-untyped-call]
    return all_BX


def gather_features(features: Features, ids: Ids | None, group: Group | None) -> tuple[Features, Ids | None]:
    """Features and ids of the whole batch, by rank; gradients flow back to their process.

    Each process is assumed to compute one loss of them: the gradient of the sum of these losses arrives, so
    that its mean over processes is that of their mean loss, whether all compute the same or each its own part.

    Raises: TrainError if the processes hold different numbers of rows.
    """
    if rank_and_world(group)[1] == 1:
        return features, ids
    check_even(len(features.first), group, features.first.device)
    first, second = (_gather(side, group) for side in features[:2])
    return features._replace(first=first, second=second), gather_ids(ids, group)


def gather_ids(ids: Ids | None, group: Group | None) -> Ids | None:
    """Ids of the whole batch, by rank."""
    if ids is None or rank_and_world(group)[1] == 1:
        return ids
    return Ids(*gather_rows(torch.stack(tuple(ids), dim=1), group).unbind(1))


def mean_over_processes(loss: Tensor, group: Group | None) -> Tensor:
    """Mean of the processes' losses, each the mean over its own rows; the gradient is that of the own loss."""
    world = rank_and_world(group)[1]
    if world == 1:
        return loss
    return loss + (sum_over_processes(loss, group) / world - loss).detach()
