"""The server on a Ray cluster: any number of ingresses, which ask any number of encoders, both scaled by load.

    RAY_USAGE_STATS_ENABLED=0 serve run wordsight.serve.on_ray:build gallery.shop=s3://bucket/shop-index

An ingress is the application of `wordsight serve`: it checks requests, asks the galleries and keeps nothing. Models run
in encoders, one deployment for each model and lane, so that bulk work does not hold up the searches of people: each
decodes and batches as a single server does. An encoder that has as many requests as it takes lets others wait in the
ingress, and where as many wait as may, the client is answered 429.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from wordsight import errors
from wordsight.errors import InputError, MissingExtraError, WordsightError
from wordsight.images.skipped import Skipped
from wordsight.index import open_index
from wordsight.model import Model, load
from wordsight.serve.app import create_app
from wordsight.serve.engine.callers import Caller, Lane
from wordsight.serve.engine.decoders import Decoders
from wordsight.serve.engine.engine import BusyError, Engine, Floats
from wordsight.serve.engine.engines import Engines
from wordsight.serve.engine.metrics import Metrics
from wordsight.serve.engine.text_cache import EmbeddedText
from wordsight.serve.ray_plan import Plan, Scaling, read_plan
from wordsight.serve.service import Service
from wordsight.serve.settings import Settings

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # of a cluster that is started by this process
try:
    from ray import serve
    from ray.serve.exceptions import BackPressureError
except ImportError as error:
    raise MissingExtraError("Serving on a cluster", "ray", "ray-serve") from error

TEXTS, IMAGES = 256, 16  # of one call of an encoder
_CALLS = 4  # that one request has under way
_PATIENCE = 60.0  # seconds for which a request that is answered in part waits for room
_LEAST_WAIT = 1.0  # seconds that a refused client is asked to wait
_MEMORY = 0.9  # weight that a measured time keeps with each further call


@dataclass(frozen=True)
class Refusal:
    """An error on its way from an encoder to the ingress: the class by name, so that nothing else is unpickled."""

    kind: str
    message: str
    retry_after: float = 0.0

    @classmethod
    def of(cls, error: WordsightError) -> Refusal:
        """Refusal that tells of an error."""
        return cls(type(error).__name__, str(error), getattr(error, "retry_after", 0.0))

    def to_error(self) -> WordsightError:
        """The error that was told of."""
        if self.kind == "BusyError":
            return BusyError(self.retry_after)
        kind = getattr(errors, self.kind, InputError)
        made: WordsightError = WordsightError.__new__(kind if issubclass(kind, WordsightError) else InputError)
        made.args = (self.message,)
        return made


class Encoder:
    """One model in an actor of the cluster."""

    async def __init__(self, model: str, settings: Settings, processes: int) -> None:  # type: ignore[misc]
        """Load the model: Ray sends no calls before. processes: number of those that decode."""
        metrics = Metrics()
        self._decoders = Decoders(settings.limits, metrics, processes=processes)
        self._engine = Engine(model, settings, decoders=self._decoders, metrics=metrics)
        await self._engine.warm()

    async def fingerprint(self) -> str:
        """Fingerprint of the model."""
        return (await self._engine.model()).fingerprint

    async def embed_texts(self, texts: list[str], caller: Caller) -> Any:
        """Vectors, tokens and truncated tokens of texts, or a refusal."""
        try:
            answer = await self._engine.embed_texts(texts, caller)
        except WordsightError as error:
            return Refusal.of(error)
        return answer.vectors_ND, answer.tokens_N, answer.truncated_N

    async def embed_images(self, images: list[bytes], caller: Caller) -> Any:
        """For each image its vector, or the reason why there is none; or a refusal."""
        try:
            answers = await self._engine.embed_images(images, caller)
        except WordsightError as error:
            return Refusal.of(error)
        return [one.reason if isinstance(one, Skipped) else one for one in answers]


class RemoteEngine(Engine):
    """An engine whose model runs in the encoders of the cluster.

    `model` gives the model of this process for its facts and tokenizer; its towers are not compiled for requests.
    encoders: of each lane, a handle of their deployment.
    """

    def __init__(
        self, name: str, settings: Settings, *, encoders: Mapping[Lane, Any], metrics: Metrics, decoders: Decoders
    ) -> None:
        super().__init__(name, settings, decoders=decoders, metrics=metrics)
        self._encoders = encoders
        self._local: asyncio.Task[Model] | None = None
        self._warm = False
        self._seconds = _LEAST_WAIT  # of a call, lately

    async def model(self) -> Model:
        """The model, read once a process."""
        if self._local is None or (self._local.done() and self._local.exception() is not None):
            self._local = asyncio.create_task(
                asyncio.to_thread(load, self.name, self.settings.backend, self.settings.precision)
            )
        return await asyncio.shield(self._local)

    @property
    def ready(self) -> bool:
        """Whether an encoder of each lane has the model warm."""
        return self._warm

    async def warm(self) -> None:
        """Have an encoder of each lane load the model. Raises: InputError where theirs is another than this one's."""
        mine = (await self.model()).fingerprint
        for encoder in self._encoders.values():
            theirs = await encoder.fingerprint.remote()
            if theirs != mine:
                self._problem = InputError(
                    f"The model {self.name!r} is another in the encoders ({theirs}) than here ({mine})."
                )
                raise self._problem
        self._problem, self._warm = None, True

    async def embed_images(
        self, images: Sequence[bytes | str | os.PathLike[str]], caller: Caller
    ) -> list[Floats | Skipped]:
        """For each image (encoded bytes, or a path of a gallery's own file) its unit vector (D,), or why not."""
        encoder = self._encoders[caller.lane].embed_images

        async def embed(part: Sequence[Any]) -> list[Floats | Skipped]:
            contents = await asyncio.to_thread(lambda: [_read(image) for image in part])
            good = [content for content in contents if isinstance(content, bytes)]
            answers = iter(await self._call(lambda: encoder.remote(good, caller)) if good else ())
            found = [next(answers) if isinstance(content, bytes) else content.reason for content in contents]
            return [
                Skipped(image, one) if isinstance(one, str) else one for image, one in zip(part, found, strict=True)
            ]

        async with self._counted(len(images)):
            parts = await _in_parts(images, IMAGES, embed)
        return [answer for part in parts for answer in part]

    async def _ask_texts(self, texts: list[str], caller: Caller) -> list[EmbeddedText]:
        encoder = self._encoders[caller.lane].embed_texts

        async def embed(part: Sequence[str]) -> list[EmbeddedText]:
            vectors, tokens, truncated = await self._call(lambda: encoder.remote(list(part), caller))
            rows = zip(part, vectors, tokens.tolist(), truncated.tolist(), strict=True)
            embedded = [EmbeddedText(vector, read, cut) for _, vector, read, cut in rows]
            for text, one in zip(part, embedded, strict=True):
                self.cache.put(text, one)
            return embedded

        async with self._counted(len(texts)):
            parts = await _in_parts(texts, TEXTS, embed)
        return [one for part in parts for one in part]

    @asynccontextmanager
    async def _counted(self, inputs: int) -> AsyncIterator[None]:
        """Count the inputs of a request while they are under way.

        Raises: BusyError where too many are; InputError where the encoders have another model.
        """
        if self._problem is not None:
            raise self._problem.with_traceback(None)
        try:
            self.admission.enter(inputs)
        except BusyError:
            self.metrics.refused.inc()
            raise
        try:
            yield
        finally:
            self.admission.leave(inputs)

    async def _call(self, ask: Callable[[], Any]) -> Any:
        """Answer of an encoder. Raises: BusyError where too many calls wait; the error that it refused with."""
        start = time.perf_counter()
        try:
            answer = await ask()
        except BackPressureError:
            self.metrics.refused.inc()
            raise BusyError(max(_LEAST_WAIT, self._seconds)) from None
        self._seconds = _MEMORY * self._seconds + (1 - _MEMORY) * (time.perf_counter() - start)
        if isinstance(answer, Refusal):
            raise answer.to_error()
        return answer


