"""Predictions in a file: what is written is what is read, and an edited file is refused."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.predictions import Origin, Predictions, read_predictions, write_predictions

ORIGIN = Origin(
    task="zeroshot", dataset="pets", dataset_hash="d1", model="mini", fingerprint="f1", version="1",
    templates=("a photo of a {}.",), command=("eval", "zeroshot", "pets"), seconds={"texts": 0.5},
)  # fmt: skip


def predict(labels, classnames=("cat", "dog", "cow"), **fields):
    keys = tuple(f"{n}.jpg" for n in range(len(labels)))
    data = LabelledSet("pets", keys, keys, np.array(labels), classnames, **fields)
    scores = np.random.default_rng(0).random((len(keys), len(classnames)))
    return Predictions.from_scores(ORIGIN, data, scores)


def assert_same(first, second):
    assert (first.origin, first.keys, first.classnames, first.split) == (
        second.origin, second.keys, second.classnames, second.split
    )  # fmt: skip
    assert dict(first.columns) == dict(second.columns)
    for part in ("labels", "top", "score"):
        np.testing.assert_array_equal(getattr(first, part), getattr(second, part))


@pytest.mark.parametrize(
    "predictions",
    [
        predict([0, 1, -1]),
        predict([[True, False, True], [False, False, False]]),
        predict([0, 1], ("Joshua tree", "Joshua tree")),
        predict([0, 1], columns={"top": ("a", None), "top_": ("b", "c"), "key": ("d", "e"), "region": (None, None)}),
    ],
    ids=["one class", "several classes", "two classes of one name", "columns called as ours"],
)
def test_what_is_written_is_read(tmp_path, predictions):
    write_predictions(tmp_path / "p.parquet", predictions)
    assert_same(predictions, read_predictions(tmp_path / "p.parquet"))


def test_other_programs_see_names(tmp_path):
    write_predictions(tmp_path / "p.parquet", predict([0, -1], columns={"region": ("north", "south")}))
    table = pq.read_table(tmp_path / "p.parquet").to_pydict()
    assert table["key"] == ["0.jpg", "1.jpg"]
    assert table["label"] == ["cat", None]
    assert set(table["top"][0]) == {"cat", "dog", "cow"}
    assert table["region"] == ["north", "south"]


def edit(path, *, facts=None, **columns):
    """Change columns of a file, or facts in its metadata."""
    table = pq.read_table(path)
    metadata = json.loads(table.schema.metadata[b"wordsight"])
    for name, value in (facts or {}).items():
        place = metadata if name in metadata else metadata["origin"]
        place[name] = value
    for name, value in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(value))
    pq.write_table(table.replace_schema_metadata({b"wordsight": json.dumps(metadata).encode()}), path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"facts": {"format": 2}}, "format 2, expected 1"),
        ({"facts": {"dataset_hash": None}}, "dataset_hash is None, expected str"),
        ({"facts": {"model": 7}}, "model is 7, expected str"),
        ({"facts": {"templates": "a photo"}}, "templates is 'a photo'"),
        ({"facts": {"classnames": ["cat", "dog"]}}, "outside the class names"),
        ({"top_number": [[], []]}, "classes of shape"),
        ({"top_number": [[0, 1, 9], [0, 1, 2]]}, "class number outside"),
        ({"score": [[0.5, 0.3, float("nan")], [0.5, 0.3, 0.2]]}, "not finite"),
        ({"label_number": [0, 3]}, "a label outside"),
        ({"key": ["0.jpg", "0.jpg"]}, "keys are not unique"),
    ],
)
def test_an_edited_file_is_refused(tmp_path, change, message):
    path = tmp_path / "p.parquet"
    write_predictions(path, predict([0, 1]))
    edit(path, **change)
    with pytest.raises(InputError, match=f"does not hold predictions of wordsight .*{message}"):
        read_predictions(path)


def test_a_file_of_another_kind(tmp_path):
    path = tmp_path / "p.parquet"
    pq.write_table(pa.table({"key": ["a"]}), path)
    with pytest.raises(InputError, match="does not hold predictions of wordsight"):
        read_predictions(path)
    path.write_bytes(b"PAR1" + b"x" * 40)
    with pytest.raises(InputError, match="does not hold predictions of wordsight"):
        read_predictions(path)
