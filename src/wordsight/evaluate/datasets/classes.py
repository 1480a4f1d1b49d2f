"""Classes of a labelled set: their names as templates take them, and the labels that point to them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.errors import InputError, did_you_mean
from wordsight.evaluate.datasets.request import DatasetWarning
from wordsight.evaluate.report.words import list_some

SEPARATOR = "|"  # between the classes of one image in a cell
_NUMBER = re.compile(r"[+-]?\d+(\.0*)?")


def word_class(raw: str) -> str:
    """Name of a class as templates take it, from the name of a folder or a cell: "_" becomes a space."""
    return " ".join(raw.replace("_", " ").split())


def index_names(raw: Iterable[str], where: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """(label by name as found, sorted class names) of classes that are told apart by their names alone.

    Raises: InputError for names that differ only in case, "_" or spaces: no model could tell them apart.
    """
    spelled: dict[str, str] = {}
    for name in dict.fromkeys(raw):
        former = spelled.setdefault(word_class(name).casefold(), name)
        if former != name:
            raise InputError(
                f"The classes {former!r} and {name!r} of {where} differ only in case, '_' or spaces, so that no model "
                "can tell them apart; spell them alike, or give one another name."
            )
    classnames = tuple(sorted(word_class(name) for name in spelled.values()))
    return {name: classnames.index(word_class(name)) for name in spelled.values()}, classnames


def check_class_count(classnames: Sequence[str], where: str, expected: str) -> None:
    """Raise InputError where there are not two classes to choose from. expected: what the source should hold."""
    if len(classnames) < 2:
        seen = f"only the class {classnames[0]!r}" if classnames else "no class"
        raise InputError(f"{where} holds {seen}; expected {expected}, two classes or more to choose from.")


def read_labels(
    cells: Sequence[tuple[str, Any]], listed: Sequence[str] | None, *, where: str
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Labels and class names of (row, cell) pairs: a name, a number, "a|b" or a list of several classes.

    listed: class names in the order of their numbers, or None. Labels are (N,) int64, or (N, K) bool where any cell
    holds several classes; an empty cell then is an image of none.
    Warns: DatasetWarning where cells are read as several classes, but none holds two.
    Raises: InputError for numbers without a list or outside of it, for numbers mixed with names, and for names that
    the list lacks.
    """
    several = any(isinstance(cell, list) or (isinstance(cell, str) and SEPARATOR in cell) for _, cell in cells)
    named = [(row, _split_cell(cell, several)) for row, cell in cells]
    if several:
        _warn_of_few_lists(named, [cell for _, cell in cells], where)
    _check_mixture(named, where)
    numbers = any(_NUMBER.fullmatch(one) for _, ones in named for one in ones)
    if listed is not None:
        by_name, classnames = _number_listed(named, listed, numbers, where), tuple(listed)
    elif numbers:
        row, ones = next((row, ones) for row, ones in named if ones)
        raise InputError(
            f"The classes of {where} are numbers without names ({ones[0]} in {row}); name the column that holds the "
            "names with --class-column, or write them into classnames.txt beside it, a line for each from number 0 on."
        )
    else:
        by_name, classnames = index_names((one for _, ones in named for one in ones), where)
    if not several:
        return np.array([by_name[ones[0]] for _, ones in named], np.int64), classnames
    mark_NK = np.zeros((len(named), len(classnames)), bool)
    for place, (_, ones) in enumerate(named):
        mark_NK[place, [by_name[one] for one in ones]] = True
    return mark_NK, classnames


def warn_of_empty_classes(labels: NDArray[Any], classnames: Sequence[str], source: str) -> None:
    """Warn (DatasetWarning) of classes that no image has."""
    if labels.ndim == 2:
        count_K = labels.sum(axis=0)
    else:
        count_K = np.bincount(labels[labels >= 0], minlength=len(classnames))
    empty = [classnames[place] for place in np.flatnonzero(count_K == 0).tolist()]
    if empty:
        warnings.warn(
            f"{len(empty)} of the {len(classnames)} classes of {source!r} have no image ({shorten(empty)}); they stay "
            "answers that a model can give wrongly. Leave them out of the list if that is not meant.",
            DatasetWarning,
            stacklevel=3,
        )


