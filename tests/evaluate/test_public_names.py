"""Names of `wordsight.evaluate`: each is there, none is loaded before it is asked for."""

import subprocess
import sys

import pytest

from wordsight import evaluate


@pytest.mark.parametrize("name", evaluate.__all__)
def test_a_public_name_is_there_and_documented(name):
    assert getattr(evaluate, name).__doc__
    assert name in dir(evaluate)


def test_an_unknown_name_is_refused_with_those_there_are():
    with pytest.raises(AttributeError, match=r"no attribute 'open_sets'; it offers .*open_set"):
        evaluate.open_sets  # noqa: B018


def test_the_package_alone_loads_nothing():
    code = "import sys, wordsight.evaluate; assert not {'numpy', 'scipy', 'pyarrow', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
