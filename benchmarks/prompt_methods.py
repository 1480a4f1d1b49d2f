"""Which ways of prompting help on average over sets: ensembles, categories, pruning, weights and priors without labels.

Each labelled set of `$WORDSIGHT_DATA/transfer` with two classes or more is measured under every way, on the same
images; a row gives a set's gain over the way's `against` with its paired interval, and one with "set": "mean" that of
the mean over sets, the sets being a sample (measure_across_sets). "uneven" sets keep a quarter of the images of every
second class: what a correction of priors owes to equal classes is lost there. "long" rows: descriptions of groceries
that are longer than the context, truncated and split.

    python benchmarks/prompt_methods.py --role learn|measure [--model mini]

The bundled model was trained on images of the *learn* sets and of the groceries, which makes their accuracies high, but
not on those of the *measure* sets; nothing here was chosen on them.
"""

from __future__ import annotations

import argparse
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from harness import table, write_rows

from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.datasets.opening import open_set
from wordsight.evaluate.embedder import ImageTextEmbedder
from wordsight.evaluate.features import embed_set
from wordsight.evaluate.models import open_image_text_embedder
from wordsight.evaluate.prompts import label_free
from wordsight.evaluate.prompts.long_texts import embed_long_texts
from wordsight.evaluate.prompts.naming import add_kind
from wordsight.evaluate.prompts.prompt_set import PromptSet, count_truncated, embed_prompts
from wordsight.evaluate.prompts.pruning import prune_hits
from wordsight.evaluate.prompts.templates_scored import find_hits, find_hits_each
from wordsight.evaluate.prompts.waffle import build_control
from wordsight.metrics import bootstrap_difference, measure_across_sets, measure_on_set, rank_labels
from wordsight.zeroshot.class_embeddings import normalise_rows
from wordsight.zeroshot.logistic import softmax
from wordsight.zeroshot.templates import TEMPLATE_SETS
from wordsight.zeroshot.transductive import joint_proba

DATA = Path(os.environ.get("WORDSIGHT_DATA", Path(__file__).parents[2] / "shared" / "data"))
SEEDS = 5  # of random prompts
# category of a set whose classes have one in a word or two that its names do not say already
KINDS = {
    "ants-bees": "insect", "birds50": "bird", "flowers5": "flower", "fruitveg": "fruit or vegetable",
    "mushrooms": "mushroom", "monkeys10": "monkey", "dogs120": "dog", "imagewoof": "dog", "butterflies100": "butterfly",
    "leeds-butterflies": "butterfly", "barcodes": "barcode", "archstyles": "building", "rooms6": "room",
    "weather5": "weather", "scene15": "scene", "animals22": "animal", "cub200": "bird", "flowers17": "flower",
    "food-3dishes": "food", "food101-10": "food", "oxford-pets": "pet", "sports22": "sport", "sun8": "scene",
    "vehicles3": "vehicle", "vnlandmarks": "landmark", "messier": "astronomical object",
}  # fmt: skip

Ways = dict[str, tuple[str, np.ndarray]]  # way → what it is measured against, and hits (N,)


def measure_set(model: ImageTextEmbedder, data: LabelledSet) -> Ways:
    """Hits of each way on a set; those of a random control are shares of seeds."""
    image_ND, label_N = embed_set(model, data).image_MD, data.labels
    names = data.classnames
    sets = {name: PromptSet.of_templates(name, names, TEMPLATE_SETS[name]) for name in ("plain", "photo", "imagenet-7")}
    sets["imagenet-80"] = PromptSet.of_templates("imagenet-80", names, TEMPLATE_SETS["imagenet-80"])
    vectors = {name: embed_prompts(model, prompts) for name, prompts in sets.items()}
    hits = {name: find_hits(image_ND, label_N, each.class_vectors()) for name, each in vectors.items()}
    ways: Ways = {name: ("photo", hits[name]) for name in ("plain", "imagenet-7", "imagenet-80")}
    all_TKD = vectors["imagenet-80"].by_template()
    ways["imagenet-80 over one template"] = ("drawn", hits["imagenet-80"])
    ways["drawn"] = ("", find_hits_each(image_ND, label_N, all_TKD).mean(axis=0))
    for name in ("photo", "imagenet-7"):
        random = [embed_prompts(model, build_control(sets[name], names, seed), cache=False) for seed in range(SEEDS)]
        ways[f"{name} over random"] = (f"random {name}", hits[name])
        hit_SN = [find_hits(image_ND, label_N, each.class_vectors()) for each in random]
        ways[f"random {name}"] = ("", np.mean(hit_SN, axis=0))
    ways["random imagenet-7 over photo"] = ("photo", ways["random imagenet-7"][1])
    if data.name in KINDS:
        with_kind = add_kind(TEMPLATE_SETS["photo"], KINDS[data.name])
        kind = embed_prompts(model, PromptSet.of_templates("kind", names, with_kind), cache=False)
        ways["photo, a type of KIND"] = ("photo", find_hits(image_ND, label_N, kind.class_vectors()))
    for how in ("rank", "greedy"):
        ways[f"imagenet-80 pruned, {how}"] = ("imagenet-80", prune_hits(image_ND, label_N, all_TKD, how=how))
    ways["photo"] = ("", hits["photo"])
    return ways


