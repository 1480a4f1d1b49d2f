"""Values of other types than a call takes: each an InputError that shows the value and says what was expected."""

from pathlib import Path

import numpy as np
import pytest
from indexing import colour_model
from PIL import Image

from wordsight import Classifier, load
from wordsight.errors import InputError, UnknownModelError, WordsightError
from wordsight.gallery import Gallery
from wordsight.weights.layouts.assemble import to_parts
from wordsight.weights.read import read_checkpoint
from wordsight.zeroshot.templates import resolve_templates

RED = Image.new("RGB", (4, 4), "red")
LONG = "x" * 5000


@pytest.fixture(scope="module")
def model():
    return colour_model()


@pytest.fixture(scope="module")
def gallery(tmp_path_factory, model):
    pytest.importorskip("lance")
    with Gallery.create(tmp_path_factory.mktemp("place") / "index", model=model) as gallery:
        gallery.add([("a", RED)])
        yield gallery


@pytest.mark.parametrize("name", [None, 3, b"", [], "", "\ud800"])
def test_a_model_is_a_name_or_a_path(name):
    with pytest.raises(InputError, match=r"^The model is .*expected a name|^The model is named ''; expected a name"):
        load(name)


@pytest.mark.parametrize("name", [LONG, "x/" * 3000, Path(LONG), "~" + "x" * 300])
def test_a_model_name_that_is_too_long_is_shortened(name):
    with pytest.raises(WordsightError) as caught:
        load(name)
    assert len(str(caught.value)) < 600
    if name == LONG:
        assert isinstance(caught.value, UnknownModelError)


@pytest.mark.parametrize("argument", ["backend", "precision"])
@pytest.mark.parametrize("value", [None, 3, []])
def test_backend_and_precision_are_names(argument, value):
    with pytest.raises(InputError) as caught:
        load("mini", **{argument: value})
    assert str(caught.value).startswith(f"{argument} is {value!r}, expected one of auto, ")


def test_layouts_and_models_alike_are_names(model):
    with pytest.raises(InputError, match=r"^The layout is None, expected one of "):
        to_parts(model.checkpoint, None)
    with pytest.raises(InputError, match=r"^like is 3 \(int\), expected a name"):
        read_checkpoint("mini", like=3)


@pytest.mark.parametrize("texts", [None, 3, Path("a"), b"a"])
def test_texts_are_texts(model, texts):
    with pytest.raises(InputError, match=r"^texts is .*, expected a text, or a list"):
        model.embed_texts(texts)


def test_a_batch_size_is_a_whole_number(model):
    for size in (1.5, "3"):
        with pytest.raises(InputError, match=r"^batch_size is .*, expected a whole number, 1 or more"):
            model.embed_images([RED], batch_size=size)


@pytest.mark.parametrize("templates", [LONG, None, 3, b"a {}", Path("\0"), Path(LONG)])
def test_templates_are_a_set_a_list_or_a_file(templates):
    with pytest.raises(InputError, match=r"expected a set's name|is not a template set, a file|cannot be read"):
        resolve_templates(templates)


def test_a_classifier_needs_a_model_and_whole_numbers(model):
    for wrong in (None, 3, []):
        with pytest.raises(InputError, match="expected a Model, or the name"):
            Classifier(wrong, ["red"])
    classifier = Classifier(model, ["red", "blue"], cache=False)
    for k in (None, 1.5, "3", 0):
        with pytest.raises(InputError, match=r"^k is .*, expected a whole number, 1 or more: the number of answers"):
            classifier.top_k([RED], k)
    assert len(classifier.top_k([RED], np.int64(2))[0]) == 2


@pytest.mark.parametrize("place", [3, b"x", []])
def test_an_index_is_at_a_path(model, place):
    with pytest.raises(InputError, match=r"^location is .*, expected a folder, a URL, or None"):
        Gallery.open(place)
    with pytest.raises(InputError, match=r"^location is .*, expected a folder, a URL, or None"):
        Gallery.create(place, model=model)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g.search("red", by=None), "by is None, expected one of: auto, "),
        (lambda g: g.search("red", by=[]), r"by is \[\] \(list\), expected one of: auto, "),
        (lambda g: g.search_many(None), "queries is None, expected a list of queries"),
        (lambda g: g.search_many("red"), r"queries is 'red' \(str\), expected a list of queries"),
        (lambda g: g.remove(None), "names is None, expected an id or path, or a list"),
        (lambda g: g.remove(b"a"), r"names is b'a' \(bytes\), expected an id or path, or a list"),
        (lambda g: g.remove(["a", 3]), r"The image to remove is 3 \(int\), expected an id or path"),
        (lambda g: g.remove("\ud800"), "which holds half a character"),
        (lambda g: g.forget(None), "The source is None, expected a path or name"),
        (lambda g: g.forget(b"x"), r"The source is b'x' \(bytes\), expected a path or name"),
        (lambda g: g.duplicates("x"), r"threshold is 'x' \(str\), expected a cosine"),
        (lambda g: g.add([{"p": RED}], image=3), r"image is 3 \(int\), expected the name of a column"),
        (lambda g: g.add([{"p": RED}], image="p", id=[]), r"id is \[\] \(list\), expected the name of a column"),
        (lambda g: g.add([("b", RED)], options="x"), r"options is 'x' \(str\), expected ingest.IngestOptions"),
    ],
)
def test_a_gallery_says_what_it_expected(gallery, call, message):
    with pytest.raises(InputError, match=message):
        call(gallery)
    assert len(gallery) == 1
