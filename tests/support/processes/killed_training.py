"""A run that is killed and resumed until it is done: python killed_training.py TABLE FOLDER KILLS SEED KEY=VALUE ...

Everything is imported once, and each run is a fork of that. A kill comes at a random time, at the end of a random step,
or while a random file of a checkpoint is being written. Prints which, and the steps that were done by then.
"""

import os
import random
import signal
import sys
import time
import traceback
from pathlib import Path

from training import quickly, small_run

from wordsight import durable
from wordsight.train.config import settings
from wordsight.train.loop import train
from wordsight.train.monitor.reports import Watcher
from wordsight.train.run import checkpoints

STEPS, SAVE_EVERY = 10, 3


def forked(work):
    """Run `work` in a fork and return its process id."""
    if child := os.fork():
        return child
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def finished(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class DiesAt(Watcher):
    """Dies once so many steps of this process are done."""

    def __init__(self, steps):
        self.steps = steps

    def on_step(self, report):
        self.steps -= 1
        if not self.steps:
            die()


def run(config, folder, watchers=(), files=None):
    """Train; with `files`, die before that many writes to the disk are done."""
    if files is not None:
        left = [files]

        def counted(real):
            def sync(path):
                left[0] -= 1
                if not left[0]:
                    die()
                real(path)

            return sync

        durable.sync_file, durable.sync_folder = counted(durable.sync_file), counted(durable.sync_folder)
    with quickly():
        train(config, folder, resume=True, watchers=watchers)


def main(table, folder, kills, seed, changes):
    chance = random.Random(seed)
    config = settings.apply(small_run(table, steps=STEPS, watch__save_every=SAVE_EVERY), changes)
    start = time.monotonic()
    assert finished(forked(lambda: run(config, folder / "whole"))) == 0
    whole = time.monotonic() - start
    for n in range(kills):
        how, chosen = ["step", "file", "time"][n % 3], chance.random()
        if how == "step":
            child = forked(lambda at=1 + int(chosen * SAVE_EVERY): run(config, folder / "killed", [DiesAt(at)]))
        elif how == "file":
            child = forked(lambda at=2 + int(chosen * 5): run(config, folder / "killed", files=at))
        else:
            child = forked(lambda: run(config, folder / "killed"))
            time.sleep(chosen * whole)
            os.kill(child, signal.SIGKILL)
        code = finished(child)
        print(how, chosen, code, list(checkpoints.list_steps(folder / "killed")), flush=True)
        assert code in (-signal.SIGKILL, 0)
    assert finished(forked(lambda: run(config, folder / "killed"))) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:])
