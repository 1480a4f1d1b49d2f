"""`wordsight embed`: what is written, and that nothing half-written or overwritten is left behind."""

import contextlib
import json
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from colour_model import ColourModel, write_images

from wordsight.cli import group
from wordsight.errors import InputError, MissingExtraError
from wordsight.output.embedding_files import open_writer


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.setattr("wordsight.model.load", lambda *args, **options: ColourModel())
    monkeypatch.chdir(tmp_path)
    write_images(tmp_path / "in", ["red-1.png", "blue-1.png"])
    return lambda line: CliRunner().invoke(group, ["embed", *line.split()])


def expected(tmp_path):
    return ColourModel().embed_images([tmp_path / "in" / "blue-1.png", tmp_path / "in" / "red-1.png"])


def test_npy_has_a_row_per_image_and_sidecars(run, tmp_path):
    (tmp_path / "in" / "broken.png").write_bytes(b"no")
    result = run("in -o out.npy")
    assert result.exit_code == 1, result.output
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), expected(tmp_path))
    assert (tmp_path / "out.paths.txt").read_text().splitlines() == ["in/blue-1.png", "in/red-1.png"]
    about = json.loads((tmp_path / "out.model.json").read_text())
    assert about == {"model": "colour", "fingerprint": "colour", "rows": 2, "dim": 256}
    assert result.stdout == ""
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["out.model.json", "out.npy", "out.paths.txt"]


def test_parquet_has_paths_embeddings_and_the_model(run, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run("in -o out.parquet").exit_code == 0
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table["path"].to_pylist() == ["in/blue-1.png", "in/red-1.png"]
    np.testing.assert_array_equal(np.array(table["embedding"].to_pylist(), np.float32), expected(tmp_path))
    assert table.schema.metadata[b"wordsight.fingerprint"] == b"colour"


@pytest.mark.parametrize("name", ["out.npy", "out.parquet"])
def test_many_rows_are_streamed(tmp_path, name):
    rows = np.random.default_rng(0).standard_normal((2500, 3)).astype(np.float32)
    with open_writer(tmp_path / name, 3, {"model": "m"}) as writer:
        for i, row in enumerate(rows):
            writer.add(tmp_path / f"{i}.png", row)
        writer.commit()
    if name.endswith(".npy"):
        np.testing.assert_array_equal(np.load(tmp_path / name), rows)
    else:
        import pyarrow.parquet

        column = pyarrow.parquet.read_table(tmp_path / name)["embedding"].combine_chunks()
        np.testing.assert_array_equal(column.flatten().to_numpy().reshape(-1, 3), rows)


@pytest.mark.parametrize("name", ["out.npy", "out.parquet"])
def test_an_interrupted_run_leaves_nothing(tmp_path, name):
    with contextlib.suppress(KeyboardInterrupt), open_writer(tmp_path / name, 3, {}) as writer:
        writer.add(tmp_path / "a.png", np.ones(3, np.float32))
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_overwritten_only_when_told(run, tmp_path):
    (tmp_path / "out.paths.txt").write_text("mine")
    result = run("in -o out.npy")
    assert isinstance(result.exception, InputError)
    assert "'out.paths.txt' exists already" in str(result.exception)
    assert (tmp_path / "out.paths.txt").read_text() == "mine"
    assert run("in -o out.npy --force").exit_code == 0
    assert (tmp_path / "out.paths.txt").read_text() != "mine"


@pytest.mark.parametrize(
    ("line", "message"),
    [("in -o out.csv", "ends in '.csv'; expected .npy or .parquet"), ("in -o no/out.npy", "'no' does not exist")],
)
def test_mistakes_are_named(run, line, message):
    assert message in str(run(line).exception)


def test_a_missing_extra_says_how_to_get_it(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    result = run("in -o out.parquet")
    assert isinstance(result.exception, MissingExtraError)
    assert "pip install 'wordsight[parquet]'" in str(result.exception)


def test_when_nothing_can_be_read_nothing_is_written(run, tmp_path):
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.png").write_bytes(b"no")
    assert run("bad -o out.npy").exit_code == 3
    assert not list(tmp_path.glob("out*"))
