"""Templates by themselves and together: accuracy of each, gain of the ensemble, and which of them hurt it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.metrics import Estimate, bootstrap_mean, estimate_gain, estimate_share, rank_labels
from wordsight.zeroshot.class_embeddings import Floats, normalise_rows


@dataclass(frozen=True)
class TemplateScore:
    """One template on a set: its accuracy alone, and that of the ensemble with it less that without it.

    contribution: None of the only template. hurts: whether its interval lies below 0. Of many templates one in forty
    seems to hurt by chance alone; whether leaving some out is a gain is what `prune_templates` measures.
    """

    template: str
    alone: Estimate
    contribution: Estimate | None

    @property
    def hurts(self) -> bool:
        """Whether the ensemble is better without it."""
        return self.contribution is not None and self.contribution.high < 0

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        contribution = self.contribution.to_dict() if self.contribution else None
        return {
            "template": self.template,
            "alone": self.alone.to_dict(),
            "contribution": contribution,
            "hurts": self.hurts,
        }


@dataclass(frozen=True)
class TemplateScores:
    """T templates on a set: each of them, the ensemble, and its gain over one of them drawn at random.

    disputed: share of images that the templates, each by itself, do not all give the same class.
    """

    each: tuple[TemplateScore, ...]
    ensemble: Estimate
    gain: Estimate
    disputed: Estimate

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {
            "ensemble": self.ensemble.to_dict(),
            "gain_over_one_template": self.gain.to_dict(),
            "disputed": self.disputed.to_dict(),
            "templates": [score.to_dict() for score in self.each],
        }


def score_templates(
    image_ND: Floats, label_N: NDArray[np.int64], templates: Sequence[str], vectors_TKD: Floats, *, seed: int = 0
) -> TemplateScores:
    """Score each template and their ensemble on labelled images: unit vectors (N, D), prompts (T, K, D)."""
    hit_TN = find_hits_each(image_ND, label_N, vectors_TKD)
    total_KD = vectors_TKD.sum(axis=0, dtype=np.float64)
    hit_N = find_hits(image_ND, label_N, normalise_rows(total_KD))
    each = []
    for template, vectors_KD, alone_N in zip(templates, vectors_TKD, hit_TN, strict=True):
        contribution = None
        if len(templates) > 1:
            without_N = find_hits(image_ND, label_N, normalise_rows(total_KD - vectors_KD))
            contribution = estimate_gain(without_N, hit_N)
        each.append(TemplateScore(template, estimate_share(alone_N), contribution))
    gain = bootstrap_mean(hit_N - hit_TN.mean(axis=0), seed=seed)
    guess_TN = np.stack([(image_ND @ vectors_KD.T).argmax(axis=1) for vectors_KD in vectors_TKD])
    disputed = estimate_share((guess_TN != guess_TN[0]).any(axis=0))
    return TemplateScores(tuple(each), estimate_share(hit_N), gain, disputed)


def find_hits(image_ND: Floats, label_N: NDArray[np.int64], class_KD: Floats) -> NDArray[np.float64]:
    """1 where an image's own class scores best, (N,), else 0; of equal scores the lower class is taken."""
    return np.asarray(rank_labels(image_ND @ class_KD.T, label_N) < 1, np.float64)


def find_hits_each(image_ND: Floats, label_N: NDArray[np.int64], vectors_TKD: Floats) -> NDArray[np.float64]:
    """Hits (T, N) of each template by itself."""
    return np.stack([find_hits(image_ND, label_N, vectors_KD) for vectors_KD in vectors_TKD])
