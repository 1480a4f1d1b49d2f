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
_SMALL_FILES = (
    "config.json",
    open_clip.FILE,
    native.FILE,
    lora.FILE,
    sentence_transformers.FILE,
    *PROCESSORS,
    *KEPT,
    *ALSO_READ,
)
_MAX_SMALL_FILE = 200 * 2**20
_OPEN_CLIP_WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_model.safetensors.index.json",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
)
_HF_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_ENDINGS = (".safetensors", ".pt", ".pth", ".bin", ".ckpt")


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
            _refuse_needless(like, asked)
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
        _refuse_needless(like, asked)
        return _read_catalogued(name, progress)
    if isinstance(name_or_path, Path) or path.suffix in _ENDINGS or asked.startswith((".", "/", "~")):
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
    if not (folder / native.FILE).is_file():
        raise CheckpointError(
            "This installation has no bundled model: the folder data/mini of the package is missing. "
            "Install wordsight from its wheel, or make the model with `wordsight train recipes/mini.py`."
        )
    return _read_folder(folder, "mini", "bundled", None)


def _refuse_needless(like: str | None, where: object) -> None:
    if like is not None:
        raise InputError(
            f"{where} says its own facts, so it cannot be told that it is like {like!r}; leave --like (like=) out. "
            "It is for open_clip weights without a configuration."
        )


def _read_catalogued(name: str, progress: Progress | None) -> Checkpoint:
    entry = catalog.MODELS[name]
    if repo := entry.get("hub"):
        folder = hub.fetch_repo(repo)
        configured = any((folder / file).is_file() for file in (open_clip.FILE, "config.json"))
        read = _read_folder(folder, name, f"https://huggingface.co/{repo}", None if configured else name)
        read = catalog.with_facts(read, name)
    else:
        file = hub.fetch_url(entry["url"], sha256=entry.get("sha256", ""), progress=progress)
        read = _read_file(file, name, entry["url"], None if name.endswith("/openai") else name)
    return catalog.described(read, name)


def _read_path(path: Path, like: str | None) -> Checkpoint:
    try:
        if path.is_dir():
            return _read_folder(path, path.resolve().name, str(path), like)
        if not path.is_file():
            raise CheckpointError(f"There is no file or folder {str(path)!r}.")
        return _read_file(path, path.stem, str(path), like)
    except OSError as error:
        raise CheckpointError(
            f"{error.filename or path} cannot be read ({error.strerror or error}); check its permissions and its disk."
        ) from error


def _small_files(folder: Path) -> dict[str, bytes]:
    found = {}
    for name in _SMALL_FILES:
        file = folder / name
        if file.is_file():
            if file.stat().st_size > _MAX_SMALL_FILE:
                raise CheckpointError(f"{file} has {file.stat().st_size} bytes, too many for such a file.")
            found[name] = file.read_bytes()
    return found


def _read_folder(folder: Path, name: str, source: str, like: str | None) -> Checkpoint:
    files = _small_files(folder)
    if sentence_transformers.FILE in files:
        inner = sentence_transformers.model_path(files[sentence_transformers.FILE], str(folder))
        if (folder / inner).resolve() != folder.resolve():
            return _read_folder(folder / inner, name, source, like)
    layout: Layout
    open_clip_weights = [n for n in _OPEN_CLIP_WEIGHTS if (folder / n).is_file()]
    hf_weights = [n for n in _HF_WEIGHTS if (folder / n).is_file()]
    if native.FILE in files:
        layout, weights = "wordsight", [n for n in (native.WEIGHTS,) if (folder / n).is_file()]
    elif open_clip.FILE in files and open_clip_weights:
        layout, weights = "open_clip", open_clip_weights
    elif "config.json" in files and hf_weights:
        layout, weights = "hf", hf_weights
    elif lora.FILE in files:
        return _read_adapted(folder, files, name, source, like)
    else:
        return _read_only_file(folder, name, source, like)
    if not weights:
        raise CheckpointError(f"{folder} has a configuration but no {WEIGHTS[layout]}; fetch the folder again.")
    _refuse_needless(like, folder)
    parts = Parts(layout, files, _read_tensors(folder / weights[0])[0])
    if lora.FILE in files:
        return _read_with_adapter(parts, folder, name, source, folder)
    return _checked(parts, name, source, folder)


