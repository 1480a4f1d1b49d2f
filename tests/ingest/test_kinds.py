"""Kinds of source by their names and by what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from wordsight.ingest.kinds import SourceKind, file_kind, source_kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.JPG", SourceKind.IMAGE),
        ("a.cr2", SourceKind.IMAGE),
        ("a.csv", SourceKind.TABLE),
        ("a.parquet", SourceKind.TABLE),
        ("a.pdf", SourceKind.DOCUMENT),
        ("shards/{00000..00099}.tar", SourceKind.ARCHIVE),
        ("a.tar.gz", SourceKind.COMPRESSED),
        ("a.b.zip", SourceKind.COMPRESSED),
        ("a.gz", SourceKind.OTHER),
        ("a", SourceKind.OTHER),
    ],
)
def test_file_kinds_go_by_extension(name: str, kind: SourceKind, tmp_path: Path) -> None:
    assert file_kind(name) is kind
    (tmp_path / Path(name).name).touch()
    assert source_kind(tmp_path / Path(name).name) is kind


def test_sources_go_by_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert source_kind("hf:beans") is SourceKind.DATASET
    Path("hf:beans").mkdir()
    assert source_kind("hf:beans") is SourceKind.FOLDER
    Path("hf:beans", "state.json").touch()
    assert source_kind("hf:beans") is SourceKind.SAVED_DATASET
    assert source_kind("HTTPS://example.org/a*.jpg") is SourceKind.URL
    assert source_kind("a*.jpg") is SourceKind.PATTERN
    assert source_kind("a.jpg") is SourceKind.MISSING
    Path("a*.jpg").touch()
    assert source_kind("a*.jpg") is SourceKind.IMAGE
