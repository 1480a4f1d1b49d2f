"""Queries: their forms, their vectors, and the results of a search; with a model that knows three colours."""

from pathlib import Path

import numpy as np
import pytest
from colour_model import DIM, ColourModel, image, write_images
from memory_index import MemoryIndex, index_info
from PIL import Image
from searching import run

from wordsight.errors import ImageError, InputError, StoreError
from wordsight.index import Row
from wordsight.search.finder import has_caption
from wordsight.search.query_parts import Query, QueryPart, embed_parts, query_vector
from wordsight.zeroshot.class_embeddings import normalise_rows

COLOURS = ("red", "green", "blue", "black", "white", "yellow")


def row(path, vector, text="", page=None, **meta):
    return Row(path, "/photos", path, path, vector, page=page, text=text, meta=meta)


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))
    return ColourModel()


@pytest.fixture
def gallery(model, tmp_path):
    """Six images of each of six colours, in files that say nothing."""
    index = MemoryIndex(index_info(DIM, "colour", "colour"))
    names = [f"{colour}-{i}.png" for colour in COLOURS for i in range(6)]
    for i, name in enumerate(names):
        write_images(tmp_path, [name])
        vector = model.embed_images([image(name.split("-")[0], (8, 8 + i))])[0]
        index.add([row(f"/photos/{i}.png", vector, str(i))])
    return index


def vector_of(model, asked, sample):
    query = Query.of(asked)
    return query_vector(query, embed_parts(model, query.parts), sample)


def colours_of(hits):
    return [COLOURS[int(Path(hit.id).stem) // 6] for hit in hits]


def test_a_text_is_a_query(gallery, model):
    hits = run(gallery, model, "red", 6)
    assert colours_of(hits) == ["red"] * 6
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert hits[0].score == pytest.approx(float(hits[0].row.vector @ model.embed_texts(["red"])[0]))
    assert hits[0].path == Path(hits[0].id)
    assert hits[0].bm25 is None


def test_a_image_is_a_query_however_it_is_given(gallery, model, tmp_path):
    green = image("green", (8, 9))
    green.save(tmp_path / "g.png")
    ways = [green, tmp_path / "g.png", (tmp_path / "g.png").read_bytes(), np.asarray(green)]
    answers = [[hit.id for hit in run(gallery, model, way, 6)] for way in ways]
    assert answers == answers[:1] * 4
    assert colours_of(run(gallery, model, green, 6)) == ["green"] * 6


def test_a_vector_is_a_query_of_any_length(gallery, model):
    vector = 7 * model.embed_texts(["blue"])[0]
    assert colours_of(run(gallery, model, vector, 3)) == ["blue"] * 3


def test_parts_add_up_and_take_away(gallery, model):
    """Red and green make yellow; white without red and green is blue."""
    assert colours_of(run(gallery, model, ["red", "green"], 6)) == ["yellow"] * 6
    taken = run(gallery, model, [image("white"), ("red", -1), ("green", -1)], 6)
    assert colours_of(taken) == ["blue"] * 6


def test_what_is_not_wanted_makes_nothing_likelier(gallery, model):
    """Nor more likely ones in all."""
    alone, without = run(gallery, model, "red", 36), run(gallery, model, ["red", ("green", -0.5)], 36)
    assert max(hit.proba for hit in without) <= max(hit.proba for hit in alone) + 0.05
    assert without.likely <= alone.likely


def test_weights_count_and_their_unit_does_not(gallery, model):
    sample = gallery.sample(100)
    vectors = [vector_of(model, [("red", a), (image("blue"), b)], sample) for a, b in [(1, 2), (10, 20), (1, 1)]]
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-6)
    blue = model.embed_images([image("blue")])[0]
    assert vectors[0] @ blue > vectors[2] @ blue


def test_parts_of_one_weight_move_the_answers_alike_whatever_the_scale_of_their_cosines(gallery, model):
    """The cosines of texts spread less than those of images: in the sum each part's have the same spread."""
    sample = gallery.sample(100)
    red, blue = model.embed_texts(["red"])[0], model.embed_images([image("blue")])[0]
    mixed = vector_of(model, ["red", image("blue")], sample)
    expected = red / (sample @ red).std() + blue / (sample @ blue).std()
    assert mixed == pytest.approx(expected / np.linalg.norm(expected), abs=1e-5)


def test_one_part_is_itself_and_so_is_any_part_of_an_empty_index(gallery, model):
    red = model.embed_texts(["red"])[0]
    assert vector_of(model, "red", gallery.sample(10)) == pytest.approx(red)
    empty = MemoryIndex(index_info(DIM, "colour", "colour"))
    assert run(empty, model, ["red", "blue"]) == []


def test_a_condition_narrows_the_answers(gallery, model):
    """And does not change what it takes to be one: greens are no reds where there are no others."""
    where = "path in ('/photos/2.png', '/photos/5.png', '/photos/7.png')"
    hits = run(gallery, model, "red", where=where)
    assert colours_of(hits) == ["red", "red", "green"]
    whole = {hit.id: hit.proba for hit in run(gallery, model, "red", 36)}
    for hit in run(gallery, model, "red", where=where):
        assert hit.proba == pytest.approx(whole[hit.id], abs=1e-6)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("  ", "A text of the query is '  '"),
        ([], "The query is empty"),
        ([("red", 0)], "A weight of the query is 0, expected a number other than 0"),
        ([("red", 1e308), ("blue", -1e308)], r"A weight of the query is 1e\+308, expected"),
        ([("red", float("nan"))], "A weight of the query is nan"),
        ([("red", -1), ("blue", -2)], "negative parts only"),
        (7, "The query holds int, expected text"),
        (np.zeros(DIM, np.float32), "length 0; expected \\(256,\\)"),
        (np.full(DIM, np.nan, np.float32), "length nan; expected \\(256,\\)"),
        (np.ones(3, np.float32), r"has the shape \(3,\)"),
        ([("red", 1), ("red", -1)], "cancel each other out"),
        ([{"red"}], "The query holds set"),
    ],
)
def test_a_query_that_says_nothing_is_refused(gallery, model, asked, message):
    with pytest.raises(InputError, match=message):
        run(gallery, model, asked)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k is 0, expected a whole number, 1 or more"),
        ({"by": "vectors"}, "Did you mean: vector"),
        ({"whiten": True}, "whiten compares images with images"),
    ],
)
def test_a_call_that_cannot_be_answered_is_refused(gallery, model, options, message):
    with pytest.raises(InputError, match=message):
        run(gallery, model, "red", **options)


