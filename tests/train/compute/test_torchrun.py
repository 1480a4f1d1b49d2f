"""Runs as a cluster starts them: torchrun, on one machine and on two "machines" that are both this one."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
from processes_at_work import free_port
from training import small_run, write_squares

from wordsight.train.loop import train
from wordsight.weights.read import read_checkpoint

STEPS = 4
PATIENCE = 300  # seconds until a run that should have ended is killed

RECIPE = """
from training import small_run

def recipe():
    return small_run({pairs!r}, steps={steps}, batch=8, watch__save_every=2, watch__keep=3)
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write_squares(tmp_path_factory.mktemp("squares"))


@pytest.fixture(scope="module")
def alone(table, tmp_path_factory):
    """The folder of a run in one process."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    train(small_run(table, steps=STEPS, batch=8, watch__save_every=2, watch__keep=3), folder)
    return folder


def begin(recipe, folder, *more, processes=1, node=None, restarts=0):
    """Start torchrun on a recipe; node: (number of this machine, of how many, port where they meet).

    With the number None the machines settle that among themselves.
    """
    where = ["--standalone"]
    if node is not None:
        number, machines, port = node
        where = ["--nnodes", machines, "--node-rank", number, "--master-addr", "127.0.0.1", "--master-port", port]
        if number is None:
            where = ["--nnodes", machines, "--rdzv-backend", "c10d", "--rdzv-id", "squares",
                     "--rdzv-endpoint", f"127.0.0.1:{port}", "--local-addr", "127.0.0.1"]  # fmt: skip
    command = [sys.executable, "-m", "torch.distributed.run", *where, "--nproc-per-node", processes,
               "--max-restarts", restarts,
               "-m", "wordsight", "train", recipe, "--folder", folder, *more]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [str(word) for word in command], env=environment, cwd=recipe.parent, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def end(*runs):
    """Wait for runs; return their exit codes and all they said."""
    try:
        said = [run.communicate(timeout=PATIENCE)[0] for run in runs]
    finally:
        for run in runs:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
                run.communicate()
    return [run.returncode for run in runs], "\n".join(said)


def write_recipe(folder, pairs):
    (folder / "squares.py").write_text(RECIPE.format(pairs=str(pairs), steps=STEPS))
    return folder / "squares.py"


def losses(folder):
    """Step → loss, as the log has it."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {line["step"]: line["loss"] for line in lines if "loss" in line and "step" in line}


def assert_same_model(folder, other):
    ours, theirs = read_checkpoint(folder).tensors, read_checkpoint(other).tensors
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        np.testing.assert_allclose(tensor, theirs[name], atol=2e-4, err_msg=name)


def test_two_processes_on_two_machines_train_as_one_process(table, alone, tmp_path):
    recipe, port = write_recipe(tmp_path, table), free_port()
    codes, said = end(*[begin(recipe, tmp_path / "run", node=(number, 2, port)) for number in (0, 1)])
    assert codes == [0, 0], said
    assert losses(tmp_path / "run") == pytest.approx(losses(alone), rel=1e-4)
    assert_same_model(tmp_path / "run", alone)
    assert said.count("Model: ") == 1  # the first process speaks for all


@pytest.mark.slow
def test_a_run_goes_on_with_its_network_split(table, alone, tmp_path):
    recipe, folder = write_recipe(tmp_path, table), tmp_path / "run"
    codes, said = end(begin(recipe, folder, processes=2))
    assert codes == [0], said
    assert losses(folder) == pytest.approx(losses(alone), rel=1e-4)
    shutil.rmtree(folder / "checkpoints" / f"step_{STEPS:08}")
    codes, said = end(begin(recipe, folder, "--resume", "--set", "compute.sharding=fsdp", processes=2))
    assert codes == [0], said
    assert losses(folder) == pytest.approx(losses(alone), rel=1e-4)
    assert_same_model(folder, alone)


@pytest.mark.slow
def test_fsdp_trains_as_one_process(table, alone, tmp_path):
    recipe = write_recipe(tmp_path, table)
    codes, said = end(begin(recipe, tmp_path / "run", "--set", "compute.sharding=fsdp", processes=2))
    assert codes == [0], said
    assert losses(tmp_path / "run") == pytest.approx(losses(alone), rel=1e-4)
    assert_same_model(tmp_path / "run", alone)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", ["none", "2"])
