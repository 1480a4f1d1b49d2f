"""Softmax and sigmoid of scores."""

from __future__ import annotations

from typing import Any

import numpy as np


def softmax(logits_NK: np.ndarray) -> np.ndarray:
    """Rows of scores (N, K) as probabilities that sum to 1, in the precision given."""
    powers = np.exp(logits_NK - logits_NK.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def sigmoid(logit: Any) -> np.ndarray:
    """1 / (1 + exp(-logit)), without overflow, in the precision given."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * np.asarray(logit))))
