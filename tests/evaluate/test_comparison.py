"""Comparison of stored predictions: pairing by key, words, ranks over datasets, and files that do not fit."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import ttest_rel

from wordsight.cli import group
from wordsight.errors import InputError
from wordsight.evaluate.comparison.compare import compare_results
from wordsight.evaluate.comparison.experiments import choose_results
from wordsight.evaluate.comparison.report import build_report
from wordsight.evaluate.comparison.results import find_results
from wordsight.evaluate.comparison.words import describe_comparison
from wordsight.evaluate.predictions import Origin, Predictions, write_predictions
from wordsight.evaluate.report.sections import Table
from wordsight.metrics import estimate_gain, estimate_share, mcnemar

CLASSES = ("cat", "dog")


def predictions(hits, model="a", dataset="pets", *, method="zero-shot", keys=None, columns=None):
    """Predictions of cats, of which `hits` are right."""
    hits = np.asarray(hits, bool)
    keys = tuple(keys or (f"{place}.jpg" for place in range(len(hits))))
    origin = Origin(task="zeroshot", dataset=dataset, dataset_hash=f"hash of {dataset}", model=model,
                    fingerprint=model, version="1", method=method)  # fmt: skip
    top = np.where(hits[:, None], [[0, 1]], [[1, 0]])
    score = np.tile([[0.8, 0.2]], (len(hits), 1))
    return Predictions(origin, keys, np.zeros(len(hits), np.int64), CLASSES, top, score, columns or {})


def write(folder, *several):
    """Write predictions where `wordsight eval` does."""
    for each in several:
        write_predictions(folder / each.origin.dataset / each.origin.model / "predictions.parquet", each)
    return folder


def compare(*paths, **options):
    results, unread = find_results(paths)
    return compare_results(results, unread, **options)


def drawn_hits(share, n=200, seed=0):
    return np.random.default_rng(seed).random(n) < share


def test_two_models_are_paired_by_key(tmp_path):
    """The order of the rows does not matter, and images that one lacks are counted and left out."""
    first, second = drawn_hits(0.6), drawn_hits(0.8, seed=1)
    order = np.random.default_rng(2).permutation(200)
    b = predictions(second, "b")
    b = replace(b, keys=tuple(b.keys[i] for i in order[:190]), labels=b.labels[order[:190]], top=b.top[order[:190]],
                score=b.score[order[:190]])  # fmt: skip
    (each,) = compare(write(tmp_path, predictions(first, "a"), b)).sets
    common = np.sort(order[:190])
    assert (each.images, each.lacking) == (190, {"b": 10})
    expected = estimate_gain(first[common], second[common])
    assert each.pair.gain.value == pytest.approx(expected.value)
    assert (each.pair.gain.low, each.pair.gain.high) == pytest.approx((expected.low, expected.high), abs=1e-3)
    assert each.pair.mcnemar == mcnemar(first[common], second[common])


def test_the_better_one_is_named_with_its_lead(tmp_path):
    folder = write(tmp_path, predictions(np.arange(200) < 120, "a"), predictions(np.arange(200) < 150, "b"))
    assert describe_comparison(compare(folder)) == (
        "b is better than a by 15.0 points (9.9 to 20.1) on these 200 images of pets."
    )


def test_models_too_close_are_said_to_need_more_images(tmp_path):
    a, b = np.arange(200) < 120, (np.arange(200) >= 10) & (np.arange(200) < 133)  # loses 10, gains 13
    said = describe_comparison(compare(write(tmp_path, predictions(a, "a"), predictions(b, "b"))))
    assert said == (
        "b and a cannot be told apart on these 200 images of pets: b is 1.5 points ahead (−3.3 to 6.3). About 4,100 "
        "images would be needed for a difference of 1.5 points."
    )
    same = compare(write(tmp_path / "same", predictions(a, "a"), predictions(a, "b")))
    assert describe_comparison(same).startswith("a and b are right about the same images: nothing tells them apart")


def test_methods_of_one_model_are_contenders_too(tmp_path):
    zero, shots = predictions(drawn_hits(0.5)), predictions(drawn_hits(0.9), method="gda 4 shots seed 0")
    write_predictions(tmp_path / "zero.parquet", zero)
    write_predictions(tmp_path / "shots.parquet", shots)
    comparison = compare(tmp_path)
    assert set(comparison.labels) == {"zero-shot", "gda 4 shots seed 0"}
    assert describe_comparison(comparison).startswith("gda 4 shots seed 0 is better than zero-shot by")


def test_the_same_model_twice_is_told_apart_by_its_folder(tmp_path):
    write(tmp_path / "before", predictions(drawn_hits(0.5)))
    write(tmp_path / "after", predictions(drawn_hits(0.9)))
    before, after = str(tmp_path / "before"), str(tmp_path / "after")
    assert compare(before, after).labels == (before, after)
    with pytest.raises(InputError, match=r"both hold results of 'a' on 'pets', by the same method; name one"):
        compare(tmp_path)


def several_sets(folder, gains, sets=12, n=80):
    """Write hits of a model for each gain, on datasets of different difficulty; half of the images decide alike."""
    for number in range(sets):
        rng = np.random.default_rng(number)
        share, common = 0.3 + 0.4 * rng.random(), rng.random(n)
        for model, gain in gains.items():
            chance = np.where(np.arange(n) % 2, common, rng.random(n))
            write(folder, predictions(chance < share + gain, model, f"set {number}"))
    return folder


def test_many_models_have_ranks_over_datasets(tmp_path):
    comparison = compare(several_sets(tmp_path, {"weak": -0.25, "good": 0.0, "also good": 0.002}))
    assert len(comparison.common) == 12
    rows = {row.label: row for row in comparison.across.rows}
    assert rows["weak"].ranks == (3, 3)
    assert rows["good"].ranks == rows["also good"].ranks == (1, 2)
    assert set(comparison.across.tied) == {"good", "also good"}
    said = describe_comparison(comparison)
    assert "on average over 12 datasets" in said
    assert "weak is behind" in said
    report = build_report(comparison, "wordsight eval compare")
    assert json.loads(json.dumps(report.data, allow_nan=False))["across_sets"]["weak"]["ranks"] == [3, 3]
    tables = [part for section in report.sections for part in section.parts if isinstance(part, Table)]
    assert [len(table.rows) for table in tables] == [3, 12]


def test_two_models_over_datasets(tmp_path):
    comparison = compare(several_sets(tmp_path, {"a": 0.0, "b": 0.15}))
    said = describe_comparison(comparison)
    assert said.startswith("b is better than a by")
    assert "On exactly these datasets" in said
    (_, sets) = build_report(comparison, "").sections
    assert "of 12 datasets, a on 0" in sets.text
    alike = compare(several_sets(tmp_path / "alike", {"a": 0.0, "b": 0.001}))
    assert "datasets like these would be needed" in describe_comparison(alike)


def test_datasets_that_a_model_lacks_are_left_out_of_the_mean(tmp_path):
    several_sets(tmp_path, {"a": 0.0, "b": 0.1}, sets=3)
    write(tmp_path, predictions(drawn_hits(0.5), "a", "more"))
    comparison = compare(tmp_path)
    assert comparison.common == ("set 0", "set 1", "set 2")
    assert comparison.left_out == {"b": ("more",)}
    assert "No result of b on more." in build_report(comparison, "").sections[-1].text


def test_images_of_a_cluster_are_drawn_together(tmp_path):
    film = np.repeat(np.arange(40), 5)
    a, b = drawn_hits(0.5, 40)[film], drawn_hits(0.7, 40, seed=1)[film]
    columns = {"film": tuple(f"{number}.mp4" for number in film)}
    folder = write(tmp_path, predictions(a, "a", columns=columns), predictions(b, "b", columns=columns))
    plain, grouped = compare(folder).sets[0].pair, compare(folder, cluster="film").sets[0].pair
    assert grouped.gain.high - grouped.gain.low > 2 * (plain.gain.high - plain.gain.low)
    assert grouped.needed > 4 * plain.needed
    with pytest.raises(InputError, match="no column 'scene'; their columns: film"):
        compare(folder, cluster="scene")


def test_groups_of_images_count_once_in_shares_and_tests(tmp_path):
    """Of 20 films that are right or wrong as a whole, 500 frames know no more than 20."""
    film = np.repeat(np.arange(20), 25)
    columns = {"film": tuple(f"{number}.mp4" for number in film)}
    a, b = (np.arange(20) < 11)[film], (np.arange(20) >= 3)[film]
    comparison = compare(write(tmp_path, predictions(a, "a", columns=columns), predictions(b, "b", columns=columns)),
                         cluster="film")  # fmt: skip
    (each,) = comparison.sets
    assert each.groups == 20
    low, high = each.accuracies[0].low, each.accuracies[0].high
    wilson = estimate_share(np.arange(20) < 11)
    assert (low, high) == pytest.approx((wilson.low, wilson.high), abs=0.06)
    assert each.pair.mcnemar is None
    alone = ttest_rel(np.where(np.arange(20) >= 3, 1.0, 0.0), np.where(np.arange(20) < 11, 1.0, 0.0))
    assert each.pair.p == pytest.approx(alone.pvalue, abs=0.03)
    assert (each.pair.p < 0.05) == (each.pair.gain.low > 0)
    (standings,) = build_report(comparison, "").sections
    assert "500 images in 20 groups" in standings.text
    assert "Student's test, which counts the groups" in standings.text


def test_groups_decide_who_is_better_on_each_dataset(tmp_path):
    """McNemar's test, which takes frames for independent, would find a difference on all three."""
    film = np.repeat(np.arange(20), 25)
    columns = {"film": tuple(f"{number}.mp4" for number in film)}
    for number in range(3):
        for model, places in (("a", np.arange(20) < 11), ("b", np.arange(20) >= 5)):
            write(tmp_path, predictions(places[film], model, f"set {number}", columns=columns))
    comparison = compare(tmp_path, cluster="film")
    assert all(each.pair.p > 0.1 for each in comparison.sets)
    text = build_report(comparison, "").sections[-1].text
    assert "b is better on 0 of 3 datasets, a on 0; of 3 the images do not tell (Student's test by groups" in text


