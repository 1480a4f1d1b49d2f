"""Suite of few-shot results over sets: what is measured, kept, averaged and said."""

import csv
import dataclasses
import re
from dataclasses import replace

import numpy as np
import pytest
from trees import ImagesOnly, WithTexts, make_set

from wordsight.errors import InputError
from wordsight.evaluate.fewshot import curves
from wordsight.evaluate.fewshot.task import prepare_task
from wordsight.evaluate.predictions import read_predictions
from wordsight.evaluate.suite import cell as cells
from wordsight.evaluate.suite.cell import NO_SHOTS, Cell, Measure, Plan, measure_cell
from wordsight.evaluate.suite.report import answer_suite, build_suite_report, write_charts, write_figures
from wordsight.evaluate.suite.summary import summarise_suite
from wordsight.evaluate.zeroshot.run import run_zero_shot
from wordsight.metrics import measure_across_sets, measure_on_set, measure_on_sets


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def plan(tmp_path):
    return Plan(tmp_path / "out", shots=(1, 2, 8), seeds=2)


def test_a_cell_has_zero_shot_and_each_method_with_the_shots_that_there_are(plan):
    found = measure_cell(WithTexts(), make_set(), plan)
    assert list(found.hits) == [
        ("zero-shot", 0), ("probe", 1), ("probe", 2), ("probe", "all"),
        ("prior-probe", 1), ("prior-probe", 2), ("prior-probe", "all"),
    ]  # fmt: skip
    assert {hits.shape[1] for hits in found.hits.values()} == {found.test_images} == {12}
    assert [len(hits) for hits in found.hits.values()] == [1, 2, 2, 1, 2, 2, 1]


def test_what_is_there_is_not_fitted_again(plan, monkeypatch):
    first = measure_cell(WithTexts(), make_set(), plan)
    monkeypatch.setattr(cells, "fit_run", lambda *_: pytest.fail("fitted again"))
    second = measure_cell(WithTexts(), make_set(), plan)
    assert (first.reused, second.reused) == (0, 10)
    assert all((first.hits[measure] == second.hits[measure]).all() for measure in first.hits)


def test_what_is_of_another_model_or_set_or_damaged_is_fitted_again(plan):
    measure_cell(WithTexts(), make_set(), plan)
    other = WithTexts()
    other.fingerprint = "other weights"
    assert measure_cell(other, make_set(), plan).reused == 0
    assert measure_cell(other, make_set(seed=1), plan).reused == 0
    next((plan.out / "trees" / "with-texts" / "suite").glob("probe-1-*")).write_bytes(b"damaged")
    assert measure_cell(other, make_set(seed=1), plan).reused == 9


def test_images_to_learn_from_that_changed_are_fitted_again(plan):
    test, pool = make_set(), make_set(seed=2)
    measure_cell(WithTexts(), test, plan, pool=pool)
    again = measure_cell(WithTexts(), test, plan, pool=pool)
    relabelled = replace(pool, labels=pool.labels[::-1].copy())
    changed = measure_cell(WithTexts(), test, plan, pool=relabelled)
    assert again.reused > 0
    assert changed.reused == 0


def test_predictions_are_kept_for_comparisons(plan):
    found = measure_cell(WithTexts(), make_set(), plan)
    there = read_predictions(plan.out / "trees" / "with-texts" / "suite" / "probe-all-shots-seed-0.parquet")
    assert (there.hits == found.hits["probe", "all"]).all()


def test_zero_shot_has_the_probabilities_of_the_zero_shot_evaluation(plan):
    """In float64 wherever it is measured: of few classes float32 would round a sure answer to 1."""
    singles = make_set((1, 1, 1))
    measure_cell(WithTexts(), singles, plan)
    found = read_predictions(plan.out / "trees" / "with-texts" / "suite" / "zero-shot.parquet")
    expected = run_zero_shot(WithTexts(), singles).predictions
    assert (found.score == expected.score).all()
    assert found.origin.task == "suite"
    task = prepare_task(WithTexts(), make_set())
    few_shot = curves.predict_zero_shot(task)
    assert (few_shot.score == run_zero_shot(WithTexts(), task.test).predictions.score).all()


def test_one_image_a_class_is_measured_by_zero_shot_only(plan):
    found = measure_cell(WithTexts(), make_set((1, 1, 1)), plan)
    assert list(found.hits) == [("zero-shot", 0)]
    assert found.test_images == 3
    assert "one image per class" in found.notes[0]
    with pytest.raises(InputError, match="one image per class, and images-only embeds images only"):
        measure_cell(ImagesOnly(), make_set((1, 1, 1)), plan)


def test_one_class_cannot_be_measured(plan):
    with pytest.raises(InputError, match="nothing to tell apart"):
        measure_cell(WithTexts(), make_set((5, 0, 0)), plan)


def test_features_without_texts_have_the_probe_only(plan):
    found = measure_cell(ImagesOnly(), make_set(), plan)
    assert {name for name, _ in found.hits} == {"probe"}


def make_cell(dataset, seed, probe=0.7, model="mini"):
    rng = np.random.default_rng(seed)
    base, better = rng.random(40) < 0.5, rng.random(40) < probe
    rows = {("zero-shot", 0): [base], ("probe", 1): [base, np.zeros(40)], ("probe", "all"): [better]}
    hits = {Measure(*measure): np.array(each, float) for measure, each in rows.items()}
    return Cell(dataset, model, 5, 40, hits)


