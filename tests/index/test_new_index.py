"""A failed command leaves nothing of its own new index, and all of another process's."""

import pytest

from wordsight.errors import StoreError
from wordsight.index import is_local
from wordsight.index.new_index import nothing_left_of_failure

pytest.importorskip("filelock")


@nothing_left_of_failure("ix")
def fail(folder, message):
    """Make a folder and something in it, as the first to make an index does, and fail."""
    folder.mkdir()
    (folder / "items.lance").mkdir()
    raise StoreError(message)


def test_nothing_is_left_of_what_failed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError):
        fail(tmp_path / "ix", "The disk is full.")
    assert not (tmp_path / "ix").exists()


@pytest.mark.parametrize("message", ["The index is in use: another process", "(Dataset already exists: ix)"])
def test_what_another_process_makes_is_left_alone(tmp_path, monkeypatch, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError):
        fail(tmp_path / "ix", message)
    assert (tmp_path / "ix" / "items.lance").is_dir()


def test_what_another_process_writes_is_left_alone(tmp_path, monkeypatch):
    from wordsight.index.writer_lock import WriterLock

    monkeypatch.chdir(tmp_path)
    other = WriterLock(tmp_path / "ix")

    @nothing_left_of_failure("ix")
    def fail_beside_another():
        (tmp_path / "ix").mkdir()
        other.acquire()
        raise StoreError("The disk is full.")

    with pytest.raises(StoreError):
        fail_beside_another()
    assert (tmp_path / "ix").is_dir()
    other.release()


@pytest.mark.parametrize(
    ("location", "local"),
    [
        ("photos", True),
        ("/a/b:c", True),
        ("s3://bucket/index", False),
        ("file:///index", False),
        ("qdrant:folder/collection", False),
        ("qdrant:http://host:6333/c", False),
        ("pinecone:shop/c", False),
    ],
)
def test_which_locations_are_folders(location, local):
    assert is_local(location) is local
