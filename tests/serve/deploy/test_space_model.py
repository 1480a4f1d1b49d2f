"""A Space's model is there when it runs: bundled, downloaded by name, or copied; and Gradio is needed to write one."""

import importlib.metadata

import pytest

from wordsight.errors import InputError, MissingExtraError
from wordsight.gallery import Gallery
from wordsight.samples import sample_images
from wordsight.serve.space.write import SpaceOptions, write_space
from wordsight.weights.read import read_checkpoint
from wordsight.weights.write import write_checkpoint


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    """Location of a gallery whose model lies in a folder of this machine."""
    folder = tmp_path_factory.mktemp("own")
    write_checkpoint(read_checkpoint("mini"), folder / "model", "wordsight")
    with Gallery.create(folder / "index", model=folder / "model") as gallery:
        gallery.add(sample_images()[:3])
    return str(folder / "index")


def test_a_model_that_lies_here_has_to_be_copied(gallery, tmp_path):
    with pytest.raises(InputError, match=r"which the Space will not have; copy it with --copy-model"):
        write_space(tmp_path / "space", {"own": gallery})


def test_a_copied_model_answers_from_the_space(gallery, tmp_path, monkeypatch):
    space = write_space(tmp_path / "space", {"own": gallery}, SpaceOptions(copy_models=True))
    monkeypatch.chdir(space.folder)
    with Gallery.open("indexes/own") as copy:
        assert copy.info.model == f"models/{copy.info.fingerprint}"
        assert len(copy.search("a cat", 3)) == 3


def test_without_gradio_nothing_is_written(gallery, tmp_path, monkeypatch):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(MissingExtraError, match=r"wordsight space needs the package 'gradio'.*wordsight\[page\]"):
        write_space(tmp_path / "space", {"own": gallery})
    assert not (tmp_path / "space").exists()
