"""Fine-tuning without forgetting: the recipe `clothing` with its locked image tower, with adapters, and with all tuned.

    WORDSIGHT_DATA=DATA python benchmarks/finetune.py [--only lora,locked,full] [--steps N] [--quick]

The bundled model is tuned on product photos and titles, three times for as many steps; WiSE-FT's α is chosen on
validation products. Then, of each model that is kept and of the one it began with:

- title→product R@1 and R@10 among 357 products that none of them ever saw, nor their titles and photos under another
  number, with the difference to the start (a paired bootstrap over the titles);
- clothing top-1: 341 phone photos of ten kinds of clothes, another source than the shop's; not seen by any of them;
- original top-1: 648 images of 54 kinds of animals, sports, scenes and vehicles, not seen by any of them: the gate.

Intervals are bootstrap 95 %. Times are comparable only on an otherwise idle machine. Results go to
`results/finetune.jsonl`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from harness import write_rows

from wordsight.evaluate.held_out.config import ZeroShotConfig
from wordsight.evaluate.held_out.zero_shot import ZeroShot
from wordsight.metrics import Estimate, bootstrap_difference, estimate_share
from wordsight.model import Model, load
from wordsight.train.monitor.reports import RunFacts, RunResult, StepReport, Watcher, watched_by
from wordsight.train.recipe import load_recipe

RECIPES = Path(__file__).resolve().parent.parent / "recipes"
sys.path.insert(0, str(RECIPES))

import clothing  # noqa: E402
import clothing_data  # noqa: E402
from mini_evaluate import ranks  # noqa: E402

# The rate of adapters, which start from zero, is five and ten times that of the others; none was tuned.
LEARNS = {
    "lora": ["tuning.image=lora", "tuning.text=lora", "optim.lr=5e-4"],
    "locked": [],
    # In parts: all of a batch's activations would take 9 GB.
    "full": ["tuning.image=full", "tuning.text=full", "optim.lr=5e-5", "compute.chunk=32"],
}
QUICK = ["steps=2", "batch=8", "tuning.forgetting.limit=40", "watch.zero_shot.limit=40", "tuning.alphas=0.5,1"]
CLASSES = {"longsleeve": "long-sleeve top", "outwear": "jacket or coat"}


class Notes(Watcher):
    """Keeps the facts and pace of a run, and prints its progress."""

    facts: RunFacts
    seconds = 0.0
    lr = 0.0

    def on_start(self, config: Any, facts: RunFacts) -> None:
        """Keep the facts and the rate."""
        self.facts, self.lr = facts, config.optim.lr

    def on_step(self, report: StepReport) -> None:
        """Keep the pace."""
        self.seconds = report.seconds
        print(f"  step {report.step}: loss {report.loss:.3f}, {report.seconds:.1f} s a step", flush=True)


def measured(model: Model, limit: int | None) -> dict[str, np.ndarray]:
    """0/1 hits of a model by task."""
    products = clothing_data.rows(clothing.WORK / "test.tsv")[:limit]
    images_ND = model.embed_images([row["filepath"] for row in products])
    titles = [(place, row[clothing_data.TITLE]) for place, row in enumerate(products)]
    place = ranks(images_ND, titles, model.embed_texts)
    phones = str(clothing_data.data_folder() / "clothing/validation")
    clothes = ZeroShot(ZeroShotConfig(images=phones, classes=CLASSES, limit=limit), model.spec.preprocess)
    hits = clothes.find_hits(model)
    return {"title→product R@1": place < 1, "title→product R@10": place < 10, "clothing top-1": hits}


def rounded(one: Estimate) -> dict[str, float]:
    return {name: round(value, 4) for name, value in one.to_dict().items()}


def row_of(
    name: str, result: RunResult, notes: Notes, hits: dict[str, np.ndarray], start: dict[str, np.ndarray]
) -> Any:
    """Row of one run, as it is written."""
    verdict = result.notes["verdict"]
    return {
        "kind": "run",
        "learns": name,
        "steps": result.step,
        "lr": notes.lr,
        "parameters that learn": notes.facts.trainable,
        "seconds a step": round(notes.seconds, 2),
        "tried": [
            {"alpha": one.alpha, "validation": rounded(one.target), "original": rounded(one.original)}
            for one in result.notes["α tried"]
        ],
        "alpha": result.notes["α"],
        "original top-1": rounded(verdict.after),
        "kept": {"value": round(verdict.kept, 4), "low": round(verdict.low, 4), "high": round(verdict.high, 4)},
        "least": verdict.least,
        "good": verdict.good,
        **{task: rounded(estimate_share(hits[task])) for task in hits},
        **{f"{task}, gained": rounded(bootstrap_difference(start[task], hits[task])) for task in hits},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", default=",".join(LEARNS))
    parser.add_argument("--steps", type=int, help="instead of the recipe's")
    parser.add_argument("--quick", action="store_true", help="smoke run: two steps, a few images; writes nothing")
    options = parser.parse_args()
    limit = 40 if options.quick else None
    clothing_data.prepare(clothing.WORK)
    start = measured(load(clothing.START, precision="f32"), limit)
    first = {task: rounded(estimate_share(hits)) for task, hits in start.items()}
    rows: list[Any] = [{"kind": "start", "model": clothing.START, **first}]
    print(rows[-1], flush=True)
    for name in options.only.split(","):
        steps = [f"steps={options.steps}"] if options.steps else []
        recipe = load_recipe(RECIPES / "clothing.py").with_settings([*LEARNS[name], *steps, *(QUICK * options.quick)])
        notes = Notes()
        with tempfile.TemporaryDirectory() as folder, watched_by(notes):
            result = recipe.run(Path(folder) / "run")
            hits = measured(load(result.folder, precision="f32"), limit)
        rows.append(row_of(name, result, notes, hits, start))
        print(rows[-1], flush=True)
        if not options.quick:
            write_rows("finetune", rows)


if __name__ == "__main__":
    main()
