"""One model behind a queue: what handlers ask for embeddings."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import ImageError, WordsightError
from wordsight.images.skipped import Skipped
from wordsight.model import Model, load
from wordsight.serve.engine.admission import Admission, BusyError
from wordsight.serve.engine.callers import Caller, Lane
from wordsight.serve.engine.decoders import Decoded, Decoders, Target
from wordsight.serve.engine.encoder_thread import EncoderThread, Hooks
from wordsight.serve.engine.inputs import Asked, Input
from wordsight.serve.engine.lanes import LaneQueue
from wordsight.serve.engine.loading import Loaded, compile_towers
from wordsight.serve.engine.memory import release_memory
from wordsight.serve.engine.metrics import Metrics
from wordsight.serve.engine.presence import ClientGoneError, until_gone
from wordsight.serve.engine.text_cache import EmbeddedText, TextCache
from wordsight.serve.settings import Settings

__all__ = ["BusyError", "Caller", "ClientGoneError", "Engine", "Lane", "StoppingError", "TextAnswer"]

Floats = NDArray[np.float32]
RETRY_SECONDS = 5.0  # after which a request tries again to load a model that could not be loaded
_LONG = 2000  # characters of texts from which they are tokenized beside the event loop, which they would hold for 1 ms
_DRAIN_CHECK = 0.01  # seconds
_STOPPING = "The server is stopping; ask again in a moment."


class StoppingError(WordsightError):
    """A request that came while the server stops."""


@dataclass(frozen=True, eq=False)
class TextAnswer:
    """Unit vectors (N, D) of texts; tokens, truncated: of each, those read and those beyond the context, (N,) int."""

    vectors_ND: Floats
    tokens_N: NDArray[np.int64]
    truncated_N: NDArray[np.int64]


class Engine:
    """One model, loaded in the background, asked by any number of tasks of one event loop at a time.

    Requests that are made together are encoded together, in one thread beside the event loop; images are decoded in
    processes. Requests that come while the model is loaded wait for it.

    name: what `wordsight.load` takes. model: one that is loaded already.
    decoders, metrics: those that the engines of a server share.
    Raises (all methods): BusyError where the queue is full; what loading raised; ClientGoneError once the client of
    the current HTTP request has left; StoppingError.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        model: Model | None = None,
        *,
        decoders: Decoders | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.metrics = metrics or Metrics()
        self.admission = Admission(settings.limits.queued)
        self.cache = TextCache()
        self._given = model
        self._own_decoders = decoders is None
        self._decoders = decoders or Decoders(settings.limits, self.metrics)
        self._queue = LaneQueue()
        self._encoder: EncoderThread | None = None
        self._loading: asyncio.Task[EncoderThread] | None = None
        self._problem: Exception | None = None
        self._failed_at = 0.0
        self._fingerprint = ""
        self._used_at = 0.0
        self._unloader: asyncio.TimerHandle | None = None
        self._unloaded = False
        self._releasing: asyncio.Task[None] | None = None
        self._stopping = False
        self.metrics.watch_depth("encode", self._queue)

    async def model(self) -> Model:
        """The model, loaded where it is not: for its spec and facts; embeddings come from the methods below.

        Not to be kept: it would stay in memory after `settings.unload_after`.
        """
        return (await self._running()).loaded.model

    @property
    def ready(self) -> bool:
        """Whether both towers are compiled, or would be by the next request, after `settings.unload_after`."""
        return self._encoder is not None or self._unloaded

    @property
    def unloaded(self) -> bool:
        """Whether the model left memory since nobody used it."""
        return self._unloaded

    @property
    def problem(self) -> str | None:
        """Why the model cannot be used; None where it can, or is not loaded yet."""
        return str(self._problem) if self._problem else None

    async def warm(self) -> None:
        """Load the model and compile both towers for every size of batch; start the processes that decode."""
        self._decoders.start()
        await self._running()

    async def embed_texts(self, texts: Sequence[str], caller: Caller) -> TextAnswer:
        """Embeddings of texts, with the tokens of each that were read and that did not fit."""
        known = {text: self.cache.get(text) for text in dict.fromkeys(texts)}
        missing = [text for text, found in known.items() if found is None]
        self.metrics.cache_hits.inc(len(known) - len(missing))
        self.metrics.cache_misses.inc(len(missing))
        if missing:
            answers = await self._ask_texts(missing, caller)
            known.update(zip(missing, answers, strict=True))
        rows = [row for text in texts if (row := known[text]) is not None]
        dim = (await self.model()).spec.embed_dim if not rows else len(rows[0].vector)
        return TextAnswer(
            np.stack([row.vector for row in rows]) if rows else np.empty((0, dim), np.float32),
            np.array([row.tokens for row in rows], np.int64),
            np.array([row.truncated for row in rows], np.int64),
        )

    async def embed_images(
        self, images: Sequence[bytes | str | os.PathLike[str]], caller: Caller
    ) -> list[Floats | Skipped]:
        """For each image (encoded bytes, or a path of a gallery's own file) its unit vector (D,), or why not."""
        if not images:
            return []
        asked = Asked("image", len(images), caller, self.admission)
        n_bytes = sum(len(image) for image in images if isinstance(image, bytes))
        with self._admitted(asked, n_bytes):
            encoder = await self._running()
            target = Target(encoder.loaded.model.spec.preprocess, self._take_decoded)
            self._decoders.submit([Input(asked, i, _plain(image)) for i, image in enumerate(images)], target)
            return await until_gone(asked.future)

    async def stop(self) -> None:
        """Answer what was accepted, then release the model."""
        self._stopping = True
        while self.admission.waiting:
            await asyncio.sleep(_DRAIN_CHECK)
        if self._loading is not None:
            await asyncio.wait({self._loading})
        if self._unloader is not None:
            self._unloader.cancel()
        encoder, self._encoder = self._encoder, None
        if encoder is not None:
            await self._release(encoder)
        if self._releasing is not None:
            await self._releasing
        if self._own_decoders:
            await asyncio.to_thread(self._decoders.stop)

    async def _ask_texts(self, texts: list[str], caller: Caller) -> list[EmbeddedText]:
        asked = Asked("text", len(texts), caller, self.admission)
        with self._admitted(asked):
            encoder = await self._running()
            if encoder.loaded.no_texts is not None:
                raise encoder.loaded.no_texts.with_traceback(None)
            tokenizer = encoder.loaded.model.tokenizer
            if sum(map(len, texts)) > _LONG:
                tokens = await asyncio.to_thread(tokenizer, texts)
            else:
                tokens = tokenizer(texts)
            counts = (tokens.ids == tokenizer.spec.eos_id).argmax(axis=1) + 1
            facts = list(zip(texts, tokens.ids, counts.tolist(), tokens.truncated.tolist(), strict=True))
            encoder.submit(
                [Input(asked, i, ids, text, (count, cut)) for i, (text, ids, count, cut) in enumerate(facts)]
            )
            return await until_gone(asked.future)

    @contextlib.contextmanager
    def _admitted(self, asked: Asked, n_bytes: int = 0) -> Any:
        """Count a request in and out, and drop what is left of it."""
        if self._stopping:
            raise StoppingError(_STOPPING)
        size = asked.remaining
        try:
            self.admission.enter(size, n_bytes, asked.caller.lane)
        except BusyError:
            self.metrics.refused.inc()
            raise
        try:
            yield
        finally:
            asked.close()
            self._decoders.remove(asked)
            if asked.remaining and self._encoder is not None:
                self._encoder.remove(asked)
            self.admission.release(n_bytes)
            self._note_use()

    def _take_decoded(self, entry: Input, decoded: Decoded) -> None:
        """Pass a decoded image on to the encoder; called in a thread of the decoders."""
        if isinstance(decoded, ImageError):
            self.metrics.skipped.inc()
            entry.asked.answer(entry.index, Skipped(entry.payload, str(decoded)))
            return
        encoder = self._encoder
        if encoder is None or not entry.asked.open:
            self._decoders.taken(1)
            entry.asked.close(StoppingError(_STOPPING))
            return
        entry.payload, entry.since = decoded, time.perf_counter()
        encoder.submit([entry])

    def _make_answer(self, entry: Input, vector_D: Floats) -> Floats | EmbeddedText:
        """What the caller gets of an input; called in the encoder's thread."""
        if entry.kind == "image":
            return vector_D
        embedded = EmbeddedText(vector_D, *entry.counts)
        self.cache.put(entry.text, embedded)
        return embedded

    async def _running(self) -> EncoderThread:
        """The model and its thread, loaded where they are not; all who ask wait for the same loading."""
        if self._encoder is not None:
            return self._encoder
        if self._problem is not None and time.monotonic() < self._failed_at + RETRY_SECONDS:
            raise self._problem.with_traceback(None)  # raised again and again, it would grow
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
            self._loading.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await until_gone(self._loading)

    async def _load(self) -> EncoderThread:
        try:
            loaded = await asyncio.to_thread(self._load_model)
        except Exception as error:
            self._problem, self._failed_at, self._unloaded = error, time.monotonic(), False
            raise
        finally:
            self._loading = None
        if loaded.model.fingerprint != self._fingerprint:
            self.cache.clear()
            self._fingerprint = loaded.model.fingerprint
        hooks = Hooks(self._decoders.taken, self._make_answer)
        self._encoder = EncoderThread(loaded, self._queue, self.metrics, hooks)
        self._problem, self._unloaded = None, False
        self.metrics.models.inc()
        self._note_use()
        return self._encoder

    def _load_model(self) -> Loaded:
        return compile_towers(self._given or load(self.name, self.settings.backend, self.settings.precision))

    def _note_use(self) -> None:
        """Unload the model so many seconds from now, unless it is used meanwhile."""
        self._used_at = time.monotonic()
        if self.settings.unload_after is not None and self._unloader is None and not self._stopping:
            loop = asyncio.get_running_loop()
            self._unloader = loop.call_later(self.settings.unload_after, self._unload_unused)

    def _unload_unused(self) -> None:
        self._unloader = None
        after = self.settings.unload_after
        if after is None or self._encoder is None or self._stopping:
            return
        rest = self._used_at + after - time.monotonic()
        if self.admission.waiting or rest > 0:
            self._unloader = asyncio.get_running_loop().call_later(max(rest, _DRAIN_CHECK), self._unload_unused)
            return
        self._unloaded = True
        encoder, self._encoder = self._encoder, None
        self._releasing = asyncio.create_task(self._release(encoder))

    async def _release(self, encoder: EncoderThread) -> None:
        """End a thread and let its model go."""
        self.metrics.models.dec()
        await asyncio.to_thread(encoder.stop)
        del encoder
        await asyncio.to_thread(release_memory)


def _plain(image: Any) -> Any:
    """Encoded bytes as `bytes`, whatever holds them."""
    return bytes(image) if isinstance(image, bytearray | memoryview) else image
