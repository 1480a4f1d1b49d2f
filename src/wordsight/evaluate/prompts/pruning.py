"""Fewer templates: chosen on some images, measured on others, so that the gain is not that of having looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wordsight.arguments import check_count
from wordsight.errors import InputError
from wordsight.evaluate.folds import FOLDS, assign_folds
from wordsight.evaluate.prompts.templates_scored import find_hits, find_hits_each
from wordsight.metrics import Estimate, estimate_gain, estimate_share
from wordsight.zeroshot.class_embeddings import Floats, normalise_rows

PRUNINGS = ("greedy", "rank")
Pruning = Literal["greedy", "rank"]


@dataclass(frozen=True)
class PrunedTemplates:
    """Templates that were kept, and what keeping only such a choice gives on images it was not made on.

    kept: chosen on all images, for use on others. gain: accuracy less that of all templates, each image judged by the
    templates chosen without its fold. seen_gain: of `kept` on the very images it was chosen on, too good by nature.
    """

    how: str
    kept: tuple[str, ...]
    accuracy: Estimate
    gain: Estimate
    seen_gain: float
    folds: int

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {
            "how": self.how,
            "kept": list(self.kept),
            "accuracy": self.accuracy.to_dict(),
            "gain": self.gain.to_dict(),
            "gain_on_images_of_the_choice": self.seen_gain,
            "folds": self.folds,
        }


def prune_templates(
    image_ND: Floats,
    label_N: NDArray[np.int64],
    templates: Sequence[str],
    vectors_TKD: Floats,
    *,
    how: Pruning = "greedy",
    folds: int = FOLDS,
    seed: int = 0,
) -> PrunedTemplates:
    """Choose templates by their accuracy, and measure the choice by cross-validation over folds that keep class shares.

    greedy: add the template that helps most until none does, as OpenAI's seven of eighty were found; rank: the best m
    by themselves, with the m whose ensemble is best.
    Raises: InputError for one template, fewer images than folds, an unknown method.
    """
    if how not in PRUNINGS:
        raise InputError(f"The pruning is {how!r}, expected one of: {', '.join(PRUNINGS)}.")
    check_count("folds", folds, least=2, meaning="parts of the images, each measured by the choice on the others")
    if len(templates) < 2:
        raise InputError("There is one template only, so none can be left out; give a set such as imagenet-80.")
    if len(label_N) < folds:
        raise InputError(f"There are {len(label_N)} images, fewer than the {folds} folds; give more images.")
    all_N = find_hits(image_ND, label_N, normalise_rows(vectors_TKD.sum(axis=0)))
    held_N = prune_hits(image_ND, label_N, vectors_TKD, how=how, folds=folds, seed=seed)
    kept = _CHOICES[how](image_ND, label_N, vectors_TKD)
    seen_N = _ensemble_hits(image_ND, label_N, vectors_TKD, kept)
    return PrunedTemplates(
        how,
        tuple(templates[t] for t in kept),
        estimate_share(held_N),
        estimate_gain(all_N, held_N),
        float((seen_N - all_N).mean()),
        folds,
    )


def prune_hits(
    image_ND: Floats,
    label_N: NDArray[np.int64],
    vectors_TKD: Floats,
    *,
    how: Pruning = "greedy",
    folds: int = FOLDS,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Hits (N,) of the images of each fold by the templates that are chosen on the other folds."""
    fold_N = assign_folds(label_N, folds, seed)
    held_N = np.zeros(len(label_N))
    for fold in range(folds):
        test_N = fold_N == fold
        if test_N.any():
            kept = _CHOICES[how](image_ND[~test_N], label_N[~test_N], vectors_TKD)
            held_N[test_N] = _ensemble_hits(image_ND[test_N], label_N[test_N], vectors_TKD, kept)
    return held_N


def _choose_greedily(image_ND: Floats, label_N: NDArray[np.int64], vectors_TKD: Floats) -> list[int]:
    """Numbers of the templates that forward selection keeps, in the order of their choice."""
    kept: list[int] = []
    total_KD = np.zeros_like(vectors_TKD[0])
    best = -1.0
    while len(kept) < len(vectors_TKD):
        rest = [t for t in range(len(vectors_TKD)) if t not in kept]
        scores = [find_hits(image_ND, label_N, normalise_rows(total_KD + vectors_TKD[t])).mean() for t in rest]
        place = int(np.argmax(scores))
        if scores[place] <= best:
            break
        best = float(scores[place])
        kept.append(rest[place])
        total_KD = total_KD + vectors_TKD[rest[place]]
    return kept


def _choose_by_rank(image_ND: Floats, label_N: NDArray[np.int64], vectors_TKD: Floats) -> list[int]:
    """Numbers of the templates that are best by themselves, the best first, as many as are best together."""
    alone_T = find_hits_each(image_ND, label_N, vectors_TKD).mean(axis=1)
    order = np.argsort(-alone_T, kind="stable")
    total_TKD = np.cumsum(vectors_TKD[order], axis=0)
    scores = [find_hits(image_ND, label_N, normalise_rows(total_KD)).mean() for total_KD in total_TKD]
    return [int(t) for t in order[: int(np.argmax(scores)) + 1]]


_CHOICES = {"greedy": _choose_greedily, "rank": _choose_by_rank}


def _ensemble_hits(
    image_ND: Floats, label_N: NDArray[np.int64], vectors_TKD: Floats, kept: Sequence[int]
) -> NDArray[np.float64]:
    return find_hits(image_ND, label_N, normalise_rows(vectors_TKD[list(kept)].sum(axis=0)))
