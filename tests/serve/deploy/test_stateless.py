"""A gallery in another store than this machine's disk: several servers over it keep nothing and answer the same."""

import subprocess
import sys

import pytest
from serving import run_server, write_sources

from wordsight.gallery import Gallery


@pytest.fixture(scope="module")
def qdrant(tmp_path_factory):
    """Location of a gallery in Qdrant's local mode."""
    pytest.importorskip("qdrant_client")
    folder = tmp_path_factory.mktemp("qdrant")
    place = f"qdrant:{folder}/store/shop"
    with Gallery.create(place) as gallery:
        for source in write_sources(folder):
            gallery.add(source)
    return place


def test_a_gallery_in_qdrant_is_served(qdrant):
    with run_server(galleries={"shop": qdrant}) as client:
        (gallery,) = client.get("/v1/galleries").json()["galleries"]
        assert (gallery["name"], gallery["images"]) == ("shop", 24)
        body = {"text": "a cup of coffee", "filter": {"colour": "green"}, "limit": 2}
        answer = client.post("/v1/search", json=body).json()
        assert {hit["meta"]["colour"] for hit in answer["hits"]} == {"green"}
        assert client.get(answer["hits"][0]["thumb"]).status_code == 200
        facets = client.post("/v1/facets", json={}).json()["facets"]
        assert "colour" in {facet["column"] for facet in facets}


def test_a_gallery_in_qdrant_is_named_on_the_command_line(qdrant):
    """The name is what stands before the first "=", a location with colons what follows."""
    ask = "import sys; from wordsight.cli._serve.galleries import read_galleries; print(read_galleries(sys.argv[1:]))"
    given = [f"shop={qdrant}", "qdrant:http://host:6333/manuals", "s3://bucket/photos"]
    run = subprocess.run([sys.executable, "-c", ask, *given], capture_output=True, text=True)
    assert run.stdout.strip() == str(
        {"shop": qdrant, "manuals": "qdrant:http://host:6333/manuals", "photos": "s3://bucket/photos"}
    ), run.stderr


def test_two_servers_answer_the_same_and_a_cursor_of_one_continues_at_the_other(gallery_folder):
    galleries = {"shop": str(gallery_folder)}
    body = {"text": "an animal", "limit": 5}
    with run_server(galleries=galleries) as one, run_server(galleries=galleries) as other:
        first = one.post("/v1/search", json=body).json()
        assert first["hits"] == other.post("/v1/search", json=body).json()["hits"]
        here, there = (
            server.post("/v1/search", json=body | {"cursor": first["cursor"]}).json()["hits"] for server in (one, other)
        )
        assert here == there
        assert not {hit["id"] for hit in here} & {hit["id"] for hit in first["hits"]}
