"""Opening by name, file and folder: what is found, what is fetched, and what is said when it cannot be."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import struct
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from click.testing import CliRunner
from safetensors.numpy import load_file, save_file

from wordsight.cli import group
from wordsight.errors import CheckpointError, InputError, OfflineError, UnknownModelError, UnsafePickleError
from wordsight.hashes import compute_sha256
from wordsight.weights import catalog, hub, read, read_files, write
from wordsight.weights.read import read_checkpoint
from wordsight.weights.safetensors_file import read_safetensors, write_safetensors
from wordsight.weights.write import write_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.tiny_open_clip(tmp_path_factory.mktemp("made") / "open_clip")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> Any:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", refuse)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)


# --- names ------------------------------------------------------------------------------------------------------------


def test_a_folder_a_file_and_local_dir_are_the_same_model(folder: Path) -> None:
    first = read_checkpoint(folder)
    assert read_checkpoint(str(folder)).fingerprint == first.fingerprint
    assert read_checkpoint(f"local-dir:{folder}").fingerprint == first.fingerprint
    assert read_checkpoint(folder / "open_clip_model.safetensors").fingerprint == first.fingerprint
    assert (first.spec.name, first.spec.source) == ("open_clip", str(folder))


def test_an_unknown_name_says_what_was_meant() -> None:
    with pytest.raises(UnknownModelError, match=r"Did you mean: .*ViT-B-32/laion2b_s34b_b79k"):
        read_checkpoint("ViT-B-32/laion2b_s34b_b79")
    with pytest.raises(UnknownModelError, match="Did you mean: mini"):
        read_checkpoint("minni")


@pytest.mark.parametrize(
    "path", ["./nowhere", "/nowhere/model.pt", "nowhere.safetensors", Path("nowhere"), "local-dir:/nope"]
)
def test_a_path_that_is_not_there(path: str | Path) -> None:
    with pytest.raises(CheckpointError, match=r"There is no file or folder '[^:]*'; expected a checkpoint"):
        read_checkpoint(path)


def test_a_folder_that_is_no_checkpoint_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").touch()
    with pytest.raises(CheckpointError, match=r"not a checkpoint: it holds cat\.jpg\. Expected config\.json"):
        read_checkpoint(tmp_path / "photos")


def test_a_missing_bundled_model_says_where_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from importlib import resources

    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    with pytest.raises(CheckpointError, match="no bundled model"):
        read_checkpoint("mini")


@pytest.mark.parametrize("name", ["ViT-B-32/openai", "ViT-B/32", "ViT-L-14/laion2b_s32b_b82k", "hf-hub:org/repo"])
@pytest.mark.usefixtures("no_network")
def test_no_network_says_what_to_do_offline(name: str) -> None:
    with pytest.raises(OfflineError, match=r"could not be fetched.*On a machine with a network.*`mini`"):
        read_checkpoint(name)


@pytest.mark.parametrize("repo", ["noslash", "a/b/c", "../x", ""])
def test_a_hub_name_that_is_none(repo: str) -> None:
    with pytest.raises(UnknownModelError, match="expected hf-hub:organisation/name"):
        read_checkpoint(f"hf-hub:{repo}")


OPEN_CLIP = "open_clip_model.safetensors"


# --- the hub ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("available", "weights_chosen"),
    [
        (["config.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5"], ["model.safetensors"]),
        (
            ["open_clip_config.json", "open_clip_model.safetensors", "model.safetensors"],
            ["open_clip_model.safetensors"],
        ),
        (["open_clip_config.json", "open_clip_pytorch_model.bin"], ["open_clip_pytorch_model.bin"]),
        (["config.json", "pytorch_model.bin"], ["pytorch_model.bin"]),
        (
            ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
        ),
    ],
)
def test_only_one_set_of_weights_is_fetched(available: list[str], weights_chosen: list[str]) -> None:
    chosen = hub.choose_files([*available, "README.md", "training.log", "tokenizer.json"])
    assert [name for name in chosen if name.endswith((".safetensors", ".bin", ".index.json"))] == weights_chosen
    assert "tokenizer.json" in chosen
    assert "README.md" not in chosen


def test_a_repository_without_weights() -> None:
    with pytest.raises(CheckpointError, match=r"README\.md.*no weights"):
        hub.choose_files(["README.md", "onnx/model.onnx"])


def test_a_hub_model_is_fetched_and_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: dict[str, Any] = {}

    def snapshot(repo: str, **options: Any) -> str:
        asked.update(repo=repo, **options)
        return str(folder)

    listed = ["open_clip_config.json", "open_clip_model.safetensors", "README.md"]
    about = SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in listed])
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_, **__: about)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    read = read_checkpoint("hf-hub:org/repo@v2")
    assert (asked["repo"], asked["revision"], asked["allow_patterns"]) == ("org/repo", "v2", listed[:2])
    assert read.spec.source == "https://huggingface.co/org/repo@v2"
    assert os.environ["HF_HUB_DISABLE_TELEMETRY"] == "1"
    name = "ViT-B-32/laion2b_s34b_b79k"
    with pytest.raises(CheckpointError, match=r"takes images of 32 px .*, but ViT-B-32/laion2b_s34b_b79k has 224 px"):
        read_checkpoint(name)
    monkeypatch.setitem(catalog.MODELS, name, {**catalog.MODELS[name], "image_size": 32, "embed_dim": 48})
    known = read_checkpoint(name)
    assert (known.spec.name, known.spec.licence) == (name, "MIT")
    assert known.spec.facts() == read.spec.facts()
    assert known.spec.provenance["preprocess.mean"] == "open_clip_config.json: preprocess_cfg.mean"
    quick = {**catalog.MODELS[name], "activation": "quick_gelu", "preprocess": "half"}
    monkeypatch.setitem(catalog.MODELS, name, quick)
    told = read_checkpoint(name).spec
    assert told.image.activation == "quick_gelu"  # type: ignore[union-attr]
    assert told.provenance["image.activation"] == f"catalogue: {name}"  # the configuration has no key for it
    assert told.preprocess.mean == known.spec.preprocess.mean  # the configuration states it
    assert told.provenance["preprocess.mean"].endswith("; the catalogue says (0.5, 0.5, 0.5)")


def test_what_is_in_the_hubs_cache_needs_no_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def listing(*_: Any, **__: Any) -> Any:
        raise ConnectionError("no route")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", listing)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **options: str(folder))
    assert read_checkpoint("hf-hub:org/repo").spec.name == "org/repo"


def test_a_file_that_may_not_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", "model.pt")

    monkeypatch.setattr(read_files, "read_folder", refuse)
    with pytest.raises(CheckpointError, match=r"model\.pt cannot be read \(Permission denied\); check its permissions"):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), r"does not fit into the memory that is free; end other programs, or use a smaller model\.$"),
        (KeyError("x"), r"cannot be read \(KeyError: 'x'\): it is damaged"),
        (OSError(errno.EIO, "Input/output error"), r"cannot be read \(Input/output error\); check its permissions"),
    ],
)
@pytest.mark.parametrize("name", ["mini", "hf-hub:org/repo", "ViT-B-32/laion2b_s34b_b79k", "ViT-B-32/openai", "path"])
def test_a_failure_is_explained_wherever_the_model_comes_from(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, error: Exception, message: str
) -> None:
    def fail(*_: Any) -> Any:
        raise error

    for module in (read, read_files):
        monkeypatch.setattr(module, "read_folder", fail)
        monkeypatch.setattr(module, "read_file", fail)
    monkeypatch.setattr(hub, "fetch_repo", lambda repo: folder)
    monkeypatch.setattr(hub, "fetch_url", lambda url, **options: folder / "x.pt")
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(folder if name == "path" else name)


# --- downloads by URL -------------------------------------------------------------------------------------------------


class Server:
    """Answers `urlopen` from memory, with ranges, and breaks off after `limit` bytes."""

    def __init__(self, content: bytes, limit: int | None = None, ranges: bool = True) -> None:
        self.content, self.limit, self.ranges, self.asked = content, limit, ranges, []  # type: ignore[var-annotated]

    def __call__(self, request: Any, timeout: float) -> Any:
        begin = 0
        if self.ranges and (asked := request.get_header("Range")):
            begin = int(asked.removeprefix("bytes=").rstrip("-"))
        self.asked.append(begin)
        body = self.content[begin:]

        class Response(io.BytesIO):
            status = 206 if begin else 200
            headers = {"Content-Length": str(len(body))}  # noqa: RUF012

        return Response(body[: self.limit] if self.limit is not None else body)


@pytest.fixture
def catalogued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Make ViT-B-32/openai a tiny file, known by its hash."""
    content = tiny.tiny_openai_vit(tmp_path / "x.pt").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    entry = {**catalog.MODELS["ViT-B-32/openai"], "sha256": sha256, "image_size": 32, "embed_dim": 48}
    monkeypatch.setitem(catalog.MODELS, "ViT-B-32/openai", entry)
    return content


