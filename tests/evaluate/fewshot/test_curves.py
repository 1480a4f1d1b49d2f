"""Few-shot curves of a model whose embeddings are known: plans, intervals, crossovers, reports and files."""

import dataclasses
import math
import re

import numpy as np
import pytest
from trees import NAMES, ImagesOnly, WithTexts, make_set

from wordsight.errors import InputError
from wordsight.evaluate.fewshot import curves, report, saving, verdict
from wordsight.evaluate.fewshot.crossover import Crossover, find_crossover
from wordsight.evaluate.fewshot.curves import FewShotResult
from wordsight.evaluate.fewshot.task import open_pool, prepare_task
from wordsight.metrics import CrossedDraws, Estimate


def prepare(model=None, data=None, **options):
    return prepare_task(model or WithTexts(), data or make_set(), cache=False, **options)


def measure(task, methods=("probe", "prior-probe"), shots=(1, 2, "all"), seeds=3):
    notes = []
    methods, counts = curves.plan_methods(task, methods, notes), curves.plan_counts(task, shots, notes)
    runs = curves.run_methods(task, methods, counts, seeds)
    return curves.summarise(task, runs, curves.predict_zero_shot(task), notes), runs


def test_accuracy_is_the_mean_of_the_runs_hits():
    result, runs = measure(prepare())
    hits = [run.predictions.hits.mean() for run in runs if run.method == "probe" and run.count == 2]
    assert len(hits) == 3
    assert result.accuracy["probe"][2].value == pytest.approx(np.mean(hits))
    assert result.accuracy["probe"][2].n == result.test_images == 12
    assert result.gains["probe"][2].value == pytest.approx(np.mean(hits) - result.zero_shot.value)


def test_all_images_are_fitted_once_for_all_seeds():
    _, runs = measure(prepare())
    assert len([run for run in runs if run.count == "all"]) == 2
    assert len(runs) == curves.count_fits(("probe", "prior-probe"), (1, 2, "all"), 3)


def test_runs_do_not_know_the_labels_of_the_test_images():
    task = prepare()
    other = dataclasses.replace(task, test=dataclasses.replace(task.test, labels=(task.test.labels + 1) % 3))
    first, second = (measure(each, ("probe", "tip-adapter"))[1] for each in (task, other))
    assert all((a.predictions.score == b.predictions.score).all() for a, b in zip(first, second, strict=True))


def test_predictions_say_where_they_come_from():
    _, runs = measure(prepare())
    origin = runs[0].predictions.origin
    assert (origin.task, origin.method, origin.dataset) == ("fewshot", "probe 1 shots seed 0", "trees")
    assert origin.templates == ("a photo of a {}.",)
    assert len({run.predictions.origin.dataset_hash for run in runs}) == 1


def test_numbers_of_shots_that_the_pool_has_no_images_for_are_left_out_and_said():
    result, _ = measure(prepare(), shots=(1, 2, 8, 16))
    assert result.counts == (1, 2)
    assert "8 and 16 shots left out: more shots than images (4 a class at most)" in result.notes


def test_classes_with_fewer_images_give_all_they_have_and_it_is_said():
    result, _ = measure(prepare(data=make_set((8, 8, 2))), shots=(1, 4))
    assert "4 shots: 1 of 3 classes have fewer images and give all they have" in result.notes


def test_more_shots_than_any_class_has_are_refused():
    with pytest.raises(InputError, match="16 shots per class are asked for, but no class of 'trees' has more than 4"):
        curves.plan_counts(prepare(), [16], [])


def test_features_without_texts_leave_out_the_methods_that_need_them():
    result, _ = measure(prepare(ImagesOnly()), ("probe", "clap", "gda"))
    assert set(result.accuracy) == {"probe"}
    assert result.zero_shot is None
    assert not result.crossovers
    assert "clap and gda left out: they start from texts, and images-only embeds images only" in result.notes
    with pytest.raises(InputError, match="'images-only' embeds images only, but clap start from texts; use 'probe'"):
        curves.plan_methods(prepare(ImagesOnly()), ["clap"], [])


def test_a_pool_of_its_own_leaves_the_whole_set_to_test_on():
    task = prepare(pool=make_set((5, 5, 5), seed=1, split="train"))
    assert (len(task.pool.images), len(task.test.images)) == (15, 24)


def test_a_pool_with_its_classes_in_another_order_is_matched_by_name():
    pool = make_set((5, 5, 5), seed=1)
    turned = dataclasses.replace(pool, classnames=NAMES[::-1], labels=2 - pool.labels)
    assert (prepare(pool=turned).pool.labels == pool.labels).all()
    strange = dataclasses.replace(pool, classnames=("ash", "birch", "maple"))
    with pytest.raises(InputError, match="has the class 'maple', which the test set does not have"):
        prepare(pool=strange)


