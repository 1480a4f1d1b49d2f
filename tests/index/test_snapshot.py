"""The snapshot: exact answers from a memory-mapped file, in a process that loads neither Lance nor pandas."""

import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from memory_index import index_info

from wordsight.index import Row, create_index, open_index
from wordsight.index.lance.folder import newest_version
from wordsight.index.lance.schema import base_schema, to_table
from wordsight.index.lance.snapshot import Snapshot, Snapshots, best
from wordsight.index.lance.snapshot_file import write_snapshot

DIM = 16


def rows(n, seed=0):
    vectors_ND = np.random.default_rng(seed).normal(size=(n, DIM)).astype(np.float32)
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    return [
        Row(f"{i}.jpg", "/s", f"/s/{i}.jpg", f"digest {i}", vector, width=i, text=f"word{i}", thumbnail=b"jpeg")
        for i, vector in enumerate(vectors_ND)
    ]


def written(path, held, per_batch):
    """A snapshot of rows, in batches of some; the row ids count down, as after a compaction."""
    schema = base_schema(index_info(DIM)).append(pa.field("_rowid", pa.uint64()))
    schema = schema.remove(schema.get_field_index("_thumbnail"))
    table = to_table(held, base_schema(index_info(DIM))).drop(["_thumbnail"])
    table = table.append_column("_rowid", pa.array(range(len(held) - 1, -1, -1), pa.uint64())).cast(schema)
    write_snapshot(path, schema, table.to_batches(per_batch))
    return Snapshot(path, 1)


@pytest.mark.parametrize("per_batch", [1, 7, 100])
def test_the_nearest_are_those_of_a_float64_loop(tmp_path, per_batch):
    held = rows(50)
    snapshot = written(tmp_path / "s.arrow", held, per_batch)
    query_D = rows(1, seed=9)[0].vector
    cosines = [float(row.vector.astype(np.float64) @ query_D.astype(np.float64)) for row in held]
    order = sorted(range(50), key=lambda i: -cosines[i])
    for k in (1, 10, 50, 99):
        found = snapshot.nearest(query_D, k)
        assert [row.id for row, _ in found] == [f"{i}.jpg" for i in order[:k]]
        assert [score for _, score in found] == pytest.approx([cosines[i] for i in order[:k]], abs=1e-6)
        assert all(np.array_equal(row.vector, held[row.width].vector) for row, _ in found)
    assert snapshot.nearest(query_D, 0) == []


def test_row_ids_choose_who_may_answer(tmp_path):
    held = rows(50)
    snapshot = written(tmp_path / "s.arrow", held, 7)
    query_D = held[5].vector
    allowed = np.array([49 - i for i in (3, 5, 8, 21)], np.uint64)
    assert {row.id for row, _ in snapshot.nearest(query_D, 9, allowed)} == {"3.jpg", "5.jpg", "8.jpg", "21.jpg"}
    assert snapshot.nearest(query_D, 1, allowed)[0][0].id == "5.jpg"
    assert snapshot.nearest(query_D, 9, np.zeros(0, np.uint64)) == []


def test_vectors_are_taken_from_each_batch_at_once(tmp_path, monkeypatch):
    held = rows(50)
    snapshot = written(tmp_path / "s.arrow", held, 7)
    read = []
    monkeypatch.setattr(
        Snapshot, "_vectors", staticmethod(lambda batch, of=Snapshot._vectors: read.append(1) or of(batch))
    )
    for positions in ([], [49], [8, 3, 49, 3, 0, 21], np.arange(50)):
        read.clear()
        assert snapshot.vectors(positions).tolist() == [held[i].vector.tolist() for i in positions]
        assert len(read) == len({i // 7 for i in positions})


def test_of_equal_scores_the_first_rows_win():
    scores_N = np.array([0.1, 0.5, 0.5, 0.9, 0.5, 0.1], np.float32)
    assert best(scores_N, 3).tolist() == [3, 1, 2]
    assert best(scores_N, 9).tolist() == [3, 1, 2, 4, 0, 5]


def test_an_empty_snapshot_answers_nothing(tmp_path):
    snapshot = written(tmp_path / "s.arrow", [], 7)
    assert len(snapshot) == 0
    assert snapshot.nearest(np.ones(DIM, np.float32), 3) == []


def test_an_answer_outlives_the_snapshots_file(tmp_path):
    snapshots = Snapshots(tmp_path)
    held = rows(3)
    written(tmp_path / "snapshot-1.arrow", held, 2)
    (row, _), *_ = snapshots.open(1).nearest(held[0].vector, 1)
    snapshots.tidy(keep=None)
    snapshots.close()
    assert np.array_equal(row.vector, held[0].vector)
    assert row.vector.flags.owndata


def test_a_writer_that_fails_leaves_nothing_behind(tmp_path):
    def failing():
        yield from to_table(rows(3), base_schema(index_info(DIM))).to_batches()
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_snapshot(tmp_path / "snapshot-1.arrow", base_schema(index_info(DIM)), failing())
    assert list(tmp_path.iterdir()) == []


def test_a_snapshot_is_of_the_newest_version_or_not_used(tmp_path):
    index = create_index(tmp_path, index_info(DIM))
    held = rows(30)
    index.add(held[:20])
    index.optimise()
    index.add(held[20:])  # the snapshot is of the version before
    assert index.nearest(held[25].vector, 1)[0].row.id == "25.jpg"
    index.optimise()
    assert [path.name for path in tmp_path.glob("snapshot*")] == [f"snapshot-{newest_version(tmp_path)}.arrow"]
    assert index.nearest(held[25].vector, 1)[0].row.id == "25.jpg"


def test_a_stale_snapshot_is_written_anew_by_the_next_reader(tmp_path):
    index = create_index(tmp_path, index_info(DIM))
    index.add(rows(30))
    index.close()  # as a killed process does: no `optimise`
    (tmp_path / "snapshot-1.arrow").write_bytes(b"of another version")
    (tmp_path / "snapshot-2.arrow.77.part").write_bytes(b"half")
    assert len(open_index(tmp_path).nearest(rows(1)[0].vector, 99)) == 30
    assert [path.name for path in tmp_path.glob("snapshot*")] == [f"snapshot-{newest_version(tmp_path)}.arrow"]


COLD = """
import json, sys
import numpy as np
from wordsight.index import open_index
index = open_index(sys.argv[1])
query = np.zeros(index.info.dim, np.float32)
query[0] = 1
answer = [(match.row.id, match.row.text, match.row.meta, match.score) for match in index.nearest(query, 3)]
facts = [len(index), index.columns(), index.note("n"), index.sample(4).shape]
modules = sorted({name.split(".")[0] for name in sys.modules})
print(json.dumps([answer, facts, modules, "pyarrow.compute" in sys.modules]))
"""


def test_a_fresh_process_searches_without_lance(tmp_path):
    index = create_index(tmp_path, index_info(DIM))
    index.add(rows(40))
    index.set_note("n", {"a": 1})
    index.optimise()
    done = subprocess.run([sys.executable, "-c", COLD, str(tmp_path)], capture_output=True, text=True, check=True)
    answer, facts, modules, compute = json.loads(done.stdout)
    query_D = np.eye(1, DIM, dtype=np.float32)[0]
    assert [id for id, *_ in answer] == [match.row.id for match in index.nearest(query_D, 3)]
    assert facts == [40, index.columns(), {"a": 1}, [4, DIM]]
    assert not {"lance", "pandas", "filelock"} & set(modules)
    assert not compute
