"""Qdrant's own behaviour: locations, its folder, BM25's weights, payload indexes on servers.

What it has in common with the other stores is in test_index_contract.py.
"""

import json
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from memory_index import index_info, scores_of

from wordsight.errors import InputError, MissingExtraError, StoreError
from wordsight.index import Row
from wordsight.index.qdrant import index as qdrant
from wordsight.index.qdrant.opening import open_store
from wordsight.text.analysis import VERSION


@pytest.fixture
def location(tmp_path):
    return f"qdrant:{tmp_path}/store/photos"


def row(id, text="", vector=(1, 0, 0, 0), **fields):
    return Row(
        id=id, source="/photos", path=id, content_hash=id, vector=np.array(vector, np.float32), text=text, **fields
    )


# where an index lies


@pytest.mark.parametrize(
    "location", ["qdrant:", "qdrant:photos", "qdrant:folder/", "qdrant:http://host:6333", "qdrant:/x", "qdrant:a/b:c"]
)
def test_a_location_has_a_place_and_a_collection(location):
    with pytest.raises(InputError, match=r"not of the form qdrant:FOLDER/COLLECTION or qdrant:http://HOST:6333/COLL"):
        open_store(location, index_info())


def test_two_collections_share_a_folder(tmp_path):
    for name in ("one", "two"):
        with closing(open_store(f"qdrant:{tmp_path}/{name}", index_info())) as index:
            index.add([row(name)])
    with closing(open_store(f"qdrant:{tmp_path}/two", None)) as index:
        assert [version.id for version in index.row_versions()] == ["two"]


def test_opening_what_is_not_there_leaves_nothing_behind(tmp_path):
    with pytest.raises(StoreError, match=f"no index in qdrant:{tmp_path}/none/photos; make one with: wordsight index"):
        open_store(f"qdrant:{tmp_path}/none/photos", None)
    assert not (tmp_path / "none").exists()


def test_a_folder_is_opened_by_one_at_a_time(location):
    with closing(open_store(location, index_info())), pytest.raises(StoreError, match="in use by another process"):
        open_store(location, None)


def test_a_collection_of_someone_else_is_left_alone(tmp_path):
    from qdrant_client import QdrantClient, models

    client = QdrantClient(path=str(tmp_path))
    client.create_collection("photos", models.VectorParams(size=2, distance=models.Distance.COSINE))
    client.upsert("photos", [models.PointStruct(id=1, vector=[1.0, 0.0])])
    client.close()
    with pytest.raises(StoreError, match="holds points that wordsight did not make"):
        open_store(f"qdrant:{tmp_path}/photos", index_info())


def test_a_folder_that_is_none_or_is_damaged(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StoreError, match="cannot be read or written"):
        open_store(f"qdrant:{tmp_path}/file/photos", index_info())
    open_store(f"qdrant:{tmp_path}/store/photos", index_info()).close()
    (tmp_path / "store" / "meta.json").write_text("{")
    with pytest.raises(StoreError, match="is damaged or of another version of the client"):
        open_store(f"qdrant:{tmp_path}/store/photos", None)


def test_a_closed_index_says_so(location):
    index = open_store(location, index_info())
    index.close()
    with pytest.raises(StoreError, match="cannot be used: QdrantLocal instance is closed"):
        len(index)


def test_a_filter_that_the_client_is_too_old_for(location, monkeypatch):
    monkeypatch.setattr(qdrant, "to_qdrant", lambda *_: {"must": [{"key": "path", "match": {"of_the_future": "x"}}]})
    with (
        closing(open_store(location, index_info())) as index,
        pytest.raises(InputError, match="needs a newer qdrant-client"),
    ):
        index.match_text("coat", 1, "path like 'x%'")


def test_without_the_client_the_extra_is_named(location, monkeypatch):
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with pytest.raises(MissingExtraError, match=r"qdrant-client.*wordsight\[qdrant\]"):
        open_store(location, index_info())


# pages and portions


def test_long_lists_are_asked_for_in_pages(location, monkeypatch):
    monkeypatch.setattr(qdrant, "PAGE", 3)
    monkeypatch.setattr(qdrant, "ROWS_A_REQUEST", 4)
    names = [f"{i}" for i in range(11)]
    with closing(open_store(location, index_info())) as index:
        index.add([row(name, text="coat") for name in names])
        assert [found.id for found in index.get(names)] == names
        assert sorted(version.id for version in index.row_versions()) == sorted(names)
        assert sorted(id for ids, _ in index.batches(5) for id in ids) == sorted(names)
        assert set(index.find_vectors(names)) == set(names)
        assert index.sample(7).shape == (7, 4)
        index.remove(names[1:])
        assert len(index) == 1


def test_requests_stay_below_a_size():
    rows = [row(f"{i}", text="x" * 1000) for i in range(10)]
    portions = list(qdrant._portions(rows, 100, 5000))
    assert [len(portion) for portion in portions] == [2] * 5
    assert [len(portion) for portion in qdrant._portions(rows, 4)] == [4, 4, 2]


# BM25

TEXTS = ["red winter coat", "blue coat coat", "a green shoe and a belt", "coat", "one two three four five six coat"]


def test_scores_are_bm25s_by_coverage(location):
    with closing(open_store(location, index_info())) as index:
        index.add([row(f"{i}", text) for i, text in enumerate(TEXTS)])
        for query in ("coat", "winter coat", "shoe six"):
            expected = scores_of(query, TEXTS)
            assert {m.row.id: m.score for m in index.match_text(query, 10)} == pytest.approx(expected, rel=1e-5)


