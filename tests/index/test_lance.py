"""The Lance store: a folder that says what it is, survives a killed writer, and answers as a plain dict would."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from memory_index import MemoryIndex, index_info, scores_of
from memory_index import a_row as row

from wordsight.errors import InputError, StoreError
from wordsight.index import create_index, open_index
from wordsight.index.lance.folder import newest_version

EAST = np.array([1, 0, 0, 0], np.float32)


def unit(*values):
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


@pytest.fixture
def index(tmp_path):
    with_index = create_index(tmp_path / "index", index_info())
    yield with_index
    with_index.close()


def ids(matches):
    return [match.row.id for match in matches]


# what it holds


def test_a_row_comes_back_whole(index):
    meta = {"price": 49.5, "stock": 3, "new": True, "title": "Boot"}
    facts = {"page": 3, "size": 10, "mtime_ns": 2**60, "width": 640, "height": 480, "taken": "2024-05-01T12:00:00"}
    whole = row(
        "boot.pdf", unit(1, 2, 3, 4), annotation_hash="abc", text="Red boot", meta=meta, thumbnail=b"jpeg", **facts
    )
    index.add([whole])
    index.optimise()
    (back,) = index.get(["boot.pdf"])
    assert {**vars(back), "vector": None} == {**vars(whole), "vector": None}
    assert back.vector.dtype == np.float32
    assert np.array_equal(back.vector, whole.vector)
    (match,) = index.nearest(whole.vector, 1)
    assert match.row.text == "Red boot"
    assert match.row.meta == whole.meta
    assert np.array_equal(match.row.vector, whole.vector)
    assert match.score == pytest.approx(1)


def test_strange_ids_are_kept_and_found(index):
    names = ["it's.jpg", 'say "hi".png', "back\\slash", "new\nline", "tab\t", "ünï", "emoji 👗", "100%_", "`tick`", ""]
    index.add([row(name) for name in names])
    assert [found.id for found in index.get([*names, "absent"])] == names
    index.remove(names[:5])
    assert {version.id for version in index.row_versions()} == set(names[5:])


def test_an_upsert_takes_the_place_of_the_old_row_and_of_its_columns(index):
    index.add([row("a", text="old words", meta={"price": 3, "colour": "red"})])
    index.add([row("a", unit(0, 1, 0, 0), text="new", meta={"price": 4}), row("b")])
    assert len(index) == 2
    assert index.get(["a"])[0].meta == {"price": 4}
    assert not index.match_text("old", 5)
    assert ids(index.nearest(unit(0, 1, 0, 0), 1)) == ["a"]


def test_of_rows_with_one_id_the_last_stays(index):
    index.add([row("a", text="first"), row("a", text="second")])
    assert [found.text for found in index.get(["a"])] == ["second"]


def test_a_vector_of_another_length_is_refused_and_nothing_of_the_call_is_kept(index):
    with pytest.raises(InputError, match=r"The vector of 'b' has the shape \(3,\); expected \(4,\)"):
        index.add([row("a", meta={"new column": 1}), row("b", np.ones(3, np.float32))])
    assert len(index) == 0
    assert "new column" not in index.columns()
    with pytest.raises(InputError, match=r"The query has the shape \(5,\)"):
        index.nearest(np.ones(5, np.float32), 1)


# columns that tables bring


def test_integers_become_numbers_when_a_fraction_comes(index):
    index.add([row("a", meta={"price": 3}), row("b", meta={"price": 2**53})])
    assert index.columns()["price"] == "integer"
    index.add([row("c", meta={"price": 2.5}), row("d", meta={"price": 7})])
    assert index.columns()["price"] == "number"
    assert {name: index.get([name])[0].meta["price"] for name in "abcd"} == {"a": 3, "b": 2**53, "c": 2.5, "d": 7}
    assert set(ids(index.nearest(EAST, 9, "price < 3"))) == {"c"}


def test_text_in_a_column_of_numbers_is_refused(index):
    index.add([row("a", meta={"price": 3})])
    message = r"The column 'price' holds text \('cheap'\), where the index has integer; rename the column"
    with pytest.raises(InputError, match=message):
        index.add([row("b", meta={"price": "cheap"})])
    with pytest.raises(InputError, match=r"The column 'x' holds text .* where the index has boolean"):
        index.add([row("b", meta={"x": True}), row("c", meta={"x": "yes"})])
    with pytest.raises(InputError, match=r"holds 9223372036854775808, which needs more than 64 bits"):
        index.add([row("b", meta={"count": 2**63})])
    with pytest.raises(InputError, match=r"The column 'tags' holds \['a'\] \(list\); expected text"):
        index.add([row("b", meta={"tags": ["a"]})])
    assert [version.id for version in index.row_versions()] == ["a"]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("price", "price"),
        ("list price (€)", '"list price (€)"'),
        ("list price", "`list price`"),
        ("select", '"select"'),
        ("1st", '"1st"'),
        ("a-b", '"a-b"'),
        ('5" disk', '"5"" disk"'),
        ("ünï", "ünï"),
        ("_hidden", "_hidden"),
        # what no index can hold, or holds already, has another name in conditions
        ("a.b", "a_b"),
        ("", "table_column"),
        ("path", "table_path"),
        ("_id", "table_id"),
        ("_rowid", "table_rowid"),
    ],
)
def test_a_column_of_any_name_can_be_asked_for(index, name, written):
    index.add([row("yes", meta={name: "q"}), row("no", meta={name: "it's"})])
    assert ids(index.nearest(EAST, 9, f"{written} = 'q'")) == ["yes"]
    index.optimise()
    assert ids(index.nearest(EAST, 9, f"{written} = 'it''s'")) == ["no"]
    assert index.get(["yes"])[0].meta == {name: "q"}


def test_names_that_differ_in_case_alone_are_two_columns(index):
    index.add([row("a", meta={"Size": 1, "size": 2})])
    assert index.get(["a"])[0].meta == {"Size": 1, "size": 2}
    assert ids(index.nearest(EAST, 9, '"Size" = 1 and "size" = 2')) == ["a"]


def test_a_nothing_in_a_column_is_not_kept(index):
    index.add([row("a", meta={"colour": None, "price": 1})])
    assert "colour" not in index.columns()
    assert index.get(["a"])[0].meta == {"price": 1}


# conditions


@pytest.fixture
def shop(index):
    index.add([row(f"{i}.jpg", meta={"price": i, "gender": "Women" if i % 2 else "Men"}) for i in range(6)])
    return index


@pytest.mark.parametrize("optimised", [False, True])
def test_a_condition_chooses_rows_exactly(shop, optimised):
    if optimised:
        shop.optimise()
    assert sorted(ids(shop.nearest(EAST, 9, "gender = 'Women' and price < 5"))) == ["1.jpg", "3.jpg"]
    assert sorted(ids(shop.nearest(EAST, 9, "path like '%4.jpg' or price in (0, 2)"))) == ["0.jpg", "2.jpg", "4.jpg"]
    assert shop.nearest(EAST, 9, "price > 100") == []


def test_a_condition_of_another_thread_does_not_choose_rows(shop):
    """Another thread asks its own condition whenever this one keeps or looks up what it chose."""
    shop.optimise()
    women, men = "gender = 'Women'", "gender = 'Men'"
    shop.nearest(EAST, 9, men)
    of_men = shop._chosen

    class Raced(type(shop)):
        _chosen = property(lambda self: self.__dict__["chosen"], lambda self, _: self.__dict__.update(chosen=of_men))

    shop.__class__ = Raced
    shop._chosen = None
    assert sorted(ids(shop.nearest(EAST, 9, women))) == ["1.jpg", "3.jpg", "5.jpg"]
    assert shop.count_near(EAST, -1.0, women) == (3, False)


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("prise > 3", r"there is no column prise\. Did you mean: price\?"),
        ("price >", "Expected: an expression"),
        ("price = 'abc'", '"abc" is not of type integer'),
        ("price", "it is neither true nor false"),
        ("price > 3; drop table x", "Expected"),
        ("nofn(price) > 1", "there is no function nofn"),
        ("gender = 'Women", "Unterminated"),
        ("price in (select 1)", "is not supported"),
        ("price / 0 > 1", r"cannot be read: Divide by zero error\."),
        ("cast(gender as int) > 1", "cannot be read: Cast error: Cannot cast string '(Wom|M)en' to value of Int32"),
    ],
)
def test_a_condition_that_cannot_be_read_is_named_with_the_columns(shop, condition, reason):
    with pytest.raises(InputError, match=reason) as refused:
        shop.nearest(EAST, 3, condition)
    assert repr(condition) in str(refused.value)
    assert "price (integer), gender (text)" in str(refused.value)
    with pytest.raises(InputError, match=reason):
        shop.match_text("red", 3, condition)


def test_an_empty_condition_is_refused(shop):
    with pytest.raises(InputError, match="The condition is empty; write one such as"):
        shop.nearest(EAST, 3, " ")


# texts


TEXTS = ["Red winter coat", "coat for the winter", "Blue jeans", "a red red dress", "winter boots, red laces and a bow"]


def test_text_scores_are_bm25(index):
    index.add([row(f"{i}", text=text) for i, text in enumerate(TEXTS[:3])])
    index.add([row("gone", text="red red red")])
    index.optimise()
    index.add([row(f"{i}", text=text) for i, text in enumerate(TEXTS) if i >= 3])
    index.remove(["gone"])
    index.optimise()
    for query in ("red", "winter coat", "the red coat", "red red coat"):
        found = index.match_text(query, 9)
        assert {match.row.id: match.score for match in found} == pytest.approx(scores_of(query, TEXTS), rel=1e-5)
        assert [match.score for match in found] == sorted((match.score for match in found), reverse=True)


def test_texts_added_since_the_text_index_was_built_are_found_too(index):
    index.add([row("old", text="red hat")])
    index.optimise()
    index.add([row("new", text="red coat")])
    assert set(ids(index.match_text("red", 9))) == {"old", "new"}
    assert ids(index.match_text("coat", 9)) == ["new"]


def test_words_are_found_in_any_form_and_none_is_left_out(index):
    index.add([row("a", text="Two red COATS"), row("b", text="To be or not to be"), row("c", text="café")])
    assert ids(index.match_text("coat", 9)) == ["a"]
    assert ids(index.match_text("not to be", 9)) == ["b"]
    assert ids(index.match_text("CAFE", 9)) == ["c"]


@pytest.mark.parametrize("words", ["", " ", '"', '"red', "red AND", "NOT", "(red", "red*", "~", "a:b", "\\", "👗", "-"])
def test_no_words_of_a_user_are_an_error(shop, words):
    assert len(shop.match_text(words, 3)) in (0, 3)


def test_texts_heed_a_condition(index):
    index.add([row(f"{i}", text="red", meta={"n": i}) for i in range(5)])
    index.optimise()
    assert sorted(ids(index.match_text("red", 9, "n >= 3"))) == ["3", "4"]


# folders and addresses


def test_no_index_there_says_how_to_make_one(tmp_path):
    with pytest.raises(StoreError, match=r"There is no index in .*none; make one with: wordsight index FOLDER --in"):
        open_index(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="is a file; an index is a folder"):
        open_index(tmp_path / "file")


def test_an_index_of_another_model_is_refused_with_both_names(index):
    message = r"made with the model tiny \(fingerprint 0{32}, 4 dimensions\), not with big \(fingerprint 1{32}, 4 dim"
    with pytest.raises(StoreError, match=message):
        create_index(index.location, index_info(model="big", fingerprint="1" * 32))
    assert create_index(index.location, index_info()).info == index_info()


def test_the_default_index_is_the_users_own(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_INDEX", str(tmp_path / "mine"))
    create_index(None, index_info()).add([row("a")])
    assert len(open_index()) == 1


def test_an_address_alone_is_enough(tmp_path):
    """An index at an address has neither lock nor snapshot: everything lies in the dataset."""
    address = f"file://{tmp_path}/remote"
    with pytest.raises(StoreError, match="There is no index in file://"):
        open_index(address)
    writer = create_index(address, index_info())
    writer.add([row("a", text="red", meta={"n": 1}), row("b", unit(1, 1, 0, 0), text="blue")])
    writer.set_note("sources", {"named": ["/s"]})
    writer.optimise()
    reader = open_index(address)
    assert reader.info == index_info()
    assert reader.note("sources") == {"named": ["/s"]}
    assert ids(reader.nearest(EAST, 2)) == ["a", "b"]
    assert ids(reader.match_text("blue", 2)) == ["b"]
    assert reader.sample(9).shape == (2, 4)
    assert not list(tmp_path.rglob("snapshot*"))


def test_notes_are_kept_and_do_not_make_the_snapshot_stale(index, tmp_path):
    index.add([row("a")])
    index.optimise()
    before = [path.name for path in (tmp_path / "index").glob("snapshot*")]
    index.set_note("cutoff", {"a": [1, 2.5], "b": None})
    index.set_note("other", {"text": "ünï"})
    index.close()
    again = open_index(tmp_path / "index")
    assert again.note("cutoff") == {"a": [1, 2.5], "b": None}
    assert again.note("other") == {"text": "ünï"}
    assert again.note("absent") is None
    after = [path.name for path in (tmp_path / "index").glob("snapshot*")]
    assert len(before) == len(after) == 1
    assert after == [f"snapshot-{newest_version(tmp_path / 'index')}.arrow"]


# damage


@pytest.fixture
def made(tmp_path):
    folder = tmp_path / "index"
    with_rows = create_index(folder, index_info())
    with_rows.add([row(f"{i}", text="red") for i in range(20)])
    with_rows.set_note("sources", {"a": 1})
    with_rows.optimise()
    with_rows.close()
    return folder


def test_facts_that_are_damaged_or_gone_are_read_from_the_data_set(made):
    for text in ("{", "[]", "{}", None):
        if text is None:
            (made / "wordsight-index.json").unlink()
        else:
            (made / "wordsight-index.json").write_text(text)
        assert open_index(made).info == index_info()
        assert open_index(made).note("sources") == {"a": 1}
    index = open_index(made)
    index.add([row("new")])
    index.optimise()
    assert json.loads((made / "wordsight-index.json").read_text())["notes"] == {"sources": {"a": 1}}


def test_facts_that_may_not_be_read_say_so(made, monkeypatch):
    index = open_index(made)

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_text", refused)
    with pytest.raises(
        StoreError, match=r"cannot be read \(.*Permission denied\)\. Check the permissions of the folder"
    ):
        index.note("sources")


def test_a_newer_format_asks_for_an_update(made):
    facts = json.loads((made / "wordsight-index.json").read_text())
    facts["about"]["format"] = 99
    (made / "wordsight-index.json").write_text(json.dumps(facts))
    with pytest.raises(StoreError, match=r"has format 99, made by a newer wordsight; this one reads up to 2\. Update"):
        open_index(made)


@pytest.mark.filterwarnings("ignore:The snapshot .* is damaged")
def test_a_damaged_snapshot_is_written_again(made):
    (snapshot,) = made.glob("snapshot-*.arrow")
    whole = snapshot.read_bytes()
    for damaged in (b"", whole[:100], whole[:-20]):
        snapshot.write_bytes(damaged)
        assert len(open_index(made).nearest(EAST, 50)) == 20
        assert snapshot.read_bytes() == whole


@pytest.mark.parametrize("part", ["_versions", "data"])
def test_a_data_set_without_its_files_says_what_to_do(made, part):
    for path in (made / "items.lance" / part).iterdir():
        path.unlink()
    with pytest.raises(
        StoreError, match=r"(damaged|cannot be read).*(make the index again with: wordsight index|--check)"
    ):
        open_index(made).get(["1"])


def test_truncated_files_say_what_to_do(made):
    for path in (made / "items.lance" / "_versions").glob("*.manifest"):
        path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(StoreError, match=r"damaged: items.lance/_versions.*--check"):
        open_index(made).get(["1"])


def test_someone_elses_lance_data_is_left_alone(tmp_path):
    import lance
    import pyarrow as pa

    lance.write_dataset(pa.table({"a": [1]}), str(tmp_path / "items.lance"))
    with pytest.raises(StoreError, match="holds Lance data that wordsight did not write"):
        open_index(tmp_path)


# writers and readers


def test_there_is_one_writer_and_readers_never_wait(made):
    writer, other = open_index(made), open_index(made)
    writer.add([row("new")])
    with pytest.raises(
        StoreError, match=r"is in use: another process is writing it\. Wait until it is done; searching"
    ):
        other.add([row("x")])
    assert len(other) == 21
    assert len(other.nearest(EAST, 50)) == 21
    writer.optimise()
    other.remove(["new"])
    other.close()
    assert len(writer) == 20


def in_threads(*calls):
    """Run each call in a thread of its own until all are done; raise what any of them raised."""
    with ThreadPoolExecutor(len(calls)) as pool:
        for future in [pool.submit(call) for call in calls]:
            future.result()


def test_a_search_in_another_thread_leaves_the_writer_its_right(made):
    index, other = open_index(made), open_index(made)
    index.add([row("new")])
    in_threads(lambda: index.nearest(EAST, 3))  # there is no snapshot now, which a search would write
    with pytest.raises(StoreError, match="is in use: another process is writing it"):
        other.add([row("x")])
    index.optimise()
    other.add([row("x")])
    assert len(index) == 22


@pytest.mark.parametrize("where", ["{}/index", "file://{}/index"])
def test_threads_may_search_while_one_writes(tmp_path, where):
    index = create_index(where.format(tmp_path), index_info())
    index.add([row(f"{i}", text="red") for i in range(20)])
    done = threading.Event()

    def write():
        try:
            for n in range(8):
                index.add([row(f"new {n}", text="blue", meta={f"column {n}": n})])
                assert len(index) == 21 + n
                index.set_note("n", {"n": n})
                if n % 3 == 2:
                    index.optimise()
        finally:
            done.set()

    def again(search):
        while not done.is_set():
            assert len(search()) >= 20

    in_threads(
        write,
        lambda: again(lambda: index.nearest(EAST, 99)),
        lambda: again(lambda: index.nearest(EAST, 99, "width >= 0")),
        lambda: again(lambda: index.match_text("red", 99)),
        lambda: again(lambda: index.get([f"{i}" for i in range(20)])),
    )
    assert index.note("n") == {"n": 7}


def test_threads_that_write_take_turns(index):
    def write(name):
        for n in range(4):
            index.add([row(f"{name}{n}")])
            if n % 2:
                index.optimise()

    in_threads(*[lambda name=name: write(name) for name in "abc"])
    assert sorted(version.id for version in index.row_versions()) == [f"{name}{n}" for name in "abc" for n in range(4)]


def test_a_reader_goes_on_after_another_process_has_compacted(made):
    reader, writer = open_index(made), open_index(made)
    assert len(reader.get(["1", "2"])) == 2
    for n in range(3):
        writer.add([row(f"new {n}", text="blue")])
    writer.remove(["1"])
    writer.optimise()
    assert [found.id for found in reader.get(["1", "new 2"])] == ["new 2"]
    assert len(reader.match_text("blue", 9)) == 3


def test_what_is_read_bit_by_bit_and_rewritten_meanwhile_is_not_called_damaged(made):
    writer, reader = open_index(made), open_index(made)
    vectors_ND = np.random.default_rng(0).normal(size=(120, 10, 4)).astype(np.float32)
    for b, block_ND in enumerate(vectors_ND):
        writer.add([row(f"{b}-{i}", vector) for i, vector in enumerate(block_ND)])
    batches = reader.batches(10)
    next(batches)
    writer.optimise()
    with pytest.raises(StoreError, match="was rewritten by another process while it was read; run it again"):
        list(batches)
    assert sum(len(ids) for ids, _ in reader.batches()) == 1220


def test_an_index_at_an_address_that_is_asked_often_still_shows_what_others_wrote(tmp_path, monkeypatch):
    clock = 100.0
    monkeypatch.setattr("wordsight.index.lance.dataset_reader.time.monotonic", lambda: clock)
    writer = create_index(f"file://{tmp_path}/index", index_info())
    writer.add([row("a")])
    reader = open_index(f"file://{tmp_path}/index")
    assert len(reader) == 1
    writer.add([row("b")])
    seen = []
    for _ in range(6):
        clock += 1
        seen.append(len(reader))
    assert seen == [1, 1, 1, 1, 1, 2]


def test_earlier_states_can_be_gone_back_to(index):
    for n in range(5):
        index.add([row(f"{n}")])
        index.optimise()
    states = index.versions()
    assert [state.rows for state in states] == [3, 4, 5]
    index.restore(states[0].number)
    assert sorted(version.id for version in index.row_versions()) == ["0", "1", "2"]
    assert len(index.nearest(EAST, 9)) == 3
    with pytest.raises(InputError, match=r"keeps no version 12345; it keeps \["):
        index.restore(12345)


def test_optimising_an_unchanged_index_writes_nothing(made):
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*") if path.is_file() and path.name != ".lock"}
    index = open_index(made)
    for _ in range(2):
        index.optimise()
    after = {path: path.stat().st_mtime_ns for path in made.rglob("*") if path.is_file() and path.name != ".lock"}
    assert {p for p in before if p.name != "wordsight-index.json"} == {
        p for p in after if p.name != "wordsight-index.json"
    }


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_only_be_read_is_searched_and_not_written(made):
    (snapshot,) = made.glob("snapshot*")
    snapshot.unlink()
    made.chmod(0o500)
    try:
        index = open_index(made)
        assert len(index.nearest(EAST, 50)) == 20
        with pytest.raises(StoreError, match="Check the permissions of the folder"):
            index.add([row("x")])
    finally:
        made.chmod(0o700)


def test_a_folder_that_cannot_be_locked_is_searched_and_not_written(made):
    (made / ".lock").unlink(missing_ok=True)
    (made / ".lock").mkdir()
    next(made.glob("snapshot*")).unlink()  # which this reader may not write again
    index = open_index(made)
    assert len(index.nearest(EAST, 50)) == 20
    assert index.sample(9).shape == (9, 4)
    with pytest.raises(StoreError, match=r"cannot be written \(.*\)\. .*What was indexed before is kept"):
        index.add([row("x")])


WRITER = """
import sys
import numpy as np
from memory_index import a_row as row
from wordsight.index import open_index
index = open_index(sys.argv[1])
print("ready", flush=True)
for n in range(1000):
    index.add([row(f"{n}-{i}", text="blue") for i in range(20)])
    if n % 3 == 2:
        index.optimise()
    print(n, flush=True)
