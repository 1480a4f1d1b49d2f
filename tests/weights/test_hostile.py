"""Checkpoints made to do harm: each is read, or refused with an error of ours, at once and in little memory.

Each kind of attack is one test; `test_mutated_…` add random damage with fixed seeds.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pickle
import random
import shutil
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import random_models
import tiny
import torch

from wordsight.errors import CheckpointError, WordsightError
from wordsight.spec import TokenizerSpec
from wordsight.text.tokenizer import Tokenizer
from wordsight.weights import pickles
from wordsight.weights.layouts import openai
from wordsight.weights.read import read_checkpoint
from wordsight.weights.safetensors_file import read_safetensors
from wordsight.weights.torch_file import read_torch_file, write_torch_file
from wordsight.weights.write import write_checkpoint

AT_ONCE = 5.0  # seconds, on a slow and busy machine


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < AT_ONCE


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small wordsight folder with a tokenizer.json."""
    folder = tmp_path_factory.mktemp("native")
    tiny.tiny_siglip_tokenizer(folder)
    files = {name: (folder / name).read_bytes() for name in ("tokenizer.json", "tokenizer_config.json")}
    text = random_models.text(context_length=16)
    tokenizer = TokenizerSpec(
        kind="tokenizer_json", context_length=16, vocab_size=50, bos_id=None, eos_id=1, pad_id=1, clean="none"
    )
    spec = dataclasses.replace(random_models.spec_of(random_models.vit(layers=1), text), tokenizer=tokenizer)
    write_checkpoint(
        dataclasses.replace(random_models.random_checkpoint(spec), tokenizer_files=files), folder / "x", "wordsight"
    )
    return folder / "x"


@pytest.fixture(scope="module")
def open_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.tiny_open_clip(tmp_path_factory.mktemp("open_clip") / "x")


def open_with_tokenizer(place: Path) -> None:
    checkpoint = read_checkpoint(place)
    Tokenizer(checkpoint.spec.tokenizer, checkpoint.tokenizer_files)(["a photo of the cat"])


def changed(base: Path, folder: Path, file: str, path: tuple[str, ...], value: Any) -> Path:
    """A copy of a folder in which one value of a JSON file is another one."""
    shutil.copytree(base, folder)
    config = json.loads((folder / file).read_text())
    inner = config
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    (folder / file).write_text(json.dumps(config))
    return folder


# --- numbers ----------------------------------------------------------------------------------------------------------

WHOLE = [10**9, 10**12, 10**400, -1, 0, 1.5, True, "12", [1] * 4, None, {}, float("inf")]
REAL = [1e308, 10**400, float("nan"), float("inf"), -float("inf"), "1", [1.0], {}]


