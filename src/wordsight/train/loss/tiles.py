"""Tiles of the matrix of all logits, computed one at a time, with the cells of duplicates masked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from wordsight.train.batch import Ids
from wordsight.train.loss.gather import Group, check_even, gather_ids, gather_rows, rank_and_world

# A tile's columns. Its cells should stay near the cores that work on them (CPU), and fill all of them (GPU).
COLUMNS = {"cpu": 4096, "cuda": 16384}


class Tile(NamedTuple):
    """Position of a tile: rows of this process, columns of the whole batch."""

    rows: slice
    columns: slice


class _Duplicates(NamedTuple):
    """Own rows that share an id with a column other than their own; usually few, and the others need no mask.

    ends: how many of them come before each row of tiles, and after the last.
    """

    rows_T: Tensor
    ends: list[int]
    ids: Ids  # of all columns


@dataclass(frozen=True)
class Cells:
    """The logits of own rows and all columns, cell by cell when asked; the positives are the cells (i, first + i)."""

    rows_RD: Tensor
    columns_BD: Tensor
    factor: float  # the scale
    bias: Tensor | None
    duplicates: _Duplicates | None
    first: int
    tile: int
    group: Group | None

    def tiles(self) -> Iterator[Tile]:
        """All tiles, row by row of tiles."""
        width = max(COLUMNS.get(self.rows_RD.device.type, 4096), self.tile)
        for top in range(0, len(self.rows_RD), self.tile):
            for left in range(0, len(self.columns_BD), width):
                yield Tile(slice(top, top + self.tile), slice(left, left + width))

    def positives(self, cells_rc: Tensor, tile: Tile) -> Tensor:
        """View of those cells of a tile that are positives, along its diagonal (maybe none)."""
        offset = self.first + tile.rows.start - tile.columns.start
        if -cells_rc.shape[0] < offset < cells_rc.shape[1]:
            return cells_rc.diagonal(offset)
        return cells_rc[0, :0]

    def logits(self, tile: Tile, into: Tensor) -> Tensor:
        """Tile's logits; negatives of the same image or text are -inf, which is a weight of zero."""
        rows_rD, columns_cD = self.rows_RD[tile.rows], self.columns_BD[tile.columns]
        cells_rc = into[: len(rows_rD) * len(columns_cD)].view(len(rows_rD), len(columns_cD))
        if self.bias is None:
            torch.addmm(cells_rc, rows_rD, columns_cD.T, beta=0, alpha=self.factor, out=cells_rc)
        else:
            torch.addmm(self.bias, rows_rD, columns_cD.T, alpha=self.factor, out=cells_rc)
        if self.duplicates is not None:
            self._mask(cells_rc, tile, self.duplicates)
        return cells_rc

    def _mask(self, cells_rc: Tensor, tile: Tile, duplicates: _Duplicates) -> None:
        number = tile.rows.start // self.tile
        rows_t = duplicates.rows_T[duplicates.ends[number] : duplicates.ends[number + 1]]
        if not len(rows_t):
            return
        own, other = rows_t + self.first, tile.columns
        same_tc = duplicates.ids.image_B[own, None] == duplicates.ids.image_B[other]
        same_tc |= duplicates.ids.text_B[own, None] == duplicates.ids.text_B[other]
        kept = self.positives(cells_rc, tile).clone()
        if len(rows_t) == len(cells_rc):
            cells_rc.masked_fill_(same_tc, -torch.inf)
        else:
            within_t = rows_t - tile.rows.start
            cells_rc[within_t] = cells_rc[within_t].masked_fill_(same_tc, -torch.inf)
        self.positives(cells_rc, tile).copy_(kept)


def open_cells(
    rows_RD: Tensor,
    columns_RD: Tensor,
    scale: Tensor,
    bias: Tensor | None,
    ids: Ids | None,
    tile: int | None,
    group: Group | None,
) -> Cells:
    """Gather the columns and the ids; everything at least float32, detached."""
    check_even(len(rows_RD), group, rows_RD.device)
    dtype = torch.promote_types(rows_RD.dtype, torch.float32)
    ids, first = gather_ids(ids, group), rank_and_world(group)[0] * len(rows_RD)
    tile = min(tile or len(rows_RD), len(rows_RD))
    return Cells(
        rows_RD=rows_RD.detach().to(dtype).contiguous(),
        columns_BD=gather_rows(columns_RD.detach().to(dtype), group).contiguous(),
        factor=scale.item(),
        bias=None if bias is None else bias.detach().to(dtype),
        duplicates=None if ids is None else _find_duplicates(ids, slice(first, first + len(rows_RD)), tile),
        first=first,
        tile=tile,
        group=group,
    )


def _find_duplicates(ids: Ids, own: slice, tile: int) -> _Duplicates | None:
    """Own rows that share an id with another; None if there are none and nothing need be compared."""
    again_B = torch.zeros(len(ids.image_B), dtype=torch.bool, device=ids.image_B.device)
    for ids_B in ids:
        _, inverse_B, counts = torch.unique(ids_B, return_inverse=True, return_counts=True)
        again_B |= counts[inverse_B] > 1
    again_R = again_B[own]
    per_tile = torch.stack([again_R[top : top + tile].sum() for top in range(0, len(again_R), tile)])
    ends: list[int] = [0, *per_tile.cumsum(0).tolist()]
    if not ends[-1]:
        return None
    return _Duplicates(again_R.nonzero().flatten(), ends, ids)


def allocate_tiles(cells: Cells) -> tuple[list[Tile], Tensor, Tensor]:
    """Tiles, and memory for two of the largest."""
    tiles = list(cells.tiles())
    most = max(
        (t.rows.stop - t.rows.start) * min(t.columns.stop - t.columns.start, len(cells.columns_BD)) for t in tiles
    )
    return tiles, cells.rows_RD.new_empty(most), cells.rows_RD.new_empty(most)
