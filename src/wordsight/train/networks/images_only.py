"""Networks whose finished model has an image tower only, and SimCLR, which learns from images only."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from wordsight.errors import TrainError
from wordsight.nn.clip import build_image_tower
from wordsight.nn.simclr import ProjectionHead
from wordsight.spec import ModelSpec
from wordsight.train.batch import Batch, Features
from wordsight.train.networks.base import Network
from wordsight.weights.shapes import expected_shapes


class ImagesOnly(Network):
    """A network whose finished model has only an image tower: it searches by example, and rejects texts.

    Its `spec` has a text tower of width 1 of zeros: `wordsight.load` opens the folder, and a text has no
    embedding. `texts` is the text tower that the run was given, for decoders of the same size.
    """

    def __init__(self, spec: ModelSpec) -> None:
        nothing = dataclasses.replace(spec.text, width=1, layers=1, heads=1, mlp_width=1)
        provenance = {**spec.provenance, "text": "none: trained without a text tower; texts have no embedding"}
        super().__init__(dataclasses.replace(spec, text=nothing, provenance=provenance))
        self.texts = spec.text
        self.visual = build_image_tower(spec)

    def passes(self) -> list[tuple[nn.Module, str]]:
        """Forward pass of the image tower."""
        return [(self.visual, "forward")]

    def checkpoint_tensors(self, state: Mapping[str, Tensor] | None = None) -> dict[str, np.ndarray]:
        """Image tower, the spec's scale, and zeros for everything else."""
        visual = {f"visual.{name}": array for name, array in self._arrays(state, "visual.").items()}
        others = {
            name: np.zeros(shape, np.float32)
            for name, shape in expected_shapes(self.spec).items()
            if not name.startswith("visual.")
        }
        return {**others, **visual, "logit_scale": np.asarray(self.spec.logit_scale, np.float32)}


class TwoViews(ImagesOnly):
    """SimCLR: an image tower and an MLP, which is discarded at the end (Chen et al. 2020)."""

    def __init__(self, spec: ModelSpec) -> None:
        super().__init__(spec)
        self.projection = ProjectionHead(spec.embed_dim)

    def inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Two views of the images.

        Raises: TrainError for a batch with only one view.
        """
        if batch.views_BCHW is None:
            raise TrainError("The batch has one view of each image, expected two: SimCLR's data draws them both.")
        return self.normalise(batch.pixels_BCHW), self.normalise(batch.views_BCHW)

    def forward(self, first: Tensor, second: Tensor) -> Features:
        """Unit rows (B,128) of both views (B,3,S,S); batch norms see both together."""
        projected_VD = F.normalize(self.projection(self.visual(torch.cat([first, second]))).float(), dim=-1)
        return unscaled(*projected_VD.chunk(2))


def unscaled(first: Tensor, second: Tensor) -> Features:
    """Features with a scale of 1 and a bias of 0, which are not used."""
    return Features(first, second, first.new_ones(()), first.new_zeros(()))
