"""`wordsight export` and `wordsight import`."""

import numpy as np
import pytest
from click.testing import CliRunner
from clip_retrieval_folder import written

from wordsight import load
from wordsight.cli import group
from wordsight.errors import InputError, StoreError
from wordsight.index import open_index


def run(*arguments):
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def dim():
    return load("mini").spec.embed_dim


def some_vectors(n, dim):
    return np.random.default_rng(0).normal(size=(n, dim)).astype(np.float32)


def test_there_and_back(tmp_path, dim):
    columns = {"image_path": ["a.jpg", "b.jpg", "c.jpg"], "caption": ["red coat", "blue hat", "zero"]}
    vectors_ND = some_vectors(3, dim)
    vectors_ND[2] = 0
    folder = written(tmp_path / "theirs", [(vectors_ND, columns)])
    done = run("import", folder, "--model", "mini", "--in", tmp_path / "index")
    assert done.exit_code == 1
    assert f"2 × {dim} → {tmp_path / 'index'}" in done.stderr
    assert "1 of 3 images skipped" in done.stderr
    assert "img_emb_0.npy, row 2: its vector has the length 0.0" in done.stderr

    done = run("export", tmp_path / "ours", "--in", tmp_path / "index", "--float32")
    assert done.exit_code == 0
    assert f"2 × {dim} → {tmp_path / 'ours'}" in done.stderr

    done = run("import", tmp_path / "ours", "--in", tmp_path / "again")  # the model is noted
    assert done.exit_code == 0
    index = open_index(tmp_path / "again")
    assert index.info.fingerprint == load("mini").fingerprint
    assert [match.row.id for match in index.match_text("coat", 5)] == ["a.jpg"]


def test_the_model_must_be_said(tmp_path, dim):
    folder = written(tmp_path, [(some_vectors(1, dim), {"image_path": ["a.jpg"]})])
    done = run("import", folder, "--in", tmp_path / "index")
    assert isinstance(done.exception, InputError)
    assert "records which model made the vectors; add --model NAME" in str(done.exception)
    assert not (tmp_path / "index").exists()


def test_an_import_that_fails_makes_no_index(tmp_path, dim, monkeypatch):
    folder = written(tmp_path / "theirs", [(some_vectors(2, dim + 1), {"image_path": ["a.jpg", "b.jpg"]})])
    done = run("import", folder, "--model", "mini", "--in", tmp_path / "index")
    assert f"holds vectors of {dim + 1} dimensions; the model mini makes {dim}" in str(done.exception)
    assert not (tmp_path / "index").exists()

    def interrupted(folder, index, progress):
        index.set_note("sources", {})
        raise KeyboardInterrupt

    monkeypatch.setattr("wordsight.index.clip_retrieval.import_folder", interrupted)
    folder = written(tmp_path / "ours", [(some_vectors(2, dim), {"image_path": ["a.jpg", "b.jpg"]})])
    (tmp_path / "empty").mkdir()
    for name in ("index", "empty"):
        done = run("import", folder, "--model", "mini", "--into", tmp_path / name)
        assert (done.exit_code, done.stderr) == (130, "Interrupted.\n")
    assert not (tmp_path / "index").exists()
    assert list((tmp_path / "empty").iterdir()) == []


def test_no_index_no_export(tmp_path):
    done = run("export", tmp_path / "out", "--in", tmp_path / "none")
    assert isinstance(done.exception, StoreError)
    assert not (tmp_path / "out").exists()
