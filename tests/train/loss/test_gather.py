"""A batch spread over 1, 2 and 4 gloo processes has the loss and the gradients that it has on one."""

import pytest
import torch
from loss_cases import farthest
from losses_on_processes import CASES, ROWS, predictive, shares, whole
from processes_of_loss import on_processes

SIZES = (1, 2, 4)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """By number of processes, what each of them found."""
    return on_processes(4, shares, tmp_path_factory.mktemp("shares"), SIZES)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("name", "tile", "twins"), CASES)
def test_the_mean_of_the_processes_gradients_is_the_whole_batch_s(found, size, name, tile, twins):
    value, first_BD, second_BD, scale, bias = whole(name, twins)
    for rank, ours in enumerate(found[size]):
        own = slice(rank * ROWS // size, (rank + 1) * ROWS // size)
        # Every process knows the whole loss. Of features it has its rows' gradient, times the number of processes, over
        # which gradients of parameters will be averaged.
        theirs = [value, size * first_BD[own], size * second_BD[own]]
        assert farthest(ours[name, tile, twins][:3], theirs) < 1e-12
    for number, one in enumerate((scale, bias), start=3):
        mean = torch.stack([ours[name, tile, twins][number] for ours in found[size]]).mean()
        assert float(mean) == pytest.approx(float(one), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", ["bag_of_words", "caption"])
def test_a_predictive_loss_is_the_mean_over_processes(found, size, name):
    value, gradient = predictive(None, slice(0, ROWS))[name]
    for rank, ours in enumerate(found[size]):
        own = slice(rank * ROWS // size, (rank + 1) * ROWS // size)
        assert farthest(ours["predictive"][name], [value, size * gradient[own]]) < 1e-12


def test_all_processes_hear_that_their_shares_differ(found):
    for ours in found[4]:
        for message in ours["uneven"]:
            assert message.startswith("The processes hold 3, 4, 5, 6 rows of this batch, by rank; every process must")
            assert "Drop the incomplete last batch" in message
