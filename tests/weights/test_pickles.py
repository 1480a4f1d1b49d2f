"""No code in a checkpoint can run: malicious pickles, damaged ones, and the honest ones that must be read."""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
import sys
import tempfile
import warnings
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wordsight.errors import CheckpointError, UnsafePickleError
from wordsight.weights.pickles import read_pickle
from wordsight.weights.torch_file import read_torch_file, write_torch_file


class Calls:
    """Pickles as `function(*arguments)`: what an attacker writes."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


def short(text: str) -> bytes:
    encoded = text.encode()
    return b"\x8c" + bytes([len(encoded)]) + encoded


def malicious(victim: Path) -> dict[str, bytes]:
    """Pickles each of which makes Python's own unpickler touch `victim`, or would if its helper were registered."""
    touch = f"touch {victim}"
    code = f"open({str(victim)!r}, 'w').close()"
    protocol4 = b"\x80\x04"
    return {
        "os.system": pickle.dumps(Calls(os.system, touch)),
        "eval": pickle.dumps(Calls(eval, code)),
        "exec, protocol 0": pickle.dumps(Calls(exec, code), protocol=0),
        "inside a state dict": pickle.dumps({"state_dict": {"visual.proj": [Calls(os.system, touch)]}}),
        "getattr chain": pickle.dumps(Calls(getattr, Calls(__import__, "os"), "system")),
        "STACK_GLOBAL": protocol4 + short("os") + short("system") + b"\x93" + short(touch) + b"\x85R.",
        "STACK_GLOBAL, names from the memo": protocol4
        + short("os") + b"\x94" + short("system") + b"\x94" + b"h\x00h\x01\x93" + short(touch) + b"\x85R.",
        "GLOBAL": b"cos\nsystem\n(V" + touch.encode() + b"\ntR.",
        "INST": b"(V" + touch.encode() + b"\nios\nsystem\n.",
        "OBJ": b"(cos\nsystem\nV" + touch.encode() + b"\no.",
        "NEWOBJ": b"\x80\x02cos\nsystem\nX" + struct.pack("<I", len(touch)) + touch.encode() + b"\x85\x81.",
        "NEWOBJ_EX": protocol4 + short("os") + short("system") + b"\x93" + short(touch) + b"\x85}\x92.",
        "dotted name behind an allowed module": protocol4
        + short("collections") + short("OrderedDict.__init__.__globals__") + b"\x93.",
        "allowed name of another module": b"cos\n_rebuild_tensor_v2\n)R.",
        "torch.load": b"ctorch\nload\n(V/etc/passwd\ntR.",
        "numpy pickle inside": b"cnumpy\nload\n(V/etc/passwd\ntR.",
        "BUILD of a function": b"ctorch._utils\n_rebuild_tensor_v2\n}(V__code__\nVx\nub.",
        "BUILD with __setstate__": b"ccollections\nOrderedDict\n}(V__setstate__\ncos\nsystem\nub.",
        "BUILD of a class": b"ccollections\nOrderedDict\nN}V__reduce__\nNs\x86b.",
        "EXT1": b"\x80\x02\x82\x01)R.",
        "EXT4": b"\x80\x02\x84\x01\x00\x00\x00)R.",
        "persistent id of another kind": b"(Vstorage\ncos\nsystem\nV0\nVcpu\nI4\ntQ.",
        "persistent id as text": b"Pos.system\n.",
        "persistent id with a path": b"(Vstorage\nctorch\nFloatStorage\nV../../etc/passwd\nVcpu\nI4\ntQ.",
        "call of a call": b"ccollections\nOrderedDict\n)R)R.",
        "append to an object": b"ccollections\nOrderedDict\nI1\na.",
        "buffers out of band": b"\x80\x05\x97.",
    }  # fmt: skip


