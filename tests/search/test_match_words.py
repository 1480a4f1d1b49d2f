"""Words that people type, on a small shop and a manual: what the texts of an index answer."""

import lance
import numpy as np
import pytest

from wordsight.index import IndexInfo, Row, create_index, open_index
from wordsight.index.lance.schema import TERMS

TITLES = {
    "nike": "Nike Men Downshifter running shoes",
    "puma": "Puma Men Black T-shirt",
    "puma2": "Puma Women Tee",
    "dress": "Red summer dresses",
    "dress2": "Blue dress with red belt",
    "belt": "Men's belt in brown leather",
    "dish": "Crème brûlée dish",
    "relay": "Relay RE1602-A, 24 V",
    "relay2": "Relay RE22",
    "manual": "Installing LinuxCNC on Debian: insert the disk and start the installer",
    "manual2": "How do I mill aluminium",
    "chinese": "红色连衣裙 夏季",
    "german": "Sommerkleid für Damen",
    "boots": "Walking boots waterproof",
    "poster": "Framed poster, 50 x 70",
    "remote": "Batteries for remote",
}

VECTOR = np.array([1, 0, 0, 0], np.float32)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    info = IndexInfo("colours", "0" * 64, 4, "2026-01-01T00:00:00Z")
    index = create_index(tmp_path_factory.mktemp("shop") / "index", info)
    index.add([Row(id, "", id, id, VECTOR, text=text) for id, text in TITLES.items()])
    index.optimise()
    yield index
    index.close()


@pytest.mark.parametrize(
    ("query", "best"),
    [
        ("how do I install LinuxCNC", "manual"),
        ("red dress", "dress"),
        ("leather belts", "belt"),
        ("puma t-shirt", "puma"),
        ("tshirts", "puma"),
        ("nkie shoes", "nike"),
        ("creme brulee", "dish"),
        ("RE16", "relay"),
        ("连衣裙", "chinese"),
        ("红色", "chinese"),
        ("Kleid", "german"),
        ("walk", "boots"),
        ("walked", "boots"),
        ("frame", "poster"),
        ("50x70", "poster"),
        ("battery", "remote"),
        ("waterproof boots blue", "boots"),
        ("linux cnc", "manual"),
        ("downshiftr", "nike"),  # a letter less
        ("watreproof", "boots"),  # two exchanged
        ("waterprof", "boots"),  # a letter once instead of twice
        ("waterproov", "boots"),  # another letter
        ("waxterproof", "boots"),  # a letter more
        ("dreses", "dress"),
    ],
)
def test_the_best_text_is_the_one_that_a_person_expects(shop, query, best):
    matches = shop.match_text(query, 5)
    assert matches[0].row.id == best
    assert matches[0].coverage > 0.6
    assert [match.score for match in matches] == sorted((match.score for match in matches), reverse=True)


def test_coverage_tells_the_share_of_the_words(shop):
    found = {match.row.id: match.coverage for match in shop.match_text("red dress", 10)}
    assert found["dress"] == found["dress2"] == 1
    assert found["chinese" if "chinese" in found else "dress"] == 1
    assert {m.row.id: m.coverage for m in shop.match_text("waterproof boots blue", 9)}["boots"] == pytest.approx(2 / 3)


def test_another_spelling_is_tried_only_of_words_that_no_text_holds(shop):
    assert [word.guesses for word in shop.query_words("nkie shoes")] == [("nike",), ()]
    assert shop.query_words("belt")[0].guesses == ()
    assert shop.query_words("handbag")[0].guesses == ()
    assert shop.query_words("12345")[0].guesses == ()


@pytest.mark.parametrize("query", ["юбка", "zebra crossing", "", "?!", "\ud800", "violin"])
def test_what_no_text_holds_finds_nothing(shop, query):
    assert shop.match_text(query, 5) == []


def test_stop_words_alone_are_words(shop):
    assert shop.match_text("how do I", 5)[0].row.id == "manual2"


def test_five_thousand_words_are_answered(shop):
    assert shop.match_text("Relay " + " ".join(f"word{i}" for i in range(5000)), 5)[0].row.id.startswith("relay")


def test_the_words_may_be_given_read(shop):
    words = shop.query_words("nkie shoes")
    assert [m.row.id for m in shop.match_text(words, 3)] == [m.row.id for m in shop.match_text("nkie shoes", 3)]


@pytest.fixture
def older(tmp_path):
    """An index as the first version made it: the texts themselves are indexed, by Lance's own analysis."""
    index = create_index(tmp_path / "older", IndexInfo("colours", "0" * 64, 4, "2026-01-01T00:00:00Z", format=1))
    index.add([Row(id, "", id, id, VECTOR, text=text) for id, text in TITLES.items()])
    index.close()
    data = lance.dataset(tmp_path / "older" / "items.lance")
    data.drop_index("_terms_idx")
    data.drop_columns([TERMS])
    data.create_scalar_index("_text", "INVERTED", "_text_idx", stem=True, remove_stop_words=False, ascii_folding=True)
    return tmp_path / "older"


def test_an_index_of_an_older_version_is_read_and_brought_up_to_date_by_the_next_writing(older):
    index = open_index(older)
    assert index.match_text("leather belts", 5)[0].row.id == "belt"
    assert index.match_text("连衣裙", 5) == []
    with pytest.warns(UserWarning, match="older version: its texts were analysed again"):
        index.add([Row("new", "", "new", "new", VECTOR, text="Blue skirts")])
    index.optimise()  # says nothing: it was said
    index.close()
    assert "_text_idx" not in {each.name for each in lance.dataset(older / "items.lance").describe_indices()}
    again = open_index(older)
    assert again.info.format == 2
    assert len(again) == len(TITLES) + 1
    assert again.match_text("连衣裙", 5)[0].row.id == "chinese"
    assert again.match_text("skirt", 5)[0].row.id == "new"
    assert again.get(["dish"])[0].text == TITLES["dish"]
    assert again.columns().keys() == index.columns().keys()
    assert again.query_words("nkie")[0].guesses == ("nike",)
    again.close()


@pytest.mark.parametrize("step", ["_build_text_index", "has_terms"])
def test_a_killed_update_of_an_older_index_is_begun_again(older, monkeypatch, step):
    """Killed after the column was added, or (has_terms is then asked again) before anything was."""

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"wordsight.index.lance.maintenance.{step}", killed)
    index = open_index(older)
    with pytest.raises(KeyboardInterrupt):
        index.optimise()
    monkeypatch.undo()
    index.close()
    index = open_index(older)
    assert index.match_text("leather belts", 5)[0].row.id == "belt"
    with pytest.warns(UserWarning, match="older version"):
        index.optimise()
    assert index.match_text("连衣裙", 5)[0].row.id == "chinese"
    index.close()
