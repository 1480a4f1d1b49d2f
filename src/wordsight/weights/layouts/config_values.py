"""Small readers of configuration values: each says where a fact came from, and names the key when it is wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from wordsight.errors import CheckpointError
from wordsight.json_records import MAX_VALUES, parse_json, show
from wordsight.spec import Activation, TokenizerSpec
from wordsight.text import tokenizer_check
from wordsight.weights.bounds import LARGEST, MAX_REAL
from wordsight.weights.file_names import TOKENIZER_JSON
from wordsight.weights.layouts.prefixes import explain_prefixes

CLIP_VOCAB = 49408
CLIP_BOS, CLIP_EOS = 49406, 49407


def read_json(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    """Parse a JSON object among the files.

    Raises: CheckpointError for anything else, and for one of far more values than such a file has.
    """
    most = MAX_VALUES
    if name == TOKENIZER_JSON:
        most = tokenizer_check.MAX_VALUES
    try:
        value = parse_json(files[name], most=most)
    except ValueError as error:
        raise CheckpointError(f"{name} is not valid JSON ({error}); fetch it again.") from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{name} holds a {type(value).__name__}, expected an object.")
    return value


class ConfigValues:
    """Values of one configuration file, with the provenance of every one that was asked for.

    config: the file's (part of a) mapping. file: its name, for messages. where: the dotted place of `config` in it.
    """

    def __init__(
        self, config: Mapping[str, Any], file: str, where: str = "", log: dict[str, str] | None = None
    ) -> None:
        if not isinstance(config, Mapping):
            raise CheckpointError(f"{file}: {where or 'the file'} is {show(config)}, expected an object.")
        self.config, self.file, self.where = config, file, where
        self.log: dict[str, str] = {} if log is None else log

    def place(self, key: str) -> str:
        """Dotted place of a key, as errors and provenance name it."""
        return f"{self.where}.{key}".removeprefix(".")

    def within(self, key: str) -> ConfigValues:
        """Nested object under `key` (empty when absent), logging to the same provenance."""
        return ConfigValues(self.config.get(key) or {}, self.file, self.place(key), self.log)

    def whole(self, fact: str, key: str, default: int | None = None, why: str = "") -> int:
        """Positive whole number; `fact` is its name in ModelSpec."""
        value = self.get(fact, key, default, why)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        most = LARGEST.get(fact.rpartition(".")[2], LARGEST["width"])
        if type(value) is not int or value <= 0:
            raise CheckpointError(f"{self.file}: {self.place(key)} is {show(value)}, expected a positive whole number.")
        if value > most:
            raise CheckpointError(f"{self.file}: {self.place(key)} is {show(value)}, expected at most {most}.")
        return value

    def real(self, fact: str, key: str, default: float | None = None, why: str = "") -> float:
        """Finite number."""
        value = self.get(fact, key, default, why)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < MAX_REAL:
            raise CheckpointError(f"{self.file}: {self.place(key)} is {show(value)}, expected a number.")
        return float(value)

    def triple(self, fact: str, key: str, default: tuple[float, ...] | None, why: str) -> tuple[float, float, float]:
        """Three numbers, such as a mean per colour."""
        value = self.get(fact, key, default, why)
        if isinstance(value, (int, float)):
            value = (value, value, value)
        if (
            not isinstance(value, (list, tuple))
            or len(value) != 3
            or not all(isinstance(v, (int, float)) and abs(v) < MAX_REAL for v in value)
        ):
            raise CheckpointError(f"{self.file}: {self.place(key)} is {show(value)}, expected three numbers.")
        return float(value[0]), float(value[1]), float(value[2])

    def get(self, fact: str, key: str, default: Any = None, why: str = "") -> Any:
        """Value of `key`, or `default` with `why` it holds; write down which."""
        if key in self.config and self.config[key] is not None:
            self.log[fact] = f"{self.file}: {self.place(key)}"
            return self.config[key]
        if default is None and not why:
            raise CheckpointError(f"{self.file} lacks {self.place(key)}, which this model needs ({fact}).")
        self.log[fact] = why
        return default


def count_blocks(tensors: Mapping[str, np.ndarray], prefix: str) -> int:
    """Count the numbered blocks behind `prefix`: 1 + the highest number.

    Raises: CheckpointError for more blocks than there are tensors.
    """
    numbers = {name[len(prefix) :].split(".", 1)[0] for name in tensors if name.startswith(prefix)}
    decimal = [number for number in numbers if number.isascii() and number.isdecimal()]
    highest = max(decimal, key=lambda number: (len(number), number), default="-1")
    if len(highest) > 9 or int(highest) >= len(tensors):
        raise CheckpointError(
            f"{prefix}{highest[:20]} is one of more blocks than there are tensors; the file is damaged."
        )
    return 1 + int(highest)


def read_shape(tensors: Mapping[str, np.ndarray], name: str, dimensions: int) -> tuple[int, ...]:
    """Shape of a tensor that must be there with that many dimensions."""
    if name not in tensors:
        raise CheckpointError(f"The tensor {name!r} is missing; this is not a whole CLIP checkpoint.")
    if tensors[name].ndim != dimensions:
        raise CheckpointError(f"{name} has the shape {tensors[name].shape}, expected {dimensions} dimensions.")
    return tuple(tensors[name].shape)


def square_root(n: int, what: str) -> int:
    """Side of a square grid of `n` positions."""
    side = math.isqrt(max(n, 0))
    if side * side != n or n == 0:
        raise CheckpointError(f"{what} has {n} positions, expected a square number (the grid of a square image).")
    return side


def scalar(tensors: Mapping[str, np.ndarray], name: str) -> float:
    """Tensor of one element as a float."""
    if name not in tensors or tensors[name].size != 1:
        raise CheckpointError(
            f"{name} is missing or holds more than one number; expected a single one.{explain_prefixes(tensors)}"
        )
    return float(np.asarray(tensors[name], np.float64).reshape(()))


def activation(name: Any, where: str) -> Activation:
    """Our name of an activation as configurations write it."""
    known: dict[str, Activation] = {
        "quick_gelu": "quick_gelu",
        "gelu": "gelu",
        "gelu_pytorch_tanh": "gelu_tanh",
        "gelu_new": "gelu_tanh",
        "gelu_tanh": "gelu_tanh",
    }
    if name not in known:
        raise CheckpointError(f"{where} is {name!r}, which is not supported; expected one of {', '.join(known)}.")
    return known[name]


def clip_tokenizer(context_length: int, vocab_size: int) -> TokenizerSpec:
    """Return CLIP's own byte-pair tokenizer.

    Raises: CheckpointError where the model's vocabulary has another size, and so another tokenizer.
    """
    if vocab_size != CLIP_VOCAB:
        raise CheckpointError(
            f"The model has a vocabulary of {vocab_size} tokens and no tokenizer beside it; CLIP's own has "
            f"{CLIP_VOCAB}. Put the model's tokenizer.json into the same folder."
        )
    return TokenizerSpec(
        kind="clip_bpe", context_length=context_length, vocab_size=vocab_size, bos_id=CLIP_BOS, eos_id=CLIP_EOS,
        pad_id=0, clean="clip",
    )  # fmt: skip
