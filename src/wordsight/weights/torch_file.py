"""Files that torch wrote (`.pt`, `.pth`, `.bin`) into NumPy without torch, and a state dict back into one.

Zip archives of torch ≥ 1.6, TorchScript archives (OpenAI's `.pt`) and the older stream of pickles are read; entries
that are stored uncompressed are memory-mapped. Source: torch/serialization.py's description of its formats.
"""

from __future__ import annotations

import io
import mmap
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.errors import CheckpointError
from wordsight.json_records import show
from wordsight.weights.pickle_values import STORAGES, Module, TensorRef
from wordsight.weights.pickles import MAX_BYTES, read_pickle, read_pickle_at

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
_ALIGNMENT = 64  # torch aligns entries so that they can be memory-mapped
_MAX_NODES = 500_000
_MAX_DEPTH = 100
_MAX_NAME = 1000  # letters of a dotted name
_MAX_DIRECTORY = 64 * 2**20  # bytes of an archive's table of entries


def numpy_dtype(name: str) -> np.dtype[Any]:
    """The NumPy dtype of that name, bfloat16 included."""
    if name == "bfloat16":
        import ml_dtypes

        bfloat16: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
        return bfloat16
    return np.dtype(name)


def read_torch_file(path: Path) -> tuple[dict[str, np.ndarray], str]:
    """Return (tensors by dotted name, kind) of a file that torch wrote; nothing in it is run.

    kind: "torchscript", "state_dict". Wrappers (`state_dict`, `model`, DeepSpeed's `module`) are taken off; what stands
    before the names is left to `weights.layouts.prefixes`.

    Raises: CheckpointError for a file that torch did not write or a damaged one; UnsafePickleError for code in it.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start == b"PK\x03\x04":
            value, arrays = _read_zip(path)
        elif start[:1] == b"\x80":
            value, arrays = _read_legacy(path)
        else:
            raise CheckpointError(
                f"{path} begins with {start!r}: neither safetensors nor a file that torch wrote. "
                "Expected a .safetensors, .pt, .pth or .bin checkpoint, or a folder that holds one."
            )
        kind = "torchscript" if isinstance(value, Module) else "state_dict"
        tensors = {name: arrays.tensor(ref) for name, ref in _flatten(value).items()}
    except CheckpointError as error:
        if str(path) in str(error):
            raise
        raise type(error)(f"{path}: {error}") from error
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors; expected a model's state dict.")
    return tensors, kind


class _Arrays:
    """Storages by key → bytes; tensors are views of them."""

    def __init__(self, buffers: Mapping[str, np.ndarray]) -> None:
        self.buffers = buffers

    def tensor(self, ref: TensorRef) -> np.ndarray:
        dtype = numpy_dtype(ref.storage.dtype)
        buffer = self.buffers.get(ref.storage.key)
        if buffer is None:
            raise CheckpointError(f"the storage {ref.storage.key!r} is missing; the file is truncated. Fetch it again.")
        if len(buffer) < ref.storage.numel * dtype.itemsize:
            raise CheckpointError(
                f"the storage {ref.storage.key!r} has {len(buffer)} bytes, expected {ref.storage.numel} elements of "
                f"{dtype.name}; the file is damaged. Fetch it again."
            )
        strides = tuple(stride * dtype.itemsize for stride in ref.strides)
        view: np.ndarray = np.ndarray(ref.shape, dtype, buffer, ref.offset * dtype.itemsize, strides)
        view.flags.writeable = False
        return view


def _read_zip(path: Path) -> tuple[Any, _Arrays]:
    _check_directory(path)
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise CheckpointError(f"{path} is a damaged or truncated archive ({error}); fetch it again.") from error
    with archive:
        entries = {info.filename: info for info in archive.infolist()}
        roots = [name[: -len("data.pkl")] for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
        if len(roots) != 1:
            raise CheckpointError(f"{path} is a zip archive without one `data.pkl`; torch did not write it.")
        root = roots[0]
        if f"{root}byteorder" in entries and _entry(archive, entries[f"{root}byteorder"], 16).strip() != b"little":
            raise CheckpointError(f"{path} was written in big-endian byte order; save it on a little-endian machine.")
        value = read_pickle(_entry(archive, entries[f"{root}data.pkl"], MAX_BYTES))
        prefix = f"{root}data/"
        stored = {name[len(prefix) :]: info for name, info in entries.items() if name.startswith(prefix)}
        return value, _Arrays(_ZipBuffers(path, archive, stored))


def _check_directory(path: Path) -> None:
    """Raise CheckpointError for an archive whose table of entries, which is read whole, is larger than any model's."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2**16 - 100))
        tail = file.read()
    sizes = [0]
    if (end := tail.rfind(b"PK\x05\x06")) >= 0 and end + 22 <= len(tail):
        sizes += struct.unpack_from("<I", tail, end + 12)
    if (end := tail.rfind(b"PK\x06\x06")) >= 0 and end + 56 <= len(tail):  # zip64
        sizes = list(struct.unpack_from("<Q", tail, end + 40))
    if max(sizes) > _MAX_DIRECTORY:
        raise CheckpointError(f"{path} is an archive whose table of entries claims {max(sizes)} bytes; it is damaged.")


