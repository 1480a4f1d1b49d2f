"""The whole study of a set, and what its report says."""

import dataclasses
import json

import numpy as np
import pytest
from prompt_model import WordModel, labelled_words

from wordsight.errors import InputError
from wordsight.evaluate.prompts.config import PromptStudyConfig
from wordsight.evaluate.prompts.report import build_report, draw_charts
from wordsight.evaluate.prompts.senses import Sense
from wordsight.evaluate.prompts.study import study_prompts
from wordsight.evaluate.report.json_files import render_json
from wordsight.evaluate.report.page import render_page
from wordsight.evaluate.report.text import render_text
from wordsight.metrics import Estimate

NAMES = ("crane", "digger", "owl")
CAPTIONS = {
    "crane": [f"tall tower crane {i}" for i in range(10)] + [f"grey wading {i}" for i in range(10)],
    "digger": [f"yellow digger machine {i}" for i in range(20)],
    "owl": [f"night owl bird {i}" for i in range(20)],
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path / "cache"))


def study(**changes):
    data, features = labelled_words(NAMES, CAPTIONS)
    return study_prompts(WordModel(), data, features, PromptStudyConfig(**{"templates": ("imagenet-7",)} | changes))


def test_every_prompt_set_is_measured_against_the_baseline_on_the_same_images(tmp_path):
    path = tmp_path / "words.json"
    path.write_text(json.dumps({"crane": ["tall grey crane"], "digger": ["digger"], "owl": ["owl"]}))
    seen = study(templates=("plain", "imagenet-7"), cupl=(path,), dclip=(path,))
    baseline, *others = seen.methods
    assert baseline.gain is None
    assert [method.name for method in others] == ["plain", "imagenet-7", "words", "words (2)"]
    for method in others:
        assert method.gain.value == pytest.approx(method.accuracy.value - baseline.accuracy.value)
        assert method.against == '"a photo of a {}."'
    assert [method.prompts for method in seen.methods] == [3, 3, 21, 3, 3]


def test_a_rename_that_says_what_is_meant_gains():
    seen = study(renames=("crane=tall tower grey wading",), kind="thing")
    by_name = {method.name: method for method in seen.naming}
    assert by_name['"a photo of a {}.", renamed'].gain.low > 0
    assert by_name["imagenet-7, a type of thing, renamed"].against == "imagenet-7"
    own = by_name['"a photo of a {}.", renamed: their own images']
    assert own.accuracy.n == 20
    assert own.gain.low > by_name['"a photo of a {}.", renamed'].gain.low
    assert len(by_name) == 8
    assert "crane" in {each.name for each in seen.confused}


def test_names_that_go_wrong_and_mean_several_things_are_told_with_their_senses(monkeypatch):
    senses = {"crane": (Sense(("crane",), "lifts objects"), Sense(("crane",), "wading bird"))}
    monkeypatch.setattr("wordsight.evaluate.prompts.study.list_senses", lambda name, _: senses.get(name, ()))
    seen = study()
    assert set(seen.senses) == {"crane"}
    assert "wading bird" in render_text(build_report(seen))
    assert seen.to_dict()["senses"]["crane"][1]["gloss"] == "wading bird"


def test_weights_and_priors_are_measured_against_the_uniform_ensemble():
    seen = study()
    uniform, *methods = seen.label_free
    assert [method.name for method in methods] == [
        "ZPE weights of templates", "class means removed", "priors by EM", "equal priors (Sinkhorn)", "--together",
    ]  # fmt: skip
    assert {method.against for method in methods} == {"imagenet-7"}
    assert uniform.accuracy == next(method.accuracy for method in seen.methods if method.name == "imagenet-7")


def test_a_bank_of_images_changes_the_weights_only():
    bank_MD = np.stack([labelled_words(["x"], {"x": ["art of a video game"]})[1].image_MD[0]] * 3)
    names = [method.name for method in study(bank_MD=bank_MD).label_free]
    assert names == [method.name for method in study().label_free]


