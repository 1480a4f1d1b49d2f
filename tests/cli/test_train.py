"""`wordsight train` as a person sees it: a tiny recipe that learns colours in seconds."""

import functools
import io
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from training import COLOURS, small_run, write_squares

import wordsight
from wordsight.cli import group
from wordsight.cli._train.watchers import Bar, Lines, figure_lines, make_watcher, start_text, time_text
from wordsight.errors import InputError, MissingExtraError, TrainError
from wordsight.metrics import Estimate
from wordsight.train.finetune.forgetting import judge
from wordsight.train.finetune.wise_ft import AlphaResult
from wordsight.train.monitor.reports import RunFacts, RunResult, StepReport

RECIPE = '''"""Squares and their colours, learnt from scratch.

Command: `wordsight train colours.py`
Hardware: any processor. Time: seconds. Result: zero-shot top-1 well above 12.5 %, which is chance.
"""

from training import small_run

from wordsight.train.config import TrainConfig, ZeroShotConfig


def recipe() -> TrainConfig:
    return small_run(
        "squares/pairs.tsv",
        steps=40,
        batch=16,
        optim__lr=3e-3,
        watch__log_every=10,
        watch__evaluate_every=20,
        watch__zero_shot=ZeroShotConfig(images="held_out", templates=("a {} square",)),
    )
'''


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the recipe, images to learn from and others to be asked about."""
    monkeypatch.chdir(tmp_path)
    write_squares(tmp_path / "squares")
    write_squares(tmp_path / "others", count=24, seed=1)
    for n in range(24):
        folder = tmp_path / "held_out" / list(COLOURS)[n % len(COLOURS)]
        folder.mkdir(parents=True, exist_ok=True)
        (tmp_path / "others" / f"{n:03}.png").rename(folder / f"{n}.png")
    (tmp_path / "colours.py").write_text(RECIPE)
    return tmp_path


def run(*arguments, **options):
    return CliRunner().invoke(group, ["train", *arguments], **options)


def error_message(result):
    assert result.exception is not None, result.output
    return str(result.exception)


def test_a_recipe_becomes_a_model_that_knows_colours(here):
    result = run("colours.py")
    assert result.exit_code == 0, result.output + repr(result.exception)
    assert re.search(r"^Model: runs/colours\n  zero-shot [\d.]+ % \[[\d.]+, [\d.]+\] of 24\n  loss ", result.stdout)
    assert "Curves: runs/colours/curves.png" in result.stdout
    assert "wordsight classify IMAGES --classes cat dog --model runs/colours" in result.stdout
    assert "step 40/40  epoch 13.33  loss " in result.stderr
    assert "(chance level: 2.77)  recall@1 " in result.stderr
    assert "step 20: zero-shot " in result.stderr
    assert float(re.search(r"zero-shot ([\d.]+) %", result.stdout)[1]) > 30
    model = wordsight.load("runs/colours", backend="reference")
    assert model.spec.name == "colours"  # as its folder is called
    asked = ["classify", "held_out/red", "--classes", "red", "blue", "--model", "runs/colours"]
    assert CliRunner().invoke(group, asked).exit_code == 0


def test_a_folder_with_a_run_is_gone_on_with_only_when_asked(here):
    short = ("colours.py", "--set", "steps=2", "--set", "watch.zero_shot=none", "--folder", "out")
    assert run(*short).exit_code == 0
    again = run(*short)
    assert isinstance(again.exception, TrainError)
    assert "already holds a run" in error_message(again)
    assert "Model: out\n" in run(*short, "--resume").stdout
    other = run(*short, "--resume", "--set", "optim.lr=1")
    assert "optim.lr" in error_message(other)


def test_show_lists_settings_that_set_takes(here):
    shown = run("colours.py", "--show", "--set", "optim.lr=1e-2", "--set", "watch.zero_shot.limit=5")
    lines = shown.stdout.splitlines()
    assert shown.exit_code == 0
    assert {"optim.lr=0.01", "watch.zero_shot.limit=5", "objective.name=info_nce", "optim.ema=none"} <= set(lines)
    again = [part for line in lines for part in ("--set", line)]
    assert run("colours.py", "--show", *again).stdout.splitlines() == lines
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["colour.py"], r"There is no recipe 'colour\.py'; .*Did you mean: colours\.py"),
        (["colours.py", "--set", "lr=1"], r"There is no setting 'lr'.*Did you mean: optim\.lr"),
        (["colours.py", "--set", "optim.lr"], "is not KEY=VALUE"),
        (["colours.py", "--folder", "colours.py"], r"--folder 'colours\.py' is a file"),
        (["colours.py", "--set", "data.pairs=nowhere.tsv"], "nowhere.tsv"),
        (["colours.py", "--set", "watch.zero_shot.images=nowhere"], "'nowhere' does not exist"),
    ],
)
def test_mistakes_are_errors_of_one_line(here, arguments, message):
    result = run(*arguments)
    assert isinstance(result.exception, InputError | TrainError)
    assert re.search(message, error_message(result))
    assert result.stdout == ""


def test_without_torch_it_is_said_what_to_install(here, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run("colours.py")
    assert isinstance(result.exception, MissingExtraError)
    assert "pip install 'wordsight[train]'" in error_message(result)


def test_of_several_processes_only_the_first_speaks(here, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert run("colours.py", "--show").output == ""
    wrong = run("colours.py", "--set", "lr=1")
    assert (wrong.exit_code, wrong.output) == (2, "")


def test_a_recipe_that_runs_by_itself_has_its_own_last_word(here):
    (here / "own.py").write_text(
        RECIPE + "\ndef run(config, folder, resume):\n    assert config.batch == 16\n    folder.mkdir()\n"
    )
    result = run("own.py", "--folder", "out")
    assert (result.exit_code, result.stdout) == (0, "Done: out\n")


def print_result(here, monkeypatch, config=None, **changes):
    """Output of a run with this result."""
    result = RunResult(**({"folder": here / "out", "step": 40, "loss": 1.0, "seconds": 75.0} | changes))
    monkeypatch.setattr("wordsight.train.loop.train", lambda config, folder, resume: result)
    return run("colours.py", "--set", f"objective.name={config or 'info_nce'}")


def test_a_run_that_forgot_too_much_has_an_exit_code_of_its_own(here, monkeypatch):
    good = judge(np.ones(20), np.ones(20), 0.9)
    bad = judge(np.ones(20), np.arange(20) < 10, 0.9)
    assert print_result(here, monkeypatch, notes={"verdict": good}).exit_code == 0
    tried = (AlphaResult(0.5, Estimate(0.4, 0.3, 0.5, 20)), AlphaResult(1.0, Estimate(0.6, 0.5, 0.7, 20)))
    shown = print_result(here, monkeypatch, notes={"α tried": tried, "α": 1.0, "verdict": bad})
    assert shown.exit_code == 1
    assert f"  α tried: {tried[0]}\n  α tried: {tried[1]}\n  α: 1.0\n" in shown.stdout
    assert "  verdict: not good: 50.0 % " in shown.stdout


def test_what_was_skipped_is_listed_at_the_end(here, monkeypatch):
    names = {"no caption": ("a.jpg", "b.jpg"), "the file is empty": ("c.jpg", "d.jpg", "e.jpg")}
    skipped = {"no caption": 2, "the file is empty": 10}
    shown = print_result(here, monkeypatch, skipped=skipped, skipped_names=names, truncated=7)
    listed = "    10: the file is empty (c.jpg, d.jpg, e.jpg, …)\n    2: no caption (a.jpg, b.jpg)\n"
    assert "  12 samples skipped:\n" + listed in shown.stdout
    assert "  truncated captions: 7\n" in shown.stdout


def test_a_model_without_texts_is_not_to_be_asked_in_words(here, monkeypatch):
    assert "wordsight index IMAGES --in INDEX --model" in print_result(here, monkeypatch, "nt_xent").stdout


def test_warnings_are_plain_lines_among_the_others(here, monkeypatch):
    def train(config, folder, resume):
        warnings.warn("look at this", UserWarning, stacklevel=1)
        return RunResult(folder=Path(folder), step=1, loss=1.0, seconds=1.0)

    monkeypatch.setattr("wordsight.train.loop.train", train)
    assert run("colours.py").stderr == "wordsight: look at this\n"


FACTS = RunFacts(folder=Path("runs/x"), steps=2000, steps_per_epoch=100, device="cpu", parameters=151_277_313,
                 trainable=840_000, done=500, processes=4)  # fmt: skip
REPORT = StepReport(step=510, epoch=5.1, loss=3.2101, lr=1e-3, grad_norm=0.834, seconds=0.5, samples_per_s=2048.0,
                    local_batch=256, global_batch=1024, scale=23.06, wait_share=0.03, recall_at_1=0.412,
                    skipped=1200)  # fmt: skip
CONFIG = small_run("pairs.tsv", batch=1024)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown_by(watcher):
    watcher.on_start(CONFIG, FACTS)
    watcher.on_step(REPORT)
    watcher.on_evaluate(510, {"zero_shot": Estimate(0.412, 0.371, 0.45, 400)})
    if isinstance(watcher, Bar):
        watcher._live.refresh()
    watcher.on_end(None)
    watcher.on_end(None)  # a second time does no harm


NUMBERS = (
    "loss 3.210 (chance level: 6.93)  recall@1 41.2%  scale 23.1  gradient 0.83  2,048/s  waiting 3%  1,200 skipped"
)


def test_lines_where_there_is_no_terminal(capsys):
    watcher = make_watcher()
    assert type(watcher) is Lines
    shown_by(watcher)
    assert capsys.readouterr().err.splitlines() == [
        "runs/x: 151M parameters, 840k trainable; 2,000 steps of 1,024 pairs, 100 per epoch; info_nce in f32; "
        "4 processes on cpu; resumes after step 500",
        f"step 510/2,000  epoch 5.10  {NUMBERS}  12:25 left",
        "step 510: zero-shot 41.2 % [37.1, 45.0] of 400",
    ]


def test_a_bar_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "150")
    monkeypatch.setenv("TERM", "xterm")
    watcher = make_watcher()
    assert type(watcher) is Bar
    shown_by(watcher)
    seen = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", terminal.getvalue())
    for part in (start_text(CONFIG, FACTS)[:60], NUMBERS, "step 510/2,000  epoch 5.10", "12:25 left",
                 "step 510: zero-shot 41.2 % [37.1, 45.0] of 400"):  # fmt: skip
        assert part in seen


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (725, "12:05"), (11_040, "3:04:00"), (183_600, "2 d 03:00")]
)
def test_times_are_short(seconds, text):
    assert time_text(seconds) == text


def test_figures_have_their_interval():
    lines = figure_lines({"zero_shot": Estimate(1.0, 1.0, 1.0, 1200), "original_before": Estimate(0.5, 0.25, 0.75, 4)})
    assert lines == ["zero-shot 100.0 % [100.0, 100.0] of 1,200", "original before 50.0 % [25.0, 75.0] of 4"]


def test_help_names_all_and_loads_nothing_heavy():
    code = "import sys; from wordsight.cli import main; sys.argv = ['wordsight', 'train', '--help']\n"
    code += "try: main()\nexcept SystemExit: print(sorted({m.split('.')[0] for m in sys.modules}), file=sys.stderr)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for word in ("--set KEY=VALUE", "--folder", "--resume", "--show", "torchrun"):
        assert word in shown.stdout
    assert not {"'torch'", "'numpy'", "'rich'", "'PIL'"} & set(re.findall(r"'\w+'", shown.stderr))


def environment():
    return os.environ | {"OMP_NUM_THREADS": "1"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT between processes")
def test_ctrl_c_keeps_what_was_done_and_resume_goes_on(here):
    command = [sys.executable, "-m", "wordsight", "train", "colours.py", "--set", "watch.zero_shot=none",
               "--set", "watch.log_every=1", "--folder", "out"]  # fmt: skip
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background job has it ignored
    with subprocess.Popen([*command, "--set", "steps=100000"], env=environment(), text=True, preexec_fn=heard,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # fmt: skip
        log = Path("out/log.jsonl")
        give_up = time.monotonic() + 120
        while not (log.exists() and '"kind": "step"' in log.read_text()) and time.monotonic() < give_up:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert re.search(r"^wordsight: Stopped after step [\d,]+ of 100,000\. .*--resume", said, re.M)
    assert Path("out/curves.png").exists()
    assert list(Path("out/checkpoints").iterdir())


def test_torchrun_starts_it_and_one_process_speaks(here):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
               "-m", "wordsight", "train", "colours.py", "--set", "steps=4", "--folder", "out"]  # fmt: skip
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Model: out") == 1
    assert done.stderr.count("step 4/4") == 1
    assert "2 processes on cpu" in done.stderr
    assert wordsight.load("out", backend="reference").spec.name == "out"
