"""The losses of one batch of 16 pairs, twins in different shares, as each process of a group gets them."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from loss_cases import random_features, random_ids, value_and_gradients

from wordsight.errors import TrainError
from wordsight.train.batch import Features, Ids
from wordsight.train.loss.objectives import LOSSES
from wordsight.train.loss.tiles import COLUMNS

ROWS = 16
CASES = [
    (name, tile, twins) for name in ("info_nce", "sigmoid", "nt_xent") for tile in (None, 3) for twins in (False, True)
]


def batch(twins: bool) -> tuple[Features, Ids | None]:
    return random_features(ROWS, 6), random_ids(ROWS, kinds=9) if twins else None


def whole(name: str, twins: bool) -> list[torch.Tensor]:
    """Value and gradients for who holds all rows."""
    features, ids = batch(twins)
    return value_and_gradients(lambda leaves: LOSSES[name](leaves, ids), features)


def shares(group: dist.ProcessGroup, rank: int, size: int) -> dict[Any, list[torch.Tensor]]:
    """Value and gradients, by case, for who holds one share of the rows."""
    COLUMNS["cpu"] = 5
    own = slice(rank * ROWS // size, (rank + 1) * ROWS // size)
    found = {}
    for name, tile, twins in CASES:
        features, ids = batch(twins)
        mine = features._replace(first=features.first[own], second=features.second[own])
        my_ids = None if ids is None else Ids(*(side[own] for side in ids))
        loss = LOSSES[name]
        found[name, tile, twins] = value_and_gradients(
            lambda leaves, loss=loss, ids=my_ids, tile=tile: loss(leaves, ids, tile=tile, group=group), mine
        )
    found["predictive"] = predictive(group, own)
    found["uneven"] = [_message(group, rank, tile) for tile in (None, 3)] if size > 1 else None
    return found


def predictive(group: dist.ProcessGroup | None, own: slice) -> dict[str, list[torch.Tensor]]:
    """Value and gradient by logits of the predictive losses."""
    chance = torch.Generator().manual_seed(1)
    logits_BTV = torch.randn(ROWS, 5, 7, generator=chance, dtype=torch.float64)
    tokens_BT = torch.randint(0, 7, (ROWS, 5), generator=chance)
    tokens_BT[::3, 2:] = -100
    words_BV = torch.randint(0, 2, (ROWS, 7), generator=chance)
    found = {}
    for name, logits, targets in (("caption", logits_BTV, tokens_BT), ("bag_of_words", logits_BTV[:, 0], words_BV)):
        leaf = logits[own].clone().requires_grad_()
        loss = LOSSES[name](Features(leaf, targets[own], torch.zeros(()), torch.zeros(())), group=group)
        found[name] = [loss.detach(), *torch.autograd.grad(loss, leaf)]
    return found


def _message(group: dist.ProcessGroup, rank: int, tile: int | None) -> str:
    try:
        LOSSES["info_nce"](random_features(3 + rank, 6), tile=tile, group=group)
    except TrainError as error:
        return str(error)
    return "nothing was refused"
