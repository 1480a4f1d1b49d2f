"""Who asks the engine, and in which queue."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Lane(enum.Enum):
    """Queue of a request: what a person waits for comes before bulk work."""

    SEARCH = "search"
    BULK = "bulk"


@dataclass(frozen=True)
class Caller:
    """Who asks: requests of a lane are served round robin by client."""

    client: str
    lane: Lane = Lane.BULK
