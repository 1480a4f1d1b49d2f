"""Compiled graphs on disk: a later process reads one instead of building it anew.

OpenVINO keys each entry by a hash of the graph with all its weights, and by its version and the processor; an entry
that it cannot read is compiled again and replaced. One entry is about as large as the tower in float32. Measured
processor time to the first embedding, 2 cores, bf16: ViT-B/32 from float16 weights 0.84 s, from the cache 0.41 s (and
0.3 GiB less memory, as the entry is mapped, not copied); from float32 weights 0.50 s and 0.43 s.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from wordsight.checkpoint import Checkpoint
from wordsight.locations import cache_dir

WORTHWHILE = range(4 * 2**20, 2**30)  # bytes of tensors: below it nothing is gained, above it entries are too large
LIMIT = 2 * 2**30  # bytes that all entries may take; those unused for longest go first


def cache_settings(checkpoint: Checkpoint) -> dict[str, str]:
    """Return OpenVINO's setting for the folder of compiled graphs; empty where it gains nothing or is read-only."""
    if sum(tensor.nbytes for tensor in checkpoint.tensors.values()) not in WORTHWHILE:
        return {}
    folder = cache_dir("openvino")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return {}
    if not os.access(folder, os.W_OK):
        return {}
    trim(folder)
    return {"CACHE_DIR": str(folder)}


def trim(folder: Path, limit: int = LIMIT) -> None:
    """Remove entries, those unused for longest first, until the rest takes at most `limit` bytes."""
    entries = []
    for path in folder.glob("*.blob"):
        with contextlib.suppress(OSError):  # another process may have removed it
            entries.append((path.stat(), path))
    entries.sort(key=lambda entry: max(entry[0].st_atime, entry[0].st_mtime), reverse=True)
    kept = 0
    for facts, path in entries:
        kept += facts.st_size
        if kept > limit:
            with contextlib.suppress(OSError):
                path.unlink()
