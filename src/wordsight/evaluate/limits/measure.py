"""Answers of a model to the questions of each test, with chance, control and interval."""

from __future__ import annotations

import itertools
import math
import time
import zlib
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordsight.evaluate.datasets.labelled_set import LabelledSet
from wordsight.evaluate.embedder import ImageTextEmbedder
from wordsight.evaluate.features import embed_set
from wordsight.evaluate.limits.canvas import Pixels
from wordsight.evaluate.limits.catalogue import TESTS, LimitTest
from wordsight.evaluate.limits.question import Choices, Question
from wordsight.evaluate.limits.verdicts import Verdict, judge_curve, judge_share
from wordsight.metrics import Estimate, bootstrap_clusters
from wordsight.metrics.estimates import t_quantile
from wordsight.metrics.hits import wilson_interval
from wordsight.zeroshot.class_embeddings import Floats, normalise_rows

_EQUAL = 1e-6  # cosines closer than this are equal: the precision of a float32 dot product
_SHOWN = 8  # wrong answers that are kept of a test, as images
_TEXTS_AT_ONCE = 256


@dataclass(frozen=True)
class WrongAnswer:
    """An image with what the model chose and what is true."""

    image: Pixels
    chosen: str
    true: str


@dataclass(frozen=True)
class LimitResult:
    """Share of right answers of one test.

    accuracy: with all wordings of an answer averaged, resampled by scene. chance: share that guessing answers.
    compared: share right when an answer's scores are compared with those of the scene's other images, which takes
    away the model's liking for some answers; None where scenes are not asked all answers. by_wording: share right with
    the worst and the best single wording. wrong: some of the images it fails on.
    """

    test: LimitTest
    accuracy: Estimate
    chance: float
    control: Estimate
    control_chance: float
    compared: Estimate | None
    by_wording: tuple[float, float]
    by_condition: dict[str, Estimate]
    verdict: Verdict
    wrong: tuple[WrongAnswer, ...] = field(repr=False, default=())

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON holds them, without images."""
        return {
            "test": self.test.name,
            "title": self.test.title,
            "accuracy": self.accuracy.to_dict(),
            "chance": self.chance,
            "control": {"question": self.test.control, "chance": self.control_chance, **self.control.to_dict()},
            "compared": self.compared and self.compared.to_dict(),
            "by_wording": {"worst": self.by_wording[0], "best": self.by_wording[1]},
            "by_condition": {name: estimate.to_dict() for name, estimate in self.by_condition.items()},
            "verdict": self.verdict.kind,
            "words": self.verdict.words,
        }


@dataclass(frozen=True)
class Limits:
    """Results of all tests that a model was given."""

    model: str
    fingerprint: str
    seed: int
    results: tuple[LimitResult, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Fields as JSON holds them."""
        return {
            "model": self.model,
            "fingerprint": self.fingerprint,
            "seed": self.seed,
            "seconds": round(self.seconds, 3),
            "tests": [result.to_dict() for result in self.results],
        }


def measure_limits(
    model: ImageTextEmbedder,
    tests: Sequence[LimitTest] = TESTS,
    *,
    seed: int = 0,
    cache: bool = True,
    progress: Callable[[LimitTest], object] | None = None,
) -> Limits:
    """Ask a model the questions of each test; equal seeds draw equal images.

    cache: keep the images' features. progress: called with each test before it.
    """
    started = time.perf_counter()
    results = []
    for test in tests:
        if progress is not None:
            progress(test)
        results.append(measure_test(model, test, seed=seed, cache=cache))
    return Limits(model.name, model.fingerprint, seed, tuple(results), time.perf_counter() - started)