def test_one_template_alone_has_no_weights():
    assert "ZPE weights of templates" not in {method.name for method in study(templates=("plain",)).label_free}


def test_long_prompts_are_split_and_measured_against_truncated_ones(tmp_path):
    path = tmp_path / "long.json"
    filler = "one two three four five six seven eight."
    path.write_text(json.dumps({name: [f"{filler} {name}."] for name in NAMES}))
    seen = study(cupl=(path,))
    (split,) = seen.long_texts
    assert split.against == "long"
    assert split.gain.low > 0
    assert next(method for method in seen.methods if method.name == "long").truncated == 3


def test_images_without_a_label_are_left_out():
    data, features = labelled_words(NAMES, CAPTIONS)
    labels = data.labels.copy()
    labels[:5] = -1
    seen = study_prompts(
        WordModel(), dataclasses.replace(data, labels=labels), features, PromptStudyConfig(templates=("plain",))
    )
    assert seen.images == 55


def test_templates_that_come_with_the_set_are_measured_too():
    data, features = labelled_words(NAMES, CAPTIONS)
    data = dataclasses.replace(data, templates=("the {}", "one {}"))
    seen = study_prompts(WordModel(), data, features, PromptStudyConfig())
    assert "the dataset's own" in seen.templates


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baseline": "a photo"}, "lacks '{}'"),
        ({"templates": ("imagenet-8",)}, r"Did you mean: imagenet-80"),
        ({"templates": ("a photo of it.",)}, "lacks '{}'"),
        ({"renames": ("crow=bird",)}, "The dataset has no class 'crow'"),
        ({"kind": ""}, "The kind is empty"),
        ({"seeds": 0}, "seeds is 0, expected a whole number, 1 or more"),
        ({"templates": ("plain",), "prune": "rank"}, "There is no set of several templates to prune"),
    ],
)
def test_what_cannot_be_tried_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        study(**changes)


def test_a_multi_label_set_is_refused():
    data, features = labelled_words(NAMES, CAPTIONS)
    data = dataclasses.replace(data, labels=np.ones((60, 3), bool))
    with pytest.raises(InputError, match="multi-label"):
        study_prompts(WordModel(), data, features, PromptStudyConfig())


def test_prompt_sets_that_are_tried_together_are_judged_together():
    seen = study()
    gain = Estimate(0.03, 0.002, 0.058, 60)
    one, *_ = (dataclasses.replace(way, gain=gain) for way in seen.methods[1:])
    assert "imagenet-7 is better than" in build_report(dataclasses.replace(seen, methods=(seen.methods[0], one))).answer
    many = [dataclasses.replace(one, name=f"set {number}") for number in range(5)]
    answer = build_report(dataclasses.replace(seen, methods=(seen.methods[0], *many))).answer
    assert "None of the 5 prompt sets can be told apart from it. These intervals" not in answer
    assert "None of the 5 prompt sets can be told apart from it." in answer
    many[2] = dataclasses.replace(one, name="the good one", gain=Estimate(0.1, 0.06, 0.14, 60))
    answer = build_report(dataclasses.replace(seen, methods=(seen.methods[0], *many))).answer
    assert "the good one is better than" in answer
    assert "These intervals hold for all 5 prompt sets at once." in answer


def test_the_report_tells_each_part_in_words_tables_and_charts():
    seen = study(prune="rank", control="waffle", seeds=2, kind="thing")
    report = build_report(seen, "wordsight eval prompts words", charts=draw_charts(seen))
    text = " ".join(render_text(report).split())
    for words in (
        "of 60 images, 3 classes", "as many random prompts", "Templates of imagenet-7", "Fewer templates",
        "Better than noise?", "Without labels", "--together", "Names that go wrong", "a type of thing",
    ):  # fmt: skip
        assert words in text
    assert "<svg" in render_page(report)
    assert json.loads(render_json(report.data))["images"] == 60
