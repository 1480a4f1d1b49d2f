"""The models that are known by name: where they are, what they are, under which licence, and how good they are."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, TypedDict

from wordsight.checkpoint import Checkpoint


class Entry(TypedDict, total=False):
    arch: str
    hub: str
    url: str
    sha256: str
    quick_gelu: bool
    preprocess: str
    licence: str
    top1: float
    top1_source: str


_OPENAI = "https://openaipublic.azureedge.net/clip/models"
ARCHITECTURES: dict[str, dict[str, Any]] = {}
MODELS: dict[str, Entry] = {
    "ViT-B-32/openai": {
        "arch": "ViT-B-32",
        "url": f"{_OPENAI}/40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af/ViT-B-32.pt",
        "sha256": "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
        "quick_gelu": True,
        "preprocess": "clip",
        "licence": "MIT",
    },
}
ALIASES = {"ViT-B/32": "ViT-B-32/openai"}


def names() -> list[str]:
    return [*MODELS, *ALIASES]


def find(name: str) -> str | None:
    return name if name in MODELS else ALIASES.get(name)


def by_file(file: str) -> str | None:
    return None


def open_clip_config(name: str) -> bytes:
    return json.dumps({}).encode()


def described(checkpoint: Checkpoint, name: str) -> Checkpoint:
    spec = dataclasses.replace(checkpoint.spec, name=name, licence=MODELS[name].get("licence", "unknown"))
    return Checkpoint(spec, checkpoint.tensors, checkpoint.tokenizer_files)
