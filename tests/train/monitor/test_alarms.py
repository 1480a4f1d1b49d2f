"""Records and warnings of a run: alarms, `log.jsonl`, TensorBoard, `curves.png`."""

import json
import math
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from training import Notes, small_run, write_squares

from wordsight.errors import InputError, MissingExtraError
from wordsight.metrics import Estimate
from wordsight.train.batch import Features, Ids
from wordsight.train.config import ObjectiveConfig
from wordsight.train.loop import train
from wordsight.train.loss.objectives import info_nce, nt_xent, sigmoid
from wordsight.train.monitor.alarms import Alarms
from wordsight.train.monitor.baseline import chance_loss, chance_recall, count_negatives
from wordsight.train.monitor.curves import CURVES, Curves, _running_mean, draw
from wordsight.train.monitor.logs import JsonLines, TensorBoard, default_watchers
from wordsight.train.monitor.reports import (
    RunFacts,
    RunResult,
    StepReport,
    TrainWarning,
    active_watchers,
    watched_by,
)
from wordsight.train.monitor.run_log import column, read_log

STEPS = 1000
CONFIG = small_run("pairs.tsv", steps=STEPS, batch=64, optim__warmup=50, data__workers=0)


def facts(folder=None, **changes):
    return RunFacts(**({"folder": folder, "steps": STEPS, "steps_per_epoch": 10, "device": "cpu", "parameters": 9,
                        "trainable": 9} | changes))  # fmt: skip


def report(step, **changes):
    plain = {"loss": 1.0, "lr": 1e-3, "grad_norm": 1.0, "seconds": 0.5, "samples_per_s": 128.0, "recall_at_1": 0.5,
             "local_batch": 64, "global_batch": 64, "scale": 14.3 + step / 50}  # fmt: skip
    return StepReport(step=step, epoch=step / 10, **(plain | changes))


def said(numbers, *, config=CONFIG, steps=range(10, STEPS + 1, 10), **changes):
    """Warnings of the alarms for a run whose step n reports `numbers(n)`."""
    heard = []
    alarms = Alarms(heard.append)
    alarms.on_start(config, facts(**changes))
    for step in steps:
        alarms.on_step(report(step, **numbers(step)))
    return heard


