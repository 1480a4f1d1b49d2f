"""Estimators: scikit-learn's own checks, equality with its probe, and use in its pipelines."""

import hashlib
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
from colour_model import ColourModel, image, write_images

sklearn = pytest.importorskip("sklearn", reason="the estimators are checked by scikit-learn's own tests")
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import Normalizer  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from wordsight import Classifier, LinearHead  # noqa: E402
from wordsight.errors import InputError  # noqa: E402
from wordsight.evaluate import FewShotClassifier, LinearProbe, ZeroShotClassifier  # noqa: E402
from wordsight.zeroshot.class_embeddings import normalise_rows  # noqa: E402


def word_vectors(labels, width):
    """A unit vector for each label, the same for the same label."""
    vectors = []
    for label in labels:
        seed = int.from_bytes(hashlib.sha256(repr(label).encode()).digest()[:8])
        vectors.append(np.random.default_rng(seed).standard_normal(width))
    return np.array([vector / np.linalg.norm(vector) for vector in vectors])


class AnyWidth:
    """Class embeddings as wide as the images: the checks fit arrays of many widths, a model gives one."""

    def _class_embeddings(self, width):
        return word_vectors(self.classes_.tolist(), width)


class ZeroShotOfAnyWidth(AnyWidth, ZeroShotClassifier):
    pass


class FewShotOfAnyWidth(AnyWidth, FewShotClassifier):
    pass


ESTIMATORS = [
    LinearProbe(),
    LinearProbe(C=1.0),
    ZeroShotOfAnyWidth(),
    FewShotClassifier("nearest-mean"),
    FewShotOfAnyWidth("gda"),
    FewShotOfAnyWidth("clap"),
    FewShotOfAnyWidth("tip-adapter"),
]


with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # that they do not inherit from BaseEstimator, which they run without
    check_all = parametrize_with_checks(ESTIMATORS)  # none is expected to fail


@check_all
def test_scikit_learn_checks(estimator, check):
    check(estimator)


RANDOM = np.random.default_rng(5)
LABELS = np.repeat(["tram", "bus", "ferry"], 20)
CENTRES = normalise_rows(RANDOM.standard_normal((3, 16)))
IMAGES = normalise_rows(CENTRES[np.repeat([0, 1, 2], 20)] + 0.25 * RANDOM.standard_normal((60, 16)))
VECTORS = normalise_rows(CENTRES + 0.1 * RANDOM.standard_normal((3, 16)))
WORDS = {"tram": VECTORS[0], "bus": VECTORS[1], "ferry": VECTORS[2]}


def test_the_probe_is_scikit_learns_logistic_regression():
    theirs = LogisticRegression(C=3.0, tol=1e-10, max_iter=10_000).fit(IMAGES.astype(float), LABELS)
    ours = LinearProbe(C=3.0).fit(IMAGES, LABELS)
    assert ours.classes_.tolist() == theirs.classes_.tolist() == ["bus", "ferry", "tram"]
    np.testing.assert_allclose(ours.coef_ - ours.coef_.mean(axis=0), theirs.coef_, atol=1e-3)
    np.testing.assert_allclose(ours.predict_proba(IMAGES), theirs.predict_proba(IMAGES.astype(float)), atol=1e-3)
    two = LABELS != "bus"
    theirs = LogisticRegression(C=3.0, tol=1e-10, max_iter=10_000).fit(IMAGES[two].astype(float), LABELS[two])
    decision = LinearProbe(C=3.0).fit(IMAGES[two], LABELS[two]).decision_function(IMAGES)
    np.testing.assert_allclose(decision, theirs.decision_function(IMAGES.astype(float)), atol=1e-3)


