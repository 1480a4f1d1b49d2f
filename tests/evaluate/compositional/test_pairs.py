"""Compositional pairs: scores by hand, chance by simulation, both published forms of tables, failures in the report."""

import dataclasses
import json

import numpy as np
import pytest

from wordsight.errors import InputError
from wordsight.evaluate.compositional.items import find_image, open_pairs
from wordsight.evaluate.compositional.measure import CHANCE, decide, score_pairs
from wordsight.evaluate.compositional.report import build_report, draw_charts
from wordsight.metrics import Estimate, estimate_clustered


class Known:
    """A model that knows an embedding of each file name and of each text."""

    name, fingerprint, scale, bias = "known", "known", 100.0, None

    def __init__(self, images, texts):
        self.images, self.texts = images, texts

    def stream_images(self, images):
        for image in images:
            yield image, np.array(self.images[image.rsplit("/", 1)[-1]], np.float32)

    def embed_texts(self, texts):
        return np.array([self.texts[text] for text in texts], np.float32)


def test_scores_of_two_images_by_hand():
    cosine_NIT = np.array(
        [
            [[0.9, 0.1], [0.2, 0.8]],  # all right
            [[0.9, 0.8], [0.95, 0.96]],  # images prefer their own text, text 0 prefers image 1
            [[0.5, 0.6], [0.1, 0.9]],  # image 0 prefers text 1, texts their own image
            [[0.5, 0.5], [0.5, 0.5]],  # ties
        ]
    )
    hits = decide(cosine_NIT)
    assert hits["text"].tolist() == [True, True, False, False]
    assert hits["image"].tolist() == [True, False, True, False]
    assert hits["group"].tolist() == [True, False, False, False]


def test_chance_levels_are_those_of_random_cosines():
    rng = np.random.default_rng(0)
    for form, images in (("two images", 2), ("one image", 1)):
        hits = decide(rng.normal(size=(40000, images, 2)))
        for score, level in CHANCE[form].items():
            assert hits[score].mean() == pytest.approx(level, abs=0.01)


def write_sugar(folder):
    """Two files as SugarCrepe has them; the images of the second are not the first's."""
    rows = {"0": {"filename": "a.jpg", "caption": "a cat on a mat", "negative_caption": "a mat on a cat"},
            "1": {"filename": "b.jpg", "caption": "a red cup", "negative_caption": "a blue cup"}}  # fmt: skip
    (folder / "swap_obj.json").write_text(json.dumps({"0": rows["0"]}))
    (folder / "replace_att.json").write_text(json.dumps({"1": rows["1"], "2": {"filename": "b.jpg", "caption": ""}}))
    return [str(folder / "swap_obj.json"), str(folder / "replace_att.json")]


def test_sugarcrepes_files_are_read_with_their_names_as_kinds(tmp_path):
    data = open_pairs(write_sugar(tmp_path), images=str(tmp_path / "coco"))
    assert data.form == "one image"
    assert [item.kind for item in data.items] == ["swap_obj", "replace_att"]
    assert data.images == [str(tmp_path / "coco" / "a.jpg"), str(tmp_path / "coco" / "b.jpg")]
    assert data.left_out == (f"{tmp_path}/replace_att.json row 2 has an empty caption",)
    texts = {"a cat on a mat": [1, 0], "a mat on a cat": [0, 1], "a red cup": [0, 1], "a blue cup": [1, 0]}
    result = score_pairs(Known({"a.jpg": [0.8, 0.6], "b.jpg": [0.8, 0.6]}, texts), data, cache=False)
    assert {kind: scores["accuracy"].value for kind, scores in result.by_kind.items()} == {
        "swap_obj": 1.0, "replace_att": 0.0, "all": 0.5}  # fmt: skip
    report = build_report([result], "", charts=draw_charts([result]))
    assert "of the 2 tests of" in report.answer
    assert "too few to compare with the chance level of 50.0 %." in report.answer
    assert "does not do better than chance" not in report.answer  # a test each tells nothing
    kinds = {"one": {"accuracy": Estimate(0.6, 0.52, 0.68, 150)}, "all": {"accuracy": Estimate(0.6, 0.52, 0.68, 150)}}
    alone = build_report([dataclasses.replace(result, by_kind=kinds)], "")
    assert "Kinds in which" not in alone.answer
    kinds = {f"kind {i}": kinds["one"] for i in range(10)} | {"all": kinds["all"]}
    many = build_report([dataclasses.replace(result, by_kind=kinds)], "")
    assert "not do better than chance: kind 0, kind 1" in many.answer  # one of ten would seem to by chance
    ((image, text),) = report.sections[1].parts[0].tiles
    assert image == data.images[1]
    assert text == "replace_att: took “a blue cup” (0.800) for “a red cup” (0.600)"


