"""One network on several processes: replicated (DDP) or sharded (FSDP2), and its full state.

Both average the gradients over the processes. Everything here also works for a single process.
"""

from __future__ import annotations

import copy
import inspect
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.nn.parallel import DistributedDataParallel

from wordsight.errors import InputError
from wordsight.nn.transformer import ResidualBlock
from wordsight.train.compute.processes import Processes
from wordsight.train.config import ComputeConfig

# DDP's switch for copying the first process's buffers to the others at each step has a new name since torch 2.13.
_NAMES = inspect.signature(DistributedDataParallel).parameters
_OPTIONS: dict[str, Any] = {"forward_sync_buffers" if "forward_sync_buffers" in _NAMES else "broadcast_buffers": False}


def wrap(network: nn.Module, compute: ComputeConfig, processes: Processes) -> nn.Module:
    """Network on the process's device, its gradients averaged over the processes.

    Call it on every process with the same network, after parts are locked, compiled or checkpointed and before the
    optimizer is made: FSDP puts other parameters in place of the network's. All weights become those of the first
    process. Batch norms keep each process's own statistics; the first one's are saved.

    Raises: InputError for a `compute.sharding` that is unknown or does not go with `compute.precision`.
    """
    if compute.sharding not in ("ddp", "fsdp"):
        raise InputError(f"compute.sharding is {compute.sharding!r}, expected 'ddp' or 'fsdp'.")
    network = network.to(processes.device)
    if processes.group is None:
        return network
    if compute.sharding == "fsdp":
        return _shard(network, compute, processes.group)
    return DistributedDataParallel(
        network,
        device_ids=[processes.device] if processes.device.type == "cuda" else None,
        process_group=processes.group,
        gradient_as_bucket_view=True,
        **_OPTIONS,
    )


def unwrap(network: nn.Module) -> nn.Module:
    """Network without DDP and torch.compile around it: its own methods and names (FSDP stays inside it)."""
    while True:
        inner = getattr(network, "_orig_mod", None) or getattr(network, "module", None)
        if not isinstance(inner, nn.Module):
            return network
        network = inner


def _shard(network: nn.Module, compute: ComputeConfig, group: dist.ProcessGroup) -> nn.Module:
    """Split the parameters: attention and MLP of a residual block are gathered when they run, all others as one.

    Source: Zhao et al. 2023 (PyTorch FSDP); Rajbhandari et al. 2020 (ZeRO, stage 3).
    """
    if compute.precision == "fp16":
        raise InputError(
            "compute.precision is 'fp16', which does not go with compute.sharding 'fsdp': torch's loss scaler cannot "
            "check split gradients. Use precision bf16, or sharding ddp."
        )
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            dist.broadcast(tensor, src=0, group=group)
    mesh = dist.device_mesh.DeviceMesh.from_group(group, _device_type(network))
    # A scalar cannot be split: `logit_scale` and `logit_bias` stay whole on each process.
    scalars = {parameter for parameter in network.parameters() if parameter.ndim == 0}
    for scalar in scalars:
        if scalar.requires_grad:
            untyped: Any = scalar
            untyped.register_post_accumulate_grad_hook(lambda parameter: _average(parameter.grad, group))
    # Matrices are gathered in 16 bits, half the traffic. Inputs stay as they are: under autocast, as without FSDP, the
    # residual stream is float32 and each layer rounds for itself; so norms are not for 16 bits.
    halves = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if compute.precision == "bf16" else None,
        reduce_dtype=torch.float32,
        cast_forward_inputs=False,
    )
    for block in [module for module in network.modules() if isinstance(module, ResidualBlock)]:
        for part in (block.attn, block.mlp):
            fully_shard(part, mesh=mesh, mp_policy=halves)
    fully_shard(network, mesh=mesh, ignored_params=scalars)
    return network


def _device_type(network: nn.Module) -> str:
    return next(network.parameters()).device.type


def _average(gradient: Tensor | None, group: dist.ProcessGroup) -> None:
    """Average a gradient over the processes; chunks that are averaged already stay as they are."""
    if gradient is not None:
        dist.all_reduce(gradient, group=group)
        gradient.div_(group.size())


def full_state(network: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> dict[str, Any]:
    """State {"network": …, "optimizer": …} as whole tensors on the CPU, by the names they have without wrappers.

    The optimizer's state is by parameter name too, so any number of processes, with DDP or FSDP, can resume from it.
    Call it on every process; it returns an empty dict on all but the first. Tensors may be the network's own: write
    or copy them before the next step.
    """
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, get_optimizer_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    network = unwrap(network)
    state: dict[str, Any] = {"network": get_model_state_dict(network, options=options)}
    if optimizer is not None:
        state["optimizer"] = get_optimizer_state_dict(network, optimizer, options=options)
    if not _is_first():
        return {}
    return state


def load_full_state(network: nn.Module, optimizer: torch.optim.Optimizer | None, state: dict[str, Any] | None) -> None:
    """Put a `full_state` into a network (wrapped or not) and its optimizer, where one is given.

    Call it on every process. Only the first one's state counts, the others get theirs from it: they may give None.
    """
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict, set_optimizer_state_dict

    options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=_is_many())
    network = unwrap(network)
    if state is None or not _is_first():
        state = {}
    # torch changes the dicts that it is given, and an optimizer takes the very tensors for its own.
    set_model_state_dict(network, dict(state.get("network", {})), options=options)
    if optimizer is not None:
        moments = copy.deepcopy(state.get("optimizer", {}))
        set_optimizer_state_dict(network, optimizer, moments, options=options)


def _is_many() -> bool:
    return dist.is_initialized() and dist.get_world_size() > 1


def _is_first() -> bool:
    return not dist.is_initialized() or dist.get_rank() == 0
