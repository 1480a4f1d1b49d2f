"""Zero-shot classification, with a model whose geometry is known and, where it is there, the bundled one."""

import json
import os
from pathlib import Path

import colour_model
import numpy as np
import pytest
from colour_model import COLOURS, ColourModel, image
from hypothesis import given
from hypothesis import strategies as st
from project import DATA

from wordsight import Classifier
from wordsight.errors import InputError
from wordsight.zeroshot.answer import NONE_LABEL
from wordsight.zeroshot.class_embeddings import embed_classes, normalise_rows, parse_classes
from wordsight.zeroshot.none_of_these import NoneOfThese, bank_words
from wordsight.zeroshot.transductive import joint_proba

PICTURES = [image(colour) for colour in ("red", "blue", "green", "red")]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))


def test_images_are_sorted_by_words():
    classifier = Classifier(ColourModel(), COLOURS)
    assert classifier.predict(PICTURES) == ["red", "blue", "green", "red"]
    assert classifier.top_k(PICTURES[:1], 2)[0][0] == ("red", pytest.approx(1, abs=0.01))


def test_probabilities_are_softmax_at_the_models_scale():
    model = ColourModel(scale=7.0)
    classifier = Classifier(model, COLOURS, templates="plain")
    images, texts = model.embed_images(PICTURES).astype(float), model.embed_texts(COLOURS).astype(float)
    expected = [[np.exp(7 * i @ t) / sum(np.exp(7 * i @ u) for u in texts) for t in texts] for i in images]
    np.testing.assert_allclose(classifier.predict_proba(PICTURES), expected, rtol=1e-5)


def test_siglip_gives_each_class_a_sigmoid_of_its_own():
    model = ColourModel(scale=20.0, bias=-8.0)
    proba = Classifier(model, COLOURS, templates="plain").predict_proba([image("yellow"), image("black")])
    cosines = model.embed_images([image("yellow")]).astype(float) @ model.embed_texts(COLOURS).astype(float).T
    np.testing.assert_allclose(proba[0], 1 / (1 + np.exp(8 - 20 * cosines[0])), atol=1e-6)
    assert proba[0].sum() > 1 > proba[1].sum()  # yellow is red and green; black is none of them


def test_a_class_is_the_normalised_mean_of_its_normalised_prompts():
    class LongTexts(ColourModel):
        """Returns vectors of unequal length, which a mean before normalising would weigh unequally."""

        def embed_texts(self, texts):
            return super().embed_texts(texts) * np.array([[len(text)] for text in texts])

    model, templates = LongTexts(), ["a {}", "a very much longer text about {}"]
    mean = sum(ColourModel().embed_texts([t.format("red")])[0].astype(float) for t in templates) / 2
    expected = mean / np.linalg.norm(mean)
    np.testing.assert_allclose(Classifier(model, ["red"], templates=templates).class_embeddings[0], expected, atol=1e-6)


def test_a_class_may_have_wordings():
    classes = {"warm": ["red", "a reddish red thing"], "cold": ["blue"]}
    assert Classifier(ColourModel(), classes).predict(PICTURES[:2]) == ["warm", "cold"]
    assert parse_classes(["# c", "cat", "", "bills = an invoice, a bill"]) == {
        "cat": ("cat",), "bills": ("an invoice", "a bill")}  # fmt: skip


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([], "list of classes is empty"),
        ({}, "list of classes is empty"),
        (["cat", "dog", "Cat"], "more than once: 'Cat', 'cat'"),
        (["cat", " "], "' ' is empty"),
        ("cat", "one string 'cat'"),
        ({"cat": []}, r"wordings of class 'cat' are \[\]"),
    ],
)
def test_bad_class_lists_are_named(classes, message):
    with pytest.raises(InputError, match=message):
        Classifier(ColourModel(), classes)


@pytest.mark.parametrize("line", ["= a bill", "bills =", "bills = , "])
def test_incomplete_class_lines_are_named(line):
    with pytest.raises(InputError, match="is not complete"):
        parse_classes([line])


def test_embeddings_of_another_model_are_refused():
    with pytest.raises(InputError, match="16 numbers each, the class embeddings 256"):
        Classifier(ColourModel(), COLOURS).proba_of_embeddings(np.ones((2, 16), np.float32))


# --- kept on disk -------------------------------------------------------------------------------------------------


def cached():
    return sorted(Path(os.environ["WORDSIGHT_CACHE"]).rglob("*.npy"))


