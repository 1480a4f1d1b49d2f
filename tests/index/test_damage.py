"""Files of an index that something else changed: found, named, and repaired; never an answer from damaged bytes."""

import json
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from indexing import colour_model, write_images
from memory_index import index_info

pytest.importorskip("lance")

from wordsight.errors import StoreError
from wordsight.gallery import Gallery
from wordsight.index import Row, create_index, open_index
from wordsight.index.lance.checksums import CHECKSUMS, Checksums, checksum_of_file
from wordsight.index.lance.snapshot_file import SnapshotDamagedError, SnapshotFile

DIM = 16


def rows(n):
    vectors_ND = np.random.default_rng(0).normal(size=(n, DIM)).astype(np.float32)
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return [Row(f"{i}.jpg", "/s", f"/s/{i}.jpg", f"hash {i}", v, text=f"word{i}") for i, v in enumerate(vectors_ND)]


@pytest.fixture
def folder(tmp_path):
    """An index of sixty rows in three fragments, each written by itself."""
    index = create_index(tmp_path / "index", index_info(DIM))
    index.add(rows(60))
    index.optimise()
    index.close()
    return tmp_path / "index"


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= 1 << (at % 8)
    path.write_bytes(content)


def answers(folder):
    index = open_index(folder)
    try:
        return [(match.row.id, match.row.text, match.score) for match in index.nearest(rows(1)[0].vector, 60)]
    finally:
        index.close()


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_snapshot_never_answers_and_is_made_again(folder, seed):
    expected = answers(folder)
    (path,) = folder.glob("snapshot-*.arrow")
    flip(path, int(np.random.default_rng(seed).integers(path.stat().st_size)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert answers(folder) == expected
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert answers(folder) == expected


def test_a_damaged_snapshot_is_warned_of(folder):
    (path,) = folder.glob("snapshot-*.arrow")
    flip(path, 3000)
    with pytest.warns(UserWarning, match=r"snapshot-\d+\.arrow is damaged; it is written again"):
        answers(folder)


@pytest.mark.parametrize("keep", [0, 10, 0.5, -1])
def test_a_snapshot_that_is_cut_off_is_made_again(folder, keep):
    expected = answers(folder)
    (path,) = folder.glob("snapshot-*.arrow")
    size = path.stat().st_size
    os.truncate(path, int(keep * size) if 0 < keep < 1 else keep % size)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert answers(folder) == expected


def test_offsets_whose_hashes_were_made_to_fit_do_not_reach_arrow(folder, tmp_path, monkeypatch):
    from wordsight.index.lance import snapshot_file

    (path,) = folder.glob("snapshot-*.arrow")
    reader = pa.ipc.open_file(pa.py_buffer(path.read_bytes()[: _arrow_size(path)]))
    batch = reader.get_batch(0)
    column = reader.schema.get_field_index("path")
    data = np.frombuffer(batch.column(column).buffers()[1], np.int32, len(batch) + 1).copy()
    content = bytearray(path.read_bytes()[: _arrow_size(path)])
    at = content.find(data.tobytes())
    content[at : at + data.nbytes] = np.full(len(data), 2**31 - 1, np.int32).tobytes()
    ends = SnapshotFile(path)
    (tmp_path / "crafted").write_bytes(content)
    monkeypatch.setattr(snapshot_file, "checksum", lambda data: "0" * 16)
    record = json.dumps({"ends": _ends(path), "rows": ends.rows, "hashes": ["0" * 16] * len(_ends(path))}).encode()
    end = snapshot_file._END.pack(len(record), b"0" * 16, snapshot_file.MAGIC)
    (tmp_path / "crafted").write_bytes(bytes(content) + record + end)
    with pytest.raises(SnapshotDamagedError):
        SnapshotFile(tmp_path / "crafted").batches()


def _record(path):
    from wordsight.index.lance.snapshot_file import _END

    content = path.read_bytes()
    length = _END.unpack(content[-_END.size :])[0]
    return json.loads(content[-_END.size - length : -_END.size])


def _ends(path):
    return _record(path)["ends"]


def _arrow_size(path):
    return _ends(path)[-1]


@pytest.mark.parametrize("part", ["data/*", "_versions/*.manifest", "_indices/*/*"])
def test_a_flipped_bit_of_the_data_set_is_named(folder, part):
    for path in (folder / "items.lance").glob(part):
        flip(path, path.stat().st_size // 2)
    with pytest.raises(StoreError, match=r"is damaged: items\.lance/.*--check"):
        open_index(folder).get(["1.jpg"])


def test_damaged_data_is_not_copied_into_a_new_snapshot(folder):
    (path,) = folder.glob("snapshot-*.arrow")
    path.unlink()
    for path in (folder / "items.lance" / "data").iterdir():
        flip(path, 200)
    with pytest.raises(StoreError, match="is damaged"):
        open_index(folder).nearest(rows(1)[0].vector, 5)
    assert not list(folder.glob("snapshot-*.arrow"))


def test_damaged_facts_and_checksums_are_written_again(folder):
    record = folder / "wordsight-index.json"
    record.write_text(record.read_text().replace("tiny", "tinz"))
    (folder / CHECKSUMS).write_bytes(b"\0" * 40)
    index = open_index(folder)
    assert index.info.model == "tiny"
    assert [(damage.file, damage.ids) for damage in index.find_damage()] == [(CHECKSUMS, [])]
    index.set_note("n", {})
    assert "tiny" in record.read_text()
    assert json.loads((folder / CHECKSUMS).read_text())["files"]
    assert index.find_damage() == []


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"[" * 9999)])
def test_files_without_checksums_are_counted_and_repair_records_them(folder, damage):
    index = open_index(folder)
    whole = index.check_files()
    assert (whole.damage, whole.unrecorded) == ((), 0)
    assert whole.compared == len(Checksums(folder, "items.lance").list_files()) > 5
    damage(folder / CHECKSUMS)
    check = index.check_files()
    assert (check.compared, check.unrecorded) == (0, whole.compared)
    assert len(check.damage) == (folder / CHECKSUMS).exists()
    index.repair()
    after = index.check_files()
    assert (after.damage, after.unrecorded, len(index)) == ((), 0, 60)


