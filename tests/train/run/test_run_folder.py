"""A run's folder: checkpoints are whole or not there, and only the same run resumes from them."""

import json
import os
import resource

import pytest
import torch
from small_spec import small_spec

from wordsight.errors import TrainError
from wordsight.train.config import ComputeConfig, DataConfig, OptimConfig, TrainConfig, WatchConfig, settings
from wordsight.train.run import checkpoints, run_folder


def config(**changes):
    plain = {"model": small_spec(), "data": DataConfig(pairs=("a.tsv",)), "batch": 8, "steps": 4}
    return TrainConfig(**{**plain, **changes})


def state(step=3):
    return {
        "step": step,
        "model": {"weight": torch.arange(5.0), "half": torch.ones(2, dtype=torch.bfloat16)},
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}},
        "ranks": [{"random": (3, (1, 2, 3), None), "data": {"epoch": 0, "place": 24}}],
        "scaler": None,
    }


@pytest.fixture
def run(tmp_path):
    run_folder.open_folder(config(), tmp_path / "run", resume=False)
    run_folder.write_config(config(), tmp_path / "run")
    return tmp_path / "run"


def save(run, step, **changes):
    return checkpoints.save(run, step, state(step), config=config(), keep=changes.pop("keep", 2))


def test_a_checkpoint_gives_back_what_was_saved(run):
    path = save(run, 3)
    assert path == run / "checkpoints" / "step_00000003"
    back = checkpoints.load(path, config())
    assert torch.equal(back["model"]["weight"], torch.arange(5.0))
    assert back["model"]["half"].dtype == torch.bfloat16
    assert back["ranks"] == state()["ranks"]
    assert run_folder.open_folder(config(), run, resume=True) == path


def test_a_new_folder_begins_at_step_0(tmp_path):
    assert run_folder.open_folder(config(), tmp_path / "a" / "run", resume=False) is None
    run_folder.write_config(config(), tmp_path / "a" / "run")
    assert settings.from_json(TrainConfig, (tmp_path / "a" / "run" / "config.json").read_text()) == config()


def test_a_run_that_came_to_no_checkpoint_is_begun_anew(run):
    for resume in (False, True):
        assert run_folder.open_folder(config(seed=7), run, resume=resume) is None


def test_to_resume_a_run_that_never_began_is_to_begin_it(tmp_path):
    assert run_folder.open_folder(config(), tmp_path / "run", resume=True) is None


def test_a_folder_with_a_run_is_not_written_over(run):
    save(run, 3)
    with pytest.raises(TrainError, match=r"run already holds a run. Resume it \(--resume; resume=True\)"):
        run_folder.open_folder(config(), run, resume=False)


def test_a_folder_with_a_model_is_not_written_over(tmp_path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(TrainError, match=r"holds a model or checkpoints, but not the config.json of a run"):
        run_folder.open_folder(config(), tmp_path, resume=True)


def test_another_configuration_is_refused_with_the_keys_that_differ(run):
    save(run, 3)
    other = config(batch=16, optim=OptimConfig(lr=1e-3))
    with pytest.raises(TrainError, match=r"batch was 8, is now 16; optim.lr was 0.0005, is now 0.001. Resume with"):
        run_folder.open_folder(other, run, resume=True)


def test_a_checkpoint_of_another_run_is_refused(run):
    path = save(run, 3)
    (run / "config.json").unlink()
    with pytest.raises(TrainError, match=r"checkpoint.json is a different one: seed was 0, is now 1"):
        checkpoints.load(path, config(seed=1))


def test_how_it_is_computed_and_watched_may_change(run):
    other = config(compute=ComputeConfig(chunk=2, compile=True), watch=WatchConfig(log_every=1))
    path = save(run, 3)
    assert run_folder.open_folder(other, run, resume=True) == path
    assert checkpoints.load(path, other)["step"] == 3


def test_the_precision_may_not_change(run):
    save(run, 3)
    with pytest.raises(TrainError, match=r"compute.precision was 'f32', is now 'bf16'"):
        run_folder.open_folder(config(compute=ComputeConfig(precision="bf16")), run, resume=True)


def test_the_newest_stay(run):
    for step in (2, 10, 30):
        save(run, step)
    assert list(checkpoints.list_steps(run)) == [10, 30]
    assert sorted(os.listdir(run / "checkpoints")) == ["step_00000010", "step_00000030"]


def test_the_one_that_was_just_written_always_stays(run):
    save(run, 2, keep=0)
    assert list(checkpoints.list_steps(run)) == [2]


def test_the_same_step_may_be_saved_again(run):
    save(run, 2)
    assert checkpoints.load(save(run, 2), config())["step"] == 2


def test_leftovers_of_a_killed_run_are_removed(run):
    save(run, 2)
    half = run / "checkpoints" / ".unfinished_00000004"
    half.mkdir()
    (half / "state.pt").write_bytes(b"half")
    part = run / ".config.json.x1y2z3.part"
    part.write_text("{")
    assert run_folder.open_folder(config(), run, resume=True).name == "step_00000002"
    assert not half.exists()
    assert not part.exists()


def test_a_full_disk_leaves_the_last_good_checkpoint(run):
    save(run, 2)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))  # the system stops every write past 20 kB
    try:
        with pytest.raises(
            TrainError, match=r"step 4 was not saved in .*: the disk is full .*step_00000002; make room"
        ):
            checkpoints.save(run, 4, {"large": torch.zeros(10_000)}, config=config(), keep=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert os.listdir(run / "checkpoints") == ["step_00000002"]
    assert checkpoints.load(run / "checkpoints" / "step_00000002", config())["step"] == 2


def test_the_first_checkpoint_finds_a_full_disk(run, monkeypatch):
    def full(number):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrainError, match=r"the disk is full \(No space left on device\). There is no earlier one"):
        save(run, 4)
    assert os.listdir(run / "checkpoints") == []


@pytest.mark.parametrize("damage", ["cut", "one bit", "no manifest", "manifest"])
def test_a_damaged_checkpoint_is_named_with_the_one_before(run, damage):
    save(run, 2)
    path = save(run, 4)
    content = bytearray((path / "state.pt").read_bytes())
    if damage == "cut":
        (path / "state.pt").write_bytes(content[:-100])
    elif damage == "one bit":
        content[len(content) // 2] ^= 1
        (path / "state.pt").write_bytes(content)
    elif damage == "no manifest":
        (path / "checkpoint.json").unlink()
    else:
        (path / "checkpoint.json").write_text("[1]")
    with pytest.raises(
        TrainError, match=r"step_00000004 is damaged .*Remove this folder to resume from step_00000002, the one"
    ):
        checkpoints.load(path, config())


def test_a_damaged_checkpoint_with_none_before(run):
    path = save(run, 4)
    (path / "state.pt").write_bytes(b"")
    with pytest.raises(TrainError, match=r"Remove this folder to start from scratch: there is no earlier one"):
        checkpoints.load(path, config())


def test_a_checkpoint_cannot_run_code(run):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(run / "harm"),)

    path = save(run, 4)
    torch.save({"step": Harm()}, path / "state.pt")
    content = (path / "state.pt").read_bytes()
    about = json.loads((path / "checkpoint.json").read_text())
    import hashlib

    about["sha256"] = hashlib.sha256(content).hexdigest()
    (path / "checkpoint.json").write_text(json.dumps(about))
    with pytest.raises(TrainError, match="is damaged"):
        checkpoints.load(path, config())
    assert not (run / "harm").exists()


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TrainError, match=r"The run's folder .*file/run cannot be used"):
        run_folder.open_folder(config(), tmp_path / "file" / "run", resume=False)
