"""Files of the page: what is served, for how long, and what the page needs to be there at all."""

import re
import subprocess
import sys

import pytest
from fastapi.testclient import TestClient

from wordsight.serve.app import create_app
from wordsight.serve.page.assets import FOLDER, asset_url
from wordsight.serve.settings import Settings

pytest.importorskip("gradio")


@pytest.fixture(scope="module")
def client():
    with TestClient(create_app(Settings(port=0)), base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize("name", ["page.js", "find/find.js", "style.css"])
def test_files_of_this_version_may_be_kept_for_ever(client, name):
    answer = client.get(asset_url(name))
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith(("text/javascript", "text/css"))


def test_files_of_another_version_are_asked_for_again(client):
    assert client.get("/ui/0123/page.js").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    "name", ["", "../shell.py", "..%2fshell.py", "find/../../shell.py", "missing.js", "/etc/passwd"]
)
def test_nothing_else_is_served(client, name):
    answer = client.get(f"/ui/0123/{name}")
    assert answer.status_code in (400, 404)
    assert "import" not in answer.text


def test_the_page_names_our_files_and_no_other_site(client):
    page = client.get("/").text
    assert asset_url("page.js") in page
    assert asset_url("style.css") in page
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=.?(?:https?:)?//[^>]*", page)
    assert "fonts.googleapis" not in page


def test_no_file_of_the_page_names_another_site():
    for path in FOLDER.rglob("*.*"):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text, path
        assert "https://" not in text, path


def test_without_gradio_the_extra_is_named_and_the_way_without_it():
    code = (
        "import sys; sys.modules['gradio'] = None\n"
        "from wordsight.errors import MissingExtraError\n"
        "from wordsight.serve.app import create_app\n"
        "from wordsight.serve.settings import Settings\n"
        "create_app(Settings(page=False))\n"
        "try:\n    create_app(Settings())\nexcept MissingExtraError as error:\n    print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "page" in said
    assert "--api-only" in said