def list_manifests(folder):
    """Manifests, the newest first."""
    return sorted((folder / "items.lance" / "_versions").glob("*.manifest"))


def cut(path):
    os.truncate(path, 30)


def flip_middle(path):
    flip(path, path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [cut, flip_middle, Path.unlink], ids=["cut", "flipped", "missing"])
@pytest.mark.parametrize("recorded", [True, False])
def test_repair_goes_back_to_the_newest_version_that_can_be_read(folder, damage, recorded):
    index = open_index(folder)
    index.add([Row("late.jpg", "/s", "/s/late.jpg", "late", rows(1)[0].vector)])
    index.set_note("sources", {"/s": {}})
    index.close()
    newest = list_manifests(folder)[0]
    damage(newest)
    if not recorded:
        if damage is not cut:
            return  # nothing tells that it is not as it was written
        (folder / CHECKSUMS).unlink()
    index = open_index(folder)
    (found,) = index.find_damage()
    assert (found.file, found.ids) == (f"items.lance/_versions/{newest.name}", None)
    assert found.is_missing == (damage is Path.unlink)
    index.repair()
    assert index.find_damage() == []
    assert len(index) == 61
    assert index.note("sources") == {"/s": {}}
    assert index.match_text("word7", 1)[0].row.id == "7.jpg"
    index.close()
    index = open_index(folder)
    index.add([Row("x.jpg", "/s", "/s/x.jpg", "x", rows(1)[0].vector)])
    assert len(index) == 62
    assert index.find_damage() == []
    assert index.nearest(rows(1)[0].vector, 9)


