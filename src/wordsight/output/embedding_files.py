"""Write embeddings to a file as they come, row by row: `.npy` with sidecars, or `.parquet`; whole or not at all."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from wordsight.durable import written_whole
from wordsight.errors import InputError, MissingExtraError
from wordsight.images.names import recorded_path
from wordsight.zeroshot.class_embeddings import Floats

_ROWS_AT_ONCE = 1024


class EmbeddingWriter(Protocol):
    """Takes rows; `commit` puts the finished file in its place, leaving without it leaves nothing behind."""

    def add(self, path: Path, embedding_D: Floats) -> None:
        """Add one row."""

    def commit(self) -> list[Path]:
        """Put the files in place; the files that were written."""

    def __enter__(self) -> Self:
        """Start."""

    def __exit__(self, *error: object) -> None:
        """Remove what is not finished."""


def open_writer(destination: Path, dim: int, about: Mapping[str, str], *, force: bool = False) -> EmbeddingWriter:
    """Writer for `destination`, by its extension; `about` (model, fingerprint, …) is written with the rows.

    `.npy`: (N, dim) float32; beside it `NAME.paths.txt` (line i is row i) and `NAME.model.json` (`about`).
    `.parquet`: columns path and embedding (list of float32), `about` in the file's own metadata ("wordsight.model", …).
    Raises: InputError for another extension, a missing folder, an existing file without `force`; MissingExtraError.
    """
    check_destination(destination, force=force)
    if destination.suffix == ".npy":
        return _Npy(destination, dim, about)
    return _Parquet(destination, dim, about)


def check_destination(destination: Path, *, force: bool = False) -> None:
    """Raise what `open_writer` would, before a model is loaded."""
    if destination.suffix not in (".npy", ".parquet"):
        raise InputError(f"{str(destination)!r} ends in {destination.suffix!r}; expected .npy or .parquet.")
    if not destination.parent.is_dir():
        raise InputError(f"The folder {str(destination.parent)!r} does not exist; make it first.")
    existing = [path for path in _list_files(destination) if path.exists()]
    if existing and not force:
        raise InputError(f"{str(existing[0])!r} exists already; choose another name, or overwrite with --force.")
    if destination.suffix == ".parquet":
        _pyarrow()


def _list_files(destination: Path) -> list[Path]:
    """All files that come with `destination`, itself first."""
    if destination.suffix != ".npy":
        return [destination]
    return [destination, destination.with_suffix(".paths.txt"), destination.with_suffix(".model.json")]


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("Writing .parquet", "pyarrow", "parquet") from error
    return pyarrow


class _Staged:
    """Files written beside their places, and renamed together at the end."""

    def __init__(self, destination: Path) -> None:
        self.files = _list_files(destination)
        self._parts = contextlib.ExitStack()

    def stage(self, file: Path) -> Path:
        """Path to write to in place of a file."""
        return self._parts.enter_context(written_whole(file))

    def publish(self) -> list[Path]:
        """Put the files in place, the vectors last."""
        self._parts.close()
        return self.files

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        unfinished = InterruptedError("not committed")
        self._parts.__exit__(type(unfinished), unfinished, None)


class _Npy(_Staged):
    def __init__(self, destination: Path, dim: int, about: Mapping[str, str]) -> None:
        super().__init__(destination)
        self.dim, self.about, self.rows = dim, about, 0
        self.open = contextlib.ExitStack()
        self.array = self.open.enter_context(open(self.stage(self.files[0]), "r+b"))  # noqa: SIM115
        self.paths = self.open.enter_context(open(self.stage(self.files[1]), "w", encoding="utf-8", newline="\n"))  # noqa: SIM115
        self._write_header()

    def _write_header(self) -> None:
        """Write the .npy header; it keeps its length as the row count grows (NumPy pads for that)."""
        self.array.seek(0)
        shape = {"descr": "<f4", "fortran_order": False, "shape": (self.rows, self.dim)}
        np.lib.format.write_array_header_1_0(self.array, shape)

    def add(self, path: Path, embedding_D: Floats) -> None:
        """Add one row; its path is written on one line, with odd bytes and line breaks escaped."""
        self.array.write(np.ascontiguousarray(embedding_D, dtype="<f4").tobytes())
        self.paths.write(f"{recorded_path(path)}\n")
        self.rows += 1

    def commit(self) -> list[Path]:
        """Write the true row count and the sidecars, and put all three in place."""
        self._write_header()
        self.open.close()
        about = {**self.about, "rows": self.rows, "dim": self.dim}
        self.stage(self.files[2]).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        return self.publish()

    def __exit__(self, *error: object) -> None:
        self.open.close()
        super().__exit__(*error)


class _Parquet(_Staged):
    def __init__(self, destination: Path, dim: int, about: Mapping[str, str]) -> None:
        super().__init__(destination)
        self.arrow = _pyarrow()
        self.dim, self.paths, self.vectors = dim, list[str](), list[Floats]()
        columns = [("path", self.arrow.string()), ("embedding", self.arrow.list_(self.arrow.float32(), dim))]
        metadata = {f"wordsight.{key}": value for key, value in about.items()}
        self.schema = self.arrow.schema(columns, metadata=metadata)
        self.writer = self.arrow.parquet.ParquetWriter(self.stage(destination), self.schema)

    def add(self, path: Path, embedding_D: Floats) -> None:
        """Add one row; rows are written some at a time."""
        self.paths.append(str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
        self.vectors.append(np.asarray(embedding_D, dtype=np.float32))
        if len(self.paths) == _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        if not self.paths:
            return
        flat = self.arrow.array(np.concatenate(self.vectors))
        columns = [self.arrow.array(self.paths), self.arrow.FixedSizeListArray.from_arrays(flat, self.dim)]
        self.writer.write_table(self.arrow.Table.from_arrays(columns, schema=self.schema))
        self.paths, self.vectors = [], []

    def commit(self) -> list[Path]:
        """Write the last rows and put the file in place."""
        self._flush()
        self.writer.close()
        return self.publish()

    def __exit__(self, *error: object) -> None:
        self.writer.close()
        super().__exit__(*error)
