"""Request that a loader answers, and the warning of everything it had to leave out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from wordsight.errors import InputError, WordsightWarning, did_you_mean

# names of splits that mean the same, those that a model is measured on first
_SPLITS = {
    "test": ("test", "testing"),
    "validation": ("validation", "val", "valid", "dev"),
    "train": ("train", "training"),
}


class DatasetWarning(WordsightWarning):
    """A labelled set is not quite what its files promise: rows left out, classes without images, names twice."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A source as the user named it, and the parts of it that are wanted; see `open_set`."""

    source: str
    split: str | None = None
    image_column: str | None = None
    class_column: str | None = None

    @property
    def path(self) -> str:
        """Source as a path, "~" expanded."""
        return os.path.expanduser(self.source)


def split_kind(name: str) -> str | None:
    """Usual name of a split, "validation" of "val"; None of what is not called like a split."""
    return next((kind for kind, names in _SPLITS.items() if name.lower() in names), None)


def choose_split(there: Sequence[str], wanted: str | None, source: str) -> str:
    """Split that is meant among those there are: of that name, else of that meaning ("val" for "validation").

    By default the test split, else the validation split, else the first.
    Raises: InputError naming the splits.
    """
    if wanted is None:
        for kind in ("test", "validation"):
            for name in there:
                if split_kind(name) == kind:
                    return name
        return there[0]
    if wanted in there:
        return wanted
    kind_wanted = split_kind(wanted)
    if kind_wanted is not None:
        for name in there:
            if split_kind(name) == kind_wanted:
                return name
    raise InputError(
        f"The dataset {source!r} has no split {wanted!r}; it has {', '.join(there)}.{did_you_mean(wanted, there)}"
    )


def refuse_split(request: Request) -> None:
    """Raise InputError where a split is asked for of a source that is one set without splits."""
    if request.split is not None:
        raise InputError(
            f"The dataset {request.source!r} has no split {request.split!r}; it has no splits. Leave out --split."
        )


def refuse_columns(request: Request, form: str) -> None:
    """Raise InputError where columns are named for a source that has none."""
    for option, value in (("--image-column", request.image_column), ("--class-column", request.class_column)):
        if value is not None:
            raise InputError(f"{option} is {value!r}, but {request.source!r} is {form}, which has no columns.")
