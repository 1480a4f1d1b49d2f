"""A run as a whole, on plain squares whose captions say their colour."""

import dataclasses
import math
import os
import resource
import signal
import sys
import threading

import numpy as np
import pytest
import torch
from training import Notes, quickly, small_run, small_spec, write_squares

import wordsight
import wordsight.train
from wordsight.errors import InputError, MissingExtraError, TrainError
from wordsight.text.tokenizer import Tokenizer
from wordsight.train import build, learner
from wordsight.train.batch import Features, Ids
from wordsight.train.build import count_steps
from wordsight.train.config import OBJECTIVES, ObjectiveConfig, TrainConfig, WatchConfig, ZeroShotConfig
from wordsight.train.config.checks import check_config
from wordsight.train.config.settings import from_json
from wordsight.train.loop import train
from wordsight.train.monitor.meter import recall_at_1
from wordsight.train.monitor.reports import Watcher
from wordsight.train.networks import build_network
from wordsight.train.run import checkpoints
from wordsight.train.run.signals import Stopped, on_signals
from wordsight.weights.read import read_checkpoint
from wordsight.weights.write import write_checkpoint


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(autouse=True)
def _asked_in_the_foreground():
    """A shell's background job has SIGINT ignored, and so would the runs here."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(autouse=True, scope="module")
def _quickly():
    with quickly():
        yield


@pytest.fixture(scope="module")
def finished(table, tmp_path_factory):
    """A run of 40 steps, with an average of the weights, and what it told."""
    notes, folder = Notes(), tmp_path_factory.mktemp("run") / "colours"
    config = small_run(table, steps=40, batch=16, watch__save_every=30, optim__ema=0.9)
    return train(config, folder, watchers=[notes]), notes, config


def test_the_run_learns(finished):
    # Knowing nothing is ln 16 = 2.77. Each colour is there twice among 16: who knows colours alone is at ln 2 = 0.69.
    _, notes, _ = finished
    assert notes.losses[0] > math.log(16)
    assert np.mean(notes.losses[-5:]) < 1.5
    assert np.mean([report.recall_at_1 for report in notes.reports[-5:]]) > 0.3


def test_the_finished_folder_opens(finished):
    result, _, config = finished
    assert {"checkpoints", "config.json", "log.jsonl"} <= set(os.listdir(result.folder))
    model = wordsight.load(result.folder)
    vectors = model.embed_texts(["a red square", "a blue square"])
    assert vectors.shape == (2, 16)
    assert model.spec.image == config.model.image
    assert from_json(TrainConfig, (result.folder / "config.json").read_text()) == config


@pytest.mark.parametrize("layout", ["hf", "open_clip"])  # OpenAI's has heads of 64 only, these have 16
def test_the_finished_folder_converts(finished, layout, tmp_path):
    result, _, _ = finished
    model = read_checkpoint(result.folder)
    write_checkpoint(model, tmp_path / layout, layout)
    back = read_checkpoint(tmp_path / layout)
    assert back.tensors.keys() == model.tensors.keys()
    assert all(np.array_equal(back.tensors[name], tensor) for name, tensor in model.tensors.items())


def test_the_average_is_what_is_kept(finished):
    result, _, config = finished
    saved = checkpoints.load(result.folder / "checkpoints" / "step_00000040", config)
    kept = read_checkpoint(result.folder).tensors
    assert np.array_equal(kept["visual.proj"], saved["average"]["weights"]["clip.visual.proj"].numpy())
    assert not np.array_equal(kept["visual.proj"], saved["network"]["clip.visual.proj"].numpy())


def test_what_a_run_tells(finished):
    result, notes, _ = finished
    assert notes.facts.steps == 40
    assert notes.facts.steps_per_epoch == 3
    assert notes.facts.device == "cpu"
    assert [report.step for report in notes.reports] == list(range(1, 41))
    assert notes.saved == [30, 40]
    assert notes.result is result
    assert (result.step, result.loss) == (40, notes.losses[-1])
    first = notes.reports[0]
    assert (first.local_batch, first.global_batch, first.epoch) == (16, 16, 1 / 3)
    assert first.scale == pytest.approx(1 / 0.07)
    assert len(first.keys) == 16
    assert 0 <= first.wait_share <= 1


def test_reports_come_every_so_many_steps_and_at_the_end(table, tmp_path):
    notes = Notes()
    train(small_run(table, steps=5, watch__log_every=2), tmp_path / "run", watchers=[notes])
    assert [report.step for report in notes.reports] == [2, 4, 5]


def test_epochs_say_how_long_a_run_is(table):
    config = dataclasses.replace(small_run(table), steps=None, epochs=1.5)
    assert count_steps(config, steps_per_epoch=6) == 9


def test_a_folder_with_a_run_is_refused(finished):
    result, _, config = finished
    before = read_checkpoint(result.folder).fingerprint
    with pytest.raises(TrainError, match=r"colours already holds a run. Resume it"):
        train(config, result.folder)
    assert read_checkpoint(result.folder).fingerprint == before


def test_a_finished_run_that_is_resumed_stays_as_it_is(finished):
    result, _, config = finished
    before, notes = (result.folder / "model.safetensors").read_bytes(), Notes()
    again = train(config, result.folder, resume=True, watchers=[notes])
    assert (again.step, again.loss) == (40, result.loss)
    assert notes.reports == []
    assert (result.folder / "model.safetensors").read_bytes() == before


class Stops(Watcher):
    """Sends a signal to the run after a step."""

    def __init__(self, step, number):
        self.step, self.number = step, number

    def on_step(self, report):
        if report.step == self.step:
            os.kill(os.getpid(), self.number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_asked_to_stop_saves_first(table, tmp_path, number):
    config, notes = small_run(table, steps=6), Notes()
    with pytest.raises(
        Stopped, match=r"after step 3 of 6.*run; continue with the same settings and --resume"
    ) as stopped:
        train(config, tmp_path / "run", watchers=[Stops(3, number), notes])
    assert stopped.value.number == number
    assert notes.saved == [3]
    assert notes.result is None
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    train(config, tmp_path / "run", resume=True)
    train(config, tmp_path / "whole")
    one, other = (read_checkpoint(tmp_path / name) for name in ("run", "whole"))
    assert one.fingerprint == other.fingerprint


def test_a_run_stops_also_where_it_saves(table, tmp_path):
    config, notes = small_run(table, steps=6, watch__save_every=1), Notes()
    with pytest.raises(Stopped, match=r"after step 3 of 6"):
        train(config, tmp_path / "run", watchers=[Stops(3, signal.SIGINT), notes])
    assert notes.saved == [1, 2, 3]


def test_a_run_that_could_not_begin_leaves_its_folder_free(table, tmp_path):
    with pytest.raises(TrainError, match="does not exist"):
        train(small_run(tmp_path / "misspelt.tsv"), tmp_path / "run")
    assert train(small_run(table, steps=1), tmp_path / "run").step == 1


def test_a_signal_that_ends_the_workers_too(table, tmp_path, monkeypatch):
    # kill sends SIGTERM to all processes of a group; the run may first see that nobody decodes images any more.
    def open_data(*arguments, **options):
        data = real(*arguments, **options)
        batches = data.batches

        def ended_early(state):
            whole = batches(state)
            yield from (next(whole) for _ in range(2))
            os.kill(os.getpid(), signal.SIGTERM)
            raise TrainError("A worker process died.")

        data.batches = ended_early
        return data

    real = build.open_data
    monkeypatch.setattr(build, "open_data", open_data)
    with pytest.raises(Stopped, match="after step 2 of 6"):
        train(small_run(table), tmp_path / "run")
    assert list(checkpoints.list_steps(tmp_path / "run")) == [2]


def test_a_second_interrupt_acts_at_once():
    with on_signals() as request:
        os.kill(os.getpid(), signal.SIGINT)
        assert request.number == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_a_run_in_a_thread_leaves_signals_alone(table, tmp_path):
    results = []
    thread = threading.Thread(target=lambda: results.append(train(small_run(table, steps=1), tmp_path / "run")))
    thread.start()
    thread.join()
    assert results[0].step == 1


def test_a_loss_that_is_no_number_stops_the_run(table, tmp_path, monkeypatch):
    config = small_run(table, steps=9, watch__save_every=2, watch__log_every=4)
    real = learner.accumulate

    def accumulate(network, batch, objective, **options):
        outcome = real(network, batch, objective, **options)
        steps.append(batch.keys)
        return dataclasses.replace(outcome, loss=outcome.loss * float("nan")) if len(steps) == 6 else outcome

    steps = []
    monkeypatch.setattr(learner, "accumulate", accumulate)
    with pytest.raises(TrainError, match=r"The loss of step 6 is nan, .* Samples of this step: .*\.png.* Try a lower"):
        train(config, tmp_path / "run")
    assert list(checkpoints.list_steps(tmp_path / "run")) == [2, 4]  # none of what came after


def test_a_gradient_that_is_no_number_names_its_samples(table, tmp_path, monkeypatch):
    def accumulate(network, batch, objective, **options):
        outcome = real(network, batch, objective, **options)
        next(network.parameters()).grad.fill_(float("inf"))
        keys.extend(batch.keys)
        return outcome

    keys, real = [], learner.accumulate
    monkeypatch.setattr(learner, "accumulate", accumulate)
    with pytest.raises(TrainError, match=r"The gradient's norm of step 1 is inf") as raised:
        train(small_run(table, optim__clip=None), tmp_path / "run")
    assert all(key in str(raised.value) for key in keys[:8])
    assert "optim.clip=1" in str(raised.value)


def test_a_full_disk_at_checkpoint_time(table, tmp_path):
    config, folder = small_run(table, steps=4, watch__save_every=2), tmp_path / "run"

    class Fills(Watcher):
        def on_save(self, step, path):
            resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))  # a state has 19 MB

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(TrainError, match=r"step 4 was not saved .*the disk is full .* is .*step_00000002; make"):
            train(config, folder, watchers=[Fills()])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(folder / "checkpoints") == ["step_00000002"]
    assert train(config, folder, resume=True).step == 4


def test_a_disk_that_is_full_only_at_the_end(table, tmp_path, monkeypatch):
    def full(*_):
        raise InputError("The disk is full.")

    config = small_run(table, steps=2)
    with monkeypatch.context() as patch:
        patch.setattr("wordsight.train.run.write_model.write_checkpoint", full)
        with pytest.raises(TrainError, match=r"The finished model was not written .* only writes the model"):
            train(config, tmp_path / "run")
    assert not (tmp_path / "run" / "wordsight.json").exists()
    train(config, tmp_path / "run", resume=True)
    assert wordsight.load(tmp_path / "run").spec.embed_dim == 16


def test_zero_shot_accuracy_is_measured_on_the_way(table, tmp_path):
    labelled = tmp_path / "labelled.tsv"
    lines = (table.parent / "pairs.tsv").read_text().splitlines()[1:17]
    rows = [(table.parent / line.split("\t")[0], line.split("\t")[1].split()[1]) for line in lines]
    labelled.write_text("image\tclass\n" + "".join(f"{path}\t{name}\n" for path, name in rows))
    watch = WatchConfig(
        log_every=1, evaluate_every=20, zero_shot=ZeroShotConfig(images=str(labelled), templates=("a {} square",))
    )
    notes, plain = Notes(), Notes()
    config = small_run(table, steps=40, batch=16, watch=watch, optim__ema=0.8, compute__patch_dropout=0.25)
    result = train(config, tmp_path / "run", watchers=[notes])
    assert [step for step, _ in notes.measured] == [20, 40]
    assert notes.measured[-1][1] == result.figures
    assert result.figures["zero_shot"].n == 16
    assert result.figures["zero_shot"].value > 3 / 8  # chance is 1/8
    unwatched = dataclasses.replace(config, watch=WatchConfig(log_every=1))
    train(unwatched, tmp_path / "plain", watchers=[plain])
    assert plain.losses == notes.losses  # to measure changes nothing


@pytest.fixture(scope="module")
def plain_losses(table, tmp_path_factory):
    notes = Notes()
    train(small_run(table, steps=3), tmp_path_factory.mktemp("plain") / "run", watchers=[notes])
    return notes.losses


@pytest.mark.parametrize(
    "changes",
    [{"compute__chunk": 3}, {"compute__checkpointing": True}, {"objective__tile": 2}, {"data__workers": 2}],
    ids=str,
)
def test_what_does_not_change_the_run(table, tmp_path, plain_losses, changes):
    notes = Notes()
    train(small_run(table, steps=3, **changes), tmp_path / "run", watchers=[notes])
    assert notes.losses == pytest.approx(plain_losses, rel=1e-5)


def test_the_sigmoid_loss_learns_a_bias(table, tmp_path):
    config = small_run(table, steps=3, objective=ObjectiveConfig(name="sigmoid"))
    result = train(config, tmp_path / "run")
    spec = wordsight.load(result.folder).spec
    assert spec.logit_bias == pytest.approx(-10, abs=0.1)
    assert spec.logit_bias != -10


@pytest.mark.parametrize("name", ["nt_xent", "bag_of_words", "caption"])
def test_the_other_objectives_run_too(table, tmp_path, name):
    notes = Notes()
    train(small_run(table, steps=3, objective=ObjectiveConfig(name=name)), tmp_path / "run", watchers=[notes])
    assert all(math.isfinite(loss) for loss in notes.losses)
    assert (notes.reports[0].recall_at_1 is None) == (name != "nt_xent")
    assert notes.reports[0].scale is None
    image = np.zeros((1, 20, 20, 3), np.uint8)
    model = wordsight.load(tmp_path / "run")
    assert model.embed_images(image).shape == (1, 16)
    with pytest.raises(InputError, match=r"trained without a text tower .* ask it with images"):
        model.embed_texts("a cat")


def test_fp16_scales_the_loss(table, tmp_path):
    notes = Notes()
    config = small_run(table, steps=2, batch=2, compute__precision="fp16")
    train(config, tmp_path / "run", watchers=[notes])
    saved = checkpoints.load(tmp_path / "run" / "checkpoints" / "step_00000002", config)
    assert saved["scaler"]["_growth_tracker"] + (saved["scaler"]["scale"] < 65536) > 0
    assert all(math.isfinite(loss) for loss in notes.losses)


@pytest.mark.slow
def test_compiled_towers_learn_the_same(table, tmp_path, plain_losses):
    notes = Notes()
    result = train(small_run(table, steps=3, compute__compile=True), tmp_path / "run", watchers=[notes])
    assert notes.losses == pytest.approx(plain_losses, rel=1e-4)
    assert wordsight.load(result.folder).spec.embed_dim == 16


@pytest.mark.parametrize(("chunk", "advice"), [(None, "compute.chunk=4 or"), (2, "compute.chunk=1 or")])
def test_memory_that_runs_out_gets_advice(table, tmp_path, monkeypatch, chunk, advice):
    def accumulate(*args, **settings):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore of it.")

    monkeypatch.setattr("wordsight.train.learner.accumulate", accumulate)
    message = f"Memory ran out with 8 pairs .* Tried to allocate 2 GiB.*{advice} --set compute.checkpointing=true"
    with pytest.raises(TrainError, match=message):
        train(small_run(table, steps=1, batch=8, compute__chunk=chunk), tmp_path / "run")


@pytest.mark.parametrize("name", list(OBJECTIVES))
def test_all_that_takes_time_is_compiled(name, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda method: compiled.append(method.__qualname__) or method)
    config = small_run("x.tsv", objective=ObjectiveConfig(name=name))
    build_network(config, Tokenizer(small_spec().tokenizer, {})).compile_passes()
    text = {
        "info_nce": ["Transformer.forward"],
        "sigmoid": ["Transformer.forward"],
        "caption": ["CaptionDecoder.forward"],
    }
    assert compiled == [f"VisionTransformer.{'tokens' if name == 'caption' else 'forward'}", *text.get(name, [])]


def test_the_one_call_is_where_people_look_for_it():
    assert wordsight.train.train is train
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        wordsight.train.trian  # noqa: B018


def test_training_without_torch_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "wordsight.train.loop")
    with pytest.raises(MissingExtraError, match=r"Training needs the package 'torch'.*wordsight\[train\]"):
        wordsight.train.train  # noqa: B018


def test_recall_asks_only_for_what_is_not_the_same():
    first_BD = torch.eye(3)
    second_BD = torch.tensor([[0.8, 0.0, 0.0], [0.0, 0.5, 0.6], [0.0, 0.6, 0.5]])  # the last two are nearer exchanged
    features = Features(first_BD, second_BD, torch.ones(()), torch.zeros(()))
    all_B, last_same_B, same_B = torch.tensor([1, 2, 3]), torch.tensor([1, 2, 2]), torch.tensor([2, 2, 2])
    assert recall_at_1(features, Ids(all_B, all_B)) == pytest.approx(1 / 3)
    assert recall_at_1(features, Ids(all_B, last_same_B)) == 1  # the same text is not a negative
    assert recall_at_1(features, Ids(last_same_B, all_B)) == 1  # nor is another of the same image
    assert recall_at_1(features, Ids(all_B, same_B)) is None  # nothing is left to ask for


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": None}, r"steps is None and epochs is None; set one of them"),
        ({"epochs": 2.0}, r"steps is 6 and epochs is 2.0; set one of them"),
        ({"steps": 0}, r"steps is 0, expected 1 or more"),
        ({"steps": None, "epochs": -1.0}, r"epochs is -1.0, expected more than 0"),
        ({"batch": 1}, r"batch is 1, but a pair is compared with others; expected 2 or more"),
        ({"compute__chunk": 0}, r"compute.chunk is 0, expected 1 or more"),
        ({"watch__log_every": 0}, r"watch.log_every is 0"),
        ({"optim__clip": 0.0}, r"optim.clip is 0.0, expected more than 0, or none"),
        ({"optim__ema": 1.5}, r"optim.ema is 1.5, expected more than 0 and 1 at most"),
        ({"objective": ObjectiveConfig(name="nt_xent"), "watch__zero_shot": ZeroShotConfig(images="x")},
         r"'nt_xent' learns no texts to measure with"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense(changes, message):
    plain = {key: changes.pop(key) for key in ("steps", "epochs", "batch") if key in changes}
    config = dataclasses.replace(small_run("x.tsv", **changes), **plain)
    with pytest.raises(InputError, match=message):
        check_config(config)
