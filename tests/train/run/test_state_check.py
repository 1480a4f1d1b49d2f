"""A checkpoint whose state was changed, by accident or on purpose, is refused by name, and none of it is restored."""

import hashlib
import json
import zipfile

import pytest
import torch
from training import quickly, small_run, write_squares

from wordsight.errors import TrainError
from wordsight.train.loop import train
from wordsight.train.run import checkpoints
from wordsight.train.run.state_check import find_fault

STEP = 2


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that has two checkpoints and no model, and its configuration."""
    folder = tmp_path_factory.mktemp("run")
    config = small_run(write_squares(folder / "squares", 16), steps=STEP, watch__save_every=1, optim__ema=0.9)
    with quickly():
        train(config, folder / "run")
    for name in ("model.safetensors", "wordsight.json"):
        (folder / "run" / name).unlink()
    return folder / "run", config


@pytest.fixture
def newest(run):
    """The newest checkpoint; its files are restored after the test."""
    path = run[0] / "checkpoints" / f"step_{STEP:08}"
    kept = {file: file.read_bytes() for file in path.iterdir()}
    yield path
    for file, content in kept.items():
        file.write_bytes(content)


def rewrite(path, content):
    """Write a state with the checksum that belongs to it."""
    (path / "state.pt").write_bytes(content)
    manifest = json.loads((path / "checkpoint.json").read_text())
    manifest |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (path / "checkpoint.json").write_text(json.dumps(manifest))


def changed(state, *keys, **values):
    """A copy of a state with a value inside it replaced: `changed(state, "a", "b", value=1)`."""
    if not keys:
        return values["value"]
    copy = list(state) if isinstance(state, list) else dict(state)
    copy[keys[0]] = changed(copy[keys[0]] if len(keys) > 1 else None, *keys[1:], **values)
    return copy


WEIGHT = "clip.visual.proj"


def show(value):
    return ".".join(map(str, value)) if isinstance(value, list) else None


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["step"], "x", "its step is 'x', expected 2"),
        (["step"], -5, "its step is -5, expected 2"),
        (["step"], 10**12, "its step is 1000000000000, expected 2"),
        (["loss"], None, "its loss is None, expected a number"),
        (["steps_per_epoch"], "x", "steps_per_epoch is 'x', expected a whole number"),
        (["network"], [1], "its weights are a list, expected tensors by name"),
        (["network", WEIGHT], 1, "its weights are a dict, expected tensors by name"),
        (["network", WEIGHT], torch.zeros(2), "it is of another network: clip.visual.proj"),
        (["network", WEIGHT], torch.full((32, 16), torch.nan), "its weights clip.visual.proj are not finite"),
        (["average"], 5, "its average is 5, expected weights and the number of updates"),
        (["average", "updates"], -1, "its average is a dict, expected weights and the number of updates"),
        (["average", "weights"], {}, "it is of another network"),
        (["optimizer"], None, "its optimizer is None, expected the moments of the weights"),
        (["optimizer"], {}, "its optimizer is a dict, expected the moments of the weights"),
        (["optimizer", "state"], {}, "its optimizer is a dict, expected the moments of the weights"),
        (["optimizer", "state", 0], {"step": "x"}, "its optimizer has moments of 0, which the network does not have"),
        (["optimizer", "state", WEIGHT, "exp_avg"], torch.zeros(1), "moments of clip.visual.proj have another shape"),
        (["optimizer", "state", WEIGHT], {}, "its optimizer lacks moments of clip.visual.proj"),
        (["processes"], None, "its processes are None, expected a list"),
        (["processes", 0], {}, "a process has a dict, expected its random state and its position"),
        (["processes", 0, "data", "position"], -99, "a position in the data is a dict, expected epoch and position"),
        (["processes", 0, "data", "other"], 1, "a position in the data is a dict, expected epoch and position"),
        (["processes", 0, "chance"], 5, "a process has a dict, expected its random state"),
    ],
    ids=show,
)
def test_a_fault_is_found(run, newest, keys, value, message):
    state = torch.load(newest / "state.pt", weights_only=True)
    facts = {"step": STEP, "averaged": True, "scaled": False}
    facts["shapes"] = {name: tuple(tensor.shape) for name, tensor in state["network"].items()}
    assert find_fault(state, **facts) == ""
    assert message in find_fault(changed(state, *keys, value=value), **facts)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["step"], 10**12, "its step is 1000000000000, expected 2"),
        (["optimizer", "param_groups"], [], "its optimizer is a dict, expected the moments of the weights"),
        (["processes", 0, "chance", "python"], (3, [1], None), "state vector is the wrong size"),
        (["processes", 0, "chance", "torch"], (torch.zeros(3), None), "RNG state must be a torch.ByteTensor"),
    ],
    ids=show,
)
def test_a_changed_state_is_refused(run, newest, tmp_path, keys, value, message):
    folder, config = run
    state = torch.load(newest / "state.pt", weights_only=True)
    torch.save(changed(state, *keys, value=value), tmp_path / "state.pt")
    rewrite(newest, (tmp_path / "state.pt").read_bytes())
    with pytest.raises(TrainError, match="step_00000002 is damaged") as raised:
        train(config, folder, resume=True)
    assert message in str(raised.value)
    assert "resume from step_00000001, the one before it" in str(raised.value)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x02]", b"(" * 5000])
def test_a_file_that_is_not_a_state_is_refused(run, newest, content):
    rewrite(newest, content)
    with pytest.raises(TrainError, match=r"step_00000002 is damaged \(.+\)\. Remove"):
        checkpoints.load(newest, run[1])


def test_a_compressed_state_is_refused_before_it_is_expanded(run, newest, tmp_path):
    with (
        zipfile.ZipFile(newest / "state.pt") as whole,
        zipfile.ZipFile(tmp_path / "state.pt", "w", zipfile.ZIP_DEFLATED) as compressed,
    ):
        for name in whole.namelist():
            compressed.writestr(name, b"]" * 10_000_000 if name.endswith("data.pkl") else b"")
    rewrite(newest, (tmp_path / "state.pt").read_bytes())
    with pytest.raises(TrainError, match=r"state\.pt is compressed, as torch never writes it"):
        checkpoints.load(newest, run[1])


@pytest.mark.parametrize("name", ["config.json", "checkpoints/step_00000002/checkpoint.json"])
def test_a_file_of_deeply_nested_json_is_refused(run, newest, name):
    folder, config = run
    before = (folder / name).read_bytes()
    (folder / name).write_bytes(b"[" * 1_000_000)
    try:
        with pytest.raises(TrainError, match=r"more than the|nested too deep"):
            train(config, folder, resume=True)
    finally:
        (folder / name).write_bytes(before)


def test_a_damaged_log_does_not_stop_a_run(run, tmp_path):
    folder, config = run
    lines = (folder / "log.jsonl").read_bytes()
    (folder / "log.jsonl").write_bytes(b"[" * 1_000_000 + b'\n{"kind": "step", "step": "x"}\n1e400\n\xff\n' + lines)
    try:
        with quickly():
            assert train(config, folder, resume=True).step == STEP
    finally:
        for name in ("model.safetensors", "wordsight.json"):
            (folder / name).unlink()