def test_rows_of_a_version_that_is_lost_are_not_answers_of_an_old_snapshot(folder):
    index = open_index(folder)
    index.add([Row("late.jpg", "/s", "/s/late.jpg", "late", rows(1)[0].vector)])
    index.optimise()
    index.close()
    assert "late.jpg" in {answer[0] for answer in answers(folder)}
    for path in list_manifests(folder)[:-1]:
        cut(path)
    index = open_index(folder)
    index.repair()
    assert {version.id for version in index.row_versions()} == {row.id for row in rows(60)}
    assert {match.row.id for match in index.nearest(rows(1)[0].vector, 70)} == {row.id for row in rows(60)}


def test_an_index_of_which_no_version_can_be_read_is_said_to_be_lost(folder):
    for path in list_manifests(folder):
        cut(path)
    index = open_index(folder)
    check = index.check_files()
    assert check.is_lost
    assert len(check.damage) == len(list_manifests(folder))
    with pytest.raises(StoreError, match=r"no version of it can be read\. Delete it and make it again"):
        index.repair()


@pytest.mark.parametrize("recorded", [True, False])
def test_a_missing_search_index_is_found_and_built_again(folder, recorded):
    paths = sorted((folder / "items.lance" / "_indices").glob("*/*"))
    if recorded:
        paths[-1].unlink()
    else:
        shutil.rmtree(paths[0].parent)
        (folder / CHECKSUMS).unlink()
    index = open_index(folder)
    (found,) = index.find_damage()
    assert (found.ids, found.is_missing) == ([], True)
    assert (folder / found.file) in (paths[-1], paths[0].parent)
    index.repair()
    assert index.find_damage() == []
    assert (len(index), index.match_text("word7", 1)[0].row.id) == (60, "7.jpg")


@pytest.mark.parametrize("damage", [flip_middle, Path.unlink], ids=["flipped", "missing"])
def test_rows_whose_list_of_deleted_ones_is_damaged_are_removed(folder, damage):
    index = open_index(folder)
    index.remove(["3.jpg"])
    index.close()
    (path,) = (folder / "items.lance" / "_deletions").iterdir()
    damage(path)
    index = open_index(folder)
    (found,) = index.find_damage()
    assert found.file == f"items.lance/_deletions/{path.name}"
    index.repair()
    assert index.find_damage() == []
    assert len(index) == 0


def test_a_recorded_file_that_no_version_needs_may_be_missing(folder, old_file):
    old_file.unlink()
    assert open_index(folder).find_damage() == []


