"""The place of a process: its rank and device, from the environment that torchrun sets and the settings."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch

from wordsight.errors import InputError, TrainError

FIRST_TO_FAIL = "the first process of the run that failed"  # a note on the error of that process
_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def read_ranks(environment: Mapping[str, str]) -> tuple[int, int, int, int]:
    """Rank and world size, and the same two on this machine."""
    if not {"RANK", "WORLD_SIZE"} & environment.keys():
        return 0, 1, 0, 1
    missing = [name for name in _NEEDED if not environment.get(name)]
    if missing:
        there = ", ".join(f"{name}={environment[name]}" for name in _NEEDED if environment.get(name))
        raise TrainError(
            f"The environment has {there} but not {' and '.join(missing)}: there is no rendezvous endpoint. "
            "Start them with torchrun, which sets all of these, or unset RANK and WORLD_SIZE to train in one process."
        )
    numbers = {}
    for name, default in (("RANK", ""), ("WORLD_SIZE", ""), ("LOCAL_RANK", "0"), ("LOCAL_WORLD_SIZE", "1")):
        value = environment.get(name) or default
        if not value.isdecimal():
            raise TrainError(
                f"{name}={value} in the environment is not a number of processes. Start them with torchrun."
            )
        numbers[name] = int(value)
    rank, world, local_rank, local_world = numbers.values()
    if rank >= world:
        raise TrainError(
            f"RANK={rank} with WORLD_SIZE={world} in the environment: ranks go from 0 to {world - 1}. "
            "Start the processes with torchrun."
        )
    return rank, world, local_rank, local_world


def choose_device(name: str | None, local_rank: int, local_world: int) -> torch.device:
    """Device of this process: with several on a machine each has its own GPU, or all use the CPU."""
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"compute.device is {name!r}, expected 'cpu', 'cuda' or 'mps'.") from None
    if device.type != "cuda":
        try:
            float(torch.ones((), device=device))
        except (RuntimeError, NotImplementedError, AssertionError):  # a device that torch knows but that is not here
            raise InputError(f"compute.device is {name!r}, on which torch cannot compute here. Use 'cpu'.") from None
        return device
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if gpus == 0:
        raise InputError(f"compute.device is {name!r}, but torch finds no GPU here. Use 'cpu', or leave it unset.")
    if local_world > 1 and device.index is not None:
        raise InputError(
            f"compute.device is {name!r} for {local_world} processes on this machine; "
            "with 'cuda', or if unset, each takes the GPU of its number."
        )
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    one_each = gpus == 1 and visible.isdecimal()  # perhaps each process was given its own
    if local_rank >= gpus or (local_world > gpus and not one_each):
        seen = ""
        if visible:
            seen = f" (CUDA_VISIBLE_DEVICES={visible})"
        error = TrainError(
            f"{max(local_world, local_rank + 1)} processes were started on this machine, which has {gpus} GPU"
            f"{'s' if gpus > 1 else ''}{seen}: start no more than that (torchrun --nproc-per-node {gpus}), "
            "or train on the CPU (compute.device=cpu)."
        )
        if one_each:
            error.add_note(FIRST_TO_FAIL)
        raise error
    if device.index is not None and device.index >= gpus:
        raise InputError(f"compute.device is {name!r}, but the GPUs here go from cuda:0 to cuda:{gpus - 1}.")
    if device.index is None:
        device = torch.device("cuda", local_rank)
    torch.cuda.set_device(device)
    return device