def _entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    if info.compress_type != zipfile.ZIP_STORED:
        raise CheckpointError(f"the entry {info.filename!r} is compressed; torch stores its entries as they are.")
    if info.file_size > limit:
        raise CheckpointError(
            f"the entry {info.filename!r} claims {info.file_size} bytes, more than a checkpoint needs."
        )
    try:
        with archive.open(info) as file:
            return file.read(limit + 1)
    except (
        zipfile.BadZipFile,
        OSError,
        EOFError,
        RuntimeError,
        NotImplementedError,
        ValueError,
        struct.error,
    ) as error:
        raise CheckpointError(f"the entry {info.filename!r} cannot be read ({error}); fetch the file again.") from error


class _ZipBuffers(dict[str, np.ndarray]):
    """Bytes of the archive's uncompressed entries, mapped when first asked for."""

    def __init__(self, path: Path, archive: zipfile.ZipFile, entries: Mapping[str, zipfile.ZipInfo]) -> None:
        super().__init__()
        mapped = np.asarray(np.memmap(path, np.uint8, mode="r"))
        for key, info in entries.items():
            if info.compress_type != zipfile.ZIP_STORED:
                raise CheckpointError(f"the entry {info.filename!r} is compressed; torch writes its tensors stored.")
            header = bytes(mapped[info.header_offset : info.header_offset + 30])
            if len(header) < 30 or header[:4] != b"PK\x03\x04":
                raise CheckpointError(f"the entry {info.filename!r} lies outside the file; it is truncated.")
            name_length, extra_length = struct.unpack("<HH", header[26:30])
            begin = info.header_offset + 30 + name_length + extra_length
            if begin + info.file_size > len(mapped):
                raise CheckpointError(f"the entry {info.filename!r} runs past the end of the file; it is truncated.")
            self[key] = mapped[begin : begin + info.file_size]


def _read_legacy(path: Path) -> tuple[Any, _Arrays]:
    """The stream of torch < 1.6: magic, protocol, system, value, storage keys, then each storage's size and bytes."""
    # mapped, because a mapping's read(n) gives what is there; a file's first makes room for all n bytes claimed
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as file:
        magic, position = read_pickle_at(file, 0)
        if type(magic) is not int or magic != _LEGACY_MAGIC:
            raise CheckpointError(f"{path} is a pickle that torch did not write; expected a model's state dict.")
        protocol, position = read_pickle_at(file, position)
        system, position = read_pickle_at(file, position)
        if protocol != _LEGACY_PROTOCOL or not isinstance(system, dict) or not system.get("little_endian", True):
            raise CheckpointError(
                f"{path} has torch's protocol {show(protocol)}, expected {_LEGACY_PROTOCOL}; save it again."
            )
        value, position = read_pickle_at(file, position)
        keys, position = read_pickle_at(file, position)
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys) or len(set(keys)) < len(keys):
        raise CheckpointError(f"{path} lists no storages, or one twice; the file is damaged.")
    item_sizes = {ref.storage.key: numpy_dtype(ref.storage.dtype).itemsize for ref in _all_tensors(value)}
    mapped, buffers = np.asarray(np.memmap(path, np.uint8, mode="r")), {}
    for key in keys:
        head = bytes(mapped[position : position + 8])
        count = -1
        if len(head) == 8:
            (count,) = struct.unpack("<q", head)
        size = count * item_sizes.get(key, 0)
        if count < 0 or key not in item_sizes or position + 8 + size > len(mapped):
            raise CheckpointError(
                f"{path}: the storage {show(key)} runs past the end; the file is truncated. Fetch it again."
            )
        buffers[key] = mapped[position + 8 : position + 8 + size]
        position += 8 + size
    return value, _Arrays(buffers)


