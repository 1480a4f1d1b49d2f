"""A checkpoint in memory: a spec, tensors under canonical names, and the tokenizer's own files."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from wordsight.spec import ModelSpec


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model as read from any layout.

    tensors: canonical (OpenAI's) names → arrays, often memory-mapped and read-only; float16, float32, bfloat16
        (`ml_dtypes`) as stored, so that writing them back is bit-exact. Includes `logit_scale` (and `logit_bias`).
    tokenizer_files: file name → content, e.g. {"tokenizer.json": b"..."}; empty where CLIP's bundled merges serve.
    folder: the wordsight folder it was read from, where int8 graphs may lie beside the tensors; None for other layouts.
    """

    spec: ModelSpec
    tensors: Mapping[str, np.ndarray]
    tokenizer_files: Mapping[str, bytes] = field(default_factory=dict)
    folder: Path | None = None

    def __repr__(self) -> str:
        """Name and size, without the tensors."""
        mib = sum(tensor.nbytes for tensor in self.tensors.values()) / 2**20
        return f"<Checkpoint {self.spec.name}: {len(self.tensors)} tensors, {mib:,.1f} MiB>"

    @functools.cached_property
    def fingerprint(self) -> str:
        """Hash of the spec's facts, tensors and tokenizer files: equal only when the answers are; 32 hex digits.

        The same model in another layout may have another one: stored in another dtype, or with other tokenizer files.
        What `wordsight convert` writes keeps it.
        """
        digest = hashlib.sha256(json.dumps(self.spec.facts(), sort_keys=True).encode())
        for name in sorted(self.tensors):
            tensor = np.ascontiguousarray(self.tensors[name])
            digest.update(f"\0{name}\0{tensor.dtype.name}\0{tensor.shape}\0".encode())
            digest.update(tensor.reshape(-1).view(np.uint8).data)
        for name in sorted(self.tokenizer_files):
            digest.update(f"\0{name}\0".encode() + self.tokenizer_files[name])
        return digest.hexdigest()[:32]