def measure_label_free(model: ImageTextEmbedder, data: LabelledSet, bank_MD: np.ndarray, suffix: str = "") -> Ways:
    """Hits of weights and priors without labels, against the uniform ensemble of the 80."""
    image_ND, label_N = embed_set(model, data).image_MD, data.labels
    prompts = PromptSet.of_templates("imagenet-80", data.classnames, TEMPLATE_SETS["imagenet-80"])
    vectors_TKD = embed_prompts(model, prompts).by_template()
    class_KD = normalise_rows(vectors_TKD.sum(axis=0))
    score_NK = image_ND @ class_KD.T
    proba_NK = softmax(model.scale * score_NK.astype(np.float64))
    scores: dict[str, np.ndarray] = {}
    for name, bank in (("ZPE weights", None), ("ZPE weights, bank", bank_MD)):
        weight_T = label_free.zpe_weights(label_free.zpe_scores(image_ND, vectors_TKD, bank), model.scale)
        scores[name] = image_ND @ label_free.weighted_classes(vectors_TKD, weight_T).T
    scores["class means removed"] = label_free.centre_scores(score_NK)
    scores["priors by EM"] = label_free.estimate_priors(proba_NK)[1]
    scores["equal priors (Sinkhorn)"] = label_free.match_priors(proba_NK)
    scores["together"] = joint_proba(image_ND, class_KD, model.scale)
    uniform = f"imagenet-80{suffix}"
    ways: Ways = {uniform: ("", find_hits(image_ND, label_N, class_KD))}
    for name, scored_NK in scores.items():
        ways[f"{name}{suffix}"] = (uniform, np.asarray(rank_labels(scored_NK, label_N) < 1, np.float64))
    return ways


