"""The processes of a run: how many there are, which one this is, and the little that they tell each other.

`torchrun` starts them and says so in the environment; without it there is one, and everything here does nothing.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar, cast

import torch
import torch.distributed as dist

from wordsight.errors import InputError, TrainError, WordsightError
from wordsight.train.config import ComputeConfig

T = TypeVar("T")
FIRST_TO_FAIL = "the first process of the run that failed"  # a note on the error of that process
Store = Any  # torch.distributed.Store, which torch does not export to type checkers

_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_FAILED = "failed"  # the store's key under which the first process that fails says why


@dataclass(frozen=True)
class Processes:
    """The processes of a run, seen from one of them: number `rank` of `world`, which computes on `device`.

    local_rank: its number on its machine. group: what `torch.distributed` calls them all together; None if alone.
    Every method is one that all processes must call, in the same order.
    """

    rank: int
    world: int
    local_rank: int
    device: torch.device
    group: dist.ProcessGroup | None = None

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes, prints and evaluates."""
        return self.rank == 0

    def split_batch(self, batch: int) -> int:
        """Return how many pairs of a global batch each process takes.

        Raises: TrainError where they cannot all take the same number.
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
        """Return, on every process, whether any of them said yes; so they stop together when one must."""
        return self.total([float(flag)])[0] > 0

    def total(self, numbers: Sequence[float]) -> list[float]:
        """Return the sum over the processes of each number."""
        sums = torch.tensor(numbers, dtype=torch.float64)
        if self.group is not None:
            dist.all_reduce(sums, group=self.group)
        return [float(number) for number in sums]

    def gather_objects(self, thing: T) -> list[T]:
        """Return every process's thing, in the order of their ranks, on every process."""
        if self.group is None:
            return [thing]
        things: list[Any] = [None] * self.world
        dist.all_gather_object(things, thing, group=self.group)
        return things

    def from_first(self, thing: T) -> T:
        """Return the first process's thing on every process; what the others gave counts for nothing."""
        if self.group is None:
            return thing
        things = [thing]
        dist.broadcast_object_list(things, src=0, group=self.group)
        return things[0]

    def on_first(self, do: Callable[[], T]) -> T:
        """Do something on the first process; all get its answer, or raise its error (a WordsightError)."""
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
        return results[0] if results else do()


@contextlib.contextmanager
def start(compute: ComputeConfig) -> Iterator[Processes]:
    """Join the processes that `torchrun` started and leave them at the end; without it, go alone.

    A process that fails tells the others why. Those that wait for one which is gone end with a TrainError, at once when
    its connection closes, otherwise after `compute.timeout` seconds.

    Raises: TrainError for an environment that does not say where the processes meet, for processes that do not come or
        are lost, and for more processes than GPUs; InputError for a device that is not here.
    """
    rank, world, local_rank, local_world = _places(os.environ)
    device = _device(compute.device, local_rank, local_world)
    if world > 1 and device.type == "cuda" and torch.cuda.device_count() > 1 and not os.environ.get("LOCAL_RANK"):
        raise TrainError(
            f"LOCAL_RANK is not in the environment, which says which of the {torch.cuda.device_count()} GPUs is whose. "
            "Start the processes with torchrun, or set it to the process's number on its machine."
        )
    if world == 1:
        yield Processes(rank, world, local_rank, device)
        return
    if dist.is_initialized():  # by whoever calls, who also ends it
        if "cpu:" not in str(dist.get_backend_config()):
            raise InputError(
                f"The process group that is there has the backends {dist.get_backend_config()}, none for the CPU, over "
                "which processes tell each other of the run: make it with init_process_group('cpu:gloo,cuda:nccl')."
            )
        yield Processes(rank, world, local_rank, device, dist.group.WORLD)
        return
    store, failed = _meet(rank, world, compute.timeout), False
    try:
        processes = Processes(rank, world, local_rank, device, dist.group.WORLD)
        yield processes
        processes.barrier()
    except BaseException as error:
        failed = True
        if _is_connection_error(error):
            raise TrainError(_lost(rank, world, compute.timeout, store, error)) from error
        with contextlib.suppress(RuntimeError):
            own = f"process {rank}: {type(error).__name__}: {error}"
            if store.compare_set(_FAILED, "", own).decode(errors="replace") == own:
                error.add_note(FIRST_TO_FAIL)
        raise
    finally:
        _left.append(dist.group.WORLD)
        if not (failed and device.type == "cuda"):  # NCCL's end waits for the others, which wait for this one
            dist.destroy_process_group()


def _places(environment: Mapping[str, str]) -> tuple[int, int, int, int]:
    """Return rank, world size, and the same two on this machine."""
    if not {"RANK", "WORLD_SIZE"} & environment.keys():
        return 0, 1, 0, 1
    missing = [name for name in _NEEDED if not environment.get(name)]
    if missing:
        there = ", ".join(f"{name}={environment[name]}" for name in _NEEDED if environment.get(name))
        raise TrainError(
            f"The environment has {there} but not {' and '.join(missing)}: it is not said where the processes meet. "
            "Start them with torchrun, which sets all of these, or unset RANK and WORLD_SIZE to train in one process."
        )
    numbers = {}
    for name, default in (("RANK", ""), ("WORLD_SIZE", ""), ("LOCAL_RANK", "0"), ("LOCAL_WORLD_SIZE", "1")):
        value = environment.get(name) or default
        if not value.isdecimal():
            raise TrainError(f"{name}={value} in the environment is no count of processes. Start them with torchrun.")
        numbers[name] = int(value)
    rank, world, local_rank, local_world = numbers.values()
    if rank >= world:
        raise TrainError(
            f"RANK={rank} with WORLD_SIZE={world} in the environment: ranks go from 0 to {world - 1}. "
            "Start the processes with torchrun."
        )
    return rank, world, local_rank, local_world


