"""clip-retrieval's files: written from an index, read into one, and both again without a loss."""

import datetime

import numpy as np
import pyarrow as pa
import pytest
from clip_retrieval_folder import written
from memory_index import MemoryIndex, index_info

from wordsight.errors import InputError
from wordsight.index import Row, clip_retrieval, create_index
from wordsight.index.clip_retrieval import export_index, find_parts, import_folder, read_model_name

DIM = 4


def vectors(n, seed=0):
    vectors_ND = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    return vectors_ND / np.linalg.norm(vectors_ND, axis=1, keepdims=True)


def test_parts_are_read_in_the_order_of_their_numbers(tmp_path):
    parts = [
        (vectors(2, n).astype(np.float16), {"image_path": [f"{n}/a.jpg", f"{n}/b.jpg"], "caption": [f"cap {n}", None]})
        for n in range(11)
    ]
    index = MemoryIndex(index_info(DIM))
    assert import_folder(written(tmp_path, parts), index) == []
    assert [version.id for version in index.row_versions()] == [f"{n}/{x}.jpg" for n in range(11) for x in "ab"]
    (row,) = index.get(["10/a.jpg"])
    assert row.vector.dtype == np.float32
    assert np.linalg.norm(row.vector) == pytest.approx(1, abs=1e-6)
    assert row.vector == pytest.approx(vectors(2, 10)[0], abs=1e-3)
    assert row.meta == {"caption": "cap 10"}
    assert index.match_text("cap", 99)[0].row.text.startswith("a cap")


def test_columns_keep_their_kind_and_odd_ones_become_text(tmp_path):
    columns = {
        "image_path": ["a.jpg", "b.jpg"],
        "caption": ["x", "y"],
        "price": [1.5, None],
        "stock": pa.array([1, None], pa.int64()),
        "new": [True, False],
        "tags": [["a", "b"], []],
        "seen": [datetime.date(2024, 5, 1), None],
        "width": [640, None],
    }
    index = MemoryIndex(index_info(DIM))
    import_folder(written(tmp_path, [(vectors(2), columns)]), index)
    first, second = index.get(["a.jpg", "b.jpg"])
    assert first.meta == {
        "caption": "x", "price": 1.5, "stock": 1, "new": True, "tags": '["a", "b"]', "seen": "2024-05-01",
    }  # fmt: skip
    assert second.meta == {"caption": "y", "new": False, "tags": "[]"}
    assert (first.width, second.width) == (640, 0)


def test_rows_without_a_path_or_a_usable_vector(tmp_path):
    embeddings = np.array([[1, 0, 0, 0], [0, 0, 0, 0], [np.nan, 0, 0, 0], [0, 2, 0, 0]], np.float32)
    columns = {"caption": ["a", "b", "c", "d"], "url": [None, "u1", "u2", "https://host/d.jpg"]}
    index = MemoryIndex(index_info(DIM))
    skipped = import_folder(written(tmp_path, [(embeddings, columns)]), index)
    assert [(skip.item, skip.reason[:28]) for skip in skipped] == [
        ("img_emb_0.npy, row 1", "its vector has the length 0."),
        ("img_emb_0.npy, row 2", "its vector has the length na"),
    ]
    assert [version.id for version in index.row_versions()] == [f"{tmp_path}/metadata_0#0", "https://host/d.jpg"]
    assert index.get(["https://host/d.jpg"])[0].vector.tolist() == [0, 1, 0, 0]


def test_a_path_that_leads_to_a_file_becomes_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"")
    index = MemoryIndex(index_info(DIM))
    import_folder(written(tmp_path / "out", [(vectors(1), {"image_path": ["a.jpg"]})]), index)
    assert [version.id for version in index.row_versions()] == [str(tmp_path / "a.jpg")]


def test_rows_of_one_image_are_all_kept(tmp_path):
    """Image-text pairs name an image once for each of its texts."""
    parts = [
        (vectors(3, 1), {"image_path": ["a.jpg", "a.jpg", "b.jpg"], "caption": ["x", "y", "z"]}),
        (vectors(2, 2), {"image_path": ["a.jpg", "a.jpg#2"], "caption": ["u", "v"]}),
    ]
    index = MemoryIndex(index_info(DIM))
    for time in ("first", "second"):  # a second import finds the same rows again
        assert import_folder(written(tmp_path / time, parts), index) == []
        assert {row.id: row.meta["caption"] for row in index.rows.values()} == {
            "a.jpg": "x", "a.jpg#2": "y", "b.jpg": "z", "a.jpg#3": "u", "a.jpg#2#1": "v",
        }  # fmt: skip


def test_pages_are_told_apart_by_their_number(tmp_path):
    columns = {"image_path": ["a.pdf"] * 4, "page": [1, 2, 2, None]}
    index = MemoryIndex(index_info(DIM))
    import_folder(written(tmp_path, [(vectors(4), columns)]), index)
    assert [version.id for version in index.row_versions()] == [
        "a.pdf#page=1",
        "a.pdf#page=2",
        "a.pdf#page=2#2",
        "a.pdf",
    ]


