"""Label errors: the confident joint by hand and by a loop, probabilities without the own label, injected errors."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from wordsight.errors import InputError
from wordsight.evaluate.data_quality.examination import build_report, examine_labels, show_suspects
from wordsight.evaluate.data_quality.label_errors import (
    _estimate_by_image,
    change_labels,
    estimate_proba,
    find_label_errors,
    measure_trust,
    select_known,
)
from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.report.sheets import write_contact_sheet


def test_a_joint_worked_by_hand():
    proba_NK = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.1, 0.9], [0.45, 0.55], [0.4, 0.6]])
    label_N = np.array([0, 0, 0, 1, 1, 1])
    found = find_label_errors(proba_NK, label_N)
    assert found.threshold_K == pytest.approx([0.6, 2.05 / 3])  # means of .9 .7 .2 and of .9 .55 .6
    # class 0 claims rows 0 and 1, class 1 rows 2 and 3; rows 4 and 5 are claimed by none
    assert found.joint_KK == pytest.approx(np.array([[2.0, 1.0], [0.0, 3.0]]))
    (suspect,) = found.suspects
    assert (suspect.row, suspect.given, suspect.likely) == (2, 0, 1)
    assert suspect.margin == pytest.approx(0.6)
    assert found.share == pytest.approx(1 / 6)


def by_a_loop(proba_NK, label_N):
    """Off-diagonal images of Northcutt et al.'s confident joint, as §3.1 reads."""
    classes = range(proba_NK.shape[1])
    threshold = [np.mean([p[k] for p, y in zip(proba_NK, label_N, strict=True) if y == k]) for k in classes]
    counted = {}
    for row, (p, y) in enumerate(zip(proba_NK, label_N, strict=True)):
        claims = [k for k in classes if p[k] >= threshold[k]]
        if claims:
            counted[row] = (y, max(claims, key=lambda k: p[k]))
    return counted


def test_the_joint_is_that_of_a_plain_loop():
    rng = np.random.default_rng(0)
    label_N = rng.integers(0, 4, 200)
    proba_NK = rng.dirichlet(np.ones(4), 200) + 0.6 * np.eye(4)[label_N]
    proba_NK /= proba_NK.sum(axis=1, keepdims=True)
    found = find_label_errors(proba_NK, label_N)
    counted = by_a_loop(proba_NK, label_N)
    expected = {row for row, (y, k) in counted.items() if y != k and proba_NK[row, k] > proba_NK[row, y]}
    assert {suspect.row for suspect in found.suspects} == expected
    margins = [suspect.margin for suspect in found.suspects]
    assert margins == sorted(margins, reverse=True)
    joint_KK = np.zeros((4, 4))
    for y, k in counted.values():
        joint_KK[y, k] += 1
    for given in range(4):
        assert found.joint_KK[given] == pytest.approx(
            joint_KK[given] / joint_KK[given].sum() * np.sum(label_N == given)
        )
    assert found.joint_KK.sum() == pytest.approx(200)


def blobs(per_class=12, classes=3, dim=8, seed=0):
    rng = np.random.default_rng(seed)
    label_N = np.repeat(np.arange(classes), per_class)
    image_ND = np.eye(dim)[label_N] + 0.25 * rng.normal(size=(len(label_N), dim))
    return (image_ND / np.linalg.norm(image_ND, axis=1, keepdims=True)).astype(np.float32), label_N


def test_an_image_has_no_part_in_its_own_probabilities():
    image_ND, label_N = blobs()
    before = estimate_proba(image_ND, label_N, 3, method="prior-probe", class_KD=np.eye(3, 8), scale=10.0)
    other = label_N.copy()
    other[0] = 2  # its own label; folds are by label, so only what it says of itself may not follow it
    after = estimate_proba(image_ND, other, 3, method="prior-probe", class_KD=np.eye(3, 8), scale=10.0)
    assert after[0].argmax() == before[0].argmax() == 0


def test_probabilities_are_those_of_scikit_learns_probes_on_the_other_folds():
    from wordsight.evaluate.folds import assign_folds

    image_ND, label_N = blobs()
    proba_NK = estimate_proba(image_ND, label_N, 3, method="probe", folds=4)
    fold_N = assign_folds(label_N, 4, 0)
    assert np.bincount(fold_N).tolist() == [9, 9, 9, 9]
    from wordsight.evaluate.fewshot.learned import Shots
    from wordsight.evaluate.fewshot.probe import fit_probe

    c = fit_probe(Shots(image_ND, label_N, 3), "grid").facts["C"]
    for fold in range(4):
        oracle = LogisticRegression(C=c, tol=1e-8, max_iter=10000).fit(
            image_ND[fold_N != fold], label_N[fold_N != fold]
        )
        assert proba_NK[fold_N == fold] == pytest.approx(oracle.predict_proba(image_ND[fold_N == fold]), abs=0.01)


