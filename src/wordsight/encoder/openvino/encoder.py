"""The OpenVINO encoder: graphs built from a checkpoint's spec and tensors, compiled for this machine's processor.

Precisions: "f32"; "bf16" where the processor multiplies bfloat16 (AVX-512 BF16, AMX, some Arm); "int8" for folders
that `wordsight quantize` made. "auto" takes bf16 where it is native, else f32; `$WORDSIGHT_PRECISION` says otherwise.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from wordsight.checkpoint import Checkpoint
from wordsight.encoder.openvino.cache import cache_settings, record_entries
from wordsight.encoder.openvino.graphs import image_model, text_model
from wordsight.encoder.openvino.int8 import check_int8, read_int8
from wordsight.encoder.openvino.openvino_import import ov
from wordsight.encoder.precision import ENVIRONMENT, read_environment_precision
from wordsight.errors import InputError
from wordsight.spec import ModelSpec

Tower = Literal["image", "text"]

ROWS: dict[Tower, int] = {"image": 8, "text": 32}  # of one request at most: enough for full matrix products
TEXT_STEP = 8  # texts are cut to a multiple of this many tokens, so that few shapes are met


@functools.cache
def core() -> Any:
    """Process's OpenVINO core."""
    return ov.Core()


def processor_precisions() -> tuple[str, ...]:
    """Precisions this processor runs natively, of "f32", "bf16", "int8"."""
    native = core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return tuple(ours for ours, theirs in (("f32", "FP32"), ("bf16", "BF16"), ("int8", "INT8")) if theirs in native)


class OpenVinoEncoder:
    """Encodes pixels and tokens on the CPU; each tower is built on first use, once for bulk and once for single rows.

    precision: "f32", "bf16" (products in bfloat16), "int8" (of the image tower; made by `wordsight quantize`) or
        "auto": bf16 where the processor has it, else f32.
    cache: keep compiled graphs on disk.

    Raises: InputError for a precision that this processor or this checkpoint does not have.
    """

    backend = "openvino"

    def __init__(self, checkpoint: Checkpoint, precision: str = "auto", *, cache: bool = True) -> None:
        self.checkpoint = checkpoint
        self.cache = cache
        self.precision = choose_precision(checkpoint, precision)
        self._compiled: dict[tuple[Tower, bool, int], Requests] = {}  # the last: the process, see `_requests`
        self._lock = threading.Lock()

    def encode_images(self, pixels_BHWC: np.ndarray) -> np.ndarray:
        """Image features (B,D), float32, not normalised, of uint8 pixels (B,S,S,3).

        Raises: InputError for other shapes and types.
        """
        size = self.checkpoint.spec.image.image_size
        if pixels_BHWC.dtype != np.uint8 or pixels_BHWC.shape[1:] != (size, size, 3):
            seen = f"{pixels_BHWC.dtype} of shape {pixels_BHWC.shape}"
            raise InputError(f"The pixels are {seen}, expected uint8 of shape (B, {size}, {size}, 3).")
        return self._run("image", [np.ascontiguousarray(pixels_BHWC)])

    def encode_texts(self, tokens_BT: np.ndarray) -> np.ndarray:
        """Text features (B,D), float32, not normalised, of token ids (B,T).

        Texts are run longest first, so that those of a request are of a length; they are cut behind the last token
        that matters where that is exact.
        Raises: InputError for other shapes and types, and for ids outside the vocabulary.
        """
        tokens_BT, ends_B = checked_tokens(self.checkpoint.spec, tokens_BT)
        order = np.argsort(-ends_B, kind="stable")
        features_BD = np.empty((len(order), self.checkpoint.spec.embed_dim), dtype=np.float32)
        features_BD[order] = self._run("text", [tokens_BT[order], ends_B[order]])
        return features_BD

    def _run(self, tower: Tower, inputs: list[np.ndarray]) -> np.ndarray:
        """Run a tower over the rows of its inputs, cut into requests that run side by side."""
        rows = len(inputs[0])
        out_BD = np.empty((rows, self.checkpoint.spec.embed_dim), dtype=np.float32)
        if rows == 0:
            return out_BD
        requests = self._requests(tower, bulk=rows > 1)
        step = request_rows(rows, requests.width, ROWS[tower])
        parts = [[each[start : start + step] for each in inputs] for start in range(0, rows, step)]
        if tower == "text":
            parts = [cut_texts(self.checkpoint.spec, *part) for part in parts]
        requests.run(parts, [out_BD[start : start + step] for start in range(0, rows, step)])
        return out_BD

    def _requests(self, tower: Tower, *, bulk: bool) -> Requests:
        """Compiled tower: for bulk a stream for each core or so, for one row all cores on one request.

        A forked process compiles its own: the threads of a compiled tower do not survive a fork, so that its requests
        would wait for ever.
        """
        key = (tower, bulk, os.getpid())
        with self._lock:
            if key not in self._compiled:
                kind = f"{tower}-{self.precision}"
                if bulk and tower == "image":  # compiled otherwise than for one row; texts are not
                    kind += "-bulk"
                settings = cache_settings(self.checkpoint, kind) if self.cache else {}
                compiled = compile_tower(self.checkpoint, tower, self.precision, settings, bulk=bulk)
                self._compiled[key] = Requests(compiled)
            return self._compiled[key]


