"""The file of a snapshot: an Arrow file, and behind it a hash of each of its blocks, compared before one is read.

Arrow follows the offsets that a file holds wherever they point, so that one flipped bit could end the process. Blocks:
the schema, each batch, the footer. The hashes of 300 MB take 30 ms to compare, once per process.
"""

from __future__ import annotations

import json
import mmap
import struct
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa

from wordsight.durable import written_whole
from wordsight.index.lance.checksums import checksum

MAGIC = b"WSSNAP01"
_END = struct.Struct("<Q16s8s")  # length of the record, its hash, MAGIC


class SnapshotDamagedError(OSError):
    """A snapshot whose content is not what was written."""


def write_snapshot(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
    """Write a snapshot: record batches of `schema`, which are held one at a time; the file appears whole or not at all.

    Raises: OSError if the folder cannot be written; nothing is left behind then.
    """
    with written_whole(path) as part:
        ends, rows = [], []
        with pa.OSFile(str(part), "wb") as file:
            with pa.ipc.new_file(file, schema) as out:
                ends.append(file.tell())
                for batch in batches:
                    out.write_batch(batch)
                    ends.append(file.tell())
                    rows.append(batch.num_rows)
            ends.append(file.tell())
        with part.open("r+b") as file:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as written, memoryview(written) as content:
                hashes = [checksum(content[start:end]) for start, end in pairwise([0, *ends])]
            record = json.dumps({"ends": ends, "rows": rows, "hashes": hashes}).encode()
            file.seek(ends[-1])
            file.write(record + _END.pack(len(record), checksum(record).encode(), MAGIC))


class SnapshotFile:
    """A snapshot's file, mapped. `rows`: of each batch.

    Raises: FileNotFoundError; SnapshotDamagedError; OSError for a file without hashes, of an older version.
    """

    def __init__(self, path: Path) -> None:
        self._map = pa.memory_map(str(path))
        size = self._map.size()
        if size < _END.size:
            raise SnapshotDamagedError(f"{path} is cut off")
        content = self._map.read_buffer(size)
        length, expected, magic = _END.unpack(content[size - _END.size :].to_pybytes())
        if magic != MAGIC:
            raise OSError(f"{path} has no hashes")
        start = size - _END.size - length
        record = b""
        if start > 0:
            record = content[start : size - _END.size].to_pybytes()
        if checksum(record).encode() != expected:
            raise SnapshotDamagedError(f"{path} is damaged at its end")
        said: dict[str, Any] = json.loads(record)
        self.rows: list[int] = said["rows"]
        self._path = path
        self._hashes: list[str] = said["hashes"]
        self._blocks = [content[start:end] for start, end in pairwise([0, *said["ends"]])]
        self._compare(0)
        self._compare(len(self._blocks) - 1)
        self._reader = pa.ipc.open_file(pa.BufferReader(content[: said["ends"][-1]]))
        self.schema: pa.Schema = self._reader.schema
        self._is_whole = False

    def verify(self) -> None:
        """Compare all blocks, the first time that this is called. Raises: SnapshotDamagedError."""
        if self._is_whole:
            return
        for number in range(1, len(self._blocks) - 1):
            self._compare(number)
        self._is_whole = True

    def batches(self) -> list[pa.RecordBatch]:
        """All batches, of a file that is verified. Raises: SnapshotDamagedError where one refers outside itself."""
        self.verify()
        try:
            found = [self._reader.get_batch(number) for number in range(self._reader.num_record_batches)]
            for batch in found:
                batch.validate(full=True)
        except (pa.ArrowInvalid, OSError) as error:  # a file whose hashes were made to fit
            raise SnapshotDamagedError(f"{self._path} is damaged ({error})") from error
        return found

    def _compare(self, number: int) -> None:
        if checksum(memoryview(self._blocks[number])) != self._hashes[number]:
            raise SnapshotDamagedError(f"{self._path} is damaged in block {number}")
