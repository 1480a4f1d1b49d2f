"""A run that is killed at random and resumed ends with weights bit-identical to those of an uninterrupted run."""

import dataclasses
import os
import shutil
import subprocess
import sys

import pytest
import torch
from project import SUPPORT
from training import Notes, quickly, small_run, small_spec, write_squares

from wordsight.errors import TrainError
from wordsight.spec import Preprocess, ResNetTower
from wordsight.train.config import AugmentConfig, ComputeConfig, OptimConfig
from wordsight.train.loop import train
from wordsight.train.monitor.run_log import read_log
from wordsight.train.run import checkpoints

HERE = SUPPORT / "processes"


@pytest.fixture(autouse=True, scope="module")
def _quickly():
    with quickly():
        yield


def killed(folder, *changes, kills=3, seed=0, timeout=300):
    """Train once in peace and once with kills; return both finished models and last states."""
    # 36 pairs and batches of 8: every epoch ends within a batch, every checkpoint lies within an epoch.
    table = write_squares(folder / "data", 36)
    command = [sys.executable, HERE / "killed_training.py", table, folder, kills, seed, *changes]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout
                          )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "-9" in done.stdout
    models = [(folder / run / "model.safetensors").read_bytes() for run in ("whole", "killed")]
    states = [torch.load(folder / run / "checkpoints" / "step_00000010" / "state.pt", weights_only=True)
              for run in ("whole", "killed")]  # fmt: skip
    return models, states


def assert_equal(one, other):
    """Compare states to the last bit."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for mine, yours in zip(one, other, strict=True):
            assert_equal(mine, yours)
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    else:
        assert one == other


def test_killed_runs_end_with_the_same_weights(tmp_path):
    models, states = killed(tmp_path)
    assert models[0] == models[1]
    assert_equal(*states)
    steps = [record["step"] for record in read_log(tmp_path / "killed" / "log.jsonl") if record["kind"] == "step"]
    assert steps == list(range(1, 11))


def test_with_everything_that_draws_random_numbers_or_has_a_state(tmp_path):
    models, states = killed(
        tmp_path, "compute.patch_dropout=0.5", "compute.chunk=3", "optim.ema=0.9", "data.workers=2",
        "data.augment.flip=0.5", seed=1,
    )  # fmt: skip
    assert models[0] == models[1]
    assert_equal(*states)


def test_two_processes_go_on_as_they_were(tmp_path):
    table = write_squares(tmp_path / "data", 36)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
               HERE / "trained_by_two.py", table, tmp_path]  # fmt: skip
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=300,
                          env=os.environ | {"OMP_NUM_THREADS": "1"})  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    for way in ("ddp", "fsdp"):
        models = [(tmp_path / way / run / "model.safetensors").read_bytes() for run in ("whole", "resumed")]
        assert models[0] == models[1], way


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_killed_again_and_again(tmp_path, seed):
    models, states = killed(
        tmp_path, "compute.patch_dropout=0.5", "optim.ema=0.9", "data.workers=1", "compute.checkpointing=true",
        "watch.save_every=2", kills=12, seed=seed, timeout=1200,
    )  # fmt: skip
    assert models[0] == models[1]
    assert_equal(*states)


RESNET = dataclasses.replace(
    small_spec(),
    image=ResNetTower(image_size=32, width=8, layers=(1, 1, 1, 1), heads=4),
    preprocess=Preprocess(image_size=32),
)


@pytest.mark.parametrize(
    "changes",
    [
        {"model": RESNET, "optim__ema": 0.9},
        {"objective__name": "sigmoid", "optim__layer_decay": 0.5},
        {"objective__name": "nt_xent", "data__augment": AugmentConfig(crop="resized", colour=0.5)},
        {"compute__precision": "fp16", "batch": 2},
        {"tuning__image": "locked", "optim__ema": 0.9},
        {"tuning__image": "lora", "tuning__text": "lora", "tuning__lora_rank": 2},
    ],
    ids=["batch norm", "sigmoid", "SimCLR", "fp16", "locked", "LoRA"],
)
def test_all_kinds_of_runs_go_on_as_they_were(tmp_path, changes):
    table = write_squares(tmp_path / "data", 36)
    if any(key.startswith("tuning") for key in changes):
        train(small_run(table, steps=1), tmp_path / "start")
        changes = changes | {"tuning__start": str(tmp_path / "start")}
    config = small_run(table, steps=4, watch__save_every=2, **changes)
    train(config, tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "resumed")
    shutil.rmtree(tmp_path / "resumed" / "checkpoints" / "step_00000004")
    train(config, tmp_path / "resumed", resume=True)
    one, other = (tmp_path / run / "checkpoints" / "step_00000004" / "state.pt" for run in ("whole", "resumed"))
    assert_equal(torch.load(one, weights_only=True), torch.load(other, weights_only=True))
    one, other = (tmp_path / run / "model.safetensors" for run in ("whole", "resumed"))
    assert one.read_bytes() == other.read_bytes()


def test_a_run_goes_on_with_another_number_of_workers_and_chunks(tmp_path):
    table = write_squares(tmp_path / "data")
    whole, before, after = Notes(), Notes(), Notes()
    train(small_run(table, steps=6), tmp_path / "whole", watchers=[whole])
    first = small_run(table, steps=6, watch__save_every=3)
    train(first, tmp_path / "run", watchers=[before])
    for path in (tmp_path / "run" / "checkpoints").glob("step_00000006/*"):
        path.unlink()
    (tmp_path / "run" / "checkpoints" / "step_00000006").rmdir()
    changed = small_run(table, steps=6, data__workers=1, compute=ComputeConfig(device="cpu", chunk=4))
    train(changed, tmp_path / "run", resume=True, watchers=[after])
    assert [report.step for report in after.reports] == [4, 5, 6]
    assert before.losses[:3] + after.losses == pytest.approx(whole.losses, rel=1e-5)


def test_a_damaged_checkpoint_is_not_gone_on_from(tmp_path):
    table = write_squares(tmp_path / "data")
    config = small_run(table, steps=4, watch__save_every=2)
    train(config, tmp_path / "run")
    newest = tmp_path / "run" / "checkpoints" / "step_00000004"
    (newest / "state.pt").write_bytes((newest / "state.pt").read_bytes()[:1000])
    with pytest.raises(TrainError, match=r"step_00000004 is damaged .* to resume from step_00000002, the one"):
        train(config, tmp_path / "run", resume=True)


def test_another_model_is_refused(tmp_path):
    table = write_squares(tmp_path / "data")
    train(small_run(table, steps=1), tmp_path / "run")
    other = small_run(table, steps=1, optim=OptimConfig(lr=1e-3, warmup=2, ema=0.5))
    with pytest.raises(TrainError, match=r"optim.ema was None, is now 0.5"):
        train(other, tmp_path / "run", resume=True)


def test_another_number_of_processes_is_refused(tmp_path, monkeypatch):
    table = write_squares(tmp_path / "data")
    config = small_run(table, steps=1)
    train(config, tmp_path / "run")
    real = checkpoints.load

    def of_two(*arguments):
        saved = real(*arguments)
        return saved | {"processes": saved["processes"] * 2}

    monkeypatch.setattr(checkpoints, "load", of_two)
    with pytest.raises(TrainError, match=r"is of 2 processes, now there are 1: .* Start as many as before"):
        train(config, tmp_path / "run", resume=True)
