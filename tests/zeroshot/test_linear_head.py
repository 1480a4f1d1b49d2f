"""Heads learnt from labelled images: answers, the file they are kept in, and files that others made."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from wordsight.errors import InputError
from wordsight.zeroshot.linear_head import LinearHead

RANDOM = np.random.default_rng(0)
NAMES = ("bus", "tram", "Straßenbahn")


def head(**changes):
    parts = {
        "kind": "probe",
        "classnames": NAMES,
        "coefficient_KD": RANDOM.standard_normal((3, 5)),
        "intercept_K": RANDOM.standard_normal(3),
        "fingerprint": "f" * 64,
        "facts": {"model": "mini", "shots": 16, "C": 0.316, "balanced": True, "note": None},
    }
    return LinearHead(**{**parts, **changes})


def write(path, *, tensors=None, **changes):
    """A file as `save` writes it, with some of it changed; a description of None is left out."""
    description = {
        "format": "linear-head-1",
        "kind": "probe",
        "classnames": ["a", "b"],
        "fingerprint": "f",
        "facts": {},
    }
    text = changes.pop("text", json.dumps({**description, **changes}))
    if tensors is None:
        tensors = {"coefficient": np.ones((2, 4), np.float32), "intercept": np.zeros(2, np.float32)}
    save_file(tensors, path, {"wordsight": text} if text is not None else None)
    return path


def test_probabilities_are_the_softmax_of_a_linear_map():
    some = head()
    images = RANDOM.standard_normal((4, 5)).astype(np.float32)
    expected = []
    for x in images.astype(float):
        powers = [np.exp(w @ x + b) for w, b in zip(some.coefficient_KD.astype(float), some.intercept_K, strict=True)]
        expected.append(np.array(powers) / sum(powers))
    np.testing.assert_allclose(some.proba_of_embeddings(images), expected, rtol=1e-5)
    assert some.proba_of_embeddings(images).dtype == np.float32


def test_a_saved_head_is_the_same_head(tmp_path):
    some = head()
    some.save(tmp_path / "head.safetensors")
    again = LinearHead.load(tmp_path / "head.safetensors")
    assert (again.kind, again.classnames, again.fingerprint, again.facts) == (
        some.kind, some.classnames, some.fingerprint, some.facts)  # fmt: skip
    np.testing.assert_array_equal(again.coefficient_KD, some.coefficient_KD)
    np.testing.assert_array_equal(again.intercept_K, some.intercept_K)
    assert [path.name for path in tmp_path.iterdir()] == ["head.safetensors"]  # nothing unfinished beside it


def test_a_matrix_that_lies_transposed_in_memory_is_saved_as_it_reads(tmp_path):
    matrix = np.asfortranarray(RANDOM.standard_normal((3, 5)))  # scikit-learn's `coef_` is such a one
    head(coefficient_KD=matrix).save(tmp_path / "head.safetensors")
    np.testing.assert_array_equal(
        LinearHead.load(tmp_path / "head.safetensors").coefficient_KD, matrix.astype(np.float32)
    )


def test_a_head_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        head().coefficient_KD[0, 0] = 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classnames": ("a",)}, r"has the classes \('a',\), expected two or more"),
        ({"classnames": ("a", "b", "a")}, "class 'a' of a linear head is there more than once"),
        ({"classnames": ("a", "b", " ")}, "is named ' ', expected a text that is not empty"),
        ({"classnames": ("a", "b", 3)}, "is named 3, expected a text"),
        ({"classnames": ("a", "b")}, r"2 classes has coefficients of shape \(3, 5\) and 3 intercepts"),
        ({"coefficient_KD": np.full((3, 5), np.nan)}, "15 of the coefficients of a linear head are not finite"),
        ({"intercept_K": [0, 1, 1e39]}, "1 of the intercepts of a linear head are not finite"),
        ({"intercept_K": np.zeros((3, 1))}, r"intercepts of a linear head have the shape \(3, 1\), expected 1"),
        ({"kind": 3}, "kind of a linear head is 3, expected a text"),
        ({"facts": {"scores": [1, 2]}}, r"fact 'scores' of a linear head is \[1, 2\], expected a text or a number"),
        ({"facts": {"C": float("inf")}}, "fact 'C' of a linear head is inf, expected a finite number"),
        ({"facts": [1]}, r"facts of a linear head are \[1\], expected names with values"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        head(**changes)


def test_embeddings_of_another_length_are_refused():
    with pytest.raises(InputError, match="have 4 numbers each, but the linear head was fitted on embeddings of 5"):
        head().proba_of_embeddings(np.zeros((2, 4)))


def test_another_models_embeddings_are_refused_with_the_remedy():
    some = head()
    some.check_model("f" * 64, "mini")
    with pytest.raises(InputError, match=r"embeddings of mini \(ffffffffffff\), not of ViT-B-32 \(eeee.*use mini"):
        some.check_model("e" * 64, "ViT-B-32")
    with pytest.raises(InputError, match=r"embeddings of another model .*use the model that it was fitted with"):
        head(facts={}).check_model("e" * 64, "mini")
    with pytest.raises(InputError, match=r"does not say which model's embeddings .* with a model \(model=…\)"):
        head(fingerprint="").check_model("e" * 64, "mini")


def test_classes_are_found_by_name():
    assert head().place("tram") == 1
    with pytest.raises(InputError, match=r"class is 'trams', expected one of bus, tram.* Did you mean: tram"):
        head().place("trams")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": None}, "without the metadata 'wordsight', such as a model's weights"),
        ({"text": "{"}, "cannot be used as a linear head: Expecting property name"),
        ({"text": "[" * 9_000}, "nested too deep"),
        ({"text": "[" + "[]," * 2_000_000 + "[]]"}, "values, more than the 2,000,000"),
        ({"text": "[]"}, r"its format is \[\], not 'linear-head-1'"),
        ({"format": "linear-head-2"}, "its format is 'linear-head-2', not 'linear-head-1'; a newer wordsight"),
        ({"classnames": "ab"}, "class names are 'ab', not a list"),
        ({"classnames": ["a", "b", "c"]}, "3 classes has coefficients of shape"),
        ({"classnames": ["a", "a"]}, "more than once"),
        ({"facts": None}, "facts of a linear head are None"),
        ({"fingerprint": 7}, "fingerprint of a linear head is 7"),
        ({"tensors": {"coefficient": np.ones((2, 4), np.float32)}}, r"holds the tensors \['coefficient'\]"),
        (
            {"tensors": {"coefficient": np.ones((2, 4)), "intercept": np.zeros(2, np.float32)}},
            "its coefficient is of type F64, not F32",
        ),
        (
            {"tensors": {"coefficient": np.full((2, 4), np.inf, np.float32), "intercept": np.zeros(2, np.float32)}},
            "8 of the coefficients of a linear head are not finite",
        ),
    ],
)
def test_a_file_that_is_no_head_is_refused(tmp_path, changes, message):
    path = write(tmp_path / "foreign.safetensors", **changes)
    with pytest.raises(InputError, match=f"foreign.safetensors.*{message}.*expected a linear head that"):
        LinearHead.load(path)


def test_a_damaged_or_missing_file_is_refused(tmp_path):
    path = write(tmp_path / "head.safetensors")
    whole = path.read_bytes()
    for content in (b"", b"<html>", whole[:-3], whole[:40], b"\xff" * 64):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot be used as a linear head"):
            LinearHead.load(path)
    for place in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(InputError, match=r"cannot be read .*expected a linear head"):
            LinearHead.load(place)
    with pytest.raises(InputError, match="path is 3"):
        LinearHead.load(3)


@pytest.mark.filterwarnings("error")
def test_numbers_too_large_for_logits_are_told():
    head = LinearHead("probe", ("a", "b"), np.full((2, 2), 3e38), np.zeros(2))
    with pytest.raises(InputError, match=r"Logits of the linear head are not finite: its numbers \(up to 3e\+38\)"):
        head.proba_of_embeddings([[1.0, 1.0]])