def _read_adapted(folder: Path, files: Mapping[str, bytes], name: str, source: str, like: str | None) -> Checkpoint:
    """Read a folder that holds an adapter alone, with the model that its configuration names, if that is a folder."""
    base = str(read_json(files, lora.FILE).get("base_model_name_or_path") or "")
    # as PEFT wrote it: seen from where training ran, or from beside the adapter
    found = [place for place in (Path(base).expanduser(), folder / base) if base and place.is_dir()]
    if not found or found[0].resolve() == folder.resolve():
        raise CheckpointError(f"{folder}: {lora.alone(base)}")
    layout: Layout
    for layout, config, weights in (
        ("open_clip", open_clip.FILE, _OPEN_CLIP_WEIGHTS),
        ("hf", "config.json", _HF_WEIGHTS),
    ):
        there = [file for file in weights if (found[0] / file).is_file()]
        if there and (found[0] / config).is_file():
            _refuse_needless(like, folder)
            parts = Parts(layout, _small_files(found[0]), _read_tensors(found[0] / there[0])[0])
            return _read_with_adapter(parts, folder, name, source, found[0])
    raise CheckpointError(
        f"{folder}: the adapter's model {base!r} is a folder without config.json and weights in Hugging Face's layout. "
        f"Correct base_model_name_or_path in {lora.FILE}, or put the adapter into the model's folder."
    )


def _read_with_adapter(parts: Parts, adapter: Path, name: str, source: str, base: Path) -> Checkpoint:
    """Return a model with the adapter of the folder `adapter` folded into its weights; its provenance says so."""
    config = read_json(_small_files(adapter), lora.FILE)
    weights = [file for file in lora.WEIGHTS if (adapter / file).is_file()]
    if not weights:
        raise CheckpointError(
            f"{adapter} has {lora.FILE} but none of {', '.join(lora.WEIGHTS)}: fetch the adapter again, or remove "
            f"{lora.FILE} to use the model without it."
        )
    try:
        tensors = lora.fold(parts.tensors, _read_tensors(adapter / weights[0])[0], config)
    except CheckpointError as error:
        raise type(error)(f"{adapter}: {error}") from error
    read = _checked(replace(parts, tensors=tensors), name, source, adapter)
    note = f"{lora.FILE}: a LoRA adapter, folded into the weights of {base}"
    return replace(read, spec=replace(read.spec, provenance={**read.spec.provenance, "adapter": note}))


def _read_only_file(folder: Path, name: str, source: str, like: str | None) -> Checkpoint:
    single = sorted(file for file in folder.iterdir() if file.suffix in _ENDINGS)
    if len(single) == 1:
        return _read_file(single[0], name, source, like)
    seen = ", ".join(sorted(p.name for p in folder.iterdir())[:6]) or "nothing"
    inner = sentence_transformers.nested(folder, (*_OPEN_CLIP_WEIGHTS, *_HF_WEIGHTS))
    seen += f". A checkpoint lies in {inner}: name {folder / inner}" if inner else ""
    raise CheckpointError(
        f"{folder} is no checkpoint: it holds {seen}. Expected config.json with model.safetensors (Hugging Face), "
        "open_clip_config.json with open_clip_model.safetensors, wordsight.json with model.safetensors, or one .pt."
    )


def _read_tensors(path: Path) -> tuple[Mapping[str, np.ndarray], str]:
    """Return (tensors, "safetensors" | "torchscript" | "state_dict" | "shards"), by content, not by the ending.

    The prefixes that training leaves are taken off the names, whatever the file's kind.
    """
    tensors, kind = _read_named(path)
    return prefixes.without_prefixes(tensors), kind


def _read_named(path: Path) -> tuple[Mapping[str, np.ndarray], str]:
    if path.name.endswith(".index.json"):
        return read_sharded(path, lambda shard: _read_named(shard)[0]), "shards"
    with path.open("rb") as file:
        start = file.read(9)
    # safetensors: a length below 2**32 in eight bytes, then a JSON object
    if path.suffix == ".safetensors" or (start[4:8] == bytes(4) and start[8:9] == b"{"):
        return read_safetensors(path), "safetensors"
    return read_torch_file(path)