def test_a_kind_that_is_none_is_refused():
    with pytest.raises(InputError, match="of kind 'sound', expected one of text, image, vector"):
        Query((QueryPart("sound", "moo"),))


@pytest.mark.parametrize("by", ["text", "both"])
def test_texts_are_searched_with_words(gallery, model, by):
    with pytest.raises(InputError, match=f"by='{by}' searches texts, but the query has no positive text"):
        run(gallery, model, image("red"), by=by)


def test_a_image_that_cannot_be_read_is_named(gallery, model, tmp_path):
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        run(gallery, model, tmp_path / "gone.png")


def test_an_index_of_another_model_is_refused(model):
    with pytest.raises(
        StoreError, match=r"made with the model ViT-B-32/openai \(fingerprint (abc){9}, 512 dim.*colour"
    ):
        run(MemoryIndex(index_info(512, "ViT-B-32/openai", "abc" * 9)), model, "red")


@pytest.fixture
def shop(gallery):
    """The same images with titles of a brand and a size, which the model does not know."""
    for i, old in enumerate(list(gallery.rows.values())):
        size = ("small", "medium", "large")[i % 3]
        gallery.add([row(old.path, old.vector, f"{size} {'Acme' if i == 20 else 'Plain'} coats", price=i)])
    return gallery


def test_texts_are_searched_by_their_words_alone(shop, model):
    hits = run(shop, model, "acme", by="text")
    assert [hit.id for hit in hits] == ["/photos/20.png"]
    assert hits[0].bm25 > 0
    assert run(shop, model, "zebra", by="text") == []


def test_both_sides_find_what_neither_finds_alone(shop, model):
    """Of the reds the large ones: the words say large, the images red."""
    hits = run(shop, model, "red large", 2, by="both")
    assert colours_of(hits) == ["red", "red"]
    assert all("large" in hit.row.text for hit in hits)
    assert hits[0].meta["price"] in (2, 5)


def test_where_no_text_holds_a_word_what_images_show_decides_alone(shop, model):
    by_looks = [(hit.id, hit.proba) for hit in run(shop, model, "red", 5, by="vector")]
    assert [(hit.id, hit.proba) for hit in run(shop, model, "red", 5, by="both")] == by_looks