def test_figures_of_other_tools_are_compared_without_pairing(tmp_path):
    folder = write(tmp_path, predictions(drawn_hits(0.6), "a"))
    theirs = [
        {"dataset": "wds/pets", "model": "ViT-B-32", "pretrained": "openai", "task": "zeroshot_classification",
         "metrics": {"acc1": 0.9, "acc5": float("nan")}, "language": "en"},
        {"dataset": "wds/cars", "model": "ViT-B-32", "pretrained": "openai", "task": "zeroshot_classification",
         "metrics": {"acc1": float("nan")}},
        {"dataset": "wds/flickr8k", "task": "zeroshot_retrieval", "metrics": {"image_retrieval_recall@5": 0.8}},
    ]  # fmt: skip
    path = tmp_path / "clip_benchmark.json"
    path.write_text(json.dumps(theirs))  # with bare NaN, as CLIP_benchmark writes it
    comparison = compare(folder / "pets", path)
    assert [each.reason for each in comparison.unread] == [
        "wds/cars: acc1 is nan",
        "wds/flickr8k: the task 'zeroshot_retrieval' has no accuracy",
    ]
    (each,) = comparison.sets
    assert each.unpaired == ("ViT-B-32/openai",)
    assert each.standings is None
    theirs = each.to_dict()["accuracy"]["ViT-B-32/openai"]
    assert theirs == {"value": 0.9, "low": None, "high": None, "n": 0}  # not measured on these images
    assert describe_comparison(comparison) == (
        "On pets nothing tells whether a 55.0 % and ViT-B-32/openai 90.0 % differ by chance: of ViT-B-32/openai only "
        "an accuracy is known, not on which images."
    )
    notes = build_report(comparison, "").sections[-1].text
    assert "'wds/pets' is taken for the dataset 'pets', by the end of its name" in notes
    json.dumps(comparison.to_dict(), allow_nan=False)