def test_a_catalogued_file_is_fetched_once_and_verified(
    catalogued: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(catalogued)
    monkeypatch.setattr(urllib.request, "urlopen", server)
    seen: list[tuple[int, int]] = []
    read = read_checkpoint("ViT-B/32", progress=lambda done, total: seen.append((done, total)))
    assert (read.spec.name, read.spec.licence) == ("ViT-B-32/openai", "MIT")
    assert seen[-1] == (len(catalogued), len(catalogued))
    assert read_checkpoint("ViT-B-32/openai").fingerprint == read.fingerprint
    assert server.asked == [0]
    assert len(list((cache / "weights").iterdir())) == 1


def test_a_broken_off_download_goes_on_where_it_ended(catalogued: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", Server(catalogued, limit=1000))
    with pytest.raises(OfflineError, match="ended after 1000 of"):
        read_checkpoint("ViT-B/32")
    server = Server(catalogued)
    monkeypatch.setattr(urllib.request, "urlopen", server)
    read_checkpoint("ViT-B/32")
    assert server.asked == [1000]


def test_a_server_without_ranges_is_asked_for_everything(catalogued: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", Server(catalogued, limit=1000))
    with pytest.raises(OfflineError):
        read_checkpoint("ViT-B/32")
    monkeypatch.setattr(urllib.request, "urlopen", Server(catalogued, ranges=False))
    assert read_checkpoint("ViT-B/32").spec.name == "ViT-B-32/openai"


def test_another_hash_is_thrown_away(catalogued: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urllib.request, "urlopen", Server(catalogued[:-1] + b"?"))
    with pytest.raises(CheckpointError, match=r"came with the SHA-256 .*, expected .*discarded"):
        read_checkpoint("ViT-B/32")
    assert list((cache / "weights").iterdir()) == []


def test_two_downloads_of_one_file_at_once_fetch_it_once(
    catalogued: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, release, fetching = Server(catalogued), threading.Event(), threading.Event()

    def wait_in_the_middle(request: Any, timeout: float) -> Any:
        response = server(request, timeout)
        fetching.set()
        assert release.wait(30)
        return response

    monkeypatch.setattr(urllib.request, "urlopen", wait_in_the_middle)
    with ThreadPoolExecutor(2) as pool:
        reading = [pool.submit(read_checkpoint, "ViT-B/32") for _ in range(2)]
        assert fetching.wait(30)
        time.sleep(0.2)  # for the other one to come to the lock
        release.set()
        first, second = (each.result(timeout=60) for each in reading)
    assert first.fingerprint == second.fingerprint
    assert server.asked == [0]
    assert len(list((cache / "weights").iterdir())) == 1


# --- open_clip files without a configuration --------------------------------------------------------------------------


def bare(folder: Path, destination: Path) -> Path:
    shutil.copy(folder / "open_clip_model.safetensors", destination)
    return destination


def test_an_activation_is_not_guessed(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"must not be guessed.*--like"):
        read_checkpoint(bare(folder, tmp_path / "model.safetensors"))


@pytest.mark.parametrize(("like", "activation"), [("ViT-B-32/openai", "quick_gelu"), ("ViT-B-32/laion2b_e16", "gelu")])
def test_like_says_what_no_shape_tells(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, like: str, activation: str
) -> None:
    monkeypatch.setitem(catalog.MODELS, like, {**catalog.MODELS[like], "image_size": 32, "embed_dim": 48})
    spec = read_checkpoint(bare(folder, tmp_path / "model.safetensors"), like=like).spec
    assert (spec.image.activation, spec.text.activation) == (activation, activation)  # type: ignore[union-attr]
    assert spec.provenance["image.activation"] == f"catalogue: {like}"


def test_like_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    file = bare(folder, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"takes images of 32 px and gives 48 dimensions, but ViT-L"):
        read_checkpoint(file, like="ViT-L-14/openai")
    with pytest.raises(CheckpointError, match="use hf-hub:timm/ViT-B-16-SigLIP"):
        read_checkpoint(file, like="ViT-B-16-SigLIP/webli")
    with pytest.raises(UnknownModelError, match="Did you mean: ViT-B-32/openai"):
        read_checkpoint(file, like="ViT-B-32/openia")


def test_like_is_refused_where_the_model_says_its_facts_itself(folder: Path) -> None:
    for model in (folder, "mini"):
        with pytest.raises(InputError, match=r"already has its configuration.*leave --like"):
            read_checkpoint(model, like="ViT-B-32/openai")


def test_a_published_file_is_known_by_its_name_and_hash(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = bare(folder, tmp_path / "vit_b_32-laion2b_e16-af8dbd0c.pth")
    with pytest.raises(CheckpointError, match="must not be guessed"):
        read_checkpoint(file)  # the name alone proves nothing
    name = "ViT-B-32/laion2b_e16"
    entry = {**catalog.MODELS[name], "sha256": compute_sha256(file)[:8], "image_size": 32, "embed_dim": 48}
    monkeypatch.setitem(catalog.MODELS, name, entry)
    assert read_checkpoint(file).spec.image.activation == "gelu"  # type: ignore[union-attr]


# --- files that are broken --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "too few|begins with"),
        (b"GIF89a, not a checkpoint", "claims a header of|begins with"),
        (b"<!DOCTYPE html><html>the hub's error page</html>", "claims a header of|begins with"),
        (b"\x80\x02cos\nsystem\n(Vtrue\ntR.", "asks for os.system"),
    ],
)
@pytest.mark.parametrize("name", ["model.safetensors", "model.pt", "model.bin"])
def test_what_is_no_checkpoint(tmp_path: Path, content: bytes, reason: str, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    if name == "model.safetensors" and b"system" in content:
        reason = "claims a header of"
    with pytest.raises(CheckpointError, match=rf"{name}.*({reason})"):
        read_checkpoint(tmp_path / name)


def test_a_pickle_in_a_folder_cannot_run(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "open_clip_config.json").write_bytes((folder / "open_clip_config.json").read_bytes())
    (tmp_path / "open_clip_pytorch_model.bin").write_bytes(b"\x80\x02cos\nsystem\n(Vtrue\ntR.")
    with pytest.raises(UnsafePickleError, match=r"open_clip_pytorch_model\.bin: The pickle asks for os\.system"):
        read_checkpoint(tmp_path)


def test_another_network_is_no_clip(tmp_path: Path) -> None:
    torch.save({"fc.weight": torch.ones(2, 2)}, tmp_path / "resnet.pt")
    with pytest.raises(CheckpointError, match=r"not a CLIP: its tensors are fc\.weight"):
        read_checkpoint(tmp_path / "resnet.pt")


def write_raw(file: Path, header: Any, body: bytes = b"\0" * 16) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return file


def entry(begin: int, end: int, shape: Any = (4,), dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (b"not json", "no readable safetensors header"),
        (b"[1, 2]", "no readable safetensors header"),
        (b"[" * 5000, "no readable safetensors header"),
        ({"a": 1}, "entry of a is malformed"),
        ({"a": {"dtype": "F32"}}, "entry of a is malformed"),
        ({"a": entry(0, 16, dtype="F8")}, "dtype 'F8'"),
        ({"a": entry(0, 32, (8,))}, "should end at byte 32, but there are 16"),
        ({"a": entry(0, 12)}, "do not fit"),
        ({"a": entry(0, 16, (2, -2))}, "that no tensor has"),
        ({"a": entry(0, 16, ("4",))}, "that no tensor has"),
        ({"a": entry(0, 16, (1 << 40, 1 << 40))}, "that no tensor has"),
        ({"a": entry(8, 0, (0,))}, "do not fit"),
        ({"a": entry(0, 8, (2,)), "b": entry(4, 12, (2,))}, "b overlaps"),
    ],
)
def test_safetensors_headers_are_not_believed(tmp_path: Path, header: Any, reason: str) -> None:
    with pytest.raises(CheckpointError, match=rf"x\.safetensors.*{reason}"):
        read_safetensors(write_raw(tmp_path / "x.safetensors", header))


@pytest.mark.parametrize("kept", [0, 4, 8, 100, -1])
def test_truncated_safetensors(folder: Path, tmp_path: Path, kept: int) -> None:
    file = tmp_path / "open_clip_model.safetensors"
    file.write_bytes((folder / file.name).read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"open_clip_model\.safetensors.*truncated or damaged. Fetch it again"):
        read_safetensors(file)


def test_safetensors_are_mapped_and_equal_the_reference_reader(folder: Path, tmp_path: Path) -> None:
    theirs = load_file(folder / "open_clip_model.safetensors")
    ours = read_safetensors(folder / "open_clip_model.safetensors")
    assert all(np.array_equal(ours[name], tensor) for name, tensor in theirs.items())
    assert not any(tensor.flags.writeable for tensor in ours.values())
    assert not any(tensor.flags.owndata for tensor in ours.values())
    write_safetensors({**ours, "empty": np.zeros((0, 2), np.float16)}, tmp_path / "x.safetensors")
    again = load_file(tmp_path / "x.safetensors")
    assert all(np.array_equal(again[name], tensor) for name, tensor in theirs.items())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_every_width_of_number_is_kept_bit_by_bit(tmp_path: Path, dtype: torch.dtype) -> None:
    from safetensors.torch import load_file as load_torch
    from safetensors.torch import save_file as save_torch

    tensor = torch.linspace(-3, 3, 7).to(dtype)
    save_torch({"a": tensor, "odd": torch.ones(3, dtype=torch.uint8)}, tmp_path / "x.safetensors")
    read = read_safetensors(tmp_path / "x.safetensors")
    assert read["a"].dtype.name == str(dtype).removeprefix("torch.")
    write_safetensors(read, tmp_path / "y.safetensors")
    assert torch.equal(load_torch(tmp_path / "y.safetensors")["a"], tensor)


def test_shards_are_put_together(tmp_path: Path) -> None:
    whole = tiny.tiny_hf_clip(tmp_path / "whole")
    sharded = tmp_path / "sharded"
    shutil.copytree(whole, sharded)
    tensors = load_file(whole / "model.safetensors")
    (sharded / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, part in parts.items():
        save_file({name: tensors[name] for name in part}, sharded / file)
    index = {"weight_map": {name: file for file, part in parts.items() for name in part}}
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    assert read_checkpoint(sharded).fingerprint == read_checkpoint(whole).fingerprint
    in_pickles = tmp_path / "in_pickles"
    shutil.copytree(sharded, in_pickles)
    for file, part in parts.items():
        (in_pickles / file).unlink()
        torch.save({name: torch.tensor(tensors[name]) for name in part}, in_pickles / f"{file[:11]}.bin")
    as_bin = {"weight_map": {name: f"{file[:11]}.bin" for name, file in index["weight_map"].items()}}
    (in_pickles / "model.safetensors.index.json").unlink()
    (in_pickles / "pytorch_model.bin.index.json").write_text(json.dumps(as_bin))
    assert read_checkpoint(in_pickles).fingerprint == read_checkpoint(whole).fingerprint
    (sharded / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks the shard model-00002-of-00002\.safetensors"):
        read_checkpoint(sharded)
    index["weight_map"]["logit_scale"] = "../../etc/passwd"
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match="expected a file in the same folder"):
        read_checkpoint(sharded)


# --- writing ----------------------------------------------------------------------------------------------------------


def test_nothing_is_overwritten(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").touch()
    with pytest.raises(InputError, match="exists already"):
        write_checkpoint(read_checkpoint(folder), tmp_path / "full", "wordsight")
    (tmp_path / "empty").mkdir()
    write_checkpoint(read_checkpoint(folder), tmp_path / "empty", "wordsight")
    assert (tmp_path / "empty" / "wordsight.json").is_file()


@pytest.mark.parametrize("layout", ["wordsight", "openai"])
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Any) -> None:
    checkpoint = read_checkpoint(tiny.tiny_openai_vit(tmp_path / "x.pt"))

    def full(tensors: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write, "write_safetensors", full)
    monkeypatch.setattr(write, "write_torch_file", full)
    with pytest.raises(InputError, match=r"disk of .*copy is full; nothing was left there"):
        write_checkpoint(checkpoint, tmp_path / "copy", layout)
    assert [p.name for p in tmp_path.iterdir()] == ["x.pt"]


def test_too_little_room_is_said_beforehand(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))  # type: ignore[attr-defined]
    with pytest.raises(InputError, match=r"needs \d+ MiB, but its disk has 0 MiB left"):
        write_checkpoint(read_checkpoint(folder), tmp_path / "copy", "wordsight")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_checkpoint(read_checkpoint(folder), tmp_path / "file" / "copy", "wordsight")


def test_convert_command(folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(group, ["convert", str(folder), str(tmp_path / "hf"), "--to", "hf"])
    assert result.exit_code == 0
    fingerprint = read_checkpoint(folder).fingerprint
    assert fingerprint in result.output
    assert read_checkpoint(tmp_path / "hf").fingerprint == fingerprint
    assert CliRunner().invoke(group, ["convert", str(folder), "x", "--to", "onnx"]).exit_code == 2
