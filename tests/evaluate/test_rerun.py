"""Reruns: what is compared, what counts as equal, and what is said of a difference."""

import json
from dataclasses import replace

import numpy as np
import pytest

from wordsight.errors import InputError
from wordsight.evaluate.predictions import Origin, Predictions, write_predictions
from wordsight.evaluate.rerun import compare_figures, compare_predictions, describe, rerun

ORIGIN = Origin(task="fewshot", dataset="pets", dataset_hash="d", model="mini", fingerprint="f", version="1",
                method="probe 4 shots seed 0", command=("eval", "fewshot", "pets"))  # fmt: skip
SCORE = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3]])


def predictions(score=SCORE, top=((0, 1), (1, 0), (0, 1)), keys=("a", "b", "c"), **origin):
    return Predictions(replace(ORIGIN, **origin), keys, np.array([0, 1, 1][: len(keys)]), ("cat", "dog"),
                       np.array(top, np.int64), score)  # fmt: skip


def test_equal_means_bit_identical():
    assert compare_predictions(predictions(), predictions(seconds={"fit": 9.0})).equal
    nearly = SCORE.copy()
    nearly[1, 1] = np.nextafter(nearly[1, 1], 1)
    result = compare_predictions(predictions(), predictions(nearly))
    assert (result.equal, result.changed, result.largest) == (False, 0, pytest.approx(5.6e-17, rel=0.1))
    assert "what is left is the machine" in describe(result)


def test_images_are_matched_by_key_and_changes_counted():
    later = predictions(SCORE[[1, 0]], top=((1, 0), (1, 0)), keys=("b", "a"), version="2", fingerprint="g")
    result = compare_predictions(predictions(), later)
    assert (result.compared, result.changed, result.missing, result.added) == (2, 1, 1, 0)
    assert result.largest == pytest.approx(0.8)
    assert describe(result) == (
        "Not equal: 1 of 2 images have another class; the largest difference of a score is 0.8. 1 images are missing "
        "now, and 0 are new.\nDifferent from the record: version of wordsight: 1 → 2; model, backend or precision: "
        "f → g."
    )


def test_another_class_among_the_best_is_a_difference_even_at_the_same_scores():
    wide = predictions()
    wide = replace(wide, classnames=("cat", "dog", "cow"))
    other = replace(wide, top=np.array([[0, 2], [1, 0], [0, 1]]))
    assert not compare_predictions(wide, other).equal


def test_the_recorded_command_is_run_into_a_folder_that_is_gone_afterwards(tmp_path):
    path = tmp_path / "probe.parquet"
    write_predictions(path, predictions())
    seen = []

    def run(command, folder):
        seen.append(folder)
        assert command == ORIGIN.command
        write_predictions(folder / "pets/mini/other.parquet", predictions(method="probe 1 shots seed 0"))
        write_predictions(folder / "pets/mini/probe.parquet", predictions())

    assert rerun(path, run).equal
    assert not seen[0].exists()
    with pytest.raises(InputError, match="wrote no predictions of mini by 'probe 4 shots seed 0', but 0 other files"):
        rerun(path, lambda *_: None)


def test_figures_of_a_task_without_predictions(tmp_path):
    path = tmp_path / "pets" / "mini" / "retrieval.json"
    path.parent.mkdir(parents=True)
    figures = {
        "version": "1",
        "command": ["eval", "retrieval", "x"],
        "recall": {"1": 0.5, "5": [0.7, None]},
        "seconds": 3,
    }
    path.write_text(json.dumps(figures))

    def run(_command, folder):
        again = folder / "pets/mini/retrieval.json"
        again.parent.mkdir(parents=True)
        again.write_text(json.dumps({**figures, "seconds": 4}))

    result = rerun(path, run)
    assert describe(result) == "Equal: all 3 figures are the same to the last bit."
    changed = {**figures, "recall": {"1": 0.75, "10": 1.0}, "version": "2"}
    assert describe(compare_figures(figures, changed)) == (
        "Not equal: 1 of 1 figures differ; the largest difference is 0.25. 2 figures are missing now, and 1 are new.\n"
        "Different from the record: version of wordsight: 1 → 2."
    )
    with pytest.raises(InputError, match=r"wrote no mini/retrieval\.json to compare with"):
        rerun(path, lambda *_: None)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "cannot be read as a JSON file"), ("[]", "holds list, expected an object"), ("{}", "records no command")],
)
def test_json_files_of_another_kind(tmp_path, content, message):
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        rerun(path, lambda *_: None)