def _all_tensors(value: Any) -> list[TensorRef]:
    """Every tensor in a value; shared containers are visited once."""
    found, seen, pending = [], set(), [value]
    while pending:
        node = pending.pop()
        if isinstance(node, TensorRef):
            found.append(node)
            continue
        if not isinstance(node, (dict, list, tuple, Module)) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, Module):
            node = node.attributes
        pending.extend(node.values() if isinstance(node, dict) else node)
    return found


def _flatten(value: Any) -> dict[str, TensorRef]:
    """Dotted names → tensors, of a state dict (wrapped or not) or of TorchScript's nested modules."""
    if not isinstance(value, (dict, Module)):
        raise CheckpointError(f"it holds a {type(value).__name__}, expected a model's state dict.")
    state = value
    for wrapper in ("state_dict", "model_state_dict", "model", "module"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
            break
    found: dict[str, TensorRef] = {}
    pending: list[tuple[str, Any, int]] = [("", state, 0)]
    nodes = 0
    while pending:
        prefix, node, depth = pending.pop()
        nodes += 1
        if nodes > _MAX_NODES or depth > _MAX_DEPTH or len(prefix) > _MAX_NAME:
            raise CheckpointError("it nests deeper or wider than any model; the file is damaged or was tampered with.")
        if isinstance(node, TensorRef):
            found[prefix] = node
        elif isinstance(node, Module) or (isinstance(node, dict) and depth == 0):
            if isinstance(node, Module):
                node = node.attributes
            dot = f"{prefix}." if prefix else ""
            pending.extend((dot + str(name)[:_MAX_NAME], child, depth + 1) for name, child in reversed(node.items()))
    return found


def write_torch_file(tensors: Mapping[str, np.ndarray], path: Path) -> None:
    """Write a plain state dict as `torch.load(path, weights_only=True)` reads it; tensors bit-identical."""
    storages = {dtype: storage for storage, dtype in STORAGES.items()}
    for name, tensor in tensors.items():
        if tensor.dtype.name not in storages:
            raise CheckpointError(f"{name} is {tensor.dtype.name}, which a torch file of this kind cannot hold.")
    pickle = _pickle_state_dict(tensors, storages)
    with path.open("wb") as raw, zipfile.ZipFile(raw, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        _add(archive, raw, "archive/data.pkl", pickle)
        _add(archive, raw, "archive/byteorder", b"little")
        for i, tensor in enumerate(tensors.values()):
            array = np.ascontiguousarray(tensor)
            _add(archive, raw, f"archive/data/{i}", array.reshape(-1).view(np.uint8).data)
        _add(archive, raw, "archive/version", b"3\n")


def _add(archive: zipfile.ZipFile, raw: io.BufferedWriter, name: str, content: bytes | memoryview) -> None:
    """Add one entry whose bytes begin at a multiple of 64, by an extra field of the needed length."""
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    large = len(content) > zipfile.ZIP64_LIMIT
    begin = raw.tell() + 30 + len(name) + (20 if large else 0)
    padding = -(begin + 4) % _ALIGNMENT
    info.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
    info.file_size = len(content)
    with archive.open(info, "w", force_zip64=large) as entry:
        entry.write(content)


def _pickle_state_dict(tensors: Mapping[str, np.ndarray], storages: Mapping[str, str]) -> bytes:
    """Pickle (protocol 2) of an OrderedDict name → tensor, each with a storage of its own."""

    def text(value: str) -> bytes:
        encoded = value.encode()
        return b"X" + struct.pack("<I", len(encoded)) + encoded

    def integer(value: int) -> bytes:
        if value < 2**31:
            return b"J" + struct.pack("<i", value)
        size = (value.bit_length() + 8) // 8
        return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)

    def integers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(integer, values)) + b"t"

    out = [b"\x80\x02ccollections\nOrderedDict\n)R("]
    for i, (name, tensor) in enumerate(tensors.items()):
        strides, step = [], 1
        for size in reversed(tensor.shape):
            strides.append(step)
            step *= size
        out += [text(name), b"ctorch._utils\n_rebuild_tensor_v2\n((", text("storage")]
        out += [f"ctorch\n{storages[tensor.dtype.name]}\n".encode(), text(str(i)), text("cpu"), integer(tensor.size)]
        out += [b"tQ", integer(0), integers(tensor.shape), integers(tuple(reversed(strides)))]
        out += [b"\x89ccollections\nOrderedDict\n)RtR"]
    return b"".join([*out, b"u."])
