"""The doctor finds what goes silently wrong: each test spoils one fact of a sound model and reads the report."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from random_models import SPECS, random_checkpoint
from taught_model import taught_checkpoint
from tiny import tiny_hf_clip

from wordsight.checkpoint import Checkpoint
from wordsight.cli import group
from wordsight.doctor import checks, examine
from wordsight.doctor.facts import judge_facts
from wordsight.doctor.families import RELEASE_ACTIVATION
from wordsight.doctor.report import Finding, Report
from wordsight.doctor.whatif import CAPTIONS, check_alternatives, fit
from wordsight.encoder import reference
from wordsight.samples import sample_images
from wordsight.weights.catalog import MODELS
from wordsight.weights.read import read_checkpoint
from wordsight.weights.write import write_checkpoint


@pytest.fixture(scope="module")
def taught():
    return taught_checkpoint()


def altered(checkpoint, place="", tensors=None, **changes):
    """The checkpoint with other values in one part of its spec ("" for the spec itself), or other tensors."""
    spec = checkpoint.spec
    if place:
        changes = {place: dataclasses.replace(getattr(spec, place), **changes)}
    return Checkpoint(
        dataclasses.replace(spec, **changes), {**checkpoint.tensors, **(tensors or {})}, checkpoint.tokenizer_files
    )


def finding(findings, subject):
    return next(f for f in findings if f.subject == subject)


def test_a_sound_model_passes_every_check(taught):
    report = examine(taught)
    assert report.verdict == "ok", [f for f in (*report.facts, *report.checks) if f.verdict != "ok"]
    assert report.fingerprint == taught.fingerprint
    for subject in ("tokens", "pixels", "embeddings.images", "embeddings.texts", "fit", "what-if.text_projection"):
        assert report.of(subject).verdict == "ok"


def test_every_fact_is_shown_with_where_it_came_from(taught):
    noted = altered(
        taught, provenance={"preprocess.mean": "preprocessor_config.json: image_mean", "text": "config.json"}
    )
    rows = {f.subject: f for f in judge_facts(noted)}
    assert rows["preprocess.mean"].origin == "preprocessor_config.json: image_mean"
    assert rows["preprocess.mean"].value == "0.48145466, 0.4578275, 0.40821073"
    assert rows["text.pooling"].origin == "config.json"
    assert rows["preprocess.std"].origin == "not recorded"
    read = dataclasses.replace(noted, folder=Path("some-folder"))
    assert finding(judge_facts(read), "preprocess.std").origin == "wordsight.json"
    assert rows["text_projection"].value == "64 × 64"
    assert "only the what-if check" in rows["text_projection"].note
    assert rows["tensors.dtype"].value.startswith("float32 (")
    for fact in ("image.activation", "preprocess.resize", "tokenizer.eos_id", "text.context_length", "text.vocab_size"):
        assert fact in rows


SPOILT = [
    ("text.activation", "fail", "released as 'openai' use quick_gelu", {"place": "text", "activation": "gelu"}),
    ("image.activation", "fail", "use quick_gelu", {"place": "image", "activation": "gelu_tanh"}),
    ("preprocess.mean", "warn", "usual for clip", {"place": "preprocess", "mean": (0.5,) * 3, "std": (0.5,) * 3}),
    ("preprocess.mean", "warn", "none that a known release uses", {"place": "preprocess", "mean": (0.1, 0.2, 0.3)}),
    ("preprocess.image_size", "fail", "takes 32 pixels", {"place": "preprocess", "image_size": 40}),
    ("image.image_size", "fail", "needs 65 positions", {"place": "image", "image_size": 64}),
    ("image.heads", "fail", "does not divide the width 64", {"place": "image", "heads": 3}),
    ("text.heads", "warn", "8 numbers a head; 64 is usual", {"place": "text", "heads": 8}),
    ("text.context_length", "fail", "positional_embedding has 77 rows", {"place": "text", "context_length": 64}),
    ("text.vocab_size", "fail", "has 49408 rows", {"place": "text", "vocab_size": 50000}),
    ("tokenizer.vocab_size", "fail", "knows 49408 tokens", {"place": "tokenizer", "vocab_size": 49410}),
    ("tokenizer.context_length", "fail", "has 77 positions", {"place": "tokenizer", "context_length": 52}),
    ("tokenizer.eos_id", "fail", "ends them with 49407", {"place": "tokenizer", "eos_id": 49406}),
    ("tokenizer.pad_id", "fail", "outside the vocabulary", {"place": "tokenizer", "pad_id": 49408}),
    ("text.pooling", "fail", "argmax finds the highest id", {"place": "tokenizer", "eos_id": 2}),
    ("text.pooling", "warn", "the last position is padding", {"place": "text", "pooling": "last"}),
    ("logit_scale", "fail", "the tensor logit_scale holds 4.6052", {"logit_scale": 2.6592}),
    ("logit_bias", "fail", "without its bias", {"family": "siglip"}),
    ("preprocess.resize", "warn", "squashed to a square", {"family": "siglip"}),
]


@pytest.mark.parametrize(("subject", "verdict", "note", "change"), SPOILT)
def test_a_spoilt_fact_is_reported(taught, subject, verdict, note, change):
    found = finding(judge_facts(altered(taught, **change)), subject)
    assert found.verdict == verdict
    assert note in found.note


def test_heads_are_held_against_released_towers(taught):
    wide = dataclasses.replace(taught.spec.image, width=1280, layers=32, heads=20)
    found = finding(judge_facts(altered(taught, image=wide)), "image.heads")
    assert (found.verdict, found.note) == ("warn", "released towers of width 1280 and 32 layers have 16")


def test_a_catalogued_name_is_held_against_its_entry(taught):
    named = altered(taught, name="ViT-B-16/laion400m_e32")
    rows = {f.subject: f for f in judge_facts(named)}
    assert rows["image.activation"].verdict == "fail"
    assert rows["image.activation"].note == "the catalogue has gelu for ViT-B-16/laion400m_e32"
    assert "the catalogue has 224" in rows["preprocess.image_size"].note
    assert rows["preprocess.mean"].verdict == "ok"


def test_the_table_of_releases_agrees_with_the_catalogue():
    for name, entry in MODELS.items():
        for tag, activation in RELEASE_ACTIVATION.items():
            assert tag not in name or entry["activation"] == activation


def test_towers_of_an_unknown_release_should_agree(taught):
    mixed = altered(altered(taught, name="my-own"), "text", activation="gelu")
    found = finding(judge_facts(mixed), "text.activation")
    assert (found.verdict, found.note) == ("warn", "the image tower has quick_gelu; released towers agree")


@pytest.mark.parametrize(
    ("name", "tensor", "verdict", "note"),
    [
        ("visual.proj", np.ones((32, 64), np.float32), "fail", "expected (64, 64)"),
        ("tensors.finite", np.full((64, 64), np.nan, np.float32), "fail", "NaN or infinite numbers in visual.proj"),
    ],
)
def test_spoilt_tensors_are_reported(taught, name, tensor, verdict, note):
    found = finding(judge_facts(altered(taught, tensors={"visual.proj": tensor})), name)
    assert (found.verdict, found.note) == (verdict, note)


def test_a_matrix_that_was_transposed_on_reading_says_so(tmp_path):
    rows = {f.subject: f for f in judge_facts(read_checkpoint(tiny_hf_clip(tmp_path)))}
    assert rows["visual.proj"].value == "96 × 48"
    assert rows["visual.proj"].origin == "visual_projection.weight, transposed on reading"
    assert all(f.origin != "not recorded" for f in rows.values())


def test_a_transposed_matrix_that_is_not_square_is_named(taught):
    checkpoint = altered(taught, tensors={"text_projection": np.ones((48, 64), np.float32)}, embed_dim=48)
    assert "it is transposed" in finding(judge_facts(checkpoint), "text_projection").note


# Two paths that read the same wrong spec agree; images with captions tell them apart.

WRONG = [
    ("text.activation", "warn", {"place": "text", "activation": "gelu"}),
    ("image.activation", "warn", {"place": "image", "activation": "gelu"}),
    ("preprocess.mean", "warn", {"place": "preprocess", "mean": (0.5,) * 3, "std": (0.5,) * 3}),
    ("preprocess.resize", "warn", {"place": "preprocess", "resize": "squash"}),
]


@pytest.mark.parametrize(("subject", "verdict", "change"), WRONG)
def test_what_if_finds_the_fact_that_the_weights_were_trained_with(taught, subject, verdict, change):
    wrong = altered(taught, **change)
    assert all(f.verdict == "ok" for f in checks.check_embeddings(wrong))
    found = {f.subject: f for f in check_alternatives(wrong)}
    assert found.pop(f"what-if.{subject}").verdict == verdict
    assert {f.verdict for f in found.values()} == {"ok"}


@pytest.mark.parametrize("name", ["text_projection", "visual.proj"])
def test_what_if_finds_a_transposed_square_matrix(taught, name):
    wrong = altered(taught, tensors={name: taught.tensors[name].T})
    assert all(f.verdict == "ok" for f in checks.check_embeddings(wrong))
    found = {f.subject: f for f in check_alternatives(wrong)}
    assert found["fit"].verdict == "warn"
    assert found[f"what-if.{name}"].verdict == "fail"
    assert "its transpose fits the images clearly better" in found[f"what-if.{name}"].note


def test_random_weights_are_called_untrained_and_nothing_is_concluded():
    spec = SPECS["siglip"]
    text = dataclasses.replace(spec.text, vocab_size=49408, context_length=16)
    tokenizer = dataclasses.replace(spec.tokenizer, vocab_size=49408, context_length=16, bos_id=49406, eos_id=49407)
    found = list(check_alternatives(random_checkpoint(dataclasses.replace(spec, text=text, tokenizer=tokenizer))))
    assert [f.subject for f in found if f.verdict != "ok"] == ["fit"]


def test_fit_is_the_distance_of_pairs_from_others_in_standard_deviations():
    cosines = np.array([[0.9, 0.1, 0.3], [0.2, 0.8, 0.2], [0.1, 0.3, 0.7]])
    others = [0.1, 0.3, 0.2, 0.2, 0.1, 0.3]
    assert fit(cosines, np.eye(3)) == pytest.approx((0.8 - np.mean(others)) / np.std(others))


def test_every_sample_image_has_a_caption():
    assert sorted(CAPTIONS) == [path.name for path in sample_images()]


# The checks against the reference fail when one side is wrong.


def test_a_tower_that_answers_otherwise_than_the_reference_fails(taught, monkeypatch):
    monkeypatch.setitem(reference.ACTIVATIONS, "quick_gelu", reference.gelu)
    verdicts = [f.verdict for f in checks.check_embeddings(taught)]
    assert verdicts == ["fail", "fail"]


def test_a_tokenizer_of_other_merges_fails(taught, monkeypatch):
    monkeypatch.setattr(reference, "clip_words", lambda text: text.split())
    found = finding(checks.check_tokens(taught), "tokens")
    assert found.verdict == "fail"
    assert "differs on" in found.note


def test_a_crop_that_is_one_pixel_off_fails(taught, monkeypatch):
    exact = reference.preprocess

    def shifted(rgb_HWC, spec):
        return np.roll(exact(rgb_HWC, spec), 1, axis=1)

    monkeypatch.setattr(reference, "preprocess", shifted)
    assert finding(checks.check_pixels(taught), "pixels").verdict == "fail"


def test_a_check_that_cannot_run_is_a_failed_finding(taught):
    report = examine(altered(taught, "image", image_size=64))
    assert report.verdict == "fail"
    assert report.of("embeddings").value == "could not be run"


def test_int8_graphs_of_other_tensors_are_found(taught, tmp_path):
    write_checkpoint(taught, tmp_path / "model", "wordsight")
    (tmp_path / "model" / "image.int8.xml").write_text("")
    (tmp_path / "model" / "int8.json").write_text(json.dumps({"fingerprint": "of another"}))
    found = examine(tmp_path / "model").of("drift.int8")
    assert found.verdict == "fail"
    assert "made of other tensors" in found.note


def test_nothing_is_left_in_the_cache(taught, tmp_path, monkeypatch):
    monkeypatch.setenv("WORDSIGHT_CACHE", str(tmp_path))
    examine(taught)
    assert not list(tmp_path.iterdir())


def test_fast_leaves_the_towers_alone(taught, monkeypatch):
    monkeypatch.setattr(checks, "check_embeddings", None)
    monkeypatch.setattr(checks, "check_drift", None)
    assert {f.subject for f in examine(taught, fast=True).checks} == {"tokens", "tokens.end", "pixels"}


# The command.


def report_with(verdict):
    return Report(
        "m", "f" * 32, (Finding("embed_dim", "64", "config.json"),), (Finding("x", "[1]", "y", verdict, "z"),)
    )


def answer_with(monkeypatch, report):
    monkeypatch.setattr("wordsight.weights.read.read_checkpoint", lambda name, progress: name)
    monkeypatch.setattr("wordsight.doctor.examine", lambda model, fast: report)


@pytest.mark.parametrize(("verdict", "code"), [("ok", 0), ("warn", 0), ("fail", 1)])
def test_the_exit_code_tells_whether_a_check_failed(monkeypatch, verdict, code):
    answer_with(monkeypatch, report_with(verdict))
    result = CliRunner().invoke(group, ["doctor", "some-model"])
    assert result.exit_code == code, result.output
    assert "config.json" in result.output
    assert "[1]" in result.output


def test_json_holds_the_whole_report(monkeypatch):
    answer_with(monkeypatch, report_with("warn"))
    result = CliRunner().invoke(group, ["doctor", "some-model", "--json"])
    plain = json.loads(result.output)
    assert plain["verdict"] == "warn"
    assert plain["checks"] == [{"subject": "x", "value": "[1]", "origin": "y", "verdict": "warn", "note": "z"}]
