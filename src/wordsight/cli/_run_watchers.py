"""A training run on a terminal: a bar with the numbers that tell how it goes; without a terminal plain lines."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from wordsight.metrics import Estimate
from wordsight.train.config import TrainConfig
from wordsight.train.monitor.baseline import chance_loss
from wordsight.train.monitor.reports import RunFacts, RunResult, StepReport, Watcher


class Lines(Watcher):
    """Writes a line on standard error for every report."""

    def on_start(self, config: TrainConfig, facts: RunFacts) -> None:
        """Say what begins."""
        self.chance, self.facts = chance_loss(config), facts
        self.say(start_text(config, facts))

    def on_step(self, report: StepReport) -> None:
        """Say how it goes."""
        self.say(f"{_progress(report, self.facts)}  {step_text(report, self.chance)}  {_left(report, self.facts)} left")

    def on_evaluate(self, step: int, figures: Mapping[str, Estimate]) -> None:
        """Say what was measured."""
        for line in figure_lines(figures):
            self.say(f"step {step:,}: {line}")

    def say(self, line: str) -> None:
        """Write a line."""
        click.echo(line, err=True)


class Bar(Lines):
    """Draws a bar on standard error, two lines that stay at the bottom; what else is said appears above."""

    def __init__(self) -> None:
        self._live: Any = None

    def on_start(self, config: TrainConfig, facts: RunFacts) -> None:
        """Say what begins, and draw the empty bar."""
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
        self._live = Live(get_renderable=self._drawn, console=self._bar.console, transient=True, refresh_per_second=2)
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
        """Say what was measured, and keep it in sight."""
        super().on_evaluate(step, figures)
        self._measured = "".join(f"  {_figure_name(name)} {one.value:.1%}" for name, one in figures.items())

    def on_end(self, result: RunResult | None) -> None:
        """Take the bar away."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, line: str) -> None:
        """Write a line above the bar."""
        if self._live is None:
            click.echo(line, err=True)
        else:
            self._live.console.out(line, highlight=False)

    def _drawn(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        return Group(self._bar, Text(self._numbers))


def run_watcher() -> Lines:
    """Return what shows a run where standard error goes to."""
    return Bar() if sys.stderr is not None and sys.stderr.isatty() else Lines()


def start_text(config: TrainConfig, facts: RunFacts) -> str:
    """Return what a run is about to do, in a line."""
    learn = "all learn" if facts.trainable == facts.parameters else f"{_count(facts.trainable)} learn"
    where = facts.device if facts.processes == 1 else f"{facts.processes} processes on {facts.device}"
    said = [
        f"{_count(facts.parameters)} parameters, {learn}",
        f"{facts.steps:,} steps of {config.batch:,} pairs, {facts.steps_per_epoch:,} an epoch",
        f"{config.objective.name} in {config.compute.precision}",
        where,
    ]
    resumed = f"; goes on after step {facts.done:,}" if facts.done else ""
    return f"{_folder(facts.folder)}: {'; '.join(said)}{resumed}"


def step_text(report: StepReport, chance: float | None) -> str:
    """Return a step's numbers, such as "loss 3.21 (knows nothing: 6.93)  recall@1 41 % (guessing: 0 %) …".

    chance: loss of a model that knows nothing, where the report does not say it.
    """
    chance = chance if report.chance_loss is None else report.chance_loss
    said = [f"loss {report.loss:.3f}" + (f" (knows nothing: {chance:.2f})" if chance is not None else "")]
    if report.recall_at_1 is not None:
        guessing = "" if report.chance_recall is None else f" (guessing: {report.chance_recall:.1%})"
        said.append(f"recall@1 {report.recall_at_1:.1%}{guessing}")
    if report.scale is not None:
        said.append(f"scale {report.scale:.1f}")
    said += [f"gradient {report.grad_norm:.2g}", f"{report.samples_per_s:,.0f}/s", f"waiting {report.wait_share:.0%}"]
    if report.skipped:
        said.append(f"{report.skipped:,} skipped")
    return "  ".join(said)


def figure_lines(figures: Mapping[str, Estimate]) -> list[str]:
    """Return a line for each figure, with its interval: "zero-shot 41.2 % [37.1, 45.0] of 400"."""
    return [f"{_figure_name(name)} {one}" for name, one in figures.items()]


def _figure_name(name: str) -> str:
    return name.replace("zero_shot", "zero-shot").replace("_", " ")


def time_text(seconds: float) -> str:
    """Return a time such as "0:42", "12:05", "3:04:00", "2 d 03:04"."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days} d {h:02}:{m:02}"
    return f"{h}:{m:02}:{s:02}" if hours else f"{m}:{s:02}"


def _progress(report: StepReport, facts: RunFacts) -> str:
    return f"step {report.step:,}/{facts.steps:,}  epoch {report.epoch:.2f}"


def _left(report: StepReport, facts: RunFacts) -> str:
    return time_text((facts.steps - report.step) * report.seconds)


def _folder(folder: Path) -> str:
    from wordsight.images.names import source_name

    return source_name(folder)


def _count(number: int) -> str:
    """Return a number of parameters as people say it: 151M, 12.3M, 840k."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            scaled = number / size
            return f"{scaled:.0f}{letter}" if scaled >= 100 else f"{scaled:.1f}{letter}"
    return str(number)
