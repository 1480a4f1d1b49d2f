"""Read a checkpoint from a file or a folder: which layout it is, which files belong to it, and that it is whole."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from wordsight.checkpoint import Checkpoint
from wordsight.errors import CheckpointError, InputError
from wordsight.hashes import compute_sha256
from wordsight.weights import catalog, file_names, lora, validate
from wordsight.weights.file_names import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from wordsight.weights.layouts import open_clip_names, openai, prefixes, sentence_transformers
from wordsight.weights.layouts.assemble import Layout, Parts, to_checkpoint
from wordsight.weights.layouts.config_values import read_json
from wordsight.weights.safetensors_file import read_safetensors, read_sharded
from wordsight.weights.torch_file import read_torch_file

_MAX_SMALL_FILE = 64 * 2**20  # bytes; the largest in use, Gemma's tokenizer.json, has 34 million
_OF_DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def read_path(path: Path, like: str | None) -> Checkpoint:
    """Read the file or folder at a path that a user gave; see `weights.read.read_checkpoint`."""
    with explain_failure(path):
        if not path.exists():
            raise make_absence_error(str(path))
        if path.is_dir():
            return read_folder(path, path.resolve().name, str(path), like)
        return read_file(path, path.stem, str(path), like)


def make_absence_error(name: str) -> CheckpointError:
    """Error for a path where there is nothing."""
    return CheckpointError(
        f"There is no file or folder {name!r}; expected a checkpoint, or a name of `wordsight models`."
    )


@contextlib.contextmanager
def explain_failure(path: Path) -> Iterator[None]:
    """Raise CheckpointError, with what to do, where reading the checkpoint at a path fails in the block."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"{error.filename or path} cannot be read ({error.strerror or error}); check its permissions and its disk."
        ) from error
    except MemoryError as error:
        raise CheckpointError(
            f"{path} does not fit into the memory that is free; end other programs, or use a smaller model."
        ) from error
    except _OF_DAMAGE as error:  # whatever the checks before it did not foresee
        raise CheckpointError(
            f"{path} cannot be read ({type(error).__name__}: {str(error)[:200]}): it is damaged. Fetch it again."
        ) from error