async def _in_parts(inputs: Sequence[Any], size: int, embed: Callable[[Sequence[Any]], Any]) -> list[Any]:
    """Answers for parts of so many inputs, a few at a time, in order.

    Refused before any part is answered, the request is; later it waits for room, since others would do its work again.
    """
    turn = asyncio.Semaphore(_CALLS)
    answered = False

    async def ask(part: Sequence[Any]) -> Any:
        nonlocal answered
        end = time.monotonic() + _PATIENCE
        async with turn:
            while True:
                try:
                    answer = await embed(part)
                except BusyError as error:
                    if not answered or time.monotonic() + error.retry_after > end:
                        raise
                    await asyncio.sleep(error.retry_after)
                else:
                    answered = True
                    return answer

    tasks = [asyncio.ensure_future(ask(inputs[at : at + size])) for at in range(0, len(inputs), size)]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _read(image: bytes | str | os.PathLike[str]) -> bytes | Skipped:
    if isinstance(image, bytes):
        return image
    try:
        return Path(image).read_bytes()
    except OSError as error:
        return Skipped(image, error.strerror or "cannot be read")


class RemoteEngines(Engines):
    """Engines of the cluster, by model. encoders: of each model, the handles of its deployments by lane."""

    def __init__(self, settings: Settings, encoders: Mapping[str, Mapping[Lane, Any]]) -> None:
        super().__init__(settings)
        self._encoders = encoders

    def get(self, name: str) -> Engine:
        """Engine of a model. Raises: UnknownModelError for one that no encoder was deployed for."""
        if name not in self._engines:
            if name not in self._encoders:
                raise errors.UnknownModelError(
                    f"The cluster has no encoder for the model {name!r}; there are: {', '.join(self._encoders)}."
                )
            self._engines[name] = RemoteEngine(
                name,
                self.settings,
                encoders=self._encoders[name],
                metrics=self.metrics,
                decoders=self.decoders,
            )
        return self._engines[name]


