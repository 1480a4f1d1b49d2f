"""Class names that a model mixes up, and the effect of other wordings that a user proposes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError, did_you_mean
from wordsight.metrics import Estimate, estimate_share
from wordsight.zeroshot.class_embeddings import Floats, normalise_rows
from wordsight.zeroshot.plurals import find_singular

# an image counts as taken by another class from this share of a class's images on
_TAKEN = 0.25


@dataclass(frozen=True)
class ConfusedName:
    """A class many of whose images go to another one.

    taken: share of its images that do. nearness: share of all pairs of classes whose texts are farther apart than
    these two: near 1 the names say the same to the model, and another wording may part them; near 0.5 the texts differ,
    and it is the images, or another sense of the name, that mislead. same: the names are equal but for case and number.
    """

    name: str
    taken_by: str
    taken: Estimate
    nearness: float
    same: bool

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {
            "name": self.name,
            "taken_by": self.taken_by,
            "taken": self.taken.to_dict(),
            "nearness": self.nearness,
            "same": self.same,
        }


def find_confused_names(
    classnames: Sequence[str], class_KD: Floats, image_ND: Floats, label_N: NDArray[np.int64], *, least: float = _TAKEN
) -> tuple[ConfusedName, ...]:
    """Classes of which another takes a quarter of the images or more, the most confused first.

    class_KD: unit vectors (K, D) of the classes' texts. Names that stand in the set twice are always among them.
    """
    known_N = label_N >= 0
    guess_N = (image_ND[known_N] @ class_KD.T).argmax(axis=1)
    own_N = label_N[known_N]
    nearness_KK = _rank_pairs(class_KD)
    found = []
    for k, name in enumerate(classnames):
        guesses = guess_N[own_N == k]
        count_K = np.bincount(guesses, minlength=len(classnames))
        count_K[k] = 0
        same_K = [fold_name(other) == fold_name(name) and j != k for j, other in enumerate(classnames)]
        other = int(count_K.argmax())
        if any(same_K):
            other = int(np.argmax(same_K))
        if len(guesses) and (any(same_K) or count_K[other] >= least * len(guesses)):
            taken = estimate_share(guesses == other)
            found.append(ConfusedName(name, classnames[other], taken, float(nearness_KK[k, other]), any(same_K)))
    return tuple(sorted(found, key=lambda name: -name.taken.value))


def apply_renames(classnames: Sequence[str], renames: Sequence[str]) -> tuple[str, ...]:
    """Wordings (K) of the classes after renames such as "crane=crane bird".

    A name that several classes share takes its renames in the order of the classes.
    Raises: InputError for a rename of another form, of a class that is not in the set, and for more than classes.
    """
    words = list(classnames)
    for rename in renames:
        name, equals, word = (part.strip() for part in rename.partition("="))
        if not name or not equals or not word:
            raise InputError(f"The rename {rename!r} is not complete; expected 'name=other wording'.")
        places = [k for k, classname in enumerate(classnames) if classname == name]
        if not places:
            raise InputError(f"The dataset has no class {name!r} to rename.{did_you_mean(name, classnames)}")
        free = [k for k in places if words[k] == name]
        if not free:
            raise InputError(f"The class {name!r} is renamed more often than the dataset has it ({len(places)}).")
        words[free[0]] = word
    return tuple(words)


def add_kind(templates: Sequence[str], kind: str) -> tuple[str, ...]:
    """Templates with a category after the name, "a photo of a {}, a type of pet.", before the final full stop.

    Source: Radford et al. 2021, §3.1.4. Raises: InputError for an empty category.
    """
    kind = kind.strip()
    if not kind:
        raise InputError("The kind is empty; expected a word for what all classes are, such as 'pet'.")
    return tuple(_add_kind(template, kind) for template in templates)


def fold_name(name: str) -> str:
    """A name without case, underscores and number: those that fold alike are one name to a reader."""
    plain = " ".join(name.replace("_", " ").casefold().split())
    return find_singular(plain) or plain


def _add_kind(template: str, kind: str) -> str:
    body = template.rstrip(".!")
    return f"{body}, a type of {kind}{template[len(body) :]}"


def _rank_pairs(class_KD: Floats) -> NDArray[np.float64]:
    """Share (K, K) of pairs of classes that are farther apart than each pair, their common direction removed."""
    if len(class_KD) < 3:  # two centred vectors are opposite: nothing to compare with
        return np.full((len(class_KD), len(class_KD)), 0.5)
    centred_KD = normalise_rows(class_KD - class_KD.mean(axis=0))
    cosine_KK = centred_KD @ centred_KD.T
    pairs = np.sort(cosine_KK[np.triu_indices(len(class_KD), 1)])
    return np.asarray(np.searchsorted(pairs, cosine_KK) / len(pairs))