def _check_regular(path: Path) -> None:
    """Raise CheckpointError for a pipe, a socket or a device: opening one may wait forever, reading never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise CheckpointError(f"{path} is not a regular file; expected a checkpoint.")


def _small_files(folder: Path) -> dict[str, bytes]:
    found = {}
    for name in file_names.SMALL_FILES:
        file = folder / name
        if file.exists() and not file.is_dir():
            _check_regular(file)
            with file.open("rb") as opened:
                found[name] = opened.read(_MAX_SMALL_FILE + 1)  # what is in /proc has no size to look at first
            if len(found[name]) > _MAX_SMALL_FILE:
                raise CheckpointError(f"{file} has more than {_MAX_SMALL_FILE} bytes, too many for such a file.")
    return found


def read_folder(folder: Path, name: str, source: str, like: str | None) -> Checkpoint:
    """Read the one checkpoint that a folder holds. name, source: written into its spec."""
    files = _small_files(folder)
    if file_names.MODULES in files:
        inner = sentence_transformers.model_path(files[file_names.MODULES], str(folder))
        if (folder / inner).resolve() != folder.resolve():
            return read_folder(folder / inner, name, source, like)
    layout: Layout
    open_clip_weights = [n for n in file_names.OPEN_CLIP_WEIGHTS if (folder / n).is_file()]
    hf_weights = [n for n in file_names.HF_WEIGHTS if (folder / n).is_file()]
    if file_names.SPEC in files:
        layout, weights = "wordsight", [n for n in (file_names.WORDSIGHT_WEIGHTS[0],) if (folder / n).is_file()]
    elif file_names.OPEN_CLIP_CONFIG in files and open_clip_weights:
        layout, weights = "open_clip", open_clip_weights
    elif file_names.HF_CONFIG in files and hf_weights:
        layout, weights = "hf", hf_weights
    elif ADAPTER_CONFIG in files:
        return _read_adapted(folder, files, name, source, like)
    else:
        return _read_only_file(folder, name, source, like)
    if not weights:
        raise CheckpointError(
            f"{folder} has a configuration but no {file_names.WRITTEN[layout]}; fetch the folder again."
        )
    reject_unneeded_like(like, folder)
    parts = Parts(layout, files, _read_tensors(folder / weights[0])[0])
    if ADAPTER_CONFIG in files:
        return _read_with_adapter(parts, folder, name, source, folder)
    return _check(parts, name, source, folder)


def _read_adapted(folder: Path, files: Mapping[str, bytes], name: str, source: str, like: str | None) -> Checkpoint:
    """Read a folder that holds an adapter alone, with the model that its configuration names, if that is a folder."""
    base = str(read_json(files, ADAPTER_CONFIG).get("base_model_name_or_path") or "")
    # as PEFT wrote it: seen from where training ran, or from beside the adapter
    found = [place for place in (Path(base).expanduser(), folder / base) if base and place.is_dir()]
    if not found or found[0].resolve() == folder.resolve():
        raise CheckpointError(f"{folder}: {lora.explain_missing_base(base)}")
    layout: Layout
    for layout, config, weights in (
        ("open_clip", file_names.OPEN_CLIP_CONFIG, file_names.OPEN_CLIP_WEIGHTS),
        ("hf", file_names.HF_CONFIG, file_names.HF_WEIGHTS),
    ):
        there = [file for file in weights if (found[0] / file).is_file()]
        if there and (found[0] / config).is_file():
            reject_unneeded_like(like, folder)
            parts = Parts(layout, _small_files(found[0]), _read_tensors(found[0] / there[0])[0])
            return _read_with_adapter(parts, folder, name, source, found[0])
    raise CheckpointError(
        f"{folder}: the adapter's model {base!r} is a folder without config.json and weights in Hugging Face's layout. "
        f"Correct base_model_name_or_path in {ADAPTER_CONFIG}, or put the adapter into the model's folder."
    )


def _read_with_adapter(parts: Parts, adapter: Path, name: str, source: str, base: Path) -> Checkpoint:
    """Fold the adapter of the folder `adapter` into a model's weights; its provenance says so."""
    config = read_json(_small_files(adapter), ADAPTER_CONFIG)
    weights = [file for file in ADAPTER_WEIGHTS if (adapter / file).is_file()]
    if not weights:
        raise CheckpointError(
            f"{adapter} has {ADAPTER_CONFIG} but none of {', '.join(ADAPTER_WEIGHTS)}: fetch the adapter "
            f"again, or remove {ADAPTER_CONFIG} to use the model without it."
        )
    try:
        tensors = lora.fold(parts.tensors, _read_tensors(adapter / weights[0])[0], config)
    except CheckpointError as error:
        raise type(error)(f"{adapter}: {error}") from error
    read = _check(replace(parts, tensors=tensors), name, source, adapter)
    note = f"{ADAPTER_CONFIG}: a LoRA adapter, folded into the weights of {base}"
    return replace(read, spec=replace(read.spec, provenance={**read.spec.provenance, "adapter": note}))


def _read_only_file(folder: Path, name: str, source: str, like: str | None) -> Checkpoint:
    single = sorted(file for file in folder.iterdir() if file.suffix in file_names.CHECKPOINT_SUFFIXES)
    if len(single) == 1:
        return read_file(single[0], name, source, like)
    seen = ", ".join(sorted(p.name for p in folder.iterdir())[:6]) or "nothing"
    inner = sentence_transformers.find_nested(folder, (*file_names.OPEN_CLIP_WEIGHTS, *file_names.HF_WEIGHTS))
    if inner:
        seen += f". A checkpoint lies in {inner}: name {folder / inner}"
    raise CheckpointError(
        f"{folder} is not a checkpoint: it holds {seen}. Expected config.json with model.safetensors (Hugging Face), "
        "open_clip_config.json with open_clip_model.safetensors, wordsight.json with model.safetensors, or one .pt."
    )


def _read_tensors(path: Path) -> tuple[Mapping[str, np.ndarray], str]:
    """Read (tensors, "safetensors" | "torchscript" | "state_dict" | "shards"), by content, not by the extension.

    The prefixes that training leaves are taken off the names, whatever the file's kind.
    """
    tensors, kind = _read_named(path)
    return prefixes.remove_prefixes(tensors), kind


