"""CLIP, whole: sort images by words, find them by words or by example, embed them with any released checkpoint."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wordsight import errors
    from wordsight.errors import (
        CheckpointError,
        ImageError,
        InputError,
        MissingExtraError,
        NoIndexError,
        OfflineError,
        StoreError,
        UnknownModelError,
        WordsightError,
        WordsightWarning,
    )
    from wordsight.gallery import Gallery
    from wordsight.images.decode import read_image
    from wordsight.images.inputs import PathAsTextWarning
    from wordsight.images.skipped import Skipped
    from wordsight.ingest.options import IngestOptions
    from wordsight.model import Model, load
    from wordsight.output.notebook import show_answers
    from wordsight.samples import sample_images
    from wordsight.search.hits import Hit
    from wordsight.search.query_parts import Query, QueryPart
    from wordsight.text.tokenizer import TextTruncatedWarning, UnknownScriptWarning
    from wordsight.zeroshot.classifier import Classifier
    from wordsight.zeroshot.head_classifier import HeadClassifier
    from wordsight.zeroshot.linear_head import LinearHead

__version__ = "0.1.0"

# public name → the module that has it; "" for a module of the package
_HOMES = {
    "CheckpointError": "errors",
    "Classifier": "zeroshot.classifier",
    "Gallery": "gallery",
    "HeadClassifier": "zeroshot.head_classifier",
    "Hit": "search.hits",
    "ImageError": "errors",
    "IngestOptions": "ingest.options",
    "InputError": "errors",
    "LinearHead": "zeroshot.linear_head",
    "MissingExtraError": "errors",
    "Model": "model",
    "NoIndexError": "errors",
    "OfflineError": "errors",
    "QueryPart": "search.query_parts",
    "PathAsTextWarning": "images.inputs",
    "Query": "search.query_parts",
    "Skipped": "images.skipped",
    "StoreError": "errors",
    "TextTruncatedWarning": "text.tokenizer",
    "UnknownModelError": "errors",
    "UnknownScriptWarning": "text.tokenizer",
    "WordsightError": "errors",
    "WordsightWarning": "errors",
    "errors": "",
    "load": "model",
    "read_image": "images.decode",
    "sample_images": "samples",
    "show_answers": "output.notebook",
}
__all__ = [
    "CheckpointError",
    "Classifier",
    "Gallery",
    "HeadClassifier",
    "Hit",
    "ImageError",
    "IngestOptions",
    "InputError",
    "LinearHead",
    "MissingExtraError",
    "Model",
    "NoIndexError",
    "OfflineError",
    "PathAsTextWarning",
    "Query",
    "QueryPart",
    "Skipped",
    "StoreError",
    "TextTruncatedWarning",
    "UnknownModelError",
    "UnknownScriptWarning",
    "WordsightError",
    "WordsightWarning",
    "__version__",
    "errors",
    "load",
    "read_image",
    "sample_images",
    "show_answers",
]


def __getattr__(name: str) -> Any:
    """Import the public names on first use: `import wordsight` loads nothing heavy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'wordsight' has no attribute {name!r}; it offers {', '.join(__all__)}")
    home = _HOMES[name]
    if not home:
        return importlib.import_module(f"wordsight.{name}")
    return getattr(importlib.import_module(f"wordsight.{home}"), name)


def __dir__() -> list[str]:
    """Public names, of which most are imported on first use: what Tab and `dir` show."""
    return list(__all__)
