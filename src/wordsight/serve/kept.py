"""What was computed of an index, kept in memory while its contents stay the same."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from wordsight.index import Index

T = TypeVar("T")
MOST = 32  # values of one kind and index

_kept: weakref.WeakKeyDictionary[Index, tuple[str, OrderedDict[tuple[str, Hashable], Any]]] = (
    weakref.WeakKeyDictionary()
)
_lock = threading.Lock()


def keep_while_unchanged(index: Index, kind: str, key: Hashable, compute: Callable[[], T], *, most: int = MOST) -> T:
    """Value of a key: computed once for each state of an index (`Index.state`); each time of one that tells none.

    kind, key: tell values apart. most: values of the kind that are kept, those used last.
    """
    state = index.state()
    if state is None:
        return compute()
    place = (kind, key)
    with _lock:
        of, values = _kept.get(index, ("", OrderedDict()))
        if of == state and place in values:
            values.move_to_end(place)
            return values[place]  # type: ignore[no-any-return]
    value = compute()
    with _lock:
        of, values = _kept.get(index, ("", OrderedDict()))
        if of != state:
            values = OrderedDict()
        values[place] = value
        of_kind = [one for one in values if one[0] == kind]
        for one in of_kind[: max(0, len(of_kind) - most)]:
            del values[one]
        _kept[index] = state, values
    return value
