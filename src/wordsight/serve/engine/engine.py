"""One model behind a queue: what handlers ask for embeddings."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import WordsightError
from wordsight.images.skipped import Skipped
from wordsight.model import Model, load
from wordsight.serve.settings import Settings

Floats = NDArray[np.float32]


class Lane(enum.Enum):
    """Queue of a request: what a person waits for comes before bulk work."""

    SEARCH = "search"
    BULK = "bulk"


@dataclass(frozen=True)
class Caller:
    """Who asks: requests of a lane are served round robin by client."""

    client: str
    lane: Lane = Lane.BULK


class BusyError(WordsightError):
    """The queue is full. retry_after: seconds until there should be room."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"The server is busy; try again in {retry_after:.0f} seconds.")
        self.retry_after = retry_after


@dataclass(frozen=True, eq=False)
class TextAnswer:
    """Unit vectors (N, D) of texts; tokens, truncated: of each, those read and those beyond the context, (N,) int."""

    vectors_ND: Floats
    tokens_N: NDArray[np.int64]
    truncated_N: NDArray[np.int64]


class Engine:
    """One model, loaded in the background, asked by any number of tasks at a time.

    name: what `wordsight.load` takes. Raises (all methods): BusyError where the queue is full; what loading raised.
    """

    def __init__(self, name: str, settings: Settings, model: Model | None = None) -> None:
        self.name = name
        self.settings = settings
        self._model = model
        self._loading = asyncio.Lock()

    async def model(self) -> Model:
        """The model, loaded where it is not: for its spec and facts; embeddings come from the methods below."""
        async with self._loading:
            if self._model is None:
                self._model = await asyncio.to_thread(load, self.name, self.settings.backend, self.settings.precision)
        return self._model

    @property
    def ready(self) -> bool:
        """Whether both towers are compiled."""
        return self._model is not None

    async def warm(self) -> None:
        """Load the model and compile both towers."""
        model = await self.model()
        await asyncio.to_thread(model.embed_texts, "a photo")
        size = model.spec.preprocess.image_size
        await asyncio.to_thread(model.embed_pixels, np.zeros((1, size, size, 3), np.uint8))

    async def embed_texts(self, texts: Sequence[str], caller: Caller) -> TextAnswer:
        """Embeddings of texts, with the tokens of each that were read and that did not fit."""
        model = await self.model()
        tokens = model.tokenizer(list(texts))
        vectors_ND = await asyncio.to_thread(model.embed_texts, list(texts))
        truncated_N = np.asarray(tokens.truncated, np.int64)
        return TextAnswer(vectors_ND, np.asarray([len(text) for text in texts]), truncated_N)

    async def embed_images(self, images: Sequence[bytes | Any], caller: Caller) -> list[Floats | Skipped]:
        """For each image (encoded bytes, or a path of a gallery's own file) its unit vector (D,), or why not."""
        model = await self.model()
        answers: list[Floats | Skipped] = []
        for image in images:
            skipped: list[Skipped] = []
            rows = await asyncio.to_thread(model.embed_images, [image], on_skip=skipped.append)
            answers.append(skipped[0] if skipped else rows[0])
        return answers

    async def stop(self) -> None:
        """Answer what was accepted, then release the model."""
        self._model = None
