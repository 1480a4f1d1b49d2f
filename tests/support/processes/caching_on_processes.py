"""A network small enough for exact comparisons, and its gradients as each of several processes gets them."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.functional import normalize
from torch.nn.parallel import DistributedDataParallel

from wordsight.train.batch import Batch, Features, Ids
from wordsight.train.config import ObjectiveConfig
from wordsight.train.loss.gradient_cache import accumulate
from wordsight.train.loss.objectives import build_objective

WORDS = 20
SHARDINGS = ("ddp", "fsdp")


class TwoLayers(nn.Module):
    """Images of 4×4 and texts to unit rows, float64; also takes the part of a bag of words (its text side)."""

    def __init__(self, *, dropout: float = 0.0, batch_norm: bool = False) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.image = nn.Sequential(
                nn.Flatten(),
                nn.Linear(48, 16),
                nn.BatchNorm1d(16) if batch_norm else nn.GELU(),
                nn.Dropout(dropout),
                nn.Linear(16, WORDS),
            )
            self.text = nn.Sequential(nn.Linear(WORDS, 16), nn.GELU(), nn.Linear(16, WORDS))
            # FSDP2 splits no scalars.
            self.logit_scale = nn.Parameter(torch.tensor([2.6592, -3.0]))
        self.double()

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return pixels between 0 and 1 and which words there are."""
        words_BV = nn.functional.one_hot(batch.tokens_BT, WORDS).sum(1).clamp(max=1)
        return batch.pixels_BCHW.double() / 255, words_BV.double()

    def forward(self, first: Tensor, second: Tensor) -> Features:
        """Return unit rows, and what every objective wants of the other two."""
        image_BD, text_BD = self.image(first), self.text(second)
        # Taken as how often words occur, a row must not be negative.
        return Features(
            normalize(image_BD, dim=-1),
            normalize(text_BD.exp(), dim=-1),
            self.logit_scale[0].exp(),
            self.logit_scale[1],
        )


def random_batch(rows: int, *, size: int = 4, seed: int = 0) -> Batch:
    """Return random images and texts, some of them twins."""
    chance = torch.Generator().manual_seed(seed)
    pixels_BCHW = torch.randint(0, 256, (rows, 3, size, size), generator=chance, dtype=torch.uint8)
    tokens_BT = torch.randint(0, WORDS, (rows, 3), generator=chance)
    ids = Ids(*torch.randint(0, 3 * rows, (2, rows), generator=chance))
    return Batch(pixels_BCHW=pixels_BCHW, tokens_BT=tokens_BT, ids=ids, keys=tuple(map(str, range(rows))))


def gradients(network: nn.Module) -> dict[str, Tensor]:
    """Return a copy of each parameter's gradient, whole, by its name without wrappers."""
    found = {}
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            grad = parameter.grad.full_tensor() if isinstance(parameter.grad, DTensor) else parameter.grad
            found[name.removeprefix("module.")] = grad.detach().clone()
    return found


def shares(group: dist.ProcessGroup, rank: int, size: int) -> dict[Any, tuple[Tensor, dict[str, Tensor], int]]:
    """Return, by case, the loss, the gradients and how often gradients were exchanged, of one share of twelve rows."""
    batch = random_batch(12).slice(rank * 12 // size, (rank + 1) * 12 // size)
    found = {}
    for name in ("info_nce", "bag_of_words"):
        objective = build_objective(ObjectiveConfig(name=name, tile=4))
        for sharding in SHARDINGS:
            for chunk in (None, 2):
                network, exchanged = _wrapped(TwoLayers(), sharding, group, unused=objective.separable)
                outcome = accumulate(network, batch, objective, chunk=chunk, group=group)
                found[name, chunk, sharding] = (outcome.loss, gradients(network), len(exchanged))
    return found


def _wrapped(
    network: nn.Module, sharding: str, group: dist.ProcessGroup, *, unused: bool
) -> tuple[nn.Module, list[int]]:
    """Return a network whose gradients are averaged, and a list that grows with each exchange (DDP's only)."""
    exchanged: list[int] = []
    if sharding == "fsdp":
        fully_shard(network, mesh=dist.device_mesh.DeviceMesh.from_group(group, "cpu"))
        return network, exchanged

    def average(_, bucket):  # type: ignore[no-untyped-def]
        exchanged.append(bucket.index())
        buffer = bucket.buffer().div_(group.size())
        return dist.all_reduce(buffer, group=group, async_op=True).get_future().then(lambda done: done.value()[0])

    # A bag of words has no use for the scale.
    wrapped = DistributedDataParallel(network, process_group=group, find_unused_parameters=unused)
    wrapped.register_comm_hook(None, average)
    return wrapped, exchanged
