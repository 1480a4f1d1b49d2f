"""Training: two towers from scratch, fine-tuning, and the baselines that they are compared with. Needs torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wordsight.errors import MissingExtraError

if TYPE_CHECKING:
    from wordsight.train.loop import train

__all__ = ["train"]


def __getattr__(name: str) -> Any:
    if name != "train":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from wordsight.train.loop import train
    except ModuleNotFoundError as error:
        if error.name == "torch":
            raise MissingExtraError("Training", "torch", "train") from error
        raise
    return train
