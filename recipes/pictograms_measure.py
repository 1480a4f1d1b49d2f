"""How well a model tells and finds pictures by name: zero-shot top-1 and top-5, text→image recall@10, and chance."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from wordsight.model import Model
from wordsight.spec import ModelSpec
from wordsight.tokenizer import Tokenizer
from wordsight.train.config import ZeroShotConfig
from wordsight.train.held_out import Pixels, find_labelled
from wordsight.train.in_training import InTraining
from wordsight.train.measure import embed_pixels, figure, recall_at_k

TEMPLATE = "{}"  # the names are the captions
TOP, AT = 5, 10
BATCH = 128


def labelled(table: Path) -> ZeroShotConfig:
    """A table of `pictograms_data` as labelled pictures."""
    return ZeroShotConfig(pictures=str(table), class_column="class", templates=(TEMPLATE,))


def measured(model: Model | nn.Module, table: Path, spec: ModelSpec, tokenizer: Tokenizer) -> dict[str, Any]:
    """Figures on a table: each a share with its 95 % interval, beside what blind choice would get.

    model: an opened one, or a network in training, which is left as it was.
    top-1, top-5: a picture's class is the first, among the first five, of all the table's classes. R@10: a class's
    picture (any of them) is among the first ten of all the table's pictures, asked by the class's name alone.
    """
    if isinstance(model, Model):
        return _figures(model, table, spec)
    with InTraining(model, spec, tokenizer) as opened:
        return _figures(opened, table, spec)


def _figures(model: Model | InTraining, table: Path, spec: ModelSpec) -> dict[str, Any]:
    found = find_labelled(labelled(table))
    places, parts = [], []
    for some, pixels_BHWC in Pixels(found.pictures, spec.preprocess).batches(BATCH):
        places += some
        parts.append(embed_pixels(model, pixels_BHWC))
    names, labels_N, images_ND = found.names, np.array(found.labels)[places], np.concatenate(parts)
    classes_KD = model.embed_texts([TEMPLATE.format(name) for name in names])
    scores_NK = images_ND @ classes_KD.T
    own_N1 = scores_NK[np.arange(len(labels_N)), labels_N][:, None]
    ranks_N = (scores_NK > own_N1).sum(1)
    recall = recall_at_k(classes_KD, images_ND, [np.flatnonzero(labels_N == k) for k in range(len(names))], (AT,))
    return {
        "pictures": len(labels_N),
        "classes": len(names),
        "top-1": _rounded(figure(ranks_N < 1)),
        "top-5": _rounded(figure(ranks_N < TOP)),
        "text→image R@10": _rounded(recall[AT]),
        "chance top-1": round(1 / len(names), 5),
        "chance top-5": round(TOP / len(names), 5),
        # for one picture per class, and a little more where a class has several
        "chance R@10": round(AT / len(labels_N), 5),
    }


def _rounded(share: Any) -> dict[str, float]:
    return {name: round(value, 4) for name, value in asdict(share).items()}
