"""Runs with settings, data, folders and disks that are not as they should be."""

import dataclasses
import fcntl
import json
import resource
import subprocess
import sys
import tarfile
import warnings
from pathlib import Path

import pytest
import torch
from training import Notes, quickly, small_run, small_spec, write_squares

from wordsight.errors import CheckpointError, InputError, TrainError
from wordsight.text.tokenizer import Tokenizer
from wordsight.train.config import AugmentConfig, DataConfig, ZeroShotConfig
from wordsight.train.config.limits import validate_settings
from wordsight.train.config.settings import apply
from wordsight.train.data import open_data
from wordsight.train.loop import train
from wordsight.train.monitor.reports import Watcher
from wordsight.train.monitor.run_log import read_log
from wordsight.train.recipe import load_recipe
from wordsight.train.run import checkpoints
from wordsight.train.run.lock import LOCK, lock_folder


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(autouse=True, scope="module")
def _quickly():
    with quickly():
        yield


def table_of(folder, captions, name="pairs.tsv", encoding="utf-8"):
    """Write an image for each caption, and the table of them."""
    write_squares(folder, count=len(captions))
    rows = ["image\tcaption", *(f"{n:03}.png\t{caption}" for n, caption in enumerate(captions))]
    (folder / name).write_bytes(("\n".join(rows) + "\n").encode(encoding))
    return folder / name


# --- settings


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("batch=0", r"batch is 0, expected 1 or more"),
        ("optim.beta2=1", r"optim.beta2 is 1.0, expected 0 or more and below 1"),
        ("optim.eps=0", r"optim.eps is 0.0, expected more than 0"),
        ("optim.weight_decay=-1", r"optim.weight_decay is -1.0, expected 0 or more"),
        ("compute.timeout=0", r"compute.timeout is 0.0, expected more than 0"),
        ("watch.keep=0", r"watch.keep is 0, expected 1 or more"),
        ("seed=1e30", r"seed is 1\d+, expected "),
        ("data.workers=-1", r"data.workers is -1, expected 0 or more"),
        ("data.buffer=0", r"data.buffer is 0, expected 1 or more"),
        ("data.samples=0", r"data.samples is 0, expected 1 or more, or none"),
        ("data.augment.min_area=0", r"data.augment.min_area is 0.0, expected more than 0 and 1 at most"),
        ("data.augment.flip=2", r"data.augment.flip is 2.0, expected 0 or more and 1 at most"),
        ("data.augment.colour=-1", r"data.augment.colour is -1.0, expected 0 or more"),
        ("objective.tile=0", r"objective.tile is 0, expected 1 or more, or none"),
        ("objective.temperature=0", r"objective.temperature is 0.0, expected more than 0"),
        ("compute.patch_dropout=1", r"compute.patch_dropout is 1.0, expected 0 or more and below 1"),
    ],
)
def test_numbers_out_of_their_range(setting, message):
    with pytest.raises(InputError, match=message):
        validate_settings(apply(small_run("x.tsv"), [setting]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optim__lr": float("nan")}, r"optim.lr is nan, expected 0 or more"),
        ({"optim__lr": float("inf")}, r"optim.lr is inf, expected a finite number"),
        ({"optim__clip": float("nan")}, r"optim.clip is nan, expected more than 0, or none"),
        ({"data": DataConfig(pairs="photos")}, r"data.pairs is 'photos', expected values with commas between"),
        ({"data": DataConfig(pairs=("x",), augment=AugmentConfig(crop="round"))}, r"crop is 'round', expected one of"),
        ({"optim__warmup": 2.5}, r"optim.warmup is 2.5, expected a whole number"),
        ({"optim__lr": object()}, r"The settings hold what JSON cannot .*object"),
    ],
)
def test_values_that_only_a_recipe_can_hold(changes, message):
    with pytest.raises(InputError, match=message):
        validate_settings(small_run("x.tsv", **changes))


def test_lists_and_paths_of_a_recipe_are_taken(table, tmp_path):
    config = small_run(table, steps=1, data=DataConfig(pairs=[Path(table)], workers=0))
    assert validate_settings(config).data.pairs == (str(table),)
    assert train(config, tmp_path / "run").step == 1


@pytest.mark.parametrize("device", ["mps", "meta"])
def test_a_device_that_torch_knows_but_not_here(device):
    if device == "mps" and torch.backends.mps.is_available():
        pytest.skip("this machine has it")
    with pytest.raises(InputError, match=f"compute.device is '{device}', on which torch cannot compute here"):
        train(small_run("x.tsv", compute__device=device), "never")
    assert not Path("never").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("image.heads=5", r"width 32 does not divide by 5 heads"),
        ("image.image_size=18", r"image_size 18 is not a multiple of patch_size 4"),
        ("embed_dim=0", r"embed_dim is 0, expected a positive whole number"),
        ("text.context_length=8", r"tokenizer.context_length is 16, expected 3 to 8"),
        ("text.vocab_size=100", r"tokenizer.bos_id is 49406, expected a token of the vocabulary: 0 to 99"),
        ("tokenizer.context_length=2", r"context_length is 2, expected 3 to 16"),
        ("preprocess.std=1,0,1", r"preprocess.std is 0.0, expected a number from 0.001 to 100"),
    ],
)
def test_a_model_that_contradicts_itself(table, tmp_path, setting, message):
    with pytest.raises((CheckpointError, TrainError), match=message):
        train(apply(small_run(table), [f"model.{setting}"]), tmp_path / "run")


