"""Validation of a checkpoint's state before any of it is restored: no content of a file is taken on trust."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wordsight.train.data import DataState

# keys of a checkpoint
STATE = ("step", "steps_per_epoch", "loss", "processes", "scaler", "average", "network", "optimizer")
_MOMENTS = {"step", "exp_avg", "exp_avg_sq"}  # AdamW's

Shapes = Mapping[str, tuple[int, ...]]


def find_fault(state: Any, *, step: int, shapes: Shapes, averaged: bool, scaled: bool) -> str:
    """Reason why a state cannot be restored; "" if it can.

    step: in the checkpoint's name. shapes: of the run's network, by names. averaged, scaled: whether the run has an
    average of the weights, and a scaler.
    """
    if not isinstance(state, dict):
        return f"it lacks {', '.join(STATE)}"
    if missing := [key for key in STATE if key not in state]:
        return f"it lacks {', '.join(missing)}"
    return next(_faults(state, step, shapes, averaged, scaled), "")


def _faults(state: Mapping[str, Any], step: int, shapes: Shapes, averaged: bool, scaled: bool) -> Iterator[str]:
    if state["step"] != step or not _is_count(state["step"]):
        yield f"its step is {_show(state['step'])}, expected {step}"
    if not _is_count(state["steps_per_epoch"]):
        yield f"steps_per_epoch is {_show(state['steps_per_epoch'])}, expected a whole number"
    if not isinstance(state["loss"], int | float):
        yield f"its loss is {_show(state['loss'])}, expected a number"
    yield from _weight_faults(state["network"], shapes)
    yield from _optimizer_faults(state["optimizer"], shapes)
    average = state["average"]
    if averaged:
        if not isinstance(average, dict) or not _is_count(average.get("updates")):
            yield f"its average is {_show(average)}, expected weights and the number of updates"
        else:
            yield from _weight_faults(average.get("weights"), shapes)
    if scaled and not isinstance(state["scaler"], dict):
        yield f"its scaler is {_show(state['scaler'])}, expected the state of a loss scaler"
    yield from _process_faults(state["processes"])


def _weight_faults(weights: Any, shapes: Shapes) -> Iterator[str]:
    if not isinstance(weights, dict) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        yield f"its weights are {_show(weights)}, expected tensors by name"
        return
    there = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if strange := [name for name in {**shapes, **there} if there.get(name) != shapes.get(name)]:
        yield f"it is of another network: {', '.join(strange[:4])}"
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            yield f"its weights {name} are not finite"


def _optimizer_faults(optimizer: Any, shapes: Shapes) -> Iterator[str]:
    moments = optimizer.get("state") if isinstance(optimizer, dict) else None
    if not isinstance(moments, dict) or not moments or not optimizer.get("param_groups"):
        yield f"its optimizer is {_show(optimizer)}, expected the moments of the weights"
        return
    for name, tensors in moments.items():
        if name not in shapes or not isinstance(tensors, dict):
            yield f"its optimizer has moments of {_show(name)}, which the network does not have"
            return
        if not tensors.keys() >= _MOMENTS:
            yield f"its optimizer lacks moments of {name}"
        for tensor in tensors.values():
            if not isinstance(tensor, Tensor) or tuple(tensor.shape) not in ((), shapes[name]):
                yield f"its optimizer's moments of {name} have another shape"


def _process_faults(processes: Any) -> Iterator[str]:
    fields = {field.name for field in dataclasses.fields(DataState)}
    if not isinstance(processes, list) or not processes:
        yield f"its processes are {_show(processes)}, expected a list"
        return
    for process in processes:
        if not isinstance(process, dict) or not isinstance(process.get("chance"), dict):
            yield f"a process has {_show(process)}, expected its random state and its position in the data"
            return
        data = process.get("data")
        if not isinstance(data, dict) or not data.keys() <= fields or not all(map(_is_count, data.values())):
            yield f"a position in the data is {_show(data)}, expected {' and '.join(sorted(fields))}"


def has_compressed_parts(path: Path) -> bool:
    """Whether a zip archive has compressed entries: torch writes none, and they may expand without limit."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist())


def _is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def _show(value: Any) -> str:
    text = f"a {type(value).__name__}"
    if isinstance(value, int | float | str | None):
        text = repr(value)
    if len(text) > 40:
        text = f"{text[:40]}…"
    return text
