"""Picking of a model: what is advised and said for given figures, and candidates in processes of their own."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from labelled_squares import SPEC, squares  # noqa: F401
from random_models import random_checkpoint

from wordsight.cli import group
from wordsight.encoder.openvino.encoder import processor_precisions
from wordsight.errors import InputError
from wordsight.evaluate.datasets.opening import open_set
from wordsight.evaluate.picking import pick as picking_module
from wordsight.evaluate.picking import worker
from wordsight.evaluate.picking.pick import pick
from wordsight.evaluate.picking.report import build_report, describe_picking
from wordsight.evaluate.picking.worker import Request, measure, run_candidate
from wordsight.evaluate.predictions import Origin, Predictions, read_predictions, write_predictions
from wordsight.weights.write import write_checkpoint

KIB = 1024
N = 2000


@pytest.fixture(scope="module")
def small_model(tmp_path_factory):
    """Folder of a small random model."""
    folder = tmp_path_factory.mktemp("models") / "small"
    write_checkpoint(random_checkpoint(SPEC), folder, "wordsight")
    return str(folder)


@pytest.fixture
def answers(monkeypatch, squares):
    """Let candidates answer with given figures instead of being measured: label → (hits, seconds of each round)."""
    given = {}
    turns = []

    def answer(request, folder):
        label = f"{request.model} {request.precision}"
        if label not in given:
            return {"failed": "no such precision here"}
        hits, seconds = given[label]
        if request.predictions is not None:
            origin = Origin(task="zeroshot", dataset="d", dataset_hash="h", model=label, fingerprint="f", version="1")
            keys = tuple(map(str, range(N)))
            top = np.where(np.asarray(hits)[:, None], [[0, 1]], [[1, 0]])
            write_predictions(
                request.predictions,
                Predictions(origin, keys, np.zeros(N, np.int64), ("a", "b"), top, np.full((N, 2), 0.5)),
            )
            return {}
        turns.append(label)
        return {"images": 32, "seconds": seconds[turns.count(label) - 1], "start_seconds": 1.5,
                "peak_bytes": 300 * KIB * KIB}  # fmt: skip

    monkeypatch.setattr(picking_module, "run_candidate", answer)
    given["turns"] = turns
    return given


def take(squares, models=("m",), precisions=("f32", "bf16", "int8")):
    return pick(open_set(str(squares / "held_out")), list(models), list(precisions))


def test_the_fastest_of_the_best_is_advised(answers, squares):
    hits = np.arange(N) < 1600
    nearly = np.arange(N) < 1598
    answers["m f32"] = hits, [2.0, 2.0, 9.0]
    answers["m int8"] = nearly, [1.0, 1.0, 1.0]
    picking = take(squares)
    assert answers["turns"] == ["m f32", "m int8", "m int8", "m f32", "m f32", "m int8"]
    f32, int8 = picking.candidates
    assert (f32.images_per_second, f32.slowest, f32.fastest) == (16.0, 32 / 9, 16.0)  # the median forgets a hiccup
    assert (int8.images_per_second, int8.peak_bytes) == (32.0, 300 * KIB * KIB)
    assert picking.advised == "m int8"
    assert describe_picking(picking) == (
        "m int8 is as good as m f32 and 2.0 times as fast: take it. It is 0.1 points behind (−0.1 to 0.3)."
    )
    assert [(each.label, each.reason) for each in picking.unavailable] == [("m bf16", "no such precision here")]


def test_a_clear_loss_is_not_worth_speed(answers, squares):
    answers["m f32"] = np.arange(N) < 1600, [2.0] * 3
    answers["m bf16"] = np.arange(N) < 1500, [1.0] * 3
    answers["m int8"] = np.arange(N) < 1490, [3.0] * 3
    picking = take(squares)
    assert [each.best_trade for each in picking.candidates] == [True, True, False]
    assert describe_picking(picking) == (
        "Take m f32: none is more accurate, and m bf16, the fastest, is 2.0 times as fast but loses 5.0 points (3.9 to "
        "6.1)."
    )


def test_few_images_are_said_to_leave_room_for_a_loss(answers, squares):
    order = np.random.default_rng(0).permutation(N)
    answers["m f32"] = np.arange(N) < 1600, [2.0] * 3
    answers["m bf16"] = order < 1590, [1.0] * 3  # right about others than f32
    said = describe_picking(take(squares))
    assert said.startswith("Take m bf16: it is 2.0 times as fast and cannot be told from m f32, the most accurate")
    assert said.endswith("points would matter, measure more images.")


def test_the_report_holds_every_figure(answers, squares):
    answers["m f32"] = np.arange(N) < 1600, [2.0] * 3
    answers["n f32"] = np.arange(N) < 1700, [1.0] * 3
    picking = take(squares, ["m", "n"], ["f32", "bf16"])
    report = build_report(picking, "wordsight eval pick")
    table, chart = report.sections[0].parts
    assert [row[0] for row in table.rows] == ["n f32", "m f32"]
    assert table.rows[0][3:] == ["2.00×", "300 MiB", "1.5 s", "take"]
    assert "<svg" in chart.to_svg()
    assert "m bf16: no such precision here" in report.sections[1].text
    assert json.loads(json.dumps(report.data, allow_nan=False))["advised"] == "n f32"
    assert "none is faster" in report.answer


def test_no_candidate_at_all_is_an_error(answers, squares):
    with pytest.raises(InputError, match=r"No candidate can be measured\. m f32: no such precision here m bf16"):
        take(squares)


def test_a_process_measures_accuracy_then_speed_and_memory(small_model, squares, tmp_path):
    """A fresh process does what the call does here, and its memory is its own."""
    data = open_set(str(squares / "held_out"))
    wanted = Request(small_model, "f32", "openvino", data, None, predictions=tmp_path / "x.parquet")
    assert run_candidate(wanted, tmp_path) == {"skipped": 0, "precision": "f32"}
    theirs = read_predictions(tmp_path / "x.parquet")
    measure(replace(wanted, predictions=tmp_path / "y.parquet"))
    ours = read_predictions(tmp_path / "y.parquet")
    assert theirs.keys == ours.keys == data.keys
    assert np.allclose(theirs.score, ours.score, atol=1e-5)
    timed = run_candidate(replace(wanted, predictions=None, timed=tuple(range(20))), tmp_path)
    assert timed["images"] == 20
    assert timed["seconds"] > 0
    assert timed["start_seconds"] > 0
    if timed["peak_bytes"] is not None:
        assert timed["peak_bytes"] > 20 * KIB * KIB


def test_what_is_not_there_is_a_reason_and_not_an_end(small_model, squares, tmp_path, monkeypatch):
    data = open_set(str(squares / "held_out"))
    request = Request(small_model, "int8", "openvino", data, None, timed=(0,))
    if "int8" in processor_precisions():
        assert "has no int8 image tower" in run_candidate(request, tmp_path)["failed"]
    assert "nowhere" in run_candidate(replace(request, model="./nowhere"), tmp_path)["failed"]
    monkeypatch.setattr("wordsight.encoder.openvino.encoder.processor_precisions", lambda: ("f32",))
    with pytest.raises(InputError, match="this processor has only f32"):
        measure(request)


def test_a_process_that_is_killed_is_a_reason(squares, tmp_path, monkeypatch):
    data = open_set(str(squares / "held_out"))
    request = Request("x", "f32", "openvino", data, None, timed=(0,))

    class Killed:
        returncode, stderr = -signal.SIGTERM, ""

    monkeypatch.setattr(worker.subprocess, "run", lambda *_, **__: Killed)
    assert "was killed (signal 15), as when memory is short" in run_candidate(request, tmp_path)["failed"]
    Killed.returncode, Killed.stderr = 1, "Traceback\nRuntimeError: bad\n"
    assert run_candidate(request, tmp_path)["failed"] == "its process ended with 1: RuntimeError: bad"


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the system does not say a process's peak")
def test_the_peak_of_memory_is_no_less_than_what_is_held():
    held = np.ones(64 << 20, np.uint8)
    assert worker.read_peak_memory() >= len(held)


def test_the_command_takes_lists_of_models_and_precisions(small_model, squares, monkeypatch):
    seen = {}

    def refuse(data, models, precisions, **options):
        seen.update(models=models, precisions=precisions, rounds=options["rounds"])
        raise InputError("stop here")

    monkeypatch.setattr(picking_module, "pick", refuse)
    CliRunner().invoke(group, ["eval", "pick", str(squares / "held_out"), "--models", "a", "b", "--precisions", "f32",
                               "int8", "--rounds", "2"])  # fmt: skip
    assert seen == {"models": ["a", "b"], "precisions": ["f32", "int8"], "rounds": 2}