# --- data


def test_captions_in_which_nothing_can_be_seen_are_left_out(tmp_path):
    captions = ["a red one", "a blue one", "a green one", "\x01\x02", "\u200b\u200d", "  "]
    result = train(small_run(table_of(tmp_path / "odd", captions), steps=4, batch=2), tmp_path / "run")
    assert result.skipped == {"its caption is empty": 3}


def test_captions_that_are_cleaned_to_nothing_are_left_out(tmp_path):
    table = table_of(tmp_path / "odd", ["a red one", "a blue one", "a green one", "?!", "..."])
    tokenizer = Tokenizer(small_spec().tokenizer, {})
    tokenizer.spec = dataclasses.replace(tokenizer.spec, clean="canonicalize")  # SigLIP's, which takes punctuation out
    with open_data(small_run(table, batch=3), tokenizer) as data:
        batches = data.batches()
        assert len({key for _ in range(3) for key in next(batches)[0].keys}) == 3
        assert data.skipped.reasons == {"its caption holds no word": 2}


def test_of_a_caption_of_a_megabyte_the_beginning_is_read(tmp_path):
    captions = ["a red one", "a blue one", "a " + "word " * 200_000]
    notes = Notes()
    train(small_run(table_of(tmp_path / "long", captions), steps=3, batch=2), tmp_path / "run", watchers=[notes])
    assert {key for report in notes.reports for key in report.keys} > {str(tmp_path / "long" / "002.png")}


def test_a_table_that_breaks_off_is_not_half_learnt(tmp_path):
    path = table_of(tmp_path / "latin", ["a thing"] * 40)
    with path.open("ab") as file:
        file.write(b"000.png\tpicture\n" * 20_000 + "000.png\tcaf\xe9\n".encode("latin-1"))
    with pytest.raises(TrainError, match=r"breaks off after [\d,]+ pairs: it is not UTF-8 text .*; save it in UTF-8"):
        train(small_run(path), tmp_path / "run")


def test_it_is_said_why_shards_hold_no_pair(tmp_path):
    with tarfile.open(tmp_path / "words.tar", "w") as archive:
        (tmp_path / "a.json").write_text('{"caption": "words"}')
        archive.add(tmp_path / "a.json", "a.json")
    (tmp_path / "empty.tar").write_bytes(b"")
    with pytest.raises(TrainError, match=r"(?s)are 0 pairs, .*Left out:.* holds no image: .*words.tar#a") as raised:
        train(small_run(f"{tmp_path}/{{words,empty}}.tar"), tmp_path / "run")
    assert "empty.tar" in str(raised.value)


@pytest.mark.parametrize(
    ("shards", "message"),
    [("{5..1}.tar", r"stands for no file: its numbers go down"), ("{0..9999999}.tar", r"10,000,000 shards, expected")],
)
def test_braces_that_name_nothing_or_too_much(tmp_path, shards, message):
    with pytest.raises(TrainError, match=message):
        train(small_run(shards), tmp_path / "run")


def test_held_out_images_that_cannot_be_read_are_told_of_before_the_first_step(table, tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "held" / name).mkdir(parents=True)
        (tmp_path / "held" / name / "a.png").write_text("no image")
    notes = Notes()
    config = small_run(table, watch__zero_shot=ZeroShotConfig(images=str(tmp_path / "held")))
    with pytest.raises(InputError, match=r"2 of 2 held-out images cannot be read, so nothing can be measured"):
        train(config, tmp_path / "run", watchers=[notes])
    assert notes.reports == []


# --- recipes


def recipe(folder, run):
    """Write a recipe whose own run is this, and return it loaded."""
    text = f"from training import small_run\n\ndef recipe():\n    return small_run('x.tsv')\n\n{run}\n"
    (folder / "own.py").write_text(text)
    return load_recipe(folder / "own.py")


def test_an_error_in_a_recipes_own_run_names_its_line(tmp_path):
    own = recipe(tmp_path, "def run(config, folder, resume):\n    return [][1]")
    with pytest.raises(InputError, match=r"own\.py, line 7: IndexError: list index out of range\n    return \[\]\[1\]"):
        own.run(tmp_path / "run")


def test_an_error_in_what_a_recipe_calls_keeps_its_kind(tmp_path):
    own = recipe(tmp_path, "def run(config, folder, resume):\n    import json\n    json.loads('{')")
    with pytest.raises(json.JSONDecodeError):
        own.run(tmp_path / "run")


def test_a_run_that_takes_other_arguments(tmp_path):
    with pytest.raises(InputError, match=r"run\(\) of .*own\.py cannot be called as run\(config, folder, resume\)"):
        recipe(tmp_path, "def run(config):\n    pass")


