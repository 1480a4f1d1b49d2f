"""Figures of a server for Prometheus, in a registry of its own."""

from __future__ import annotations

import functools
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from wordsight.serve.engine.callers import Lane
from wordsight.serve.engine.lanes import LaneQueue

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_OTHER = "other"  # route of a request that no route took, so that strangers' paths make no series

Message = MutableMapping[str, Any]
Asgi = Callable[[Any, Any, Any], Awaitable[None]]


class Metrics:
    """What is measured: names and labels are those of docs/serve/grafana.json."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("wordsight_requests", "Requests by route and status.", ("route", "status"),
                                registry=registry)  # fmt: skip
        self.request_seconds = Histogram("wordsight_request_seconds", "From a request to the end of its answer.",
                                         ("route",), buckets=_SECONDS, registry=registry)  # fmt: skip
        self.queue_seconds = Histogram("wordsight_queue_seconds", "Wait of an input, by what it waits for and lane.",
                                       ("stage", "lane"), buckets=_SECONDS, registry=registry)  # fmt: skip
        self.decode_seconds = Histogram("wordsight_decode_seconds", "Decoding of an image.", buckets=_SECONDS,
                                        registry=registry)  # fmt: skip
        self.encode_seconds = Histogram("wordsight_encode_seconds", "Encoding of a batch, by kind.", ("kind",),
                                        buckets=_SECONDS, registry=registry)  # fmt: skip
        self.batch_size = Histogram("wordsight_batch_size", "Inputs of a batch, by kind.", ("kind",), buckets=_SIZES,
                                    registry=registry)  # fmt: skip
        self.queue_depth = Gauge("wordsight_queue_depth", "Inputs that wait, by what they wait for and lane.",
                                 ("stage", "lane"), registry=registry)  # fmt: skip
        self.embedded = Counter("wordsight_embedded", "Inputs that were embedded, by kind.", ("kind",),
                                registry=registry)  # fmt: skip
        self.skipped = Counter("wordsight_skipped", "Images that could not be read.", registry=registry)
        self.refused = Counter("wordsight_refused", "Requests refused since the queue was full.", registry=registry)
        self.cache_hits = Counter("wordsight_text_cache_hits", "Texts answered without the encoder.",
                                  registry=registry)  # fmt: skip
        self.cache_misses = Counter("wordsight_text_cache_misses", "Texts that the encoder had to embed.",
                                    registry=registry)  # fmt: skip
        self.models = Gauge("wordsight_models_loaded", "Models in memory.", registry=registry)
        self._queues: dict[str, list[LaneQueue]] = {}

    def watch_depth(self, stage: str, queue: LaneQueue) -> None:
        """Report how many inputs wait in a queue, whenever somebody asks."""
        queues = self._queues.setdefault(stage, [])
        queues.append(queue)
        for lane in Lane:
            depth = self.queue_depth.labels(stage, lane.value)
            depth.set_function(functools.partial(_count, queues, lane))

    def render(self) -> bytes:
        """All figures in Prometheus's text format."""
        return generate_latest(self.registry)


def _count(queues: list[LaneQueue], lane: Lane) -> int:
    """Inputs of a lane that wait in any of the queues."""
    return sum(queue.count(lane, "text") + queue.count(lane, "image") for queue in queues)


class CountRequests:
    """ASGI middleware that counts requests by route and status, and their seconds."""

    def __init__(self, app: Asgi, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Pass a request on, and count it once it is answered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), "500"

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self.app(scope, receive, note_status)
        finally:
            route = getattr(scope.get("route"), "path", None) or _OTHER
            self.metrics.requests.labels(route, status).inc()
            self.metrics.request_seconds.labels(route).observe(time.perf_counter() - start)
