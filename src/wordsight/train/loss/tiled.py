"""Contrastive losses that never hold the matrix of all cosines: value and gradients from tiles, memory O(B·D).

A loss is a sum over the cells of logits_RB = scale · rows_RD @ columns_BDᵀ, of which one tile exists at a time.
InfoNCE passes over the tiles twice: first for the logarithm of each row's and each column's sum, then, in reverse so
that the last tile need not be computed again, for the gradients. Both directions of the loss come from
the same tile, which makes four matrix products in all, against three for the loss that keeps everything. The sigmoid
loss has no sums to wait for: one pass, three products.

All of it happens in the forward pass, in which the gradients, as large as the features, are kept: backward only
multiplies by a number, and processes exchange nothing in it. With a group, rows are a process's own and columns
those of all, so that work is shared evenly; `gather.py` defines the gradients then.

Gradients with respect to rows, columns, scale and bias; not differentiable twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from wordsight.train.batch import Ids
from wordsight.train.loss.gather import (
    Group,
    gather_rows,
    rank_and_world,
    sum_over_processes,
    sum_own_rows,
)
from wordsight.train.loss.tiles import Cells, allocate_tiles, open_cells

# Logits no farther from 0 than this can be exponentiated as they are: e^70 times a batch of 2^18 is still a float32,
# and e^-70 is not a denormal.
PLAIN_EXP = 70.0


def tiled_info_nce(
    image_RD: Tensor,
    text_RD: Tensor,
    scale: Tensor,
    ids: Ids | None = None,
    *,
    tile: int | None,
    group: Group | None = None,
) -> Tensor:
    """Loss `objectives.info_nce` of unit rows (R,D) and a factor (), `tile` rows at a time (None: all R).

    Raises: TrainError if the processes of `group` hold different numbers of rows.
    """
    cells = open_cells(image_RD, text_RD, scale, None, ids, tile, group)
    wanted = torch.is_grad_enabled() and any(x.requires_grad for x in (image_RD, text_RD, scale))
    loss: Tensor = _Tiled.apply(image_RD, text_RD, scale, None, cells, _info_nce, wanted)  # type: ignore[no-untyped-call]
    return loss


def tiled_sigmoid(
    image_RD: Tensor,
    text_RD: Tensor,
    scale: Tensor,
    bias: Tensor,
    ids: Ids | None = None,
    *,
    tile: int | None,
    group: Group | None = None,
) -> Tensor:
    """Loss `objectives.sigmoid` of unit rows (R,D), a factor () and a bias (), `tile` rows at a time (None: all R).

    Raises: TrainError if the processes of `group` hold different numbers of rows.
    """
    cells = open_cells(image_RD, text_RD, scale, bias, ids, tile, group)
    wanted = torch.is_grad_enabled() and any(x.requires_grad for x in (image_RD, text_RD, scale, bias))
    loss: Tensor = _Tiled.apply(image_RD, text_RD, scale, bias, cells, _sigmoid, wanted)  # type: ignore[no-untyped-call]
    return loss


class _Gradients(NamedTuple):
    """Gradients of the whole batch's loss with respect to own rows and columns (R,D), scale () and bias ()."""

    rows_RD: Tensor
    columns_RD: Tensor
    scale: Tensor
    bias: Tensor | None


Measure = Callable[[Cells, bool], tuple[Tensor, _Gradients | None]]


