"""WiSE-FT: between the pre-trained and the tuned weights lies a model that keeps more of what both know.

Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", §3: θ = (1 - α)·θ_pre-trained + α·θ_tuned, all
tensors alike. At no cost when the model is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wordsight.errors import InputError
from wordsight.metrics import Estimate

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class AlphaResult:
    """What a share of the tuned weights gives. target: accuracy on what is tuned for; original: on what is not."""

    alpha: float
    target: Estimate
    original: Estimate | None = None

    def __str__(self) -> str:
        """Return the figures as text: "0.5: target 41.2 % [37.1, 45.0], original 70.1 % [68.0, 72.2]"."""
        shown = f"{self.alpha:g}: target {self.target:.1%}"
        return shown if self.original is None else f"{shown}, original {self.original:.1%}"


def interpolate(before: Tensors, tuned: Tensors, alpha: float) -> dict[str, np.ndarray]:
    """Return (1 - alpha)·before + alpha·tuned, float32, under the names of `tuned`.

    What was added for the tuning (the bias of SigLIP's loss, and with it the scale that goes with it) is the tuned.
    Raises: InputError for tensors that are not of the same model.
    """
    added = tuned.keys() - before.keys()
    strange = sorted((before.keys() - tuned.keys()) | (added - {"logit_bias"}))
    strange += [n for n in before.keys() & tuned.keys() if before[n].shape != tuned[n].shape]
    if strange:
        raise InputError(
            f"The weights to interpolate are of different models: {', '.join(strange[:4])} differ in name or shape."
        )
    as_tuned = added | {"logit_scale"} if added else set()
    return {
        name: np.asarray(tensor, np.float32)
        if name in as_tuned
        else np.float32(1 - alpha) * np.asarray(before[name], np.float32)
        + np.float32(alpha) * np.asarray(tensor, np.float32)
        for name, tensor in tuned.items()
    }


def choose(tried: Sequence[AlphaResult]) -> AlphaResult:
    """Return the one with the best target accuracy; of equals the one nearest to the pre-trained weights."""
    if not tried:
        raise InputError("There is no α to choose from; name some in tuning.alphas, such as 0.25,0.5,0.75,1.")
    return max(tried, key=lambda one: (one.target.value, -one.alpha))