class Requests:
    """A compiled tower's queue of requests; `width` of them run side by side."""

    def __init__(self, compiled: Any) -> None:
        self.width = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
        self._queue = ov.AsyncInferQueue(compiled, self.width)
        self._queue.set_callback(_keep)
        self._lock = threading.Lock()

    def run(self, parts: list[list[np.ndarray]], outs_BD: list[np.ndarray]) -> None:
        """Run one request for each of `parts` and write its features into the matching one of `outs_BD`."""
        with self._lock:
            for part, out_BD in zip(parts, outs_BD, strict=True):
                self._queue.start_async(part, (part, out_BD), share_inputs=True)
            self._queue.wait_all()


def _keep(request: Any, of: tuple[list[np.ndarray], np.ndarray]) -> None:
    of[1][:] = request.get_output_tensor().data


def compile_tower(checkpoint: Checkpoint, tower: Tower, precision: str, cache: Mapping[str, str], *, bulk: bool) -> Any:
    """Tower compiled for this processor; `bulk` asks for throughput, else for the latency of one request.

    An "int8" model has int8 products in its image tower; what else it computes is done as with "auto".
    """
    if tower == "text":
        model = text_model(checkpoint)
    elif precision == "int8":
        model = read_int8(core(), checkpoint)
    else:
        model = image_model(checkpoint)
    floating = precision
    if precision == "int8":
        floating = native_precision()
    settings = {"INFERENCE_PRECISION_HINT": floating, "PERFORMANCE_HINT": "THROUGHPUT" if bulk else "LATENCY"}
    if cache:
        try:
            compiled = core().compile_model(model, "CPU", {**settings, **cache})
            record_entries(cache)
            return compiled
        except RuntimeError:  # a full disk, say: the cache must never be the reason to fail
            pass
    try:
        return core().compile_model(model, "CPU", settings)
    except RuntimeError as error:
        if precision != "int8" or tower != "image":
            raise
        raise InputError(
            f"The int8 image tower cannot be compiled; make it again with wordsight quantize. ({error})"
        ) from error


def native_precision() -> str:
    """Precision that "auto" means here: `$WORDSIGHT_PRECISION`, else "bf16" where the processor has it, else "f32".

    Raises: InputError where the environment asks for what this processor does not have.
    """
    said = read_environment_precision()
    if said == "auto":
        return "bf16" if "bf16" in processor_precisions() else "f32"
    return _checked(said, f"{ENVIRONMENT} in the environment")


def choose_precision(checkpoint: Checkpoint, asked: str) -> str:
    """Precision to run in; "auto" is `native_precision()`.

    Raises: InputError for a precision that this processor or this checkpoint does not have.
    """
    if asked == "auto":
        return native_precision()
    if asked == "int8":
        check_int8(checkpoint)
        return asked
    return _checked(asked, "precision")


def _checked(precision: str, what: str) -> str:
    native = processor_precisions()
    if precision not in native:
        name = core().get_property("CPU", "FULL_DEVICE_NAME")
        raise InputError(f"{what} is {precision!r}, but this processor ({name}) has only {', '.join(native)}.")
    return precision


def request_rows(rows: int, width: int, most: int) -> int:
    """Number of rows of each request, such that `width` requests at a time stay equally busy."""
    requests = -(-rows // most)
    requests = -(-requests // width) * width
    return -(-rows // min(requests, rows))


def checked_tokens(spec: ModelSpec, tokens_BT: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tokens as int32 (B,T) and the position (B,) whose feature is the text's.

    Raises: InputError for other shapes and types, and for ids outside the vocabulary.
    """
    tower = spec.text
    whole = np.issubdtype(tokens_BT.dtype, np.integer)
    if not whole or tokens_BT.ndim != 2 or not 1 <= tokens_BT.shape[1] <= tower.context_length:
        seen = f"{tokens_BT.dtype} of shape {tokens_BT.shape}"
        raise InputError(f"The tokens are {seen}, expected whole numbers of shape (B, {tower.context_length}).")
    if tokens_BT.size and not (tokens_BT.min() >= 0 and tokens_BT.max() < tower.vocab_size):
        seen = f"from {tokens_BT.min()} to {tokens_BT.max()}"
        raise InputError(f"The token ids go {seen}, expected 0 to {tower.vocab_size - 1}: use the model's tokenizer.")
    tokens_BT = np.ascontiguousarray(tokens_BT, dtype=np.int32)
    if tower.pooling == "last":
        return tokens_BT, np.full(len(tokens_BT), tokens_BT.shape[1] - 1, dtype=np.int32)
    # argmax gives the first of equals: the highest id is the end of text, "eos" is a stated one
    marks_BT = tokens_BT if tower.pooling == "argmax" else tokens_BT == spec.tokenizer.eos_id
    return tokens_BT, marks_BT.argmax(axis=1).astype(np.int32)


def cut_texts(spec: ModelSpec, tokens_BT: np.ndarray, ends_B: np.ndarray) -> list[np.ndarray]:
    """Leave out the positions behind the last needed one, if nothing before can see them: exact for causal towers."""
    if spec.text.causal:
        needed = -(-(int(ends_B.max()) + 1) // TEXT_STEP) * TEXT_STEP
        tokens_BT = np.ascontiguousarray(tokens_BT[:, :needed])
    return [tokens_BT, ends_B]
