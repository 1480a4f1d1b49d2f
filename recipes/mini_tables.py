"""Put cached features, texts and teacher embeddings together for training."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import scipy.sparse
import torch
import torch.nn.functional as F
from mini_data import LearnImage
from mini_features import trunk_tensors
from mini_text import class_texts, image_texts, teach
from mini_train import CAPTIONED, Tables, class_shifts
from mini_words import ClassWords, article

PAIRS = 6000  # "a X and a Y" compositions
POOLED = 1280 + 16 + 24 + 48 + 88 + 120 + 208 + 352 + 16 + 24  # the pooled part of a cached row; the rest is the grid


def build(work: Path, source: Path, images: list[LearnImage], classes: list[ClassWords], grid: bool = False) -> Tables:
    """Read the caches under `work` and lay out the training tables."""
    cached = np.load(work / "features.npy", mmap_mode="r")
    features = torch.from_numpy(np.array(cached if grid else cached[:, :POOLED]))
    listed = np.load(work / "views.npy")
    views = _split_rows(listed["image"], len(images))
    texts: dict[str, int] = {}

    def number(text: str) -> int:
        return texts.setdefault(text, len(texts))

    texts_of = [
        np.array([number(t) for t in image_texts(p)], int) if p.role == "train" else np.zeros(0, int) for p in images
    ]
    by_kind: list[dict[str, np.ndarray]] = []
    for words in classes:
        kinds: dict[str, list[int]] = {}
        for kind, text in class_texts(words):
            kinds.setdefault(kind, []).append(number(text))
        by_kind.append({k: np.array(v) for k, v in kinds.items()})
    prompts = np.array([number(f"a photo of a {w.names[0]}.") for w in classes])
    rng = random.Random(0)
    pairs = []
    for _ in range(PAIRS):
        a, b = rng.sample(range(len(classes)), 2)
        name_a, name_b = (rng.choice((*w.names[:2], *w.hypernyms[:1])) for w in (classes[a], classes[b]))
        pairs.append(
            (
                a,
                b,
                number(
                    article(
                        rng.choice(("a {} and a {}", "a photo of a {} and a {}.", "a {} with a {}")).format(
                            name_a, name_b
                        )
                    )
                ),
            )
        )
    ordered = list(texts)
    trunk = trunk_tensors(source)
    weight, bias = (torch.from_numpy(trunk[f"visual.classifier.{k}"]) for k in ("weight", "bias"))
    learnt = [i for i, p in enumerate(images) if p.role == "train"]
    natural = np.concatenate(
        [views[i][:1] for i in learnt if images[i].source in CAPTIONED or images[i].source.startswith("transfer/")]
    )
    sample = features[natural].float()
    shift = class_shifts(sample, weight)
    neutral = (sample - (F.linear(sample[:, : weight.shape[1]], weight, bias).softmax(-1) @ shift)).half()
    every = features[np.concatenate([views[i] for i in learnt])[::3]].float()
    spread = every.std(0)
    pools: dict[str, list[int]] = {}
    for i in learnt:
        if len(texts_of[i]):
            pools.setdefault(images[i].source.split("/")[0], []).append(i)
    return Tables(
        images=images, features_VF=features, views=views, texts=ordered, texts_of=texts_of,
        has=_sparse(texts_of, len(ordered)), class_texts=by_kind,
        class_has=_sparse([np.concatenate(list(k.values())) for k in by_kind], len(ordered)),
        class_prompts=prompts, pair_texts=np.array(pairs), classifier=(weight, bias),
        shift_KF=shift, mean_F=every.mean(0), scale_F=1 / (spread + 0.02 * spread.mean()),
        teacher=torch.from_numpy(teach(work, source, ordered, "teacher")),
        pools={k: np.array(v) for k, v in pools.items()}, neutral_NF=neutral,
    )  # fmt: skip


def _split_rows(owner: np.ndarray, count: int) -> list[np.ndarray]:
    starts = np.searchsorted(owner, np.arange(count + 1))
    return [np.arange(a, b) for a, b in itertools.pairwise(starts)]


def _sparse(rows: list[np.ndarray], width: int) -> scipy.sparse.csr_matrix:
    lengths = [len(r) for r in rows]
    columns = np.concatenate(rows)
    return scipy.sparse.csr_matrix(
        (np.ones(len(columns), np.int8), columns, np.cumsum([0, *lengths])), (len(rows), width)
    )
