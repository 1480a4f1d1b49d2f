"""WiSE-FT: a model between the pre-trained and the tuned weights, which keeps more of the accuracy of both.

Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", §3: θ = (1 - α)·θ_pre-trained + α·θ_tuned, all
tensors alike. It costs nothing at inference.
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
    """Accuracy with a share α of the tuned weights. target: on the images tuned for; original: on those to remember."""

    alpha: float
    target: Estimate
    original: Estimate | None = None

    def __str__(self) -> str:
        """Estimates as text: "0.5: target 41.2 % [37.1, 45.0], original 70.1 % [68.0, 72.2]"."""
        shown = f"{self.alpha:g}: target {self.target:.1%}"
        if self.original is not None:
            shown += f", original {self.original:.1%}"
        return shown


def interpolate(before: Tensors, tuned: Tensors, alpha: float) -> dict[str, np.ndarray]:
    """Tensors (1 - alpha)·before + alpha·tuned, float32, under the names of `tuned`.

    Parameters added for the tuning (the bias of SigLIP's loss, with the scale that belongs to it) are the tuned ones.
    Raises: InputError for tensors of different models.
    """
    added = tuned.keys() - before.keys()
    strange = sorted((before.keys() - tuned.keys()) | (added - {"logit_bias"}))
    strange += [n for n in before.keys() & tuned.keys() if before[n].shape != tuned[n].shape]
    if strange:
        raise InputError(
            f"The weights to interpolate are of different models: {', '.join(strange[:4])} differ in name or shape."
        )
    if added:
        added |= {"logit_scale"}
    tensors = {name: np.asarray(tensor, np.float32) for name, tensor in tuned.items()}
    for name in tensors.keys() - added:
        start = np.asarray(before[name], np.float32)
        tensors[name] = np.float32(1 - alpha) * start + np.float32(alpha) * tensors[name]
    return tensors


def choose(tried: Sequence[AlphaResult]) -> AlphaResult:
    """Result with the best target accuracy; among equals the one nearest to the pre-trained weights."""
    if not tried:
        raise InputError("There is no α to choose from; name some in tuning.alphas, such as 0.25,0.5,0.75,1.")
    return max(tried, key=lambda one: (one.target.value, -one.alpha))
