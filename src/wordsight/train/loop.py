"""A run from its first step to a model that `wordsight.load` opens."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch

from wordsight.checkpoint import Checkpoint
from wordsight.errors import InputError, TrainError
from wordsight.train.batch import Batch
from wordsight.train.compute import random_state
from wordsight.train.compute.parallel import unwrap, wrap
from wordsight.train.compute.precision import Precision
from wordsight.train.compute.processes import Processes, start
from wordsight.train.config import TrainConfig
from wordsight.train.config.limits import validate_settings
from wordsight.train.data import DataState, open_data
from wordsight.train.ema import WeightAverage
from wordsight.train.finetune import tuning
from wordsight.train.finetune.finish import Judge
from wordsight.train.loss.gradient_cache import accumulate
from wordsight.train.loss.objectives import build_objective
from wordsight.train.measure import ZeroShot
from wordsight.train.monitor.logs import default_watchers
from wordsight.train.monitor.meter import Meter
from wordsight.train.monitor.reports import Figure, RunFacts, RunResult, Watcher
from wordsight.train.monitor.run_log import read_log
from wordsight.train.networks import Network, build_network
from wordsight.train.optim import build_optimizer, clip_gradients, lr_at, set_rate
from wordsight.train.run import run_folder
from wordsight.train.run.lock import lock_folder
from wordsight.train.run.run_state import Position, RunState
from wordsight.train.run.signals import Request, Stopped, on_signals
from wordsight.train.run.write_model import write_model


def train(
    config: TrainConfig, folder: str | Path, *, resume: bool = False, watchers: Sequence[Watcher] = ()
) -> RunResult:
    """Train a model as `config` says, in a folder that `wordsight.load` opens at the end.

    The folder gets `config.json`, checkpoints while the run goes on, and the finished model. Under `torchrun` call it
    on every process. Chance of Python, NumPy and torch is begun anew from `config.seed`.
    resume: go on from the newest checkpoint in the folder, bit by bit as if nothing had been; without one, begin.
    watchers: told of steps, figures and the end, besides the run's own (the log, the curves), on the first process.

    Raises: InputError for a configuration that contradicts itself; TrainError for what comes up on the way: data,
        disk, processes, numbers that are none; Stopped after Ctrl-C or SIGTERM, with a checkpoint written.
    """
    config = check(config)
    folder = Path(folder).expanduser()
    with start(config.compute) as processes, on_signals() as request, contextlib.ExitStack() as held:

        def open_folder() -> Path | None:
            held.enter_context(lock_folder(folder))
            return run_folder.open_folder(config, folder, resume=resume)

        found = processes.on_first(open_folder)
        told: list[Watcher] = []
        processes.on_first(lambda: told.extend([*default_watchers(config, folder), *watchers]))
        with contextlib.closing(_Run(config, folder, processes)) as run:
            if found is not None:
                run.go_on_from(found)
            return run.go(told, request)


def check(config: TrainConfig) -> TrainConfig:
    """Return the settings of a run with every value of its type.

    Raises: InputError for settings that contradict each other or make no sense.
    """
    config = validate_settings(config)
    if (config.steps is None) == (config.epochs is None):
        raise InputError(
            f"steps is {config.steps} and epochs is {config.epochs}; set one of them, to say how long the run is."
        )
    if config.batch < 2 and config.objective.traits.needs_negatives:
        raise InputError(f"batch is {config.batch}, but a pair is compared with others; expected 2 or more.")
    if config.watch.zero_shot is not None and not config.objective.traits.uses_texts:
        raise InputError(
            f"watch.zero_shot is set, but the objective {config.objective.name!r} learns no texts to measure with; set "
            "it to none."
        )
    tuning.check(config)
    return config


class _Run:
    """All that a run consists of, on one process."""

    def __init__(self, config: TrainConfig, folder: Path, processes: Processes) -> None:
        self.config, self.folder, self.processes = config, folder, processes
        self.step, self.saved_at, self.measured_at = 0, -1, -1
        self.figures: dict[str, Figure] = {}
        self.began = time.perf_counter()
        processes.split_batch(config.batch)
        self.precision = Precision(config.compute.precision, processes.device)
        self.start: Checkpoint | None = None
        processes.on_first(self._read_start)  # which may fetch it, once for all
        if not processes.is_first:
            self._read_start()
        self.tokenizer = tuning.open_tokenizer(config, self.start)
        self.zero_shot: ZeroShot | None = None
        self.judge: Judge | None = None
        processes.on_first(self._find_held_out)
        self.objective = build_objective(config.objective)
        bare = self._fresh_network()
        if config.compute.compile:
            bare.compile_passes()  # in place: parameters keep their names
        self.network = wrap(bare, config.compute, processes).train()
        self.optimizer = build_optimizer(self.network, config.optim)
        self.average = None if config.optim.ema is None else WeightAverage(self.network, config.optim.ema)
        self.data = open_data(config, self.tokenizer, rank=processes.rank, world=processes.world)
        self.state = RunState(
            config, folder, processes, self.network, self.optimizer, self.average, self.precision.scaler,
            self.data.steps_per_epoch,
        )  # fmt: skip
        self.data_state: DataState | None = None
        self.steps = count_steps(config, self.data.steps_per_epoch)
        self.meter = Meter(config, processes, self.data)
        random_state.seed(config.seed, processes.rank)

    @property
    def bare(self) -> Network:
        """The network without what wraps it."""
        return cast(Network, unwrap(self.network))

    def close(self) -> None:
        """End the workers that read the data."""
        self.data.close()

    def _read_start(self) -> None:
        self.start = tuning.read_start(self.config)

    def _find_held_out(self) -> None:
        if self.config.watch.zero_shot is not None:
            self.zero_shot = ZeroShot(self.config.watch.zero_shot, self.config.model, self.tokenizer)
            self.zero_shot.pixels.check()
        self.judge = Judge(self.config, self.start, self.zero_shot)
        self.judge.measure_before(self.processes.device, self.precision.autocast)

    def _fresh_network(self) -> Network:
        network = build_network(self.config, self.tokenizer)
        tuning.prepare(network, self.config, self.start)
        return network

    # --- going

    def go(self, watchers: Sequence[Watcher], request: Request) -> RunResult:
        """Do the steps that are left, and finish."""
        result = None
        self.processes.on_first(lambda: run_folder.write_config(self.config, self.folder))
        try:
            for watcher in watchers:
                watcher.on_start(self.config, self._facts())
            self._steps(watchers, request)
            result = self._finish(watchers)
            return result
        finally:
            for watcher in watchers:
                watcher.on_end(result)

    def _steps(self, watchers: Sequence[Watcher], request: Request) -> None:
        watch = self.config.watch
        batches = self.data.batches(self.data_state)
        if self.step and self._is_due() and not self.processes.on_first(self._is_measured):
            self._evaluate(watchers)  # the run was ended between the checkpoint and this
        self.meter.begin()
        while self.step < self.steps:
            try:
                batch, after = next(batches)
            except TrainError:
                # A signal for all processes of a group ends the workers too.
                if request.number is None or self.processes.world > 1:
                    raise
                self._stop(watchers, request)
            rate = lr_at(self.step, self.config.optim, self.steps)
            self._step(batch.to(self.processes.device), rate)
            self.step, self.data_state = self.step + 1, after
            last = self.step == self.steps
            if self.step % watch.log_every == 0 or last:
                self._read()
                report = self.meter.report(self.step, rate)
                for watcher in watchers:
                    watcher.on_step(report)
            if self.step % watch.save_every == 0 or last:
                self._save(watchers)
            if not last and self.processes.any_true(request.number is not None):
                self._stop(watchers, request)
            if self._is_due():
                self._evaluate(watchers)

    def _step(self, batch: Batch, rate: float) -> None:
        scaler = self.precision.scaler
        set_rate(self.optimizer, rate)
        try:
            outcome = accumulate(
                self.network, batch, self.objective, chunk=self.config.compute.chunk, autocast=self.precision.autocast,
                scaler=scaler, group=self.processes.group,
            )  # fmt: skip
        except RuntimeError as error:
            if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
                raise
            raise TrainError(_no_room(self.config, len(batch), error)) from error
        if scaler is not None:
            scaler.unscale_(self.optimizer)
        norm = clip_gradients(self.network, self.config.optim.clip)
        if scaler is not None:
            scaler.step(self.optimizer)  # which leaves out steps whose gradients overflowed
            scaler.update()
        else:
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.bare.clamp()
        if self.average is not None:
            self.average.update()
        self.meter.add(self.step + 1, batch, outcome, norm)

    def _read(self) -> None:
        scaler = self.precision.scaler
        self.meter.read(None if scaler is None else scaler.get_scale())

    def _stop(self, watchers: Sequence[Watcher], request: Request) -> None:
        number = request.number or signal.SIGTERM
        where = f"All of it is in {self.folder}; go on with the same settings and --resume (resume=True)."
        if self.step == 0:
            raise Stopped("Stopped before the first step.", number)
        if self.saved_at != self.step:
            self._save(watchers)
        raise Stopped(f"Stopped after step {self.step:,} of {self.steps:,}. {where}", number)

    # --- what is kept

    def _save(self, watchers: Sequence[Watcher]) -> None:
        """Write a checkpoint."""
        self._read()  # weights that are no numbers are not worth keeping
        began = time.perf_counter()
        assert self.data_state is not None
        path = self.state.take(Position(self.step, self.meter.loss, self.data_state))
        self.saved_at = self.step
        for watcher in watchers:
            watcher.on_save(self.step, path)
        self.meter.pause(time.perf_counter() - began)

    def go_on_from(self, path: Path) -> None:
        """Put everything back to where a checkpoint was written."""
        at = self.state.put_back(path)
        self.step = self.saved_at = at.step
        self.meter.loss, self.data_state = at.loss, at.data

    # --- what comes out

    @contextlib.contextmanager
    def _judged(self) -> Iterator[Network | None]:
        """Give the network with the weights that count (the average, if there is one); of FSDP's parts a whole copy.

        It is there on the first process; on the others None.
        """
        if self.config.compute.sharding == "fsdp" and self.processes.world > 1:
            weights = self.state.weights()
            if not self.processes.is_first:
                yield None
                return
            whole = self._fresh_network()
            whole.load_state_dict(weights)
            yield whole.to(self.processes.device)
            return
        with self.average.swapped_in() if self.average is not None else contextlib.nullcontext():
            yield self.bare if self.processes.is_first else None

    def _is_due(self) -> bool:
        """Return whether it is measured after this step."""
        every = self.config.watch.evaluate_every
        return every is not None and self.step % every == 0

    def _is_measured(self) -> bool:
        """Return whether the log has what was measured after this step."""
        with contextlib.suppress(InputError):  # there is no log
            return any(one.get("kind") == "figures" and one.get("step") == self.step for one in read_log(self.folder))
        return False

    def _evaluate(self, watchers: Sequence[Watcher]) -> None:
        """Measure on held-out images, where there are some."""
        if self.config.watch.zero_shot is None or self.measured_at == self.step:
            return
        self._read()
        began = time.perf_counter()
        with self._judged() as network:
            if network is not None and self.zero_shot is not None:
                self.figures = {"zero_shot": self.zero_shot.measure(network, autocast=self.precision.autocast)}
                for watcher in watchers:
                    watcher.on_evaluate(self.step, self.figures)
        self.measured_at = self.step
        self.meter.pause(time.perf_counter() - began)

    def _finish(self, watchers: Sequence[Watcher]) -> RunResult:
        self._evaluate(watchers)
        with self._judged() as network:
            figures, notes = self.processes.on_first(lambda: self._write(cast(Network, network)))
        skipped, names, cut = dict[str, int](), dict[str, tuple[str, ...]](), 0
        told = (dict(self.data.skipped.reasons), self.data.skipped.names, self.data.cut.total)
        for reasons, firsts, too_long in self.processes.gather_objects(told):
            cut += too_long
            for reason, count in reasons.items():
                skipped[reason] = skipped.get(reason, 0) + count
                names.setdefault(reason, tuple(firsts.get(reason, ())))
        return RunResult(
            folder=self.folder,
            step=self.step,
            loss=self.meter.loss,
            seconds=time.perf_counter() - self.began,
            figures=figures,
            skipped=skipped,
            skipped_names=names,
            cut=cut,
            notes=notes,
        )

    def _write(self, network: Network) -> tuple[dict[str, Figure], Mapping[str, Any]]:
        """Write the finished model; return what was measured of it, and what is to be said."""
        assert self.judge is not None
        finished = self.judge.finish(network, self.precision.autocast)
        write_model(finished.checkpoint, self.folder)
        return {**self.figures, **finished.figures}, finished.notes

    def _facts(self) -> RunFacts:
        device = self.processes.device
        name = f"{device.type} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else device.type
        parameters = list(self.network.parameters())
        return RunFacts(
            folder=self.folder,
            steps=self.steps,
            steps_per_epoch=self.data.steps_per_epoch,
            device=name,
            parameters=sum(p.numel() for p in parameters),
            trainable=sum(p.numel() for p in parameters if p.requires_grad),
            done=self.step,
            processes=self.processes.world,
        )


def count_steps(config: TrainConfig, steps_per_epoch: int) -> int:
    """Return how many steps a run has."""
    return config.steps if config.steps is not None else max(1, round(cast(float, config.epochs) * steps_per_epoch))


def _no_room(config: TrainConfig, rows: int, error: RuntimeError) -> str:
    chunk, tile = config.compute.chunk or rows, config.objective.tile
    tries = [f"--set compute.chunk={max(1, min(chunk, rows) // 2)}"]
    if not config.compute.checkpointing:
        tries.append("--set compute.checkpointing=true")
    if tile is None and config.batch > 4096:
        tries.append("--set objective.tile=1024")
    return (
        f"Memory ran out with {rows:,} pairs of the batch on this device, {min(chunk, rows):,} at a time "
        f"({str(error).splitlines()[0]}). What is learnt stays the same with {' or '.join(tries)}."
    )
