"""The catalogue: whole, consistent with the released architectures, and found under the names that people use."""

from __future__ import annotations

import json
import re
from importlib import resources
from pathlib import Path

import pytest
from click.testing import CliRunner

from wordsight.cli import group
from wordsight.cli.models import rows
from wordsight.errors import UnknownModelError
from wordsight.weights import catalog


def test_it_holds_the_known_good_models() -> None:
    assert len(catalog.MODELS) >= 40
    clip = ("ViT-B-32/openai", "RN50/openai", "ViT-L-14/laion2b_s32b_b82k", "ViT-bigG-14/laion2b_s39b_b160k")
    later = ("ViT-B-16/dfn2b", "ViT-L-14/metaclip_fullcc", "ViT-B-16-SigLIP/webli", "ViT-B-16-SigLIP2/webli")
    assert set(clip + later) <= set(catalog.MODELS)


@pytest.mark.parametrize("name", catalog.MODELS)
def test_every_entry_is_whole(name: str) -> None:
    entry = catalog.MODELS[name]
    assert re.fullmatch(r"[\w-]+/[a-z0-9_]+", name)
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", entry.get("hub", "org/repo"))
    assert entry.get("url", "https://").startswith("https://")
    assert "hub" in entry or "sha256" in entry, "what is fetched from a plain address is verified"
    assert entry["licence"]
    assert ("top1" in entry) == ("top1_source" in entry)
    assert 50 < entry.get("top1", 60) < 90
    assert catalog.build_preprocess(name).image_size == entry["image_size"]


@pytest.mark.parametrize("name", [n for n in catalog.MODELS if n.endswith("/openai")])
def test_openais_addresses_hold_their_hash(name: str) -> None:
    entry = catalog.MODELS[name]
    assert len(entry["sha256"]) == 64
    assert f"/{entry['sha256']}/" in entry["url"]


def test_release_files_hold_the_beginning_of_their_hash() -> None:
    releases = [e for e in catalog.MODELS.values() if "/releases/download/" in e.get("url", "")]
    assert len(releases) >= 8
    for entry in releases:
        assert re.search(r"-([0-9a-f]{8})\.pth?$", entry["url"])[1] == entry["sha256"]  # type: ignore[index]


def test_activations_that_are_easily_got_wrong() -> None:
    quick = {name for name, entry in catalog.MODELS.items() if entry["activation"] == "quick_gelu"}
    assert all(name in quick for name in catalog.MODELS if "openai" in name or "metaclip" in name)
    assert {"ViT-B-16/dfn2b", "ViT-H-14/dfn5b", "ViT-B-32/laion400m_e32"} <= quick
    assert not any("datacomp" in name or "laion2b" in name for name in quick)
    assert "ViT-B-16/laion400m_e32" not in quick


def test_preprocessing_that_is_easily_got_wrong() -> None:
    assert catalog.build_preprocess("ViT-L-14/laion2b_s32b_b82k").mean == (0.5, 0.5, 0.5)
    assert catalog.build_preprocess("ViT-H-14/dfn5b").resize == "squash"
    assert catalog.build_preprocess("ViT-H-14/laion2b_s32b_b79k").resize == "shortest"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ViT-B/32", "ViT-B-32/openai"),
        ("vit-b/32", "ViT-B-32/openai"),
        ("RN50x4", "RN50x4/openai"),
        ("ViT-L/14@336px", "ViT-L-14-336/openai"),
        ("ViT-B-32-quickgelu/openai", "ViT-B-32/openai"),
        ("ViT-L-14:laion2b_s32b_b82k", "ViT-L-14/laion2b_s32b_b82k"),
        ("ViT-B-33/openai", None),
        ("", None),
    ],
)
def test_names_as_people_write_them(written: str, meant: str | None) -> None:
    assert catalog.find(written) == meant


def test_models_command_lists_and_filters() -> None:
    everything = CliRunner().invoke(group, ["models"]).output
    assert all(name in everything for name in catalog.MODELS)
    table = CliRunner().invoke(group, ["models", "siglip2"]).output
    assert "ViT-B-16-SigLIP2/webli" in table
    assert "openai" not in table
    assert [row["name"] for row in rows("ViT-B/32")] == ["ViT-B-32/openai"]
    assert {row["name"] for row in rows("*-14*/openai")} == {"ViT-L-14/openai", "ViT-L-14-336/openai"}


def test_models_command_as_json_names_every_source() -> None:
    listed = json.loads(CliRunner().invoke(group, ["models", "--json"]).output)
    assert [row["name"] for row in listed if row["name"] != "mini"] == list(catalog.MODELS)
    row = next(row for row in listed if row["name"] == "ViT-B-32/openai")
    assert (row["imagenet_zero_shot_top1"], row["top1_source"]) == (63.32, "open_clip docs/openclip_results.csv")
    assert row["also"] == ["ViT-B/32"]


def test_models_command_lists_the_bundled_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data" / "mini"
    folder.mkdir(parents=True)
    monkeypatch.setattr(resources, "files", lambda _: tmp_path)
    assert rows("mini") == []
    (folder / "wordsight.json").write_text('{"embed_dim": 256, "image": {"image_size": 260}, "licence": "Apache-2.0"}')
    (row,) = rows("mini")
    assert (row["name"], row["embed_dim"], row["image_size"], row["source"]) == ("mini", 256, 260, "bundled")


def test_models_command_of_nothing_says_what_was_meant() -> None:
    result = CliRunner().invoke(group, ["models", "ViT-B-32/opena"])
    assert result.exit_code == 0
    result = CliRunner().invoke(group, ["models", "ViT-B-32/openia"])
    assert isinstance(result.exception, UnknownModelError)
    assert "Did you mean: ViT-B-32/openai" in str(result.exception)