def test_class_embeddings_are_kept_by_model_and_prompts():
    first = ColourModel()
    embeddings = Classifier(first, COLOURS).class_embeddings
    again = ColourModel()
    np.testing.assert_array_equal(Classifier(again, COLOURS).class_embeddings, embeddings)
    assert first.texts_seen
    assert not again.texts_seen
    Classifier(again, COLOURS, templates="plain")
    assert again.texts_seen == list(COLOURS)
    other = ColourModel()
    other.fingerprint = "another"
    Classifier(other, COLOURS)
    assert other.texts_seen
    assert len(cached()) == 3


@pytest.mark.parametrize("damage", ["cut", "wrong count", "not numbers", "not unit length", "pickle"])
def test_a_damaged_file_is_made_again(damage):
    embeddings = Classifier(ColourModel(), COLOURS).class_embeddings
    (path,) = cached()
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        wrong = {"wrong count": embeddings[:1], "not numbers": np.full_like(embeddings, np.nan),
                 "not unit length": embeddings * 2, "pickle": np.array([{}], dtype=object)}  # fmt: skip
        np.save(path, wrong[damage], allow_pickle=True)
    np.testing.assert_array_equal(Classifier(ColourModel(), COLOURS).class_embeddings, embeddings)
    np.testing.assert_array_equal(np.load(path), embeddings)


def test_a_cache_that_cannot_be_written_is_no_error(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "file"))
    assert Classifier(ColourModel(), COLOURS).predict(PICTURES[:1]) == ["red"]


def test_many_prompts_are_embedded_some_at_a_time():
    model = ColourModel()
    names = {f"class {i}": [f"class {i}"] for i in range(700)}
    embeddings = embed_classes(model, names, ["a {}.", "the {}."], cache=False)
    assert embeddings.shape == (700, colour_model.DIM)
    np.testing.assert_allclose(embeddings[650], embed_classes(model, {"x": ["class 650"]}, ["a {}.", "the {}."])[0])


# --- none of these ------------------------------------------------------------------------------------------------


def test_what_is_left_out_is_none_of_these():
    classifier = Classifier(ColourModel(), ["red", "blue"], none=True)
    assert classifier.predict(PICTURES) == ["red", "blue", NONE_LABEL, "red"]
    proba = classifier.predict_proba(PICTURES)
    assert proba.shape == (4, 3)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)


def test_the_bank_does_not_compete_with_a_class_of_its_own_words():
    words = bank_words()
    classes = normalise_rows(ColourModel().embed_texts([f"a photo of a {words[7]}."]))
    bank = normalise_rows(ColourModel().embed_texts([f"a photo of a {word}." for word in words]))
    judge = NoneOfThese.from_embeddings(classes, bank)
    assert not judge.allowed_KB[0, 7]
    assert judge.allowed_KB.mean() > 0.9


def test_the_answer_is_the_most_probable_label_none_included():
    classifier = Classifier(ColourModel(), COLOURS, none=True)
    rows = np.array([[0.22, 0.2, 0.13, 0.45], [0.4, 0.15, 0.1, 0.35]], dtype=np.float32)
    assert [ranked[0][0] for ranked in classifier.rank(rows, 2)] == [NONE_LABEL, "red"]
    colours = ("red", "black", "yellow", "purple", "grey")
    images = [image(colour) for colour in colours]
    proba = classifier.predict_proba(images)
    assert classifier.predict(images) == [classifier.labels[j] for j in proba.argmax(axis=1)]
    assert [ranked[0][0] for ranked in classifier.top_k(images)] == classifier.predict(images)


def test_siglip_with_none_is_one_distribution_too():
    proba = Classifier(ColourModel(scale=20.0, bias=-8.0), COLOURS, none=True).predict_proba(PICTURES)
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-5)


def test_independent_classes_may_all_be_true_or_none():
    classifier = Classifier(ColourModel(), COLOURS)
    proba = classifier.predict_proba_multi([image("yellow"), image("black")])
    assert proba.shape == (2, 3)
    assert proba[0, :2].min() > 0.9  # yellow is red and green
    assert proba[0, 2] < 0.1
    assert [sorted(names) for names in classifier.predict_multi([image("yellow"), image("black")])] == [
        ["green", "red"], []]  # fmt: skip