@pytest.mark.parametrize("attack", list(malicious(Path("victim"))))
def test_nothing_runs(attack: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    content = malicious(victim)[attack]
    with pytest.raises(CheckpointError, match=r"nothing of it was run|expected|damaged"):
        read_pickle(content)
    assert not victim.exists()


@pytest.mark.parametrize("attack", ["os.system", "eval", "GLOBAL", "INST", "OBJ", "STACK_GLOBAL"])
def test_the_attacks_are_real(attack: str, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    pickle.loads(malicious(victim)[attack])
    assert victim.exists()


@pytest.mark.parametrize("attack", list(malicious(Path("victim"))))
def test_nothing_runs_from_a_file(attack: str, tmp_path: Path) -> None:
    victim, file = tmp_path / "victim", tmp_path / "model.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", malicious(victim)[attack])
        archive.writestr("archive/version", "3\n")
    with pytest.raises(CheckpointError, match=r"model\.pt"):
        read_torch_file(file)
    assert not victim.exists()


def test_the_refused_name_is_told() -> None:
    with pytest.raises(UnsafePickleError, match=r"asks for (posix|nt)\.system.*nothing of it was run"):
        read_pickle(pickle.dumps(Calls(os.system, "true")))


def test_reading_imports_nothing() -> None:
    before = set(sys.modules)
    with pytest.raises(UnsafePickleError):
        read_pickle(b"cantigravity\nfly\n)R.")
    assert "antigravity" not in set(sys.modules) - before


def storage(numel: int = 4, key: str = "0", kind: str = "FloatStorage") -> bytes:
    return f"(Vstorage\nctorch\n{kind}\nV{key}\nVcpu\nI{numel}\ntQ".encode()


def tensor(offset: int, shape: bytes, strides: bytes, numel: int = 4) -> bytes:
    arguments = storage(numel) + f"I{offset}\n".encode() + shape + strides + b"I00\nccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR."


@pytest.mark.parametrize(
    ("pickled", "reason"),
    [
        (tensor(1, b"(I4\nt", b"(I1\nt"), "does not fit"),
        (tensor(0, b"(I4\nt", b"(I2\nt"), "does not fit"),
        (tensor(-1, b"(I4\nt", b"(I1\nt"), "offset is -1"),
        (tensor(0, b"(I-4\nt", b"(I1\nt"), "shape is -4"),
        (tensor(0, b"(I4\nt", b"(I-1\nt"), "shape is -1"),
        (tensor(0, b"(I1000000\nt", b"(I0\nt"), "does not fit"),
        (tensor(0, b"(I2\nI2\nt", b"(I1\nt"), "2 dimensions and 1 strides"),
        (tensor(0, b"(" + b"I1\n" * 40 + b"t", b"(" + b"I1\n" * 40 + b"t"), "at most"),
        (tensor(0, b"(F4.0\nt", b"(I1\nt"), "shape is 4.0"),
        (tensor(0, b"Vlong\n", b"(I1\nt"), "shape is 'long'"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n(I0\nI0\n)" + b")tR.", "no storage"),
        (storage(kind="ComplexDoubleStorage") + b".", r"asks for torch\.ComplexDoubleStorage"),
        (storage(numel=-4) + b".", "storage size is -4"),
    ],
)  # fmt: skip
def test_tensors_stay_inside_their_storage(pickled: bytes, reason: str) -> None:
    with pytest.raises(CheckpointError, match=reason.replace("shape is -1", "strides is -1|shape is -1")):
        read_pickle(pickled)


def test_a_storage_that_claims_more_than_the_file_holds(tmp_path: Path) -> None:
    file = tmp_path / "bomb.pt"
    with zipfile.ZipFile(file, "w") as archive:
        body = tensor(0, b"(I1000000000000\nt", b"(I1\nt", numel=10**12)
        archive.writestr("archive/data.pkl", b"(Vvisual.proj\n" + body[:-1] + b"d.")
        archive.writestr("archive/data/0", b"\0" * 16)
    with pytest.raises(CheckpointError, match=r"bomb\.pt.*16 bytes, expected 1000000000000"):
        read_torch_file(file)


def test_a_compressed_bomb_is_not_unpacked(tmp_path: Path) -> None:
    file = tmp_path / "bomb.pt"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"(d.")
        archive.writestr("archive/data/0", b"\0" * 50_000_000)
    with pytest.raises(CheckpointError, match="compressed"):
        read_torch_file(file)


def test_paths_that_climb_are_never_opened(tmp_path: Path) -> None:
    file = tmp_path / "climb.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../data.pkl", b"(d.")
        archive.writestr("archive/data.pkl", b"(d.")
        archive.writestr("archive/data/../../../escaped", b"x")
    with pytest.raises(CheckpointError, match="without one"):
        read_torch_file(file)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["climb.pt"]


@pytest.mark.parametrize("opcode", [b"\x8d", b"\x8e"])
def test_a_string_that_claims_an_exabyte(tmp_path: Path, opcode: bytes) -> None:
    file = tmp_path / "huge.pt"
    file.write_bytes(b"\x80\x04" + opcode + struct.pack("<Q", 2**60) + b"short")
    with pytest.raises(CheckpointError, match=r"huge\.pt.*expected 1152921504606846976 bytes"):
        read_torch_file(file)


def test_laughing_tuples_end_soon() -> None:
    nested = b"(t" + b"2\x86" * 60 + b"."  # t = (t, t), sixty times: 2**60 leaves, one object each
    assert isinstance(read_pickle(nested), tuple)
    with pytest.raises(CheckpointError, match="key of type tuple"):
        read_pickle(b"}" + nested[:-1] + b"Ns.")


