"""Files that are whole or not there, whatever happens while they are written."""

import os
import stat
import subprocess
import sys
import threading

import pytest

from wordsight.durable import remove_parts, write_whole, written_whole


def test_a_file_appears_whole(tmp_path):
    write_whole(tmp_path / "a.txt", "héllo", sync=True)
    assert (tmp_path / "a.txt").read_bytes() == "héllo".encode()
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_failure_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(path, "old")

    def fail_half_way():
        with written_whole(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_killed_writer_leaves_a_part_that_is_removed(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(path, "old")
    code = (
        "import os, signal, sys, pathlib\nfrom wordsight.durable import written_whole\n"
        "with written_whole(pathlib.Path(sys.argv[1])) as part:\n"
        "    part.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert path.read_text() == "old"
    assert len(os.listdir(tmp_path)) == 2
    remove_parts(tmp_path, "a.txt")
    assert os.listdir(tmp_path) == ["a.txt"]


def test_of_many_writers_one_wins_whole(tmp_path):
    path = tmp_path / "a.txt"
    writers = [threading.Thread(target=write_whole, args=(path, str(n) * 10_000)) for n in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    text = path.read_text()
    assert text == text[0] * 10_000
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_permissions_are_those_of_any_new_file(tmp_path):
    write_whole(tmp_path / "a.txt", "x")
    (tmp_path / "b.txt").write_text("x")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("a.txt", "b.txt")]
    assert modes[0] == modes[1]
