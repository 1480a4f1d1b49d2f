"""Checkpoints of a run, each whole or not there: `<folder>/checkpoints/step_00000500/`.

`state.pt` holds all that is needed to resume; `checkpoint.json` its checksum and the configuration, which reveal damage
and mix-ups.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

from wordsight import durable
from wordsight.errors import TrainError
from wordsight.json_records import parse_json
from wordsight.train.config import TrainConfig, settings
from wordsight.train.run.same_run import check_same_run
from wordsight.train.run.state_check import has_compressed_parts

CHECKPOINTS, STATE, MANIFEST = "checkpoints", "state.pt", "checkpoint.json"
UNFINISHED = ".unfinished_"  # how the name of a checkpoint begins until it is whole
_PREFIX = "step_"


def list_steps(folder: Path) -> dict[int, Path]:
    """Checkpoints of a run's folder by their step, the newest last."""
    found = {}
    for path in (folder / CHECKPOINTS).glob(f"{_PREFIX}*"):
        if (step := read_step(path)) >= 0 and path.is_dir():
            found[step] = path
    return dict(sorted(found.items()))


def read_step(path: Path) -> int:
    """Step in a checkpoint's name; -1 for a name that has none."""
    number = path.name.removeprefix(_PREFIX)
    if not number.isdecimal():
        return -1
    return int(number)


def save(folder: Path, step: int, state: Mapping[str, Any], *, config: TrainConfig, keep: int) -> Path:
    """Write a checkpoint and return its folder; once it is whole, all but the newest `keep` are removed.

    It is written under another name and renamed, and is on the disk, not in its cache, when this returns.
    state: tensors, numbers, text, None, and lists, tuples and dicts of these, which can be read back safely.
    Raises: TrainError where it cannot be written, such as on a full disk; no part of it is left, earlier ones stay.
    """
    final = folder / CHECKPOINTS / f"{_PREFIX}{step:08d}"
    unfinished = folder / CHECKPOINTS / f"{UNFINISHED}{step:08d}"
    try:
        unfinished.mkdir()
        size, sha256 = _write_state(state, unfinished / STATE)
        manifest = {"step": step, "bytes": size, "sha256": sha256, "torch": torch.__version__,
                 "config": settings.to_plain(config)}  # fmt: skip
        durable.write_whole(unfinished / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False), sync=True)
        durable.sync_folder(unfinished)
        if final.exists():  # the same step again: equal, or damaged
            shutil.rmtree(final)
        os.replace(unfinished, final)
        durable.sync_folder(final.parent)
    except OSError as error:
        raise TrainError(_describe_unsaved(error, step, folder)) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    with contextlib.suppress(OSError):  # one old checkpoint too many does no harm
        for old in list(list_steps(folder).values())[: -max(1, keep)]:
            aside = old.with_name(f"{UNFINISHED}{old.name}")  # a kill must not leave half of one under its name
            os.replace(old, aside)
            shutil.rmtree(aside, ignore_errors=True)
    return final


def _describe_unsaved(error: OSError, step: int, folder: Path) -> str:
    before = list_steps(folder)
    last = "There is no earlier one"
    if before:
        last = f"The last good checkpoint is {next(reversed(before.values()))}"
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    problem, remedy = "it cannot be written", "check the disk"
    if full:
        problem, remedy = "the disk is full", "make room"
    reason = error.strerror or error
    return (
        f"The checkpoint of step {step} was not saved in {folder / CHECKPOINTS}: {problem} ({reason}). "
        f"{last}; {remedy}, then continue with --resume (resume=True)."
    )


def load(path: Path, config: TrainConfig) -> dict[str, Any]:
    """State that was given to `save`, its tensors on the CPU.

    Raises: TrainError for a damaged checkpoint, naming the one before it, and for one of another run.
    """
    try:
        manifest = parse_json((path / MANIFEST).read_bytes())
        with (path / STATE).open("rb") as file:
            whole = hashlib.file_digest(file, "sha256").hexdigest() == manifest["sha256"]
        if not whole:
            raise ValueError(f"{STATE} has {(path / STATE).stat().st_size} bytes that are not those written")
        held = json.dumps(manifest["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainError(describe_damage(path, error)) from error
    check_same_run(config, held, path / MANIFEST)
    if has_compressed_parts(path / STATE):
        raise TrainError(describe_damage(path, f"{STATE} is compressed, as torch never writes it"))
    try:
        # Only tensors and plain values are read: an untrusted checkpoint cannot run code.
        return cast("dict[str, Any]", torch.load(path / STATE, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError as error:  # torch's own message advises to load it anyway
        reason = f"{STATE} holds something other than tensors and plain values; none of it was executed"
        raise TrainError(describe_damage(path, reason)) from error
    except Exception as error:  # a damaged file fails in torch's reader in any way
        raise TrainError(describe_damage(path, str(error) or type(error).__name__)) from error


def describe_damage(path: Path, error: Exception | str) -> str:
    """Message on a checkpoint that cannot be resumed from: the reason, and what to do."""
    before = [other for other in list_steps(path.parent.parent).values() if other < path]
    remedy = "start from scratch: there is no earlier one"
    if before:
        remedy = f"resume from {before[-1].name}, the one before it"
    return f"The checkpoint {path} is damaged ({error}). Remove this folder to {remedy}."


def _write_state(state: Mapping[str, Any], path: Path) -> tuple[int, str]:
    """Write a state; its size in bytes and their SHA-256."""
    with path.open("wb") as file:
        hashed = _HashedFile(file)
        try:
            torch.save(dict(state), cast(BinaryIO, hashed))
        except RuntimeError:  # torch's own error does not say why the write failed
            if hashed.error is not None:
                raise hashed.error from None
            raise
        file.flush()
        os.fsync(file.fileno())
    return hashed.size, hashed.sha256.hexdigest()


class _HashedFile:
    """A file that hashes its content while it is written, and keeps the error of a failed write."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sha256, self.size = file, hashlib.sha256(), 0
        self.error: OSError | None = None

    def write(self, content: bytes) -> int:
        try:
            self.file.write(content)
        except OSError as error:
            self.error = error
            raise
        self.sha256.update(content)
        self.size += len(content)
        return len(content)

    def flush(self) -> None:
        self.file.flush()