def deploy(plan: Plan) -> serve.Application:
    """The server as an application of Ray Serve: `serve.run(deploy(plan))`.

    Galleries and models must be found on every node by the same names: object storage, Qdrant, a shared disk.
    Raises: StoreError for a gallery that cannot be opened.
    """
    settings = plan.settings
    names = {model: _name_encoders(at) for at, model in enumerate(_find_models(settings))}

    def build_app() -> FastAPI:
        encoders = {
            model: {lane: serve.get_deployment_handle(name) for lane, name in by_lane.items()}
            for model, by_lane in names.items()
        }
        return create_app(settings, Service(settings, RemoteEngines(settings, encoders)))

    @serve.ingress(build_app)
    class Ingress:
        """The application of `wordsight serve`, whose engines are those of the cluster."""

        def __init__(self, *encoders: Any) -> None:
            """Encoders are named here so that they are deployed; `build_app` finds them."""

    encoders = [
        _bind_encoder(model, by_lane[lane], scaling, settings)
        for model, by_lane in names.items()
        for lane, scaling in ((Lane.SEARCH, plan.search), (Lane.BULK, plan.bulk))
    ]
    ingress: serve.Deployment = serve.deployment(name="ingress", **plan.ingress.options())(Ingress)
    return ingress.bind(*encoders)


def _find_models(settings: Settings) -> list[str]:
    """Models of the galleries, or the one for a server without."""
    models = []
    for location in settings.galleries.values():
        with contextlib.closing(open_index(location)) as index:
            models.append(index.info.model)
    return list(dict.fromkeys(models)) or [settings.model]


def _name_encoders(number: int) -> dict[Lane, str]:
    return {lane: f"encoder-{lane.value}-{number}" for lane in Lane}


def _bind_encoder(model: str, name: str, scaling: Scaling, settings: Settings) -> Any:
    encoder: serve.Deployment = serve.deployment(name=name, **scaling.options())(Encoder)
    return encoder.bind(model, settings, max(1, int(scaling.cpus)))


def build(args: Mapping[str, Any]) -> serve.Application:
    """Application of the arguments of `serve run` and of its configuration files.

    gallery.NAME: location of an index. model, backend, precision, host, mcp, page, public, allowed_hosts (with commas
    between): as in `wordsight serve`; token_file: on the machine that deploys. search, bulk, ingress: `Scaling`, as
    search.most=20. All may be nested too, as YAML has it.
    Raises: InputError for an argument that is not known, or not of its kind; as `deploy`.
    """
    return deploy(read_plan(args))
