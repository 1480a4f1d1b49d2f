"""The student text tower: distilled from the frozen teacher, then trained jointly with the image head."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from mini_text import Student
from mini_train import Head, HeadConfig, Sampler, Tables, WeightAverage, image_loss, parameter_groups
from torch import Tensor, nn

BUCKETS = 8


def run(student: Student, tokens_NT: np.ndarray) -> Tensor:
    """Student features of texts, in buckets of like length so that little padding is computed."""
    lengths = (tokens_NT != 0).sum(1)
    order = np.argsort(lengths, kind="stable")
    parts = []
    for rows in np.array_split(order, BUCKETS if len(order) >= 64 else 1):
        cut = torch.from_numpy(tokens_NT[rows, : lengths[rows].max()].astype(np.int64))
        with torch.autocast(
            "cpu", torch.bfloat16
        ):  # 2.4 times the matrix products per second of float32 where the CPU has it
            parts.append(student(cut).float())
    return torch.cat(parts)[torch.from_numpy(np.argsort(order, kind="stable"))]


def embed_all(student: Student, tokens_NT: np.ndarray, batch: int = 2048) -> Tensor:
    """Unit embeddings of many texts, without gradient."""
    with torch.no_grad():
        return torch.cat(
            [F.normalize(run(student, tokens_NT[i : i + batch]), dim=-1) for i in range(0, len(tokens_NT), batch)]
        )


def likeness(student_BD: Tensor, target_BD: Tensor, temperature: float = 0.05) -> Tensor:
    """Distillation loss: cosine distance to the target, and the target's neighbours kept in order within the batch."""
    student, target = F.normalize(student_BD, dim=-1), F.normalize(target_BD, dim=-1)
    cosine = (1 - (student * target).sum(-1)).mean()
    wanted = (target @ target.T / temperature).softmax(-1)
    found = (student @ target.T / temperature).log_softmax(-1)
    return 10 * cosine + F.kl_div(found, wanted, reduction="batchmean")


def distil(
    student: Student, tokens_NT: np.ndarray, target_ND: np.ndarray, *, samples: int, weights: np.ndarray,
    batch: int = 512, rate: float = 1.5e-3, seed: int = 0, checkpoint: Path | None = None,
) -> Student:  # fmt: skip
    """Train the student to give the teacher's embedding; `weights` says how often each text is drawn."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    steps = samples // batch
    optimiser = torch.optim.AdamW(parameter_groups([student], 0.05), lr=rate, betas=(0.9, 0.98))
    average = WeightAverage([student], 0.998)
    cumulative = np.cumsum(weights / weights.sum())
    began = time.time()
    for step in range(steps):
        progress = step / steps
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        rows = np.searchsorted(cumulative, rng.random(batch)).clip(max=len(tokens_NT) - 1)
        loss = likeness(run(student, tokens_NT[rows]), torch.from_numpy(target_ND[rows]).float())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimiser.step()
        average.update()
        if step % 20 == 0 or step + 1 == steps:
            print(
                f"student: step {step} of {steps}, loss {float(loss.detach()):.4f}, {time.time() - began:.0f} s",
                flush=True,
            )
            if checkpoint is not None and step % 200 == 0:
                torch.save(student.state_dict(), checkpoint)
    average.swap()
    return student


def train_jointly(
    student: Student, head: Head, log_scale: nn.Parameter, t: Tables, c: HeadConfig, tokens_NT: np.ndarray,
    target_ND: np.ndarray, *, seed: int, rates: tuple[float, float] = (2e-4, 3e-4),
    watch: Callable[[int], object] | None = None,
) -> None:  # fmt: skip
    """Train student and image head together on the head's losses, while the student is held near its target.

    rates: the student's and the head's learning rate. watch: called every 50 steps, with averaged weights in place.
    """
    torch.manual_seed(seed)
    random.seed(seed)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    groups = [{"params": g["params"], "weight_decay": g["weight_decay"], "top": rate}
              for module, decay, rate in ((student, 0.05, rates[0]), (head, c.weight_decay, rates[1]))
              for g in parameter_groups([module], decay)]  # fmt: skip
    groups.append({"params": [log_scale], "weight_decay": 0.0, "top": rates[1]})
    optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.98))
    average, sampler = WeightAverage([student, head], 0.97), Sampler(t, c, seed)
    prompts_KD = embed_all(student, tokens_NT[t.class_prompts])
    head.train()
    for step in range(c.steps):
        for group in optimiser.param_groups:
            group["lr"] = group["top"] * min(1, (step + 1) / 20) * (0.02 + 0.98 * (1 - step / c.steps))
        loss, _ = image_loss(
            t, c, sampler, generator, head, log_scale.exp().clamp(max=100),
            lambda numbers: run(student, tokens_NT[numbers]), prompts_KD,
        )  # fmt: skip
        rows = rng.integers(0, len(tokens_NT), c.batch // 2)
        loss = loss + 0.3 * likeness(run(student, tokens_NT[rows]), torch.from_numpy(target_ND[rows]).float())
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(average.parameters, 2.0)
        optimiser.step()
        average.update()
        if (step + 1) % 50 == 0 or step + 1 == c.steps:
            average.swap()
            head.eval()
            prompts_KD = embed_all(student, tokens_NT[t.class_prompts])
            print(f"jointly: step {step + 1} of {c.steps}, loss {float(loss.detach()):.3f}", flush=True)
            if watch is not None:
                watch(step + 1)
            head.train()
            average.swap()
    average.swap()
    head.eval()