def test_classes_that_the_pool_lacks_are_left_out_of_the_test_too():
    task = prepare(pool=make_set((5, 0, 5), seed=1))
    assert task.pool.classnames == task.test.classnames == ("ash", "cedar")
    assert (len(task.test.images), len(task.test_MD)) == (16, 16)
    assert set(task.test.labels) == {0, 1}
    assert "1 of 3 classes have no image to learn from and are left out" in task.notes


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (make_set((8, 0, 0)), r"'trees' has images of 1 class \('ash'\), so there is nothing to tell apart"),
        (make_set((1, 1, 1)), "Each class has one image only"),
        (make_set(labels=np.full(4, -1)), "No image of 'trees' has a label"),
        (dataclasses.replace(make_set(), labels=np.ones((24, 3), bool)), "have several classes each"),
    ],
)
def test_sets_that_few_shot_learning_cannot_take_are_refused(data, message):
    with pytest.raises(InputError, match=message):
        prepare(data=data)


def test_images_without_a_label_are_left_out_and_said():
    labels = np.repeat(np.arange(3), 8)
    labels[:2] = -1
    assert "2 images of trees have no label and are left out" in prepare(data=make_set(labels=labels)).notes


def test_the_train_split_is_the_pool_where_there_is_one():
    def open_split(_, options):
        if options["split"] != "train":
            raise AssertionError(options)
        return make_set(seed=1, split="train")

    def refuse(*_):
        raise InputError("one set without splits")

    assert open_pool("trees", make_set(), open_split, {"limit": None}).split == "train"
    assert open_pool("trees", make_set(), refuse, {}) is None
    assert open_pool("trees", make_set(split="train"), open_split, {}) is None


@pytest.mark.parametrize(
    ("curve", "base", "shots"),
    [
        ({1: 0.2, 2: 0.4, 4: 0.8}, 0.6, math.sqrt(8)),  # half of the way from 2 to 4, on a logarithmic scale
        ({1: 0.5, 2: 0.4}, 0.5, 0.0),
        ({1: 0.2, 2: 0.4}, 0.5, math.inf),
        ({1: 0.2, "all": 0.8}, 0.8, 9.0),
    ],
)
def test_the_crossover_is_where_a_curve_first_reaches_zero_shot(curve, base, shots):
    hits = {count: share_of(value) for count, value in curve.items()}
    found = find_crossover(hits, share_of(base)[0], 9.0, CrossedDraws.draw(1, 10))
    assert found.shots == pytest.approx(shots)
    assert found.low <= found.shots <= found.high


def share_of(value):
    return (np.arange(10) < round(10 * value)).astype(float)[None]


def result_with(crossover, zero_shot=True):
    result, _ = measure(prepare(), ("probe",))
    return dataclasses.replace(result, crossovers={"probe": Crossover(*crossover)})


@pytest.mark.parametrize(
    ("crossover", "words"),
    [
        ((2.64, 1.2, math.inf), r"Zero-shot equals a 2\.6-shot linear probe \(1\.2 to more than 4\)\."),
        ((1.5, 0.0, 3.0), r"Zero-shot equals a 1\.5-shot linear probe \(fewer than 1 to 3\)\."),
        ((0.0, 0.0, 2.0), "The linear probe is as good as zero-shot from 1 image per class on"),
        (
            (math.inf, math.inf, math.inf),
            r"is better than the linear probe even with all 4 images per class\.",
        ),
        ((math.inf, 2.0, math.inf), "within chance"),
    ],
)
def test_the_crossover_in_words(crossover, words):
    assert re.search(words, report.say_crossover(result_with(crossover), "probe"))


def test_the_report_names_protocols_and_what_is_left_out():
    result, _ = measure(prepare(), ("probe", "tip-adapter:published"), (1, 2, 16))
    made = report.build_report(result, "wordsight eval fewshot trees")
    tables = {section.title: section.parts[-1] for section in made.sections if section.parts}
    assert tables["How each method is fitted"].rows[1][:2] == ["tip-adapter:published", "tuned on the test images"]
    assert [row[0] for row in tables["Accuracy by shots"].rows] == ["zero-shot", "probe", "tip-adapter:published"]
    assert made.sections[-1].text == "16 shots left out: more shots than images (4 a class at most)."
    assert "probe" in made.answer  # the published protocol is never the best


