"""Search by example: measures by hand and against scikit-learn, groups kept apart, chance by simulation, cases."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score

from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.report.names import shorten_names
from wordsight.evaluate.similarity.measure import compare_similarity, measure_similarity, rank_by_class
from wordsight.evaluate.similarity.report import (
    build_report,
    draw_charts,
    find_cases,
    illustrate_cases,
    write_cases_sheet,
)


class Known:
    """A model that knows the vector of each image by its first pixel, and cannot read some."""

    def __init__(self, name, vectors_ND, lost=()):
        self.name = self.fingerprint = name
        self.vectors_ND, self.lost = vectors_ND, lost

    def stream_images(self, images):
        from wordsight.images.skipped import Skipped

        for image in images:
            number = int(image[0, 0, 0])
            yield Skipped(image, "is damaged") if number in self.lost else (image, self.vectors_ND[number])


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def labelled(labels, **columns):
    images = [np.full((4, 4, 3), n, np.uint8) for n in range(len(labels))]
    keys = tuple(f"{n}.png" for n in range(len(labels)))
    return LabelledSet("known", images, keys, np.array(labels), ("cat", "dog", "owl"), columns=columns)


def test_average_precision_is_scikit_learns_on_every_query():
    rng = np.random.default_rng(0)
    vectors_ND, labels = unit(rng.normal(size=(30, 6))), rng.integers(0, 3, 30)
    asked, values, first = rank_by_class(vectors_ND, labels, range(30), (1, 5))
    for place, row in enumerate(asked):
        others = np.flatnonzero(np.arange(30) != row)
        scores_N, right_N = vectors_ND[others] @ vectors_ND[row], labels[others] == labels[row]
        assert values["mAP"][place] == pytest.approx(average_precision_score(right_N, scores_N))
        order = others[np.argsort(-scores_N)]
        assert first[place].tolist() == order[:10].tolist()
        assert values["precision@5"][place] == np.mean(labels[order[:5]] == labels[row])


def test_images_of_a_group_are_neither_answers_nor_results():
    vectors_ND = unit(np.array([[1, 0], [1, 0.1], [1, 0.5], [0, 1]]))
    asked, values, first = rank_by_class(vectors_ND, np.array([0, 0, 0, 1]), ["a", "a", "b", "c"], (1,))
    assert asked.tolist() == [0, 1, 2]  # the last has no other image of its class
    assert values["mAP"].tolist() == [1, 1, 1]
    assert first[0].tolist()[:3] == [2, 3, -1]


def test_labels_that_are_not_known_answer_nothing_and_several_classes_need_one_in_common():
    vectors_ND = unit(np.eye(4) + 0.1)
    asked, _, _ = rank_by_class(vectors_ND, np.array([-1, -1, 0, 0]), range(4), (1,))
    assert asked.tolist() == [2, 3]
    many = np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]], bool)
    assert rank_by_class(vectors_ND, many, range(4), (1,))[0].tolist() == [0, 1]


def test_in_parts_it_is_the_same(monkeypatch):
    rng = np.random.default_rng(1)
    vectors_ND, labels = unit(rng.normal(size=(20, 4))), rng.integers(0, 2, 20)
    whole = rank_by_class(vectors_ND, labels, range(20))
    monkeypatch.setattr("wordsight.evaluate.similarity.measure._SCORES", 60)
    parts = rank_by_class(vectors_ND, labels, range(20))
    assert parts[1]["mAP"].tolist() == whole[1]["mAP"].tolist()
    assert parts[2].tolist() == whole[2].tolist()


def test_chance_is_the_mean_of_random_rankings():
    labels = [0] * 4 + [1] * 8
    rng = np.random.default_rng(0)
    chance = measure_similarity([Known("any", unit(np.eye(12)))], labelled(labels), ks=(1,), cache=False)[0].chance
    drawn = [rank_by_class(rng.normal(size=(12, 8)), np.array(labels), range(12), (1,))[1] for _ in range(1500)]
    for name, level in chance.items():
        assert np.mean([values[name].mean() for values in drawn]) == pytest.approx(level, abs=0.01)


@pytest.fixture
def results():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 8)
    good = Known("good", unit(np.eye(3)[labels] + 0.3 * rng.normal(size=(24, 3))))
    bad = Known("bad", unit(rng.normal(size=(24, 3))), lost=(5,))
    return measure_similarity([good, bad], labelled(labels), cache=False)


def test_models_are_compared_on_the_images_that_all_can_read(results):
    good, bad = results
    assert len(good.asked) == len(bad.asked) == 23
    difference = compare_similarity(bad, good)
    assert difference.value == pytest.approx(good.overall["mAP"].value - bad.overall["mAP"].value)
    assert difference.low > 0
    assert good.by_class["cat"]["mAP"].n == 7
    assert good.over_classes["mAP"].value == pytest.approx(np.mean([e["mAP"].value for e in good.by_class.values()]))


def test_the_report_says_who_is_better_and_shows_where(results, tmp_path):
    report = build_report(results, "", charts=draw_charts(results), cases=illustrate_cases(results))
    assert "good is better than bad by" in report.answer
    assert "a random ranking: 3" in report.answer
    three = build_report([*results, dataclasses.replace(results[1], model="worse")], "").answer
    assert "These intervals hold for all 2 comparisons at once." in three
    assert report.data["gains"]["bad"]["mAP"]["low"] > 0
    cases = find_cases(*results)
    gains = [case.better.values["mAP"][case.row] - case.worse.values["mAP"][case.row] for case in cases]
    assert min(gains) > 0
    assert [case.better.model for case in cases[:3]] == ["good"] * 3
    tiles = report.sections[-1].parts[0].tiles
    assert [text.split(" ")[0] for _, text in tiles] == ["query", *["good"] * 3, *["bad"] * 3]
    write_cases_sheet(tmp_path / "sheet.png", results)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 1000


def test_sets_that_cannot_be_searched_are_refused():
    with pytest.raises(InputError, match="No image of 'known' has another one of its class"):
        measure_similarity([Known("a", unit(np.eye(3)))], labelled([0, 1, 2]), cache=False)
    with pytest.raises(InputError, match="has no column 'document'; its columns are kind"):
        measure_similarity([], labelled([0], kind=("x",)), apart="document")


def test_results_on_other_images_are_not_compared(results):
    other = measure_similarity([Known("good", unit(np.eye(4)))], labelled([0, 0, 1, 1]), cache=False)
    with pytest.raises(InputError, match="'good' and 'good' are not on the same images"):
        compare_similarity(results[0], other[0])


def test_names_of_models_that_are_paths_are_shortened(tmp_path):
    (tmp_path / "run").mkdir()
    names = ["mini", f"resnet50:{tmp_path}", str(tmp_path / "run"), "ViT-B-32/openai"]
    assert shorten_names(names) == ["mini", "resnet50", "run", "ViT-B-32/openai"]
    (tmp_path / "other" / "run").mkdir(parents=True)
    both = [str(tmp_path / "run"), str(tmp_path / "other" / "run")]
    assert shorten_names(both) == both


def test_the_mean_of_classes_is_resampled_by_group():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 12)
    vectors_ND = unit(np.eye(2)[labels] + 0.8 * np.repeat(rng.normal(size=(6, 2)), 4, axis=0))
    data = labelled(labels, sheet=tuple(f"{n // 4}" for n in range(24)))
    (grouped,) = measure_similarity([Known("a", vectors_ND)], data, apart="sheet", cache=False)
    estimate = grouped.over_classes["mAP"]
    assert estimate.value == pytest.approx(np.mean([e["mAP"].value for e in grouped.by_class.values()]))
    assert estimate.high - estimate.low > 0.05
    assert "by sheet, of which there are 6" in build_report([grouped], "").sections[0].text


def test_few_queries_that_are_all_answered_are_not_certainty():
    vectors_ND = unit(np.array([[1, 0.0], [1, 0.1], [0, 1.0], [0.1, 1]]))
    one, other = (measure_similarity([Known(name, vectors_ND)], labelled([0, 0, 1, 1]))[0] for name in "ab")
    for found in (one.overall["mAP"], one.over_classes["mAP"]):
        assert (found.value, found.high) == (1.0, 1.0)
        assert found.low == pytest.approx(0.510, abs=1e-3)  # Wilson's of four of four
    assert one.overall["precision@10"].value == pytest.approx(1 / 3)  # of the three others, as by chance
    assert one.by_class["cat"]["mAP"].low == pytest.approx(0.342, abs=1e-3)
    gain = compare_similarity(one, other)
    assert gain.low < -0.5 < 0.5 < gain.high
