"""A server that may be changed, with a gallery of its own for each test."""

import itertools
import shutil

import pytest
from changing_gallery import ChangingGallery
from serving import run_server

_MOST = 50  # tests of one run


@pytest.fixture(scope="session")
def galleries(gallery_folder, tmp_path_factory):
    """Client of a server of many copies of the sample index, and these by name, each handed out once."""
    folder = tmp_path_factory.mktemp("changing")
    places = {f"g{number}": folder / f"g{number}" for number in range(_MOST)}
    for place in places.values():
        shutil.copytree(gallery_folder, place)
    with run_server(galleries={name: str(place) for name, place in places.items()}, allow_add=True) as client:
        yield client, iter(places.items())


@pytest.fixture
def shop(galleries):
    """A gallery that the test may change."""
    client, rest = galleries
    ((name, index),) = itertools.islice(rest, 1)
    return ChangingGallery(client, name, index)
