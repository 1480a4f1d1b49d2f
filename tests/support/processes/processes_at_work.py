"""Processes with the environment that torchrun gives them, and what they do in the tests of many processes."""

import dataclasses
import os
import signal
import socket
import time
import traceback

import torch
import torch.multiprocessing as mp
from torch.distributed.fsdp import FSDPModule
from training import small_spec

from wordsight.errors import TrainError
from wordsight.nn.transformer import ResidualBlock
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.batch import Batch, Ids
from wordsight.train.compute.parallel import full_state, load_full_state, unwrap, wrap
from wordsight.train.compute.processes import start
from wordsight.train.config import ComputeConfig, DataConfig, ObjectiveConfig, OptimConfig, TrainConfig
from wordsight.train.loss.gradient_cache import accumulate
from wordsight.train.loss.objectives import build_objective
from wordsight.train.networks import build_network
from wordsight.train.optim import build_optimizer, clip_gradients

BATCH = 8
PATIENCE = 300  # seconds until processes that should have ended are killed


def free_port():
    """Return a port that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def launch(work, world, folder):
    """Run `work(rank)` in `world` new processes; return, by rank, what each returned (None if it died) and exit codes.

    Raises: AssertionError with the traceback of one that failed, or when they do not end.
    """
    context = mp.get_context("spawn")
    port = free_port()
    processes = [context.Process(target=_one, args=(rank, world, port, work, str(folder))) for rank in range(world)]
    for process in processes:
        process.start()
    end = time.monotonic() + PATIENCE
    for process in processes:
        process.join(max(0.1, end - time.monotonic()))
    hung = [process for process in processes if process.is_alive()]
    for process in hung:
        process.kill()
    found = [folder / f"{rank}.pt" for rank in range(world)]
    results = [torch.load(path, weights_only=False) if path.exists() else None for path in found]
    for result in results:
        assert not (isinstance(result, str) and result.startswith("Traceback")), result
    assert not hung, f"{len(hung)} of {world} processes did not end within {PATIENCE} s"
    return results, [process.exitcode for process in processes]


def _one(rank, world, port, work, folder):
    torch.set_num_threads(1)
    os.environ.update(
        RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(rank), LOCAL_WORLD_SIZE=str(world),
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port),
    )  # fmt: skip
    try:
        result = work(rank)
    except BaseException:
        result = traceback.format_exc()
    torch.save(result, os.path.join(folder, f"{rank}.pt"))


def config_of(compute, **spec):
    """Return a config of a small network, of which nothing but that is used."""
    return TrainConfig(
        model=small_spec(**spec), data=DataConfig(pairs=("none",)), batch=BATCH, steps=1, compute=compute,
        optim=OptimConfig(lr=1e-2, clip=0.5),
    )  # fmt: skip


def batch_of(step):
    """Return a batch of noise with texts of noise, a function of the step."""
    chance = torch.Generator().manual_seed(step)
    pixels_BCHW = torch.randint(0, 256, (BATCH, 3, 16, 16), generator=chance, dtype=torch.uint8)
    tokens_BT = torch.randint(1, 1000, (BATCH, 6), generator=chance)
    tokens_BT[:, -1] = 49407
    ids = Ids(torch.arange(BATCH), torch.arange(BATCH))
    return Batch(pixels_BCHW=pixels_BCHW, tokens_BT=tokens_BT, ids=ids, keys=tuple(map(str, range(BATCH))))


def trained(compute, processes, steps, state=None):
    """Train a network for some steps, from a state on; return (wrapped, optimizer, losses, gradient norms, state)."""
    config = config_of(compute)
    network = wrap(build_network(config, Tokenizer(config.model.tokenizer, {})), compute, processes)
    optimizer = build_optimizer(network, config.optim)
    if state is not None:
        load_full_state(network, optimizer, state)
    objective, share = build_objective(ObjectiveConfig(tile=3)), processes.split_batch(BATCH)
    losses, norms = [], []
    for step in steps:
        own = batch_of(step).slice(processes.rank * share, (processes.rank + 1) * share)
        outcome = accumulate(network, own, objective, chunk=compute.chunk, group=processes.group)
        norms.append(float(clip_gradients(network, config.optim.clip)))
        optimizer.step()
        optimizer.zero_grad()
        unwrap(network).clamp()
        losses.append(float(outcome.loss))
    return network, optimizer, losses, norms, full_state(network, optimizer)


CPU = ComputeConfig(device="cpu")
WAYS = {
    "ddp": CPU,
    "ddp in chunks": ComputeConfig(device="cpu", chunk=2),
    "fsdp": ComputeConfig(device="cpu", sharding="fsdp"),
    "fsdp in chunks": ComputeConfig(device="cpu", sharding="fsdp", chunk=2),
    "fsdp, checkpointing": ComputeConfig(device="cpu", sharding="fsdp", checkpointing=True),
}


def sharing(rank):
    """Let two processes train in every way, and resume in one way from another's state."""
    found = {}
    with start(CPU) as processes:
        found["told"] = {
            "first": processes.is_first,
            "gathered": processes.gather_objects({"rank": rank}),
            "agreed": [processes.any_true(rank == 1), processes.any_true(False)],
            "total": processes.total([rank, 0.5]),
            "from first": processes.from_first(f"of {rank}"),
        }
    with start(CPU) as processes:  # once more, as a recipe that trains two models does
        for name, compute in WAYS.items():
            found[name] = trained(compute, processes, range(3))[2:]
        for before, after in (("ddp", "fsdp"), ("fsdp", "ddp"), ("fsdp", "fsdp")):
            found[f"{before} → {after}"] = trained(WAYS[after], processes, [3], found[before][-1])[2:]
        found["parts"] = _parts(processes)
        found["bf16"] = _dtypes(processes)
    return found