def test_winogrounds_table_is_read_with_images_found_by_their_stems(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("ex_0_img_0.png", "ex_0_img_1.png"):
        (tmp_path / "images" / name).write_bytes(b"")
    row = {"id": 0, "image_0": "ex_0_img_0", "image_1": "ex_0_img_1", "caption_0": "an old person kisses a young one",
           "caption_1": "a young person kisses an old one", "tag": "Adjective", "collapsed_tag": "Object"}  # fmt: skip
    (tmp_path / "examples.jsonl").write_text(json.dumps(row) + "\n")
    data = open_pairs([str(tmp_path / "examples.jsonl")])
    assert (data.form, data.items[0].kind) == ("two images", "Object")
    assert data.images == [str(tmp_path / "images" / f"ex_0_img_{n}.png") for n in (0, 1)]
    texts = {row["caption_0"]: [1, 0], row["caption_1"]: [0, 1]}
    result = score_pairs(Known({"ex_0_img_0.png": [0.8, 0.6], "ex_0_img_1.png": [0.9, 0.4]}, texts), data, cache=False)
    scores = {score: estimate.value for score, estimate in result.by_kind["Object"].items()}
    assert scores == {"text": 0, "image": 0, "group": 0}
    report = build_report([result], "")
    assert len(report.sections[1].parts[0].tiles) == 2
    assert open_pairs([str(tmp_path / "examples.jsonl")], kind_column="tag").items[0].kind == "Adjective"


def test_an_image_that_is_not_there_keeps_its_name(tmp_path):
    assert find_image("x/lost.jpg", str(tmp_path)) == str(tmp_path / "x" / "lost.jpg")


def test_tables_of_other_or_both_forms_are_refused(tmp_path):
    (tmp_path / "odd.csv").write_text("image,text\na.jpg,b\n")
    with pytest.raises(InputError, match=r"has the columns image, text; expected image_0, .* or filename, caption"):
        open_pairs([str(tmp_path / "odd.csv")])
    (tmp_path / "one.csv").write_text("image,caption,negative_caption\na.jpg,b,c\n")
    (tmp_path / "two.csv").write_text("image_0,image_1,caption_0,caption_1\na.jpg,b.jpg,c,d\n")
    with pytest.raises(InputError, match="Some tests have two images and others one"):
        open_pairs([str(tmp_path / "one.csv"), str(tmp_path / "two.csv")])
    with pytest.raises(InputError, match=r"one.csv' has no column 'tags'; it has image, caption, negative_caption"):
        open_pairs([str(tmp_path / "one.csv")], kind_column="tags")
    (tmp_path / "none.csv").write_text("image,caption,negative_caption\n,b,c\n")
    with pytest.raises(InputError, match=r"hold no test: .* row 1 names no image"):
        open_pairs([str(tmp_path / "none.csv")])
    (tmp_path / "odd.json").write_text("3")
    with pytest.raises(InputError, match="neither a list of rows nor an object of them"):
        open_pairs([str(tmp_path / "odd.json")])


@pytest.mark.parametrize(
    ("hits", "images", "expected"),
    [
        ([1, 1], [0, 1], (1.0, 0.342, 1.0)),  # Wilson: 2 / (2 + 1.96²)
        ([1, 1, 1, 1], [0, 0, 1, 1], (1.0, 0.342, 1.0)),  # two images, asked twice each
        ([0, 0], [0, 1], (0.0, 0.0, 0.658)),
    ],
)
def test_a_few_tests_that_all_come_out_alike_are_not_certain(hits, images, expected):
    found = estimate_clustered(hits, images)
    assert (found.value, found.low, found.high) == pytest.approx(expected, abs=1e-3)
    assert found.n == len(hits)


def ask_two_kinds(tmp_path, tests):
    """Answer of the report on a model that is wrong about all of a kind, and right about all of another."""
    rows = [f"{n}.jpg,{words},{kind}\n" for n in range(tests) for kind, words in (("left", "a,b"), ("size", "b,a"))]
    (tmp_path / "some.csv").write_text("image,caption,negative_caption,kind\n" + "".join(rows))
    model = Known({f"{n}.jpg": [0.6, 0.8] for n in range(tests)}, {"a": [1, 0], "b": [0, 1]})
    result = score_pairs(model, open_pairs([str(tmp_path / "some.csv")]), cache=False)
    report = build_report([result], "")
    return report.answer, {row[0]: row[-1] for row in report.sections[0].parts[0].rows}


def test_a_kind_is_judged_from_ten_tests_on(tmp_path):
    answer, judged = ask_two_kinds(tmp_path, 9)
    assert (judged["left"], judged["size"]) == ("too few tests", "too few tests")
    assert "Kinds in which" not in answer
    answer, judged = ask_two_kinds(tmp_path, 12)
    assert (judged["left"], judged["size"]) == ("below chance", "above chance")
    assert "Kinds in which it does not do better than chance: left." in answer