CELLS = [make_cell(name, seed) for seed, name in enumerate(("ash", "birch", "cedar", "dogwood"))]


def measure_each(cells):
    return [measure_on_set(np.stack([c.share(("zero-shot", 0)), c.share(("probe", "all"))], axis=1)) for c in cells]


def test_the_mean_counts_each_set_alike_and_takes_other_sets_into_account():
    several = [*CELLS, make_cell("elm", 4)]
    mean = summarise_suite(several).means[0]
    assert (mean.sets, mean.of_these_only) == (5, False)
    joint = measure_across_sets(measure_each(several))
    assert mean.accuracy["probe", "all"] == joint.estimate(1)
    assert mean.gap == joint.estimate_gain(1, 0)
    assert mean.gap.value == pytest.approx(mean.accuracy["zero-shot", 0].value - mean.accuracy["probe", "all"].value)


def test_few_sets_say_nothing_of_others():
    """Two sets that differ have an interval of ±100 points and more as a sample of sets."""
    result = summarise_suite(CELLS[:2])
    (mean,) = result.means
    assert mean.gap == measure_on_sets(measure_each(CELLS[:2])).estimate_gain(1, 0)
    assert "mean of 2 datasets (intervals: of these only)" in " ".join(answer_suite(result))
    low = [make_cell(name, 0, probe=probe) for name, probe in (("ash", 0.999), ("birch", 0.95))]
    assert all(estimate.high <= 1 for estimate in summarise_suite(low).means[0].accuracy.values())


def test_fewer_test_images_than_classes_are_warned_of():
    few = dataclasses.replace(CELLS[0], class_count=95)
    said = " ".join(answer_suite(summarise_suite([few])))
    assert said.startswith("mini on ash (40 images tested): Zero-shot ")
    assert "ash is tested on only 40 images of 95 classes, which tells little" in said


def test_figures_are_written_as_csv(tmp_path):
    path = write_figures(summarise_suite(CELLS), tmp_path / "out" / "suite.csv")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["set", "model", "method", "shots", "value", "low", "high", "n"]
    assert [(row["method"], row["shots"]) for row in rows[:3]] == [("zero-shot", "0"), ("probe", "1"), ("probe", "all")]
    assert len(rows) == 12
    assert float(rows[0]["value"]) == CELLS[0].hits["zero-shot", 0].mean()


def test_a_measure_has_the_interval_that_the_few_shot_curves_give_it(plan):
    """Seeds and images count alike in both, so that one figure never has two intervals."""
    cell = measure_cell(WithTexts(), make_set(), plan)
    (found,) = summarise_suite([cell]).sets
    task = prepare_task(WithTexts(), make_set(), templates=("a photo of a {}.",))
    runs = curves.run_methods(task, ["probe"], [1, 2, "all"], 2)
    result = curves.summarise(task, runs, curves.predict_zero_shot(task))
    assert found.accuracy["zero-shot", 0] == result.zero_shot
    for count, estimate in result.accuracy["probe"].items():
        assert found.accuracy["probe", count] == estimate


def test_groups_have_means_of_their_own():
    result = summarise_suite(CELLS, groups={"ash": "seen", "birch": "seen", "cedar": "new"})
    assert [(mean.group, mean.sets) for mean in result.means] == [("all sets", 4), ("seen", 2)]  # one set has no mean
    assert re.search(r"Of these, 2 seen: zero-shot [\d.]+ %, probe, all [\d.]+ %\.", " ".join(answer_suite(result)))


def test_sets_without_the_probe_are_left_out_of_the_mean_and_kept_in_the_table():
    single = Cell("flags", "mini", 3, 3, {NO_SHOTS: np.ones((1, 3))}, ("one image per class",))
    result = summarise_suite([*CELLS, single])
    assert result.means[0].sets == 4
    report = build_suite_report(result, "wordsight eval suite")
    assert "flags" in [row[0] for row in report.sections[1].parts[-1].rows]
    assert report.sections[-1].text == "flags: one image per class."


def test_the_answer_counts_the_sets_where_each_is_better():
    clear = [dataclasses.replace(make_cell(name, seed, probe=1.0), dataset=name) for seed, name in enumerate("abc")]
    said = " ".join(answer_suite(summarise_suite(clear)))
    assert said.startswith("mini, mean of 3 datasets (intervals: of these only): Zero-shot ")
    assert "Zero-shot is clearly better on 0 of 3 datasets, the probe on 3." in said


def test_a_report_is_json_and_its_charts_are_written(tmp_path):
    import json

    result = summarise_suite(CELLS, left_out=[("pcb", "only one class")])
    report = build_suite_report(result, "wordsight eval suite")
    json.dumps(report.data, allow_nan=False)
    assert report.sections[-1].text == "pcb: only one class"
    names = [path.name for path in write_charts(result, tmp_path)]
    assert names == ["suite-mini-gaps.png", "suite-mini-curve-all-sets.png"]
    assert all((tmp_path / name).with_suffix(".svg").exists() for name in names)