def _read_named(path: Path) -> tuple[Mapping[str, np.ndarray], str]:
    if path.name.endswith(".index.json"):
        return read_sharded(path, lambda shard: _read_named(shard)[0]), "shards"
    _check_regular(path)
    with path.open("rb") as file:
        start = file.read(9)
    # safetensors: a length below 2**32 in eight bytes, then a JSON object
    if path.suffix == ".safetensors" or (start[4:8] == bytes(4) and start[8:9] == b"{"):
        return read_safetensors(path), "safetensors"
    return read_torch_file(path)


def read_file(path: Path, name: str, source: str, like: str | None) -> Checkpoint:
    """Read a file of weights, with the facts that it or the files beside it state. name, source: for its spec."""
    files = _small_files(path.parent)
    tensors, kind = _read_tensors(path)
    if lora.is_adapter(tensors):
        if ADAPTER_CONFIG in files and path.name in ADAPTER_WEIGHTS:
            return read_folder(path.parent, name, source, like)
        raise CheckpointError(f"{path}: {lora.explain_missing_base('')}")
    own = _own_facts(path, files, tensors, kind)
    if own is not None:
        reject_unneeded_like(like, path)
        return _check(own, name, source, path)
    if not any(key.startswith("visual.") for key in tensors):
        shown = ", ".join(list(tensors)[:4])
        raise CheckpointError(
            f"{path} is not a CLIP: its tensors are {shown} …; expected names such as visual.conv1.weight."
            f"{prefixes.explain_prefixes(tensors)}"
        )
    known = catalog.find(like) if like else _recognise(path)
    if known is None:
        raise CheckpointError(
            f"{path} is an open_clip file, and nothing beside it says its activation and preprocessing, which must "
            f"not be guessed. Put its {file_names.OPEN_CLIP_CONFIG} into the same folder, or say which model it is: "
            "--like ViT-B-32/laion2b_s34b_b79k (read_checkpoint(..., like=...))."
        )
    inferred = _check(Parts("openai", {}, open_clip_names.to_canonical(tensors)), name, source, path)
    return catalog.add_facts(inferred, known)


def _own_facts(path: Path, files: dict[str, bytes], tensors: Mapping[str, np.ndarray], kind: str) -> Parts | None:
    """Parts of a file whose facts follow from its layout or from the files beside it; else None."""
    if file_names.SPEC in files and path.name == file_names.WORDSIGHT_WEIGHTS[0]:
        return Parts("wordsight", files, tensors)
    if any(key.startswith(("text_model.", "vision_model.")) for key in tensors):
        if file_names.HF_CONFIG not in files:
            raise CheckpointError(
                f"{path} has Hugging Face's names; its config.json is missing beside it. Fetch the folder."
            )
        return Parts("hf", files, tensors)
    if kind == "torchscript" or openai.is_openai(tensors):
        return Parts("openai", {}, tensors)
    if file_names.OPEN_CLIP_CONFIG in files and any(key.startswith("visual.") for key in tensors):
        return Parts("open_clip", files, tensors)
    return None


def _recognise(path: Path) -> str | None:
    """Catalogue name of a file that was published under this name with this hash."""
    name = catalog.find_by_file(path.name)
    if name is None:
        return None
    sha256 = catalog.MODELS[name].get("sha256")
    if sha256 and compute_sha256(path).startswith(sha256):
        return name
    return None


def _check(parts: Parts, name: str, source: str, where: Path) -> Checkpoint:
    checkpoint = to_checkpoint(parts, name=name, source=source, where=str(where))
    own = parts.layout == "wordsight"  # which may hold whole numbers, as quantised towers do
    tensors = {name: t for name, t in checkpoint.tensors.items() if not (own and t.dtype.kind in "iu")}
    validate.check_finite(tensors, str(where))
    if parts.layout == "wordsight":
        return replace(checkpoint, folder=where if where.is_dir() else where.parent)
    return checkpoint


def reject_unneeded_like(like: str | None, where: object) -> None:
    """Raise InputError where a model that has its configuration is given another's."""
    if like is not None:
        raise InputError(
            f"{where} already has its configuration, so it cannot take that of {like!r}; leave --like (like=) out. "
            "It is for open_clip weights without a configuration."
        )
