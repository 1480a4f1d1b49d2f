"""`/v1/sort`: a folder sorted into classes after a preview, and undone; nothing outside of it is touched."""

import os
import shutil

import pytest
from jobs import finish, wait_for
from serving import run_server

from wordsight.output.sorting import LISTING
from wordsight.output.sorting_undo import undo
from wordsight.samples import sample_images

CLASSES = {"classes": ["cat", "rocket"], "none": True}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sort") / "inbox"


@pytest.fixture(scope="module")
def server(folder):
    folder.mkdir()
    with run_server(sort_folder=folder) as client:
        yield client


@pytest.fixture(autouse=True)
def fill(folder):
    """Put the sample images into the folder, as it was before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    for image in sample_images():
        shutil.copy(image, folder)


def preview(server, **asked):
    return finish(server, server.post("/v1/sort/preview", json={**CLASSES, **asked}))["plan"]


def apply(server, plan, **asked):
    return server.post("/v1/sort/apply", json={"plan": plan["id"], **asked})


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_preview_moves_nothing_and_apply_does_what_it_says(server, folder):
    before = files(folder)
    plan = preview(server)
    assert files(folder) == before
    assert plan["labels"] == ["cat", "rocket", "none of these"]
    by_name = {item["name"]: item for item in plan["items"]}
    assert len(by_name) == 12
    assert by_name["rocket.jpg"]["destination"] == "rocket/rocket.jpg"
    assert server.get(by_name["rocket.jpg"]["thumb"]).headers["content-type"] == "image/jpeg"
    assert server.get("/v1/sort").json() == {"folder": "inbox", "undo": 0}
    state = finish(server, apply(server, plan))
    assert state["moved"] == 12
    assert set(files(folder)) == {item["destination"] for item in plan["items"]} | {LISTING}
    assert server.get("/v1/sort").json()["undo"] == 12
    assert finish(server, server.post("/v1/sort/undo"))["moved_back"] == 12
    assert files(folder) == before


def test_the_command_line_undoes_what_the_server_sorted(server, folder):
    before = files(folder)
    finish(server, apply(server, preview(server)))
    assert undo(folder).moved_back == 12
    assert files(folder) == before


def test_changes_by_hand_a_least_probability_and_copies(server, folder):
    plan = preview(server, min_probability=1.0)
    state = finish(server, apply(server, plan, changes={"coffee.jpg": "cat"}, copy=True))
    assert state["copied"] == 1
    assert {"cat/coffee.jpg", "coffee.jpg"} <= set(files(folder))
    assert finish(server, server.post("/v1/sort/undo"))["removed"] == 1


def test_files_that_changed_since_the_preview_are_not_moved(server, folder):
    plan = preview(server)
    (folder / "coffee.jpg").write_bytes((folder / "rocket.jpg").read_bytes())
    before = files(folder)
    state = wait_for(server, apply(server, plan).json()["job"])
    assert state["state"] == "failed"
    assert "'coffee.jpg'" in state["message"]
    assert files(folder) == before


def test_of_two_applies_at_once_one_moves(server, folder):
    plan = preview(server)
    answers = [apply(server, plan), apply(server, plan)]
    states = [wait_for(server, answer.json()["job"]) for answer in answers if answer.status_code == 202]
    assert sum(state["state"] == "done" for state in states) == 1
    assert all(answer.status_code in (202, 409) for answer in answers)
    assert len(files(folder)) == 13


def test_names_of_classes_never_leave_the_folder(server, folder):
    names = ["../x", "/etc/cron.d", "CON", "a" * 900, ".hidden", "..\\..\\y", "a/b", "wordsight-sort"]
    plan = preview(server, classes=names, none=False)
    for item in plan["items"]:
        assert item["destination"].count("/") == 1
    everywhere = {item["id"]: names[i % len(names)] for i, item in enumerate(plan["items"])}
    assert finish(server, apply(server, plan, changes=everywhere))["moved"] == 12
    for path in folder.rglob("*"):
        assert path.resolve().is_relative_to(folder)
    made = {path.name for path in folder.iterdir() if path.is_dir()}
    assert "CON" not in made
    assert all(len(name) <= 100 and not name.startswith(".") for name in made)
    assert not list(folder.parent.rglob("x"))
    assert finish(server, server.post("/v1/sort/undo"))["moved_back"] == 12


@pytest.mark.parametrize(
    "classes", [[], [""], ["  "], [".."], ["/"], ["cat", "CAT"], ["a\x00"], "cat", [3], {"a": "b"}]
)
def test_classes_that_cannot_be_folders_are_refused(server, classes):
    answer = server.post("/v1/sort/preview", json={"classes": classes})
    if answer.status_code == 202:  # a name of which something is left
        assert wait_for(server, answer.json()["job"])["state"] == "done"
        assert classes == ["a\x00"]
    else:
        assert answer.status_code == 400


def test_links_in_the_folder_lead_nowhere(server, folder, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.copy(sample_images()[0], outside / "secret.jpg")
    (folder / "link.jpg").symlink_to(outside / "secret.jpg")
    plan = preview(server)
    assert "link.jpg" not in {item["name"] for item in plan["items"]}
    (folder / "cat").symlink_to(outside)
    state = wait_for(server, apply(server, plan, changes={"coffee.jpg": "cat"}).json()["job"])
    assert state["state"] == "failed"
    assert "is a link" in state["message"]
    assert os.listdir(outside) == ["secret.jpg"]
    again = server.post("/v1/sort/preview", json=CLASSES)
    assert wait_for(server, again.json()["job"])["state"] == "failed"


def test_a_forged_listing_moves_nothing_from_elsewhere(server, folder, tmp_path):
    victim = tmp_path / "victim.jpg"
    moved = folder / "cat" / "a.jpg"
    moved.parent.mkdir()
    shutil.copy(sample_images()[0], moved)
    (folder / LISTING).write_text(f"source,destination,label,probability,how\n{victim},{moved},cat,1.0,move\n")
    answer = server.post("/v1/sort/undo")
    assert answer.status_code == 400
    assert "outside of the folder" in answer.json()["error"]["message"]
    assert not victim.exists()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("apply", {"plan": "none"}, 404),
        ("apply", {}, 400),
        ("undo", {}, 400),
        ("preview", {"classes": ["cat"], "min_probability": 2}, 400),
        ("preview", {"classes": ["cat"], "templates": "nonsense"}, 400),
    ],
)
def test_what_cannot_be_asked_is_refused(server, path, body, status):
    assert server.post(f"/v1/sort/{path}", json=body).status_code == status


def test_changes_of_what_the_plan_does_not_have(server):
    plan = preview(server)
    for changes in ({"../../etc/passwd": "cat"}, {"coffee.jpg": "dog"}, {"coffee.jpg": "../x"}):
        assert apply(server, plan, changes=changes).status_code == 400


@pytest.mark.parametrize(
    "key", ["Li4vLi4vZXRjL3Bhc3N3ZA", "L2V0Yy9wYXNzd2Q", "Li4", "x", "bm9uZS5qcGc", "d29yZHNpZ2h0LXNvcnQuY3N2"]
)
def test_thumbnails_are_of_the_folders_images_alone(server, key):
    assert server.get(f"/v1/sort/thumb/{key}").status_code in (400, 404)


def test_without_a_folder_nothing_is_sorted(client):
    assert client.get("/v1/sort").json() == {"folder": None, "undo": 0}
    for path in ("preview", "apply", "undo"):
        answer = client.post(f"/v1/sort/{path}", json={"classes": ["a"], "plan": "a"})
        assert answer.status_code == 403
        assert "--sort-folder" in answer.json()["error"]["message"]
