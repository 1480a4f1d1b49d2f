"""A class of a linear head as part of a query: what a probe learnt from labelled images, looked for in an index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wordsight.arguments import check_type
from wordsight.index.base import Floats
from wordsight.zeroshot.linear_head import LinearHead


@dataclass(frozen=True, eq=False)
class HeadClass:
    """One class of a linear head. Raises: InputError for a class that the head does not have."""

    head: LinearHead
    classname: str

    def __post_init__(self) -> None:
        check_type("head", self.head, LinearHead, "a LinearHead, such as LinearHead.load(FILE)")
        self.head.place(self.classname)

    @property
    def direction_D(self) -> Floats:
        """Direction (D,) in which the class gains on the mean of all classes: what an index looks for."""
        own_D = self.head.coefficient_KD[self.head.place(self.classname)]
        return np.asarray(own_D - self.head.coefficient_KD.mean(axis=0), np.float32)

    def log_odds(self, image_ND: Floats) -> np.ndarray:
        """Log-odds of the class against all others, (N, D) → (N,) float64: of the softmax of the head."""
        logits_NK = self.head.logits_of_embeddings(image_ND).astype(np.float64)
        place = self.head.place(self.classname)
        others_NJ = np.delete(logits_NK, place, axis=1)
        top_N1 = others_NJ.max(axis=1, keepdims=True)
        return np.asarray(logits_NK[:, place] - top_N1[:, 0] - np.log(np.exp(others_NJ - top_N1).sum(axis=1)))
