"""The rendezvous of processes: a shared store, and a process group on keys of this run only."""

from __future__ import annotations

import functools
import os
import time
import uuid
from datetime import timedelta
from typing import Any, cast

import torch
import torch.distributed as dist

from wordsight.errors import TrainError

Store = Any  # torch.distributed.Store, which torch does not export to type checkers


def connect(rank: int, world: int, timeout_s: float) -> Store:
    """Connect the processes; return the store that they share, whose keys belong to this run only."""
    timeout = timedelta(seconds=timeout_s)
    backend = "gloo"
    if torch.cuda.is_available() and dist.is_nccl_available():
        backend = "cpu:gloo,cuda:nccl"  # small messages use gloo all the same, so that they do not wait for the GPU
    try:
        shared = _store(rank, world, timeout)
        store: Store = cast(Any, dist).PrefixStore(_agree_on_prefix(shared, rank, world, timeout_s), shared)
        store.set_timeout(timeout)
        dist.init_process_group(backend, store=store, rank=rank, world_size=world, timeout=timeout)
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        raise TrainError(
            f"Process {rank} of {world} did not find all the others at {where} within {timeout_s:.0f} s: {error}. "
            "Check that all are started, on every machine, with the same endpoint, and can reach it."
        ) from error
    return store


def _agree_on_prefix(store: Store, rank: int, world: int, timeout_s: float) -> str:
    """Prefix for keys in the store that the processes alive now agree on.

    torchrun's store outlives the processes: without a prefix, restarted ones would find stale endpoints, as would the
    second run of a recipe. A counter would not do, as machines count restarts differently.
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
        for other in late:  # the first one read may be stale, which does no harm
            if store.check([f"here/{other}"]):
                store.set(f"name/{store.get(f'here/{other}').decode()}", own)
        late = [other for other in late if not store.check([f"{own}/{other}"])]
        if late and time.monotonic() > end:
            raise RuntimeError(f"did not start: {', '.join(map(str, late[:8]))}{' …' if len(late) > 8 else ''}")
        time.sleep(0.02)
    return own


@functools.cache
def _store(rank: int, world: int, timeout: timedelta) -> Store:
    """Store at MASTER_ADDR, which lives as long as the process: its port can be opened only once."""
    from torch.distributed.rendezvous import rendezvous

    store: Store = next(iter(rendezvous("env://", rank, world, timeout=timeout)))[0]
    return store
