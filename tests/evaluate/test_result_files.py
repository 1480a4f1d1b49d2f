"""Result files: the keys of other tools exactly, and no bare NaN."""

import csv
import json

import numpy as np
import pytest

from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.predictions import Origin, Predictions
from wordsight.evaluate.result_files import (
    clip_benchmark_metrics,
    split_model,
    write_datacomp_line,
    write_per_class,
    write_result,
)
from wordsight.evaluate.zeroshot.summary import summarise


def predictions_of(dataset="pets", model="ViT-B-32/openai"):
    origin = Origin(task="zeroshot", dataset=dataset, dataset_hash="d", model=model, fingerprint="f", version="0")
    images = [np.zeros((2, 2, 3), np.uint8)] * 4
    data = LabelledSet(dataset, images, ("a", "b", "c", "d"), np.array([0, 0, 0, 1]), ("cat", "dog"))
    return Predictions.from_scores(origin, data, np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]]))


def test_a_result_has_the_keys_of_clip_benchmark_and_ours_under_one_more(tmp_path):
    predictions = predictions_of()
    summary = summarise(predictions)
    path = tmp_path / "new" / "result.json"
    write_result(path, predictions.origin, clip_benchmark_metrics(summary), {"summary": summary.to_dict()})
    text = path.read_text(encoding="utf-8")
    result = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert list(result) == ["dataset", "model", "pretrained", "task", "metrics", "language", "wordsight"]
    assert (result["model"], result["pretrained"], result["language"]) == ("ViT-B-32", "openai", "en")
    assert result["task"] == "zeroshot_classification"
    # CLIP_benchmark writes a bare NaN where there are fewer than five classes
    assert result["metrics"] == {"acc1": 0.75, "acc5": None, "mean_per_class_recall": (2 / 3 + 1) / 2}
    assert result["wordsight"]["origin"]["dataset_hash"] == "d"
    assert result["wordsight"]["summary"]["top1"]["low"] < 0.75


def test_a_line_of_csv_for_each_class(tmp_path):
    path = tmp_path / "new" / "per_class.csv"
    write_per_class(path, summarise(predictions_of()))
    with path.open(newline="") as file:
        cat, dog = csv.DictReader(file)
    assert (cat["class"], cat["images"], cat["most_often_taken_for"], cat["taken"]) == ("cat", "3", "dog", "1")
    assert (float(cat["recall"]), float(dog["recall"])) == (pytest.approx(2 / 3, abs=1e-6), 1.0)
    assert float(cat["low"]) < 2 / 3 < float(cat["high"])


def test_a_line_for_each_dataset_as_datacomp_writes_them(tmp_path):
    path = tmp_path / "eval_results.jsonl"
    path.write_text('{"key": "food", "dataset": "food", "metrics": {"acc5": NaN}}\n')  # as another tool wrote it
    for dataset in ("pets", "birds", "pets"):  # the second run of a dataset takes the place of the first
        predictions = predictions_of(dataset)
        write_datacomp_line(path, predictions, summarise(predictions))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["key"] for line in lines] == ["food", "birds", "pets"]
    assert lines[0]["metrics"] == {"acc5": None}
    assert lines[1]["metrics"] == {
        "acc1": 0.75,
        "acc5": None,
        "mean_per_class_recall": (2 / 3 + 1) / 2,
        "main_metric": 0.75,
    }
    assert lines[1]["random_score"] == pytest.approx(0.75**2 + 0.25**2)


@pytest.mark.parametrize(
    ("content", "message"),
    [("[1]", "holds list, expected an object for each result"), ("not JSON", "cannot be read as a file of results")],
)
def test_a_line_is_not_added_to_a_file_of_another_kind(tmp_path, content, message):
    path = tmp_path / "x.jsonl"
    path.write_text(content)
    predictions = predictions_of()
    with pytest.raises(InputError, match=message):
        write_datacomp_line(path, predictions, summarise(predictions))
    assert path.read_text() == content


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("ViT-B-32/openai", ("ViT-B-32", "openai")),
        ("mini", ("mini", "")),
        ("hf-hub:org/repo", ("hf-hub:org/repo", "")),
        ("http://localhost/v1", ("http://localhost/v1", "")),
        ("a/b/c.pt", ("a/b/c.pt", "")),
    ],
)
def test_names_of_models_in_two_parts(name, parts):
    assert split_model(name) == parts
