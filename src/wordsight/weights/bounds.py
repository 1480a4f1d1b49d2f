"""Bounds of every number in a spec, checked before anything is made of it: shapes, networks, pixels, token ids.

What the tensors' shapes settle is compared with them afterwards; these bounds keep that comparison, and what no tensor
settles, from taking all time and memory. They are far above any released model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from wordsight.errors import CheckpointError
from wordsight.json_records import show
from wordsight.spec import ModelSpec
from wordsight.towers import architecture

# whole numbers, by the names of fields; all are 1 or more unless they stand in `_MAY_BE_ZERO`
LARGEST = {
    "image_size": 4096,
    "patch_size": 4096,
    "width": 2**16,
    "mlp_width": 2**20,
    "layers": 1000,
    "heads": 2**12,
    "embed_dim": 2**16,
    "context_length": 2**16,
    "vocab_size": 2**24,
    "stages": 2**16,
    "head_layers": 1000,
    "tap_means": 1000,
    "tap_spreads": 1000,
}
_MAY_BE_ZERO = frozenset({"head_layers", "tap_means", "tap_spreads"})
# of towers whose tensors do not depend on it, and so cannot contradict it
LARGEST_UNTIED_IMAGE = 1024
MAX_REAL = 1e6
# real numbers: least and largest
_REALS = {
    "norm_eps": (1e-20, 1.0),
    "mean": (-10.0, 10.0),
    "std": (1e-3, 100.0),
    "logit_scale": (-20.0, 20.0),  # in log space; CLIP's ends at 4.6
    "logit_bias": (-1e4, 1e4),
}
_MAX_TEXT = 10_000  # letters of a name or licence
_MAX_STAGES = 100


def check_bounds(spec: ModelSpec, where: str) -> None:
    """Raise CheckpointError that names a number of the spec which no model has."""
    for place, name, value in _numbers(spec):
        if isinstance(value, bool):
            continue
        if isinstance(value, int):
            _check_whole(place, name, value, where)
        elif isinstance(value, float):
            _check_real(place, name, value, where)
    if spec.image.image_size > LARGEST_UNTIED_IMAGE and not architecture(spec).positions:
        raise CheckpointError(
            f"{where}: image.image_size is {spec.image.image_size}, expected at most {LARGEST_UNTIED_IMAGE}."
        )
    _check_tokens(spec, where)


def clean_text(text: str) -> str:
    """A name or licence without what would command a terminal, and not longer than anyone reads."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:_MAX_TEXT])


def _numbers(spec: ModelSpec) -> Iterator[tuple[str, str, Any]]:
    """Yield (place, name of the field, value) of every value in a spec, those in tuples one by one."""
    parts = {"": spec, "image.": spec.image, "text.": spec.text, "preprocess.": spec.preprocess}
    for prefix, part in parts.items():
        for name, value in vars(part).items():
            for each in _flat(value):
                yield prefix + name, name, each


def _flat(value: Any) -> Iterator[Any]:
    if not isinstance(value, tuple):
        yield value
        return
    if len(value) > _MAX_STAGES:
        raise CheckpointError(f"The spec has a list of {len(value)} values, expected at most {_MAX_STAGES}.")
    for each in value:
        yield from _flat(each)


def _check_whole(place: str, name: str, value: int, where: str) -> None:
    least, most = int(name not in _MAY_BE_ZERO), LARGEST.get(name, LARGEST["width"])
    if value < least:
        raise CheckpointError(f"{where}: {place} is {show(value)}, expected a positive whole number.")
    if value > most:
        raise CheckpointError(f"{where}: {place} is {show(value)}, expected at most {most}.")


def _check_real(place: str, name: str, value: float, where: str) -> None:
    least, most = _REALS.get(name, (-MAX_REAL, MAX_REAL))
    if not (math.isfinite(value) and least <= value <= most):
        raise CheckpointError(f"{where}: {place} is {value}, expected a number from {least:g} to {most:g}.")


def _check_tokens(spec: ModelSpec, where: str) -> None:
    tokens = spec.tokenizer
    _check_whole("tokenizer.vocab_size", "vocab_size", tokens.vocab_size, where)
    least = 2 + (tokens.bos_id is not None)  # the start, one token of text, the end
    if not least <= tokens.context_length <= spec.text.context_length:
        raise CheckpointError(
            f"{where}: tokenizer.context_length is {show(tokens.context_length)}, expected {least} to "
            f"{spec.text.context_length}, the text tower's."
        )
    for name in ("bos_id", "eos_id", "pad_id"):
        number = getattr(tokens, name)
        if number is not None and not 0 <= number < spec.text.vocab_size:
            raise CheckpointError(
                f"{where}: tokenizer.{name} is {show(number)}, expected a token of the vocabulary: 0 to "
                f"{spec.text.vocab_size - 1}."
            )
    if tokens.vocab_size > spec.text.vocab_size:
        raise CheckpointError(
            f"{where}: tokenizer.vocab_size is {tokens.vocab_size}, expected at most {spec.text.vocab_size}, the text "
            "tower's: it has no embedding for the other tokens."
        )
