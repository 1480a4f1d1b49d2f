"""Jobs: work that takes longer than a request, one at a time for each gallery or folder that it changes."""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from wordsight.errors import WordsightError
from wordsight.serve.engine.engine import BusyError

State = Literal["waiting", "running", "done", "failed", "cancelled"]
KEPT_SECONDS = 3600.0  # after the end of a job
MOST_WAITING = 20
MOST_KEPT = 200
RETRY_SECONDS = 10.0
SKIPPED_SHOWN = 1000


class UnknownJobError(WordsightError):
    """A job that the server does not know, or no longer."""


class JobCancelledError(Exception):
    """Raised in a job's thread once it was told to stop."""


@dataclass(eq=False)
class Job:
    """One piece of work. kind: "add", "duplicates", "sort". done, total: files; total is None while they are counted.

    skipped: (name, reason). result: what it made, as JSON. message: why it failed. One thread changes it, others read.
    """

    kind: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: State = "waiting"
    done: int = 0
    total: int | None = None
    added: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    result: Any = None
    message: str = ""
    ended: float | None = None
    stopping: threading.Event = field(default_factory=threading.Event, repr=False)

    def report(self, done: int, total: int | None, added: int = 0) -> None:
        """Take note of progress. Raises: JobCancelledError."""
        self.done, self.total, self.added = done, total, added
        if self.stopping.is_set():
            raise JobCancelledError

    def to_dict(self) -> dict[str, Any]:
        """The job as JSON."""
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "added": self.added,
            "skipped": [{"name": name, "reason": reason} for name, reason in self.skipped[:SKIPPED_SHOWN]],
            "skipped_total": len(self.skipped),
            "message": self.message,
            "result": self.result,
        }


class Jobs:
    """Jobs of a server: kept in memory for an hour after their end, and lost with the process.

    Work itself is safe: what a job has committed stays, and the same job can be started again.
    """

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, kind: str, on: str, work: Callable[[Job], Any]) -> Job:
        """Start a job: `work` is called with it in a thread, after all others on the same thing; it returns the result.

        Raises: BusyError where too many wait.
        """
        self._drop_old()
        if sum(job.state == "waiting" for job in self._jobs.values()) >= MOST_WAITING:
            raise BusyError(RETRY_SECONDS)
        job = Job(kind)
        self._jobs[job.id] = job
        task = asyncio.create_task(self._run(job, on, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def get(self, id: str) -> Job:
        """Job of an id. Raises: UnknownJobError."""
        self._drop_old()
        if id not in self._jobs:
            raise UnknownJobError(f"There is no job {id!r:.60}; jobs are kept for an hour, and not across restarts.")
        return self._jobs[id]

    def all(self) -> list[Job]:
        """All jobs that are kept, the newest first."""
        self._drop_old()
        return list(reversed(self._jobs.values()))

    async def stop(self) -> None:
        """Tell all jobs to stop, and wait until they have kept what is done."""
        for job in self._jobs.values():
            job.stopping.set()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, job: Job, on: str, work: Callable[[Job], Any]) -> None:
        async with self._locks[on]:
            if job.stopping.is_set():
                job.state = "cancelled"
            else:
                job.state = "running"
                await asyncio.to_thread(_work, job, work)
            job.ended = time.monotonic()

    def _drop_old(self) -> None:
        ended = [job for job in self._jobs.values() if job.ended is not None]
        late = time.monotonic() - KEPT_SECONDS
        surplus = len(self._jobs) - MOST_KEPT
        for place, job in enumerate(ended):
            if place < surplus or (job.ended or 0) < late:
                del self._jobs[job.id]


def _work(job: Job, work: Callable[[Job], Any]) -> None:
    try:
        job.result = work(job)
        job.state = "done"
    except JobCancelledError:
        job.state, job.message = "cancelled", "Cancelled; what was done before stays."
    except WordsightError as error:
        job.state, job.message = "failed", str(error)
    except OSError as error:
        job.state, job.message = "failed", f"The server could not write: {error.strerror or error}."
    except Exception:
        job.state, job.message = "failed", "The job failed; the server's log says why."
        raise