def test_a_text_that_holds_every_word_is_an_answer_whatever_the_image_looks_like(shop, model):
    """Brands, part numbers and names are what an image does not show."""
    assert [hit.id for hit in run(shop, model, "the Acme coat")][:1] == ["/photos/20.png"]


def test_by_itself_texts_count_where_there_are_any_beside_file_names(gallery, shop, model):
    assert any(hit.bm25 for hit in run(shop, model, "large"))
    bare = MemoryIndex(index_info(DIM, "colour", "colour"))
    bare.add([row(old.path, old.vector, f"photos {Path(old.path).stem}") for old in shop.rows.values()])
    assert not any(hit.bm25 for hit in run(bare, model, "photos"))
    assert any(hit.bm25 for hit in run(bare, model, "photos", by="both"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (row("/in/beach.jpg", None, "beach"), False),
        (row("/in/Two-Dogs/beach_01.jpg", None, "two dogs beach 01"), False),
        (row("/in/beach.jpg", None, "beach A dog runs."), True),
        (row("/in/beach.jpg", None, "", price=3), True),
        (row("/in/plan.pdf", None, "", page=2), True),
    ],
)
def test_what_counts_as_a_text_of_its_own(given, expected):
    assert has_caption(given) == expected


def test_whitened_answers_are_the_best_of_all_by_whitened_cosine(model):
    """Images that share a frame: the index is asked for candidates, but the order is that of a full comparison."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((3000, DIM)) * np.geomspace(3, 0.3, DIM) + 2
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    index = MemoryIndex(index_info(DIM, "colour", "colour"))
    index.add([row(str(i), vector) for i, vector in enumerate(vectors)])
    hits = run(index, model, vectors[7], 20, whiten=True)
    from wordsight.search.whitening import learn_whitening

    whitened = learn_whitening(index).apply(vectors)
    assert [int(hit.id) for hit in hits] == list(np.argsort(-(whitened @ whitened[7]))[:20])
    assert hits[0].score == pytest.approx(1, abs=1e-5)


def test_a_query_image_loses_its_title_block_where_pages_lost_theirs(gallery, model, monkeypatch):
    """A green image whose "title block" is all of it: painted white, white is what is found."""
    monkeypatch.setattr("wordsight.images.title_block.mask", lambda page: Image.new("RGB", page.size, "white"))
    assert colours_of(run(gallery, model, image("green"), 3)) == ["green"] * 3
    gallery.set_note("sources", {"/sheets": {"mask_title_block": True}})
    assert colours_of(run(gallery, model, image("green"), 3)) == ["white"] * 3


def test_how_many_are_asked_for_does_not_change_the_order(model):
    """One far image has a caption; whether texts count is told by the nearest ones, however many are wanted."""
    index = MemoryIndex(index_info(DIM, "colour", "colour"))
    red, blue = model.embed_images([image("red"), image("blue")])
    near = [row(f"/p/{i}.png", normalise_rows((red + i / 50 * blue)[None])[0], str(i)) for i in range(20)]
    index.add([*near, row("/p/caption.png", blue, "a red car on a road", price=3)])
    ten, twenty = (run(index, model, "red", k) for k in (10, 21))
    assert [hit.id for hit in ten] == [hit.id for hit in twenty][:10]
    assert {hit.bm25 for hit in twenty} == {None}


def test_pages_show_each_result_once_however_many_rows_are_compared(model, monkeypatch):
    """Texts and images disagree; later pages compare more rows of each side."""
    monkeypatch.setattr("wordsight.search.finder.CANDIDATES", 10)
    index = MemoryIndex(index_info(DIM, "colour", "colour"))
    red, blue = model.embed_images([image("red"), image("blue")])
    random = np.random.default_rng(0)
    for i in range(120):
        vector = normalise_rows((red + random.random() * 3 * blue)[None])[0]
        text = "a red car" if i % 3 == 0 else "red " * (i % 4) + "thing"
        index.add([row(f"/p/{i}.png", vector, text, price=i)])
    for by in ("both", "text", "vector"):
        pages = [run(index, model, "red car", 7, offset=offset, by=by) for offset in range(0, 126, 7)]
        ids = [hit.id for page in pages for hit in page]
        assert len(ids) == len(set(ids))
        if by != "text":
            assert len(ids) == 120
        assert all(page[0].proba >= page[-1].proba for page in pages if page)
