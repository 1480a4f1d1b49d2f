"""One unit embedding per class: prompts → normalised embeddings → mean → normalised; kept on disk."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError
from wordsight.zeroshot.templates import fill
from wordsight.zeroshot.vector_cache import cached_vectors

Floats = NDArray[np.float32]
ClassNames = Iterable[str] | Mapping[str, Iterable[str]]  # a Series, an array, a generator too

_PROMPTS_AT_ONCE = 1024


class TextEmbedder(Protocol):
    """The part of a model that class embeddings need."""

    @property
    def fingerprint(self) -> str:
        """Hash of all that determines the model's answers."""

    def embed_texts(self, texts: Sequence[str]) -> Floats:
        """Unit vectors of texts, (N, D)."""


def parse_classes(lines: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Class name → wordings, from lines "cat" or "invoices = a scanned invoice, a bill".

    Empty lines and lines that begin with `#` are skipped. Raises: InputError for duplicates and empty names.
    """
    names: list[str] = []
    wordings: dict[str, tuple[str, ...]] = {}
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, after = (part.strip() for part in line.partition("="))
        words = tuple(word.strip() for word in after.split(",") if word.strip())
        if not name or (equals and not words):
            raise InputError(f"The class {line.strip()!r} is not complete; expected 'name' or 'name = wording, …'.")
        names.append(name)
        wordings[name] = words or (name,)
    check_classnames(names)
    return wordings


def check_classnames(names: Sequence[str]) -> None:
    """Raise InputError for an empty list, an empty name, or a name given twice (upper and lower case alike)."""
    if isinstance(names, str):
        raise InputError(f"The class names are the one string {names!r}; give a list such as ['cat', 'dog'].")
    if not names:
        raise InputError("The list of classes is empty; give at least one class name, such as 'cat'.")
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"The class name {name!r} is empty or not a text; each class needs a name.")
    folded = [name.strip().casefold() for name in names]
    counts = Counter(folded)
    twice = sorted({name for name, key in zip(names, folded, strict=True) if counts[key] > 1})
    if twice:
        shown = ", ".join(map(repr, twice[:10])) + ", …" * (len(twice) > 10)
        raise InputError(f"Classes given more than once: {shown}; name each class once (of a column: .unique()).")


def as_wordings(classnames: ClassNames) -> dict[str, tuple[str, ...]]:
    """Class name → wordings for names (each its own wording) in any iterable or a mapping, checked.

    A set is taken in the order of its names: its own order changes from run to run.
    """
    if isinstance(classnames, Mapping):
        check_classnames(list(classnames))
        wordings: dict[str, tuple[str, ...]] = {}
        for name, words in classnames.items():
            wordings[str(name)] = () if isinstance(words, str) else tuple(map(str, words))
            if not wordings[str(name)]:
                raise InputError(f"The wordings of class {name!r} are {words!r}; expected a list with one or more.")
        return wordings
    if isinstance(classnames, str):
        check_classnames(classnames)
    if not isinstance(classnames, Iterable):
        raise InputError(f"The classes are given as {type(classnames).__name__}, expected a list of names.")
    names = sorted(classnames) if isinstance(classnames, set | frozenset) else list(classnames)
    check_classnames(names)
    return {str(name): (str(name),) for name in names}


def embed_classes(
    model: TextEmbedder, wordings: Mapping[str, Sequence[str]], templates: Sequence[str], *, cache: bool = True
) -> Floats:
    """Class embeddings (K, D), unit length, float32: each the mean over its wordings × templates.

    With `cache` they are kept under `locations.cache_dir("classes")` by the model's fingerprint, backend, precision and
    the prompts; a damaged file is computed again, a folder that cannot be written is not an error.
    Source: Radford et al. 2021, §3.1.4.
    """
    prompts = class_prompts(wordings, templates)
    if not cache:
        return _embed(model, prompts)
    return cached_vectors("classes", model, prompts, len(prompts), lambda: _embed(model, prompts))


def class_prompts(wordings: Mapping[str, Sequence[str]], templates: Sequence[str]) -> list[list[str]]:
    """Prompts of each class: its wordings × templates."""
    return [[prompt for word in words for prompt in fill(templates, word)] for words in wordings.values()]


def average_prompts(vectors_PD: NDArray[np.floating], prompts: Sequence[Sequence[str]]) -> Floats:
    """Class embeddings (K, D) from the embeddings (P, D) of all classes' prompts in a row."""
    vectors_PD = normalise_rows(vectors_PD)
    starts = np.cumsum([0, *map(len, prompts)])
    means = [vectors_PD[a:b].mean(axis=0) for a, b in itertools.pairwise(starts)]
    return normalise_rows(np.stack(means))


def normalise_rows(vectors_ND: NDArray[np.floating]) -> Floats:
    """Rows divided by their own lengths: along the last axis, never along axis 0. (N, D) → (N, D)."""
    lengths_N1 = np.linalg.norm(vectors_ND, axis=-1, keepdims=True)
    return np.asarray(vectors_ND / np.maximum(lengths_N1, np.finfo(np.float32).tiny), dtype=np.float32)


def _embed(model: TextEmbedder, prompts: Sequence[Sequence[str]]) -> Floats:
    """Class embeddings: all prompts, some at a time, and the mean of each class's."""
    flat = list(itertools.chain.from_iterable(prompts))
    parts = [model.embed_texts(flat[i : i + _PROMPTS_AT_ONCE]) for i in range(0, len(flat), _PROMPTS_AT_ONCE)]
    return average_prompts(np.concatenate(parts), prompts)
