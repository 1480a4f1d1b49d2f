"""Clients of an HTTP server that cost little themselves: requests made beforehand, answers read but not parsed."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import numpy as np


@dataclass
class Tally:
    """Seconds of each request that was answered with 200, and how many were refused (429) or failed."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    errors: int = 0

    def note(self, status: int, seconds: float) -> None:
        """Count an answer."""
        if status == 200:
            self.seconds.append(seconds)
        elif status == 429:
            self.refused += 1
        else:
            self.errors += 1

    def row(self, wall: float) -> dict[str, float]:
        """Requests a second and their percentiles in milliseconds."""
        ms = 1000 * np.array(self.seconds or [np.nan])
        p50, p95, p99 = (float(p) for p in np.percentile(ms, [50, 95, 99]))
        return {
            "per_second": len(self.seconds) / wall,
            "p50_ms": p50,
            "p95_ms": p95,
            "p99_ms": p99,
            "refused": self.refused,
            "errors": self.errors,
        }


def make_request(address: str, path: str, body: bytes) -> bytes:
    """Bytes of a POST request of JSON."""
    host = urlsplit(address).netloc
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class Connection:
    """A connection that stays open, opened again where the server closed it."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._place = (parts.hostname, parts.port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; status 0 where the connection broke."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection(*self._place, limit=1 << 20)
            reader, writer = self._streams
            writer.write(request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
            return int(head[9:12]), await reader.readexactly(length)
        except (OSError, EOFError, IndexError):
            self.close()
            return 0, b""

    def close(self) -> None:
        """Close it."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def closed_loop(address: str, requests: Iterator[bytes], clients: int, seconds: float, warm_up: float) -> Tally:
    """So many clients, each of which asks again as soon as it is answered."""
    tally = Tally()
    start = time.perf_counter() + warm_up
    end = start + seconds

    async def ask() -> None:
        connection = Connection(address)
        while (begin := time.perf_counter()) < end:
            status, _ = await connection.ask(next(requests))
            now = time.perf_counter()
            if start <= now < end:
                tally.note(status, now - begin)
        connection.close()

    await asyncio.gather(*(ask() for _ in range(clients)))
    return tally


async def open_loop(address: str, requests: Iterator[bytes], rate: float, seconds: float) -> Tally:
    """Requests at a fixed rate, whether or not the server keeps up; their time counts from when they were due."""
    tally = Tally()
    idle: list[Connection] = []
    tasks = []
    start = time.perf_counter()

    async def ask(request: bytes, due: float) -> None:
        connection = idle.pop() if idle else Connection(address)
        status, _ = await connection.ask(request)
        tally.note(status, time.perf_counter() - due)
        idle.append(connection)

    for i in range(int(rate * seconds)):
        due = start + i / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(ask(next(requests), due)))
    await asyncio.gather(*tasks)
    for connection in idle:
        connection.close()
    return tally


def run_clients(make: Callable[[], Awaitable[Tally]]) -> tuple[Tally, float]:
    """Run clients; returns their tally and the processor time that they took themselves."""
    before = resource.getrusage(resource.RUSAGE_SELF)

    async def main() -> Tally:
        return await make()

    tally = asyncio.run(main())
    after = resource.getrusage(resource.RUSAGE_SELF)
    return tally, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
