"""Folders of what wordsight can make again (compiled graphs, class embeddings), and of the user's personal index."""

import os
import sys
from pathlib import Path


def cache_dir(part: str) -> Path:
    """Folder for one kind of cached files: `$WORDSIGHT_CACHE/part`, else in the platform's cache folder.

    It is not made here: whoever writes makes it.
    """
    if root := os.environ.get("WORDSIGHT_CACHE"):
        return Path(root) / part
    return _platform_folder("Caches", "XDG_CACHE_HOME", ".cache") / "wordsight" / part


def default_index() -> Path:
    """Folder of the index that is used where none is named: `$WORDSIGHT_INDEX`, else in the user's data."""
    if named := os.environ.get("WORDSIGHT_INDEX"):
        return Path(named)
    return _platform_folder("Application Support", "XDG_DATA_HOME", ".local/share") / "wordsight" / "index"


def _platform_folder(mac: str, variable: str, fallback: str) -> Path:
    """Folder of the user as the platform has it; elsewhere that of an XDG variable, or its fallback in the home."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / mac
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    return Path(os.environ.get(variable, Path.home() / fallback))