def write_figure(path, dataset, model, accuracy):
    path.write_text(json.dumps({"dataset": dataset, "model": model, "metrics": {"acc1": accuracy}}))
    return path


def test_a_figure_has_no_place_among_models_on_the_same_images(tmp_path):
    folder = write(tmp_path, predictions(drawn_hits(0.6), "a"), predictions(drawn_hits(0.9, seed=1), "b"))
    path = write_figure(tmp_path / "paper.json", "pets", "c", 0.99)
    comparison = compare(folder / "pets", path)
    (each,) = comparison.sets
    assert [row.label for row in each.standings.rows] == ["b", "a"]
    assert describe_comparison(comparison).startswith("b is the best on these 200 images of pets: a, the next,")
    assert describe_comparison(comparison).endswith(
        "Not ranked: c (99.0 %), of which only an accuracy is known, not on which images."
    )


def test_equal_ends_of_names_may_be_different_datasets(tmp_path):
    ours = write(tmp_path, predictions(drawn_hits(0.6), "a"))
    one, other = (write_figure(tmp_path / f"{name}.json", f"{name}/pets", name, 0.5) for name in "xy")
    with pytest.raises(InputError, match=r"No two contenders have .* \(pets: a; x/pets: x; y/pets: y\)"):
        compare(ours / "pets", one, other)


