"""Zero-shot top-1 and top-5 of a model, its text→image recall@10, and their chance levels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import nn

from wordsight.evaluate.embedder import Embedder
from wordsight.evaluate.held_out.config import ZeroShotConfig
from wordsight.evaluate.held_out.pixels import Pixels
from wordsight.evaluate.held_out.zero_shot import open_held_out
from wordsight.evaluate.retrieval.measure import estimate_recall
from wordsight.metrics import Estimate, estimate_share, rank_labels
from wordsight.model import Model
from wordsight.spec import ModelSpec
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.in_training import InTraining

TEMPLATE = "{}"  # the names are the captions
TOP, AT = 5, 10
TOP1, TOP5, RECALL = "zero-shot top-1", f"zero-shot top-{TOP}", f"text→image R@{AT}"
BATCH = 128


def labelled(table: Path) -> ZeroShotConfig:
    """A table of `pictograms_data` as labelled images."""
    return ZeroShotConfig(images=str(table), image_column="filepath", class_column="class", templates=(TEMPLATE,))


def measured(model: Model | nn.Module, table: Path, spec: ModelSpec, tokenizer: Tokenizer) -> dict[str, Estimate]:
    """Figures on a table, each a share with its 95 % interval.

    model: an opened one, or a network in training, which is left as it was.
    top-1, top-5: an image's class is the first, among the first five, of all the table's classes. R@10: of all the
    table's images one of a class is among the first ten, asked by the class's name alone.
    """
    if isinstance(model, Model):
        return _figures(model, table, spec)
    with InTraining(model, spec, tokenizer) as opened:
        return _figures(opened, table, spec)


def chance(table: Path) -> dict[str, float]:
    """Chance levels on a table: shares, under the names of `measured`'s figures."""
    found = open_held_out(labelled(table))
    classes, images = len(found.classnames), len(found.labels)
    # Of a class with n images none is among the first ten with the chance of ten draws from the others.
    missed_K = [
        np.prod([max(0, images - n - i) / (images - i) for i in range(min(AT, images))])
        for n in np.bincount(found.labels, minlength=classes)
    ]
    return {TOP1: 1 / classes, TOP5: min(1.0, TOP / classes), RECALL: float(1 - np.mean(missed_K))}


def _figures(model: Embedder, table: Path, spec: ModelSpec) -> dict[str, Estimate]:
    found = open_held_out(labelled(table))
    places, parts = [], []
    for some, pixels_BHWC in Pixels(found.images, spec.preprocess).batches(BATCH):
        places += some
        parts.append(model.embed_pixels(pixels_BHWC))
    names, labels_N, images_ND = found.classnames, np.array(found.labels)[places], np.concatenate(parts)
    classes_KD = model.embed_texts([TEMPLATE.format(name) for name in names])
    ranks_N = rank_labels(images_ND @ classes_KD.T, labels_N)
    asked = [k for k in range(len(names)) if (labels_N == k).any()]
    recall = estimate_recall(classes_KD[asked], images_ND, [np.flatnonzero(labels_N == k) for k in asked], (AT,))
    return {TOP1: estimate_share(ranks_N < 1), TOP5: estimate_share(ranks_N < TOP), RECALL: recall[AT]}
