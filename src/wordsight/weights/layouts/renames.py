"""Rename tables that several layouts share, and the joining and splitting of q, k, v."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

from wordsight.errors import CheckpointError

Pairs = list[tuple[str, str]]  # (theirs, ours)


def blocks(theirs: str, ours: str, layers: int, inside: Iterable[tuple[str, str]]) -> Pairs:
    """Return (theirs, ours) for the weight and bias of each part of each block; `{}` is the block's number."""
    pairs = []
    for i in range(layers):
        for their_part, our_part in inside:
            for leaf in ("weight", "bias"):
                pairs.append(
                    (f"{theirs.format(i)}.{their_part}.{leaf}", f"{ours.format(i)}.{our_part}{_leaf(our_part, leaf)}")
                )
    return pairs


def _leaf(part: str, leaf: str) -> str:
    return f"_{leaf}" if part.endswith("in_proj") else f".{leaf}"


def weight_and_bias(theirs: str, ours: str) -> Pairs:
    """Two pairs of one layer."""
    return [(f"{theirs}.{leaf}", f"{ours}.{leaf}") for leaf in ("weight", "bias")]


def join_qkv(tensors: dict[str, np.ndarray], pattern: str, joined: str) -> None:
    """Replace q, k, v of every block by one tensor, in place. `pattern` has groups `head`, `part`, `leaf`.

    joined: a template with {head} and {leaf} of the joint name.
    """
    compiled = re.compile(pattern)
    parts: dict[str, dict[str, str]] = {}
    for name in tensors:
        if match := compiled.fullmatch(name):
            whole = joined.format(head=match["head"], leaf=match["leaf"])
            parts.setdefault(whole, {})[match["part"]] = name
    for whole, names in parts.items():
        if set(names) != {"q", "k", "v"}:
            raise CheckpointError(f"Of {', '.join(names.values())} the other parts are missing; expected q, k and v.")
        three = [tensors.pop(names[part]) for part in "qkv"]
        if len({t.dtype for t in three}) != 1 or len({t.shape for t in three}) != 1:
            raise CheckpointError(f"{', '.join(names.values())} differ in dtype or shape; expected three alike.")
        tensors[whole] = np.concatenate(three, axis=0)


def split_qkv(tensor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return q, k, v of a joint (3E, …) tensor."""
    n = tensor.shape[0] // 3
    return tensor[:n], tensor[n : 2 * n], tensor[2 * n :]


def rename(tensors: Mapping[str, np.ndarray], table: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Tensors under new names; those that the table does not know keep theirs, so that checks can name them."""
    return {table.get(name, name): tensor for name, tensor in tensors.items()}
