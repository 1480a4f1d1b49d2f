"""What predictions say: equal to the published definitions, and to what can be counted by hand."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import average_precision_score, balanced_accuracy_score

from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.predictions import Origin, Predictions
from wordsight.evaluate.report.page import render_page
from wordsight.evaluate.report.text import render_text
from wordsight.evaluate.result_files import clip_benchmark_metrics
from wordsight.evaluate.zeroshot.report import build_report, find_confident_errors
from wordsight.evaluate.zeroshot.summary import NO_GROUP, score_matrix, summarise
from wordsight.evaluate.zeroshot.words import Evaluated, describe, describe_confusions, describe_groups
from wordsight.zeroshot.logistic import softmax

ORIGIN = Origin(task="zeroshot", dataset="animals", dataset_hash="d" * 32, model="mini", fingerprint="f" * 32,
                version="0", method="zero-shot", templates=("a photo of a {}.",))  # fmt: skip


def predict(score_NK, labels, classnames=None, **columns):
    score_NK, labels = np.asarray(score_NK, float), np.asarray(labels)
    n, k = score_NK.shape
    images = [np.full((2, 2, 3), i % 256, np.uint8) for i in range(n)]
    names = tuple(classnames or (f"class {i}" for i in range(k)))
    keys = tuple(f"{i}.jpg" for i in range(n))
    data = LabelledSet("animals", images, keys, labels, names, columns=columns)
    return Predictions.from_scores(ORIGIN, data, score_NK), data


def random_logits(n=203, k=11, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, k, n)
    return 3 * rng.standard_normal((n, k)) + 2 * np.eye(k)[labels], labels


def clip_benchmark(logits_NK, label_N):
    """Its definitions in NumPy: hits among the k greatest logits over N; mean of the diagonal over the row sums."""
    best_NK = np.argsort(-logits_NK, axis=1)
    n, k = logits_NK.shape
    within = {top: float((best_NK[:, :top] == label_N[:, None]).sum()) / n for top in (1, 5)}
    counts_KK = np.zeros((k, k))
    np.add.at(counts_KK, (label_N, best_NK[:, 0]), 1)
    seen = counts_KK.sum(axis=1) > 0
    recall = np.mean(np.diag(counts_KK)[seen] / counts_KK.sum(axis=1)[seen])
    return {"acc1": within[1], "acc5": within[5] if k >= 5 else None, "mean_per_class_recall": recall}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [3, 5, 11, 25])
def test_figures_are_those_of_clip_benchmark_to_the_last_digit(seed, k):
    logits_NK, labels = random_logits(k=k, seed=seed)
    predictions, _ = predict(softmax(logits_NK), labels)
    metrics = clip_benchmark_metrics(summarise(predictions))
    assert metrics == clip_benchmark(logits_NK, labels)
    assert metrics["mean_per_class_recall"] == balanced_accuracy_score(labels, logits_NK.argmax(axis=1))


def test_average_precision_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    label_NK = rng.random((150, 7)) < 0.2
    score_NK = rng.standard_normal((150, 7)) + label_NK
    predictions, _ = predict(score_NK, label_NK)
    expected = average_precision_score(label_NK, score_NK, average=None)
    summary = summarise(predictions)
    np.testing.assert_allclose([each.recall.value for each in summary.classes], expected, rtol=1e-12)
    assert clip_benchmark_metrics(summary) == {"mean_average_precision": pytest.approx(expected.mean(), rel=1e-12)}
    assert summary.main.low < summary.main.value < summary.main.high
    assert summary.chance == pytest.approx(label_NK.mean(axis=0).mean())
    np.testing.assert_array_equal(score_matrix(predictions), score_NK)


def test_calibration_error_is_that_of_scikit_learns_curve():
    logits_NK, labels = random_logits(n=300, k=6)  # 20 in each of the 15 bins
    proba_NK = softmax(logits_NK)
    predictions, _ = predict(proba_NK, labels)
    hits, confidence = proba_NK.argmax(axis=1) == labels, proba_NK.max(axis=1)
    right, said = calibration_curve(hits, confidence, n_bins=15, strategy="quantile")
    summary = summarise(predictions)
    assert summary.calibration_error == pytest.approx(np.abs(right - said).mean())
    assert summary.overconfidence.value == pytest.approx(confidence.mean() - hits.mean())


# four cats, of which one is taken for a dog, and two dogs, of which one is taken for a cat
TWO = ([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.4, 0.6], [0.1, 0.9], [0.95, 0.05]], [0, 0, 0, 0, 1, 1], ["cat", "dog"])


def test_classes_and_confusions_by_hand():
    predictions, _ = predict(*TWO)
    summary = summarise(predictions)
    cat, dog = summary.classes
    assert (cat.name, cat.n, cat.recall.value, cat.taken_for, cat.taken) == ("cat", 4, 0.75, "dog", 1)
    assert (dog.n, dog.recall.value, dog.taken_for) == (2, 0.5, "cat")
    assert [(c.true, c.guessed, c.count, c.n) for c in summary.confusions] == [
        ("dog", "cat", 1, 2),
        ("cat", "dog", 1, 4),
    ]
    assert (summary.top1.value, summary.top5, summary.chance) == (4 / 6, None, 0.5)
    assert summary.commonest == 4 / 6


def test_groups_stand_beside_what_their_classes_alone_would_give():
    predictions, _ = predict(*TWO, region=("Asia", "Asia", "Asia", "Africa", "Africa", None))
    groups = summarise(predictions, by=["region"]).groups["region"]
    assert [(g.name, g.accuracy.value, g.accuracy.n) for g in groups] == [
        (NO_GROUP, 0.0, 1), ("Africa", 0.5, 2), ("Asia", 1.0, 3)]  # fmt: skip
    assert [g.expected for g in groups] == [0.5, (0.75 + 0.5) / 2, 0.75]


def test_a_group_may_be_called_as_that_of_empty_cells():
    predictions, _ = predict(*TWO, region=("(none)", "(none)", "(none)", "Africa", "Africa", None))
    groups = summarise(predictions, by=["region"]).groups["region"]
    assert {group.name: group.accuracy.n for group in groups} == {"(none)": 3, "Africa": 2, "((none))": 1}


def test_the_worst_group_has_enough_images_where_any_has():
    score_NK = [[0.9, 0.1]] * 25
    labels = [0] * 10 + [1] * 3 + [0] * 8 + [1] * 4
    region = ("Europe",) * 10 + ("Atlantis",) * 3 + ("Asia",) * 12
    predictions, _ = predict(score_NK, labels, region=region)
    summary = summarise(predictions, by=["region"])
    assert (summary.worst_group("region").name, summary.best_group("region").name) == ("Asia", "Europe")


def test_images_without_a_label_are_left_out():
    score, labels, names = TWO
    predictions, _ = predict([*score, [0.5, 0.5]], [*labels, -1], names)
    assert summarise(predictions).to_dict() == summarise(predict(*TWO)[0]).to_dict()
    with pytest.raises(InputError, match="None of the 1 images of 'animals' has a label"):
        summarise(predict([[0.5, 0.5]], [-1])[0])


def test_a_class_without_images_is_named_and_not_measured():
    score = np.pad(np.array(TWO[0]), ((0, 0), (0, 1)))
    predictions, data = predict(score, TWO[1], ["cat", "dog", "axolotl"])
    summary = summarise(predictions)
    assert summary.classes[2].recall is None
    assert summary.mean_recall.value == (0.75 + 0.5) / 2
    report = build_report(Evaluated(predictions, summary, data), ["eval", "zeroshot", "x"])
    assert "Without images, and not measured: axolotl." in [section.text for section in report.sections]


def test_a_column_that_is_not_there_is_named():
    with pytest.raises(
        InputError, match=r"no column 'regoin' to group by; its columns: region. Did you mean: region\?"
    ):
        summarise(predict(*TWO, region=(None,) * 6)[0], by=["regoin"])


def test_the_answer_names_accuracy_chance_and_groups():
    predictions, _ = predict(*TWO, region=("Asia",) * 3 + ("Africa",) * 3)
    text = describe(Evaluated(predictions, summarise(predictions, by=["region"])))
    assert "mini names the class of 66.7 % [30.0, 90.3] of 6 images of animals, out of 2 classes" in text
    assert "chance level is 50.0 %" in text
    assert "By region, the worst of 2 groups is 'Africa': 33.3 %" in text
    assert "intervals overlap" in text
    assert "too few images to tell it from chance" in text


@pytest.mark.parametrize(("groups", "due_to_chance"), [(2, False), (12, True)])
def test_the_worst_of_many_groups_is_worse_by_chance(groups, due_to_chance):
    """Of 40 images each, 23 and 36 are right: too far apart for two groups, but not for the extremes of twelve."""
    hits = np.concatenate([np.arange(40) < right for right in (23, 36, *[30] * (groups - 2))])
    region = tuple(f"region {place // 40}" for place in range(len(hits)))
    predictions, _ = predict(
        np.where(hits[:, None], [[0.9, 0.1]], [[0.1, 0.9]]), np.zeros(len(hits), int), region=region
    )
    text = describe_groups(summarise(predictions, by=["region"]), "region")
    assert ("intervals overlap if they are to hold for all groups" in text) == due_to_chance


def test_confident_errors_come_first():
    predictions, data = predict(*TWO)
    tiles = find_confident_errors(predictions, data)
    assert [text for _, text in tiles.tiles] == [
        "“cat” 95 %; the label is “dog” (5.jpg)",
        "“dog” 60 %; the label is “cat” (3.jpg)",
    ]
    assert tiles.tiles[0][0] is data.images[5]


def test_a_report_of_several_labels_speaks_of_average_precision():
    labels = np.array([[True, True, False], [False, True, False], [True, False, False]])
    predictions, data = predict([[0.3, 0.2, 0.1], [0.3, 0.2, 0.1], [0.2, 0.1, 0.3]], labels, ["cat", "dog", "axolotl"])
    report = build_report(Evaluated(predictions, summarise(predictions), data), ["eval", "zeroshot", "x"])
    assert "finds the images of 3 classes with a mean average precision of" in report.answer
    text = render_text(report)
    assert "“axolotl” 0.30; the label is “cat” (2.jpg)\n" in text
    assert "Without images, and not measured: axolotl." in text
    page = render_page(report)
    assert page.count("<svg") == 1


def test_names_in_another_order_than_the_labels_are_told():
    labels = np.arange(120) % 4
    swapped = np.array([1, 0, 2, 3])[labels]  # the model says "b" of what is called "a", and the other way round
    predictions, data = predict(0.1 + 0.6 * np.eye(4)[swapped], labels, ["a", "b", "c", "d"])
    summary = summarise(predictions)
    report = build_report(Evaluated(predictions, summary, data), ["eval", "zeroshot", "x"])
    assert "label 0 is called 'a', but looks like 'b'" in report.answer
    assert "Names that may belong to other labels" in [section.title for section in report.sections]
    right = summarise(predict(0.1 + 0.6 * np.eye(4)[labels], labels)[0])
    assert not right.label_order.is_suspicious


def test_classes_that_are_never_recognised_are_named_first():
    names = ("fig", "kiwi", "lime", "pear")
    predictions, _ = predict(np.eye(4)[[0, 0, 0, 0, 3, 3]], [0, 1, 1, 2, 3, 3], names)
    summary = summarise(predictions)
    assert "2 of 4 classes are never recognised: 'kiwi' and 'lime'." in describe(Evaluated(predictions, summary))
    told = describe_confusions(summary.confusions)
    assert told == "Most often 'kiwi' is taken for 'fig' (2 of 2 images)."


def test_the_mean_recall_of_classes_of_one_image_is_as_uncertain_as_the_accuracy():
    """Resampling within a class of one image shows no spread; both figures are the same here."""
    predictions, _ = predict(np.eye(20)[[*range(5), *([0] * 15)]], np.arange(20))
    summary = summarise(predictions)
    assert summary.mean_recall.value == summary.top1.value == 0.25
    assert summary.mean_recall.low == pytest.approx(summary.top1.low)
    assert summary.mean_recall.high == pytest.approx(summary.top1.high)