def test_figures_of_other_tools_beside_predictions_are_read(tmp_path):
    folder = write(tmp_path, predictions(drawn_hits(0.6), "a"))
    write_figure(folder / "pets" / "a" / "theirs.json", "pets", "c", 0.7)
    ours = {"dataset": "pets", "model": "a", "metrics": {"acc1": 0.6}, "wordsight": {}}
    (folder / "pets" / "a" / "result.json").write_text(json.dumps(ours))
    assert [result.model for result in find_results([folder])[0]] == ["a", "c"]


def test_what_could_not_be_read_is_told_where_too_little_is_left(tmp_path):
    folder = write(tmp_path, predictions(drawn_hits(0.6), "a"))
    (folder / "pets" / "b.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match=r"There are only results of 'a'; .* Not compared: '.*b\.parquet' \("):
        compare(folder)


def test_figures_alone_tell_something_only_over_datasets(tmp_path):
    lines = [
        {"dataset": f"wds/set{number}", "model": model, "task": "zeroshot_classification",
         "metrics": {"acc1": 0.4 + 0.03 * number + gain + 0.002 * (number % 3)}}
        for number in range(8) for model, gain in (("a", 0.0), ("b", 0.02 + 0.002 * number))
    ]  # fmt: skip
    path = tmp_path / "all.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    comparison = compare(path)
    said = describe_comparison(comparison)
    assert said.startswith("b is better than a by 2.7 points")
    assert "paired by dataset, not by image" in said
    path.write_text("\n".join(map(json.dumps, lines[:2])))
    assert "nothing tells whether they differ by chance" in describe_comparison(compare(path))
    build_report(compare(path), "")


def test_equal_differences_of_figures_have_no_interval(tmp_path):
    """Two datasets with the same difference agree by rounding or by chance; that is not certainty."""
    lines = [
        {"dataset": f"wds/set{number}", "model": model, "task": "zeroshot_classification", "metrics": {"acc1": share}}
        for number, shares in enumerate([(0.5, 0.51), (0.7, 0.71)]) for model, share in zip("ab", shares, strict=True)
    ]  # fmt: skip
    path = tmp_path / "all.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    comparison = compare(path)
    assert describe_comparison(comparison) == (
        "b is 1.0 points ahead of a on each of 2 datasets. Only accuracies are known, and nothing tells whether they "
        "are that alike by chance."
    )
    json.dumps(build_report(comparison, "").data, allow_nan=False)


def test_datacomps_figures_are_read(tmp_path):
    (tmp_path / "model x").mkdir()
    path = tmp_path / "model x" / "eval_results.jsonl"
    path.write_text(json.dumps({"key": "vtab/pets", "dataset": "pets", "metrics": {"acc1": 0.5, "main_metric": 0.6}}))
    (result,), _ = find_results([path])
    assert (result.model, result.dataset, result.accuracy) == ("model x", "pets", 0.5)


def other_dataset(folder):
    other = predictions(drawn_hits(0.5), "b")
    return write(
        folder, predictions(drawn_hits(0.5), "a"), replace(other, origin=replace(other.origin, dataset_hash="x"))
    )


def other_labels(folder):
    other = predictions(drawn_hits(0.5), "b")
    return write(folder, predictions(drawn_hits(0.5), "a"), replace(other, labels=1 - other.labels))


def no_common_image(folder):
    elsewhere = [f"other/{place}.jpg" for place in range(200)]
    return write(folder, predictions(drawn_hits(0.5), "a"), predictions(drawn_hits(0.5), "b", keys=elsewhere))


def other_sets(folder):
    return write(folder, predictions(drawn_hits(0.5), "a", "pets"), predictions(drawn_hits(0.5), "b", "cars"))


def one_model(folder):
    return write(folder, predictions(drawn_hits(0.5), "a"))


def no_labels(folder):
    both = [replace(predictions(drawn_hits(0.5), name), labels=np.full(200, -1)) for name in "ab"]
    return write(folder, *both)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (other_dataset, r"'a' and of 'b' are of different datasets, both called 'pets' .*: images, labels or classes "
                        r"differ\. Predict both on the same images"),
        (other_labels, "The labels of 'pets' differ between the predictions of 'a' and of 'b'; predict both again"),
        (no_common_image, "No image of 'pets' is in the predictions of all: a, b"),
        (other_sets, r"No two contenders have results on the same dataset \(cars: b; pets: a\)"),
        (one_model, "There are only results of 'a'; a comparison needs two"),
        (no_labels, "None of the 200 common images of 'pets' has a label"),
    ],
)  # fmt: skip
def test_results_that_do_not_fit_are_refused(tmp_path, make, message):
    with pytest.raises(InputError, match=message):
        compare(make(tmp_path))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (None, None, "There is no file or folder '.*'; expected predictions that `wordsight eval` wrote"),
        ("x.txt", "", "is not a result; expected .parquet, .json or .jsonl"),
        ("x.json", "{", "x.json' is not JSON"),
        ("x.json", "{}", r"holds no result to compare \(x.json: no dataset with metrics\)"),
        ("x.json", '{"dataset": "a", "metrics": {"acc1": 71.2}}', "acc1 is 71.2, expected a share of 0 to 1"),
        ("x.json", '{"dataset": "a", "metrics": {"acc5": 0.7}}', "a: no acc1 among acc5"),
        ("x.json", '{"dataset": "a", "metrics": {"acc1": true}}', "a: no acc1 among acc1"),
        ("x.json", '{"dataset": "a", "model": {"x": 1}, "metrics": {"acc1": 0.5}}', "a: the model is {'x': 1}, expect"),
        ("x.parquet", "PAR", "does not hold predictions of wordsight"),
    ],
)
def test_files_without_a_result_are_refused(tmp_path, name, content, message):
    path = tmp_path / (name or "nothing")
    if name:
        path.write_text(content)
    with pytest.raises(InputError, match=message):
        find_results([path])


