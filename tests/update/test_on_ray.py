"""The pipeline on a cluster of two nodes, which Ray simulates on one machine, gives what it gives here."""

import os

import numpy as np
import pytest
from indexing import colour_model

from wordsight.errors import InputError
from wordsight.gallery import Gallery
from wordsight.samples import sample_images

pytest.importorskip("lance")
ray = pytest.importorskip("ray")


def test_a_model_without_a_name_cannot_be_sent():
    from wordsight.update.on_ray import embedder

    with pytest.raises(InputError, match="was not loaded by a name or path"):
        embedder(colour_model())


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes with one processor each."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.slow
def test_two_nodes_give_the_same_index_as_one_process(tmp_path, cluster):
    from wordsight.update.on_ray import embedder

    folder = tmp_path / "in"
    folder.mkdir()
    for image in sample_images():
        for copy in range(12):  # one more byte: other content, the same image
            (folder / f"{copy}-{image.name}").write_bytes(image.read_bytes() + bytes(copy))
    (folder / "broken.jpg").write_bytes(b"no image")
    with Gallery.create(tmp_path / "here", precision="f32") as gallery:
        here = gallery.add(folder)
        expected = {row.id: row for row in gallery.index.get([version.id for version in gallery.index.row_versions()])}
    with Gallery.create(tmp_path / "there", precision="f32") as gallery:
        there = gallery.add(folder, embed=embedder(gallery.model))
        found = {row.id: row for row in gallery.index.get([version.id for version in gallery.index.row_versions()])}
        again = gallery.add(folder, embed=embedder(gallery.model))
    assert (there.added, there.skipped) == (here.added, here.skipped) == (144, here.skipped)
    assert again.unchanged == 144
    assert found.keys() == expected.keys()
    for id, row in found.items():
        assert np.allclose(row.vector, expected[id].vector, atol=1e-5)
        same = ("content_hash", "source", "path", "size", "mtime_ns", "width", "height", "text", "annotation_hash")
        assert all(getattr(row, name) == getattr(expected[id], name) for name in same)
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
