"""Prompt files in the forms that papers publish: class name → list of texts, as JSON."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wordsight.errors import InputError, WordsightWarning, did_you_mean
from wordsight.evaluate.prompts.prompt_set import PromptSet
from wordsight.json_records import parse_json, show

_SHOWN = 5  # names in a message
_STATES = ("has", "often", "typically", "may", "can")
_ARE = ("a", "an", "used")


class UnusedPromptsWarning(WordsightWarning):
    """A prompt file has prompts of classes that the dataset does not have."""


def read_cupl(path: Path, classnames: Sequence[str]) -> PromptSet:
    """Prompt set of a file of CuPL's form: class name → full prompts; the mean of a class's embeddings is taken.

    Names are compared without regard to case, underscores and blanks at their ends.
    Raises: InputError for a file that is not of this form, and for classes of the set that it lacks.
    Warns: UnusedPromptsWarning. Source: Pratt et al. 2209.03320.
    """
    texts = _match_names(_read(path), classnames, path)
    return PromptSet(path.stem, tuple(texts))


def read_dclip(path: Path, classnames: Sequence[str]) -> PromptSet:
    """Prompt set of a file of DCLIP's form: class name → descriptors; the mean of an image's cosines is taken.

    "red comb" of "hen" becomes "hen, which has red comb", as `describe` joins them.
    Raises and warns as `read_cupl`. Source: Menon and Vondrick 2210.07183, and the joining words of their code, by
    whole words (there, "antlers" counts as beginning with "a").
    """
    descriptors = _match_names(_read(path), classnames, path)
    prompts = tuple(
        tuple(describe(name, descriptor) for descriptor in texts)
        for name, texts in zip(classnames, descriptors, strict=True)
    )
    return PromptSet(path.stem, prompts, "similarities")


def describe(classname: str, descriptor: str) -> str:
    """Prompt of a class name and a descriptor: "hen, which has feathers", "hen, which is a bird", "hen, which can fly".

    A descriptor without a first word is the class name alone.
    """
    words = descriptor.split()
    if not words:
        return classname
    first = words[0].lower()
    if first in _STATES:
        return f"{classname}, which {descriptor}"
    verb = "has"
    if first in _ARE:
        verb = "is"
    return f"{classname}, which {verb} {descriptor}"


def _read(path: Path) -> dict[str, tuple[str, ...]]:
    """Class name → texts, checked."""
    try:
        content = parse_json(_without_repeats(path.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or not JSON
        raise InputError(
            f"The prompt file {str(path)!r} cannot be read ({error}); expected JSON such as "
            '{"hen": ["a photo of a hen, a bird with a red comb."]}.'
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"The prompt file {str(path)!r} holds {show(content)}, expected class name → list of texts.")
    if not content:
        raise InputError(f"The prompt file {str(path)!r} has no class; expected class name → list of texts.")
    return {name: _check_texts(name, texts, path) for name, texts in content.items()}


def _without_repeats(text: str) -> str:
    """The text as it is. Raises: ValueError for a class that stands in it twice, of which JSON keeps the last only."""

    def check(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the class {name!r} stands in it twice")
        return dict(pairs)

    try:
        json.loads(text, object_pairs_hook=check)
    except RecursionError:
        raise ValueError("brackets nested too deep") from None
    return text


def _check_texts(name: str, texts: Any, path: Path) -> tuple[str, ...]:
    good = isinstance(texts, list) and texts and all(isinstance(text, str) and text.strip() for text in texts)
    if not good:
        raise InputError(
            f"The prompt file {str(path)!r} has {show(texts)} for the class {name!r}, expected a list with one text or "
            "more."
        )
    return tuple(" ".join(text.split()) for text in texts)


def _match_names(found: dict[str, tuple[str, ...]], classnames: Sequence[str], path: Path) -> list[tuple[str, ...]]:
    """Texts of each class of the set, in its order."""
    by_key: dict[str, str] = {}
    for name in found:
        other = by_key.setdefault(_fold(name), name)
        if other != name:
            raise InputError(f"The prompt file {str(path)!r} has both {other!r} and {name!r}, which are one class.")
    missing = [name for name in classnames if _fold(name) not in by_key]
    if missing:
        unused = [name for key, name in by_key.items() if key not in set(map(_fold, classnames))]
        shown = ", ".join(repr(name) for name in missing[:_SHOWN]) + ", …" * (len(missing) > _SHOWN)
        raise InputError(
            f"The prompt file {str(path)!r} lacks {len(missing)} of the dataset's {len(classnames)} classes: {shown}."
            f"{did_you_mean(missing[0], unused)} Its names must be those of the dataset."
        )
    _warn_of_unused(by_key, classnames, path)
    return [found[by_key[_fold(name)]] for name in classnames]


def _warn_of_unused(by_key: dict[str, str], classnames: Sequence[str], path: Path) -> None:
    known = set(map(_fold, classnames))
    unused = [name for key, name in by_key.items() if key not in known]
    if unused:
        shown = ", ".join(map(repr, unused[:_SHOWN])) + ", …" * (len(unused) > _SHOWN)
        warnings.warn(
            f"{path}: the prompts of {len(unused)} classes that the dataset does not have are not used: {shown}.",
            UnusedPromptsWarning,
            stacklevel=4,
        )


def _fold(name: str) -> str:
    return " ".join(name.replace("_", " ").split()).casefold()
