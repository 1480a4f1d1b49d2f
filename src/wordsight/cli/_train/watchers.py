"""Progress of a training run: a bar with its numbers on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from wordsight.cli._messages import clean
from wordsight.metrics import Estimate
from wordsight.train.config import TrainConfig
from wordsight.train.monitor.baseline import chance_loss
from wordsight.train.monitor.reports import RunFacts, RunResult, StepReport, Watcher


class Lines(Watcher):
    """Writes a line on standard error for every report."""

    def on_start(self, config: TrainConfig, facts: RunFacts) -> None:
        """Write the size and place of the run."""
        self.chance, self.facts = chance_loss(config), facts
        self.write(start_text(config, facts))

    def on_step(self, report: StepReport) -> None:
        """Write the numbers of the step."""
        self.write(
            f"{_progress(report, self.facts)}  {step_text(report, self.chance)}  {_left(report, self.facts)} left"
        )

    def on_evaluate(self, step: int, figures: Mapping[str, Estimate]) -> None:
        """Write the figures."""
        for line in figure_lines(figures):
            self.write(f"step {step:,}: {line}")

    def write(self, line: str) -> None:
        """Write a line."""
        click.echo(clean(line), err=True)


class Bar(Lines):
    """Draws a bar on standard error, two lines that stay at the bottom; other lines appear above it."""

    def __init__(self) -> None:
        self._live: Any = None

    def on_start(self, config: TrainConfig, facts: RunFacts) -> None:
        """Write the size and place of the run, and draw the empty bar."""
        super().on_start(config, facts)
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"), console=Console(stderr=True),
        )  # fmt: skip
        self._task = self._bar.add_task(_folder(facts.folder), total=facts.steps, completed=facts.done, left="")
        self._numbers, self._measured = "waiting for the first steps", ""
        self._live = Live(
            get_renderable=self._renderable, console=self._bar.console, transient=True, refresh_per_second=2
        )
        self._live.start()

    def on_step(self, report: StepReport) -> None:
        """Move the bar."""
        self._bar.update(
            self._task,
            completed=report.step,
            description=f"{_progress(report, self.facts)}",
            left=f"{_left(report, self.facts)} left",
        )
        self._numbers = step_text(report, self.chance) + self._measured
        self._live.refresh()

    def on_evaluate(self, step: int, figures: Mapping[str, Estimate]) -> None:
        """Write the figures, and keep them in sight."""
        super().on_evaluate(step, figures)
        self._measured = "".join(f"  {_figure_name(name)} {one.value:.1%}" for name, one in figures.items())

    def on_end(self, result: RunResult | None) -> None:
        """Remove the bar."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def write(self, line: str) -> None:
        """Write a line above the bar."""
        if self._live is None:
            super().write(line)
        else:
            self._live.console.out(clean(line), highlight=False)

    def _renderable(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        return Group(self._bar, Text(self._numbers))


def make_watcher() -> Lines:
    """Watcher that suits standard error: a bar on a terminal, else lines."""
    if sys.stderr is not None and sys.stderr.isatty():
        return Bar()
    return Lines()


def start_text(config: TrainConfig, facts: RunFacts) -> str:
    """Size and place of a run, in a line."""
    trainable, device = "all trainable", facts.device
    if facts.trainable != facts.parameters:
        trainable = f"{_count(facts.trainable)} trainable"
    if facts.processes != 1:
        device = f"{facts.processes} processes on {device}"
    parts = [
        f"{_count(facts.parameters)} parameters, {trainable}",
        f"{facts.steps:,} steps of {config.batch:,} pairs, {facts.steps_per_epoch:,} per epoch",
        f"{config.objective.name} in {config.compute.precision}",
        device,
    ]
    if facts.done:
        parts.append(f"resumes after step {facts.done:,}")
    return f"{_folder(facts.folder)}: {'; '.join(parts)}"


def step_text(report: StepReport, chance: float | None) -> str:
    """A step's numbers, such as "loss 3.21 (chance level: 6.93)  recall@1 41 % (chance level: 0 %) …".

    chance: loss of a random-guess baseline, where the report has none.
    """
    if report.chance_loss is not None:
        chance = report.chance_loss
    parts = [f"loss {report.loss:.3f}{_chance_level(chance, '.2f')}"]
    if report.recall_at_1 is not None:
        parts.append(f"recall@1 {report.recall_at_1:.1%}{_chance_level(report.chance_recall, '.1%')}")
    if report.scale is not None:
        parts.append(f"scale {report.scale:.1f}")
    parts += [f"gradient {report.grad_norm:.2g}", f"{report.samples_per_s:,.0f}/s", f"waiting {report.wait_share:.0%}"]
    if report.skipped:
        parts.append(f"{report.skipped:,} skipped")
    return "  ".join(parts)


def _chance_level(value: float | None, form: str) -> str:
    if value is None:
        return ""
    return f" (chance level: {value:{form}})"


def figure_lines(figures: Mapping[str, Estimate]) -> list[str]:
    """A line for each figure, with its interval: "zero-shot 41.2 % [37.1, 45.0] of 400"."""
    return [f"{_figure_name(name)} {one}" for name, one in figures.items()]


def _figure_name(name: str) -> str:
    return name.replace("zero_shot", "zero-shot").replace("_", " ")


def time_text(seconds: float) -> str:
    """A time such as "0:42", "12:05", "3:04:00", "2 d 03:04"."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days} d {h:02}:{m:02}"
    if hours:
        return f"{h}:{m:02}:{s:02}"
    return f"{m}:{s:02}"


def _progress(report: StepReport, facts: RunFacts) -> str:
    return f"step {report.step:,}/{facts.steps:,}  epoch {report.epoch:.2f}"


def _left(report: StepReport, facts: RunFacts) -> str:
    return time_text((facts.steps - report.step) * report.seconds)


def _folder(folder: Path) -> str:
    from wordsight.images.names import source_name

    return source_name(folder)


def _count(number: int) -> str:
    """A number of parameters in short form: 151M, 12.3M, 840k."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            scaled = number / size
            digits = int(scaled < 100)
            return f"{scaled:.{digits}f}{letter}"
    return str(number)