def test_a_image_judged_alone_gets_the_answer_that_it_always_gets():
    for none in (False, True):
        classifier = Classifier(ColourModel(), COLOURS, none=none)
        assert classifier.predict_together(PICTURES[:1]) == classifier.predict(PICTURES[:1])
        assert classifier.predict_proba_together(PICTURES).shape == (4, 3 + none)
        np.testing.assert_allclose(classifier.predict_proba_together(PICTURES).sum(axis=1), 1, rtol=1e-5)


def test_a_thousand_identical_images_and_no_image_are_judged_together():
    classifier = Classifier(ColourModel(), COLOURS, none=True)
    image_D = ColourModel().embed_images(PICTURES[:1])[0]
    proba = classifier.proba_together_of_embeddings(np.tile(image_D, (1000, 1)))
    assert (proba.argmax(axis=1) == 0).all()
    assert classifier.proba_together_of_embeddings(np.zeros((0, image_D.size), np.float32)).shape == (0, 4)
    assert classifier.proba_of_embeddings(np.zeros((0, image_D.size), np.float32)).shape == (0, 4)


@pytest.mark.parametrize("sizes", [(40, 40, 40), (100, 10, 10)])
def test_images_judged_together_correct_a_word_that_swallows_others(sizes):
    """Three clusters; the first class's text leans towards all images, so that it wins many of the others'."""
    rng = np.random.default_rng(0)
    centre_KD, shared_D = np.eye(3, 32), np.eye(1, 32, 4)
    truth_N = np.repeat(range(3), sizes)
    image_ND = normalise_rows(centre_KD[truth_N] + 0.2 * rng.standard_normal((len(truth_N), 32)) + 0.5 * shared_D)
    leaning_KD = centre_KD * [[0.6], [0.35], [0.35]] + shared_D * [[0.5], [0.1], [0.1]]
    class_KD = normalise_rows(leaning_KD + 0.1 * rng.standard_normal((3, 32)))
    alone = ((image_ND @ class_KD.T).argmax(axis=1) == truth_N).mean()
    together = (joint_proba(image_ND, class_KD, 20.0).argmax(axis=1) == truth_N).mean()
    print(f"alone {alone:.3f}, together {together:.3f}")
    assert together > alone + 0.03


def test_the_bank_has_no_word_twice():
    assert len(bank_words()) == len({word.casefold() for word in bank_words()}) > 400


def test_a_class_named_as_the_answer_is_refused():
    with pytest.raises(InputError, match="as the answer that none=True adds"):
        Classifier(ColourModel(), [NONE_LABEL], none=True)


@given(st.integers(1, 9))
def test_k_answers_are_returned_best_first(k):
    ranked = Classifier(ColourModel(), COLOURS, cache=False).top_k(PICTURES[:1], k)[0]
    assert len(ranked) == min(k, 3)
    assert [p for _, p in ranked] == sorted((p for _, p in ranked), reverse=True)


# --- the bug of the tutorial: dividing by the norm along axis 0 ------------------------------------------------------


def accuracy(image_ND, class_KD, truth_N, axis):
    """Share of right answers when embeddings are divided by their norm along `axis`."""
    image_ND = image_ND / np.linalg.norm(image_ND, axis=axis, keepdims=True)
    class_KD = class_KD / np.linalg.norm(class_KD, axis=axis, keepdims=True)
    return float(((image_ND @ class_KD.T).argmax(axis=1) == truth_N).mean())


def test_normalising_along_axis_0_costs_accuracy_in_a_made_up_space():
    """Directions that all images and texts share are as large as any in real models; axis 0 blows up the others."""
    rng = np.random.default_rng(0)
    class_KD = rng.standard_normal((20, 64)) * np.geomspace(3, 0.05, 64)  # few directions carry most, as in CLIP
    class_KD *= rng.uniform(0.3, 3, (20, 1))  # texts differ in length, whatever the image shows
    truth_N = rng.integers(0, 20, 1000)
    image_ND = class_KD[truth_N] + 0.6 * rng.standard_normal((1000, 64))
    right, wrong = (accuracy(image_ND, class_KD, truth_N, axis) for axis in (-1, 0))
    assert right > 0.85
    assert wrong < right - 0.2, f"axis -1: {right:.3f}, axis 0: {wrong:.3f}"
    np.testing.assert_allclose(np.linalg.norm(normalise_rows(image_ND), axis=-1), 1, rtol=1e-6)  # ours: the last axis


