"""Wordings of one class name: what people vary without thinking of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from wordsight.zeroshot.class_embeddings import check_classnames
from wordsight.zeroshot.plurals import find_singular
from wordsight.zeroshot.templates import fill

# in the order in which they are made and shown
KINDS = ("name", "article", "number", "case", "punctuation", "synonym", "template")


@dataclass(frozen=True)
class Wording:
    """One way of wording K class names: a text of each, and the kind of variation."""

    kind: str
    texts: tuple[str, ...]


def vary_names(
    names: Sequence[str], templates: Sequence[str] = (), synonyms: Sequence[Sequence[str]] | None = None
) -> tuple[Wording, ...]:
    """Wordings of the names, each name worded in the same way: articles, number, case, punctuation, templates.

    synonyms: further words of each name; one that is given for some names only leaves the others as they are.
    A wording equal to an earlier one is left out. Raises: InputError for empty and repeated names.
    """
    check_classnames(names)
    made = [
        Wording("name", tuple(names)),
        Wording("article", tuple(f"{_article(name)} {name}" for name in names)),
        Wording("article", tuple(f"the {name}" for name in names)),
        Wording("number", tuple(map(other_number, names))),
        Wording("case", tuple(name[:1].upper() + name[1:] for name in names)),
        Wording("case", tuple(name.upper() for name in names)),
        Wording("punctuation", tuple(f"{name}." for name in names)),
        Wording("punctuation", tuple(f"{name}!" for name in names)),
        Wording("punctuation", tuple(f'"{name}"' for name in names)),
    ]
    for place, others in enumerate(synonyms or ()):
        for other in others:
            words = [*names]
            words[place] = other
            made.append(Wording("synonym", tuple(words)))
    made += [Wording("template", tuple(fill([template], name)[0] for name in names)) for template in templates]
    first_of: dict[tuple[str, ...], Wording] = {}
    for wording in made:
        first_of.setdefault(wording.texts, wording)
    return tuple(first_of.values())


def other_number(name: str) -> str:
    """Plural of a name, or the singular of a plural; English, by rules: "bird" and "birds", "box" and "boxes"."""
    singular = find_singular(name)
    if singular is not None:
        return singular
    before, of, after = name.partition(" of ")
    return f"{_plural(before)}{of}{after}"


def _plural(word: str) -> str:
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies"
    if re.search(r"(s|x|z|ch|sh)$", word):
        return f"{word}es"
    return f"{word}s"


def _article(name: str) -> str:
    if name[:1].lower() in "aeiou":
        return "an"
    return "a"
