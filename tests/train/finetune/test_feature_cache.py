"""A locked tower's features of an image are computed once."""

import pytest
import torch
from torch import nn

from wordsight.train.finetune.feature_cache import FeatureCache

ROW = 16 + 4 * 4  # bytes of a key and of four numbers


class Tower(nn.Module):
    """Counts the images that it is asked for."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(12, 4)
        self.asked = 0

    def forward(self, pixels_BCHW):
        self.asked += len(pixels_BCHW)
        return self.layer(pixels_BCHW.flatten(1))


def images(count, seed=0):
    return torch.randn(count, 3, 2, 2, generator=torch.Generator().manual_seed(seed))


def test_rows_are_those_of_the_tower_in_the_order_asked_for():
    tower, known = Tower(), images(20)
    remembered = FeatureCache(tower)
    remembered(known[:5])
    order = [19, 3, 3, 0, 7]
    assert torch.allclose(remembered(known[order]), tower(known[order]), atol=1e-6)
    assert not remembered(known).requires_grad


def test_a_image_is_computed_once():
    tower, known = Tower(), images(20)
    remembered = FeatureCache(tower)
    first = remembered(known)
    assert tower.asked == 32  # sixteen at a time, the second time filled up
    assert torch.equal(remembered(known.flip(0)), first.flip(0))
    assert tower.asked == 32
    remembered(torch.cat([known, images(1, seed=1)]))
    assert tower.asked == 48


def test_the_same_image_twice_in_a_batch_is_one():
    tower, known = Tower(), images(1)
    assert len(FeatureCache(tower)(known.expand(40, -1, -1, -1))) == 40
    assert tower.asked == 16


def test_a_row_does_not_depend_on_those_beside_it():
    tower, known = Tower(), images(20)
    alone = torch.cat([FeatureCache(tower)(image[None]) for image in known])
    assert torch.equal(FeatureCache(tower)(known), alone)


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_a_full_memory_takes_no_more(rows):
    tower, known = Tower(), images(10)
    remembered = FeatureCache(tower, memory=rows * ROW + ROW - 1)
    assert torch.equal(remembered(known), remembered(known))
    assert len(remembered._rows) == rows
    assert torch.allclose(remembered(known), tower(known), atol=1e-6)


def test_the_next_step_may_not_change_what_is_kept():
    remembered, known = FeatureCache(Tower()), images(2)
    remembered(known).zero_()
    assert remembered(known).any()
