"""Hits as JSON: what a server sends and the command line prints."""

import json
import os
from pathlib import Path

import numpy as np

from wordsight.duplicates.groups import Group
from wordsight.images.skipped import Skipped
from wordsight.index import Row
from wordsight.path_text import to_path, to_text
from wordsight.search.hits import Hit, Hits
from wordsight.update.run import Summary

ODD = os.fsdecode(b"/p/\xff\n.png")


def row(path=ODD):
    text = to_text(path)
    return Row(text, "/p", text, "hash", np.array([1, 0], np.float32), width=4, height=3, size=9)


def as_json(value):
    """The value after JSON in UTF-8, which a lone surrogate would not pass."""
    return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8"))


def test_a_hit_of_a_name_that_is_not_utf8_is_valid_json_and_leads_to_the_file():
    one = row()
    hit = Hit(one.id, to_path(one.path), 0.5, 0.9, one, copies=(Hit(one.id, to_path(one.path), 0.4, 0.8, one),))
    said = as_json(hit.to_dict())
    assert to_path(said["path"]) == Path(ODD)
    assert to_path(said["copies"][0]) == Path(ODD)
    assert said["likely"] is True
    assert said["bm25"] is None


def test_a_page_of_hits_tells_how_many_are_likely():
    one = row("/p/a.png")
    hits = Hits([Hit(one.id, to_path(one.path), 0.5, 0.9, one)], 7, at_least=True)
    said = as_json(hits.to_dict())
    assert (said["likely"], said["at_least"], said["hint"]) == (7, True, "")
    assert said["hits"] == hits.to_dicts()


def test_groups_and_summaries_are_valid_json_too():
    group = as_json(Group((row(), row("/p/b.png")), (1.0, 0.9), "it is the oldest").to_dict())
    assert to_path(group["keep"]) == Path(ODD)
    assert [image["role"] for image in group["images"]] == ["keep", "copy"]
    skipped = (Skipped(ODD, "is empty"), Skipped(Path(ODD), "is empty"), Skipped("\ud800", "is empty"))
    said = as_json(Summary(added=2, skipped=skipped).to_dict())
    assert said["added"] == 2
    assert [to_path(skip["item"]) for skip in said["skipped"][:2]] == [Path(ODD)] * 2
    assert said["skipped"][2]["item"] == "\\ud800"
