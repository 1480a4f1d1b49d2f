"""Names and keys of labelled sets."""

import dataclasses

import numpy as np
import pytest
from labelled_sets import png

from wordsight.errors import InputError
from wordsight.evaluate.datasets.labelled_set import LabelledSet, number_keys, rename_classes
from wordsight.evaluate.datasets.opening import check_names

NAMES = ("red thing", "blue_thing", "green")


def labelled(labels):
    keys = tuple("abcd"[: len(labels)])
    return LabelledSet("set", [png(n) for n in range(len(keys))], keys, np.array(labels), NAMES)


def test_classes_of_one_new_name_become_one():
    data = rename_classes(labelled([0, 1, 2, -1]), {"red_thing": "thing", "blue thing": "thing"}, "classes")
    assert data.classnames == ("thing", "green")
    assert data.labels.tolist() == [0, 0, 1, -1]
    marks = [[True, False, False], [False, True, True], [False, False, False]]
    data = rename_classes(labelled(marks), {"red thing": "thing", "blue_thing": "thing"}, "classes")
    assert data.labels.tolist() == [[True, False], [True, True], [False, False]]


def test_a_name_that_no_class_has_is_refused():
    with pytest.raises(InputError, match=r"--classes names 'gren', but the classes are .*Did you mean: green\?"):
        rename_classes(labelled([0, 1]), {"gren": "x"}, "--classes")


def test_keys_are_numbered_where_names_are_the_same():
    assert number_keys(["a", "b", "a", "a#2", "a"]) == ("a", "b", "a#2", "a#2#2", "a#3")


def test_two_names_that_make_one_folder_are_refused():
    sets = {source: dataclasses.replace(labelled([0]), name=source) for source in ("x/cars", "x_cars")}
    with pytest.raises(InputError, match="Two datasets are called 'x_cars': 'x/cars' and 'x_cars'; measure them one"):
        check_names(sets)
    check_names({"x/cars": sets["x/cars"], "cars": labelled([0])})