@pytest.mark.parametrize(
    "estimator",
    [
        LinearProbe(C=10.0),
        LinearProbe(),
        FewShotClassifier("nearest-mean"),
        FewShotClassifier("clap", class_embeddings=VECTORS[[1, 2, 0]]),
        ZeroShotClassifier(class_embeddings=VECTORS[[1, 2, 0]]),  # as sorted: bus, ferry, tram
    ],
    ids=["probe", "chosen probe", "nearest mean", "clap", "zero-shot"],
)
def test_estimators_work_in_pipelines_and_cross_validation(estimator):
    pipeline = make_pipeline(Normalizer(), estimator)
    assert cross_val_score(pipeline, IMAGES, LABELS, cv=3).min() > 0.8
    found = cross_val_predict(estimator, IMAGES, LABELS, cv=3, method="predict_proba")
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_parameters_are_searched():
    search = GridSearchCV(LinearProbe(), {"C": [1e-6, 10.0]}, scoring="neg_log_loss", cv=3).fit(IMAGES, LABELS)
    assert search.best_params_ == {"C": 10.0}
    search = GridSearchCV(FewShotClassifier(class_embeddings=WORDS), {"method": ["gda", "nearest-mean"]}, cv=3)
    assert search.fit(IMAGES, LABELS).best_score_ > 0.8


@pytest.mark.parametrize(
    "labels", [LABELS, np.repeat([7, -2, 30], 20), LABELS == "bus"], ids=["text", "number", "bool"]
)
def test_a_saved_estimator_answers_the_same(tmp_path, labels):
    fitted = LinearProbe(C=10.0).fit(IMAGES, labels)
    fitted.save(tmp_path / "probe.safetensors")
    again = LinearProbe.load(tmp_path / "probe.safetensors")
    assert again.predict(IMAGES).tolist() == fitted.predict(IMAGES).tolist()
    assert again.classes_.dtype == fitted.classes_.dtype
    np.testing.assert_allclose(again.predict_proba(IMAGES), fitted.predict_proba(IMAGES), atol=1e-5)
    head = LinearHead.load(tmp_path / "probe.safetensors")
    np.testing.assert_allclose(head.proba_of_embeddings(IMAGES), fitted.predict_proba(IMAGES), atol=1e-5)
    assert head.kind == "probe"
    assert head.facts["C"] == 10.0
    unpickled = pickle.loads(pickle.dumps(fitted))
    assert unpickled.predict(IMAGES).tolist() == fitted.predict(IMAGES).tolist()


def test_a_saved_estimator_answers_images_of_its_own_model(tmp_path, model):
    fitted = FewShotClassifier("gda", model=model).fit(SQUARES, COLOURS_OF_SQUARES)
    fitted.save(tmp_path / "gda.safetensors")
    again = FewShotClassifier.load(tmp_path / "gda.safetensors", model=model)
    assert again.method == "gda"
    assert again.predict(SQUARES).tolist() == COLOURS_OF_SQUARES
    model.fingerprint = "another"
    with pytest.raises(InputError, match=r"fitted on embeddings of another model \(colour\) than .*\(another\)"):
        again.predict(SQUARES)


def test_what_is_not_linear_cannot_be_saved(tmp_path):
    fitted = FewShotClassifier("tip-adapter", class_embeddings=WORDS).fit(IMAGES, LABELS)
    with pytest.raises(InputError, match=r"method='tip-adapter'.* is not linear in the embeddings.* pickle it"):
        fitted.save(tmp_path / "tip.safetensors")
    assert pickle.loads(pickle.dumps(fitted)).predict(IMAGES).tolist() == fitted.predict(IMAGES).tolist()


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    return ColourModel()


SQUARES = [image(colour, (8, 8 + i)) for i in range(4) for colour in ("red", "green", "blue")]
COLOURS_OF_SQUARES = ["red", "green", "blue"] * 4