class _Tiled(torch.autograd.Function):
    """A loss whose gradients are known as soon as its value is."""

    @staticmethod
    def forward(
        ctx: Any,
        rows_RD: Tensor,
        columns_RD: Tensor,
        scale: Tensor,
        bias: Tensor | None,
        cells: Cells,
        measure: Measure,
        wanted: bool,
    ) -> Tensor:
        """Loss of all cells; with `wanted`, its gradients are computed now and kept for `backward`."""
        with torch.autocast(rows_RD.device.type, enabled=False):
            loss, gradients = measure(cells, wanted)
        if gradients is not None:
            ctx.save_for_backward(*gradients)
        ctx.dtypes = [None if x is None else x.dtype for x in (rows_RD, columns_RD, scale, bias)]
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients that were kept, times the gradient of what is computed from the loss."""
        gradients = (
            None if gradient is None or not needed else (gradient * outer).to(dtype)
            for gradient, needed, dtype in zip(ctx.saved_tensors, ctx.needs_input_grad, ctx.dtypes, strict=False)
        )
        return *gradients, None, None, None


def _info_nce(cells: Cells, wanted: bool) -> tuple[Tensor, _Gradients | None]:
    tiles, one, other = allocate_tiles(cells)
    # Within this bound one exponential serves both directions, and no maxima are needed.
    plain = abs(cells.factor) * (_longest(cells.rows_RD) * _longest(cells.columns_BD)).item() <= PLAIN_EXP
    start = 0.0 if plain else -torch.inf
    row_R, column_B = (side.new_full((len(side),), start) for side in (cells.rows_RD, cells.columns_BD))
    for tile in tiles:
        x_rc = cells.logits(tile, one)
        if plain:
            x_rc.exp_()
            row_R[tile.rows] += x_rc.sum(1)
            column_B[tile.columns] += x_rc.sum(0)
        else:
            for sums, dim in ((row_R[tile.rows], 1), (column_B[tile.columns], 0)):
                torch.logaddexp(sums, _log_sum(x_rc, dim, other), out=sums)
    if plain:
        row_R.log_()
        column_B.log_()
    column_B = gather_rows(column_B[None], cells.group).logsumexp(0)
    own = slice(cells.first, cells.first + len(row_R))
    positive_R = cells.factor * (cells.rows_RD * cells.columns_BD[own]).sum(1)
    batch = len(column_B)
    loss = sum_over_processes((row_R + column_B[own] - 2 * positive_R).sum() / (2 * batch), cells.group)
    if not wanted:
        return loss, None

    to_rows_RD, to_columns_BD = torch.zeros_like(cells.rows_RD), torch.zeros_like(cells.columns_BD)
    if plain:
        row_R, column_B = row_R.neg().exp_(), column_B.neg().exp_()
    for tile in reversed(tiles):
        if tile is not tiles[-1]:
            x_rc = cells.logits(tile, one)
            if plain:
                x_rc.exp_()
        # Shares of a cell in its row and in its column, together.
        share_rc = other[: x_rc.numel()].view_as(x_rc)
        if plain:
            x_rc *= torch.add(row_R[tile.rows, None], column_B[tile.columns], out=share_rc)
        else:
            torch.sub(x_rc, row_R[tile.rows, None], out=share_rc).exp_()
            x_rc.sub_(column_B[tile.columns]).exp_().add_(share_rc)
        cells.positives(x_rc, tile).sub_(2)
        to_rows_RD[tile.rows].addmm_(x_rc, cells.columns_BD[tile.columns])
        to_columns_BD[tile.columns].addmm_(x_rc.T, cells.rows_RD[tile.rows])
    return loss, _gradients(cells, to_rows_RD, to_columns_BD, None, 2 * batch)


def _sigmoid(cells: Cells, wanted: bool) -> tuple[Tensor, _Gradients | None]:
    tiles, one, other = allocate_tiles(cells)
    loss, to_bias = (cells.rows_RD.new_zeros(()) for _ in range(2))
    to_rows_RD, to_columns_BD = torch.zeros_like(cells.rows_RD), torch.zeros_like(cells.columns_BD)
    for tile in tiles:
        x_rc = cells.logits(tile, one)
        # -log sigmoid(-x) = softplus(x), x being a negative's logit and a positive's turned round.
        cells.positives(x_rc, tile).neg_()
        # Beyond 40, x itself is exact even in float64.
        softplus_rc = other[: x_rc.numel()].view_as(x_rc)
        loss += torch.ops.aten.softplus.out(x_rc, 1, 40, out=softplus_rc).sum()
        if wanted:
            x_rc.sigmoid_()
            cells.positives(x_rc, tile).neg_()
            to_bias += x_rc.sum()
            to_rows_RD[tile.rows].addmm_(x_rc, cells.columns_BD[tile.columns])
            to_columns_BD[tile.columns].addmm_(x_rc.T, cells.rows_RD[tile.rows])
    batch = len(cells.columns_BD)
    loss = sum_over_processes(loss / batch, cells.group)
    if not wanted:
        return loss, None
    return loss, _gradients(cells, to_rows_RD, to_columns_BD, to_bias, batch)


def _log_sum(x_rc: Tensor, dim: int, room: Tensor) -> Tensor:
    """Logarithm of the sum of exponentials along a side: torch.logsumexp, without new memory."""
    most = x_rc.amax(dim, keepdim=True).clamp_(min=torch.finfo(x_rc.dtype).min)  # -inf - -inf would be NaN
    powers_rc = torch.sub(x_rc, most, out=room[: x_rc.numel()].view_as(x_rc)).exp_()
    return powers_rc.sum(dim).log_().add_(most.squeeze(dim))


def _longest(rows_RD: Tensor) -> Tensor:
    """Greatest length of a row."""
    longest: Tensor = torch.linalg.vector_norm(rows_RD, dim=1).max()
    return longest


def _gradients(
    cells: Cells, to_rows_RD: Tensor, to_columns_BD: Tensor, to_bias: Tensor | None, count: int
) -> _Gradients:
    """Gradients of the whole batch's loss from sums over cells of d(loss)/d(logit) · feature · count."""
    # Features' gradients are world times too large, as `gather` says; of scale and bias every process has the whole.
    factor = cells.factor * rank_and_world(cells.group)[1] / count
    to_scale = (to_rows_RD * cells.rows_RD).sum() / count
    return _Gradients(
        rows_RD=to_rows_RD.mul_(factor),
        columns_RD=sum_own_rows(to_columns_BD, cells.group) * factor,
        scale=sum_over_processes(to_scale, cells.group),
        bias=None if to_bias is None else sum_over_processes(to_bias / count, cells.group),
    )
