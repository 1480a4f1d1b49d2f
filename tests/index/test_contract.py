"""Behaviour of every store of an index, tested on each of them: in memory (the oracle), Lance, Qdrant and Pinecone.

Qdrant runs in its client's local mode, Pinecone's client talks to `pinecone_server` on this machine.
"""

import contextlib
import uuid

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from indexing import colour_model, write_images
from memory_index import MemoryIndex, index_info, scores_of
from pinecone_server import PineconeServer

from wordsight.errors import InputError, StoreError
from wordsight.gallery import Gallery
from wordsight.index import Row, create_index, open_index

DIM = 4


@pytest.fixture(scope="module")
def pinecone():
    with PineconeServer() as server:
        yield server


class Place:
    """Where one index of a store lies, so that a test can open it again."""

    def __init__(self, store, folder, server):
        pytest.importorskip({"lance": "lance", "qdrant": "qdrant_client", "pinecone": "pinecone"}[store])
        self.store, self.folder, self.server = store, folder, server
        name = f"test-{uuid.uuid4().hex[:8]}"
        self.location = {"lance": str(folder / name), "qdrant": f"qdrant:{folder}/{name}/pictures"}.get(
            store, f"pinecone:{name}/photos"
        )

    def open(self, made_with=None):
        return create_index(self.location, made_with) if made_with else open_index(self.location)


@pytest.fixture(params=["lance", "qdrant", "pinecone"])
def place(request, tmp_path, pinecone, monkeypatch):
    """A store that outlives the process."""
    pinecone.named_by(monkeypatch)
    return Place(request.param, tmp_path, pinecone)


@pytest.fixture(params=["memory", "lance", "qdrant", "pinecone"])
def index(request, tmp_path, pinecone, monkeypatch):
    """An empty index of each store."""
    pinecone.named_by(monkeypatch)
    opened = MemoryIndex() if request.param == "memory" else Place(request.param, tmp_path, pinecone).open(index_info())
    yield opened
    opened.close()


