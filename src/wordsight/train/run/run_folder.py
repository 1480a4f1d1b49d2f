"""A run's folder: its configuration, and checkpoints that are whole or not there.

`<folder>/config.json` says what the run is; `<folder>/checkpoints/step_00000500/` holds `state.pt`, all that a
continuation needs, and `checkpoint.json`, by which damage and mix-ups are seen.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch

from wordsight.errors import InputError, TrainError
from wordsight.train.config import TrainConfig, settings
from wordsight.train.monitor.run_log import LOG
from wordsight.weights.file_names import SPEC, WORDSIGHT_WEIGHTS

CONFIG, CHECKPOINTS, STATE, MANIFEST = "config.json", "checkpoints", "state.pt", "checkpoint.json"
_PREFIX, _UNFINISHED = "step_", ".unfinished_"
# What may be another when a run goes on: it says how the same is computed, read or watched.
FREE = ("watch.", "data.workers", "compute.chunk", "compute.device", "compute.compile", "compute.checkpointing",
        "compute.sharding", "compute.timeout", "objective.tile",
        "tuning.alphas", "tuning.forgetting", "tuning.keep")  # fmt: skip


def open_folder(config: TrainConfig, folder: Path, *, resume: bool) -> Path | None:
    """Make a run's folder, or return the newest checkpoint in it to go on from; None: begin at step 0.

    What was begun there and came to no checkpoint is begun anew.
    Raises: TrainError for a folder with a run in it that is not to be resumed, for one to be resumed with another
        configuration (the keys that differ are named), and for a place that cannot be written.
    """
    try:
        found = steps_in(folder)
        if found or (folder / SPEC).exists() or (folder / WORDSIGHT_WEIGHTS[0]).exists():
            if not (folder / CONFIG).is_file():
                raise TrainError(
                    f"{folder} holds a model or checkpoints, but not the {CONFIG} of a run; choose another folder."
                )
            if not resume:
                raise TrainError(
                    f"{folder} holds a run already. Go on with it (--resume; resume=True), or choose another folder."
                )
            check_same_run(config, _text(folder / CONFIG), folder / CONFIG)
        elif not _is_free(folder):
            raise TrainError(
                f"{folder} holds a {CONFIG if (folder / CONFIG).exists() else LOG} that no run wrote, which would be "
                "written over; choose another folder."
            )
        (folder / CHECKPOINTS).mkdir(parents=True, exist_ok=True)
        for left in (folder / CHECKPOINTS).glob(f"{_UNFINISHED}*"):  # of a run that was killed
            shutil.rmtree(left)
    except (OSError, ValueError) as error:  # a NUL in the name
        raise TrainError(_unusable(folder, error)) from error
    return next(reversed(found.values()), None)


def _is_free(folder: Path) -> bool:
    """Return whether a folder has no files of a run's names, or those of a run that came to no checkpoint."""
    if not (folder / CONFIG).exists():
        return not (folder / LOG).exists()
    try:
        settings.from_json(TrainConfig, _text(folder / CONFIG))
    except InputError:
        return False
    return True


def _text(path: Path) -> str:
    return path.read_text("utf-8", errors="replace")


def write_config(config: TrainConfig, folder: Path) -> None:
    """Write what the run of a folder is. Raises: TrainError."""
    try:
        _write_whole(folder / CONFIG, settings.to_json(config).encode())
    except OSError as error:
        raise TrainError(_unusable(folder, error)) from error


def _unusable(folder: Path, error: OSError | ValueError) -> str:
    reason = getattr(error, "strerror", None) or error
    return f"The run's folder {folder} cannot be used ({reason}); choose another place."


def check_same_run(config: TrainConfig, held: str, where: Path) -> None:
    """Raise TrainError where a run's configuration, as JSON, is another than `config` in what is not `FREE`."""
    try:
        before = settings.from_json(TrainConfig, held)
    except InputError as error:
        raise TrainError(f"{where} is no configuration that can be read: {error}") from error
    differ = {k: v for k, v in settings.differences(before, config).items() if not k.startswith(FREE)}
    if differ:
        shown = "; ".join(f"{key} was {was!r}, is now {now!r}" for key, (was, now) in list(differ.items())[:8])
        more = f"; and {len(differ) - 8} more" if len(differ) > 8 else ""
        raise TrainError(
            f"The run of {where} is another one: {shown}{more}. Resume with the same settings, or choose another "
            "folder for a new run."
        )


def steps_in(folder: Path) -> dict[int, Path]:
    """Return step → checkpoint of a run's folder, the newest last."""
    found = {}
    for path in (folder / CHECKPOINTS).glob(f"{_PREFIX}*"):
        number = path.name.removeprefix(_PREFIX)
        if number.isdecimal() and path.is_dir():
            found[int(number)] = path
    return dict(sorted(found.items()))


