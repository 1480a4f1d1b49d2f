"""Examination of a model: every check of the doctor, each guarded, and the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from wordsight.checkpoint import Checkpoint
from wordsight.doctor.facts import judge_facts
from wordsight.doctor.report import Finding, Report
from wordsight.errors import WordsightError


def examine(model: Any, *, fast: bool = False) -> Report:
    """Examine a model: a name, path, `Checkpoint` or loaded `Model`.

    `fast` leaves out everything that runs the towers (reference, drift of precisions, what-if). The reference takes
    seconds for ViT-B/32, minutes for the largest models.
    Raises: whatever reading the checkpoint raises; a model that can be read but not run gives a failed check.
    """
    checkpoint = _checkpoint(model)
    judged = judge_facts(checkpoint)
    checks = tuple(_all_checks(checkpoint, fast))
    return Report(checkpoint.spec.name, checkpoint.fingerprint, judged, checks)


def _checkpoint(model: Any) -> Checkpoint:
    """Checkpoint that a name, path, checkpoint or loaded model means."""
    if isinstance(model, str | Path):
        from wordsight.weights.read import read_checkpoint

        return read_checkpoint(model)
    checkpoint: Checkpoint = getattr(model, "checkpoint", model)
    return checkpoint


def _all_checks(checkpoint: Checkpoint, fast: bool) -> Iterator[Finding]:
    """Yield the findings of each check; one that cannot run is itself a failed finding."""
    from wordsight.doctor import checks, whatif

    yield from _run_guarded("tokens", lambda: checks.check_tokens(checkpoint))
    yield from _run_guarded("pixels", lambda: checks.check_pixels(checkpoint))
    if fast:
        return
    yield from _run_guarded("embeddings", lambda: checks.check_embeddings(checkpoint))
    for precision in _other_precisions(checkpoint):
        yield from _run_guarded(f"drift.{precision}", partial(checks.check_drift, checkpoint, precision))
    yield from _run_guarded("fit", lambda: whatif.check_alternatives(checkpoint))


def _other_precisions(checkpoint: Checkpoint) -> list[str]:
    """Precisions besides f32 that this processor runs natively and this checkpoint has."""
    from wordsight.encoder.openvino.encoder import processor_precisions
    from wordsight.encoder.openvino.int8 import GRAPH

    quantised = checkpoint.folder is not None and (checkpoint.folder / GRAPH).exists()
    return ["bf16"] * ("bf16" in processor_precisions()) + ["int8"] * quantised


def _run_guarded(subject: str, run: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield a check's findings; where it cannot run because of the model, a failed finding that says so."""
    try:
        yield from run()
    except (WordsightError, ValueError, KeyError, IndexError, RuntimeError) as error:
        yield Finding(subject, "could not be run", "", "fail", f"{type(error).__name__}: {error}".split("\n")[0])
