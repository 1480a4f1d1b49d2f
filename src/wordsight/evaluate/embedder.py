"""Models as evaluation sees them: opened by `wordsight.load`, or networks in training behind the same methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np


class Embedder(Protocol):
    """A model that embeds texts and pixels into one space; `wordsight.Model` is one."""

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