def unit(*values):
    vector = np.array(values, np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def row(id="a.jpg", vector=(1, 0, 0, 0), **fields):
    return Row(
        **{"id": id, "source": "/photos", "path": id, "content_hash": f"d-{id}", "vector": unit(*vector)} | fields
    )


def ids(matches):
    return [match.row.id for match in matches]


CLOTHES = [
    row("a", (1, 0, 0, 0), meta={"gender": "Women", "price": 40.0, "year": 2010, "sale": True}, text="red winter coat"),
    row("b", (1, 1, 0, 0), meta={"gender": "Men", "price": 60.0, "year": 2012, "sale": False}, text="blue coat coat"),
    row("c", (1, 2, 0, 0), meta={"gender": "Women", "price": 80.0, "year": 2014}, text="green shoe belt"),
    row("d", (0, 0, 1, 0), meta={"gender": "it's 100%", "sale": True}, text="yellow shirt with a long collar"),
    row("e", (0, 0, 0, 1), taken="2023-06-01T12:00:00", width=640, height=480, page=3),
]


# rows


def test_a_row_comes_back_as_it_was(index):
    whole = row(
        "p.pdf#page=3",
        (1, 2, 3, 4),
        path="p.pdf",
        page=3,
        size=2**40,
        mtime_ns=1_700_000_000_123_456_789,
        width=1000,
        height=600,
        taken="2023-06-01T12:00:00",
        annotation_hash="about",
        text="a drawing\nof a gear",
        meta={"name": "Gear", "price": 2.5, "count": 7, "ready": False, "none": None},
        thumbnail=b"\xff\xd8 jpeg \x00\xff",
    )
    index.add([whole])
    (back,) = index.get([whole.id])
    for name in ("id", "source", "path", "page", "content_hash", "size", "mtime_ns", "width", "height", "taken",
                 "annotation_hash", "text", "thumbnail"):  # fmt: skip
        assert getattr(back, name) == getattr(whole, name), name
    assert {name: value for name, value in back.meta.items() if value is not None} == {
        "name": "Gear", "price": 2.5, "count": 7, "ready": False,
    }  # fmt: skip
    assert type(back.meta["ready"]) is bool
    assert type(back.meta["count"]) is int
    assert back.vector.dtype == np.float32
    np.testing.assert_array_equal(back.vector, whole.vector)
    assert index.thumbnail(whole.id) == whole.thumbnail
    assert index.thumbnail("not there") == b""


def test_what_a_row_does_not_have_comes_back_empty(index):
    index.add([row("a")])
    (back,) = index.get(["a"])
    assert (back.page, back.taken, back.text, back.thumbnail, back.annotation_hash) == (None, None, "", b"", "")
    assert all(value is None for value in back.meta.values())


def test_rows_come_in_the_order_asked_and_those_that_are_not_there_are_left_out(index):
    index.add([row(name) for name in "abc"])
    assert [found.id for found in index.get(["c", "x", "a"])] == ["c", "a"]
    assert index.get([]) == []
    assert len(index) == 3


def test_a_row_takes_the_place_of_the_one_with_its_id(index):
    index.add([row("a", (1, 0, 0, 0), text="old", meta={"price": 1.0}), row("b")])
    index.add([row("a", (0, 1, 0, 0), text="new")])
    assert len(index) == 2
    (back,) = index.get(["a"])
    assert back.text == "new"
    assert back.meta.get("price") is None
    np.testing.assert_array_equal(back.vector, unit(0, 1, 0, 0))


def test_of_two_rows_with_one_id_the_last_stays(index):
    index.add([row("a", text="first"), row("a", text="last")])
    assert len(index) == 1
    assert index.get(["a"])[0].text == "last"


def test_rows_leave(index):
    index.add([row(name) for name in "abc"])
    index.remove(["a", "not there", "c"])
    index.remove([])
    assert [version.id for version in index.row_versions()] == ["b"]
    assert len(index) == 1
    assert index.get(["a", "b"])[0].id == "b"


ODD = [
    "with space.jpg",
    "neu/Ü ñ 日本語 🖼.jpg",
    'quote\'s "double" \\ `tick`.jpg',
    "line\nbreak\ttab.jpg",
    "private-use \uf8ff\U000f0080.jpg",
    "a.pdf#page=3",
    "50%_off?*[x].jpg",
    "x" * 1000,
    " ",
]


def test_any_id_that_a_file_can_have(index):
    index.add([row(id, source=id, path=id) for id in ODD])
    assert len(index) == len(ODD)
    assert [(found.id, found.path) for found in index.get(ODD)] == [(id, id) for id in ODD]
    assert sorted(version.source for version in index.row_versions()) == sorted(ODD)
    index.remove(ODD[1:])
    assert [version.id for version in index.row_versions()] == ODD[:1]


def test_any_text_that_a_table_can_have(index):
    for i, text in enumerate(["", *ODD]):
        index.add([row(f"{i}", text=text, meta={"title": text})])
    for i, text in enumerate(["", *ODD]):
        (back,) = index.get([f"{i}"])
        assert (back.text, back.meta["title"]) == (text, text)


def test_half_a_surrogate_pair_becomes_a_question_mark(place):
    index = place.open(index_info())
    index.add([row("a", text="x\ud800y", meta={"title": "\udcff"})])
    (back,) = index.get(["a"])
    assert (back.text, back.meta["title"]) == ("x?y", "?")
    index.close()


def test_a_vector_of_another_length_is_refused_and_nothing_is_added(index):
    wrong = Row(id="b", source="", path="b", content_hash="d", vector=np.ones(3, np.float32))
    with pytest.raises(InputError, match=r"'b' has the shape \(3,\); expected \(4,\)"):
        index.add([row("a"), wrong])
    assert len(index) == 0


def test_a_query_of_another_length_is_refused(place):
    index = place.open(index_info())
    with pytest.raises(InputError, match=r"shape \(3,\).*\(4,\)"):
        index.nearest(np.ones(3, np.float32), 5)
    index.close()


# version, vectors, samples, batches


def test_row_versions(index):
    index.add([row("a", size=3, mtime_ns=5, annotation_hash="x"), row("b", source="/other")])
    version = {version.id: version for version in index.row_versions()}
    first = version["a"]
    assert (first.source, first.path, first.content_hash, first.size, first.mtime_ns, first.annotation_hash) == (
        "/photos", "a", "d-a", 3, 5, "x",
    )  # fmt: skip
    assert version["b"].source == "/other"


def test_contents_that_are_there_give_their_vectors(index):
    index.add(
        [
            row("a", (1, 2, 0, 0), content_hash="one"),
            row("copy", (1, 2, 0, 0), content_hash="one"),
            row("b", content_hash="two"),
        ]
    )
    found = index.find_vectors(["one", "three"])
    assert list(found) == ["one"]
    np.testing.assert_array_equal(found["one"], unit(1, 2, 0, 0))
    assert index.find_vectors([]) == {}


def test_batches_hold_every_row_once(index):
    rows = [row(f"{i}", (1, i, 0, 0)) for i in range(25)]
    index.add(rows)
    batches = list(index.batches(10))
    assert all(len(names) == len(vectors) <= 10 for names, vectors in batches)
    seen = {name: vector for names, vectors in batches for name, vector in zip(names, vectors, strict=True)}
    assert len(seen) == sum(len(names) for names, _ in batches) == 25
    for each in rows:
        np.testing.assert_array_equal(seen[each.id], each.vector)


def test_a_sample_is_the_same_each_time(index):
    index.add([row(f"{i}", (1, i, 0, 0)) for i in range(20)])
    chosen = index.sample(7)
    assert chosen.shape == (7, DIM)
    assert len(np.unique(chosen, axis=0)) == 7
    np.testing.assert_array_equal(chosen, index.sample(7))
    assert index.sample(100).shape == (20, DIM)


def test_many_rows(index):
    n = 150 if type(index).__name__ == "QdrantIndex" else 1200  # its local mode commits each row to disk by itself
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(n, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index.add([row(f"{i}", v, text=f"word{i % 7}", meta={"n": i}) for i, v in enumerate(vectors)])
    assert len(index) == n
    assert len({version.id for version in index.row_versions()}) == n
    assert len(index.get([f"{i}" for i in range(n)])) == n
    assert len(index.find_vectors([f"d-{i}" for i in range(n)])) == n
    best = index.nearest(vectors[3], 10)
    expected = np.argsort(-(vectors @ vectors[3]), kind="stable")[:10]
    assert ids(best) == [f"{i}" for i in expected]
    assert len(index.nearest(vectors[3], n - 100)) == n - 100
    index.remove([f"{i}" for i in range(n - 10)])
    assert len(index) == 10


def test_an_empty_index_answers_with_nothing(index):
    assert len(index) == 0
    assert index.nearest(unit(1, 0, 0, 0), 5) == []
    assert index.match_text("coat", 5) == []
    assert index.get(["a"]) == list(index.row_versions()) == list(index.batches()) == []
    assert index.find_vectors(["d"]) == {}
    assert index.sample(5).shape == (0, DIM)
    assert set(index.columns()) == {"path", "page", "width", "height", "taken"}
    index.optimise()
    assert len(index) == 0


# neighbours


def test_the_nearest_come_first_with_their_cosines(index):
    index.add(CLOTHES)
    matches = index.nearest(unit(1, 0, 0, 0), 3)
    assert ids(matches) == ["a", "b", "c"]
    np.testing.assert_allclose([m.score for m in matches], [1, 0.5**0.5, 0.2**0.5], atol=1e-6)
    best = matches[0].row
    assert (best.text, best.meta["gender"], best.meta["year"]) == ("red winter coat", "Women", 2010)
    np.testing.assert_array_equal(best.vector, unit(1, 0, 0, 0))


def test_more_than_there_is_gives_all(index):
    index.add(CLOTHES)
    assert ids(index.nearest(unit(1, 0.1, 0.02, 0.01), 10_000)) == ["a", "b", "c", "d", "e"]
    assert index.nearest(unit(1, 0, 0, 0), 0) == []


def test_cosines_may_be_negative(index):
    index.add([row("same"), row("opposite", (-1, 0, 0, 0))])
    assert [m.score for m in index.nearest(unit(1, 0, 0, 0), 2)] == pytest.approx([1, -1])


# conditions

CONDITIONS = {
    "gender = 'Women'": "ac",
    "gender = 'Women' and price < 50": "a",
    "gender = 'Women' or price >= 60": "abc",
    "not gender = 'Women'": "bd",
    "gender != 'Women'": "bd",
    "not (gender = 'Women' or sale)": "b",
    "not (gender = 'Women' and price < 50)": "bcd",
    "gender = 'it''s 100%'": "d",
    "gender in ('Men', 'it''s 100%')": "bd",
    "gender not in ('Men', 'Women')": "d",
    "gender like 'Wo%'": "ac",
    "gender like '%100%'": "d",
    "gender not like '%n'": "d",
    "gender is null": "e",
    "gender is not null": "abcd",
    "price between 40 and 60": "ab",
    "price not between 40 and 60": "c",
    "price > 40.5": "bc",
    "price = 60": "b",
    "40 <= price": "abc",
    "price = 1 or price is null": "de",
    "year = 2010": "a",
    "year <> 2010": "bc",
    "year in (2010, 2014)": "ac",
    "year >= 2012 and year < 2014": "b",
    "year > -5": "abc",
    "sale": "ad",
    "sale = true": "ad",
    "not sale": "b",
    "sale is null": "ce",
    "width > 600": "e",
    "page = 3": "e",
    "page is null": "abcd",
    "path = 'a'": "a",
    "taken >= '2023-06'": "e",
    "taken < '2023-06'": "",
    "taken is not null": "e",
    "price < 10": "",
    "(gender) = ('Men')": "b",
    "\"gender\" = 'Men'": "b",
}
# what a store cannot do it says; see also test_filters.py
NOT_THERE = {("pinecone", "like"), ("qdrant", "like '%n'")}


@pytest.mark.parametrize("where", CONDITIONS)
def test_conditions_choose_as_sql_does(where, clothes):
    store, index = clothes
    if any(store == name and part in where for name, part in NOT_THERE):
        with pytest.raises(InputError, match=r"like|LIKE|pattern"):
            index.nearest(unit(1, 1, 1, 1), 10, where)
        return
    assert sorted(ids(index.nearest(unit(1, 1, 1, 1), 10, where))) == list(CONDITIONS[where])
    assert ids(index.match_text("coat", 10, where)) == [id for id in "ba" if id in CONDITIONS[where]]


@pytest.fixture(scope="module", params=["memory", "lance", "qdrant", "pinecone"])
def clothes(request, tmp_path_factory, pinecone):
    """(store's name, an index of CLOTHES), for tests that only read."""
    with pytest.MonkeyPatch.context() as patch:
        pinecone.named_by(patch)
        folder = tmp_path_factory.mktemp("clothes")
        opened = (
            MemoryIndex() if request.param == "memory" else Place(request.param, folder, pinecone).open(index_info())
        )
        opened.add(CLOTHES)
        opened.optimise()
        yield request.param, opened
        opened.close()


def test_columns_and_their_types(clothes):
    assert clothes[1].columns() == {
        "path": "text", "page": "integer", "width": "integer", "height": "integer", "taken": "text",
        "gender": "text", "price": "number", "year": "integer", "sale": "boolean",
    }  # fmt: skip


@pytest.mark.parametrize("where", ["gendr = 'Women'", "gender =", "", "gender = 'Women", "price <", "((price > 1)"])
def test_a_condition_that_cannot_be_read_is_the_users_mistake(where, clothes):
    for ask in (lambda: clothes[1].nearest(unit(1, 0, 0, 0), 3, where), lambda: clothes[1].match_text("a", 3, where)):
        with pytest.raises(InputError, match="condition"):
            ask()


def test_an_unknown_column_is_named_with_those_there_are(clothes):
    store, index = clothes
    with pytest.raises(InputError, match=r"gendr.*gender.*price") as raised:
        index.nearest(unit(1, 0, 0, 0), 3, "gendr = 'Women'")
    if store != "memory":
        assert "Did you mean: gender" in str(raised.value)


def test_columns_with_odd_names(index):
    index.add([row("a", meta={"price (€)": 3.0, "größe": "XL", "two words": 1}), row("b", meta={"price (€)": 5.0})])
    for where in ('"price (€)" < 4', "\"größe\" = 'XL'", '"two words" = 1'):
        assert ids(index.nearest(unit(1, 0, 0, 0), 5, where)) == ["a"]


def test_a_tables_column_may_be_called_as_one_of_the_index(place):
    index = place.open(index_info())
    index.add([row("a", path="a", meta={"path": "of the table"}), row("b")])
    assert index.get(["a"])[0].meta == {"path": "of the table"}
    assert ids(index.nearest(unit(1, 0, 0, 0), 5, "table_path = 'of the table' and path = 'a'")) == ["a"]
    index.close()


def test_columns_come_with_new_rows(index):
    index.add([row("a", meta={"size": 3})])
    index.add([row("b", meta={"size": 3.5, "colour": "red"})])  # a column of whole numbers becomes one of numbers
    assert index.columns()["size"] == "number"
    assert index.columns()["colour"] == "text"
    assert ids(index.nearest(unit(1, 0, 0, 0), 5, "size > 3")) == ["b"]
    assert ids(index.nearest(unit(1, 0, 0, 0), 5, "size = 3")) == ["a"]
    assert sorted(ids(index.nearest(unit(1, 0, 0, 0), 5, "size in (3, 3.5)"))) == ["a", "b"]


def test_a_column_holds_one_type_of_value(place):
    index = place.open(index_info())
    index.add([row("a", meta={"size": 3})])
    with pytest.raises(InputError, match=r"'size'.*'large'"):
        index.add([row("b"), row("c", meta={"size": "large"})])
    assert [version.id for version in index.row_versions()] == ["a"]
    index.close()


# texts


def test_texts_are_ranked_by_bm25(clothes):
    """ "coat" stands twice among three words in b and once among three in a; "winter" in a alone."""
    index = clothes[1]
    assert ids(index.match_text("coat", 5)) == ["b", "a"]
    assert ids(index.match_text("winter coat", 5)) == ["a", "b"]
    assert ids(index.match_text("belt", 5)) == ["c"]
    assert ids(index.match_text("coat", 1)) == ["b"]
    first, second = index.match_text("coat", 2)
    assert first.score > second.score > 0
    assert first.row.meta["price"] == 60
    assert index.match_text("coat", 0) == []


def test_scores_are_bm25s_by_coverage(index):
    texts = ["red winter coat", "blue coat coat", "green shoe belt", "coat", "one two three four five six coat"]
    index.add([row(f"{i}", text=text) for i, text in enumerate(texts)])
    index.optimise()
    for query in ("coat", "winter coat", "shoe six"):
        expected = scores_of(query, texts)
        assert {m.row.id: m.score for m in index.match_text(query, 10)} == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("words", ["", "   ", "?!", "nowhere", '"', "\x00"])
def test_words_that_are_not_there_find_nothing(words, clothes):
    assert clothes[1].match_text(words, 5) == []


@pytest.mark.parametrize(
    "words", ["coat AND", "+coat -red", '"coat', "coat)", "title:coat", "coat^2", "coat~", "NOT coat", "coat; drop"]
)
def test_operators_are_words_as_any_other(words, clothes):
    assert set(ids(clothes[1].match_text(words, 5))) >= {"a", "b"}


def test_texts_follow_the_rows(index):
    index.add([row("a", text="coat"), row("b", text="shirt")])
    index.optimise()
    index.add([row("a", text="dress"), row("c", text="coat shirt")])
    index.remove(["b"])
    assert ids(index.match_text("coat", 5)) == ["c"]
    assert ids(index.match_text("shirt", 5)) == ["c"]
    assert ids(index.match_text("dress", 5)) == ["a"]
    index.optimise()
    assert ids(index.match_text("shirt dress", 1)) == ["a"]


# notes, and opening again


def test_notes(index):
    assert index.note("tuned") is None
    index.set_note("tuned", {"alpha": 0.3, "words": ["ü"], "none": None})
    index.set_note("tuned", {"alpha": 0.5})
    index.set_note("other/key with space", {"a": {"b": [1, 2.5]}})
    assert index.note("tuned") == {"alpha": 0.5}
    assert index.note("other/key with space") == {"a": {"b": [1, 2.5]}}
    assert len(index) == 0


def test_a_large_note(index):
    note = {"matrix": np.random.default_rng(0).normal(size=(200, 100)).tolist()}  # about 400 kB of JSON
    index.set_note("whitening", note)
    assert index.note("whitening") == note
    index.set_note("whitening", {"small": 1})
    assert index.note("whitening") == {"small": 1}


def test_an_index_is_as_it_was_when_opened_again(place):
    index = place.open(index_info())
    index.add(CLOTHES)
    index.set_note("tuned", {"alpha": 0.5})
    index.optimise()
    index.close()

    again = place.open()
    assert again.info == index_info()
    assert len(again) == 5
    assert again.note("tuned") == {"alpha": 0.5}
    assert again.columns()["price"] == "number"
    assert ids(again.nearest(unit(1, 0, 0, 0), 2, "gender = 'Women'")) == ["a", "c"]
    assert ids(again.match_text("coat", 5)) == ["b", "a"]
    again.close()
    with contextlib.closing(place.open(index_info())) as same:
        assert len(same) == 5


def test_there_is_no_index_where_none_was_made(place):
    with pytest.raises(StoreError, match="wordsight index"):
        place.open()


def test_another_model_is_refused_and_both_are_named(place):
    place.open(index_info()).close()
    other = index_info(model="other-model", fingerprint="f" * 32)
    with pytest.raises(StoreError) as raised:
        place.open(other)
    for part in ("tiny", "0" * 8, "other-model", "f" * 8):
        assert part in str(raised.value)
    place.open().close()


# the whole engine on each store


def test_a_gallery_follows_its_images_on_every_store(place, tmp_path):
    model = colour_model()
    write_images(tmp_path / "in", range(4))
    with Gallery.create(place.location, model=model) as gallery:
        assert gallery.add(tmp_path / "in").added == 4
        first = sorted((tmp_path / "in").iterdir())
        first[0].rename(first[0].with_name("renamed.png"))
        first[1].unlink()
    with Gallery.open(place.location, model=model) as gallery:
        summary = gallery.refresh()
        assert (summary.unchanged, summary.removed) == (2, 2)
        assert len(gallery) == 3
        assert gallery.search("renamed", 5, by="text")[0].path.name == "renamed.png"
        copy = gallery.search(tmp_path / "in" / "renamed.png", 1)[0]
        assert copy.path.name == "renamed.png"
        assert copy.score == pytest.approx(1, abs=1e-3)
        assert len(gallery.search(first[2], 5, where="width > 1")) == 3
        assert gallery.search(first[2], 5, where="width < 1") == []


# any history of additions and removals leaves what a dict would hold

names = st.sampled_from("abcdef")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.tuples(names, st.integers(0, 9)), min_size=1, max_size=4)),
        st.tuples(st.just("remove"), st.lists(names, min_size=1, max_size=3)),
        st.tuples(st.just("optimise"), st.none()),
    ),
    max_size=6,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_any_history_of_rows_leaves_what_a_dict_holds(place, history):
    index, oracle = Place(place.store, place.folder, place.server).open(index_info()), {}
    for step, what in history:
        if step == "add":
            rows = [row(name, (1, n, 0, 0), text=f"word{n}", meta={"n": n}) for name, n in what]
            index.add(rows)
            oracle.update({each.id: each for each in rows})
        elif step == "remove":
            index.remove(what)
            for name in what:
                oracle.pop(name, None)
        else:
            index.optimise()
    assert len(index) == len(oracle)
    assert {version.id for version in index.row_versions()} == set(oracle)
    for name, expected in oracle.items():
        (back,) = index.get([name])
        assert (back.text, dict(back.meta)) == (expected.text, dict(expected.meta))
        np.testing.assert_array_equal(back.vector, expected.vector)
    if "n" in index.columns():
        found = index.nearest(unit(1, 3, 0, 0), 10, "n > 4")
        assert sorted(ids(found)) == sorted(name for name, each in oracle.items() if each.meta["n"] > 4)
    index.close()


# columns of all rows


def test_columns_of_all_rows_are_read_under_a_condition(index):
    index.add(CLOTHES)
    if "Pinecone" in type(index).__name__:
        with pytest.raises(InputError, match="Pinecone cannot list the rows"):
            index.read_columns(["gender"])
        with pytest.raises(InputError, match="Pinecone cannot list the rows"):
            index.count("price > 50")
        return
    assert [index.count(where) for where in ("price > 50", "gender = 'Women'", "gender = 'x'")] == [2, 2, 0]
    read = index.read_columns(["gender", "price", "page"], "price > 50")
    assert sorted(zip(*read.values(), strict=True)) == [("b", "Men", 60.0, None), ("c", "Women", 80.0, None)]
    assert set(index.read_columns([])["id"]) == {"a", "b", "c", "d", "e"}
    with pytest.raises(InputError, match=r"no column 'gendre'; there are: path.* Did you mean: gender"):
        index.read_columns(["gendre"])


def test_the_state_changes_with_what_is_written(index):
    before = index.state()
    index.add(CLOTHES[:1])
    assert before is None or index.state() != before
