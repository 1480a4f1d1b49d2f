"""Logs of a run in its folder: `log.jsonl`, TensorBoard's event files, and `curves.png` at the end.

`log.jsonl` holds one object per line, distinguished by "kind": "start" (config, versions, hardware; again whenever the
run is resumed), "step", "figures", "save", "end". Each step appears once, even if the run was killed and resumed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import importlib.metadata
import json
import math
import os
import platform
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from wordsight.durable import write_whole
from wordsight.errors import MissingExtraError
from wordsight.metrics import Estimate
from wordsight.train.config import TrainConfig, settings
from wordsight.train.monitor.alarms import Alarms
from wordsight.train.monitor.baseline import chance_loss
from wordsight.train.monitor.curves import Curves
from wordsight.train.monitor.reports import (
    RunFacts,
    RunResult,
    StepReport,
    TrainWarning,
    Watcher,
    active_watchers,
)
from wordsight.train.monitor.run_log import LOG, read_log

_PACKAGES = ("wordsight", "torch", "numpy", "pillow", "tokenizers", "peft")


def default_watchers(config: TrainConfig, folder: Path) -> list[Watcher]:
    """Watchers of every run: its log, TensorBoard if asked for, curves, alarms, and those of `watched_by`.

    For the first process only.

    Raises: MissingExtraError when TensorBoard is asked for and not installed.
    """
    board: list[Watcher] = [TensorBoard(folder)] if config.watch.tensorboard else []
    return [JsonLines(folder), *board, Curves(folder), Alarms(), *active_watchers()]


class JsonLines(Watcher):
    """Writes `log.jsonl`, each line at once; when the disk is full the run continues without it."""

    def __init__(self, folder: Path) -> None:
        self.path = Path(folder) / LOG
        self._file: IO[str] | None = None

    def on_start(self, config: TrainConfig, facts: RunFacts) -> None:
        """Keep the records of steps up to `facts.done`, then record the start or resumption."""
        with self._warn_on_error():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            truncate_log(self.path, facts.done)
            self._file = self.path.open("a", encoding="utf-8")
        self._write(
            "start",
            step=facts.done,
            steps=facts.steps,
            steps_per_epoch=facts.steps_per_epoch,
            parameters=facts.parameters,
            trainable=facts.trainable,
            processes=facts.processes,
            chance_loss=chance_loss(config),
            versions=versions(),
            hardware={"device": facts.device, "processor": processor(), "processors": os.cpu_count()},
            config=settings.to_plain(config),
        )

    def on_step(self, report: StepReport) -> None:
        """Write a step."""
        numbers = dataclasses.asdict(report)
        del numbers["keys"]
        self._write("step", **numbers)

    def on_evaluate(self, step: int, figures: Mapping[str, Estimate]) -> None:
        """Write figures."""
        self._write("figures", step=step, figures={name: one.to_dict() for name, one in figures.items()})

    def on_save(self, step: int, folder: Path) -> None:
        """Record a checkpoint."""
        self._write("save", step=step, folder=os.path.relpath(folder, self.path.parent))

    def on_end(self, result: RunResult | None) -> None:
        """Record the result if the run finished, and close the file."""
        if result is not None:
            figures = {name: one.to_dict() for name, one in result.figures.items()}
            self._write("end", step=result.step, loss=result.loss, seconds=result.seconds, figures=figures,
                        skipped=dict(result.skipped), skipped_names=dict(result.skipped_names),
                        truncated=result.truncated, notes=settings.to_plain(result.notes))  # fmt: skip
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, kind: str, **values: Any) -> None:
        if self._file is None:
            return
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        with self._warn_on_error():
            record = _finite({"kind": kind, "time": now} | values)
            self._file.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")
            self._file.flush()

    @contextlib.contextmanager
    def _warn_on_error(self) -> Iterator[None]:
        """Turn a disk error into a warning, and stop writing."""
        try:
            yield
        except OSError as error:
            file, self._file = self._file, None
            if file is not None:
                with contextlib.suppress(OSError):
                    file.close()
            warnings.warn(
                f"{self.path} cannot be written ({error.strerror or error}); the run continues without its log.",
                TrainWarning,
                stacklevel=4,
            )


class TensorBoard(Watcher):
    """Writes event files to `tensorboard/` in the run's folder; view them with `tensorboard --logdir FOLDER`."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtraError("watch.tensorboard", "tensorboard", "train") from None
        self._open, self.folder = SummaryWriter, Path(folder) / "tensorboard"
        self._writer: Any = None

    def on_start(self, config: TrainConfig, facts: RunFacts) -> None:
        """Start, or continue after step `facts.done`: records of later steps are hidden."""
        self._chance = chance_loss(config)
        with self._warn_on_error():
            self._writer = self._open(str(self.folder), purge_step=facts.done + 1 if facts.done else None)
            self._writer.add_text(
                "settings", "\n".join(f"    {line}" for line in settings.to_lines(config)), facts.done
            )

    def on_step(self, report: StepReport) -> None:
        """Write a step's numbers."""
        for name in ("loss", "lr", "scale", "grad_norm", "samples_per_s", "wait_share", "recall_at_1", "skipped"):
            self._add(name, getattr(report, name), report.step)
        known = report.chance_loss
        if known is None:
            known = self._chance
        self._add("chance-level loss", known, report.step)
        self._add("chance-level recall@1", report.chance_recall, report.step)

    def on_evaluate(self, step: int, figures: Mapping[str, Estimate]) -> None:
        """Write figures."""
        for name, one in figures.items():
            self._add(name, one.value, step)

    def on_end(self, result: RunResult | None) -> None:
        """Close the files."""
        with self._warn_on_error():
            if self._writer is not None:
                self._writer.close()

    def _add(self, name: str, value: float | None, step: int) -> None:
        with self._warn_on_error():
            if self._writer is not None and value is not None:
                self._writer.add_scalar(name, value, step)

    @contextlib.contextmanager
    def _warn_on_error(self) -> Iterator[None]:
        """Turn a disk error, which may surface a few writes later, into a warning, and stop writing."""
        try:
            yield
        except OSError as error:
            self._writer = None
            warnings.warn(
                f"{self.folder} cannot be written ({error.strerror or error}); the run continues without TensorBoard.",
                TrainWarning,
                stacklevel=4,
            )


def truncate_log(path: Path, step: int) -> None:
    """Keep only the records of steps up to `step` in a log, without a truncated last line; for step 0 none."""
    if not path.exists():
        return
    kept = [record for record in read_log(path) if record.get("step", 0) <= step] if step else []
    write_whole(path, "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in kept))


def versions() -> dict[str, str]:
    """Versions of the packages that a run depends on, and of Python."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def processor() -> str:
    """Name of the processor, as its maker calls it where the system tells."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _finite(value: Any) -> Any:
    """Value with None for numbers that JSON lacks, such as an infinite gradient norm."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
