"""Models by the names that a user gives to `--model`: CLIP models, servers, and other image features."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Sequence
from typing import Any

import numpy as np

from wordsight.errors import InputError
from wordsight.evaluate.embedder import ImageEmbedder, ImageTextEmbedder
from wordsight.evaluate.other_features import PIXELS, RESNET50, open_pixels, open_resnet50
from wordsight.evaluate.server.embedder import ServerModel
from wordsight.images.skipped import Skipped
from wordsight.ingest.urls import is_url
from wordsight.model import Model, load


class LoadedImageModel:
    """The image tower of a `wordsight.Model` as evaluation sees it, under the name by which it was asked for.

    All there is of a model that was trained without texts, such as SimCLR's.
    """

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

    def stream_images(self, images: Any) -> Generator[tuple[Any, np.ndarray] | Skipped, None, None]:
        """(Item, unit embedding (D,)) of each image, or Skipped."""
        return self.model.stream_images(images)


class LoadedModel(LoadedImageModel):
    """A `wordsight.Model` with both towers as evaluation sees it."""

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


def open_embedder(
    name: str, *, backend: str = "auto", precision: str = "auto", progress: Callable[..., Any] | None = None
) -> ImageEmbedder:
    """Open a model by name: what `wordsight.load` takes, "pixels:16", "resnet50:FOLDER" (see `other_features`), or the
    address of an embeddings server, "http://host/v1#model" (see `server`), to which the images are then sent.

    One that embeds images only is not an `ImageTextEmbedder`.
    Raises: InputError and CheckpointError as `load`.
    """
    if name.startswith(PIXELS):
        return open_pixels(name)
    if name.startswith(RESNET50):
        return open_resnet50(name, precision)
    if is_url(name):
        return ServerModel(name)
    model = load(name, backend=backend, precision=precision, progress=progress)
    if not np.any(model.checkpoint.tensors["text_projection"]):  # as `train` leaves it where there are no texts
        return LoadedImageModel(model, name)
    return LoadedModel(model, name)


def open_image_text_embedder(name: str, **options: Any) -> ImageTextEmbedder:
    """Open a model that embeds texts too. Raises: InputError for one that embeds images only."""
    model = open_embedder(name, **options)
    if not isinstance(model, ImageTextEmbedder):
        raise InputError(f"The model {name!r} embeds images only, but words are asked for; name a CLIP model.")
    return model
