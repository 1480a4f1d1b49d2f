"""Training steps per second and their peak memory: wordsight's step against a plain open_clip-style loop, same weights.

    python benchmarks/train_speed.py                 # half an hour on 2 cores
    python benchmarks/train_speed.py --quick         # a smoke run with the small model
    python benchmarks/train_speed.py --device cuda   # bf16 autocast where the device has it

The plain loop is transformers' CLIPModel, texts padded to the context length as open_clip pads them, AdamW with
torch's defaults and open_clip's groups and settings, autocast, symmetric cross-entropy over the whole matrix.
Both begin with the same weights and get the same batches of real captioned photos, in turns; losses are compared step
by step. Decoding is not part of a step here. Operations are counted by torch's flop counter in one step of each;
utilisation is that count per time, relative to the rate of a large matrix product timed in the same turns.
Needs the extra `train`, transformers, and the data folder (`WORDSIGHT_DATA`) with `flickr8k-train`.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import harness
import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from wordsight.images.decode import read_image
from wordsight.images.preprocess import preprocess
from wordsight.spec import ModelSpec
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.batch import Batch, Ids
from wordsight.train.compute.precision import Precision
from wordsight.train.config import DataConfig, OptimConfig, TrainConfig
from wordsight.train.config.sizes import size
from wordsight.train.loss.gradient_cache import accumulate
from wordsight.train.loss.objectives import build_objective
from wordsight.train.networks import build_network
from wordsight.train.optim import build_optimizer, clip_gradients, set_rate
from wordsight.weights.write import write_checkpoint

DATA = Path(os.environ.get("WORDSIGHT_DATA", "../shared/data")) / "flickr8k-train"
OPTIM = OptimConfig(lr=1e-4, clip=None)
SIDE = 2048  # of the matrices whose product is the peak
STEPS = 8  # different batches


class Ours:
    """Optimizer steps as `wordsight train` does them."""

    name = "wordsight"

    def __init__(self, spec: ModelSpec, precision: str, device: torch.device, chunk: int | None) -> None:
        config = TrainConfig(model=spec, data=DataConfig(pairs=()), batch=1, steps=1, optim=OPTIM)
        self.network = build_network(config, Tokenizer(spec.tokenizer, {})).to(device).train()
        self.optimizer = build_optimizer(self.network, OPTIM)
        self.precision = Precision(precision, device)
        self.objective = build_objective(config.objective)
        self.chunk = chunk

    def step(self, batch: Batch) -> float:
        """Do a step and return its loss. The texts are truncated to the longest of the batch, in multiples of 8."""
        longest = int((batch.tokens_BT != 0).sum(dim=1).max())
        tokens_BT = batch.tokens_BT[:, : min(batch.tokens_BT.shape[1], -(-longest // 8) * 8)]
        batch = Batch(pixels_BCHW=batch.pixels_BCHW, tokens_BT=tokens_BT, ids=batch.ids, keys=batch.keys)
        set_rate(self.optimizer, OPTIM.lr)
        outcome = accumulate(
            self.network, batch, self.objective, chunk=self.chunk, autocast=self.precision.autocast,
            scaler=self.precision.scaler,
        )  # fmt: skip
        clip_gradients(self.network, OPTIM.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.network.clamp()
        return float(outcome.loss)


class Plain:
    """The same step as in most training code."""

    name = "plain loop"

    def __init__(self, spec: ModelSpec, precision: str, device: torch.device, folder: Path) -> None:
        from transformers import CLIPModel

        config = TrainConfig(model=spec, data=DataConfig(pairs=()), batch=1, steps=1)
        write_checkpoint(build_network(config, Tokenizer(spec.tokenizer, {})).checkpoint(), folder / "hf", "hf")
        self.model = CLIPModel.from_pretrained(folder / "hf").to(device).train()
        named = list(self.model.named_parameters())
        vectors = [p for _, p in named if p.ndim < 2]
        matrices = [p for _, p in named if p.ndim >= 2]
        groups = [{"params": vectors, "weight_decay": 0.0}, {"params": matrices, "weight_decay": OPTIM.weight_decay}]
        self.optimizer = torch.optim.AdamW(groups, lr=OPTIM.lr, betas=(OPTIM.beta1, OPTIM.beta2), eps=OPTIM.eps)
        self.mean, self.std = (
            torch.tensor(v, device=device).view(3, 1, 1) for v in (spec.preprocess.mean, spec.preprocess.std)
        )
        self.device, self.dtype = device, {"f32": None, "bf16": torch.bfloat16}[precision]

    def step(self, batch: Batch) -> float:
        """Do a step and return its loss."""
        pixels_BCHW = (batch.pixels_BCHW / 255 - self.mean) / self.std
        labels_B = torch.arange(len(batch), device=self.device)
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not None):
            out = self.model(pixel_values=pixels_BCHW, input_ids=batch.tokens_BT)
            logits_BB = out.logits_per_image
            loss = (F.cross_entropy(logits_BB, labels_B) + F.cross_entropy(logits_BB.T, labels_B)) / 2
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, np.log(100))
        return float(loss.detach())


def real_batches(spec: ModelSpec, batch: int, device: torch.device) -> list[Batch]:
    """Batches of captioned photos, different images throughout where there are enough."""
    if not (DATA / "captions.tsv").exists():
        sys.exit(f"{DATA} is not there; set WORDSIGHT_DATA to a folder that holds flickr8k-train.")
    with open(DATA / "captions.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    captions: dict[str, str] = {}
    for row in rows:
        captions.setdefault(row[0], row[-1])
    chosen = list(captions.items())[: batch * STEPS]
    tokenizer = Tokenizer(spec.tokenizer, {})
    pixels = [
        torch.from_numpy(preprocess(read_image(found(name), at_least=spec.image.image_size), spec.preprocess))
        for name, _ in chosen
    ]
    tokens_NT = torch.from_numpy(tokenizer([text for _, text in chosen]).ids.astype(np.int64))
    made = []
    for start in range(0, batch * STEPS, batch):
        places = [i % len(chosen) for i in range(start, start + batch)]
        made.append(
            Batch(
                pixels_BCHW=torch.stack([pixels[i] for i in places]).permute(0, 3, 1, 2).contiguous(),
                tokens_BT=tokens_NT[places],
                ids=Ids(torch.arange(batch), torch.arange(batch)),
                keys=tuple(str(i) for i in places),
            ).to(device)
        )
    return made


def found(name: str) -> Path:
    """Path of an image: as in the table, or in its folder `images`."""
    return DATA / name if (DATA / name).exists() else DATA / "images" / name


def measure(label: str, spec: ModelSpec, batch: int, rounds: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row for each contender, timed in turns."""
    device = torch.device(options.device)
    precision = "bf16" if device.type == "cuda" else "f32"
    batches = real_batches(spec, batch, device)
    with tempfile.TemporaryDirectory() as folder:
        contenders: list[Any] = [Ours(spec, precision, device, None), Plain(spec, precision, device, Path(folder))]
        counted = {each.name: operations(each, batches[0], device) for each in contenders}
        losses: dict[str, list[float]] = {each.name: [] for each in contenders}

        def stepping(each: Any) -> Callable[[], None]:
            def call() -> None:
                losses[each.name].append(each.step(batches[len(losses[each.name]) % STEPS]))
                settle(device)

            return call

        calls: dict[str, Callable[[], object]] = {each.name: stepping(each) for each in contenders}
        calls["product"] = product(device, precision)
        seconds = harness.alternate(calls, rounds)
    peak = 2.0 * SIDE**3 / median(seconds["product"])
    differ = max(abs(a - b) for a, b in zip(losses["wordsight"], losses["plain loop"], strict=True))
    return [
        {
            "model": label,
            "contender": name,
            "device": device_name(device),
            "precision": precision,
            "batch": batch,
            "samples_per_s": batch / median(seconds[name]),
            "ratio": median(seconds["plain loop"]) / median(seconds[name]),
            "tflop_per_step": counted[name] / 1e12,
            "utilisation": counted[name] / median(seconds[name]) / peak,
            "peak_mib": memory(name, label, batch, options.device),
            "loss": losses[name][-1],
            "largest_loss_difference": differ,
            "steps": len(losses[name]),
            "seconds": seconds[name],
        }
        for name in losses
    ]