def test_a_folder_without_a_result_is_refused_and_a_damaged_file_is_listed(tmp_path):
    (tmp_path / "bad.parquet").write_text("PAR")
    with pytest.raises(InputError, match=r"holds no result to compare \(bad.parquet: .*does not hold predictions"):
        find_results([tmp_path])
    write(tmp_path / "good", predictions(drawn_hits(0.5), "a"), predictions(drawn_hits(0.6), "b"))
    comparison = compare(tmp_path)
    assert [each.path.name for each in comparison.unread] == ["bad.parquet"]
    assert "bad.parquet" in build_report(comparison, "").sections[-1].text


def test_the_command_prints_the_answer_first_and_writes_a_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    several_sets(tmp_path / "eval", {"a": 0.0, "b": 0.1, "c": 0.1}, sets=3)
    done = CliRunner().invoke(group, ["eval", "compare", "eval", "--report", "page.html"], catch_exceptions=False)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0].split()[0] in ("Any", "b", "c")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == 3
    assert "wordsight eval compare eval" in page
    as_json = CliRunner().invoke(group, ["eval", "compare", "eval", "--json"], catch_exceptions=False)
    assert json.loads(as_json.stdout)["contenders"] == ["a", "b", "c"]


def write_experiments(folder):
    """Zero-shot results of two models, and few-shot and suite results of one, as the commands lay them out."""
    for model, share in (("a", 0.5), ("b", 0.9)):
        write(folder, predictions(drawn_hits(share), model))
    for task in ("fewshot", "suite"):
        for seed in (0, 1):
            for method in ("probe", "gda"):
                each = predictions(drawn_hits(0.8, seed=seed), method=f"{method} 1 shots seed {seed}")
                origin = replace(each.origin, task=task)
                name = f"{method}-1-shots-seed-{seed}.parquet"
                write_predictions(folder / "pets" / "a" / task / name, replace(each, origin=origin))