def test_labels_that_are_changed_on_purpose_are_found():
    image_ND, label_N = blobs(per_class=20)
    trust = measure_trust(image_ND, label_N, 3, share=0.1, method="probe")
    assert trust.recall.value > 0.7  # of 18 labels, of which draws of the folds find two more or fewer
    assert trust.first.value == 1
    assert trust.precision.value > 0.6
    given_N, changed_N = change_labels(label_N, 3, 0.1, 0)
    assert changed_N.sum() == 6
    assert (given_N != label_N).tolist() == changed_N.tolist()
    assert np.bincount(given_N).min() >= 2


def test_classes_keep_two_images_when_labels_are_changed():
    _, changed_N = change_labels(np.array([0, 0, 1, 1]), 2, 0.5, 0)
    assert not changed_N.any()
    with pytest.raises(InputError, match="No class has more than 2 images"):
        measure_trust(np.eye(4), np.array([0, 0, 1, 1]), 2, method="probe")


class Known:
    """A model whose features of an image are in its pixels, and which embeds no texts."""

    name = fingerprint = "known"

    def __init__(self, image_ND):
        self.image_ND = image_ND

    def stream_images(self, images):
        for image in images:
            yield image, self.image_ND[int(image[0, 0, 0])]


def squares(labels, classnames=("cat", "dog", "owl", "single")):
    images = [np.full((6, 6, 3), n, np.uint8) for n in range(len(labels))]
    return LabelledSet("squares", images, tuple(f"{n}.png" for n in range(len(labels))), np.array(labels), classnames)


def test_an_examination_names_the_wrong_label_and_shows_it(tmp_path):
    image_ND, label_N = blobs(per_class=12)
    labels = label_N.copy()
    labels[3], labels[4], labels[5] = 2, -1, 3  # wrong, unknown, a class of its own
    result = examine_labels(Known(image_ND), squares(labels), cache=False)
    assert (result.method, len(result.data.images)) == ("probe", 34)
    first = result.to_dict()["likely_errors"][0]
    assert (first["key"], first["given"], first["likely"]) == ("3.png", "owl", "cat")
    report = build_report(result, "")
    assert "of the 34 labels of squares look wrong to known" in report.answer
    assert "1 classes with a single image are left out" in report.sections[0].text
    assert show_suspects(result).tiles[0][1].splitlines()[0] == "3.png"  # an array has no path to be found by
    write_contact_sheet(tmp_path / "sheet.png", [show_suspects(result)], "suspects")
    assert (tmp_path / "sheet.png").stat().st_size > 1000


def test_a_set_without_errors_says_so():
    _, label_N = blobs(per_class=12, seed=3)
    clean = examine_labels(Known(np.eye(3, dtype=np.float32)[label_N]), squares(label_N), cache=False)
    assert build_report(clean, "").answer == "None of the 36 labels of squares looks wrong to known."


def test_what_cannot_be_examined_is_refused():
    image_ND, label_N = blobs()
    with pytest.raises(InputError, match="The method is 'best', expected one of prior-probe, probe, zero-shot"):
        examine_labels(Known(image_ND), squares(label_N), method="best")
    with pytest.raises(InputError, match="needs a model that knows words, but 'known' does not; use 'probe'"):
        examine_labels(Known(image_ND), squares(label_N), method="zero-shot")
    with pytest.raises(InputError, match="gives images several classes"):
        select_known(squares(np.ones((3, 4), bool)))
    with pytest.raises(InputError, match="1 of the classes of 'squares' have 2 images or more"):
        select_known(squares([0, 0, 1]))
    with pytest.raises(InputError, match="There are 2 labels for 3 images"):
        find_label_errors(np.eye(3), np.array([0, 1]))
    with pytest.raises(InputError, match="Class number 1 has 1 image, expected 2 or more"):
        estimate_proba(np.eye(3), np.array([0, 0, 1]), 2, method="probe")


def test_a_multi_label_set_is_refused_before_anything_is_embedded():
    with pytest.raises(InputError, match="gives images several classes"):
        examine_labels(Known(None), squares(np.ones((3, 4), bool)), cache=False)


def test_no_suspect_gives_no_precision_rather_than_an_observation():
    """Class embeddings that say nothing: every image is as probable in each class, and none is a suspect."""
    image_ND, label_N = blobs(per_class=4)
    trust = measure_trust(image_ND, label_N, 3, method="zero-shot", class_KD=np.zeros((3, 8)))
    assert trust.precision is None
    assert trust.first is None
    assert trust.recall.value == 0
    assert trust.to_dict()["precision"] is None


def test_draws_of_the_same_images_are_not_counted_as_more_images():
    """Each of 3 draws answers alike of 6 images: no narrower than Wilson's interval of 6."""
    hits = [(row, True) for row in range(6)] * 3
    assert _estimate_by_image(hits).low == pytest.approx(6 / (6 + 1.96**2), abs=1e-3)
