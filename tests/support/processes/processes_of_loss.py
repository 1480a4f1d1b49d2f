"""Losses and gradients of several gloo processes, each for its share of a batch, sent to the one that started them."""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

Work = Callable[[dist.ProcessGroup, int, int], Any]


def on_processes(world: int, work: Work, folder: Path, groups: tuple[int, ...] = ()) -> dict[int, list[Any]]:
    """Run `work(group, rank, size)` on the first `size` of `world` new processes, for each size of `groups`.

    Returns: by size, what each rank returned, in order. Raises: AssertionError with what a process died of.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    groups = groups or (world,)
    mp.spawn(_one, args=(world, port, work, str(folder), groups), nprocs=world)
    return {
        size: [torch.load(folder / f"{size}-{rank}.pt", weights_only=False) for rank in range(size)] for size in groups
    }


def _one(rank: int, world: int, port: int, work: Work, folder: str, groups: tuple[int, ...]) -> None:
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(world))
    dist.init_process_group("gloo")
    try:
        for size in groups:
            group = dist.new_group(list(range(size)))
            if rank < size:
                torch.save(work(group, rank, size), Path(folder) / f"{size}-{rank}.pt")
        dist.barrier()
    except BaseException as error:
        raise AssertionError("".join(traceback.format_exception(error))) from error
    finally:
        dist.destroy_process_group()
