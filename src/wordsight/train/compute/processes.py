"""The processes of a run: their number, this one's rank, and the small messages between them.

`torchrun` starts them and describes them in the environment; without it there is one, and nothing here has to wait.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist

from wordsight.errors import InputError, TrainError, WordsightError
from wordsight.train.compute.placement import FIRST_TO_FAIL, choose_device, read_ranks
from wordsight.train.compute.rendezvous import Store, connect
from wordsight.train.config import ComputeConfig

T = TypeVar("T")
_FAILED = "failed"  # the store's key under which the first process that fails gives its reason

# Freeing a gloo group waits, holding the GIL, for its threads, one of which may be waiting for the GIL to free a
# gradient: a deadlock (torch 2.13). So no group is freed before the process ends.
_kept_groups: list[dist.ProcessGroup | None] = []


@dataclass(frozen=True)
class Processes:
    """The processes of a run, seen from one of them: number `rank` of `world`, which computes on `device`.

    local_rank: its number on its machine. group: all of them, for `torch.distributed`; None for a single process.
    Every method is one that all processes must call, in the same order.
    """

    rank: int
    world: int
    local_rank: int
    device: torch.device
    group: dist.ProcessGroup | None = None

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes, prints and evaluates."""
        return self.rank == 0

    def split_batch(self, batch: int) -> int:
        """Number of pairs of a global batch that each process takes.

        Raises: TrainError if they cannot all take the same number.
        """
        if batch % self.world or batch < self.world:
            below = batch // self.world * self.world
            near = " or ".join(str(size) for size in (below, below + self.world) if size)
            raise TrainError(
                f"A batch of {batch} cannot be shared evenly by {self.world} processes. "
                f"Set batch to {near}, or start another number of processes."
            )
        return batch // self.world

    def barrier(self) -> None:
        """Wait until every process is here."""
        self.total([0.0])

    def any_true(self, flag: bool) -> bool:
        """Whether `flag` is true on any process; so all stop together when one must."""
        return self.total([float(flag)])[0] > 0

    def total(self, numbers: Sequence[float]) -> list[float]:
        """Sum of each number over the processes."""
        sums = torch.tensor(numbers, dtype=torch.float64)
        if self.group is not None:
            dist.all_reduce(sums, group=self.group)
        return [float(number) for number in sums]

    def gather_objects(self, thing: T) -> list[T]:
        """Things of all processes, in the order of their ranks, on every process."""
        if self.group is None:
            return [thing]
        things: list[Any] = [None] * self.world
        dist.all_gather_object(things, thing, group=self.group)
        return things

    def from_first(self, thing: T) -> T:
        """Thing of the first process, on every process; those of the others are ignored."""
        if self.group is None:
            return thing
        things = [thing]
        dist.broadcast_object_list(things, src=0, group=self.group)
        return things[0]

    def on_first(self, do: Callable[[], T]) -> T:
        """Do something on the first process; all get its result, or raise its error (a WordsightError)."""
        if self.group is None:
            return do()
        answer: T | None = None
        error: WordsightError | None = None
        if self.is_first:
            try:
                answer = do()
            except WordsightError as raised:
                error = raised
        answer, error = self.from_first((answer, error))
        if error is not None:
            raise error
        return cast(T, answer)

    def first_then_others(self, do: Callable[[], T]) -> T:
        """Do something on the first process, then on the others; each keeps its own result.

        For downloads: the first fetches what the others then find. All raise an error of the first (a WordsightError).
        """
        results: list[T] = []
        self.on_first(lambda: results.append(do()))
        if results:
            return results[0]
        return do()


@contextlib.contextmanager
def start(compute: ComputeConfig) -> Iterator[Processes]:
    """Join the processes that `torchrun` started and leave them at the end; without it, run as a single process.

    A process that fails tells the others the reason. Those waiting for a lost process end with a TrainError, at once
    when its connection closes, otherwise after `compute.timeout` seconds.

    Raises: TrainError for an environment without a rendezvous endpoint, processes that do not start or are lost, and
        more processes than GPUs; InputError for a device that does not exist here.
    """
    rank, world, local_rank, local_world = read_ranks(os.environ)
    device = choose_device(compute.device, local_rank, local_world)
    if world > 1 and device.type == "cuda" and torch.cuda.device_count() > 1 and not os.environ.get("LOCAL_RANK"):
        raise TrainError(
            f"LOCAL_RANK is not in the environment, which assigns the {torch.cuda.device_count()} GPUs to processes. "
            "Start the processes with torchrun, or set it to the process's number on its machine."
        )
    if world == 1:
        yield Processes(rank, world, local_rank, device)
        return
    if dist.is_initialized():  # by the caller, who also ends it
        if "cpu:" not in str(dist.get_backend_config()):
            raise InputError(
                f"The existing process group has the backends {dist.get_backend_config()}, none for the CPU, over "
                "which processes exchange messages: create it with init_process_group('cpu:gloo,cuda:nccl')."
            )
        yield Processes(rank, world, local_rank, device, dist.group.WORLD)
        return
    store, failed = connect(rank, world, compute.timeout), False
    try:
        processes = Processes(rank, world, local_rank, device, dist.group.WORLD)
        yield processes
        processes.barrier()
    except BaseException as error:
        failed = True
        if _is_connection_error(error):
            raise TrainError(_describe_lost(rank, world, compute.timeout, store, error)) from error
        with contextlib.suppress(RuntimeError):
            own = f"process {rank}: {type(error).__name__}: {error}"
            if store.compare_set(_FAILED, "", own).decode(errors="replace") == own:
                error.add_note(FIRST_TO_FAIL)
        raise
    finally:
        _kept_groups.append(dist.group.WORLD)
        if not (failed and device.type == "cuda"):  # NCCL's shutdown waits for the others, which wait for this one
            dist.destroy_process_group()


def _is_connection_error(error: BaseException) -> bool:
    """Whether an error means that other processes cannot be reached; gloo's errors have no class of their own."""
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and ("gloo" in str(error) or "NCCL" in str(error))
    )


def _describe_lost(rank: int, world: int, timeout_s: float, store: Store, error: BaseException) -> str:
    said = (str(error).splitlines() or [type(error).__name__])[0]
    why = f"It left no message: it may have been killed, or its machine is down; torch says: {said}"
    with contextlib.suppress(RuntimeError):  # the store may be lost with the process that kept it
        if store.check([_FAILED]):
            why = f"It was caused by {store.get(_FAILED).decode(errors='replace')}"
    return (
        f"Process {rank} of {world} lost another one, which ended or did not answer within {timeout_s:.0f} s "
        f"(compute.timeout). {why.rstrip('.')}. Continue from the last checkpoint with --resume."
    )