def test_a_folder_of_several_experiments_is_compared_by_its_zero_shot_results(tmp_path):
    write_experiments(tmp_path)
    choice = choose_results([tmp_path])
    assert [(each.model, each.method) for each in choice.results] == [("a", "zero-shot"), ("b", "zero-shot")]
    assert choice.remarks == [
        "Only zero-shot results are compared; the folder holds 4 few-shot results (--task fewshot) and 4 suite "
        "results (--task suite) too."
    ]


@pytest.mark.parametrize("task", ["fewshot", "suite"])
def test_draws_of_a_few_shot_method_are_one_contender(tmp_path, task):
    write_experiments(tmp_path)
    choice = choose_results([tmp_path], task)
    assert [each.method for each in choice.results] == ["gda 1 shot", "probe 1 shot"]
    assert {each.path.parent.name for each in choice.results} == {task}
    assert any("Of up to 2 draws of the shots, the one with seed 0" in remark for remark in choice.remarks)
    assert compare_results(choice.results).labels == ("gda 1 shot", "probe 1 shot")


def test_draws_that_are_named_are_compared_as_they_are(tmp_path):
    write_experiments(tmp_path)
    paths = sorted((tmp_path / "pets" / "a" / "fewshot").glob("probe*"))
    assert [each.method for each in choose_results(paths).results] == ["probe 1 shots seed 0", "probe 1 shots seed 1"]


def test_an_experiment_that_a_folder_lacks_is_refused(tmp_path):
    write(tmp_path, predictions(drawn_hits(0.5)))
    with pytest.raises(InputError, match=r"There are no suite results in .*, but 1 zero-shot result\."):
        choose_results([tmp_path], "suite")


def test_a_method_that_a_dataset_lacks_is_left_out_of_many(tmp_path):
    for dataset, methods in (("pets", ("probe", "gda", "clap")), ("cars", ("probe", "gda"))):
        for method in methods:
            each = predictions(drawn_hits(0.8), dataset=dataset, method=f"{method} all shots seed 0")
            origin = replace(each.origin, task="fewshot")
            write_predictions(tmp_path / dataset / f"{method}.parquet", replace(each, origin=origin))
    choice = choose_results([tmp_path])
    assert {each.method for each in choice.results} == {"gda all images", "probe all images"}
    assert choice.remarks == ["Not on all 2 datasets, so left out: clap all images."]


def test_results_with_other_templates_are_told_apart(tmp_path):
    for folder, templates in (("a", ("a {}",)), ("a+templates-1", ("{}",)), ("a+templates-2", ("{}",))):
        each = predictions(drawn_hits(0.8))
        each = replace(each, origin=replace(each.origin, templates=templates))
        write_predictions(tmp_path / "pets" / folder / "predictions.parquet", each)
    labels = compare(tmp_path).labels
    assert [label.split(" · ")[0] for label in labels] == ["“a {}”", "“{}”", "“{}”"]
    assert len(set(labels)) == 3


def test_a_file_nested_too_deep_does_not_end_the_comparison(tmp_path):
    write(tmp_path, predictions(np.arange(40) < 20, "a"), predictions(np.arange(40) < 30, "b"))
    (tmp_path / "deep.json").write_text("[" * 100_000)
    assert [each.path.name for each in compare(tmp_path).unread] == ["deep.json"]
    with pytest.raises(InputError, match="is not JSON"):
        compare(tmp_path / "deep.json")