# --- the bundled model on real images ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mini():
    import wordsight

    if not (Path(wordsight.__file__).parent / "data" / "mini" / "model.safetensors").exists():
        pytest.skip("the bundled model is not in this checkout")
    return wordsight.load("mini")


def real_images(pattern, each=8):
    """The first `each` images of every folder that matches, with their folders' names."""
    folders = sorted(DATA.glob(pattern))
    if not folders:
        pytest.skip(f"no images at {DATA / pattern}; set WORDSIGHT_DATA")
    return [(path, folder.name) for folder in folders for path in sorted(folder.glob("*.*"))[:each]]


def test_normalising_along_axis_0_costs_accuracy_on_real_images(mini):
    """Over a whole set axis 0 hardly matters here; a batch at a time, as the tutorial does it, the answers depend on
    which images happen to be together: clothing validation, 341 images in folder order, 88.6 → 82.1 %.
    """
    rows = real_images("clothing/validation/*", each=12)
    wording = {"longsleeve": "long-sleeve top", "outwear": "jacket or coat"}
    names = sorted({name for _, name in rows})
    from wordsight.images.decode import read_image
    from wordsight.images.preprocess import preprocess

    pixels = [preprocess(read_image(path, at_least=None), mini.spec.preprocess) for path, _ in rows]
    batches = [np.stack(pixels[i : i + 16]) for i in range(0, len(rows), 16)]
    image_ND = np.concatenate([mini.encoder.encode_images(batch) for batch in batches])
    prompts = [f"a photo of a {wording.get(name, name)}." for name in names]
    text_KD = mini.encoder.encode_texts(mini.tokenizer(prompts).ids)
    truth_N = np.array([names.index(name) for _, name in rows])
    right, whole = (accuracy(image_ND, text_KD, truth_N, axis) for axis in (-1, 0))
    parts = [slice(i, i + 12) for i in range(0, len(rows), 12)]
    batch, alone = (np.mean([accuracy(image_ND[p], text_KD, truth_N[p], axis) for p in parts]) for axis in (0, -1))
    report = f"axis -1: {right:.3f}; axis 0: {whole:.3f} at once, {batch:.3f} in batches of 12"
    print(report)
    assert right > 0.7, report
    assert batch < right - 0.02, report
    assert alone == pytest.approx(right)  # along the last axis it does not matter what else is in the batch


def test_real_images_of_classes_left_out_are_none_of_these(mini):
    clothes = [path for path, _ in real_images("clothing/validation/*", each=4)]
    sets = ("animals22", "flowers17", "vehicles3")
    other = [path for name in sets for path, _ in real_images(f"transfer/{name}", each=15)]
    classifier = Classifier(mini, ["dress", "hat", "long-sleeve top", "jacket", "trousers", "shirt", "shoes", "shorts",
                                   "skirt", "t-shirt"], none=True)  # fmt: skip
    none_in, none_out = (classifier.predict_proba(paths)[:, -1] for paths in (clothes, other))
    assert (none_in > 0.5).mean() < 0.3, "clothes taken for none of these"
    assert (none_out > 0.5).mean() > 0.8, "animals, flowers and vehicles taken for clothes"


def test_an_answer_is_the_most_probable_label_and_goes_into_json():
    classifier = Classifier(ColourModel(), ["red", "green", "blue"], none=True)
    proba = classifier.predict_proba(PICTURES[:1])[0]
    answer = classifier.answer(proba, top=2)
    assert answer.chosen == (("red", pytest.approx(float(proba[0]))),)
    said = json.loads(json.dumps(answer.to_dict()))
    assert said["label"] == "red"
    assert said["labels"] == ["red"]
    assert [one["label"] for one in said["top"]] == [name for name, _ in answer.ranked]
    assert len(said["top"]) == 2
    assert said["none_probability"] == pytest.approx(float(proba[-1]), abs=1e-6)


def test_an_answer_of_independent_classes_names_all_that_are_probable_or_none():
    classifier = Classifier(ColourModel(), ["red", "green", "blue"])
    answer = classifier.answer(np.array([0.9, 0.2, 0.7], np.float32), multi=True)
    assert [name for name, _ in answer.chosen] == ["red", "blue"]
    nothing = classifier.answer(np.array([0.1, 0.2, 0.0], np.float32), multi=True)
    assert nothing.chosen == ((NONE_LABEL, pytest.approx(0.9 * 0.8)),)
    assert "none_probability" not in nothing.to_dict()