def with_gain(name, *, value, low, high, test_images=100):
    """A result in which the gain of a method with all images is set."""
    result, _ = measure(prepare(), ("prior-probe", "probe"))
    gains = {**result.gains, name: {**result.gains[name], "all": Estimate(value, low, high, test_images)}}
    return dataclasses.replace(result, gains=gains, test_images=test_images)


@pytest.mark.parametrize(
    ("gain", "words", "warning"),
    [
        ({"value": 0.1, "low": 0.05, "high": 0.15}, r"^Prior-probe is better than zero-shot by 10\.0", None),
        ({"value": 0.1, "low": -0.05, "high": 0.2}, "words alone are as good, as far", "not shown to be better"),
        ({"value": -0.1, "low": -0.2, "high": -0.05}, "words alone are better", "it is worse than zero-shot"),
        (
            {"value": 0.5, "low": 0.1, "high": 0.9, "test_images": 9},
            "9 test images are too few to tell which is better",
            "not shown to be better",
        ),
    ],
)
def test_words_that_are_as_good_are_said_and_a_head_is_saved_with_a_warning(gain, words, warning):
    result = with_gain("prior-probe", **gain)
    assert re.search(words, verdict.judge_gain(result, "prior-probe"))
    assert verdict.judge_gain(result, "prior-probe") in report.answer_in_words(result)
    said = verdict.describe_head("prior-probe", result)
    assert "prior-probe was measured with all images but the test images" in said
    if warning:
        assert f"Warning: it is {warning}" in said or warning in said.split("Warning:")[1]
    else:
        assert "Warning" not in said


def test_the_answer_is_about_the_first_method_and_a_higher_one_is_said_to_be_chosen():
    result, _ = measure(prepare(), ("nearest-mean", "probe"))
    accuracy = {name: {**by_count, "all": Estimate(value, 0.1, 1.0, 12)} for (name, by_count), value in zip(
        result.accuracy.items(), (0.75, 0.9), strict=True)}  # fmt: skip
    answer = report.answer_in_words(dataclasses.replace(result, accuracy=accuracy))
    assert answer.startswith("With all 4 images per class, nearest-mean is right on 75.0 %")
    assert "The highest of 2 methods is probe (90.0 %), but these test images chose it" in answer


def test_numbers_of_images_of_uneven_classes_are_a_range():
    result, _ = measure(prepare(data=make_set((8, 8, 2))))
    assert "“all” is 1 to 4 images per class, all that are not tested on: a single draw." in (
        report.build_report(result, "").sections[0].text
    )


def test_a_result_is_json():
    import json

    result, _ = measure(prepare())
    figures = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert figures["accuracy"]["probe"]["all"]["n"] == 12
    assert isinstance(result, FewShotResult)


def test_a_head_is_fitted_on_all_images_and_says_what_was_measured():
    task = prepare()
    result, _ = measure(task, ("tip-adapter", "probe"))
    head = saving.fit_head(task, ("tip-adapter", "probe"), WithTexts(), result)
    assert (head.kind, head.classnames, head.fingerprint) == ("probe", NAMES, "texts")
    assert head.facts["images"] == 24
    assert head.facts["accuracy_measured"] == result.accuracy["probe"]["all"].value
    logits = head.logits_of_embeddings(task.test_MD)
    assert (logits.argmax(axis=1) == task.test.labels).mean() > 0.8


def test_what_is_not_linear_cannot_be_saved(tmp_path):
    with pytest.raises(InputError, match=r"tip-adapter cannot be saved as a linear head: .*Name one of: probe"):
        saving.check_save(tmp_path / "head.safetensors", ["tip-adapter"])
    with pytest.raises(InputError, match="does not exist; create it"):
        saving.check_save(tmp_path / "no" / "head.safetensors", ["probe"])
    saving.check_save(None, ["tip-adapter"])


def test_crossed_draws_vary_as_seeds_and_images_do():
    """Of values that differ by seed only, images add nothing, and the other way round; their variance is S² / n."""
    rng = np.random.default_rng(0)
    rows, columns = rng.normal(size=(12, 1)), rng.normal(size=(1, 400))
    draws = CrossedDraws.draw(12, 400, draws=4000)
    for table, count in ((np.repeat(rows, 400, 1), 12), (np.repeat(columns, 12, 0), 400)):
        assert draws.means(table).std() == pytest.approx(table.std() / math.sqrt(count), rel=0.1)


def test_an_empty_table_is_refused():
    with pytest.raises(InputError, match="no run or no image is left"):
        CrossedDraws.draw(0, 0)


def test_another_first_seed_draws_other_shots():
    runs = curves.run_methods(prepare(), ["nearest-mean"], [1, "all"], 2, first_seed=2)
    assert [(run.count, run.seed) for run in runs] == [(1, 2), (1, 3), ("all", 2)]