def save(folder: Path, step: int, state: Mapping[str, Any], *, config: TrainConfig, keep: int) -> Path:
    """Write a checkpoint and return its folder; all but the newest `keep` are removed once it is whole.

    It is written beside and renamed, and is on the disk, not in its cache, when this returns.
    state: tensors, numbers, text, None, and lists, tuples and dicts of these, which is what can be read again safely.
    Raises: TrainError where it cannot be written, say for a full disk; nothing of it is left, and those before stay.
    """
    final = folder / CHECKPOINTS / f"{_PREFIX}{step:08d}"
    unfinished = folder / CHECKPOINTS / f"{_UNFINISHED}{step:08d}"
    try:
        unfinished.mkdir()
        size, sha256 = _write_state(state, unfinished / STATE)
        about = {"step": step, "bytes": size, "sha256": sha256, "torch": torch.__version__,
                 "config": settings.to_plain(config)}  # fmt: skip
        _write_whole(unfinished / MANIFEST, json.dumps(about, indent=2, ensure_ascii=False).encode())
        sync(unfinished)
        if final.exists():  # of the same step: it has the same content, or is damaged
            shutil.rmtree(final)
        os.replace(unfinished, final)
        sync(final.parent)
    except OSError as error:
        raise TrainError(_why_not_saved(error, step, folder)) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    with contextlib.suppress(OSError):  # what is saved is saved; an old one too many does no harm
        for old in list(steps_in(folder).values())[: -max(1, keep)]:
            aside = old.with_name(f"{_UNFINISHED}{old.name}")  # a kill must not leave half of one under its name
            os.replace(old, aside)
            shutil.rmtree(aside, ignore_errors=True)
    return final


def _why_not_saved(error: OSError, step: int, folder: Path) -> str:
    before = steps_in(folder)
    last = f"The last good checkpoint is {next(reversed(before.values()))}" if before else "There is none before it"
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    what = "the disk is full" if full else "it cannot be written"
    return (
        f"The checkpoint of step {step} was not saved in {folder / CHECKPOINTS}: {what} ({error.strerror or error}). "
        f"{last}; {'make room' if full else 'see to the disk'}, then go on with --resume (resume=True)."
    )


def load(path: Path, config: TrainConfig) -> dict[str, Any]:
    """Return what was given to `save`, its tensors on the CPU.

    Raises: TrainError for a damaged checkpoint, with the one before it, and for one of another run.
    """
    try:
        about = json.loads((path / MANIFEST).read_bytes())
        with (path / STATE).open("rb") as file:
            whole = hashlib.file_digest(file, "sha256").hexdigest() == about["sha256"]
        if not whole:
            raise ValueError(f"{STATE} has {(path / STATE).stat().st_size} bytes that are not those written")
        held = json.dumps(about["config"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TrainError(damaged(path, error)) from error
    check_same_run(config, held, path / MANIFEST)
    try:
        # Nothing but tensors and plain values is read: a checkpoint of a stranger's cannot run code.
        return cast("dict[str, Any]", torch.load(path / STATE, map_location="cpu", weights_only=True))
    except pickle.UnpicklingError as error:  # torch's own words advise to read it all the same
        strange = f"{STATE} holds something else than tensors and plain values; nothing of it was run"
        raise TrainError(damaged(path, strange)) from error
    except (RuntimeError, EOFError) as error:
        raise TrainError(damaged(path, error)) from error


def damaged(path: Path, error: Exception | str) -> str:
    """Return what to say of a checkpoint that cannot be gone on from: why, and what to do."""
    before = [other for other in steps_in(path.parent.parent).values() if other < path]
    remedy = f"go on from {before[-1].name}, the one before it" if before else "begin anew: there is none before it"
    return f"The checkpoint {path} is damaged ({error}). Remove this folder to {remedy}."


def write_beside(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` make a file beside `path`, and put it there once it is on the disk."""
    beside = path.with_name(f".{path.name}.part")
    try:
        write(beside)
        sync(beside)
        os.replace(beside, path)
        sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _write_whole(path: Path, content: bytes) -> None:
    def write(beside: Path) -> None:
        beside.write_bytes(content)

    write_beside(path, write)


def _write_state(state: Mapping[str, Any], path: Path) -> tuple[int, str]:
    """Write a state and return its bytes and their SHA-256."""
    with path.open("wb") as file:
        hashed = _Hashed(file)
        try:
            torch.save(dict(state), cast(BinaryIO, hashed))
        except RuntimeError:  # torch's own word for a write that failed says nothing of why
            if hashed.error is not None:
                raise hashed.error from None
            raise
        file.flush()
        os.fsync(file.fileno())
    return hashed.size, hashed.sha256.hexdigest()


class _Hashed:
    """A file that hashes what goes into it, and remembers why a write failed."""

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


def sync(path: Path) -> None:
    """Put a file's content, or a folder's list of names, from the system's cache onto the disk."""
    if os.name == "nt" and path.is_dir():  # has no such thing
        return
    number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)