def test_images_are_embedded_by_the_model(model):
    zero_shot = ZeroShotClassifier(model).fit(SQUARES, COLOURS_OF_SQUARES)
    assert zero_shot.score(SQUARES, COLOURS_OF_SQUARES) == 1
    expected = Classifier(model, ["blue", "green", "red"]).predict_proba(SQUARES)
    np.testing.assert_allclose(zero_shot.predict_proba(SQUARES), expected, atol=1e-5)
    for estimator in (LinearProbe(C=10.0, model=model), FewShotClassifier("clap", model=model)):
        assert estimator.fit(SQUARES, COLOURS_OF_SQUARES).score(SQUARES, COLOURS_OF_SQUARES) == 1
        np.testing.assert_allclose(
            estimator.predict_proba(SQUARES), estimator.predict_proba(model.embed_images(SQUARES)), atol=1e-6
        )
        assert estimator.to_head().fingerprint == "colour"


def test_paths_are_images_too(model, tmp_path):
    write_images(tmp_path, ["red-1.png", "blue-1.png"])
    paths = [tmp_path / "red-1.png", str(tmp_path / "blue-1.png")]
    fitted = ZeroShotClassifier(model, classnames={0: "red", 1: ["blue", "navy"]}).fit(paths)
    assert fitted.predict(paths).tolist() == [0, 1]
    assert fitted.predict(np.array(list(map(str, paths)))).tolist() == [0, 1]
    assert fitted.predict(np.stack([np.asarray(image("blue")), np.asarray(image("red"))])).tolist() == [1, 0]


def test_a_class_without_image_is_an_answer_of_zero_shot(model):
    fitted = ZeroShotClassifier(model, classnames=["red", "blue", "green"]).fit(SQUARES[:2], ["red", "green"])
    assert fitted.predict([image("blue")]).tolist() == ["blue"]


@pytest.mark.parametrize(
    ("estimator", "labels", "message"),
    [
        (LinearProbe(C=-1), LABELS, "C is -1, expected a positive number, or None"),
        (LinearProbe(random_state=None), LABELS, "random_state is None, expected a whole number"),
        (FewShotClassifier("clip"), LABELS, "method is 'clip', expected one of probe.* Did you mean: clap"),
        (FewShotClassifier("clap"), LABELS, r"needs embeddings of its classes; give a model \(model='mini'\)"),
        (ZeroShotClassifier(), LABELS, "needs embeddings of its classes"),
        (ZeroShotClassifier(class_embeddings=CENTRES[:2]), LABELS, r"shape \(2, 16\), expected \(K, D\) .* 3 classes"),
        (ZeroShotClassifier(class_embeddings=CENTRES[:, :9]), LABELS, "9 numbers each, those of images 16"),
        (
            FewShotClassifier(class_embeddings={"bus": CENTRES[0]}),
            LABELS,
            "2 of the 3 labels are not among.*'ferry', 'tram'",
        ),
        (LinearProbe(), np.repeat("bus", 60), "one class only, 'bus'"),
        (LinearProbe(), LABELS[1:], r"inconsistent numbers of samples: \[60, 59\]"),
        (LinearProbe(), ["bus", 1] * 30, "labels are of mixed types .int, str."),
        (LinearProbe(), [0.5, 1] * 30, "Unknown label type: continuous"),
    ],
)
def test_mistakes_are_named(estimator, labels, message):
    if isinstance(labels, list) and isinstance(labels[0], str):
        labels = np.array(labels, object)
    with pytest.raises(InputError, match=message):
        estimator.fit(IMAGES, labels)


def test_parameters_are_named():
    with pytest.raises(InputError, match=r"parameter of LinearProbe is 'c', expected one of C, model, random_state"):
        LinearProbe().set_params(c=1)
    assert repr(FewShotClassifier("gda", templates="plain")) == "FewShotClassifier(method='gda', templates='plain')"
    assert LinearProbe(C=2.0).get_params() == {"C": 2.0, "model": None, "random_state": 0}


def test_they_run_without_scikit_learn():
    code = """
import sys
sys.modules["sklearn"] = None  # its import fails
import numpy as np
from wordsight.evaluate import LinearProbe
X, y = np.eye(4), ["a", "a", "b", "b"]
assert LinearProbe(C=10.0).fit(X, y).predict(X).tolist() == y
try:
    LinearProbe().predict(X)
except ValueError as error:
    assert "not fitted yet" in str(error)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