def test_weights_follow_the_mean_length_once_it_has_moved(location):
    texts = [*TEXTS, *(f"{' '.join(f'w{i}x{j}' for j in range(40))} coat" for i in range(5))]
    with closing(open_store(location, index_info())) as index:
        index.add([row("0", texts[0])])  # the mean is that of the first rows
        index.add([row(f"{i}", text) for i, text in enumerate(texts) if i])
        expected = scores_of("coat", texts)
        before = {m.row.id: m.score for m in index.match_text("coat", 20)}
        assert before != pytest.approx(expected, rel=0.05)
        index.optimise()
        assert {m.row.id: m.score for m in index.match_text("coat", 20)} == pytest.approx(expected, rel=1e-5)
    with closing(open_store(location, None)) as index:
        assert {m.row.id: m.score for m in index.match_text("coat", 20)} == pytest.approx(expected, rel=1e-5)
        index.remove([f"{i}" for i in range(1, len(texts))])
        index.optimise()
        assert index._record("texts") == {"analysis": VERSION, "mean_words": 3.0, "stale": False}


def test_texts_of_an_older_version_are_analysed_again_and_found_until_then(location, monkeypatch):
    with closing(open_store(location, index_info())) as index:
        monkeypatch.setattr("wordsight.index.bm25.terms", lambda text: text.lower().split())  # as of old
        index.add([row("a", "Leather belts"), row("b", "red coat")])
        index._set_record("texts", {"mean_words": 2.0, "stale": False})
        monkeypatch.undo()
        assert [m.row.id for m in index.match_text("belts", 5)] == ["a"]
        assert index.match_text("belted", 5) == []
        with pytest.warns(UserWarning, match="older version: its texts were analysed again"):
            index.optimise()
        assert [m.row.id for m in index.match_text("belted", 5)] == ["a"]
        index.optimise()


def test_taken_is_ordered_as_time(location):
    with closing(open_store(location, index_info())) as index:
        index.add([row("a", taken="2023-01-31T23:59:59"), row("b", taken="2023-02-01T00:00:00"), row("c")])
        query = np.array([1, 0, 0, 0], np.float32)
        assert [m.row.id for m in index.nearest(query, 5, "taken < '2023-02'")] == ["a"]
        assert [m.row.id for m in index.nearest(query, 5, "taken >= '2023-02'")] == ["b"]
        assert [m.row.id for m in index.nearest(query, 5, "taken = '2023-02-01T00:00:00'")] == ["b"]


# a server: requests are recorded and answered by hand, as no server runs in the tests


class Recorder:
    """Answers what a server answers for a collection that is not there yet, and keeps points and what it was asked."""

    def __init__(self, status=200):
        self.asked, self.points = [], {}
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                recorder.asked.append((self.command, self.path, json.loads(body) if body else None))
                recorder.key = self.headers.get("api-key")
                self.send(recorder.answer(self.path.split("?")[0], recorder.asked[-1][2]))

            def send(self, result):
                content = json.dumps({"result": result, "status": "ok", "time": 0.0}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = answer

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.location = f"qdrant:http://127.0.0.1:{self.http.server_port}/prefix/photos"

    def answer(self, path, body):
        if path.endswith("/exists"):
            return {"exists": False}
        if path.endswith("/points") and "ids" in body:
            return [self.points[id] for id in body["ids"] if id in self.points]
        if path.endswith("/points"):
            self.points.update({point["id"]: {"version": 0, **point} for point in body["points"]})
        return {"operation_id": 0, "status": "completed"} if "/points" in path or "/index" in path else True

    def close(self):
        self.http.shutdown()
        self.http.server_close()


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_a_server_gets_payload_indexes_for_every_column(monkeypatch):
    monkeypatch.setenv("QDRANT_API_KEY", "the key")
    with closing(Recorder()) as server:
        index = open_store(server.location, index_info())
        index.add([row("a", "coat", meta={"price": 3, "gender": "Women", "two words": True})])
        index.add([row("b", meta={"price": 2.5})])
        index.close()
        assert server.key == "the key"
        assert all(path.startswith("/prefix/collections/photos") for _, path, _ in server.asked)
        made = next(body for method, path, body in server.asked if (method, path[-7:]) == ("PUT", "/photos"))
        assert made["vectors"]["image"] == {"size": 4, "distance": "Dot"}
        assert made["sparse_vectors"]["text"] == {"modifier": "idf"}
        indexed = {
            body["field_name"]: body["field_schema"]
            for method, path, body in server.asked
            if method == "PUT" and "/index" in path
        }
        assert indexed == {
            "path": "keyword", "page": "integer", "width": "integer", "height": "integer", "taken": "keyword",
            "taken_seconds": "float", "digest": "keyword", "meta.gender": "keyword", "meta.two_x20_words": "bool",
            "meta.price": "float",
        }  # fmt: skip
        # the index of whole numbers made way for one of numbers
        assert [path for method, path, _ in server.asked if method == "DELETE"] == [
            "/prefix/collections/photos/index/meta.price?wait=true"
        ]
        waits = [path for method, path, _ in server.asked if path.split("?")[0].endswith("/points") and method == "PUT"]
        assert waits
        assert all("wait=true" in path for path in waits)


@pytest.mark.parametrize(("status", "message"), [(401, "refused the key; set QDRANT_API_KEY"), (500, "answered 500")])
def test_a_server_that_refuses(status, message):
    with closing(Recorder(status)) as server, pytest.raises(StoreError, match=message):
        open_store(server.location, index_info())


def test_a_server_that_is_not_there():
    with closing(Recorder()) as server:
        location = server.location
    with pytest.raises(StoreError, match=r"cannot be reached .* is it running there"):
        open_store(location, index_info())