"""


def start_writer(folder):
    command = [sys.executable, "-c", WRITER, str(folder)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert writer.stdout.readline() == "ready\n"
    return writer


def test_a_killed_writer_leaves_what_it_had_finished(made):
    for wait in (0.0, 0.17):
        writer = start_writer(made)
        writer.stdout.readline()
        time.sleep(wait)
        writer.send_signal(signal.SIGKILL)
        said = writer.communicate()[0].split()
        index = open_index(made)
        version = [version.id for version in index.row_versions()]
        assert len(version) == len(set(version))
        assert len(version) % 20 == 0  # every call is there as a whole or not at all
        assert set(version) >= {f"{n}-19" for n in said}
        assert len(index.nearest(EAST, 10_000)) == len(version)
        assert len(index.match_text("blue", 10_000)) == len(version) - 20
        index.remove([id for id in version if "-" in id])
        index.optimise()
        assert len(index) == 20
        index.close()
    assert not list(made.rglob("*.part"))


def test_a_full_disk_loses_nothing(made):
    """A limit on the size of files stands for the disk."""
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "prlimit"):
        pytest.skip("limits of another process are set on Linux only")
    writer = start_writer(made)
    resource.prlimit(writer.pid, resource.RLIMIT_FSIZE, (20_000, 20_000))
    said, complaint = writer.communicate(timeout=60)
    assert writer.returncode == 1
    assert "StoreError" in complaint
    assert "What was indexed before is kept" in complaint
    done = [int(word) for word in said.split()]
    index = open_index(made)
    assert len(index) >= 20 + 20 * len(done)
    assert len(index.nearest(EAST, 10_000)) == len(index)
    index.add([row("after")])
    index.optimise()
    assert index.get(["after"])


def test_nothing_is_printed(made, capfd):
    index = open_index(made)
    index.add([row("x", meta={"a": 1})])
    index.add([row("y", meta={"a": 1.5})])
    index.optimise()
    index.match_text("red", 3, "a > 1")
    with pytest.raises(InputError):
        index.nearest(EAST, 3, "nonsense >")
    assert capfd.readouterr() == ("", "")


# any sequence of calls


IDS = st.sampled_from([f"it's {i}.jpg" for i in range(12)])
VECTORS = st.tuples(*[st.integers(-3, 3)] * 4).filter(any).map(lambda v: unit(*v))
METAS = st.fixed_dictionaries(
    {}, optional={"n": st.integers(-5, 5), "x": st.floats(-9, 9) | st.integers(-9, 9), "colour": st.sampled_from("ab")}
)
ROWS = st.builds(
    lambda id, vector, text, meta, width: row(
        id, vector, text=text, meta=meta, width=width, content_hash=f"digest {width}"
    ),
    IDS,
    VECTORS,
    st.lists(st.sampled_from(["red", "blue", "coat", "hat"]), min_size=1, max_size=5).map(" ".join),
    METAS,
    st.integers(0, 5),
)


class AsADict(RuleBasedStateMachine):
    """Whatever is done to a Lance index, it answers as the index in memory does."""

    @initialize(folder=st.just(None))
    def make(self, folder):
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.index = create_index(self.folder.name, index_info())
        self.model = MemoryIndex()
        self.tidy = True

    @rule(rows=st.lists(ROWS, max_size=8))
    def add(self, rows):
        self.index.add(rows)
        self.model.add(rows)
        self.tidy = self.tidy and not rows

    @rule(ids=st.lists(IDS, max_size=4))
    def remove(self, ids):
        self.index.remove(ids)
        self.model.remove(ids)
        self.tidy = False

    @rule()
    def optimise(self):
        self.index.optimise()
        self.tidy = True

    @rule()
    def reopen(self):
        self.index.close()
        self.index = open_index(self.folder.name)

    @rule(note=st.dictionaries(st.text(max_size=3), st.integers(), max_size=2))
    def set_note(self, note):
        self.index.set_note("n", note)
        self.model.set_note("n", note)

    @rule(query=VECTORS, k=st.integers(1, 6), where=st.sampled_from([None, "width > 2", "path like '%1%'"]))
    def nearest(self, query, k, where):
        every = {match.row.id: match.score for match in self.model.nearest(query, 99, where)}
        found = self.index.nearest(query, k, where)
        assert [match.score for match in found] == pytest.approx(sorted(every.values(), reverse=True)[:k], abs=1e-6)
        for match in found:
            assert match.score == pytest.approx(every[match.row.id], abs=1e-6)
            assert match.row.meta == self.model.rows[match.row.id].meta

    @rule(words=st.sampled_from(["red", "blue coat", "hat hat red", "green"]))
    def match_text(self, words):
        every = {match.row.id: match.score for match in self.model.match_text(words, 99)}
        found = {match.row.id: match.score for match in self.index.match_text(words, 99)}
        assert found.keys() == every.keys()
        if self.tidy:  # until then, rows that came before count with the word frequencies of their time
            assert found == pytest.approx(every, rel=1e-4)

    @invariant()
    def holds_the_same(self):
        assert len(self.index) == len(self.model)
        order = sorted(self.model.row_versions(), key=lambda version: version.id)
        assert sorted(self.index.row_versions(), key=lambda version: version.id) == order
        assert self.index.note("n") == self.model.note("n")
        for name, kind in self.model.columns().items():
            assert self.index.columns()[name] in (kind, "number")  # which it stays when the fractions have gone
        held = {
            id: vector.tolist()
            for ids, vectors in self.index.batches(3)
            for id, vector in zip(ids, vectors, strict=True)
        }
        assert held == {id: row.vector.tolist() for id, row in self.model.rows.items()}
        assert (
            self.index.find_vectors(["digest 1", "digest 2"]).keys()
            == self.model.find_vectors(["digest 1", "digest 2"]).keys()
        )
        assert len(self.index.sample(3)) == min(3, len(self.model))

    def teardown(self):
        if hasattr(self, "index"):
            self.index.close()
            self.folder.cleanup()


TestAsADict = AsADict.TestCase
TestAsADict.settings = settings(
    max_examples=10, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)


# past the size up to which every vector is compared


def clustered(n, dim=64, seed=0):
    """Unit vectors about n / 100 centres of a low-rank space, as embeddings of photos of some subjects lie."""
    random = np.random.default_rng(seed)
    spread = (1 + np.arange(dim)) ** -0.6
    centres = random.normal(size=(max(1, n // 100), dim)) * spread
    picked = random.integers(len(centres), size=n)
    vectors_ND = centres[picked] + 0.7 * random.normal(size=(n, dim)) * spread
    vectors_ND[:, 0] += 2
    return (vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)).astype(np.float32)


def recall_at_10(index, vectors_ND, queries_QD):
    hits = 0
    for query_D in queries_QD:
        best = {str(i) for i in np.argsort(-(vectors_ND @ query_D))[:10]}
        found = index.nearest(query_D, 10)
        hits += len(best & set(ids(found)))
        for match in found:  # the scores are exact, whichever rows were found
            assert match.score == pytest.approx(float(vectors_ND[int(match.row.id)] @ query_D), abs=1e-6)
    return hits / (10 * len(queries_QD))


def filled(folder, vectors_ND):
    index = create_index(folder, index_info(dim=vectors_ND.shape[1]))
    for start in range(0, len(vectors_ND), 5000):
        part = vectors_ND[start : start + 5000]
        index.add([row(str(start + i), vector, meta={"n": start + i}) for i, vector in enumerate(part)])
    return index


def has_vector_index(index):
    from wordsight.index.lance.maintenance import VECTOR_INDEX

    return index._reader.read(lambda data: VECTOR_INDEX in {found.name for found in data.describe_indices()})


def test_a_large_index_is_searched_through_an_ann_index_kept_up_to_date(tmp_path, monkeypatch):
    monkeypatch.setattr("wordsight.index.lance.maintenance.EXACT_LIMIT", 1000)
    vectors_ND = clustered(3200)
    held_ND, queries_QD = vectors_ND[:3000], vectors_ND[3180:]
    index = filled(tmp_path / "index", held_ND[:900])
    index.optimise()
    assert not has_vector_index(index)
    index.add([row(str(i), held_ND[i], meta={"n": i}) for i in range(900, 2900)])
    index.optimise()
    assert has_vector_index(index)
    assert not list((tmp_path / "index").glob("snapshot*"))
    index.add([row(str(i), held_ND[i], meta={"n": i}) for i in range(2900, 3000)])  # not in the ANN index yet
    assert ids(index.nearest(held_ND[2950], 1)) == ["2950"]
    assert recall_at_10(index, held_ND, queries_QD) >= 0.95
    index.optimise()
    index.remove(["2950"])
    assert "2950" not in ids(index.nearest(held_ND[2950], 10))
    # however few a condition leaves, they are all found
    assert ids(index.nearest(queries_QD[0], 10, "n = 17")) == ["17"]
    assert len(index.nearest(queries_QD[0], 10, "n % 2 = 0")) == 10
    assert len(index) == 2999
    assert index.sample(10).shape == (10, 64)


@pytest.mark.slow
def test_the_ann_index_finds_95_of_100(tmp_path, monkeypatch):
    monkeypatch.setattr("wordsight.index.lance.maintenance.EXACT_LIMIT", 10_000)
    vectors_ND = clustered(50_200, dim=256)
    index = filled(tmp_path / "index", vectors_ND[:50_000])
    index.optimise()
    assert has_vector_index(index)
    assert recall_at_10(index, vectors_ND[:50_000], vectors_ND[50_000:]) >= 0.95


# where it may be made


def test_an_index_that_a_full_disk_kept_from_being_made_is_made_the_next_time(tmp_path):
    for folder in ("_versions", "_transactions"):
        (tmp_path / "index" / "items.lance" / folder).mkdir(parents=True)
    with pytest.raises(StoreError, match="There is no index in"):
        open_index(tmp_path / "index")
    index = create_index(tmp_path / "index", index_info())
    index.add([row("a")])
    assert len(index) == 1
    index.close()


def test_a_folder_of_other_things_becomes_no_index(tmp_path):
    """So that nobody is told one day to delete a damaged index, and deletes photos."""
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(StoreError, match=r"holds other things \('holiday.jpg'\); name a new or an empty folder"):
        create_index(tmp_path, index_info())
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_place_without_a_name_is_refused():
    with pytest.raises(InputError, match="The place of the index is ''; name a folder"):
        create_index("", index_info())


@pytest.mark.parametrize(("condition", "seen"), [("width = ?", "?"), ("width = $1", "$1"), ("path = $name", "$name")])
def test_placeholders_are_refused(index, condition, seen):
    index.add([row("a")])
    with pytest.raises(InputError, match=f"holds the placeholder '{re.escape(seen)}'"):
        index.nearest(EAST, 1, condition)
    assert ids(index.nearest(EAST, 1, "path <> 'what?' and path <> '$1'")) == ["a"]


# locations


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("foo://x", r"'foo://x' has the scheme 'foo', which is not supported; expected a folder, s3://…"),
        ("s3://", r"'s3://' names nothing behind s3://; expected, for example, s3://BUCKET/FOLDER"),
        ("s3:///folder", r"names nothing behind s3://"),
        ("a\0b", r"'a\\x00b', which holds a NUL character"),
    ],
)
def test_a_location_that_cannot_be_one_is_named(location, said):
    for refused in (lambda: open_index(location), lambda: create_index(location, index_info(3))):
        with pytest.raises(InputError, match=said):
            refused()


def test_the_home_folder_is_meant_by_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    create_index("~/x", index_info(3)).close()
    assert (tmp_path / "home" / "x" / "items.lance").is_dir()
    assert not (tmp_path / "~").exists()
    assert open_index("~/x").location == str(tmp_path / "home" / "x")
