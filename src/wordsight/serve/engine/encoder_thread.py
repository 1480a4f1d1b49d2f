"""The thread that encodes: takes a batch as soon as the last one is done, while the next one collects."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wordsight.serve.engine.inputs import Asked, Input, Kind
from wordsight.serve.engine.lanes import LaneQueue
from wordsight.serve.engine.loading import Loaded
from wordsight.serve.engine.metrics import Metrics


@dataclass(frozen=True, eq=False)
class Hooks:
    """What an encoder tells: `taken` the number of images that left its queue, `embedded` each input and its vector.

    `embedded` makes the answer that the caller gets.
    """

    taken: Callable[[int], None]
    embedded: Callable[[Input, np.ndarray], Any]


class EncoderThread:
    """A loaded model and the thread that it runs in, with the queue of inputs in front of it."""

    def __init__(self, loaded: Loaded, queue: LaneQueue, metrics: Metrics, hooks: Hooks) -> None:
        self.loaded = loaded
        self._queue = queue
        self._metrics = metrics
        self._hooks = hooks
        self._changed = threading.Condition()
        self._stopping = False
        self._empty_text: np.ndarray | None = None
        self._thread = threading.Thread(target=self._work, name="wordsight-encode", daemon=True)
        self._thread.start()

    def submit(self, inputs: list[Input]) -> None:
        """Encode inputs: texts as token ids, images as pixels."""
        with self._changed:
            for entry in inputs:
                self._queue.put(entry)
            self._changed.notify()

    def remove(self, asked: Asked) -> None:
        """Drop what waits of a request."""
        with self._changed:
            removed = self._queue.remove(asked)
        if asked.kind == "image" and removed:
            self._hooks.taken(removed)

    def stop(self) -> None:
        """End the thread after what waits is encoded."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next():
            if batch[0].kind == "image":
                self._hooks.taken(len(batch))
            batch = [entry for entry in batch if entry.asked.open]
            if batch:
                self._encode_or_fail(batch)

    def _next(self) -> list[Input]:
        """Next batch; empty when the thread is to end."""
        with self._changed:
            while not (batch := self._queue.take(self._size)):
                if self._stopping:
                    return []
                self._changed.wait()
            return batch

    def _size(self, kind: Kind, waiting: int) -> int:
        return self.loaded.buckets[kind].pick(waiting)

    def _encode_or_fail(self, batch: list[Input]) -> None:
        """Answer a batch; where it fails, each input alone, so that one does not spoil the others."""
        try:
            self._encode(batch)
        except Exception as error:  # of whatever kind: the caller gets it, the thread lives on
            if len(batch) == 1:
                batch[0].asked.close(error)
                return
            for entry in batch:
                if entry.asked.open:
                    self._encode_or_fail([entry])

    def _encode(self, batch: list[Input]) -> None:
        kind, start = batch[0].kind, time.perf_counter()
        for entry in batch:
            self._metrics.queue_seconds.labels("encode", entry.caller.lane.value).observe(start - entry.since)
        vectors_BD = self._embed(kind, batch)[: len(batch)]
        self._metrics.encode_seconds.labels(kind).observe(time.perf_counter() - start)
        self._metrics.batch_size.labels(kind).observe(len(batch))
        self._metrics.embedded.labels(kind).inc(len(batch))
        for entry, vector_D in zip(batch, vectors_BD, strict=True):
            entry.asked.answer(entry.index, self._hooks.embedded(entry, vector_D.copy()))

    def _embed(self, kind: Kind, batch: list[Input]) -> np.ndarray:
        """Unit vectors of a batch, padded to a size that is compiled."""
        model = self.loaded.model
        missing = self.loaded.buckets[kind].fit(len(batch)) - len(batch)
        payloads = [entry.payload for entry in batch]
        if kind == "image":
            return model.embed_pixels(np.stack(payloads + payloads[-1:] * missing))
        if self._empty_text is None:
            self._empty_text = model.tokenizer([""]).ids[0]
        ids_BT = np.stack(payloads + [self._empty_text] * missing)
        return model.embed_tokens(ids_BT, [entry.text for entry in batch] + [""] * missing)