def test_check_tells_the_images_of_a_damaged_fragment_and_repair_removes_them(folder):
    index = open_index(folder)
    index.add([Row("late.jpg", "/s", "/s/late.jpg", "late", rows(1)[0].vector)])
    index.close()
    late = max((folder / "items.lance" / "data").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    flip(late, late.stat().st_size // 2)
    (damage,) = open_index(folder).find_damage()
    assert damage.file == f"items.lance/data/{late.name}"
    index = open_index(folder)
    index.repair()
    assert index.find_damage() == []
    assert len(index) == 60
    assert {version.id for version in index.row_versions()} == {row.id for row in rows(60)}
    assert index.match_text("word7", 1)[0].row.id == "7.jpg"


@pytest.fixture
def old_file(folder):
    """A search index of an older version, which a writer may remove at any time."""
    path = folder / "items.lance" / "_indices" / "of-an-older-version" / "part.lance"
    path.parent.mkdir()
    path.write_bytes(b"terms")
    Checksums(folder, "items.lance").record()
    return path


def test_a_file_that_a_writer_removes_while_it_is_compared_stops_no_reader(folder, old_file, monkeypatch):
    def remove_and_hash(path):
        if path == old_file:
            path.unlink()
        return checksum_of_file(path)

    monkeypatch.setattr("wordsight.index.lance.checksums.checksum_of_file", remove_and_hash)
    assert len(list(open_index(folder).row_versions())) == 60
    assert not old_file.exists()


def test_a_file_that_a_writer_removes_once_it_is_listed_is_not_damaged(folder, old_file, monkeypatch):
    checksums = Checksums(folder, "items.lance")
    listed = [*checksums._files()]
    old_file.unlink()
    monkeypatch.setattr(checksums, "_files", lambda: iter(listed))
    assert checksums.find_damaged() == []


def test_a_read_whose_file_is_missing_is_tried_once_more_on_the_newest_version_opened_afresh(folder, tmp_path):
    reader = open_index(folder)._reader
    (path,) = (folder / "items.lance" / "data").iterdir()
    tried = []

    def count(data):
        if not tried:
            path.rename(tmp_path / "away")
        elif (tmp_path / "away").exists():
            (tmp_path / "away").rename(path)
        tried.append(data)
        return data.to_table(columns=["_id"]).num_rows

    assert reader.read(count) == 60
    assert len(tried) == 2
    assert tried[0] is not tried[1]


def test_a_file_that_stays_missing_is_reported_after_one_more_try(folder):
    reader = open_index(folder)._reader
    tried = []

    def count(data):
        tried.append(data)
        for path in (folder / "items.lance" / "data").iterdir():
            path.unlink()
        return data.to_table(columns=["_id"]).num_rows

    with pytest.raises(StoreError, match="damaged or missing"):
        reader.read(count)
    assert len(tried) == 2


def test_an_index_without_checksums_opens_and_gets_them_when_it_is_written(folder):
    (folder / CHECKSUMS).unlink()
    index = open_index(folder)
    assert len(index.get(["1.jpg"])) == 1
    index.add(rows(1))
    assert (folder / CHECKSUMS).exists()


def test_a_snapshot_of_an_older_version_is_removed_by_the_next_writer(folder):
    (path,) = folder.glob("snapshot-*.arrow")
    shutil.copy(path, folder / "snapshot-1.arrow")
    (folder / ".snapshot-2.arrow.abc.part").write_bytes(b"half")
    index = open_index(folder)
    index.begin_writing()
    assert list(folder.glob("*snapshot-*")) == [path]
    index.close()


def test_a_condition_is_asked_of_lance_once(folder, monkeypatch):
    index = open_index(folder)
    asked = []
    ask = index._reader.ask
    monkeypatch.setattr(index._reader, "ask", lambda *args, **more: (asked.append(args[0]), ask(*args, **more))[1])
    query_D = rows(1)[0].vector
    found = index.nearest(query_D, 5, "path like '/s/1%'")
    assert [match.row.id for match in index.nearest(query_D, 3, "path like '/s/1%'")] == [m.row.id for m in found[:3]]
    assert index.count_near(query_D, -1, "path like '/s/1%'") == (11, False)
    assert asked == ["path like '/s/1%'"]
    index.add([Row("1x.jpg", "/s", "/s/1x.jpg", "x", query_D)])
    assert index.count_near(query_D, -1, "path like '/s/1%'")[0] == 12


def test_a_repaired_gallery_embeds_what_was_damaged_again(tmp_path):
    write_images(tmp_path / "in", range(12))
    with Gallery.create(tmp_path / "index", model=colour_model()) as gallery:
        gallery.add(tmp_path / "in")
    for path in (tmp_path / "index" / "items.lance" / "data").iterdir():
        flip(path, path.stat().st_size // 2)
    with Gallery.open(tmp_path / "index", model=colour_model()) as gallery:
        ids = {id for damage in gallery.index.find_damage() for id in damage.ids}
        assert len(ids) == 12
        gallery.index.repair()
        assert gallery.refresh().added == 12
        assert gallery.index.find_damage() == []
        assert {Path(hit.id).name for hit in gallery.search("red", 12)} == {Path(id).name for id in ids}
