"""A run from its first step to a model that `wordsight.load` opens."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

import torch

from wordsight.errors import InputError, TrainError
from wordsight.metrics import Estimate
from wordsight.train.build import Run, build_run
from wordsight.train.compute.processes import start
from wordsight.train.config import TrainConfig
from wordsight.train.config.checks import check_config
from wordsight.train.data import DataState
from wordsight.train.monitor.logs import default_watchers
from wordsight.train.monitor.reports import RunFacts, RunResult, Watcher
from wordsight.train.monitor.run_log import read_log
from wordsight.train.optim import lr_at
from wordsight.train.run import run_folder
from wordsight.train.run.lock import lock_folder
from wordsight.train.run.run_state import Position
from wordsight.train.run.signals import Request, Stopped, on_signals


def train(
    config: TrainConfig, folder: str | Path, *, resume: bool = False, watchers: Sequence[Watcher] = ()
) -> RunResult:
    """Train a model as `config` says, in a folder that `wordsight.load` opens at the end.

    The folder gets `config.json`, checkpoints during the run, and the finished model. Under `torchrun` call it on every
    process. The random states of Python, NumPy and torch are seeded with `config.seed`.
    resume: continue from the newest checkpoint in the folder, with results bit-identical to those of a run that was
        never interrupted; without a checkpoint, start.
    watchers: called for steps, figures and the end, besides the run's own (the log, the curves), on the first process.

    Raises: InputError for a configuration that contradicts itself. TrainError for failures during the run (data, disk,
    processes, non-finite values). Stopped after Ctrl-C or SIGTERM, with a checkpoint written.
    """
    config = check_config(config)
    folder = Path(folder).expanduser()
    with start(config.compute) as processes, on_signals() as request, contextlib.ExitStack() as held:

        def open_folder() -> Path | None:
            held.enter_context(lock_folder(folder))
            return run_folder.open_folder(config, folder, resume=resume)

        checkpoint = processes.on_first(open_folder)
        own: list[Watcher] = []
        processes.on_first(lambda: own.extend([*default_watchers(config, folder), *watchers]))
        with contextlib.closing(build_run(config, folder, processes)) as run:
            loop = _Loop(run, own, request)
            if checkpoint is not None:
                loop.resume_from(checkpoint)
            return loop.run_to_end()


class _Loop:
    """The steps of a run on one process, and what happens between them: reports, checkpoints, evaluation, stopping.

    watchers: empty on all processes but the first.
    """

    def __init__(self, run: Run, watchers: Sequence[Watcher], request: Request) -> None:
        self.run, self.watchers, self.request = run, watchers, request
        self.step, self.saved_at, self.measured_at = 0, -1, -1
        self.data_state: DataState | None = None
        self.figures: Mapping[str, Estimate] = {}

    def resume_from(self, checkpoint: Path) -> None:
        """Restore everything to where a checkpoint was written."""
        position = self.run.state.restore(checkpoint)
        self.step = self.saved_at = position.step
        self.run.meter.loss, self.data_state = position.loss, position.data

    def run_to_end(self) -> RunResult:
        """Take the remaining steps, and write the model."""
        run, result = self.run, None
        run.processes.on_first(lambda: run_folder.write_config(run.config, run.folder))
        try:
            for watcher in self.watchers:
                watcher.on_start(run.config, describe_run(run, done=self.step))
            self._take_steps()
            result = self._finish()
            return result
        finally:
            for watcher in self.watchers:
                watcher.on_end(result)

    def _take_steps(self) -> None:
        run, watch = self.run, self.run.config.watch
        batches = run.data.batches(self.data_state)
        if self.step and self._is_evaluation_due() and not run.processes.on_first(self._is_evaluated):
            self._evaluate()  # the run ended between the checkpoint and its evaluation
        run.meter.begin()
        while self.step < run.steps:
            try:
                batch, after = next(batches)
            except TrainError:
                # A signal to all processes of a group ends the workers too.
                if self.request.number is None or run.processes.world > 1:
                    raise
                self._stop()
            rate = lr_at(self.step, run.config.optim, run.steps)
            batch = batch.to(run.processes.device)
            outcome, norm = run.learner.step(batch, rate)
            run.meter.add(self.step + 1, batch, outcome, norm)
            self.step, self.data_state = self.step + 1, after
            last = self.step == run.steps
            if self.step % watch.log_every == 0 or last:
                run.meter.read(run.learner.loss_scale)
                report = run.meter.report(self.step, rate)
                for watcher in self.watchers:
                    watcher.on_step(report)
            if self.step % watch.save_every == 0 or last:
                self._save()
            if not last and run.processes.any_true(self.request.number is not None):
                self._stop()
            if self._is_evaluation_due():
                self._evaluate()

    def _stop(self) -> NoReturn:
        run, number = self.run, self.request.number or signal.SIGTERM
        if self.step == 0:
            raise Stopped("Stopped before the first step.", number)
        if self.saved_at != self.step:
            self._save()
        raise Stopped(
            f"Stopped after step {self.step:,} of {run.steps:,}. Everything is saved in {run.folder}; continue with "
            "the same settings and --resume (resume=True).",
            number,
        )

    def _save(self) -> None:
        """Write a checkpoint."""
        run = self.run
        run.meter.read(run.learner.loss_scale)  # non-finite weights are not worth keeping
        began = time.perf_counter()
        assert self.data_state is not None
        path = run.state.save(Position(self.step, run.meter.loss, self.data_state))
        self.saved_at = self.step
        for watcher in self.watchers:
            watcher.on_save(self.step, path)
        run.meter.pause(time.perf_counter() - began)

    def _is_evaluation_due(self) -> bool:
        every = self.run.config.watch.evaluate_every
        return every is not None and self.step % every == 0

    def _is_evaluated(self) -> bool:
        """Whether the log has the figures of this step."""
        with contextlib.suppress(InputError):  # there is no log
            return any(
                record.get("kind") == "figures" and record.get("step") == self.step
                for record in read_log(self.run.folder)
            )
        return False

    def _evaluate(self) -> None:
        """Measure on held-out images, if the run has any."""
        run = self.run
        if run.config.watch.zero_shot is None or self.measured_at == self.step:
            return
        run.meter.read(run.learner.loss_scale)
        began = time.perf_counter()
        if (figures := run.evaluator.measure()) is not None:
            self.figures = figures
            for watcher in self.watchers:
                watcher.on_evaluate(self.step, figures)
        self.measured_at = self.step
        run.meter.pause(time.perf_counter() - began)

    def _finish(self) -> RunResult:
        run = self.run
        self._evaluate()
        figures, notes = run.evaluator.finish(run.folder, self.figures)
        skipped, names, truncated = dict[str, int](), dict[str, tuple[str, ...]](), 0
        own = (dict(run.data.skipped.reasons), run.data.skipped.names, run.data.truncated.total)
        for reasons, examples, number in run.processes.gather_objects(own):
            truncated += number
            for reason, count in reasons.items():
                skipped[reason] = skipped.get(reason, 0) + count
                names.setdefault(reason, tuple(examples.get(reason, ())))
        return RunResult(
            folder=run.folder,
            step=self.step,
            loss=run.meter.loss,
            seconds=time.perf_counter() - run.started_at,
            figures=figures,
            skipped=skipped,
            skipped_names=names,
            truncated=truncated,
            notes=notes,
        )


def describe_run(run: Run, *, done: int) -> RunFacts:
    """Facts of a run, of which `done` steps are done, for its watchers."""
    device = run.processes.device
    name = device.type
    if name == "cuda":
        name = f"cuda ({torch.cuda.get_device_name(device)})"
    parameters = list(run.learner.network.parameters())
    return RunFacts(
        folder=run.folder,
        steps=run.steps,
        steps_per_epoch=run.data.steps_per_epoch,
        device=name,
        parameters=sum(p.numel() for p in parameters),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        done=done,
        processes=run.processes.world,
    )
