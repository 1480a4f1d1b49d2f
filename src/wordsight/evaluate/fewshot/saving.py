"""Keeping what a method learnt as a linear head, for sorting and search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wordsight.arguments import check_folder_of
from wordsight.errors import InputError
from wordsight.evaluate.embedder import ImageEmbedder, find_space
from wordsight.evaluate.fewshot.curves import FewShotResult
from wordsight.evaluate.fewshot.learned import LinearScorer
from wordsight.evaluate.fewshot.methods import METHODS, Method, find_method
from wordsight.evaluate.fewshot.task import FewShotTask
from wordsight.zeroshot.linear_head import LinearHead


def check_save(path: Path | None, methods: Sequence[str]) -> None:
    """Raise InputError where a classifier is to be saved but cannot be: no linear method, no folder for the file."""
    if path is None:
        return
    find_linear(methods)
    check_folder_of(path, "--save")


def find_linear(methods: Sequence[str]) -> str:
    """First method whose result is linear in the features. Raises: InputError where there is none."""
    for name in methods:
        method = find_method(name)
        if isinstance(method, Method) and method.is_linear:
            return name
    linear = ", ".join(name for name, method in METHODS.items() if method.is_linear)
    raise InputError(
        f"{', '.join(methods)} cannot be saved as a linear head: the answer is not linear in the features, or was "
        f"tuned on the test images. Name one of: {linear}."
    )


def fit_head(task: FewShotTask, methods: Sequence[str], model: ImageEmbedder, result: FewShotResult) -> LinearHead:
    """Head of the first linear method, fitted on all images of the task, the test part too.

    Its facts tell the accuracy that was measured with the pool alone, which the head should at least have.
    """
    name = find_linear(methods)
    shots = task.everything()
    method = METHODS[name]
    scorer = method.fit(shots)
    assert isinstance(scorer, LinearScorer), name
    most = result.counts[-1]
    facts: dict[str, Any] = {
        **scorer.facts,
        "model": task.model,
        "dataset": task.name,
        "images": len(shots.label_N),
        "protocol": method.protocol,
        "accuracy_measured": result.accuracy[name][most].value,
        "accuracy_measured_with": f"{most} shots",
    }
    if result.zero_shot is not None:
        facts["zero_shot_measured"] = result.zero_shot.value
    coefficient_KD = scorer.coefficient_KD.astype(np.float32)
    intercept_K = scorer.intercept_K.astype(np.float32)
    return LinearHead(
        name, task.pool.classnames, coefficient_KD, intercept_K, fingerprint=find_space(model), facts=facts
    )
