"""The loss of a small run's 100 steps, step by step, as it was when written down."""

import math

import numpy as np
import pytest
from training import Notes, quickly, small_run, write_squares

from wordsight.train.loop import train

# Of `small_run` on 96 squares, batch 16, 10 steps of warm-up, seed 0; torch 2.13.0, NumPy 2.4, Pillow 13, x86-64, one
# thread. Weights changed by a hundred-thousandth of themselves move it by 4e-5 at most, gradient caching by 1e-6, so
# other processors stay well within the 1e-3 that is asked for.
LOSSES = [
    3.99822, 3.51186, 3.29786, 3.21702, 2.77895, 2.49481, 2.28672, 2.41953, 2.14563, 2.35686,
    2.19344, 2.00206, 1.77211, 1.95758, 1.47434, 1.70894, 1.47442, 1.46425, 1.24989, 1.17531,
    1.19732, 1.05188, 0.9903, 0.95995, 0.93146, 0.94116, 0.91637, 1.03025, 1.10496, 1.02507,
    0.92602, 0.95033, 0.95223, 0.80309, 0.9364, 0.89025, 0.80259, 0.8846, 0.94598, 0.90954,
    0.7838, 1.06207, 0.98669, 0.7968, 0.91708, 0.98841, 0.79415, 0.88328, 0.87836, 0.91559,
    0.7945, 0.9329, 0.96586, 1.0537, 0.79331, 0.81376, 1.00072, 1.05351, 1.13502, 0.93352,
    0.84658, 0.81315, 0.84939, 0.90063, 1.14383, 0.93179, 0.81552, 0.75947, 1.1275, 0.75028,
    0.81203, 0.81393, 0.92685, 0.75833, 0.81324, 0.98443, 0.75841, 0.79276, 1.17047, 1.27342,
    0.93046, 0.95406, 1.08827, 0.92977, 0.93037, 1.09855, 0.89822, 0.72774, 0.91552, 0.90874,
    0.75512, 1.04158, 0.86726, 0.92661, 0.75781, 0.75885, 0.93119, 0.78701, 0.96912, 1.08668,
]  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_squares(tmp_path_factory.mktemp("squares"), 96)


@pytest.mark.parametrize("changes", [{}, {"compute__chunk": 5, "data__workers": 1}], ids=["plain", "in parts"])
def test_a_hundred_steps(table, tmp_path, changes):
    notes = Notes()
    with quickly():
        train(small_run(table, steps=100, batch=16, optim__warmup=10, **changes), tmp_path / "run", watchers=[notes])
    assert notes.losses == pytest.approx(LOSSES, rel=1e-3)


def test_what_the_curve_says():
    # It begins above ln 16, where all pairs look alike, and comes near to ln 2: of each of the eight colours there are
    # two among 16 or so, and nothing but the numbers in the captions tells those apart.
    assert LOSSES[0] > math.log(16)
    assert math.log(2) < np.mean(LOSSES[-20:]) < 1