def _parts(processes):
    """Count of numbers that a process holds of an FSDP network, the count of all, and its units."""
    network = trained(WAYS["fsdp"], processes, [])[0]
    held = sum(p.to_local().numel() if hasattr(p, "to_local") else p.numel() for p in network.parameters())
    units = {type(module) for module in network.modules() if isinstance(module, FSDPModule)}
    return held, sum(p.numel() for p in network.parameters()), sorted(unit.__name__ for unit in units)


def _dtypes(processes):
    """Return dtypes in an FSDP network that runs in bf16: of a matrix, then of what is to be float32."""
    compute = dataclasses.replace(WAYS["fsdp"], precision="bf16")
    config = config_of(compute)
    network = wrap(build_network(config, Tokenizer(config.model.tokenizer, {})), compute, processes)
    block = next(module for module in network.modules() if isinstance(module, ResidualBlock))
    seen = []
    block.ln_1.register_forward_hook(lambda _, inputs, __: seen.append((inputs[0].dtype, block.ln_1.weight.dtype)))
    block.attn.out_proj.register_forward_hook(lambda module, _, __: seen.append((module.weight.dtype,)))
    batch = batch_of(0).slice(0, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = network(*network.inputs(batch))
    (features.first.sum() + features.second.sum() + features.scale).backward()
    weight = block.attn.in_proj_weight
    kept = (weight.dtype, weight.grad.dtype, network.clip.logit_scale.dtype)
    return [*seen[1], *seen[0], features.first.dtype, *kept]


def told(act, timeout=60.0):
    """Act among processes, then wait for all of them; return the error that ends it."""
    try:
        with start(dataclasses.replace(CPU, timeout=timeout)) as processes:
            act()
            processes.barrier()
    except TrainError as error:
        return str(error)
    return "nothing"


def failing(rank):
    """Let the second process fail; return what each is told."""

    def fail():
        if rank == 1:
            raise TrainError("The loss of step 7 is nan.")

    return told(fail)


def losing(rank):
    """Let the second process stay silent, then be killed; return what the first one is told, and after how long."""

    def be_silent():
        time.sleep(4 * rank)

    def be_killed():
        if rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)

    silent = told(be_silent, timeout=3)
    os.environ["MASTER_PORT"] = str(int(os.environ["MASTER_PORT"]) + 1)  # the first store may be gone
    began = time.monotonic()
    return silent, told(be_killed), time.monotonic() - began