# --- folders and checkpoints


def test_what_a_stranger_wrote_is_not_written_over(table, tmp_path):
    for name in ("config.json", "log.jsonl"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("{}")
        with pytest.raises(TrainError, match=f"holds a {name} that no run wrote"):
            train(small_run(table), folder)
        assert [path.name for path in folder.iterdir()] == [name]
        assert (folder / name).read_text() == "{}"


def test_one_run_at_a_time_in_a_folder(table, tmp_path):
    folder = tmp_path / "run"
    code = "import sys, pathlib; from wordsight.train.run.lock import lock_folder\n"
    code += "with lock_folder(pathlib.Path(sys.argv[1])): print('in', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as other:  # fmt: skip
        assert other.stdout.readline() == "in\n"
        for resume in (False, True):
            with pytest.raises(TrainError, match=r"Another run is already using .*run; wait for it to end"):
                train(small_run(table, steps=1), folder, resume=resume)
        other.kill()  # which releases the lock
    assert train(small_run(table, steps=1), folder).step == 1
    assert not (folder / LOCK).exists()


def test_a_drive_without_locks_is_used_without(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(__import__("errno").ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", none)
    with lock_folder(tmp_path / "run"):
        assert (tmp_path / "run").is_dir()


@pytest.fixture(scope="module")
def begun(table, tmp_path_factory):
    """The newest checkpoint of a run, and its config."""
    config = small_run(table, steps=2)
    folder = tmp_path_factory.mktemp("begun") / "run"
    train(config, folder)
    return folder / "checkpoints" / "step_00000002", config


def forged(path, state):
    """Put a state in place of a checkpoint's, with a manifest that fits."""
    torch.save(state, path / "state.pt")
    about = json.loads((path / "checkpoint.json").read_text())
    about["sha256"] = checkpoints.hashlib.sha256((path / "state.pt").read_bytes()).hexdigest()
    (path / "checkpoint.json").write_text(json.dumps(about))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: [1, 2], r"is damaged \(it lacks step, .*Remove this folder to start from scratch"),
        (lambda state: {"step": 2}, r"is damaged \(it lacks steps_per_epoch, loss"),
        (lambda state: state | {"network": {"clip.visual.proj": torch.zeros(3)}}, r"of another network: clip\."),
        (lambda state: state | {"steps_per_epoch": 99}, r"The data is not what it was .*had 99 steps, now it has 6"),
    ],
)
def test_checkpoints_of_something_else(begun, change, message):
    path, config = begun
    state = checkpoints.load(path, config)
    try:
        forged(path, change(state))
        with pytest.raises(TrainError, match=message):
            train(config, path.parent.parent, resume=True)
    finally:
        forged(path, state)
    assert train(config, path.parent.parent, resume=True).step == 2


def test_a_log_that_was_cut_within_a_letter(table, tmp_path):
    folder, config = tmp_path / "run", small_run(table, steps=2)
    train(config, folder)
    with (folder / "log.jsonl").open("ab") as file:
        file.write('{"kind": "sté'.encode()[:-1])
    train(config, folder, resume=True)
    assert [record["kind"] for record in read_log(folder)].count("start") == 2


class Fills(Watcher):
    """Lets no file grow beyond some bytes, from the start of a run on."""

    def on_start(self, config, facts):
        self.limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, self.limits[1]))

    def on_step(self, report):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.limits)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # TensorBoard's own thread
def test_a_disk_that_is_full_for_the_logs_does_not_end_a_run(table, tmp_path):
    pytest.importorskip("tensorboard")
    config = dataclasses.replace(small_run(table, steps=3, watch__tensorboard=True), seed=1)

    class FillsLonger(Fills):
        def on_step(self, report):
            if report.step == 3:
                super().on_step(report)

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert train(config, tmp_path / "run", watchers=[FillsLonger()]).step == 3
    assert any("log.jsonl cannot be written" in str(one.message) for one in said)


# --- what was measured


def test_what_a_kill_left_unmeasured_is_measured_on_the_way_on(table, tmp_path):
    labelled = tmp_path / "labelled.tsv"
    labelled.write_text(f"image\tclass\n{table.parent}/000.png\tred\n{table.parent}/001.png\tgreen\n")
    watched = {"watch__evaluate_every": 2, "watch__save_every": 2,
               "watch__zero_shot": ZeroShotConfig(images=str(labelled))}  # fmt: skip
    config = small_run(table, steps=6, **watched)

    class DiesBetween(Watcher):
        def on_save(self, step, folder):
            if step == 2:
                raise RuntimeError("the machine went off")

    with pytest.raises(RuntimeError, match="went off"):
        train(config, tmp_path / "killed", watchers=[DiesBetween()])
    train(config, tmp_path / "killed", resume=True)
    train(config, tmp_path / "whole")
    killed, whole = (
        {one["step"]: one["figures"] for one in read_log(tmp_path / name) if one["kind"] == "figures"}
        for name in ("killed", "whole")
    )
    assert list(killed) == [2, 4, 6]
    assert killed == whole
