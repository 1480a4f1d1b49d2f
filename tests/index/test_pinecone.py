"""Pinecone's own behaviour: its limits, its slow consistency, its refusals. See test_contract.py for the rest.

The real client talks to `pinecone_server` on this machine; the live service was never asked.
"""

import sys
import warnings
from contextlib import closing

import numpy as np
import pytest
from memory_index import index_info
from pinecone_server import PineconeServer

from wordsight.errors import InputError, MissingExtraError, StoreError
from wordsight.index import Row
from wordsight.index.pinecone import index as pinecone
from wordsight.index.pinecone.opening import NAMESPACE, open_store


@pytest.fixture
def server(monkeypatch):
    with PineconeServer() as running:
        running.named_by(monkeypatch)
        monkeypatch.setattr(pinecone, "PAUSE", 0.01)
        yield running


@pytest.fixture
def index(server):
    with closing(open_store("pinecone:shop", index_info())) as opened:
        yield opened


def row(id, vector=(1, 0, 0, 0), **fields):
    return Row(
        **{"id": id, "source": "", "path": id, "content_hash": id, "vector": np.array(vector, np.float32)} | fields
    )


def asked(server, verb):
    return [body for _, path, body in server.requests if path.endswith(verb)]


# where an index lies


@pytest.mark.parametrize(
    "location", ["pinecone:", "pinecone:Shop", "pinecone:a_b", "pinecone:-a", "pinecone:" + "a" * 46]
)
def test_a_location_names_an_index(location):
    with pytest.raises(InputError, match=r"not of the form pinecone:INDEX or pinecone:INDEX/NAMESPACE"):
        open_store(location, index_info())


def test_a_new_index_is_serverless_where_the_environment_says(server, monkeypatch):
    monkeypatch.setenv("PINECONE_CLOUD", "gcp")
    monkeypatch.setenv("PINECONE_REGION", "europe-west4")
    open_store("pinecone:shop", index_info(dim=8)).close()
    (made,) = [body for method, path, body in server.requests if (method, path) == ("POST", "/indexes")]
    assert made["deployment"] == {"deployment_type": "managed", "cloud": "gcp", "region": "europe-west4"}
    assert made["schema"]["fields"] == {
        "vector": {"type": "dense_vector", "dimension": 8, "metric": "cosine"},
        "text": {"type": "string", "full_text_search": {}},
    }


def test_namespaces_of_one_index_are_apart(server):
    with (
        closing(open_store("pinecone:shop/a", index_info())) as a,
        closing(open_store("pinecone:shop/b", index_info())) as b,
    ):
        a.add([row("one")])
        a.set_note("x", {"a": 1})
        assert (len(a), len(b)) == (1, 0)
        assert b.note("x") is None
    with pytest.raises(StoreError, match="There is no index in pinecone:shop/c; make one with: wordsight index"):
        open_store("pinecone:shop/c", None)


def test_an_index_of_someone_else_is_left_alone(server):
    from pinecone import Pinecone

    with Pinecone() as client:
        schema = {"fields": {"embedding": {"type": "dense_vector", "dimension": 4, "metric": "cosine"}}}
        client.indexes.create(name="theirs", schema=schema)
    with pytest.raises(StoreError, match=r"has other fields \(embedding\) than wordsight's"):
        open_store("pinecone:theirs", index_info())
    open_store("pinecone:mine", index_info(dim=4)).close()
    with pytest.raises(StoreError, match="holds vectors of 4 dimensions; the model tiny makes 8"):
        open_store("pinecone:mine", index_info(dim=8))


def test_without_a_key_or_the_client_it_says_what_to_do(server, monkeypatch):
    monkeypatch.setenv("PINECONE_API_KEY", "wrong")
    with pytest.raises(StoreError, match="refused the key for pinecone:shop; set PINECONE_API_KEY"):
        open_store("pinecone:shop", index_info())
    monkeypatch.delenv("PINECONE_API_KEY")
    with pytest.raises(StoreError, match="No key for pinecone:shop: set PINECONE_API_KEY"):
        open_store("pinecone:shop", index_info())
    monkeypatch.setitem(sys.modules, "pinecone", None)
    with pytest.raises(MissingExtraError, match=r"pinecone>=10.*wordsight\[pinecone\]"):
        open_store("pinecone:shop", index_info())


def test_a_service_that_is_not_there(monkeypatch):
    with PineconeServer() as gone:
        gone.named_by(monkeypatch)
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # the client tries four times
    with pytest.raises(StoreError, match=r"cannot be reached for pinecone:shop .* is there a network"):
        open_store("pinecone:shop", index_info())


def test_a_refusal_is_passed_on(server, index):
    server.fail_next = [400]
    with pytest.raises(StoreError, match="Pinecone answered 400 for pinecone:shop: asked to fail"):
        index.add([row("a")])
    assert len(index) == 0


def test_what_else_the_client_raises_names_the_index(index, monkeypatch):
    from pinecone import PineconeError

    def fail(**asked):
        raise PineconeError("an answer that cannot be read")

    monkeypatch.setattr(index._documents, "search", fail)
    with pytest.raises(StoreError, match="client failed for pinecone:shop: an answer that cannot be read"):
        index.match_text("coat", 1)


# consistency


def test_a_search_waits_for_what_this_process_wrote(server, index):
    server.lag = 3  # searches until a write is seen
    index.add([row("a"), row("b")])
    assert {m.row.id for m in index.nearest(np.array([1, 0, 0, 0], np.float32), 5)} == {"a", "b"}
    assert len(asked(server, "documents/search")) == 4
    index.nearest(np.array([1, 0, 0, 0], np.float32), 5)
    assert len(asked(server, "documents/search")) == 5  # nothing new to wait for
    index.remove(["a"])
    assert {m.row.id for m in index.nearest(np.array([1, 0, 0, 0], np.float32), 5)} == {"b"}