def warn_of_same_names(classnames: Sequence[str], source: str) -> None:
    """Warn (DatasetWarning) of labels of a list that are called the same."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(classnames):
        places.setdefault(word_class(name).casefold(), []).append(place)
    same = [some for some in places.values() if len(some) > 1]
    if same:
        labels = " and ".join(str(place) for place in same[0])
        warnings.warn(
            f"The class list of {source!r} calls labels {labels} all {classnames[same[0][0]]!r} ({len(same)} names are "
            "there more than once); a model cannot tell them apart. Give each a name of its own.",
            DatasetWarning,
            stacklevel=3,
        )


def shorten(names: Sequence[str]) -> str:
    """Names for a message: the first few, and how many more there are."""
    return list_some([repr(name) for name in names])


def _warn_of_few_lists(named: Sequence[tuple[str, list[str]]], cells: Sequence[Any], where: str) -> None:
    """Warn (DatasetWarning) where no cell names two classes: a mark such as in "ant|" may be a slip."""
    if any(len(ones) > 1 for _, ones in named) or any(isinstance(cell, list) for cell in cells):
        return
    place = next(place for place, cell in enumerate(cells) if SEPARATOR in str(cell))
    warnings.warn(
        f"The classes of {where} are read as several an image, because of {cells[place]!r} in {named[place][0]}, but "
        f"no image has two; take out the {SEPARATOR!r} if each has one class.",
        DatasetWarning,
        stacklevel=4,
    )


def _split_cell(cell: Any, several: bool) -> list[str]:
    """Classes that a cell names, as text."""
    if cell is None:
        return []
    if isinstance(cell, list):
        ones = [str(one) for one in cell]
    elif several:
        ones = str(cell).split(SEPARATOR)
    else:
        ones = [str(cell)]
    return [one.strip() for one in ones if one.strip()]


def _check_mixture(named: Sequence[tuple[str, list[str]]], where: str) -> None:
    first: dict[bool, tuple[str, str]] = {}
    for row, ones in named:
        for one in ones:
            first.setdefault(bool(_NUMBER.fullmatch(one)), (row, one))
    if len(first) > 1:
        (number_row, number), (name_row, name) = first[True], first[False]
        raise InputError(
            f"The classes of {where} are numbers and names mixed: {number!r} in {number_row}, {name!r} in {name_row}; "
            "write names only, a number that is a name with a word, such as 'number 3'."
        )


def _number_listed(
    named: Sequence[tuple[str, list[str]]], listed: Sequence[str], numbers: bool, where: str
) -> dict[str, int]:
    """Label of each class as it is written in the cells."""
    if numbers:
        check_numerals(listed, where)
    by_listed = {word_class(name).casefold(): place for place, name in enumerate(listed)}
    by_name: dict[str, int] = {}
    for row, ones in named:
        for one in ones:
            if one in by_name:
                continue
            label = by_listed.get(word_class(one).casefold())
            if numbers:
                label = check_label(int(float(one)), listed, f"{row} of {where}")
            if label is None:
                raise InputError(
                    f"The class {one!r} in {row} of {where} is missing from classnames.txt, which lists "
                    f"{len(listed)} others; add it, or correct the cell.{did_you_mean(one, listed)}"
                )
            by_name[one] = label
    return by_name


def check_numerals(listed: Sequence[str], where: str) -> None:
    """Raise InputError for a list of names that are numbers, but not those of their places: "1" could mean either."""
    for place, name in enumerate(listed):
        if name.strip().isdecimal() and int(name) != place:
            raise InputError(
                f"The class list of {where} holds {name!r} at place {place}, counted from 0, so that a label {name} "
                f"could mean either; write names with a word, such as 'number {name.strip()}'."
            )


def check_label(label: int, classnames: Sequence[str], where: str) -> int:
    """A label that has a name. Raises: InputError for one that has none."""
    if 0 <= label < len(classnames):
        return label
    raise InputError(
        f"The label {label} in {where} has no name: the class list has {len(classnames)} names, for the labels 0 to "
        f"{len(classnames) - 1}. Add the missing names, or count labels from 0."
    )
