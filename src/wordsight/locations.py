"""Where wordsight keeps what it can make again (compiled graphs, class embeddings), and the user's own index."""

import os
import sys
from pathlib import Path


def cache_dir(part: str) -> Path:
    """Return the folder for one kind of cached thing: `$WORDSIGHT_CACHE/part`, else the platform's cache folder.

    The folder is not made here: who writes makes it.
    """
    if root := os.environ.get("WORDSIGHT_CACHE"):
        return Path(root) / part
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return base / "wordsight" / part


def default_index() -> Path:
    """Return the folder of the index that is used where none is named: `$WORDSIGHT_INDEX`, else in the user's data."""
    if named := os.environ.get("WORDSIGHT_INDEX"):
        return Path(named)
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return base / "wordsight" / "index"
