"""Models by the names that a user gives to `--model`: CLIP models, servers, and other image features."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.embedder import ImageEmbedder, ImageTextEmbedder
from wordsight.images.skipped import Skipped
from wordsight.model import Model, load


class LoadedModel:
    """A `wordsight.Model` as evaluation sees it, under the name by which it was asked for."""

    def __init__(self, model: Model, name: str) -> None:
        self.model = model
        self.name = name
        encoder = model.encoder
        facts = f"{model.fingerprint}\0{encoder.backend}\0{encoder.precision}"
        self.fingerprint = hashlib.blake2b(facts.encode(), digest_size=16).hexdigest()

    @property
    def space(self) -> str:
        """Fingerprint of the checkpoint: the embeddings of all backends and precisions lie in one space."""
        return self.model.fingerprint

    @property
    def scale(self) -> float:
        """Factor on cosines."""
        return self.model.scale

    @property
    def bias(self) -> float | None:
        """SigLIP's bias, or None."""
        return self.model.bias

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit embeddings (N, D)."""
        return self.model.embed_texts(texts)

    def stream_images(self, images: Any) -> Generator[tuple[Any, np.ndarray] | Skipped, None, None]:
        """(Item, unit embedding (D,)) of each image, or Skipped."""
        return self.model.stream_images(images)


def open_embedder(
    name: str, *, backend: str = "auto", precision: str = "auto", progress: Callable[..., Any] | None = None
) -> ImageEmbedder:
    """Open a model by name: what `wordsight.load` takes.

    Raises: InputError and CheckpointError as `load`.
    """
    return LoadedModel(load(name, backend=backend, precision=precision, progress=progress), name)


def open_image_text_embedder(name: str, **options: Any) -> ImageTextEmbedder:
    """Open a model that embeds texts too. Raises: InputError for one that embeds images only."""
    model = open_embedder(name, **options)
    if not isinstance(model, ImageTextEmbedder):
        raise InputError(f"The model {name!r} embeds images only, but words are asked for; name a CLIP model.")
    return model
