"""What was computed of an index, kept in memory while its contents stay the same."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from wordsight.index import Index

T = TypeVar("T")
_MOST = 32  # values of one index

_kept: weakref.WeakKeyDictionary[Index, tuple[str, OrderedDict[Hashable, Any]]] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def keep_while_unchanged(index: Index, key: Hashable, compute: Callable[[], T]) -> T:
    """Value of a key: computed once for each state of an index (`Index.state`); each time of one that tells none."""
    state = index.state()
    if state is None:
        return compute()
    with _lock:
        of, values = _kept.get(index, ("", OrderedDict()))
        if of == state and key in values:
            values.move_to_end(key)
            return values[key]  # type: ignore[no-any-return]
    value = compute()
    with _lock:
        of, values = _kept.get(index, ("", OrderedDict()))
        if of != state:
            values = OrderedDict()
        values[key] = value
        while len(values) > _MOST:
            values.popitem(last=False)
        _kept[index] = state, values
    return value