def operations(contender: Any, batch: Batch, device: torch.device) -> float:
    """Floating-point operations of one step; it is a step like any other, done by all contenders."""
    with FlopCounterMode(display=False) as counter:
        contender.step(batch)
    settle(device)
    return float(counter.get_total_flops())


def product(device: torch.device, precision: str) -> Callable[[], object]:
    """Call that multiplies two large matrices."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = (torch.randn(SIDE, SIDE, device=device).to(dtype) for _ in range(2))

    def call() -> None:
        a @ b
        settle(device)

    return call


def settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def memory(name: str, label: str, batch: int, device: str) -> float:
    """Peak memory in MiB of three steps in a process of their own (of the GPU, where there is one)."""
    body = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\nimport train_speed"
    body += f"\nextra = train_speed.three_steps({name!r}, {label!r}, {batch}, {device!r})"
    body += "\nprint(extra, file=sys.stderr)"
    if device != "cpu":
        import subprocess

        done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, check=True)
        return float(done.stderr.strip().splitlines()[-1])
    return harness.fresh_process(body)["peak_mib"]


def three_steps(name: str, label: str, batch: int, device_text: str) -> float:
    """Do three steps; return the GPU's peak in MiB (0 on a CPU)."""
    device = torch.device(device_text)
    precision = "bf16" if device.type == "cuda" else "f32"
    spec = size(label)
    with tempfile.TemporaryDirectory() as folder:
        each: Any = (
            Ours(spec, precision, device, None) if name == Ours.name else Plain(spec, precision, device, Path(folder))
        )
    for some in real_batches(spec, batch, device)[:3]:
        each.step(some)
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else 0.0


def main() -> None:
    """Measure, print and write the rows."""
    parser = argparse.ArgumentParser(description="Training speed against a plain loop.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--quick", action="store_true", help="smoke run: the small model, two rounds; writes nothing")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    large = options.device != "cpu"
    plan = {"tiny": 1024 if large else 64, "ViT-B-32": 256 if large else 16}
    if options.quick:
        plan = {"tiny": 16}
    rows = []
    for label, batch in plan.items():
        rows += measure(label, size(label), batch, 2 if options.quick else options.rounds, options)
    shown = (
        "model",
        "contender",
        "batch",
        "samples_per_s",
        "ratio",
        "utilisation",
        "peak_mib",
        "largest_loss_difference",
    )
    print(harness.table([{key: row[key] for key in shown} for row in rows]))
    if not options.quick:
        print(harness.write_rows("train_speed", rows))


if __name__ == "__main__":
    main()