def test_an_export_holds_no_thumbnails_in_memory(tmp_path, monkeypatch):
    """Of 65,536 rows they would fill a gigabyte, and the files have no place for them."""
    index = create_index(tmp_path / "index", index_info(DIM))
    index.add([Row(f"{i}", "/p", f"{i}", f"{i}", vector, thumbnail=b"jpeg") for i, vector in enumerate(vectors(5))])
    held = []
    monkeypatch.setattr(clip_retrieval, "_metadata", lambda rows, kinds: held.extend(rows) or pa.table({"n": [1]}))
    assert export_index(index, tmp_path / "out") == 5
    assert [row.thumbnail for row in held] == [b""] * 5
    assert all(row.vector.flags.owndata for row in held)  # else they would keep what the store read them from


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_what_is_exported_is_imported_again(tmp_path, dtype):
    index = create_index(tmp_path / "index", index_info(DIM))
    rows = [
        Row(f"/p/{i}.jpg", "/p", f"/p/{i}.jpg", f"d{i}", vector, width=640, taken="2024-05-01", text=f"{i} red",
            meta={"caption": f"red {i}", "price": i + 0.5, "a.b": i})
        for i, vector in enumerate(vectors(7))
    ]  # fmt: skip
    rows.append(Row("/p/m.pdf#page=2", "/p", "/p/m.pdf", "m", vectors(1, 9)[0], page=2, text="a page"))
    index.add(rows)
    counts = []
    assert export_index(index, tmp_path / "out", dtype=dtype, rows_per_part=3, progress=counts.append) == 8
    assert counts == [3, 6, 8]
    assert [part.rows for part in find_parts(tmp_path / "out")] == [3, 3, 2]
    assert np.load(tmp_path / "out/img_emb/img_emb_0.npy").dtype == dtype
    assert read_model_name(tmp_path / "out") == "tiny"

    again = create_index(tmp_path / "again", index_info(DIM))
    assert import_folder(tmp_path / "out", again) == []
    for row in rows:
        (back,) = again.get([row.id])
        assert back.vector == pytest.approx(row.vector, abs=1e-3)
        assert (back.path, back.page, back.width, back.taken) == (row.path, row.page, row.width, row.taken)
        if row.meta:
            assert back.meta == {"caption": row.meta["caption"], "price": row.meta["price"], "a_b": row.meta["a.b"]}


def test_an_empty_index_has_no_parts(tmp_path):
    assert export_index(create_index(tmp_path / "index", index_info(DIM)), tmp_path / "out") == 0
    with pytest.raises(
        InputError, match=r"holds no img_emb/img_emb_0.npy; expected the output folder of clip-retrieval"
    ):
        find_parts(tmp_path / "out")


def test_files_that_do_not_belong_together_are_refused(tmp_path):
    parts = [(vectors(2), {"image_path": ["a", "b"]}), (vectors(2), {"image_path": ["c", "d"]})]
    folder = written(tmp_path / "a", parts)
    with pytest.raises(InputError, match="holds vectors of 4 dimensions; the model tiny makes 5"):
        import_folder(folder, MemoryIndex(index_info(5)))
    (folder / "metadata/metadata_1.parquet").unlink()
    with pytest.raises(InputError, match=r"the parts \[1\] have embeddings or metadata but not both"):
        find_parts(folder)
    with pytest.raises(InputError, match=r"has 2 rows, .* has 3; expected as many"):
        find_parts(written(tmp_path / "b", [(vectors(2), {"image_path": ["a", "b", "c"]})]))
    with pytest.raises(InputError, match=r"has the shape \(2,\); expected \(rows, dimensions\)"):
        find_parts(written(tmp_path / "c", [(np.ones(2), {"image_path": ["a", "b"]})]))
    (tmp_path / "c/img_emb/img_emb_0.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(InputError, match=r"is damaged .*; copy it again"):
        find_parts(tmp_path / "c")


def test_an_import_that_fails_takes_its_rows_back(tmp_path):
    good = (vectors(2), {"image_path": ["a", "b"], "price": [1, 2]})
    folder = written(tmp_path / "a", [good, (vectors(3), {"image_path": ["c", "d", "e"], "price": [3, 4, 5]})])
    index = create_index(tmp_path / "index", index_info(DIM))
    index.add([Row(id="mine", source="s", path="mine", content_hash="d", vector=vectors(1)[0])])

    def interrupt(done):
        if done > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_folder(folder, index, interrupt)
    assert [version.id for version in index.row_versions()] == ["mine"]
    part = folder / "metadata/metadata_1.parquet"
    content = bytearray(part.read_bytes())
    content[4:40] = bytes(36)  # the pages, not the footer that is looked at first
    part.write_bytes(content)
    with pytest.raises(InputError, match=r"are damaged .*; copy them again"):
        import_folder(folder, index)
    assert [version.id for version in index.row_versions()] == ["mine"]


def test_cells_of_another_kind_are_left_out_of_an_import_and_counted(tmp_path):
    parts = [(vectors(2), {"image_path": ["a", "b"], "price": [1, 2]}),
             (vectors(2), {"image_path": ["c", "d"], "price": ["3", "soon"]})]  # fmt: skip
    index = create_index(tmp_path / "index", index_info(DIM))
    with pytest.warns(UserWarning, match="column 'price' holds whole numbers in this index; one of its cells was of"):
        assert import_folder(written(tmp_path / "a", parts), index) == []
    assert [row.meta.get("price") for row in index.get(["a", "b", "c", "d"])] == [1, 2, 3, None]


def test_an_export_that_fails_leaves_nothing(tmp_path, monkeypatch):
    index = create_index(tmp_path / "index", index_info(DIM))
    index.add([Row(id="a", source="s", path="a", content_hash="d", vector=vectors(1)[0])])

    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(clip_retrieval.parquet, "write_table", full)
    (tmp_path / "there").mkdir()
    for folder in (tmp_path / "out", tmp_path / "there"):
        with pytest.raises(OSError, match="No space left"):
            export_index(index, folder)
    assert not (tmp_path / "out").exists()
    assert list((tmp_path / "there").iterdir()) == []


def test_an_export_overwrites_nothing(tmp_path):
    index = MemoryIndex(index_info(DIM))
    export_index(index, tmp_path / "out")
    with pytest.raises(InputError, match="holds img_emb/ or metadata/ already; choose another folder"):
        export_index(index, tmp_path / "out")
