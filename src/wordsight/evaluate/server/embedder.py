"""A server as a model that evaluation can measure."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import io
import itertools
from collections.abc import Generator, Iterable, Sequence
from typing import Any

import numpy as np
from PIL import Image

from wordsight.errors import ImageError, InputError
from wordsight.evaluate.server.address import PROBE, Address
from wordsight.evaluate.server.client import Client, RefusedInput
from wordsight.evaluate.server.dialects import DIALECTS, Dialect, text_body
from wordsight.images.decode import read_image
from wordsight.images.skipped import Skipped, record_skipped
from wordsight.model import read_ahead

SIDE = 512  # of the shorter side that is sent: twice what most models see
_SAME = 0.9999  # cosine of embeddings of one input, computed twice
_MOST_REFUSED = 16  # images in a row, after which it is not the images
_PROBE_COLOURS = ("black", "yellow")  # of the generated images that a server is asked about first
_PROBE_TEXTS = ("a photo of a dog", "two red houses by the sea")
_VIEWS = 4  # numbers that the fingerprint keeps of the embedding of each probe


class ServerModel:
    """Embeds images and texts by a server; see `wordsight.evaluate.server` for what is sent where.

    name: as the user gave it. fingerprint: of address, model, dialect and what the server answers to two generated
    images and two texts, for it does not say when its weights change: features that are kept are those of a server
    that still answers the same. scale: of the address, 100 unless it says another. The dialect for images is found
    with the generated images, never with the user's.
    """

    bias: float | None = None

    def __init__(self, name: str) -> None:
        self.name = name
        self.address = Address.parse(name)
        self._client = Client(self.address)

    @property
    def scale(self) -> float:
        """Factor on cosines."""
        return self.address.scale

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of address, model, dialect, and the embeddings of generated images and texts, asked for once.

        Raises: InputError for a server that cannot be used, or that embeds both images, or both texts, alike.
        """
        _, image_2D = self._probed
        facts = [self.address.url, self.address.model, self.address.images, _describe_vectors(image_2D)]
        with contextlib.suppress(RefusedInput):  # of a model of images only
            text_2D = self.embed_texts(_PROBE_TEXTS)
            if text_2D[0] @ text_2D[1] > _SAME:
                raise self._blind("the texts {!r} and {!r}".format(*_PROBE_TEXTS))
            facts.append(_describe_vectors(text_2D))
        return hashlib.blake2b("\0".join(["server 2", *facts]).encode(), digest_size=16).hexdigest()

    def embed_texts(self, texts: Sequence[str]) -> np.ndarray:
        """Unit embeddings (N, D) of texts. Raises: InputError as `Client.embed`."""
        texts = list(texts)
        parts = [
            self._client.embed(text_body(part), len(part))
            for part in (texts[i : i + self.address.batch] for i in range(0, len(texts), self.address.batch))
        ]
        return np.concatenate(parts) if parts else np.zeros((0, self._client.dim or 0), np.float32)

    def stream_images(self, images: Iterable[Any]) -> Generator[tuple[Any, np.ndarray] | Skipped, None, None]:
        """(Item, unit embedding (D,)) of each image in order, or Skipped: unreadable, or refused by the server."""
        dialect, _ = self._probed
        size = self.address.batch if dialect.many else 1
        refused = 0
        with contextlib.closing(read_ahead(images, _read_uri, 2 * size)) as answers:
            while batch := list(itertools.islice(answers, size)):
                for answer in self._embed_batch(dialect, batch):
                    refused = refused + 1 if isinstance(answer, _Refused) else 0
                    if refused == _MOST_REFUSED:
                        raise InputError(f"{refused} images in a row were refused; the last time: {answer.reason}")
                    yield answer

    def _embed_batch(self, dialect: Dialect, batch: Sequence[tuple[Any, Any]]) -> list[Any]:
        """Answers to images; where a request is refused each image is asked about by itself."""
        read = [(item, uri) for item, uri in batch if not isinstance(uri, Skipped)]
        rows: list[Any] = []
        if read:
            try:
                rows = list(zip([item for item, _ in read], self._ask(dialect, [uri for _, uri in read]), strict=True))
            except RefusedInput as error:
                if len(read) == 1:
                    rows = [_Refused(read[0][0], str(error))]
                else:
                    rows = [self._embed_batch(dialect, [one])[0] for one in read]
        left = iter(rows)
        return [uri if isinstance(uri, Skipped) else next(left) for _, uri in batch]

    def _ask(self, dialect: Dialect, uris: Sequence[str]) -> np.ndarray:
        return self._client.embed(dialect.body(uris), len(uris))

    @functools.cached_property
    def _probed(self) -> tuple[Dialect, np.ndarray]:
        """Dialect for images, and the embeddings (2, D) of two that it tells apart.

        The dialect is the one that was named, or the first in which the server tells the two apart.
        """
        uris = [to_uri(Image.new("RGB", (64, 64), colour)) for colour in _PROBE_COLOURS]
        if self.address.images != PROBE:
            dialect = DIALECTS[self.address.images]
            image_2D = np.concatenate([self._ask(dialect, [uri]) for uri in uris])
            if image_2D[0] @ image_2D[1] > _SAME:
                raise self._blind(f"a {_PROBE_COLOURS[0]} and a {_PROBE_COLOURS[1]} image")
            return dialect, image_2D
        refusals = []
        for name, dialect in DIALECTS.items():
            try:
                image_2D = np.concatenate([self._ask(dialect, [uri]) for uri in uris])
                if image_2D[0] @ image_2D[1] > _SAME:
                    refusals.append(f"{name}: two images are embedded alike")
                elif image_2D[0] @ self.embed_texts(uris[:1])[0] > _SAME:
                    refusals.append(f"{name}: an image is embedded as the text of its data URI")
                else:
                    return dialect, image_2D
            except RefusedInput as error:
                refusals.append(f"{name}: {str(error).removeprefix(self._client.title)}")
        raise InputError(
            f"The server {self.address.url} embeds images in none of the dialects known ({'; '.join(refusals)}). Name "
            "a model that embeds images, behind #, or the dialect: #model=NAME&images=jina, vllm or infinity."
        )

    def _blind(self, inputs: str) -> InputError:
        return InputError(
            f"The server {self.address.url} embeds {inputs} alike, so that what it answers says nothing about its "
            "input; check its model, and the dialect that images= names."
        )


def _describe_vectors(vectors_ND: np.ndarray) -> str:
    """Few rounded numbers of unit vectors: equal for one model, whose answers may differ in their last digits."""
    dim = vectors_ND.shape[1]
    view_DV = np.random.default_rng(dim).standard_normal((dim, _VIEWS))  # of about 1 for any D
    seen_NV = np.round(vectors_ND.astype(np.float64) @ view_DV, 1) + 0.0  # without -0.0
    return f"{dim} {seen_NV.tolist()}"


class _Refused(Skipped):
    """An image that the server refuses."""


def to_uri(image: Image.Image) -> str:
    """Image as a data URI: PNG, without metadata, its shorter side at most SIDE."""
    factor = SIDE / min(image.size)
    if factor < 1:
        size = tuple(max(1, round(factor * side)) for side in image.size)
        image = image.resize((size[0], size[1]), Image.Resampling.BICUBIC)
    file = io.BytesIO()
    Image.fromarray(np.asarray(image)).save(file, "PNG")  # from pixels alone: nothing of the file goes along
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _read_uri(item: Any) -> str | Skipped:
    try:
        return to_uri(read_image(item, at_least=SIDE))
    except ImageError as error:
        return record_skipped(item, error)
