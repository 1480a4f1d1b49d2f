"""A model in use: raw images and texts in, unit vectors out."""

from __future__ import annotations

import collections
import contextlib
import functools
import itertools
import os
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.arguments import check_count, check_items
from wordsight.checkpoint import Checkpoint
from wordsight.encoder import Encoder, open_encoder
from wordsight.errors import CheckpointError, ImageError, InputError
from wordsight.images.decode import decode
from wordsight.images.inputs import as_image, is_array, is_frame, is_image_like, is_open_file, warn_of_paths
from wordsight.images.names import source_name
from wordsight.images.preprocess import preprocess
from wordsight.images.skipped import Skipped, record_skipped
from wordsight.spec import ModelSpec, Preprocess
from wordsight.text.tokenizer import TextTruncatedWarning, Tokenizer, Tokens, UnknownScriptWarning

_BATCH = {"torch": 64}  # images per call of the encoder; openvino and reference: 16, which fill two cores
_TEXTS_AT_ONCE = 256
_SHOWN = 60  # characters of a text in a warning


def load(
    name_or_path: str | Path = "mini",
    backend: str = "auto",
    precision: str = "auto",
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Model:
    """Model of a name, file or folder: "mini", "ViT-B-32/openai", "hf-hub:org/repo", a `.pt`, a folder.

    backend: "auto" (torch where it is installed and sees a GPU, else openvino), "openvino", "torch", "reference".
    precision: "auto" (the fastest of the machine), "f32", "bf16", "int8".
    progress: called with (bytes done, bytes in total) while a file is downloaded.
    Each tower is compiled on first use.

    Raises: UnknownModelError, OfflineError, CheckpointError; InputError for an unknown backend or precision.
    """
    from wordsight.weights.read import read_checkpoint  # a Model of a Checkpoint made otherwise needs no readers

    checkpoint = read_checkpoint(name_or_path, progress=progress)
    return Model(checkpoint, open_encoder(checkpoint, backend, precision), loaded_from=lasting_name(name_or_path))


def lasting_name(name_or_path: str | Path) -> str:
    """A model's name as it is, its path as one that holds from any folder."""
    path = os.path.expanduser(str(name_or_path).removeprefix("local-dir:"))
    if name_or_path == "mini" or not os.path.exists(path):
        return str(name_or_path)
    return os.path.abspath(path)


class Model:
    """A checkpoint and the encoder that runs it. Made by `load`.

    Embeddings are float32 rows of unit length in the order given; their products are cosines.
    Pickled, it is its name, backend, precision and fingerprint: another process loads it again. Copies are itself.
    loaded_from: what `load` takes to get the model again; "" for one that was made otherwise.
    """

    def __init__(self, checkpoint: Checkpoint, encoder: Encoder, *, loaded_from: str = "") -> None:
        self.checkpoint = checkpoint
        self.encoder = encoder
        self.loaded_from = loaded_from

    def __repr__(self) -> str:
        """Name, backend and precision."""
        return f"<Model {self.spec.name}, {self.encoder.backend} {self.encoder.precision}>"

    def __copy__(self) -> Model:
        """The model itself: nothing in it changes."""
        return self

    def __deepcopy__(self, memo: Mapping[int, Any]) -> Model:
        """The model itself: its towers are compiled once."""
        return self

    def __reduce__(self) -> tuple[Callable[..., Model], tuple[str, str, str, str]]:
        """Load it again elsewhere. Raises: InputError for a model that no name or path leads to."""
        if not self.loaded_from:
            raise InputError(
                f"The model {self.spec.name} was not loaded by a name or path, so another process cannot load it; "
                "write it with weights.write_checkpoint(model.checkpoint, FOLDER, 'wordsight'), and load that folder."
            )
        backend, precision = self.encoder.backend, self.encoder.precision
        if backend == "reference":  # takes "auto" alone
            precision = "auto"
        return load_once, (self.loaded_from, backend, precision, self.fingerprint)

    @property
    def spec(self) -> ModelSpec:
        """Description of the model."""
        return self.checkpoint.spec

    @property
    def scale(self) -> float:
        """The factor on cosines before softmax or sigmoid."""
        return self.spec.scale

    @property
    def bias(self) -> float | None:
        """Bias that is added to scaled cosines before the sigmoid (SigLIP), or None."""
        return self.spec.logit_bias

    @property
    def fingerprint(self) -> str:
        """Hash of everything that determines the model's answers; names its caches and indexes."""
        return self.checkpoint.fingerprint

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """The model's own tokenizer; `model.tokenizer(texts).truncated` counts the tokens of each that do not fit."""
        return Tokenizer(self.spec.tokenizer, self.checkpoint.tokenizer_files)

    def embed_texts(self, texts: str | Iterable[str]) -> np.ndarray:
        """Unit embeddings (N, D) float32 of texts; a single str is one text.

        Warns:
            TextTruncatedWarning: once a call, when texts are longer than the context, so that their ends are not read.
            PathAsTextWarning: when a text is the path of an image.
            UnknownScriptWarning: when the model has hardly learnt the script of a text.

        Raises: InputError for anything that is not a str, and of a model that has no trained text tower.
        """
        if isinstance(texts, str):
            texts = [texts]
        check_items("texts", texts, "a text, or a list or other iterable of texts")
        texts = list(texts)
        warn_of_paths(texts, "model.embed_images({})")
        tokens = self.tokenizer(texts)
        _warn_of_truncated(texts, tokens)
        _warn_of_scripts(texts, self)
        embeddings_ND = np.empty((len(texts), self.spec.embed_dim), np.float32)
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            part = slice(start, start + _TEXTS_AT_ONCE)
            embeddings_ND[part] = self.embed_tokens(tokens.ids[part], texts[part])
        return embeddings_ND

    def embed_tokens(self, tokens_BT: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Unit embeddings (B, D) float32 of token ids (B, T) that `tokenizer` made of texts.

        Raises: InputError of a model that has no trained text tower.
        """
        features_BD = self.encoder.encode_texts(tokens_BT)
        if len(features_BD) and not np.any(features_BD):
            raise InputError(
                f"The model {self.spec.name} was trained without a text tower (SimCLR, a bag of words, captions): "
                "ask it with images."
            )
        return unit_rows(features_BD, [repr(text) for text in texts])

    def embed_pixels(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Unit embeddings (B, D) float32 of pixels (B, S, S, 3) uint8 that `images.preprocess` made."""
        return unit_rows(self.encoder.encode_images(pixels_BHWC), ["an image"] * len(pixels_BHWC))

    def embed_images(
        self,
        images: Any,
        *,
        exact: bool = False,
        batch_size: int | None = None,
        on_skip: Callable[[Skipped], object] | None = None,
        progress: Callable[[int], object] | None = None,
    ) -> np.ndarray:
        """Unit embeddings (N, D) float32 of images, in their order; (0, D) of none.

        images: one image or any iterable of images (a column of a DataFrame, a dataset's), each a path, encoded
            bytes, an open file, a PIL image, a uint8 array (H, W), (H, W, 3), (H, W, 4), or a tensor (C, H, W) of
            uint8 or floats from 0 to 1; an array (N, H, W, 3) or tensor (N, C, H, W) is N images.
        exact: decode all pixels of large JPEGs (see `images.decode`), slower and 0.3/255 nearer to the file.
        on_skip: called with each image that cannot be read, whose row is then left out. Without it, such an image
            raises ImageError.
        progress: called with the number of images done since its last call.

        Raises: ImageError naming the first image that cannot be read; InputError for other kinds of input.
        """
        items = _as_items(images)
        rows = np.empty((len(items) if isinstance(items, Sequence) else 0, self.spec.embed_dim), np.float32)
        parts: list[np.ndarray] = []  # where the number of images is not known
        done = 0
        with contextlib.closing(self._batches(_given(items), self._reader(exact), batch_size)) as batches:
            for batch in batches:
                good = []
                for given, answer in batch:
                    if not isinstance(answer, Skipped):
                        good.append(answer)
                    elif on_skip is None:
                        raise ImageError(f"{source_name(given.item)}: {answer.reason}")
                    else:
                        on_skip(answer)
                if isinstance(items, Sequence):
                    rows[done : done + len(good)] = np.reshape(good, (-1, self.spec.embed_dim))
                elif good:
                    parts.append(np.stack(good))
                done += len(good)
                if progress is not None:
                    progress(len(batch))
        if parts:
            return np.concatenate(parts)
        return rows[:done]

    def stream_images(
        self, images: Any, *, exact: bool = False, batch_size: int | None = None
    ) -> Generator[tuple[Any, np.ndarray] | Skipped, None, None]:
        """(Item, unit embedding (D,)) of each image as it comes, or Skipped, in the order given.

        Takes from `images` only a few batches ahead of what it yields, so a source of any length needs little memory;
        images are decoded in threads beside the encoder. Closing the iterator, or an interrupt, drops what waits.
        Raises: InputError for something that is not a source of images.
        """
        items = _given(_as_items(images))
        with contextlib.closing(self._batches(items, self._reader(exact), batch_size)) as batches:
            for batch in batches:
                for given, answer in batch:
                    yield answer if isinstance(answer, Skipped) else (given.item, answer)

    def stream_read(self, items: Iterable[Any], read: Callable[[Any], Any]) -> Generator[tuple[Any, Any], None, None]:
        """(Item, answer) of each item as it comes, in order: `stream_images` with a reader of the caller's own.

        read: called in the decoding threads; returns pixels (S, S, 3) uint8 (`preprocess`), whose answer is the unit
            embedding (D,), or anything else, which is the answer as it stands.
        """
        with contextlib.closing(self._batches(items, read)) as batches:
            for batch in batches:
                yield from batch

    def _reader(self, exact: bool) -> Callable[[_Given], np.ndarray | Skipped]:
        return functools.partial(_read_given, spec=self.spec.preprocess, exact=exact)

    def _batches(
        self, items: Iterable[Any], read: Callable[[Any], Any], batch_size: int | None = None
    ) -> Generator[list[tuple[Any, Any]], None, None]:
        """Batches of (item, embedding or what was read); a batch closes early where few need encoding."""
        if batch_size is not None:
            check_count("batch_size", batch_size, least=1, meaning="images per call, or None for the backend's own")
        size = batch_size or _BATCH.get(self.encoder.backend, 16)
        batch: list[tuple[Any, Any]] = []
        good = 0
        with contextlib.closing(read_ahead(items, read, 2 * size + decode_threads())) as images:
            for item, pixels in images:
                batch.append((item, pixels))
                good += isinstance(pixels, np.ndarray)
                if good == size or len(batch) >= 4 * size:
                    yield self._encode(batch)
                    batch, good = [], 0
        if batch:
            yield self._encode(batch)

    def _encode(self, batch: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
        """The batch with embeddings in the place of pixels."""
        pixels = [answer for _, answer in batch if isinstance(answer, np.ndarray)]
        if not pixels:
            return batch
        items = [item for item, answer in batch if isinstance(answer, np.ndarray)]
        names = [source_name(item.item if isinstance(item, _Given) else item) for item in items]
        rows = iter(unit_rows(self.encoder.encode_images(np.stack(pixels)), names))
        return [(item, next(rows) if isinstance(answer, np.ndarray) else answer) for item, answer in batch]


@functools.lru_cache(maxsize=2)  # of many tasks that a worker is sent, only the first loads
def load_once(loaded_from: str, backend: str, precision: str, fingerprint: str) -> Model:
    """Model that was pickled, the same object each time.

    Raises: CheckpointError if its name leads to another one now; what `load` raises.
    """
    model = load(loaded_from, backend, precision)
    if model.fingerprint != fingerprint:
        raise CheckpointError(
            f"The model {loaded_from!r} has the fingerprint {model.fingerprint} here, but the one that was pickled has "
            f"{fingerprint}; put the same model there, or pickle again."
        )
    return model


@dataclass(frozen=True, slots=True, eq=False)
class _Given:
    """An image as a caller gave it, and its source or the error of reading it."""

    item: Any
    source: Any


def _given(items: Iterable[Any]) -> Iterator[_Given]:
    """The items, open files read at once: their owner may close them when the next one is asked for."""
    for item in items:
        try:
            yield _Given(item, as_image(item) if is_open_file(item) else item)
        except ImageError as error:
            yield _Given(item, error)


def _read_given(given: _Given, spec: Preprocess, exact: bool) -> np.ndarray | Skipped:
    if isinstance(given.source, ImageError):
        return record_skipped(given.item, given.source)
    answer = read_pixels(given.source, spec, exact=exact)
    if isinstance(answer, Skipped):
        return Skipped(given.item, answer.reason)
    return answer


def read_pixels(item: Any, spec: Preprocess, *, exact: bool = False) -> np.ndarray | Skipped:
    """Pixels (S, S, 3) uint8 that a model sees of one image, or `Skipped` with the reason."""
    try:
        image = decode(item, at_least=None if exact else spec.image_size)
        return preprocess(image.image, spec, image.box)
    except ImageError as error:
        return record_skipped(item, error)


def unit_rows(features_BD: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Features (B, D) as float32 divided by their norms along the last axis.

    Raises: CheckpointError naming the input whose features are NaN, infinite or all zero: they have no direction.
    """
    features_BD = np.asarray(features_BD, np.float32)
    norms_B1 = np.linalg.norm(features_BD, axis=-1, keepdims=True)
    good_B = (np.isfinite(norms_B1) & (norms_B1 > 0))[:, 0]
    if not good_B.all():
        bad = int(np.argmin(good_B))
        raise CheckpointError(
            f"The model's features of {names[bad]} have the norm {norms_B1[bad, 0]}, expected a positive number. "
            "Its tensors are damaged, or the precision is too low for them: try precision='f32'."
        )
    return np.asarray(features_BD / norms_B1, np.float32)


def decode_threads() -> int:
    """Number of images to decode at a time: one for each CPU this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_ahead(
    items: Iterable[Any], read: Callable[[Any], Any], look_ahead: int, threads: int | None = None
) -> Generator[tuple[Any, Any], None, None]:
    """(Item, read(item)) in order, reading in threads at most `look_ahead` items ahead of the one yielded.

    `items` is advanced in the caller's thread. Pillow releases the GIL while it decodes and resizes.
    """
    source = iter(items)
    waiting: collections.deque[tuple[Any, Future[Any]]] = collections.deque()
    pool = ThreadPoolExecutor(threads or decode_threads(), thread_name_prefix="wordsight-decode")
    try:
        while True:
            for item in itertools.islice(source, look_ahead - len(waiting)):
                waiting.append((item, pool.submit(read, item)))
            if not waiting:
                return
            item, future = waiting.popleft()
            yield item, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _as_items(images: Any) -> Iterable[Any]:
    """Images of what a caller gives: one, several, or a stack in an array or tensor."""
    if is_array(images) and images.ndim == 4:
        return list(images)
    if isinstance(images, np.ndarray) and images.dtype.kind in "OU":
        return list(images)
    if isinstance(images, str | np.ndarray) or is_image_like(images):
        return [images]
    if is_frame(images):
        as_image(images)  # raises: a column is meant
    if not isinstance(images, Iterable):
        raise InputError(
            f"Images are given as {type(images).__name__}, expected a path, an open file, a PIL image, a uint8 "
            "array, a tensor, or a list or other iterable of them."
        )
    return images


def _warn_of_scripts(texts: Sequence[str], model: Model) -> None:
    """Warn once of texts in a script that the tokenizer reads byte by byte, naming the first."""
    unknown = [text for text in texts if not text.isascii() and not model.tokenizer.knows_script(text)]
    _warn_of_texts(
        unknown,
        UnknownScriptWarning,
        f"is in a script that the model {model.spec.name!r} has hardly learnt",
        "; what it finds means little. Use a multilingual model, or the language it was trained on.",
    )


def _warn_of_truncated(texts: Sequence[str], tokens: Tokens) -> None:
    """Warn once of the texts that did not fit, naming the first and the tokens that were not read."""
    truncated = np.flatnonzero(tokens.truncated).tolist()
    lost = tokens.truncated[truncated[:1]].sum()
    _warn_of_texts(
        [texts[i] for i in truncated],
        TextTruncatedWarning,
        f"is longer than the model's context of {tokens.ids.shape[1]} tokens: its last {lost} tokens were not read",
        ". See model.tokenizer(texts).truncated.",
    )


def _warn_of_texts(texts: Sequence[str], category: type[Warning], problem: str, advice: str) -> None:
    """Warn once a call of `embed_texts`: the first text, its problem, the number of further ones, and the advice."""
    if not texts:
        return
    shown, others = texts[0], ""
    if len(shown) > _SHOWN:
        shown = f"{shown[: _SHOWN - 1]}…"
    if len(texts) > 1:
        others = f" (and {len(texts) - 1} more texts)"
    warnings.warn(f"The text {shown!r} {problem}{others}{advice}", category, stacklevel=4)
