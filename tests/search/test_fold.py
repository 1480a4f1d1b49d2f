"""Search results folded: which are copies of one shown further up."""

import time

import numpy as np
import pytest
from memory_index import MemoryIndex

from wordsight.duplicates.shots import are_raw_and_rendered
from wordsight.duplicates.threshold import NOTE, LearntThreshold
from wordsight.index import Row
from wordsight.search.fold import FOLD_AT_LEAST, FOLD_UNLEARNT, fold_copies, fold_threshold


def at(degrees):
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], np.float32)


def folded(*rows, threshold=0.985):
    return fold_copies(rows, np.stack([row.vector for row in rows]), threshold)


def row(path, degrees=0.0, **more):
    return Row(**{"id": path, "source": "s", "path": path, "content_hash": path, "vector": at(degrees)} | more)


def test_the_first_of_each_is_shown_and_its_copies_are_beneath():
    rows = row("a.jpg"), row("b.jpg", 60), row("a again.jpg", 120, content_hash="a.jpg"), row("a small.jpg", 5)
    assert folded(*rows) == [(0, 2, 3), (1,)]


def test_what_is_merely_alike_is_shown():
    """15°: a cosine of 0.966, as two shirts of one design have."""
    assert folded(row("navy.jpg"), row("black.jpg", 15)) == [(0,), (1,)]


def test_small_steps_do_not_join_what_differs():
    assert folded(*(row(f"{i}.jpg", 8 * i) for i in range(4))) == [(0, 1), (2, 3)]


def test_a_image_of_a_folder_and_of_a_table_is_one_image():
    listed = row("p/1.jpg", 70, id="p/1.jpg", content_hash="after it changed")
    assert folded(row("p/1.jpg"), listed) == [(0, 1)]


def test_pages_fold_by_content_only():
    """Printed pages look alike: of two copies of a manual the same page is one result, another page is another."""
    pages = [
        row(file, id=f"{file}#page={page}", page=page, content_hash=f"manual#page={page}")
        for file in ("a.pdf", "b.pdf")
        for page in (1, 2)
    ]
    assert folded(*pages) == [(0, 2), (1, 3)]
    assert folded(row("scan.png"), pages[0]) == [(0,), (1,)]


@pytest.mark.parametrize("names", [("DSC_1.NEF", "DSC_1.JPG"), ("PXL_2.RAW-01.COVER.jpg", "PXL_2.RAW-02.ORIGINAL.dng")])
def test_raw_and_jpeg_of_one_shot_are_one_result(names):
    """40°: a cosine of 0.77, when they were developed differently."""
    one, other = row(f"p/{names[0]}"), row(f"p/{names[1]}", 40)
    assert folded(one, other) == [(0, 1)]
    assert folded(one, row(f"q/{names[1]}", 40)) == [(0,), (1,)]
    assert folded(one, row(f"p/{names[1]}", 80)) == [(0,), (1,)]


def test_images_of_one_second_need_not_be_so_close():
    taken = "2021-05-03T10:11:12"
    assert folded(row("a.jpg", taken=taken), row("small.jpg", 20, taken=taken)) == [(0, 1)]
    assert folded(row("a.jpg", taken=taken), row("b.jpg", 20, taken="2021-05-03T10:11:13")) == [(0,), (1,)]


def test_names_of_one_shot():
    raw = row("p/IMG_1.CR2", taken="2021-05-03T10:11:12")
    assert are_raw_and_rendered(raw, row("p/img_1.heic"))
    assert are_raw_and_rendered(row("p/IMG_1.CR2.jpg"), raw)
    assert not are_raw_and_rendered(raw, row("p/IMG_2.JPG"))
    assert not are_raw_and_rendered(row("p/IMG_1.JPG"), row("p/IMG_1.PNG"))
    assert not are_raw_and_rendered(raw, row("p/IMG_1.JPG", taken="2024-01-01T00:00:00"))


def test_all_rows_are_in_one_group_each_and_none_is_no_error():
    assert fold_copies([], np.empty((0, 2), np.float32)) == []
    chance = np.random.default_rng(0)
    groups = folded(*(row(str(i), chance.uniform(0, 90)) for i in range(200)))
    assert sorted(i for group in groups for i in group) == list(range(200))
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)


def test_a_thousand_results_fold_at_once():
    vectors = np.random.default_rng(0).normal(size=(1000, 512)).astype(np.float32)
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True) + vectors[:1] / 30  # all rather alike
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [row(f"p/{i}.jpg", taken="2021-05-03T10:11:12", vector=vector) for i, vector in enumerate(vectors)]
    start = time.perf_counter()
    assert len(fold_copies(rows, vectors)) == 1000
    assert time.perf_counter() - start < 2


def test_vectors_are_one_for_each_row():
    with pytest.raises(ValueError, match="1 vectors were given for 2 rows"):
        fold_copies([row("a"), row("b")], np.stack([at(0)]))


@pytest.mark.parametrize(("alone", "expected"), [(None, FOLD_UNLEARNT), (0.9, FOLD_AT_LEAST), (0.976, 0.988)])
def test_the_threshold_is_half_as_far_from_one_as_look_alikes_come(alone, expected):
    index = MemoryIndex()
    if alone is not None:
        index.set_note(NOTE, LearntThreshold(0.8, alone, 40, {}, {}).to_note())
    assert fold_threshold(index) == pytest.approx(expected)
