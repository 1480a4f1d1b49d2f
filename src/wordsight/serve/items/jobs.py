"""Jobs: work that takes longer than a request, one at a time for each gallery or folder that it changes."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import errno
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
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
_AT_ONCE = 4  # jobs, in threads of their own: those that answer searches do not wait for them
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

_log = logging.getLogger("wordsight.serve")


class UnknownJobError(WordsightError):
    """A job that the server does not know, or no longer."""


class JobCancelledError(Exception):
    """Raised in a job's thread once it was told to stop."""


@dataclass(eq=False)
class Job:
    """One piece of work. kind: "add", "duplicates", "sort". done, total: files; total is None while they are counted.

    already: images that the gallery has. skipped: (name, reason). message: why it failed, or what it waits for.
    result: what it made, as JSON. more: fields beside these. value: what it made, for other requests alone; of: what
    that was made of. One thread changes it, others read.
    """

    kind: str
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    state: State = "waiting"
    done: int = 0
    total: int | None = None
    added: int = 0
    already: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    result: Any = None
    more: Mapping[str, Any] = field(default_factory=dict)
    value: Any = field(default=None, repr=False)
    of: Any = None
    message: str = ""
    ended: float | None = None
    stopping: threading.Event = field(default_factory=threading.Event, repr=False)
    finished: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def report(self, done: int, total: int | None, added: int = 0) -> None:
        """Take note of progress. Raises: JobCancelledError."""
        self.done, self.total, self.added = done, total, added
        self.check()

    def check(self) -> None:
        """Raise JobCancelledError once the job was told to stop."""
        if self.stopping.is_set():
            raise JobCancelledError

    def skip(self, name: str, reason: str) -> None:
        """Record what was not taken, and why."""
        self.skipped.append((name, reason))

    def wait(self, seconds: float) -> None:
        """Wait in the job's thread. Raises: JobCancelledError."""
        self.stopping.wait(seconds)
        self.check()

    def to_dict(self, *, brief: bool = False) -> dict[str, Any]:
        """The job as JSON. brief: without what it made and what it skipped."""
        facts = {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "added": self.added,
            "already": self.already,
            "skipped_total": len(self.skipped),
            "message": self.message,
        }
        if brief:
            return facts
        skipped = [{"name": name, "reason": reason} for name, reason in self.skipped[:SKIPPED_SHOWN]]
        return {**facts, "skipped": skipped, "result": self.result, **self.more}


class Jobs:
    """Jobs of a server: kept in memory for an hour after their end, and lost with the process.

    Work itself is safe: what a job has committed stays, and the same job can be started again.
    """

    def __init__(self) -> None:
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._locks: dict[str, asyncio.Lock] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="wordsight-job")

    def start(self, kind: str, on: str, work: Callable[[Job], Any], *, of: Any = None) -> Job:
        """Start a job: `work` is called with it in a thread, after all others on the same thing; it returns the result.

        of: see `Job`. Raises: BusyError where too many wait.
        """
        self.check_room()
        job = Job(kind, of=of)
        self._jobs[job.id] = job
        # a context of its own: it outlives the request that started it, and its client
        task = asyncio.get_running_loop().create_task(self._run(job, on, work), context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def check_room(self) -> None:
        """Raise BusyError where too many jobs wait."""
        self._drop_old()
        if sum(job.state == "waiting" for job in self._jobs.values()) >= MOST_WAITING:
            raise BusyError(RETRY_SECONDS)

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

    def cancel(self, job: Job) -> None:
        """Tell a job to stop; one that waits is cancelled at once."""
        job.stopping.set()
        if job.state == "waiting":
            _end(job, "cancelled", "Cancelled before it began.")

    @contextlib.asynccontextmanager
    async def alone(self, on: str, seconds: float) -> AsyncIterator[None]:
        """Hold off jobs on a thing. Raises: BusyError where one works on it for longer than so many seconds."""
        lock = self._lock(on)
        try:
            async with asyncio.timeout(seconds):
                await lock.acquire()
        except TimeoutError:
            raise BusyError(RETRY_SECONDS) from None
        try:
            yield
        finally:
            lock.release()

    async def stop(self) -> None:
        """Tell all jobs to stop, and wait until they have kept what is done."""
        for job in self._jobs.values():
            self.cancel(job)
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._threads.shutdown(wait=False)

    async def _run(self, job: Job, on: str, work: Callable[[Job], Any]) -> None:
        try:
            async with self._lock(on):
                if job.state == "waiting":
                    job.state = "running"
                if job.state == "running":
                    await asyncio.get_running_loop().run_in_executor(self._threads, _work, job, work)
        finally:
            _release(work)
            job.finished.set()

    def _lock(self, on: str) -> asyncio.Lock:
        return self._locks.setdefault(on, asyncio.Lock())

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
        _end(job, "done")
    except JobCancelledError:
        _end(job, "cancelled", "Cancelled; what was done before stays.")
    except WordsightError as error:
        _end(job, "failed", str(error))
    except OSError as error:
        _end(job, "failed", describe_disk(error))
    except Exception:
        _log.exception("a job of the kind %s failed", job.kind)
        _end(job, "failed", "The job failed; the server's log says why.")


def _end(job: Job, state: State, message: str = "") -> None:
    job.message = message
    job.ended = time.monotonic()
    job.state = state  # last: whoever sees it sees the rest


def _release(work: Callable[[Job], Any]) -> None:
    """Let work remove what it holds, whether it ran or not."""
    if (release := getattr(work, "release", None)) is not None:
        release()


def describe_disk(error: OSError) -> str:
    """Message about files that could not be read or written."""
    if error.errno in _FULL:
        return (
            "The server's disk is full, so the job stopped; what was done before stays. Make room and start it again."
        )
    return f"The server could not read or write its files: {error.strerror or type(error).__name__}."
