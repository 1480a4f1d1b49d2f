"""The queue in front of a worker: searches before bulk work, round robin by client within a lane."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from wordsight.serve.engine.callers import Lane
from wordsight.serve.engine.inputs import Asked, Input, Kind

SEARCHES_IN_A_ROW = 8  # batches, after which waiting bulk work gets one

Waiting = dict[Kind, deque[Input]]  # of one client


class LaneQueue:
    """Inputs that wait, by lane, client and kind. Not locked: its owner holds a lock.

    A batch is of one kind. Bulk work gets a batch after every `SEARCHES_IN_A_ROW` batches of searches, so that constant
    search does not starve it, and fills the places that a batch of searches leaves empty.
    """

    def __init__(self) -> None:
        self._lanes: dict[Lane, OrderedDict[str, Waiting]] = {lane: OrderedDict() for lane in Lane}
        self._counts: dict[tuple[Lane, Kind], int] = {}
        self._searches = 0

    def __len__(self) -> int:
        """Number of inputs that wait."""
        return sum(self._counts.values())

    def count(self, lane: Lane, kind: Kind) -> int:
        """Number of inputs of a kind that wait in a lane."""
        return self._counts.get((lane, kind), 0)

    def put(self, entry: Input) -> None:
        """Add an input at the end of its client's line."""
        lane, kind = entry.caller.lane, entry.kind
        self._lanes[lane].setdefault(entry.caller.client, {}).setdefault(kind, deque()).append(entry)
        self._counts[lane, kind] = self.count(lane, kind) + 1

    def take(self, size: Callable[[Kind, int], int], *, bulk: bool = True) -> list[Input]:
        """Next batch, empty where nothing may be taken.

        size: inputs of a batch, of its kind and the number that wait; at least 1. bulk: whether bulk work may be taken.
        """
        lane = self._next_lane(bulk)
        if lane is None:
            return []
        kind = self._next_kind(lane)
        places = size(kind, self.count(lane, kind))
        batch = self._collect(lane, kind, places)
        if lane is Lane.SEARCH:
            self._searches += 1
            if bulk:
                batch += self._collect(Lane.BULK, kind, places - len(batch))
        else:
            self._searches = 0
        return batch

    def remove(self, asked: Asked) -> int:
        """Take out the inputs of a request; returns their number."""
        caller, kind = asked.caller, asked.kind
        waiting = self._lanes[caller.lane].get(caller.client, {})
        if kind not in waiting:
            return 0
        kept = deque(entry for entry in waiting[kind] if entry.asked is not asked)
        removed = len(waiting[kind]) - len(kept)
        self._counts[caller.lane, kind] -= removed
        self._keep(caller.lane, caller.client, kind, kept)
        return removed

    def clear(self) -> list[Input]:
        """Take out everything."""
        left = [
            entry
            for clients in self._lanes.values()
            for waiting in clients.values()
            for line in waiting.values()
            for entry in line
        ]
        for clients in self._lanes.values():
            clients.clear()
        self._counts.clear()
        return left

    def _next_lane(self, bulk: bool) -> Lane | None:
        bulk = bulk and bool(self._lanes[Lane.BULK])
        if self._lanes[Lane.SEARCH] and not (bulk and self._searches >= SEARCHES_IN_A_ROW):
            return Lane.SEARCH
        return Lane.BULK if bulk else None

    def _next_kind(self, lane: Lane) -> Kind:
        """Kind of the oldest input of the client whose turn it is."""
        waiting = next(iter(self._lanes[lane].values()))
        return min(waiting, key=lambda kind: waiting[kind][0].since)

    def _collect(self, lane: Lane, kind: Kind, places: int) -> list[Input]:
        """Up to so many inputs, one of each client in turn; those who were served go to the end."""
        batch: list[Input] = []
        clients = self._lanes[lane]
        while len(batch) < places and self.count(lane, kind):
            for client in list(clients):
                if len(batch) == places:
                    break
                line = clients[client].get(kind)
                if not line:
                    continue
                batch.append(line.popleft())
                self._counts[lane, kind] -= 1
                clients.move_to_end(client)
                self._keep(lane, client, kind, line)
        return batch

    def _keep(self, lane: Lane, client: str, kind: Kind, line: deque[Input]) -> None:
        """Keep a client's line, or forget it where it is empty."""
        clients = self._lanes[lane]
        if line:
            clients[client][kind] = line
            return
        clients[client].pop(kind, None)
        if not clients[client]:
            del clients[client]
