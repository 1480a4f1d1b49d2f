"""Folds of labelled images for cross-validation: each class is spread evenly over them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FOLDS = 5


def assign_folds(label_N: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """Fold (N,) of each image: the images of a class, in random order, are dealt to the folds in turn.

    The next class continues where the last one ended, so that folds are equally large even where classes are small; all
    folds hold as many images of a class as any other, or one fewer.
    """
    rng = np.random.default_rng(seed)
    order_N = rng.permutation(len(label_N))
    order_N = order_N[np.argsort(label_N[order_N], kind="stable")]
    fold_N = np.empty(len(label_N), np.int64)
    fold_N[order_N] = np.arange(len(label_N)) % folds
    return fold_N
