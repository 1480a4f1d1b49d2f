"""An index outlives what happens to the one who writes it: kill -9 at random points, an interrupt, a full disk."""

import functools
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from indexing import colour_model, write_images
from project import SUPPORT

from wordsight.errors import StoreError
from wordsight.gallery import Gallery

pytest.importorskip("lance")
killed_runs = pytest.importorskip("killed_runs")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("kills", [4, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_points_the_index_opens_and_ends_up_as_if_nothing_happened(tmp_path, kills):
    folder, where = tmp_path / "in", str(tmp_path / "index")
    write_images(folder, range(40))
    command = [sys.executable, "-W", "ignore", SUPPORT / "processes" / "killed_runs.py", folder, where, str(kills), "0"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    states = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(states) == kills + 3
    for before, after in itertools.pairwise(states):
        assert before.items() <= after.items()  # what was in is in, the same
    killed_runs.index_all(folder, str(tmp_path / "fresh"))
    assert states[-1] == killed_runs.content(str(tmp_path / "fresh")) == killed_runs.content(where)
    assert len(states[-1]) == 40 + 20 * kills
    assert not list(Path(where).glob("*.part"))


COMMAND = "import sys; from wordsight.cli import main; sys.argv[0] = 'wordsight'; main()"


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(tmp_path):
    write_images(tmp_path / "in", range(800), size=(120, 90))
    where = str(tmp_path / "index")
    environment = {**os.environ, "WORDSIGHT_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-c", COMMAND, "index", str(tmp_path / "in"), "--into", where]
    run = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        # a shell's background job, as tests may be run in, ignores SIGINT, and so would its children
        preexec_fn=functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while run.poll() is None and "sources" not in notes(where):
        time.sleep(0.05)
    time.sleep(1.5)
    run.send_signal(signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130, said
    assert "images were indexed; rerun to continue." in said
    with Gallery.open(where) as gallery:
        assert f"{len(gallery):,} images were indexed" in said


def notes(where):
    try:
        return json.loads((Path(where) / "wordsight-index.json").read_text())["notes"]
    except OSError:
        return {}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 3 MB, of memory; only the administrator may mount it."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or subprocess.run([mount, "-t", "tmpfs", "-o", "size=3m", "none", place], check=False).returncode:
        pytest.skip("a small file system cannot be mounted here; that needs the administrator's rights")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_loses_nothing_and_more_room_lets_it_go_on(tmp_path, small_disk):
    write_images(tmp_path / "in", range(100))
    with Gallery.create(small_disk / "index", model=colour_model()) as gallery:
        gallery.add(tmp_path / "in")
        filler = small_disk / "filler"
        fill(filler)
        write_images(tmp_path / "in", range(100, 2000), size=(2, 2))
        with pytest.raises(StoreError, match=r"(?i)full|no space") as raised:
            gallery.add(tmp_path / "in")
        assert "images of this run were indexed; rerun to continue" in str(raised.value)
    with Gallery.open(small_disk / "index", model=colour_model()) as gallery:
        assert len(gallery) >= 100
        assert gallery.index.nearest(gallery.index.sample(1)[0], 1)
    filler.unlink()
    with Gallery.open(small_disk / "index", model=colour_model()) as gallery:
        gallery.add(tmp_path / "in")
        assert len(gallery) == 2000


def fill(file):
    """Leave no room at all."""
    with file.open("wb", buffering=0) as out:
        try:
            while out.write(bytes(4096)):
                pass
        except OSError:
            pass