def _device(name: str | None, local_rank: int, local_world: int) -> torch.device:
    """Return the device of this process: with several on a machine each has a GPU of its own, or all have the CPU."""
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"compute.device is {name!r}, expected 'cpu', 'cuda' or 'mps'.") from None
    if device.type != "cuda":
        try:
            float(torch.ones((), device=device))
        except (RuntimeError, NotImplementedError, AssertionError):  # torch knows it, but not here
            raise InputError(f"compute.device is {name!r}, on which torch cannot compute here. Use 'cpu'.") from None
        return device
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus == 0:
        raise InputError(f"compute.device is {name!r}, but torch finds no GPU here. Use 'cpu', or leave it out.")
    if local_world > 1 and device.index is not None:
        raise InputError(
            f"compute.device is {name!r} for {local_world} processes on this machine; "
            "with 'cuda', or left out, each takes the GPU of its number."
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    one_each = gpus == 1 and visible.isdecimal()  # perhaps each process was given one of its own
    if local_rank >= gpus or (local_world > gpus and not one_each):
        seen = f" (CUDA_VISIBLE_DEVICES={visible})" if visible else ""
        error = TrainError(
            f"{max(local_world, local_rank + 1)} processes were started on this machine, which has {gpus} GPU"
            f"{'s' if gpus > 1 else ''}{seen}: start as many as there are (torchrun --nproc-per-node {gpus}), "
            "or compute on the CPU (compute.device=cpu)."
        )
        if one_each:
            error.add_note(FIRST_TO_FAIL)
        raise error
    if device.index is not None and device.index >= gpus:
        raise InputError(f"compute.device is {name!r}, but the GPUs here go from cuda:0 to cuda:{gpus - 1}.")
    device = torch.device("cuda", local_rank if device.index is None else device.index)
    torch.cuda.set_device(device)
    return device


# A gloo group that is freed waits, with Python's lock held, for its threads, one of which may be waiting for that lock
# to free a gradient: for ever (torch 2.13). So no group is freed before the process ends.
_left: list[dist.ProcessGroup | None] = []


def _meet(rank: int, world: int, timeout_s: float) -> Store:
    """Let the processes find each other; return the store that they share, whose keys are of this run alone."""
    timeout = timedelta(seconds=timeout_s)
    # Small messages go over gloo also where NCCL moves the tensors, so that they do not wait for the GPU.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() and dist.is_nccl_available() else "gloo"
    try:
        shared = _store(rank, world, timeout)
        store: Store = cast(Any, dist).PrefixStore(_agree_on_prefix(shared, rank, world, timeout_s), shared)
        store.set_timeout(timeout)
        dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=timeout)
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise TrainError(
            f"Process {rank} of {world} did not find all the others at {where} within {timeout_s:.0f} s: {error}. "
            "Are all of them started, on every machine, with the same address, and can they reach it?"
        ) from error
    return store


def _agree_on_prefix(store: Store, rank: int, world: int, timeout_s: float) -> str:
    """Return a name that the processes which are here now agree on, for their keys in the store.

    torchrun's store outlives the processes: without it those started again would find the addresses of the dead, and
    the second run of a recipe those of the first. A count would not do, as machines count restarts differently.
    """
    own, end = uuid.uuid4().hex, time.monotonic() + timeout_s
    if rank:
        store.set(f"here/{rank}", own)
        store.wait([f"name/{own}"], timedelta(seconds=timeout_s))
        name: str = store.get(f"name/{own}").decode()
        store.set(f"{name}/{rank}", "")
        return name
    late = list(range(1, world))
    while late:
        for other in late:  # it may be a dead one's that is read first, which harms nobody
            if store.check([f"here/{other}"]):
                store.set(f"name/{store.get(f'here/{other}').decode()}", own)
        late = [other for other in late if not store.check([f"{own}/{other}"])]
        if late and time.monotonic() > end:
            raise RuntimeError(f"not here: {', '.join(map(str, late[:8]))}{' …' if len(late) > 8 else ''}")
        time.sleep(0.02)
    return own


@functools.cache
def _store(rank: int, world: int, timeout: timedelta) -> Store:
    """Return the store at MASTER_ADDR, which lives as long as the process: its port can be opened only once."""
    from torch.distributed.rendezvous import rendezvous

    store: Store = next(iter(rendezvous("env://", rank, world, timeout=timeout)))[0]
    return store


def _is_connection_error(error: BaseException) -> bool:
    """Return whether an error says that other processes cannot be reached; gloo's have no class of their own."""
    return isinstance(error, dist.DistError) or (
        isinstance(error, RuntimeError) and ("gloo" in str(error) or "NCCL" in str(error))
    )


def _lost(rank: int, world: int, timeout_s: float, store: Store, error: BaseException) -> str:
    said = (str(error).splitlines() or [type(error).__name__])[0]
    why = f"It left no message: it may have been killed, or its machine is gone; torch says: {said}"
    with contextlib.suppress(RuntimeError):  # the store may have gone with the process that kept it
        if store.check([_FAILED]):
            why = f"The reason is that of {store.get(_FAILED).decode(errors='replace')}"
    return (
        f"Process {rank} of {world} lost another one, which ended or did not answer within {timeout_s:.0f} s "
        f"(compute.timeout). {why.rstrip('.')}. Continue from the last checkpoint with --resume."
    )