@pytest.mark.parametrize("value", WHOLE, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize(
    "place",
    ["image.image_size", "image.patch_size", "image.layers", "image.heads", "image.width", "text.layers",
     "text.vocab_size", "text.context_length", "tokenizer.context_length", "preprocess.image_size", "embed_dim"],
)  # fmt: skip
def test_sizes_that_no_model_has(native: Path, tmp_path: Path, place: str, value: Any) -> None:
    folder = changed(native, tmp_path / "x", "wordsight.json", tuple(place.split(".")), value)
    with pytest.raises(CheckpointError, match=r"wordsight\.json|spec|x:"):
        read_checkpoint(folder)


@pytest.mark.parametrize("value", REAL, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("place", ["image.norm_eps", "text.norm_eps", "logit_scale", "logit_bias"])
def test_real_numbers_that_no_model_has(native: Path, tmp_path: Path, place: str, value: Any) -> None:
    with pytest.raises(CheckpointError, match=place.rpartition(".")[2]):
        read_checkpoint(changed(native, tmp_path / "x", "wordsight.json", tuple(place.split(".")), value))


@pytest.mark.parametrize("value", [[float("nan")] * 3, [0, 0, 0], [1e-300] * 3, [1e300] * 3, [float("inf")] * 3])
def test_a_std_that_no_model_has(native: Path, tmp_path: Path, value: list[float]) -> None:
    with pytest.raises(CheckpointError, match=r"preprocess\.std is .*expected a number from 0\.001 to 100"):
        read_checkpoint(changed(native, tmp_path / "x", "wordsight.json", ("preprocess", "std"), value))


@pytest.mark.parametrize("name", ["bos_id", "eos_id", "pad_id"])
@pytest.mark.parametrize("value", [50, 2**31, 10**30, -1])
def test_token_ids_outside_the_vocabulary(native: Path, tmp_path: Path, name: str, value: int) -> None:
    with pytest.raises(CheckpointError, match=rf"tokenizer\.{name} is .*expected a token of the vocabulary: 0 to 49"):
        read_checkpoint(changed(native, tmp_path / "x", "wordsight.json", ("tokenizer", name), value))


def test_a_tokenizer_of_more_tokens_than_the_text_tower_embeds(native: Path, tmp_path: Path) -> None:
    folder = changed(native, tmp_path / "x", "wordsight.json", ("tokenizer", "vocab_size"), 51)
    with pytest.raises(CheckpointError, match=r"tokenizer\.vocab_size is 51, expected at most 50, the text tower's"):
        read_checkpoint(folder)


@pytest.mark.parametrize("value", [*WHOLE, 1e308], ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize(
    "place",
    ["vision_cfg.layers", "vision_cfg.head_width", "vision_cfg.image_size", "vision_cfg.mlp_ratio", "text_cfg.layers",
     "text_cfg.mlp_ratio", "text_cfg.context_length"],
)  # fmt: skip
def test_sizes_of_another_layout(open_clip: Path, tmp_path: Path, place: str, value: Any) -> None:
    path = ("model_cfg", *place.split("."))
    folder = changed(open_clip, tmp_path / "x", "open_clip_config.json", path, value)
    try:
        read_checkpoint(folder)
    except CheckpointError:
        return
    assert value is None  # the layout's own default


@pytest.mark.parametrize("number", ["99999999999", "10000000", "²", "9" * 5000], ids=["1e11", "1e7", "²", "digits"])
def test_blocks_numbered_beyond_all_bounds(tmp_path: Path, number: str) -> None:
    checkpoint = random_models.random_checkpoint(random_models.SPECS["vit"])
    parts = openai.from_canonical(checkpoint.spec, checkpoint.tensors)
    renamed = {name.replace("resblocks.0.ln_1", f"resblocks.{number}.ln_1"): each for name, each in parts.items()}
    write_torch_file(renamed, tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match=r"m\.pt"):
        read_checkpoint(tmp_path / "m.pt")


def test_names_cannot_command_a_terminal(native: Path, tmp_path: Path) -> None:
    folder = changed(native, tmp_path / "x", "wordsight.json", ("name",), "\x1b]0;owned\x07cat")
    assert read_checkpoint(folder).spec.name == "\N{REPLACEMENT CHARACTER}]0;owned\N{REPLACEMENT CHARACTER}cat"


# --- JSON and headers -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["wordsight.json", "tokenizer.json"])
@pytest.mark.parametrize(
    "content",
    [b"[" * 500_000 + b"]" * 500_000, b'{"a":[' + b"[]," * 7_000_000 + b"[]]}", b"9" * 10_000, b"\xff\xfe{", b""],
    ids=["deep", "many", "digits", "not utf-8", "empty"],
)
def test_json_that_swells_or_nests(native: Path, tmp_path: Path, file: str, content: bytes) -> None:
    shutil.copytree(native, tmp_path / "x")
    (tmp_path / "x" / file).write_bytes(content)
    with pytest.raises(CheckpointError):
        open_with_tokenizer(tmp_path / "x")


def safetensors(file: Path, header: Any) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + bytes(64))
    return file


@pytest.mark.parametrize(
    "header",
    [
        b'{"a":[' + b"[]," * 5_000_000 + b"[]]}",
        b'{"a":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
        {"a": {"dtype": [], "shape": [4], "data_offsets": [0, 16]}},
        {"a": {"dtype": {}, "shape": [4], "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [0, 2**61], "data_offsets": [0, 0]}},
        {"a": {"dtype": "F32", "shape": [2**61, 2**61, 0], "data_offsets": [0, 0]}},
        {"a": {"dtype": "F32", "shape": {"4": 1}, "data_offsets": [0, 16]}},
        {"a": {"dtype": "F32", "shape": [float("nan")], "data_offsets": [0, 16]}},
    ],
    ids=["many", "deep", "dtype list", "dtype dict", "huge and empty", "huge and empty 2", "shape dict", "nan"],
)
def test_safetensors_headers_of_odd_kinds(tmp_path: Path, header: Any) -> None:
    with pytest.raises(CheckpointError, match=r"m\.safetensors"):
        read_safetensors(safetensors(tmp_path / "m.safetensors", header))


@pytest.mark.parametrize("shard", ["model.safetensors.index.json", "b.index.json", "../x", "x\0y", "", "x" * 5000, [1]])
def test_an_index_that_leads_elsewhere_or_to_itself(tmp_path: Path, shard: Any) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    for file in ("model.safetensors.index.json", "b.index.json"):
        (tmp_path / file).write_text(json.dumps({"weight_map": {"a": shard}}))
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path)


# --- pickles ----------------------------------------------------------------------------------------------------------


def zipped(file: Path, content: bytes) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", content)
        archive.writestr("archive/data/0", bytes(64))
    return file


MODULE = b"c__torch__\nM\n)R"
SHARED = MODULE + b"q\x00" + (b"0" + MODULE + b"}(Va\nh\x00Vb\nh\x00ubq\x00") * 40  # each holds the last one twice
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n("
STORAGE = b"(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI4\ntQ"


def tensor(offset: int, shape: bytes, strides: bytes) -> bytes:
    made = REBUILD + STORAGE + b"I%d\n" % offset + shape + strides
    return b"(Vvisual.proj\n" + made + b"I00\nccollections\nOrderedDict\n)RtRd."


def integers(count: int) -> bytes:
    return b"".join(b"J" + struct.pack("<i", number) + b"N" for number in range(count))


BOMBS: dict[str, Callable[[], bytes]] = {
    "shared modules, state set": lambda: SHARED + b"Nb.",
    "shared modules as an offset": lambda: SHARED + b"0" + REBUILD + STORAGE + b"h\x00(I4\nt(I1\ntI00\nNtR.",
    "shared modules as a storage": lambda: SHARED + b"0(h\x00h\x00tQ.",
    "shared modules as a model": lambda: SHARED + b".",
    "many lists": lambda: b"]" * 10_000_000 + b".",
    "many modules": lambda: b"c__torch__\nM\nq\x00" + b"h\x00)R" * 1_000_000 + b".",
    "a dictionary copied": lambda: b"}q\x00(" + integers(50_000) + b"u0](" + b"c__torch__\nM\n)Rh\x00b" * 300 + b"e.",
    "keys whose hashes are equal": lambda: b"}(" + b"".join(
        b"\x8a\x10" + (i * (2**61 - 1)).to_bytes(16, "little") + b"N" for i in range(1, 100_000)) + b"u.",
    "a long name": lambda: b"c__torch__\n" + b"M" * 5_000_000 + b"\n)R.",
    "a long attribute": lambda: MODULE + b"}X" + struct.pack("<I", 10**6) + b"x" * 10**6 + MODULE + b"}(Vb\nNubsb.",
    "long text": lambda: b"X" + struct.pack("<I", 80_000_000) + b"a" * 80_000_000 + b".",
    "a line without an end": lambda: b"V" + b"a" * 80_000_000,
    "a long number": lambda: b"L" + b"9" * 1_000_000 + b"L\n.",
    "deep tuples": lambda: b")" + b"\x85" * 1_000_000 + b".",
    "a list in itself": lambda: b"]q\x00(h\x00e.",
    "a huge offset of nothing": lambda: tensor(2**61, b"(I0\nt", b"(I1\nt"),
    "a huge dimension of nothing": lambda: tensor(0, b"(I0\nI2305843009213693951\nt", b"(I1\nI1\nt"),
    "a negative stride": lambda: tensor(3, b"(I4\nt", b"(I-1\nt"),
    "a big expanded tensor": lambda: tensor(0, b"(I1000000000\nt", b"(I0\nt"),
}  # fmt: skip


@pytest.mark.parametrize("bomb", BOMBS)
def test_pickles_that_swell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bomb: str) -> None:
    monkeypatch.setattr(pickles, "MAX_OPCODES", 300_000)
    content = BOMBS[bomb]()
    with pytest.raises(CheckpointError):
        read_checkpoint(zipped(tmp_path / "m.pt", content))


def test_a_stride_of_one_element_may_be_any_number(tmp_path: Path) -> None:
    state, _ = read_torch_file(zipped(tmp_path / "m.pt", tensor(0, b"(I1\nt", b"(I2305843009213693951\nt")))
    assert state["visual.proj"].shape == (1,)


@pytest.mark.parametrize("limit", ["MAX_OPCODES", "MAX_ITEMS", "MAX_BYTES"])
def test_each_limit_of_a_pickle_is_said(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(pickles, limit, 50)
    with pytest.raises(CheckpointError, match=r"more than 50"):
        pickles.read_pickle(pickle.dumps({"a": list(range(200)), "b": [[]] * 60}))


MAGIC = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
ONE = b"\x80\x02}Va\nctorch._utils\n_rebuild_tensor_v2\n((Vstorage\nctorch\nFloatStorage\nVk\nVcpu\nI0\ntQ"


@pytest.mark.parametrize(
    "rest",
    [
        pickle.dumps({}, 2) + pickle.dumps([[1]], 2),
        pickle.dumps({}, 2) + pickle.dumps(5, 2),
        ONE + b"I0\n(I0\nt(I1\ntI00\nNtRs." + b"\x80\x02](Vk\nq\x00" + b"h\x00" * 500_000 + b"e." + bytes(5_000_000),
    ],
    ids=["unhashable", "no list", "one key many times"],
)
def test_legacy_storages_of_odd_kinds(tmp_path: Path, rest: bytes) -> None:
    head = b"".join(pickle.dumps(value, protocol=2) for value in MAGIC)
    (tmp_path / "m.pt").write_bytes(head + rest)
    with pytest.raises(CheckpointError, match=r"m\.pt"):
        read_checkpoint(tmp_path / "m.pt")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressed_archives_are_refused(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "m.pt", "w", method) as archive:
        archive.writestr("archive/data.pkl", b"]" * 100_000 + b".")
    with pytest.raises(CheckpointError, match="is compressed"):
        read_checkpoint(tmp_path / "m.pt")


def test_an_archive_with_a_table_of_entries_larger_than_any(tmp_path: Path) -> None:
    file = zipped(tmp_path / "m.pt", b"(d.")
    content = bytearray(file.read_bytes())
    struct.pack_into("<I", content, content.rfind(b"PK\x05\x06") + 12, 0xFFFFFFF0)
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="table of entries claims 4294967280 bytes"):
        read_checkpoint(file)


# --- tokenizers -------------------------------------------------------------------------------------------------------


def replaced(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def sequence(count: int, step: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": [step] * count}


def split(expression: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}


def charsmap(content: Any) -> dict[str, Any]:
    return {"type": "Precompiled", "precompiled_charsmap": content}


def tokenizer_json(native: Path, **changes: Any) -> bytes:
    return json.dumps({**json.loads((native / "tokenizer.json").read_text()), **changes}).encode()


TOKENIZERS: dict[str, tuple[dict[str, Any], str]] = {
    "laughs": ({"normalizer": sequence(60, replaced({"String": "a"}, "aa"))}, "lengthens"),
    "laughs by expressions": ({"normalizer": sequence(6, replaced({"Regex": "a"}, "a" * 999))}, "lengthens"),
    "prepended": ({"normalizer": {"type": "Prepend", "prepend": "a" * 10**6}}, "a few letters"),
    "many steps": ({"normalizer": sequence(101, {"type": "NFC"})}, "more than 100 steps"),
    "repeated repeats": ({"normalizer": replaced({"Regex": "(a+)+$"}, "x")}, "take forever"),
    "repeated branches": ({"normalizer": replaced({"Regex": "(a|a)*b"}, "x")}, "take forever"),
    "back reference": ({"normalizer": replaced({"Regex": r"(.*)\1z"}, "x")}, "take forever"),
    "counted repeats": ({"pre_tokenizer": split("(((a{1,1000}){1,1000}){1,1000})")}, "take forever"),
    "deep expression": ({"pre_tokenizer": split("(" * 10**5 + ")" * 10**5)}, "take forever"),
    "no expression": ({"normalizer": replaced({"Regex": "("}, "x")}, "cannot be read"),
    "map of zeros": ({"normalizer": charsmap("AAAAAAAA")}, "leads outside"),
    "map cut short": ({"normalizer": charsmap("AAQAAAEAAAAC////")}, "claims 1024 bytes"),
    "map of another kind": ({"normalizer": charsmap([1])}, "not base64"),
    "huge id": ({"model": {"type": "WordLevel", "vocab": {"a": 2**32 - 1}, "unk_token": "a"}}, "ids that are not"),
    "negative id": ({"model": {"type": "WordLevel", "vocab": {"a": -1}, "unk_token": "a"}}, "ids that are not"),
    "unigram without unknown": ({"model": {"type": "Unigram", "vocab": [["a", 0.0]]}}, "unk_id is None"),
    "unigram of nothing": ({"model": {"type": "Unigram", "unk_id": 0, "vocab": []}}, "unk_id is 0"),
    "unigram of NaN": ({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["a", float("nan")]]}}, "piece 0"),
    "dropout": ({"model": {"type": "BPE", "dropout": 0.5, "vocab": {"a": 0}, "merges": []}}, "random"),
    "merge of nothing": ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a z"]}}, "cannot be read"),
    "added id": ({"added_tokens": [{"id": 2**40, "content": "x"}]}, "has the id"),
    "added nothing": ({"added_tokens": [{"id": 4, "content": ""}]}, "with a content"),
    "no model": ({"model": None}, "no model"),
}  # fmt: skip
SPEC = TokenizerSpec(
    kind="tokenizer_json", context_length=16, vocab_size=50, bos_id=None, eos_id=1, pad_id=1, clean="none"
)


@pytest.mark.parametrize("attack", TOKENIZERS)
def test_tokenizers_that_hang_swell_or_crash(native: Path, attack: str) -> None:
    changes, reason = TOKENIZERS[attack]
    with pytest.raises(CheckpointError, match=reason):
        Tokenizer(SPEC, {"tokenizer.json": tokenizer_json(native, **changes)})(["a photo of the cat", "a" * 40 + "b"])


def test_a_tokenizer_that_fails_on_a_text(native: Path) -> None:
    model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "absent"}
    tokenizer = Tokenizer(SPEC, {"tokenizer.json": tokenizer_json(native, model=model)})
    with pytest.raises(CheckpointError, match=r"cannot read these texts \(.*\[UNK\]"):
        tokenizer(["a cat"])


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(native: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.pt")
    (tmp_path / "only").mkdir()
    os.mkfifo(tmp_path / "only" / "m.pt")
    shutil.copytree(native, tmp_path / "x")
    (tmp_path / "x" / "wordsight.json").unlink()
    os.mkfifo(tmp_path / "x" / "wordsight.json")
    for place in ("m.pt", "only", "x"):
        with pytest.raises(CheckpointError, match="is not a regular file"):
            read_checkpoint(tmp_path / place)


# --- random damage ----------------------------------------------------------------------------------------------------


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Bytes flipped, cut out, doubled or overwritten, mostly near the beginning, where headers are."""
    made = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 8, 40])):
        at = chance.randrange(min(len(made), chance.choice([64, 2000, len(made)])) or 1)
        match chance.randrange(5):
            case 0:
                made[at] ^= 1 << chance.randrange(8)
            case 1:
                made[at] = chance.choice(b'\x00\xff[{"\\9-')
            case 2:
                del made[at : at + chance.choice([1, 8, 300])]
            case 3:
                made[at:at] = made[at : at + chance.choice([1, 8, 300])]
            case _:
                made[at : at + 4] = chance.choice([b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"9999"])
        made = made or bytearray(b"\0")
    return bytes(made)


def opens_or_is_refused(place: Path) -> None:
    with contextlib.suppress(WordsightError):
        open_with_tokenizer(place)


@pytest.mark.parametrize("file", ["wordsight.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.filterwarnings("ignore")
def test_mutated_folders(native: Path, tmp_path: Path, file: str) -> None:
    shutil.copytree(native, tmp_path / "x")
    content = (native / file).read_bytes()
    chance = random.Random(file)
    for _ in range(60):
        (tmp_path / "x" / file).write_bytes(damaged(content, chance))
        opens_or_is_refused(tmp_path / "x")


@pytest.mark.parametrize("kind", ["zip", "legacy"])
@pytest.mark.filterwarnings("ignore")
def test_mutated_torch_files(native: Path, tmp_path: Path, kind: str) -> None:
    state = {name: torch.from_numpy(np.array(each)) for name, each in read_checkpoint(native).tensors.items()}
    torch.save(state, tmp_path / "good.pt", _use_new_zipfile_serialization=kind == "zip")
    content, chance = (tmp_path / "good.pt").read_bytes(), random.Random(kind)
    for _ in range(100):
        (tmp_path / "m.pt").write_bytes(damaged(content, chance))
        opens_or_is_refused(tmp_path / "m.pt")