def _read_file(path: Path, name: str, source: str, like: str | None) -> Checkpoint:
    files = _small_files(path.parent)
    tensors, kind = _read_tensors(path)
    if lora.is_adapter(tensors):
        if lora.FILE in files and path.name in lora.WEIGHTS:
            return _read_folder(path.parent, name, source, like)
        raise CheckpointError(f"{path}: {lora.alone('')}")
    own = _own_facts(path, files, tensors, kind)
    if own is not None:
        _refuse_needless(like, path)
        return _checked(own, name, source, path)
    if not any(key.startswith("visual.") for key in tensors):
        shown = ", ".join(list(tensors)[:4])
        raise CheckpointError(
            f"{path} is no CLIP: its tensors are {shown} …; expected names such as visual.conv1.weight."
            f"{prefixes.told(tensors)}"
        )
    known = catalog.find(like) if like else _recognised(path)
    if known is None:
        raise CheckpointError(
            f"{path} is an open_clip file, and nothing beside it says its activation and preprocessing, which must "
            f"not be guessed. Put its {open_clip.FILE} into the same folder, or say which model it is: "
            "--like ViT-B-32/laion2b_s34b_b79k (read_checkpoint(..., like=...))."
        )
    inferred = _checked(Parts("openai", {}, open_clip_names.to_canonical(tensors)), name, source, path)
    return catalog.with_facts(inferred, known)


def _own_facts(path: Path, files: dict[str, bytes], tensors: Mapping[str, np.ndarray], kind: str) -> Parts | None:
    """Return the parts of a file whose facts are told by its layout or by what lies beside it; else None."""
    if native.FILE in files and path.name == native.WEIGHTS:
        return Parts("wordsight", files, tensors)
    if any(key.startswith(("text_model.", "vision_model.")) for key in tensors):
        if "config.json" not in files:
            raise CheckpointError(
                f"{path} has Hugging Face's names; its config.json is missing beside it. Fetch the folder."
            )
        return Parts("hf", files, tensors)
    if kind == "torchscript" or openai.is_openai(tensors):
        return Parts("openai", {}, tensors)
    if open_clip.FILE in files and any(key.startswith("visual.") for key in tensors):
        return Parts("open_clip", files, tensors)
    return None


def _recognised(path: Path) -> str | None:
    """Return the catalogue name of a file that was published under this name with this hash."""
    name = catalog.by_file(path.name)
    sha256 = catalog.MODELS[name].get("sha256") if name else None
    return name if sha256 and hub.sha256_of(path).startswith(sha256) else None


def _checked(parts: Parts, name: str, source: str, where: Path) -> Checkpoint:
    checkpoint = to_checkpoint(parts, name=name, source=source, where=str(where))
    own = parts.layout == "wordsight"  # which may hold whole numbers, as quantised towers do
    tensors = {name: t for name, t in checkpoint.tensors.items() if not (own and t.dtype.kind in "iu")}
    validate.check_finite(tensors, str(where))
    if parts.layout == "wordsight":
        return replace(checkpoint, folder=where if where.is_dir() else where.parent)
    return checkpoint


def write_checkpoint(checkpoint: Checkpoint, destination: str | Path, layout: Layout) -> None:
    """Write a model in a layout: a new folder, or for "openai" a new `.pt` file; reading it back gives the same.

    Everything is written beside the destination first and renamed when whole, so nothing half-made is left.

    Raises: InputError for a destination that exists or a disk that is full; CheckpointError where the layout cannot
        hold the model.
    """
    destination = Path(destination).expanduser()
    parts = to_parts(checkpoint, layout)
    if destination.exists() and not (destination.is_dir() and layout != "openai" and not any(destination.iterdir())):
        raise InputError(f"{destination} exists already; give another destination, or remove it first.")
    temporary: Path | None = None
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        _check_room(parts, destination)
        temporary = Path(tempfile.mkdtemp(prefix=f".{destination.name}-", dir=destination.parent))
        temporary.chmod(0o755)
        if layout == "openai":
            write_torch_file(parts.tensors, temporary / "model.pt")
            os.replace(temporary / "model.pt", destination)
        else:
            for name, content in parts.files.items():
                (temporary / name).write_bytes(content)
            write_safetensors(parts.tensors, temporary / WEIGHTS[layout])
            if destination.is_dir():
                destination.rmdir()  # empty, as was checked; some systems rename onto nothing only
            os.replace(temporary, destination)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(f"The disk of {destination} is full; nothing was left there. Free some space.") from error
        raise InputError(
            f"{destination} cannot be written ({error.strerror or error}); choose another place."
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


def _check_room(parts: Parts, destination: Path) -> None:
    needed = sum(t.nbytes for t in parts.tensors.values()) + sum(map(len, parts.files.values()))
    free = shutil.disk_usage(destination.parent).free
    if free < needed:
        raise InputError(
            f"{destination} needs {needed / 2**20:.0f} MiB, but its disk has {free / 2**20:.0f} MiB left; make room."
        )
