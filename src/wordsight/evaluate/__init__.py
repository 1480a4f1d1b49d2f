"""Evaluation of models on labelled images: zero-shot accuracy and retrieval, each figure with its interval."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wordsight.evaluate.estimators.few_shot import FewShotClassifier, LinearProbe
    from wordsight.evaluate.estimators.zero_shot import ZeroShotClassifier

# public name → the module that has it
_HOMES = {
    "FewShotClassifier": "estimators.few_shot",
    "LinearProbe": "estimators.few_shot",
    "ZeroShotClassifier": "estimators.zero_shot",
}
__all__ = ["FewShotClassifier", "LinearProbe", "ZeroShotClassifier"]


def __getattr__(name: str) -> Any:
    """Import the public names on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'wordsight.evaluate' has no attribute {name!r}; it offers {', '.join(__all__)}")
    return getattr(importlib.import_module(f"wordsight.evaluate.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Public names."""
    return list(__all__)