def test_compiled_towers_of_two_processes_learn_the_same(table, alone, tmp_path, chunk):
    settings = ["--set", "compute.compile=true", "--set", f"compute.chunk={chunk}"]
    codes, said = end(begin(write_recipe(tmp_path, table), tmp_path / "run", *settings, processes=2))
    assert codes == [0], said
    assert losses(tmp_path / "run") == pytest.approx(losses(alone), rel=1e-4)
    assert_same_model(tmp_path / "run", alone)


def test_what_a_scheduler_stops_has_its_checkpoint(table, tmp_path):
    folder = tmp_path / "run"
    more = ["--set", "steps=100000", "--set", "watch.save_every=100000", "--set", "data.workers=1"]
    run = begin(write_recipe(tmp_path, table), folder, *more, processes=2)
    until = time.monotonic() + PATIENCE
    while not ((folder / "log.jsonl").exists() and losses(folder)) and run.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGTERM)  # torchrun sends it on, to the workers that read the data too
    _, said = end(run)
    assert re.search(r"wordsight: Stopped after step [\d,]+ of 100,000\. Everything is saved in", said), said
    assert len(list((folder / "checkpoints").glob("step_*"))) == 1


FAILS = """
from wordsight.errors import TrainError
from wordsight.train import train
from wordsight.train.compute.processes import Processes

def run(config, folder, resume):
    def share(self, batch):
        if self.rank == 1:
            raise TrainError("The image that process 1 reads is upside down.")
        return batch
    Processes.split_batch = share
    return train(config, folder, resume=resume)
"""


def test_a_process_that_fails_says_why_itself(table, tmp_path):
    recipe = write_recipe(tmp_path, table)
    recipe.write_text(recipe.read_text() + FAILS)
    codes, said = end(begin(recipe, tmp_path / "run", processes=2))
    assert codes == [1]
    assert "wordsight: The image that process 1 reads is upside down." in said


def write_shards(folder, table, shards):
    """Write a table's pairs as webdataset shards, an image that is none in each."""
    folder.mkdir()
    rows = [line.split("\t") for line in table.read_text().splitlines()[1:]]
    for shard in range(shards):
        with tarfile.open(folder / f"{shard:05}.tar", "w") as tar:
            for number, (name, caption) in enumerate(rows[shard::shards]):
                image = b"not an image" if number == 3 else (table.parent / name).read_bytes()
                for ending, content in ((".png", image), (".txt", caption.encode())):
                    member = tarfile.TarInfo(f"{shard:05}{number:04}{ending}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
    return folder


@pytest.mark.slow
def test_each_process_reads_its_own_shards(table, tmp_path):
    recipe, port = write_recipe(tmp_path, write_shards(tmp_path / "shards", table, 4)), free_port()
    runs = [begin(recipe, tmp_path / "run", "--set", "steps=8", node=(None, 2, port)) for _ in range(2)]
    codes, said = end(*runs)
    assert codes == [0, 0], said
    # Did each process read all four shards, every broken image would be counted twice.
    assert "  4 samples skipped:" in said
    assert len(losses(tmp_path / "run")) == 8


@pytest.mark.slow
def test_a_number_of_processes_that_does_not_divide_the_batch(table, tmp_path):
    codes, said = end(begin(write_recipe(tmp_path, table), tmp_path / "run", processes=3))
    assert codes == [1]
    # Said by the first of the machine, and by the one that was first to fail.
    assert 1 <= said.count("A batch of 8 cannot be shared evenly by 3 processes. Set batch to 6 or 9") <= 2


KILLED_ONCE = """
import os, signal
from wordsight.train import train
from wordsight.train.monitor.reports import Watcher

class Killer(Watcher):
    def on_step(self, report):
        if report.step == 3 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            os.kill(os.getpid(), signal.SIGKILL)

def run(config, folder, resume):
    return train(config, folder, resume=resume, watchers=[Killer()])
"""


@pytest.mark.slow
def test_torchrun_starts_a_killed_run_again_from_its_last_checkpoint(table, alone, tmp_path):
    recipe = write_recipe(tmp_path, table)
    recipe.write_text(recipe.read_text() + KILLED_ONCE)
    codes, said = end(begin(recipe, tmp_path / "run", "--resume", processes=2, restarts=1))
    assert codes == [0], said
    assert_same_model(tmp_path / "run", alone)