def test_containers_that_hold_themselves(tmp_path: Path) -> None:
    file = tmp_path / "loop.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", b"c__torch__\nLoop\n)R\x94}Vself\nh\x00sb.")
    with pytest.raises(CheckpointError, match="nests deeper"):
        read_torch_file(file)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_give_a_clear_error_or_a_value(content: bytes) -> None:
    with contextlib.suppress(CheckpointError):
        read_pickle(content)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.sampled_from([0, 2, 4]))
def test_one_wrong_byte_gives_a_clear_error_or_a_value(place: int, value: int, protocol: int) -> None:
    content = bytearray(pickle.dumps({"a": [1, 2.0, "x", (None, True)], "b": OrderedDict(c=b"y")}, protocol=protocol))
    content[place % len(content)] = value
    with contextlib.suppress(CheckpointError):
        read_pickle(bytes(content))


TENSORS = {
    "float32": torch.arange(12, dtype=torch.float32).reshape(3, 4),
    "float16": torch.linspace(0, 1, 6, dtype=torch.float16),
    "bfloat16": torch.linspace(-1, 1, 6).to(torch.bfloat16),
    "scalar": torch.tensor(2.5),
    "int64": torch.tensor([1, 2]),
    "transposed view": torch.arange(12.0).reshape(3, 4).T,
    "slice": torch.arange(100.0).reshape(10, 10)[2:4, 3:7],
    "empty": torch.zeros(0, 3),
    "parameter": torch.nn.Parameter(torch.ones(2)),
}


def bits(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("wrap", ["plain", "state_dict", "module."])
def test_what_torch_saves_is_read_bit_by_bit(tmp_path: Path, new_format: bool, wrap: str) -> None:
    state: dict[str, object] = OrderedDict(TENSORS)
    if wrap == "state_dict":
        momentum = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.98)}]}
        state = {"epoch": 3, "name": "run", "state_dict": state, "optimizer": momentum, "loss": np.float64(1.5)}
    elif wrap == "module.":
        state = {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in TENSORS.items()}}
    torch.save(state, tmp_path / "x.pt", _use_new_zipfile_serialization=new_format)
    read, kind = read_torch_file(tmp_path / "x.pt")
    assert kind == "state_dict"
    prefix = "module." if wrap == "module." else ""  # goes off where the checkpoint is read, whatever its kind of file
    read = {name.removeprefix(prefix): tensor for name, tensor in read.items()}
    assert set(read) == set(TENSORS)
    for name, expected in TENSORS.items():
        assert read[name].shape == tuple(expected.shape)
        assert read[name].dtype.name == str(expected.dtype).removeprefix("torch.")
        np.testing.assert_array_equal(np.ascontiguousarray(read[name]).reshape(-1).view(np.uint8), bits(expected))


def test_what_is_written_is_read_by_torch(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "x.pt")
    read, _ = read_torch_file(tmp_path / "x.pt")
    write_torch_file(read, tmp_path / "y.pt")
    for mmap in (False, True):
        again = torch.load(tmp_path / "y.pt", weights_only=True, mmap=mmap)
        assert all(torch.equal(again[name], expected) for name, expected in TENSORS.items())


def test_large_tensors_are_not_copied(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1000, 1000)}, tmp_path / "x.pt")
    array = read_torch_file(tmp_path / "x.pt")[0]["w"]
    assert not array.flags.writeable
    base = array
    while base.base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_a_traced_module_is_read_like_a_scripted_one(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(module, torch.ones(1, 3)).save(str(tmp_path / "traced.pt"))
        torch.jit.script(module).save(str(tmp_path / "scripted.pt"))
    for name in ("traced.pt", "scripted.pt"):
        read, kind = read_torch_file(tmp_path / name)
        assert kind == "torchscript"
        assert set(read) == set(module.state_dict())
        assert all(np.array_equal(read[key], tensor.numpy()) for key, tensor in module.state_dict().items())


@settings(max_examples=150, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), new_format=st.booleans())
def test_one_wrong_byte_in_a_file_gives_a_clear_error_or_tensors(place: float, value: int, new_format: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "x.pt"
        torch.save({"w": torch.ones(2, 3)}, file, _use_new_zipfile_serialization=new_format)
        content = bytearray(file.read_bytes())
        content[int(place * len(content))] = value
        file.write_bytes(content)
        with contextlib.suppress(CheckpointError):
            read_torch_file(file)


@pytest.mark.parametrize("kept", [0, 3, 10, 200, 0.5, 0.99])
@pytest.mark.parametrize("new_format", [True, False])
def test_truncated_files_say_so(tmp_path: Path, kept: float, new_format: bool) -> None:
    file = tmp_path / "x.pt"
    torch.save(TENSORS, file, _use_new_zipfile_serialization=new_format)
    content = file.read_bytes()
    file.write_bytes(content[: int(kept * len(content)) if 0 < kept < 1 else int(kept)])
    with pytest.raises(CheckpointError, match=r"x\.pt"):
        read_torch_file(file)
