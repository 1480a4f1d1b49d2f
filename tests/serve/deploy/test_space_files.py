"""A Space holds all it needs, in the form that Hugging Face reads, and nothing of the machine that made it."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version

import pytest
import yaml
from PIL import Image
from small_pdf import page, small_pdf

from wordsight.errors import InputError
from wordsight.gallery import Gallery
from wordsight.serve.settings import Settings
from wordsight.serve.space.app import read_settings
from wordsight.serve.space.places import Places
from wordsight.serve.space.readme import COLOURS, write_readme
from wordsight.serve.space.write import SpaceOptions, write_space


@pytest.fixture(scope="module")
def space(gallery_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("space")
    write_space(folder, {"shop": str(gallery_folder)}, SpaceOptions(title='Shop: "photos"', license="cc0-1.0"))
    return folder


def test_the_readme_begins_with_what_hugging_face_reads(space):
    _, head, body = (space / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    facts = yaml.safe_load(head)
    assert facts["title"] == 'Shop: "photos"'
    assert facts["sdk"] == "gradio"
    assert facts["sdk_version"] == version("gradio")
    assert facts["python_version"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert (space / facts["app_file"]).is_file()
    assert facts["license"] == "cc0-1.0"
    assert {facts["colorFrom"], facts["colorTo"]} <= set(COLOURS)
    assert len(facts["short_description"]) <= 60
    assert "- shop: 24 images" in body


def test_requirements_are_those_of_the_page_and_no_more(space):
    names = {re.split(r"[<>=\[]", line)[0] for line in (space / "requirements.txt").read_text().split()}
    assert {"gradio", "fastapi", "uvicorn", "openvino", "pylance"} <= names
    assert not names & {"torch", "ray", "mcp", "wordsight"}


def test_nothing_tells_of_the_machine_that_made_it(space, gallery_folder):
    home = str(gallery_folder.parent).encode()
    telling = [str(file) for file in space.rglob("*") if file.is_file() and home in file.read_bytes()]
    assert telling == []


def test_the_index_works_from_the_folder_of_the_space(space, tmp_path, monkeypatch):
    moved = shutil.copytree(space, tmp_path / "elsewhere")
    monkeypatch.chdir(moved)
    with Gallery.open("indexes/shop") as gallery:
        best = gallery.search("a cup of coffee", 1, fold=True)[0]
        assert best.row.path == "images/shop/photos/coffee.jpg"
        assert {hit.id for hit in gallery.search("a cup of coffee", 30)} >= {
            "images/shop/products/products.csv#coffee.jpg"
        }
        assert len(gallery.search("cup", 30, where="colour = 'red'")) == 4
        thumbnail = gallery.index.thumbnail(best.id)
    assert thumbnail.startswith(b"\xff\xd8")
    assert b"Exif" not in thumbnail


def test_images_are_copied_when_asked_for(gallery_folder, tmp_path):
    space = write_space(tmp_path / "space", {"shop": str(gallery_folder)}, SpaceOptions(images="copy"))
    copy = space.folder / "images" / "shop" / "photos" / "coffee.jpg"
    assert copy.read_bytes() == (gallery_folder.parent / "photos" / "coffee.jpg").read_bytes()
    assert space.galleries == {"shop": 24}
    assert space.skipped == ()


def test_a_document_is_copied_once_and_rendered_after_git_changed_its_time(tmp_path):
    from wordsight.index import open_index
    from wordsight.serve.space.gallery_copy import restore_times

    (tmp_path / "manual.pdf").write_bytes(small_pdf([page("first page"), page("second page")]))
    with Gallery.create(tmp_path / "index") as gallery:
        gallery.add(tmp_path / "manual.pdf")
    folder = write_space(tmp_path / "space", {"docs": str(tmp_path / "index")}, SpaceOptions(images="copy")).folder
    copy = folder / "images/docs/manual/manual.pdf"
    known = copy.stat().st_mtime_ns
    copy.touch()
    index = open_index(folder / "indexes/docs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        restore_times(index)
    assert copy.stat().st_mtime_ns == known
    assert sorted(version.id for version in index.row_versions()) == [
        "images/docs/manual/manual.pdf#page=1",
        "images/docs/manual/manual.pdf#page=2",
    ]
    index.close()


def test_an_image_that_is_gone_is_left_out_and_told(tmp_path):
    (tmp_path / "photos").mkdir()
    for name, colour in (("here.png", "red"), ("gone.png", "blue")):
        Image.new("RGB", (40, 30), colour).save(tmp_path / "photos" / name)
    with Gallery.create(tmp_path / "index") as gallery:
        gallery.add(tmp_path / "photos")
    (tmp_path / "photos" / "gone.png").unlink()
    space = write_space(tmp_path / "space", {"shop": str(tmp_path / "index")})
    assert space.galleries == {"shop": 1}
    assert [(skip.item.endswith("gone.png"), skip.reason) for skip in space.skipped] == [(True, "no such file")]


def test_the_folder_of_a_clone_is_filled_and_others_are_left_alone(gallery_folder, tmp_path):
    clone = tmp_path / "clone"
    (clone / ".git").mkdir(parents=True)
    (clone / "README.md").write_text("a Space that was just made")
    for _ in range(2):  # again over what it wrote itself
        write_space(clone, {"shop": str(gallery_folder)})
    assert (clone / ".git").is_dir()
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("all of it")
    with pytest.raises(InputError, match=r"holds other files \(thesis.txt\); name a new or empty folder"):
        write_space(other, {"shop": str(gallery_folder)})
    assert (other / "thesis.txt").read_text() == "all of it"


def test_galleries_are_needed_and_titles_are_one_line(tmp_path):
    with pytest.raises(InputError, match="needs a gallery"):
        write_space(tmp_path / "space", {})
    with pytest.raises(InputError, match="expected some words on one line"):
        write_readme("two\nlines", {})


def test_sources_of_the_same_name_are_kept_apart(tmp_path):
    places = Places("shop")
    for folder in ("a/photos", "b/photos"):
        (tmp_path / folder).mkdir(parents=True)
    found = [places.source(str(tmp_path / folder)) for folder in ("a/photos", "b/photos", "a/photos")]
    assert found == ["images/shop/photos", "images/shop/photos-2", "images/shop/photos"]


def test_settings_come_from_what_hugging_face_tells():
    settings = read_settings({"SPACE_ID": "me/shop", "SPACE_HOST": "me-shop.hf.space"}, {"shop": "indexes/shop"})
    assert (settings.host, settings.port, settings.public) == ("0.0.0.0", 7860, True)
    assert settings.allowed_hosts == ("me-shop.hf.space",)
    assert settings.allowed_frames == ("https://huggingface.co",)


@pytest.mark.parametrize("permitted", [{"allow_add": True}, {"allow_sql": True}, {"allow_urls": True}])
def test_a_public_server_permits_nothing(permitted):
    with pytest.raises(InputError, match="A public server is read-only, so it does not go with --allow-"):
        Settings(public=True, host="0.0.0.0", **permitted)
    with pytest.raises(InputError, match="asks for no token"):
        Settings(public=True, token="t" * 16)


def test_the_command_writes_a_space_of_a_folder_of_images(tmp_path, gallery_folder):
    pictures = f"pictures={gallery_folder.parent / 'photos'}"
    run = subprocess.run(
        [sys.executable, "-m", "wordsight", "space", "made", "--gallery", pictures],
        cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"WORDSIGHT_INDEX": str(tmp_path / "index")},
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert "pictures: 12 images" in run.stdout
    assert "try it: python made/app.py" in run.stdout
    assert (tmp_path / "made" / "app.py").is_file()