def make_uneven(data: LabelledSet) -> LabelledSet:
    """The set with a quarter of the images of every second class."""
    kept = []
    for k in range(len(data.classnames)):
        places = np.flatnonzero(data.labels == k)
        kept += list(places[: max(1, len(places) // 4)] if k % 2 else places)
    return data.take(sorted(kept))


def measure_long(model: ImageTextEmbedder) -> Ways:
    """Groceries by their descriptions, which are longer than the context: truncated, and split and pooled."""
    labels = [line.split("\t") for line in (DATA / "grocery/labels.tsv").read_text().splitlines()]
    lines = (DATA / "grocery/class_descriptions.tsv").read_text().splitlines()
    described = dict(line.split("\t", 1) for line in lines)
    keys = [row for row in labels if row[1] in described]
    names = tuple(dict.fromkeys(row[1] for row in keys))
    label_N = np.array([names.index(row[1]) for row in keys])
    words = tuple(name.replace("-", " ") for name in names)
    files = tuple(row[0] for row in keys)
    data = LabelledSet("grocery", [DATA / "grocery/images" / file for file in files], files, label_N, words)
    image_ND = embed_set(model, data).image_MD
    photo = embed_prompts(model, PromptSet.of_templates("photo", words, TEMPLATE_SETS["photo"]), cache=False)
    texts = tuple((described[name],) for name in names)
    truncated = PromptSet("descriptions", texts)
    sentences = tuple(tuple(part for part in text[0].split(". ") if part) for text in texts)
    cut_KD = embed_prompts(model, truncated, cache=False).class_vectors()
    split_KD = embed_long_texts(model, truncated.flat)
    print(f"grocery: {count_truncated(model, truncated.flat)} of {len(texts)} descriptions are truncated")
    pooled = {
        "long, by sentence (embeddings)": PromptSet("sentences", sentences),
        "long, by sentence (similarities)": PromptSet("sentences", sentences, "similarities"),
    }
    ways: Ways = {
        "grocery photo": ("", find_hits(image_ND, label_N, photo.class_vectors())),
        "long, truncated": ("grocery photo", find_hits(image_ND, label_N, cut_KD)),
        "long, split": ("long, truncated", find_hits(image_ND, label_N, split_KD)),
        "long, split, over the name": ("grocery photo", find_hits(image_ND, label_N, split_KD)),
        "long, split, with the name": (
            "grocery photo",
            find_hits(image_ND, label_N, normalise_rows(split_KD + photo.class_vectors())),
        ),
    }
    for name, prompts in pooled.items():
        vectors = embed_prompts(model, prompts, cache=False).class_vectors()
        ways[name] = ("long, truncated", find_hits(image_ND, label_N, vectors))
    return ways


def describe(name: str, ways: Ways) -> Iterator[dict[str, Any]]:
    """A row of each way on a set: accuracy, and gain over another with its paired interval."""
    for way, (against, hit_N) in ways.items():
        row: dict[str, Any] = {"set": name, "way": way, "n": len(hit_N), "accuracy": round(float(hit_N.mean()), 4)}
        if against:
            gain = bootstrap_difference(ways[against][1], hit_N)
            row |= {"against": against} | {key: round(getattr(gain, key), 4) for key in ("value", "low", "high")}
        yield row


def summarise(measured: list[Ways]) -> Iterator[dict[str, Any]]:
    """A row of each way: mean over sets, and how many of them it is better and worse on beyond its interval."""
    names = dict.fromkeys(itertools.chain.from_iterable(measured))
    for way in names:
        having = [ways for ways in measured if way in ways]
        against = having[0][way][0]
        if not against or len(having) < 2:
            continue
        joint = measure_across_sets(
            [measure_on_set(np.stack([ways[against][1], ways[way][1]], axis=1)) for ways in having]
        )
        gain = joint.estimate_gain(0, 1)
        each = [bootstrap_difference(ways[against][1], ways[way][1]) for ways in having]
        yield {
            "set": "mean", "way": way, "against": against, "sets": len(having), "accuracy": round(joint.mean_M[1], 4),
            "value": round(gain.value, 4), "low": round(gain.low, 4), "high": round(gain.high, 4),
            "better_on": sum(e.low > 0 for e in each), "worse_on": sum(e.high < 0 for e in each),
        }  # fmt: skip


def read_roles() -> dict[str, str]:
    """Set → its role, from the table of the sets' README."""
    lines = (DATA / "transfer/README.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return {row[0]: row[1] for row in rows if row[1] in ("learn", "measure") and int(row[2]) > 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--role", choices=["learn", "measure"], required=True)
    parser.add_argument("--model", default="mini")
    options = parser.parse_args()
    model = open_image_text_embedder(options.model)
    names = sorted(name for name, role in read_roles().items() if role == options.role)
    sets = [open_set(str(DATA / "transfer" / name)) for name in names]
    features = [embed_set(model, data).image_MD for data in sets]
    measured = []
    rows: list[dict[str, Any]] = []
    for i, data in enumerate(sets):
        bank_MD = np.concatenate([each[:50] for j, each in enumerate(features) if j != i])
        ways = measure_set(model, data) | measure_label_free(model, data, bank_MD)
        ways |= measure_label_free(model, make_uneven(data), bank_MD, ", uneven")
        measured.append(ways)
        rows += describe(data.name, ways)
        print(f"{data.name}: photo {ways['photo'][1].mean():.3f}", flush=True)
    means = list(summarise(measured))
    if options.role == "learn":
        rows += describe("grocery", measure_long(model))
    facts = {"role": options.role, "model": options.model}
    write_rows(f"prompt_methods_{options.role}", [facts | row for row in [*means, *rows]])
    print(table([{key: row[key] for key in row if key != "set"} for row in means]))
    if grocery := [row for row in rows if row["set"] == "grocery"]:
        print(table(grocery[1:]))


if __name__ == "__main__":
    main()
