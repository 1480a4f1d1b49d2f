"""CLIP, whole: sort pictures by words, find them by words or by example, embed them with any released checkpoint."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wordsight.model import Model, load
    from wordsight.search.gallery import Gallery
    from wordsight.zeroshot import Classifier

__version__ = "0.1.0"
__all__ = ["Classifier", "Gallery", "Model", "__version__", "load"]

_HOMES = {
    "Classifier": "wordsight.zeroshot",
    "Gallery": "wordsight.search.gallery",
    "Model": "wordsight.model",
    "load": "wordsight.model",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use: `import wordsight` loads nothing heavy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'wordsight' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(importlib.import_module(_HOMES[name]), name)
