"""Compiled graphs on disk: a later process reads one instead of compiling it again.

OpenVINO keys each entry by a hash of the graph with all its weights, and by its version and the processor; an entry
that it cannot read is compiled again and replaced. One entry is about as large as the tower in float32. Measured
processor time to the first embedding, 2 cores, bf16: ViT-B/32 from float16 weights 0.84 s, from the cache 0.41 s (and
0.3 GiB less memory, as the entry is mapped, not copied); from float32 weights 0.50 s and 0.43 s.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from wordsight.checkpoint import Checkpoint
from wordsight.durable import write_whole
from wordsight.locations import cache_dir

WORTHWHILE = range(4 * 2**20, 2**30)  # bytes of tensors: below it nothing is gained, above it entries are too large
LIMIT = 2 * 2**30  # bytes that all entries may take; those unused for longest go first


def cache_settings(checkpoint: Checkpoint, kind: str) -> dict[str, str]:
    """OpenVINO's setting for the folder of compiled graphs of a kind; empty where it gains nothing or is read-only.

    Damaged entries are removed first: OpenVINO notices a truncated one, but runs one with flipped bits.
    kind: tower and precision, so that few entries lie together and have to be checked.
    """
    if sum(tensor.nbytes for tensor in checkpoint.tensors.values()) not in WORTHWHILE:
        return {}
    whole = cache_dir("openvino")
    facts = json.dumps(checkpoint.spec.facts(), sort_keys=True)
    folder = whole / f"{hashlib.sha256(facts.encode()).hexdigest()[:16]}-{kind}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {}
    if not os.access(folder, os.W_OK):
        return {}
    trim(whole)
    if not all(_is_intact(entry) for entry in folder.glob("*.blob")):
        return {}  # a damaged one could not be removed
    return {"CACHE_DIR": str(folder)}


def record_entries(settings: Mapping[str, str]) -> None:
    """Write the check sum of each entry that has none, beside it: called after a graph was compiled."""
    if not settings:
        return
    for entry in Path(settings["CACHE_DIR"]).glob("*.blob"):
        with contextlib.suppress(OSError, ValueError):
            if not _sum_file(entry).exists():
                write_whole(_sum_file(entry), _check_sum(entry))


def _is_intact(entry: Path) -> bool:
    """Whether an entry is as it was written, or else is gone: one without a check sum was never finished."""
    try:
        if _sum_file(entry).read_text(encoding="utf-8") == _check_sum(entry):
            return True
    except (OSError, ValueError):
        pass
    with contextlib.suppress(OSError):
        entry.unlink(missing_ok=True)
        _sum_file(entry).unlink(missing_ok=True)
    return not entry.exists()


def _sum_file(entry: Path) -> Path:
    return entry.with_suffix(".sum")


def _check_sum(entry: Path) -> str:
    facts = entry.stat()
    return _sum_words(entry, facts.st_size, facts.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _sum_words(entry: Path, size: int, _written: int) -> str:
    """Size and sum of all 64-bit words: as fast as memory, and the pages are needed next anyway."""
    content = np.memmap(entry, np.uint8, mode="r")
    words = content[: size - size % 8].view(np.uint64)
    total = np.add.reduce(words, dtype=np.uint64)
    return f"{size} {int(total):016x} {bytes(content[size - size % 8 :]).hex()}\n"


def trim(folder: Path, limit: int = LIMIT) -> None:
    """Remove entries, those unused for longest first, until the rest takes at most `limit` bytes."""
    entries = []
    for path in folder.rglob("*.blob"):
        with contextlib.suppress(OSError):  # another process may have removed it
            entries.append((path.stat(), path))
    entries.sort(key=lambda entry: max(entry[0].st_atime, entry[0].st_mtime), reverse=True)
    kept = 0
    for facts, path in entries:
        kept += facts.st_size
        if kept > limit:
            with contextlib.suppress(OSError):
                path.unlink()
                _sum_file(path).unlink(missing_ok=True)