def test_a_search_that_never_sees_it_warns_and_answers(server, index, monkeypatch):
    monkeypatch.setattr(pinecone, "SETTLE", 0.05)
    server.lag = 10**6
    index.add([row("a")])
    with pytest.warns(UserWarning, match="has not shown the last changes of pinecone:shop within"):
        assert index.nearest(np.array([1, 0, 0, 0], np.float32), 5) == []
    assert [found.id for found in index.get(["a"])] == ["a"]


# limits


def test_requests_stay_below_two_megabytes(server, index):
    index.add([row(f"{i}", text="x" * 90_000) for i in range(50)])
    sizes = [len(body["documents"]) for body in asked(server, f"{NAMESPACE}/documents/upsert")]
    assert sum(sizes) == 50
    assert len(sizes) == 3
    assert len(index) == 50


def test_long_texts_are_cut(index):
    index.add([row("a", text="ü" * 100_000)])
    assert index.get(["a"])[0].text == "ü" * 50_000  # bytes


def test_a_thumbnail_that_does_not_fit_is_left_out(index):
    index.add([row("small", thumbnail=b"x" * 20_000), row("large", thumbnail=b"x" * 40_000)])
    assert len(index.thumbnail("small")) == 20_000
    assert index.thumbnail("large") == b""


def test_long_columns_are_cut_with_a_warning(index):
    long = row("a", meta={"description": "word " * 10_000, "gender": "Women"})
    with pytest.warns(UserWarning, match="column 'description' of 'a' is too long for Pinecone and was truncated"):
        index.add([long])
    meta = index.get(["a"])[0].meta
    assert meta["gender"] == "Women"
    assert 30_000 < len(meta["description"]) < 40_000
    assert long.meta["description"].startswith(meta["description"])


def test_too_many_columns_are_refused(index):
    with pytest.raises(InputError, match=r"columns of 'a' take .* bytes; Pinecone keeps 40,000"):
        index.add([row("a", meta={f"column{i}": i for i in range(3000)})])


def test_whole_numbers_stay_whole_numbers_up_to_two_to_the_53(index):
    exact = row("a", mtime_ns=1_700_000_000_123_456_789, size=2**53, meta={"n": 2**53, "half": 2.0})
    index.add([exact])
    (back,) = index.get(["a"])
    assert (back.mtime_ns, back.size, back.meta) == (exact.mtime_ns, exact.size, {"n": 2**53, "half": 2.0})
    assert type(back.meta["n"]) is int
    assert type(back.meta["half"]) is float
    with pytest.raises(InputError, match="meta_n of 'b' is 9007199254740993; Pinecone keeps whole numbers up to"):
        index.add([row("b", meta={"n": 2**53 + 1})])


def test_values_that_json_lacks_are_left_out(index):
    index.add([row("a", meta={"x": float("nan"), "y": float("inf"), "z": 1.5, "none": None})])
    assert index.get(["a"])[0].meta == {"z": 1.5}


def test_many_answers_are_fetched_apart(server, index):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(150, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index.add([row(f"{i}", v, thumbnail=b"jpeg", meta={"n": i}) for i, v in enumerate(vectors)])
    matches = index.nearest(vectors[0], 20_000)
    assert [m.row.id for m in matches] == [f"{i}" for i in np.argsort(-(vectors @ vectors[0]), kind="stable")]
    assert matches[0].row.meta == {"n": 0}
    assert asked(server, "documents/search")[-1]["top_k"] == 10_000
    assert asked(server, "documents/search")[-1].get("include_fields") == []
    assert len(asked(server, "documents/fetch")[-1]["ids"]) <= 100


def test_a_large_note_is_kept_in_parts_and_the_old_parts_leave(server, index):
    index.set_note("whitening", {"values": list(range(30_000))})
    parts = len(server.indexes["shop"].stored["wordsight-notes"])
    assert parts > 5
    index.set_note("whitening", {"values": list(range(29_999))})
    assert index.note("whitening")["values"][-1] == 29_998
    assert len(server.indexes["shop"].stored["wordsight-notes"]) == parts
    lost = next(id for id in server.indexes["shop"].stored["wordsight-notes"] if id.endswith(".3"))
    del server.indexes["shop"].stored["wordsight-notes"][lost]
    with pytest.raises(StoreError, match="is not readable yet; try again in a minute"):
        index.note("whitening")


def test_terms_that_a_texts_own_words_lack_are_searched_too(server, index):
    index.add([row("a", text="Leather belts, RE1602-A"), row("b", text="red coat")])
    assert index.get(["a"])[0].text == "Leather belts, RE1602-A"
    assert index.get(["b"])[0].text == "red coat"
    for words in ("belt", "belted", "RE16"):
        (found,) = index.match_text(words, 5)
        assert (found.row.id, found.row.text, found.coverage) == ("a", "Leather belts, RE1602-A", 1)


def test_words_are_passed_on_without_operators(server, index):
    index.add([row("a", text="red coat")])
    assert [m.row.id for m in index.match_text('"red" AND -coat^2', 5)] == ["a"]
    assert asked(server, "documents/search")[-1]["score_by"] == [
        {"type": "text", "fields": ["text"], "query": "red coat 2"}
    ]


def test_nothing_warns_on_an_ordinary_day(server):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with closing(open_store("pinecone:shop", index_info())) as index:
            index.add([row("a", text="coat", meta={"n": 1})])
            index.match_text("coat", 1, "n = 1")
            index.optimise()
