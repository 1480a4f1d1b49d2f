"""Galleries and servers that tests of serving share."""

import pytest
from serving import make_gallery, run_server


@pytest.fixture(scope="session")
def gallery_folder(tmp_path_factory):
    """Index of sample images and a table of products; nothing may change it."""
    return make_gallery(tmp_path_factory.mktemp("gallery"))


@pytest.fixture(scope="session")
def client(gallery_folder):
    """Client of a server of that index with everything at its default, without the page."""
    with run_server(galleries={"shop": str(gallery_folder)}) as client:
        yield client
