"""Settings of an evaluation, which a training run keeps among its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from wordsight.json_records import FORMER_NAME
from wordsight.zeroshot.templates import PHOTO


@dataclass(frozen=True, kw_only=True)
class ZeroShotConfig:
    """Labelled images for zero-shot accuracy: a folder with one folder per class, or a table with two columns.

    classes: names to put into the templates, where those of folders and cells read badly; by default "_"
    becomes a space. limit: images used at most, drawn evenly.
    """

    images: str = field(metadata={FORMER_NAME: "pictures"})
    image_column: str | None = None
    class_column: str | None = None
    classes: dict[str, str] = field(default_factory=dict)
    templates: tuple[str, ...] = (PHOTO,)
    limit: int | None = None