def test_a_run_that_goes_well_is_left_in_peace():
    assert said(lambda n: {"loss": 4.2 * math.exp(-n / 100), "wait_share": 0.05, "skipped": n // 5}) == []


@pytest.mark.parametrize("name", ["info_nce", "sigmoid", "nt_xent"])
def test_a_loss_that_stays_where_a_model_knows_nothing_is_an_alarm(name):
    config = small_run("pairs.tsv", steps=STEPS, batch=64, optim__warmup=50, objective=ObjectiveConfig(name=name))
    heard = said(lambda n: {"loss": chance_loss(config) - 0.01, "scale": 14.3}, config=config)
    assert heard[0].startswith("Step 150: the loss has been ")
    for advice in ("data.pairs", "a lower optim.lr, such as 0.0002 (now 0.001)", "optim.warmup (now 50)", "not moved"):
        assert advice in heard[0]
    assert len(heard) == 1  # and not at every step


def test_an_alarm_is_repeated_but_rarely():
    heard = []
    alarms = Alarms(heard.append, window=20)
    alarms.on_start(CONFIG, facts())
    for step in range(1, STEPS + 1):
        alarms.on_step(report(step, wait_share=0.6))
    assert [line.split(":")[0] for line in heard] == ["Step 20", "Step 220", "Step 420", "Step 620", "Step 820"]


def test_during_warm_up_nothing_is_expected_of_the_loss():
    heard = said(lambda n: {"loss": 9.0 if n <= 50 else 2.0})
    assert heard == []


def test_objectives_of_words_have_no_loss_of_chance():
    for name in ("bag_of_words", "caption"):
        config = small_run("pairs.tsv", steps=STEPS, objective=ObjectiveConfig(name=name))
        assert chance_loss(config) is None
        assert said(lambda n: {"loss": 99.0}, config=config) == []


def test_the_loss_of_a_model_that_knows_nothing_is_that_of_the_objective_on_equal_scores():
    same_BD = torch.nn.functional.normalize(torch.ones(8, 4), dim=1)
    features = Features(same_BD, same_BD, torch.tensor(10.0), torch.tensor(0.0))
    for name, objective in (("info_nce", info_nce), ("nt_xent", nt_xent)):
        config = small_run("pairs.tsv", batch=8, objective=ObjectiveConfig(name=name))
        assert float(objective(features)) == pytest.approx(chance_loss(config), abs=1e-5)


def test_the_loss_of_chance_of_the_sigmoid_objective_is_that_of_the_best_bias():
    zeros_BD = torch.zeros(8, 4)
    losses = [float(sigmoid(Features(zeros_BD, zeros_BD, torch.tensor(10.0), torch.tensor(bias))))
              for bias in torch.linspace(-5, 1, 601).tolist()]  # fmt: skip
    config = small_run("p.tsv", batch=8, objective=ObjectiveConfig(name="sigmoid"))
    assert min(losses) == pytest.approx(chance_loss(config), abs=1e-4)


IMAGES, TEXTS = np.array([1, 2, 3, 3, 4, 5]), np.array([7, 7, 8, 9, 9, 6])


def test_only_pairs_of_another_image_and_another_text_are_negatives():
    assert count_negatives(IMAGES, TEXTS).tolist() == [4, 4, 4, 3, 4, 5]


@pytest.mark.parametrize("name", ["info_nce", "sigmoid"])
def test_the_loss_of_chance_counts_the_negatives_that_a_batch_has(name):
    same_BD = torch.nn.functional.normalize(torch.ones(6, 4), dim=1)
    ids = Ids(torch.tensor(IMAGES), torch.tensor(TEXTS))
    config = small_run("p.tsv", batch=6, objective=ObjectiveConfig(name=name))
    objective = info_nce if name == "info_nce" else sigmoid
    losses = [float(objective(Features(same_BD, same_BD, torch.tensor(1.0), torch.tensor(bias)), ids))
              for bias in torch.linspace(-5, 1, 601).tolist()]  # fmt: skip
    assert chance_loss(config, count_negatives(IMAGES, TEXTS)) == pytest.approx(min(losses), abs=1e-4)
    kept = small_run("p.tsv", batch=6, objective=ObjectiveConfig(name=name, mask_duplicates=False))
    assert chance_loss(kept, count_negatives(IMAGES, TEXTS)) == chance_loss(kept)


def test_the_recall_of_guessing_counts_texts_that_differ():
    two, images = np.array([1, 2] * 4), np.arange(8)
    assert chance_recall(images, two) == 1 / 2
    assert chance_recall(images, np.arange(8)) == 1 / 8
    assert chance_recall(images, np.zeros(8, int)) is None
    texts = [[7, 8, 9, 6], [7, 8, 9, 6], [7, 8, 9, 6], [9, 7, 6], [9, 8, 7, 6], [6, 7, 8, 9]]  # own, then the negatives
    assert chance_recall(IMAGES, TEXTS) == pytest.approx(np.mean([1 / len(each) for each in texts]))


def test_pairs_without_negatives_are_an_alarm_at_once_and_not_a_perfect_run():
    heard = said(lambda n: {"loss": 0.0, "recall_at_1": None, "chance_loss": 0.0, "negatives": 0.0, "alone": 1.0})
    assert heard[0].startswith("Step 10: 100% of the pairs of a batch have no negatives")
    assert not any("chance level" in line for line in heard)


def test_a_loss_at_the_chance_of_the_negatives_that_are_left_is_an_alarm():
    heard = said(lambda n: {"loss": 2.15, "chance_loss": 2.17, "negatives": 8.0, "alone": 0.0})
    assert "the chance level is 2.17 (a pair has 8 negatives on average, since captions" in heard[0]


def test_waiting_for_data_is_an_alarm_that_counts_processors(monkeypatch):
    monkeypatch.setattr("wordsight.train.monitor.alarms.decode_threads", lambda: 4)
    assert (
        "waits for data 45% of the time. Raise data.workers (now 0; this machine has 4 "
        in said(lambda n: {"wait_share": 0.45})[0]
    )
    busy = small_run("pairs.tsv", steps=STEPS, data__workers=4)
    assert (
        "All 4 processors are decoding already (data.workers=4): store smaller images, with the shorter"
        in said(lambda n: {"wait_share": 0.45}, config=busy)[0]
    )


def test_a_scale_at_its_clip_is_an_alarm_only_where_it_came_early():
    assert (
        "the scale of the cosines has already risen from 15.0 to its clip of 100"
        in said(lambda n: {"scale": 15.0 if n < 100 else 100.0})[0]
    )
    assert said(lambda n: {"scale": 100.0}) == []  # a fine-tuned OpenAI model begins there
    assert said(lambda n: {"scale": 15.0 if n < 600 else 100.0}) == []


def test_many_skipped_samples_are_an_alarm():
    heard = said(lambda n: {"skipped": 16 * n})
    assert "1,600 samples, 20% of those drawn, could not be read" in heard[0]


def test_alarms_of_a_resumed_run_begin_anew():
    heard = said(lambda n: {"loss": 9.0}, steps=range(510, 700, 10), done=500)
    assert heard[0].startswith("Step 600: the loss has been 9.00 for 100 steps")


def test_alarms_are_warnings_by_default():
    alarms = Alarms(window=5)
    alarms.on_start(CONFIG, facts())
    with pytest.warns(TrainWarning, match="waits for data"):
        alarms.on_step(report(10, wait_share=0.9))


def log(folder, until, *, done=0, end=True):
    """Write the log of a run that goes from step `done` to `until`."""
    watcher = JsonLines(folder)
    watcher.on_start(CONFIG, facts(folder, done=done))
    for step in range(done + 10, until + 1, 10):
        watcher.on_step(report(step, keys=("a.png",)))
        if step % 100 == 0:
            watcher.on_evaluate(step, {"zero_shot": Estimate(0.5, 0.4, 0.6, 30)})
            watcher.on_save(step, folder / "checkpoints" / f"step_{step:08}")
    watcher.on_end(RunResult(folder=folder, step=until, loss=1.0, seconds=3.0, notes={"alpha": 0.5}) if end else None)


def test_the_log_holds_the_run_and_what_it_ran_on(tmp_path):
    log(tmp_path, 200)
    records = read_log(tmp_path)
    start, last = records[0], records[-1]
    assert start["config"]["optim"]["lr"] == 1e-3
    assert start["versions"]["torch"]
    assert start["hardware"]["processors"]
    assert start["chance_loss"] == pytest.approx(math.log(64))
    assert column(records, "loss") == (list(range(10, 201, 10)), [1.0] * 20)
    assert "keys" not in records[1]
    assert [one["step"] for one in records if one["kind"] == "figures"] == [100, 200]
    assert next(one for one in records if one["kind"] == "save")["folder"] == "checkpoints/step_00000100"
    assert (last["kind"], last["step"], last["notes"]) == ("end", 200, {"alpha": 0.5})


def test_a_resumed_runs_log_has_each_step_once(tmp_path):
    log(tmp_path, 270, end=False)
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"kind": "step", "step": 28')  # killed while it wrote
    log(tmp_path, 400, done=200)
    records = read_log(tmp_path)
    assert column(records, "loss")[0] == list(range(10, 401, 10))
    assert [one["step"] for one in records if one["kind"] == "figures"] == [100, 200, 300, 400]
    assert [one["step"] for one in records if one["kind"] == "start"] == [0, 200]
    log(tmp_path, 50)  # a run from the beginning
    assert column(read_log(tmp_path), "loss")[0] == list(range(10, 51, 10))


def test_numbers_that_ran_over_are_no_numbers_in_the_log(tmp_path):
    watcher = JsonLines(tmp_path)
    watcher.on_start(CONFIG, facts(tmp_path))
    watcher.on_step(report(10, grad_norm=math.inf))
    watcher.on_end(None)
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert json.loads(lines[1], parse_constant=pytest.fail)["grad_norm"] is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /dev/full")
def test_a_full_disk_ends_the_log_and_not_the_run(tmp_path):
    watcher = JsonLines(tmp_path)
    watcher.on_start(CONFIG, facts(tmp_path))
    watcher._file.close()
    watcher._file = open("/dev/full", "w")  # noqa: SIM115 - the watcher closes it
    with pytest.warns(TrainWarning, match=r"log\.jsonl cannot be written \(No space left.*continues without its log"):
        watcher.on_step(report(10))
    watcher.on_step(report(20))
    watcher.on_end(None)


def test_without_a_log_it_is_said_what_was_expected(tmp_path):
    with pytest.raises(InputError, match=r"There is no log of a run at .*expected log\.jsonl"):
        read_log(tmp_path)


def test_curves_are_drawn_of_a_log(tmp_path):
    log(tmp_path, 200)
    assert draw(tmp_path) == tmp_path / CURVES
    with Image.open(tmp_path / CURVES) as image:
        assert image.width > 1000
        assert len(image.convert("RGB").getcolors(1 << 20)) > 20
    JsonLines(tmp_path).on_start(CONFIG, facts(tmp_path))
    (tmp_path / CURVES).unlink()
    assert draw(tmp_path) is None  # before the first step


def test_curves_of_a_long_run_show_a_running_mean():
    assert _running_mean([1, 2, 3, 4, 10], 1) == [1.5, 2, 3, 17 / 3, 7]


def test_without_matplotlib_a_run_goes_on_without_curves(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.warns(TrainWarning, match=r"There will be no curves\.png: .*'matplotlib'.*wordsight\[train\]"):
        curves = Curves(tmp_path)
    curves.on_end(None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"wordsight\[train\]"):
        draw(tmp_path)


def test_a_run_does_not_fail_for_its_curves(tmp_path):
    with pytest.warns(TrainWarning, match=r"curves\.png could not be drawn \(There is no log"):
        Curves(tmp_path).on_end(None)


def test_tensorboard_reads_what_is_written(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for done, until in ((0, 270), (200, 400)):
        board = TensorBoard(tmp_path)
        board.on_start(CONFIG, facts(tmp_path, done=done))
        for step in range(done + 10, until + 1, 10):
            board.on_step(report(step))
        board.on_evaluate(until, {"zero_shot": Estimate(0.5, 0.4, 0.6, 30)})
        board.on_end(None)
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert {"loss", "scale", "lr", "zero_shot", "recall_at_1"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("loss")] == list(range(10, 401, 10))


def test_without_tensorboard_it_is_said_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    config = small_run("pairs.tsv", watch__tensorboard=True)
    with pytest.raises(MissingExtraError, match=r"watch\.tensorboard needs .*'tensorboard'.*wordsight\[train\]"):
        default_watchers(config, tmp_path)


def test_a_real_run_has_its_watchers_and_those_of_whoever_began_it(tmp_path):
    table = write_squares(tmp_path / "squares")
    notes = Notes()
    with watched_by(notes):
        result = train(small_run(table, steps=3), tmp_path / "run")
    assert [one.step for one in notes.reports] == [1, 2, 3]
    assert notes.result == result
    assert column(read_log(tmp_path / "run"), "loss")[1] == [one.loss for one in notes.reports]
    assert (tmp_path / "run" / CURVES).exists()
    assert active_watchers() == ()
