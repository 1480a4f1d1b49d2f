"""Hashes of contents and texts: they tell that an image was seen before, or that a file is undamaged."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType
from typing import IO

from wordsight.errors import MissingExtraError

_CHUNK = 1 << 20


def hash_content(content: bytes | memoryview) -> str:
    """XXH3 hash of 128 bits, as 32 hexadecimal digits. Raises: MissingExtraError without xxhash."""
    return str(_xxhash().xxh3_128_hexdigest(content))


def hash_file(file: IO[bytes]) -> str:
    """Hash of an open file from where it stands to its end, a mebibyte at a time; equal to that of its content."""
    running = _xxhash().xxh3_128()
    while chunk := file.read(_CHUNK):
        running.update(chunk)
    return str(running.hexdigest())


def compute_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_text(text: str) -> int:
    """Hash of 64 bits, the same in every process."""
    return int(_xxhash().xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")))


def _xxhash() -> ModuleType:
    try:
        import xxhash
    except ImportError:
        raise MissingExtraError("Indexing", "xxhash", "search") from None
    return xxhash
