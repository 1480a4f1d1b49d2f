"""Three ways to learn from captions, given the same arithmetic: contrast, a bag of words, and writing the caption.

Paper: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision", §2.3 and Figure 2,
    where a bag of words learns 3 times as fast as a caption, and contrast 4 times as fast as a bag of words.
Command: `wordsight train recipes/objectives.py --folder runs/objectives [--set tflop=40]`
    needs what `recipes/pictograms.py` needs; images, image tower and settings are that recipe's.
Hardware: two CPU cores, 4 GB of memory.
Time: by `tflop`: 8 minutes for each objective at 20 Tflop, on two cores.
Result: of drawings of 100 emoji contrast has 26.5 % [20.5, 32.4] right, the bag of words 21.5 % [16.0, 26.9], the
    caption 0.9 % (chance 1 %), as it sees a third of the images (docs/training-results.md).

Every objective gets the same number of floating-point operations, forward and backward, counted by torch, so the cheap
ones see more images. Zero-shot accuracy is measured on the way, on drawings that none of them has seen, of the
emoji that most of those drawings show. FOLDER/objectives.png is the plot, FOLDER/objectives.json the figures.
"""

from __future__ import annotations

import csv
import dataclasses
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pictograms
import torch
from matplotlib.figure import Figure as Drawing
from torch.utils.flop_counter import FlopCounterMode

from wordsight.text.tokenizer import Tokenizer
from wordsight.train import ObjectiveConfig, TrainConfig, ZeroShotConfig, read_log, train
from wordsight.train.data import open_data
from wordsight.train.loss.gradient_cache import accumulate
from wordsight.train.loss.objectives import build_objective
from wordsight.train.networks import build_network

NAMES = {"info_nce": "contrast (InfoNCE)", "bag_of_words": "bag of words", "caption": "caption"}
COUNTED = 32  # images of the batch whose operations are counted


@dataclass(frozen=True, kw_only=True)
class ObjectivesConfig:
    """Settings of the recipe. tflop: the budget of each objective; points: how often each is measured."""

    base: TrainConfig
    tflop: float = 20.0
    points: int = 5
    classes: int = 100


def recipe() -> ObjectivesConfig:
    """Pictograms recipe's settings with a budget of operations in the place of steps."""
    return ObjectivesConfig(base=dataclasses.replace(pictograms.recipe(), steps=None, epochs=1))


def run(config: ObjectivesConfig, folder: Path, resume: bool) -> None:
    """Train with each objective, then draw the plot and write the figures."""
    pictograms.tables()
    folder.mkdir(parents=True, exist_ok=True)
    held_out = most_drawn(pictograms.WORK / "validation.tsv", folder / "held_out.tsv", config.classes)
    lines: dict[str, list[dict[str, Any]]] = {}
    for name in NAMES:
        chosen = dataclasses.replace(config.base, objective=ObjectiveConfig(name=name))
        each = tflop_per_step(chosen)
        steps = max(config.points, round(config.tflop / each))
        watch = dataclasses.replace(
            chosen.watch, evaluate_every=-(-steps // config.points), zero_shot=held_out, save_every=steps
        )
        optim = dataclasses.replace(chosen.optim, warmup=min(chosen.optim.warmup, steps // 10))
        chosen = dataclasses.replace(chosen, steps=steps, epochs=None, watch=watch, optim=optim)
        if not (folder / name / "wordsight.json").exists() or not resume:
            train(chosen, folder / name, resume=resume and (folder / name).exists())
        lines[name] = [
            {"step": entry["step"], "images": entry["step"] * chosen.batch, "tflop": entry["step"] * each}
            | entry["figures"]["zero_shot"]
            for entry in read_log(folder / name)
            if entry["kind"] == "figures"
        ]
    (folder / "objectives.json").write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")
    draw(lines, 1 / config.classes, folder / "objectives.png")


def most_drawn(table: Path, made: Path, classes: int) -> ZeroShotConfig:
    """Write the images of the classes that a table has most of as a table of its own; ties by name."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["class"]]
    counts = Counter(row["class"] for row in rows)
    chosen = set(sorted(counts, key=lambda name: (-counts[name], name))[:classes])
    with made.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(("filepath", "class"))
        writer.writerows((table.parent / row["filepath"], row["class"]) for row in rows if row["class"] in chosen)
    return pictograms.labelled(made)


def tflop_per_step(config: TrainConfig) -> float:
    """Operations of one optimizer step in units of 10¹², from those of a small part of a real batch."""
    tokenizer = Tokenizer(config.model.tokenizer, {})
    network, objective = build_network(config, tokenizer), build_objective(config.objective)
    data = open_data(config, tokenizer)
    try:
        batch, _ = next(data.batches(None))
    finally:
        data.close()
    part = min(COUNTED, len(batch))
    with torch.random.fork_rng(devices=[]), FlopCounterMode(display=False) as counter:
        accumulate(network, batch.slice(0, part), objective)
    return counter.get_total_flops() * (config.batch / part) / 1e12


def draw(lines: dict[str, list[dict[str, Any]]], chance: float, path: Path) -> None:
    """Draw accuracy over operations and over images, each with its 95 % interval."""
    drawing = Drawing(figsize=(11, 4.5), layout="constrained")
    panels = drawing.subplots(1, 2, sharey=True)
    for panel, key, label in zip(panels, ("tflop", "images"), ("Tflop spent", "images seen"), strict=True):
        for name, points in lines.items():
            x = [point[key] for point in points]
            panel.plot(x, [100 * point["value"] for point in points], marker="o", label=NAMES[name])
            low, high = ([100 * point[end] for point in points] for end in ("low", "high"))
            panel.fill_between(x, low, high, alpha=0.15)
        panel.axhline(100 * chance, color="grey", linestyle=":", label="chance")
        panel.set_xlabel(label)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("zero-shot accuracy, %")
    panels[0].legend()
    drawing.savefig(path, dpi=120)
