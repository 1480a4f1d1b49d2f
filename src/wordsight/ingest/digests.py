"""Hashes of content: what tells that an image was seen before, under whatever name."""

from __future__ import annotations

from types import ModuleType
from typing import IO

from wordsight.errors import MissingExtraError

_CHUNK = 1 << 20


def digest_of(content: bytes | memoryview) -> str:
    """Return the XXH3 hash of 128 bits as 32 hexadecimal digits. Raises: MissingExtraError without xxhash."""
    return str(_xxhash().xxh3_128_hexdigest(content))


def digest_of_file(file: IO[bytes]) -> str:
    """Return the hash of an open file from where it stands to its end, a mebibyte at a time."""
    running = _xxhash().xxh3_128()
    while chunk := file.read(_CHUNK):
        running.update(chunk)
    return str(running.hexdigest())


def hash_of(text: str) -> int:
    """Return a hash of 64 bits, the same in every process."""
    return int(_xxhash().xxh3_64_intdigest(text.encode("utf-8", "surrogatepass")))


def _xxhash() -> ModuleType:
    try:
        import xxhash
    except ImportError:
        raise MissingExtraError("Indexing", "xxhash", "search") from None
    return xxhash