def measure_test(model: ImageTextEmbedder, test: LimitTest, *, seed: int = 0, cache: bool = True) -> LimitResult:
    """Ask a model the questions of one test."""
    questions = test.ask(np.random.default_rng([seed, zlib.crc32(test.name.encode())]))
    vectors = _embed_images(model, test.name, questions, cache)
    texts = _embed_texts(model, questions)
    scenes = [question.scene for question in questions]

    scores = [_score(vectors[id(q.image)], q.choices, texts) for q in questions]
    hit_N = np.array(
        [share_right(score_KW.mean(axis=1), q.answer) for score_KW, q in zip(scores, questions, strict=True)]
    )
    wordings = np.array([
        [share_right(score_K, q.answer) for score_K in single_KW.T]
        for single_KW, q in ((_score_singly(vectors[id(q.image)], q.choices, texts), q) for q in questions)
    ])  # fmt: skip
    controls = [_ask_control(q, vectors, texts) for q in questions]
    control_N = np.array([hit for hit, _ in controls])
    accuracy = estimate_by_scene(hit_N, scenes)
    control = estimate_by_scene(control_N, scenes)
    by_condition = _estimate_by([q.condition for q in questions], hit_N, scenes, estimate_by_scene)
    chance = float(np.mean([1 / len(q.choices) for q in questions]))
    control_chance = float(np.mean([chance for _, chance in controls]))
    compared = _compare(questions, scores)
    if test.is_curve:
        loss = _estimate_by([q.condition for q in questions], control_N - hit_N, scenes, estimate_loss)
        verdict = judge_curve(test.trust, control, by_condition, loss, chance)
    else:
        verdict = judge_share(test.trust, accuracy, chance, control=control, control_chance=control_chance)
    return LimitResult(
        test=test,
        accuracy=accuracy,
        chance=chance,
        control=control,
        control_chance=control_chance,
        compared=compared,
        by_wording=(float(wordings.mean(axis=0).min()), float(wordings.mean(axis=0).max())),
        by_condition=by_condition,
        verdict=verdict,
        wrong=_pick_wrong(questions, scores, hit_N),
    )


def share_right(score_K: NDArray[Any], answer: int) -> float:
    """1 where the answer has the best score, 0 where another has; shared among answers that are equally good."""
    best_K = score_K >= score_K.max() - _EQUAL
    return float(best_K[answer]) / int(best_K.sum())


def estimate_by_scene(hit_N: NDArray[Any], scenes: Sequence[str]) -> Estimate:
    """Share of right answers, with the wider of a bootstrap by scene and Wilson's interval of as many as scenes.

    A bootstrap alone has an empty interval where all answers are right, however few the scenes.
    """
    drawn = bootstrap_clusters(hit_N, scenes)
    low, high = wilson_interval(min(1.0, max(0.0, drawn.value)), len(set(scenes)))
    return Estimate(drawn.value, min(drawn.low, low), max(drawn.high, high), drawn.n)


def estimate_loss(loss_N: NDArray[Any], scenes: Sequence[str]) -> Estimate:
    """Mean loss of paired answers, -1 to 1, resampled by scene; not empty where no answer changes.

    It is at least as wide as that of a scene of doubt that is half gained and half lost, as `metrics.estimate_gain`.
    """
    drawn = bootstrap_clusters(loss_N, scenes)
    count = len(set(scenes))
    half = t_quantile(max(count - 1, 1)) / count
    low, high = min(drawn.low, drawn.value - half), max(drawn.high, drawn.value + half)
    return Estimate(drawn.value, max(-1.0, low), min(1.0, high), drawn.n)


def _embed_images(
    model: ImageTextEmbedder, name: str, questions: Sequence[Question], cache: bool
) -> dict[int, NDArray[Any]]:
    """Embedding (D,) of each image by its identity; equal images are embedded once."""
    images = [q.image for q in questions] + [q.control_image for q in questions if q.control_image is not None]
    distinct: dict[bytes, Pixels] = {}
    for image in images:
        distinct.setdefault(image.tobytes(), image)
    keys = tuple(f"{i:04d}" for i in range(len(distinct)))
    data = LabelledSet(f"limits {name}", list(distinct.values()), keys, np.full(len(keys), -1), ("none",))
    rows = dict(zip(distinct, embed_set(model, data, cache=cache).image_MD, strict=True))
    return {id(image): rows[image.tobytes()] for image in images}


