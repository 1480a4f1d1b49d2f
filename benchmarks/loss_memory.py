"""Cost of InfoNCE by batch: peak memory and time of loss and gradients, tiled against the whole matrix.

    python benchmarks/loss_memory.py [--quick] [--threads 2] [--device cuda]

The whole matrix is the loss as open_clip writes it for several processes: logits, their transpose, two cross-entropies,
by autograd (for one it multiplies twice). From 32,768 on each is run once. Peak is
the memory that loss and gradients add to the features, each measured in a process of its own: on a GPU torch's
high-water mark, on a CPU that of the process (Linux). Where the whole matrix does not fit, the row says so.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import harness
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from wordsight.train.batch import Features, Ids
from wordsight.train.loss.objectives import info_nce

WIDTH = 512  # of ViT-B/32's features
TILE = 1024
BATCHES = (1024, 2048, 4096, 8192, 16_384, 32_768, 65_536)
COPIES = 4.5  # matrices of B×B that the whole loss holds at its peak: 4.1 measured, with some headroom
SCALE = 1 / 0.07


def whole(features: Features) -> Tensor:
    """The loss that keeps the whole matrix."""
    logits_BB = features.scale * features.first @ features.second.T
    own_B = torch.arange(len(logits_BB), device=logits_BB.device)
    return (cross_entropy(logits_BB, own_B) + cross_entropy(logits_BB.T, own_B)) / 2


def tiled(features: Features) -> Tensor:
    """Ours, duplicates not masked, as in the other."""
    return info_nce(features, tile=TILE)


def masked(features: Features) -> Tensor:
    """Ours, with one pair in a hundred a duplicate of another."""
    rows = len(features.first)
    chance = torch.Generator().manual_seed(1)
    ids = (torch.randint(0, 50 * rows, (rows,), generator=chance).to(features.first.device) for _ in range(2))
    return info_nce(features, Ids(*ids), tile=TILE)


LOSSES = {"whole": whole, "tiled": tiled, "tiled_masked": masked}


def peak(device: str) -> float:
    """Highest memory in use so far, MiB."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return (
        int(next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith("VmHWM")).split()[1])
        / 1024
    )


def measure(name: str, batch: int, device: str, rounds: int) -> dict[str, Any]:
    """Cost of one loss for one batch, in a process that has done nothing else."""
    chance = torch.Generator().manual_seed(0)
    sides = [normalize(torch.randn(batch, WIDTH, generator=chance), dim=-1).to(device) for _ in range(2)]
    scale, bias = torch.tensor(SCALE, device=device), torch.zeros((), device=device)
    features = Features(*(x.requires_grad_() for x in (*sides, scale)), bias)

    def step(features: Features) -> float:
        loss = LOSSES[name](features)
        loss.backward()
        value = loss.item()  # waits for the GPU
        for x in features[:3]:
            x.grad = None
        return value

    few = Features(*(x.detach()[:8].requires_grad_() for x in sides), scale.detach().requires_grad_(), bias)
    step(few)  # loads the libraries
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    before = peak(device)
    seconds, value = [], 0.0
    for _ in range(rounds):
        start = time.perf_counter()
        value = step(features)
        seconds.append(time.perf_counter() - start)
    return {"loss": value, "peak_mib": peak(device) - before, "seconds": median(seconds), "times": seconds}


def in_a_process(name: str, batch: int, device: str, rounds: int, threads: int) -> dict[str, Any]:
    """`measure` in a fresh process, or the reason why it failed."""
    command = [sys.executable, __file__, "--one", name, "--batch", str(batch), "--device", device]
    command += ["--rounds", str(rounds), "--threads", str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [f"ended by signal {-done.returncode}"])[-1]}
    measured: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return measured


def memory(device: str) -> float:
    """Memory of the machine, MiB."""
    if device == "cuda":
        return float(torch.cuda.mem_get_info()[0] / 2**20)
    lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smoke run: two small batches; writes nothing")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", choices=LOSSES, help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.one:
        print(json.dumps(measure(options.one, options.batch, options.device, options.rounds)))
        return
    rows: list[dict[str, Any]] = []
    for batch in (1024, 2048) if options.quick else BATCHES:
        rows += compare(batch, options)
    print(harness.table([{key: row[key] for key in ("batch", "loss", *COLUMNS)} for row in rows]))
    if not options.quick:
        print(harness.write_rows("loss_memory", [setting(options), *rows]))


COLUMNS = ("value", "peak_mib", "seconds", "peak_of_whole", "speed_of_whole", "failed")


def compare(batch: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Row for each loss at one batch, ours with its share of the other's memory and time."""
    rounds = max(1, min(options.rounds, 3 * 16_384**2 // batch**2)) if options.device == "cpu" else 10
    logits_mib = batch * batch * 4 / 2**20
    rows: list[dict[str, Any]] = []
    for name in LOSSES:
        row: dict[str, Any] = {"kind": "loss", "batch": batch, "loss": name} | dict.fromkeys(COLUMNS)
        if name == "whole" and COPIES * logits_mib > (room := memory(options.device)):
            row["failed"] = f"needs about {COPIES * logits_mib / 1024:.0f} GiB of {room / 1024:.0f}"
        else:
            measured = in_a_process(name, batch, options.device, rounds, options.threads)
            row |= {"value": measured.pop("loss", None), **measured}
        rows.append(row)
    theirs = rows[0]
    for ours in rows[1:]:
        if theirs["seconds"] and ours["seconds"]:
            ours["peak_of_whole"] = ours["peak_mib"] / theirs["peak_mib"]
            ours["speed_of_whole"] = theirs["seconds"] / ours["seconds"]
    return rows


def setting(options: argparse.Namespace) -> dict[str, Any]:
    """Setting that all rows share."""
    device = torch.cuda.get_device_name() if options.device == "cuda" else "cpu"
    return {
        "kind": "setting",
        "device": device,
        "threads": options.threads,
        "width": WIDTH,
        "tile": TILE,
        "scale": SCALE,
    }


if __name__ == "__main__":
    main()
