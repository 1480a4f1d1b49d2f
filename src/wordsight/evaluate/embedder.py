"""Models as evaluation sees them: opened by name, networks in training, servers, or image features of another kind."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from wordsight.images.skipped import Skipped


class ImageEmbedder(Protocol):
    """A model that embeds images: enough for few-shot classification and similarity."""

    @property
    def name(self) -> str:
        """Name that results carry."""

    @property
    def fingerprint(self) -> str:
        """Hash of all that determines the embeddings, backend and precision included; names their cache."""

    def stream_images(self, images: Any) -> Generator[tuple[Any, np.ndarray] | Skipped, None, None]:
        """(Item, unit embedding (D,)) of each image in order, or Skipped."""


def find_space(model: ImageEmbedder) -> str:
    """Fingerprint of the space that a model embeds into: what a `LinearHead` that is fitted on its features carries.

    Of a CLIP model that of its checkpoint, since another backend or precision moves embeddings by less than matters to
    a head; of others that of the features.
    """
    return str(getattr(model, "space", model.fingerprint))


@runtime_checkable
class ImageTextEmbedder(ImageEmbedder, Protocol):
    """A model that embeds images and texts into one space; `wordsight.Model` becomes one by `open_embedder`."""

    @property
    def scale(self) -> float:
        """Factor on cosines before the softmax."""

    @property
    def bias(self) -> float | None:
        """SigLIP's additive bias, or None."""

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit embeddings (N, D) of texts."""


class Embedder(Protocol):
    """A model that embeds texts and pixels into one space, as a training run measures it; `wordsight.Model` is one."""

    @property
    def fingerprint(self) -> str:
        """Hash of all that determines the embeddings; "" if they are not to be cached."""

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit embeddings (N, D) of texts."""

    def embed_pixels(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Unit embeddings (B, D) of preprocessed pixels (B, S, S, 3) uint8."""


@runtime_checkable
class TextScorer(Protocol):
    """A model that may have no embeddings, and then scores texts for images by itself (predictive objectives)."""

    @property
    def scores_texts(self) -> bool:
        """Whether texts are scored instead of embedded."""

    def score(self, pixels_BHWC: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Scores (B, K) of texts for preprocessed pixels (B, S, S, 3) uint8."""
