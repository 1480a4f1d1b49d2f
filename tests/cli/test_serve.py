"""`wordsight serve`: galleries by index or by folder, the token, a server in a process of its own."""

import contextlib
import os
import re
import signal
import subprocess
import sys

import httpx
import pytest

from wordsight.cli._serve.galleries import read_galleries
from wordsight.errors import InputError
from wordsight.gallery import Gallery
from wordsight.samples import sample_images


@pytest.fixture(autouse=True)
def own_data(tmp_path, monkeypatch):
    """A user's data folder of the test's own."""
    monkeypatch.setenv("WORDSIGHT_INDEX", str(tmp_path / "data" / "index"))


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for image in sample_images()[:3]:
        (folder / image.name).write_bytes(image.read_bytes())
    return folder


def test_a_folder_of_images_is_indexed_and_brought_up_to_date(photos, capsys):
    (place,) = read_galleries([str(photos)]).values()
    assert "3 images of" in capsys.readouterr().err
    (photos / "more.jpg").write_bytes(sample_images()[4].read_bytes())
    assert read_galleries([f"holiday={photos}"]) == {"holiday": place}
    with Gallery.open(place) as gallery:
        assert len(gallery) == 4


def test_an_index_is_served_as_it_is_under_the_name_of_its_folder(photos, tmp_path):
    Gallery.create(tmp_path / "shop").close()
    assert read_galleries([str(tmp_path / "shop")]) == {"shop": str(tmp_path / "shop")}
    with pytest.raises(InputError, match=r"Two galleries are named 'shop'.*NAME=INDEX"):
        read_galleries([str(tmp_path / "shop"), f"shop={tmp_path / 'shop'}"])


def test_what_does_not_exist_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere' does not exist; expected an index, or images"):
        read_galleries([str(tmp_path / "nowhere")])


def test_without_an_index_the_server_says_how_to_make_one(capsys):
    assert read_galleries([]) == {}
    assert "wordsight serve --gallery FOLDER" in capsys.readouterr().err


@contextlib.contextmanager
def started(*arguments):
    """A server in a process of its own; yields the process and its URL."""
    command = [sys.executable, "-m", "wordsight", "serve", "--port", "0", "--api-only", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        try:
            for line in process.stderr:
                if found := re.search(r"serving on (\S+)", line):
                    break
            else:
                raise AssertionError(f"the server ended with {process.wait()}")
            yield process, found[1]
        finally:
            process.kill()


def test_a_server_starts_and_stops_when_told(photos):
    with started("--gallery", photos) as (process, url):
        assert httpx.get(f"{url}/healthz", trust_env=False).json() == {"status": "ok"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--host", "0.0.0.0"], "reachable from other machines, so a token is needed"),
        (["--port", "70000"], "The port is 70000"),
        (["--token-file", "nowhere"], "The token file 'nowhere' cannot be read"),
    ],
)
def test_bad_options_are_explained(arguments, message):
    command = [sys.executable, "-m", "wordsight", "serve", "--api-only", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert message in done.stderr
