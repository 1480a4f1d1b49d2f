"""Queries whose right answers are known, from a file, and their answers as ids of an index."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from wordsight.errors import InputError, did_you_mean
from wordsight.index import Index

_SHOWN = 5  # names listed in a message


@dataclass(frozen=True)
class Judged:
    """A query and its answers: ids of the index (or, as read from a file, paths)."""

    query: str
    relevant: frozenset[str]


def read_judged(path: str | os.PathLike[str]) -> list[Judged]:
    """Queries of a tab-separated file, "query<TAB>id or path" a line; a query may have several lines.

    A first line whose cells are "query" and "id" or the like is skipped. Raises: InputError naming file and line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The file of queries {str(path)!r} cannot be read ({error}); expected UTF-8 text.") from error
    relevant: dict[str, set[str]] = defaultdict(set)
    for number, cells in enumerate(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE), start=1):
        cells = [cell.strip() for cell in cells]
        if not any(cells) or (number == 1 and cells[0].lower() in ("query", "queries")):
            continue
        if len(cells) < 2 or not cells[0] or not cells[1]:
            raise InputError(
                f"{str(path)!r}, line {number}: {cells!r}; expected a query, a tab, and the id that answers."
            )
        relevant[cells[0]].add(cells[1])
    return [Judged(query, frozenset(ids)) for query, ids in relevant.items()]


def resolve_answers(index: Index, judged: Sequence[Judged]) -> tuple[list[Judged], list[str]]:
    """Queries with their answers as ids of the index, and the answers that it does not hold.

    An answer is an id, a path (of a document: any of its pages), or the end of either: "shop/10006.jpg". Queries of
    which no answer is left are left out. Raises: InputError for the end of several paths.
    """
    given = {name for one in judged for name in one.relevant}
    ids_of = {name: {name} for name in (row.id for row in index.get(sorted(given)))}
    if missing := given - ids_of.keys():
        ids_of |= _find_by_path(index, missing)
    known = [
        Judged(one.query, frozenset().union(*(ids_of[name] for name in one.relevant if name in ids_of)))
        for one in judged
    ]
    return [one for one in known if one.relevant], sorted(given - ids_of.keys())


def _find_by_path(index: Index, names: Set[str]) -> dict[str, set[str]]:
    """Name → ids of the rows whose path, or end of path or id, it is; names of none are left out."""
    whole = {name: os.path.abspath(name) for name in names}
    by_last: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_last[_last(name)].append(name)
    exact: dict[str, set[str]] = defaultdict(set)
    ends: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for version in index.row_versions():
        for name in {*by_last.get(_last(version.path), ()), *by_last.get(_last(version.id), ())}:
            if version.path in (name, whole[name]):
                exact[name].add(version.id)
            elif version.path.endswith(f"/{name}") or version.id.endswith((f"/{name}", f"#{name}")):
                ends[name][version.path].add(version.id)
    found = {*exact, *ends}
    for name in sorted(found - exact.keys()):
        if len(ends[name]) > 1:
            raise InputError(
                f"{name!r} is the end of {len(ends[name])} paths, such as {' and '.join(sorted(ends[name])[:2])}; "
                "give more of the path."
            )
    return {name: exact.get(name) or next(iter(ends[name].values())) for name in found}


def describe_unknown(index: Index, unknown: Sequence[str], left: int, needed: int) -> str:
    """Message where too few queries have an answer in the index; each name with the one nearest to it."""
    known = dict.fromkeys(_last(version.path) for version, _ in zip(index.row_versions(), range(20_000), strict=False))
    shown = [f"{name!r}.{did_you_mean(_last(name), known, n=1)}" for name in unknown[:_SHOWN]]
    more = ""
    if len(unknown) > _SHOWN:
        more = f" … and {len(unknown) - _SHOWN} more."
    return (
        f"The index holds none of these, {len(unknown)} in all: {' '.join(shown)}{more} {left} queries are left, where "
        f"{needed} are needed. Expected ids or paths of indexed images; index them first."
    )


def _last(name: str) -> str:
    return name.replace("#", "/").rsplit("/", 1)[-1]