def _embed_texts(model: ImageTextEmbedder, questions: Sequence[Question]) -> dict[str, Floats]:
    """Embedding (D,) of each text that is a wording of an answer."""
    flat = itertools.chain.from_iterable
    texts = list(dict.fromkeys(flat(flat((*q.choices, *q.control) for q in questions))))
    parts = [model.embed_texts(texts[i : i + _TEXTS_AT_ONCE]) for i in range(0, len(texts), _TEXTS_AT_ONCE)]
    return dict(zip(texts, normalise_rows(np.concatenate(parts)), strict=True))


def _score(image_D: NDArray[Any], choices: Choices, texts: dict[str, Floats]) -> NDArray[Any]:
    """Cosine of an image with each answer's mean wording, (K, 1)."""
    mean_KD = normalise_rows(np.stack([np.mean([texts[text] for text in wordings], axis=0) for wordings in choices]))
    return np.asarray(mean_KD @ image_D)[:, None]


def _score_singly(image_D: NDArray[Any], choices: Choices, texts: dict[str, Floats]) -> NDArray[Any]:
    """Cosine of an image with each answer in each wording, (K, W)."""
    return np.array([[float(texts[text] @ image_D) for text in wordings] for wordings in choices])


def _ask_control(question: Question, vectors: dict[int, NDArray[Any]], texts: dict[str, Floats]) -> tuple[float, float]:
    """Whether the control is answered rightly, and its chance."""
    choices, answer, image = question.control, 0, question.image
    if not choices:
        choices, answer = question.choices, question.answer
    if question.control_image is not None:
        image = question.control_image
    score_K = _score(vectors[id(image)], choices, texts)[:, 0]
    return share_right(score_K, answer), 1 / len(choices)


def _compare(questions: Sequence[Question], scores: Sequence[NDArray[Any]]) -> Estimate | None:
    """Share right after an answer's mean score over the scene's images is taken off; None where not all are asked."""
    hit_N = np.zeros(len(questions))
    scenes = [q.scene for q in questions]
    for rows in _group(scenes).values():
        first = questions[rows[0]]
        answers = sorted(questions[i].answer for i in rows)
        if answers != list(range(len(first.choices))) or any(questions[i].choices != first.choices for i in rows):
            return None
        score_RK = np.stack([scores[i][:, 0] for i in rows])
        centred_RK = score_RK - score_RK.mean(axis=0)
        hit_N[rows] = [share_right(row_K, questions[i].answer) for row_K, i in zip(centred_RK, rows, strict=True)]
    return estimate_by_scene(hit_N, scenes)


def _pick_wrong(
    questions: Sequence[Question], scores: Sequence[NDArray[Any]], hit_N: NDArray[Any]
) -> tuple[WrongAnswer, ...]:
    """Images with wrong answers, evenly over the test."""
    rows = np.flatnonzero(hit_N == 0)
    step = max(1, math.ceil(len(rows) / _SHOWN))
    return tuple(
        WrongAnswer(
            questions[i].image,
            questions[i].choices[int(scores[i][:, 0].argmax())][0],
            questions[i].choices[questions[i].answer][0],
        )
        for i in rows[::step]
    )


def _estimate_by(
    names: Sequence[str],
    values_N: NDArray[Any],
    scenes: Sequence[str],
    estimate: Callable[[NDArray[Any], Sequence[str]], Estimate],
) -> dict[str, Estimate]:
    """Mean of the values of each name, by scene; those without a name are left out."""
    return {name: estimate(values_N[rows], [scenes[i] for i in rows]) for name, rows in _group(names).items() if name}


def _group(names: Iterable[Hashable]) -> dict[Any, list[int]]:
    """Rows of each name, in order."""
    rows: dict[Any, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(name, []).append(row)
    return rows
