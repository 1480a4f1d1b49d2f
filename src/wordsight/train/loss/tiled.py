"""Contrastive losses that never hold the matrix of all cosines: value and gradients from tiles, memory O(B·D).

A loss here is a sum over the cells of logits_RB = scale · rows_RD @ columns_BDᵀ, of which one tile exists at a time.
InfoNCE goes over the tiles twice: the first time for the logarithm of each row's and each column's sum, the second
time, in reverse so that the last tile need not be made again, for the gradients. Both directions of the loss come from
the same tile, which makes four matrix products in all, to three of the loss that keeps everything. The sigmoid loss has
no sums to wait for: one time, three products.

All of it happens in the forward pass, in which the gradients, as large as the features, are kept: what backward has to
do is a product with a number, and processes exchange nothing in it. With a group, rows are a process's own and columns
everybody's, so that work is shared evenly; `gather.py` says what the gradients are then.

Gradients with respect to rows, columns, scale and bias; not differentiable twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from wordsight.train.batch import Ids
from wordsight.train.loss.gather import (
    Group,
    check_even,
    gather_ids,
    gather_rows,
    rank_and_world,
    sum_over_processes,
    sum_own_rows,
)

# A tile's columns. Its cells should stay near the cores that work on them (CPU), and fill all of them (GPU).
COLUMNS = {"cpu": 4096, "cuda": 16384}

# Logits no farther from 0 than this can be exponentiated as they are: e^70 times a batch of 2^18 is still a float32,
# and e^-70 is no denormal.
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
    """Return `objectives.info_nce` of unit rows (R,D) and a factor (), `tile` rows at a time (None: all R).

    Raises: TrainError if the processes of `group` hold different numbers of rows.
    """
    cells = _cells(image_RD, text_RD, scale, None, ids, tile, group)
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
    """Return `objectives.sigmoid` of unit rows (R,D), a factor () and a bias (), `tile` rows at a time (None: all R).

    Raises: TrainError if the processes of `group` hold different numbers of rows.
    """
    cells = _cells(image_RD, text_RD, scale, bias, ids, tile, group)
    wanted = torch.is_grad_enabled() and any(x.requires_grad for x in (image_RD, text_RD, scale, bias))
    loss: Tensor = _Tiled.apply(image_RD, text_RD, scale, bias, cells, _sigmoid, wanted)  # type: ignore[no-untyped-call]
    return loss


class _Gradients(NamedTuple):
    """Of the whole batch's loss: with respect to one's own rows and columns (R,D), scale () and bias ()."""

    rows_RD: Tensor
    columns_RD: Tensor
    scale: Tensor
    bias: Tensor | None


class _Tiled(torch.autograd.Function):
    """A loss whose gradients are known as soon as its value is."""

    @staticmethod
    def forward(ctx, rows_RD, columns_RD, scale, bias, cells, measure, wanted):  # type: ignore[no-untyped-def]
        with torch.autocast(rows_RD.device.type, enabled=False):
            loss, gradients = measure(cells, wanted)
        if gradients is not None:
            ctx.save_for_backward(*gradients)
        ctx.dtypes = [None if x is None else x.dtype for x in (rows_RD, columns_RD, scale, bias)]
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, outer: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[no-untyped-def]
        gradients = (
            None if gradient is None or not needed else (gradient * outer).to(dtype)
            for gradient, needed, dtype in zip(ctx.saved_tensors, ctx.needs_input_grad, ctx.dtypes, strict=False)
        )
        return *gradients, None, None, None


class _Tile(NamedTuple):
    """Where a tile lies: rows of this process, columns of the whole batch."""

    rows: slice
    columns: slice


class _Twins(NamedTuple):
    """Own rows that share an id with a column other than their own; few, as a rule, and the others need no mask.

    ends: how many of them come before each row of tiles, and after the last.
    """

    rows_T: Tensor
    ends: list[int]
    ids: Ids  # of all columns


@dataclass(frozen=True)
class _Cells:
    """The logits of own rows and all columns, cell by cell when asked; the positives are the cells (i, first + i)."""

    rows_RD: Tensor
    columns_BD: Tensor
    factor: float  # the scale
    bias: Tensor | None
    twins: _Twins | None
    first: int
    tile: int
    group: Group | None

    def tiles(self) -> Iterator[_Tile]:
        """Yield all tiles, row by row of tiles."""
        width = max(COLUMNS.get(self.rows_RD.device.type, 4096), self.tile)
        for top in range(0, len(self.rows_RD), self.tile):
            for left in range(0, len(self.columns_BD), width):
                yield _Tile(slice(top, top + self.tile), slice(left, left + width))

    def positives(self, cells_rc: Tensor, tile: _Tile) -> Tensor:
        """Return a view of those cells of a tile that are positives, along its diagonal (maybe none)."""
        offset = self.first + tile.rows.start - tile.columns.start
        if -cells_rc.shape[0] < offset < cells_rc.shape[1]:
            return cells_rc.diagonal(offset)
        return cells_rc[0, :0]

    def logits(self, tile: _Tile, into: Tensor) -> Tensor:
        """Return a tile's logits; negatives of the same image or text are -inf, which is a weight of zero."""
        rows_rD, columns_cD = self.rows_RD[tile.rows], self.columns_BD[tile.columns]
        cells_rc = into[: len(rows_rD) * len(columns_cD)].view(len(rows_rD), len(columns_cD))
        if self.bias is None:
            torch.addmm(cells_rc, rows_rD, columns_cD.T, beta=0, alpha=self.factor, out=cells_rc)
        else:
            torch.addmm(self.bias, rows_rD, columns_cD.T, alpha=self.factor, out=cells_rc)
        if self.twins is not None:
            self._mask(cells_rc, tile, self.twins)
        return cells_rc

    def _mask(self, cells_rc: Tensor, tile: _Tile, twins: _Twins) -> None:
        number = tile.rows.start // self.tile
        rows_t = twins.rows_T[twins.ends[number] : twins.ends[number + 1]]
        if not len(rows_t):
            return
        own, other = rows_t + self.first, tile.columns
        same_tc = twins.ids.image_B[own, None] == twins.ids.image_B[other]
        same_tc |= twins.ids.text_B[own, None] == twins.ids.text_B[other]
        kept = self.positives(cells_rc, tile).clone()
        if len(rows_t) == len(cells_rc):
            cells_rc.masked_fill_(same_tc, -torch.inf)
        else:
            within_t = rows_t - tile.rows.start
            cells_rc[within_t] = cells_rc[within_t].masked_fill_(same_tc, -torch.inf)
        self.positives(cells_rc, tile).copy_(kept)


