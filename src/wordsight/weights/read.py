"""Open a model by name, file or folder, in any layout; write it in another."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from wordsight.checkpoint import Checkpoint
from wordsight.errors import CheckpointError, InputError, UnknownModelError, did_you_mean
from wordsight.weights import catalog, hub, lora, validate
from wordsight.weights.layouts import (
    native,
    open_clip,
    open_clip_names,
    openai,
    prefixes,
    sentence_transformers,
)
from wordsight.weights.layouts.assemble import PROCESSORS, WEIGHTS, Layout, Parts, read_json, to_checkpoint, to_parts
from wordsight.weights.layouts.hf_tokenizer import ALSO_READ, KEPT
from wordsight.weights.safetensors_file import read_safetensors, read_sharded, write_safetensors
from wordsight.weights.torch_file import read_torch_file, write_torch_file

Progress = Callable[[int, int], None]
file_names.SMALL_FILES = (
    file_names.HF_CONFIG,
    file_names.OPEN_CLIP_CONFIG,
    file_names.SPEC,
    file_names.ADAPTER_CONFIG,
    file_names.MODULES,
    *PROCESSORS,
    *KEPT,
    *ALSO_READ,
)
_MAX_SMALL_FILE = 200 * 2**20
file_names.OPEN_CLIP_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_model.safetensors.index.json",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
file_names.HF_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
file_names.CHECKPOINT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")


def read_checkpoint(
    name_or_path: str | Path, *, like: str | None = None, progress: Progress | None = None
) -> Checkpoint:
    """Open a model: "mini", a catalogue name, `hf-hub:org/repo`, `local-dir:path`, a file or a folder.

    like: a catalogue name whose facts (activation, preprocessing) hold for an open_clip file that has none beside it;
        refused for a model that says its facts itself.
    progress: called with (bytes done, bytes in all) while a model that was asked for by name is downloaded.

    Raises: UnknownModelError (with what was likely meant), OfflineError (with what to do), CheckpointError,
        UnsafePickleError; InputError for a needless `like`.
    """
    asked = str(name_or_path)
    if like is not None and catalog.find(like) is None:
        raise UnknownModelError(f"There is no model {like!r}.{did_you_mean(like, catalog.names())}")
    if isinstance(name_or_path, str):
        if asked == "mini":
            reject_unneeded_like(like, asked)
            return _read_bundled()
        if asked.startswith("hf-hub:"):
            repo = asked.removeprefix("hf-hub:")
            return _read_folder(hub.fetch_repo(repo), repo, f"https://huggingface.co/{repo}", like)
        if asked.startswith("local-dir:"):
            return _read_path(Path(asked.removeprefix("local-dir:")).expanduser(), like)
    path = Path(name_or_path).expanduser()
    if path.exists():
        return _read_path(path, like)
    if isinstance(name_or_path, str) and (name := catalog.find(asked)):
        reject_unneeded_like(like, asked)
        return _read_catalogued(name, progress)
    if isinstance(name_or_path, Path) or path.suffix in file_names.CHECKPOINT_SUFFIXES or asked.startswith((".", "/", "~")):
        raise CheckpointError(
            f"There is no file or folder {asked!r}; expected a checkpoint, or a name of `wordsight models`."
        )
    raise UnknownModelError(
        f"The model {asked!r} is neither a file, a folder nor a known name.{did_you_mean(asked, catalog.names())} "
        "`wordsight models` lists the names; any other model of the hub is hf-hub:org/repo."
    )


def _read_bundled() -> Checkpoint:
    from importlib import resources

    folder = Path(str(resources.files("wordsight"))) / "data" / "mini"
    if not (folder / file_names.SPEC).is_file():
        raise CheckpointError(
            "This installation has no bundled model: the folder data/mini of the package is missing. "
            "Install wordsight from its wheel, or make the model with `wordsight train recipes/mini.py`."
        )
    return _read_folder(folder, "mini", "bundled", None)


def reject_unneeded_like(like: str | None, where: object) -> None:
    if like is not None:
        raise InputError(
            f"{where} says its own facts, so it cannot be told that it is like {like!r}; leave --like (like=) out. "
            "It is for open_clip weights without a configuration."
        )


def _read_catalogued(name: str, progress: Progress | None) -> Checkpoint:
    entry = catalog.MODELS[name]
    if repo := entry.get("hub"):
        folder = hub.fetch_repo(repo)
        configured = any((folder / file).is_file() for file in (file_names.OPEN_CLIP_CONFIG, file_names.HF_CONFIG))
        read = _read_folder(folder, name, f"https://huggingface.co/{repo}", None if configured else name)
        read = catalog.with_facts(read, name)
    else:
        file = hub.fetch_url(entry["url"], sha256=entry.get("sha256", ""), progress=progress)
        read = _read_file(file, name, entry["url"], None if name.endswith("/openai") else name)
    return catalog.described(read, name)


