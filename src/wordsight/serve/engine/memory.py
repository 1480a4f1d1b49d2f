"""Giving freed memory back to the system, where its allocator keeps it."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys


def release_memory() -> None:
    """Collect garbage and return free pages: after compiling, 30 MB with mini; after unloading, most of a model."""
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library, which trims by itself
            ctypes.CDLL("libc.so.6").malloc_trim(0)