def _cells(
    rows_RD: Tensor,
    columns_RD: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    ids: Ids | None,
    tile: int | None,
    group: Group | None,
) -> _Cells:
    """Gather the columns and the ids; everything at least float32, detached."""
    check_even(len(rows_RD), group, rows_RD.device)
    dtype = torch.promote_types(rows_RD.dtype, torch.float32)
    ids, first = gather_ids(ids, group), rank_and_world(group)[0] * len(rows_RD)
    tile = min(tile or len(rows_RD), len(rows_RD))
    return _Cells(
        rows_RD=rows_RD.detach().to(dtype).contiguous(),
        columns_BD=gather_rows(columns_RD.detach().to(dtype), group).contiguous(),
        factor=scale.item(),
        bias=None if bias is None else bias.detach().to(dtype),
        twins=None if ids is None else _twins(ids, slice(first, first + len(rows_RD)), tile),
        first=first,
        tile=tile,
        group=group,
    )


def _twins(ids: Ids, own: slice, tile: int) -> _Twins | None:
    """Return which of the own rows share an id with another; None if none does: then nothing needs be compared."""
    again_B = torch.zeros(len(ids.image_B), dtype=torch.bool, device=ids.image_B.device)
    for ids_B in ids:
        _, inverse_B, counts = torch.unique(ids_B, return_inverse=True, return_counts=True)
        again_B |= counts[inverse_B] > 1
    again_R = again_B[own]
    per_tile = torch.stack([again_R[top : top + tile].sum() for top in range(0, len(again_R), tile)])
    ends: list[int] = [0, *per_tile.cumsum(0).tolist()]
    return _Twins(again_R.nonzero().flatten(), ends, ids) if ends[-1] else None


def _info_nce(cells: _Cells, wanted: bool) -> tuple[Tensor, _Gradients | None]:
    tiles, one, other = _workspace(cells)
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


def _sigmoid(cells: _Cells, wanted: bool) -> tuple[Tensor, _Gradients | None]:
    tiles, one, other = _workspace(cells)
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
    return loss, _gradients(cells, to_rows_RD, to_columns_BD, to_bias, batch) if wanted else None


def _workspace(cells: _Cells) -> tuple[list[_Tile], Tensor, Tensor]:
    """Return the tiles and room for two of the largest."""
    tiles = list(cells.tiles())
    most = max(
        (t.rows.stop - t.rows.start) * min(t.columns.stop - t.columns.start, len(cells.columns_BD)) for t in tiles
    )
    return tiles, cells.rows_RD.new_empty(most), cells.rows_RD.new_empty(most)


def _log_sum(x_rc: Tensor, dim: int, room: Tensor) -> Tensor:
    """Return the logarithm of the sum of exponentials along a side: torch.logsumexp, without new memory."""
    most = x_rc.amax(dim, keepdim=True).clamp_(min=torch.finfo(x_rc.dtype).min)  # -inf - -inf would be NaN
    powers_rc = torch.sub(x_rc, most, out=room[: x_rc.numel()].view_as(x_rc)).exp_()
    return powers_rc.sum(dim).log_().add_(most.squeeze(dim))


def _longest(rows_RD: Tensor) -> Tensor:
    """Return the greatest length of a row."""
    longest: Tensor = torch.linalg.vector_norm(rows_RD, dim=1).max()
    return longest


def _gradients(
    cells: _Cells, to_rows_RD: Tensor, to_columns_BD: Tensor, to_bias: Tensor | None, count: int
) -> _Gradients:
    """Return the gradients of the whole batch's loss from sums over cells of d(loss)/d(logit) · feature · count."""
    # Features' gradients are world times too large, as `gather` says; of scale and bias every process has the whole.
    factor = cells.factor * rank_and_world(cells.group)[1] / count
    to_scale = (to_rows_RD * cells.rows_RD).sum() / count
    return _Gradients(
        rows_RD=to_rows_RD.mul_(factor),
        columns_RD=sum_own_rows(to_columns_BD, cells.group) * factor,
        scale=sum_over_processes(to_scale, cells.group),
        bias=None if to_bias is None else sum_over_processes(to_bias / count, cells.group),
    )
