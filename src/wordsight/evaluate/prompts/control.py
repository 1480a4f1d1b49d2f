"""Control of a prompt set against noise: paired with as many random prompts, over several seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.evaluate.embedder import ImageTextEmbedder
from wordsight.evaluate.prompts.prompt_set import PromptSet, count_truncated, embed_prompts
from wordsight.evaluate.prompts.waffle import build_control
from wordsight.evaluate.report.words import describe_gain
from wordsight.metrics import Estimate, estimate_crossed
from wordsight.zeroshot.class_embeddings import Floats


@dataclass(frozen=True)
class ControlResult:
    """A prompt set against as many random prompts: their accuracy, and the set's gain, over images and seeds.

    truncated: random prompts, of all seeds, whose ends the model does not read; None where that is not known.
    """

    name: str
    accuracy: Estimate
    gain: Estimate
    seeds: int
    truncated: int | None

    @property
    def answer(self) -> str:
        """The result in words."""
        return f"{describe_gain(self.gain, self.name, 'as many random prompts')}."

    def to_dict(self) -> dict[str, Any]:
        """Fields by name, as JSON holds them."""
        return {
            "prompt_set": self.name,
            "random_accuracy": self.accuracy.to_dict(),
            "gain_over_random": self.gain.to_dict(),
            "seeds": self.seeds,
            "truncated": self.truncated,
            "answer": self.answer,
        }


def compare_with_control(
    model: ImageTextEmbedder,
    prompts: PromptSet,
    classnames: Sequence[str],
    find_hits: Callable[[Floats], NDArray[np.float64]],
    *,
    hit_N: NDArray[np.float64],
    seeds: int,
) -> ControlResult:
    """Compare a prompt set, whose hits are hit_N, with random prompts of `seeds` seeds.

    find_hits: hits (N,) of class vectors (K, D) on the same images.
    """
    controls = [build_control(prompts, classnames, number) for number in range(seeds)]
    random_SN = np.stack(
        [find_hits(embed_prompts(model, control, cache=False).class_vectors()) for control in controls]
    )
    return ControlResult(
        prompts.name,
        estimate_crossed(random_SN),
        estimate_crossed(hit_N - random_SN),
        seeds,
        count_truncated(model, [text for control in controls for text in control.flat]),
    )
