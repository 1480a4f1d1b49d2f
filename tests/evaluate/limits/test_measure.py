"""Scores of models that know everything, or nothing, and what is said of them."""

import functools
from dataclasses import replace

import numpy as np
import pytest
from limit_models import GuessingModel, OracleModel, direction

from wordsight.errors import InputError
from wordsight.evaluate.limits.catalogue import TESTS, pick_tests
from wordsight.evaluate.limits.measure import (
    LimitResult,
    Limits,
    estimate_by_scene,
    estimate_loss,
    measure_limits,
    measure_test,
    share_right,
)
from wordsight.evaluate.limits.question import Question
from wordsight.evaluate.limits.report import answer_limits, summarise_limits
from wordsight.evaluate.limits.verdicts import judge_curve, judge_share, say_odds
from wordsight.evaluate.report.sections import Report
from wordsight.evaluate.report.text import render_text
from wordsight.metrics import Estimate, bootstrap_clusters

SHARE = ("counting", "binding", "clock", "negation", "typed-label", "jumbled", "blur")


@functools.cache
def draw(name):
    """A test that is drawn once."""
    (test,) = pick_tests((name,))
    questions = test.ask(np.random.default_rng(0))
    return replace(test, ask=lambda rng: questions), questions


def small_test(questions, **facts):
    return replace(TESTS[0], ask=lambda rng: questions, **facts)


def question(number, answer, scene="a", **facts):
    image = np.full((4, 4, 3), number, np.uint8)
    return Question(image, scene, answer, (("yes", "it is"), ("no", "it is not")), **facts)


@pytest.mark.parametrize("name", SHARE)
def test_a_model_that_knows_the_truth_gets_all_right(name):
    test, questions = draw(name)
    result = measure_test(OracleModel(questions), test, cache=False)
    assert result.accuracy.value == result.control.value == 1
    assert result.compared is None or result.compared.value == 1
    many = len({question.scene for question in questions}) >= 35  # Wilson's interval of 35 of 35 begins at 0.90
    assert result.verdict.kind == ("reliable" if many else "partly")
    assert not result.wrong


@pytest.mark.parametrize("name", SHARE)
def test_a_model_that_guesses_is_at_chance(name):
    test, _ = draw(name)
    result = measure_test(GuessingModel(), test, cache=False)
    assert result.accuracy.low - 0.03 <= result.chance <= result.accuracy.high + 0.03
    assert result.verdict.kind in ("at chance", "not seen")
    assert result.wrong


@pytest.mark.parametrize("name", ["binding", "counting", "negation"])
def test_a_liking_for_one_answer_gains_nothing(name):
    """All images are alike to this model, so that it prefers some texts to others whatever it is shown."""

    class Blind(GuessingModel):
        def embed_image(self, image):
            return direction("every image")

    test, _ = draw(name)
    result = measure_test(Blind(), test, cache=False)
    assert result.accuracy.value == pytest.approx(result.chance)
    assert result.compared.value == pytest.approx(result.chance)  # all answers are equally good: shared


def test_equal_scores_share_the_answer():
    assert share_right(np.array([0.5, 0.5, 0.1]), 0) == 0.5
    assert share_right(np.array([0.5, 0.5 - 1e-9]), 1) == 0.5
    assert share_right(np.array([0.5, 0.4]), 1) == 0


def test_comparing_images_takes_away_the_liking_for_an_answer():
    """ "yes" is nearer to both images, but nearer still to the one of which it is true."""

    class Biased(GuessingModel):
        def embed_texts(self, texts):
            return np.array([[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0]], np.float32)[: len(texts)]

        def embed_image(self, image):
            return np.array([[0.9, 0.1, 0], [0.8, 0.2, 0]], np.float32)[image[0, 0, 0]]

    control = (("yes",), ("no",))
    test = small_test([question(0, 0, control=control), question(1, 1, control=control)])
    result = measure_test(Biased(), test, cache=False)
    assert result.accuracy.value == 0.5
    assert result.compared.value == 1


def test_a_control_may_be_the_same_question_about_another_image():
    clean = np.zeros((4, 4, 3), np.uint8)
    oracle = OracleModel([question(9, 0, control_image=clean)])
    worse = question(7, 0, control_image=clean, condition="blur")
    oracle.add(worse.image, ["no", "it is not"])
    result = measure_test(oracle, small_test([worse]), cache=False)
    assert (result.accuracy.value, result.control.value) == (0, 1)
    assert result.wrong[0].chosen == "no"
    assert result.wrong[0].true == "yes"


def test_results_are_in_json_and_in_a_table():
    test, questions = draw("negation")
    limits = measure_limits(OracleModel(questions), [test], cache=False)
    (figures,) = limits.to_dict()["tests"]
    assert figures["accuracy"]["value"] == 1
    assert figures["verdict"] == figures["words"] == "reliable"
    assert set(figures["by_condition"]) == {"present", "absent"}
    assert summarise_limits(limits).parts[0].rows[0][0] == "negation"
    assert answer_limits(limits) == 'Reliable: "no" and "without".'


def test_an_unknown_test_is_refused_with_the_known_ones():
    with pytest.raises(InputError, match=r"'count' is not one of the tests.*Did you mean: counting"):
        pick_tests(("count",))


def share(value, low, high):
    return Estimate(value, low, high, 100)


SEEN = {"control": share(0.98, 0.95, 1), "control_chance": 0.5}


@pytest.mark.parametrize(
    ("accuracy", "chance", "words"),
    [
        (share(0.99, 0.97, 1), 0.5, "reliable"),
        (share(0.71, 0.66, 0.76), 0.5, "better than chance: wrong about one time in three"),
        (share(0.52, 0.44, 0.6), 0.5, "at chance: do not trust counts"),
        (share(0.58, 0.52, 0.64), 0.5, "hardly better than chance: do not trust counts"),
        (share(0.1, 0.05, 0.15), 0.5, "worse than chance: do not trust counts"),
        (share(0.3, 0.25, 0.35), 0.2, "hardly better than chance: do not trust counts"),
        (share(0.5, 0.45, 0.55), 0.2, "better than chance: wrong about half of the time"),
    ],
)
def test_verdicts_go_by_the_interval_against_chance(accuracy, chance, words):
    assert judge_share("counts", accuracy, chance, **SEEN).words == words


def test_drawings_that_are_not_recognised_are_no_reason_for_a_verdict():
    unseen = judge_share("counts", share(0.5, 0.4, 0.6), 0.5, control=share(0.55, 0.5, 0.6), control_chance=0.5)
    assert unseen.kind == "not seen"
    assert unseen.words == "cannot be judged: the drawings are not recognised (control 55 %)"
    # whoever answers the question has seen the drawing, whatever the control says
    seen = judge_share("counts", share(0.8, 0.7, 0.9), 0.5, control=share(0.55, 0.5, 0.6), control_chance=0.5)
    assert seen.kind == "partly"


@pytest.mark.parametrize(
    ("levels", "losses", "words"),
    [
        ([0.9, 0.9], [(0, -0.1, 0.1), (0, -0.1, 0.1)], "no worse at any level"),
        ([0.9, 0.5], [(0, -0.1, 0.1), (0.4, 0.2, 0.6)], "falls from 90 % to 50 % at strong"),
        ([0.6, 0.05], [(0.3, 0.1, 0.5), (0.85, 0.7, 1)],
         "falls from 90 % to 60 % at mild and 5 % at strong: do not trust tiny photos"),
        ([0.9, 0.7], [(0, -0.1, 0.1), (0.2, -0.1, 0.5)],
         "perhaps worse: 90 % to 70 % at strong, too few photos to be sure"),
    ],
)  # fmt: skip
def test_verdicts_on_degraded_photos_go_by_what_is_lost(levels, losses, words):
    names = ("mild", "strong")
    accuracy = {name: share(level, level - 0.05, level + 0.05) for name, level in zip(names, levels, strict=True)}
    loss = {name: share(*values) for name, values in zip(names, losses, strict=True)}
    assert judge_curve("tiny photos", share(0.9, 0.8, 1), accuracy, loss, 0.06).words == words


@pytest.mark.parametrize(
    ("wrong", "words"),
    [(0.005, "less than one time in a hundred"), (0.1, "about one time in ten"), (0.05, "about one time in 20"),
     (0.33, "about one time in three"), (0.5, "about half of the time"), (0.66, "about two times in three"),
     (0.8, "about eight times in ten"), (1.0, "about nine times in ten")],
)  # fmt: skip
def test_odds_are_said_as_people_say_them(wrong, words):
    assert say_odds(wrong) == words


def test_ten_scenes_that_are_all_right_do_not_make_a_model_reliable():
    scenes = [str(number // 12) for number in range(120)]
    estimate = estimate_by_scene(np.ones(120), scenes)
    assert (estimate.value, estimate.high, estimate.n) == (1, 1, 120)
    assert estimate.low == pytest.approx(0.7225, abs=1e-3)  # Wilson: 10 / (10 + 1.96²)
    assert judge_share("clocks", estimate, 0.1, **SEEN).kind == "partly"


def test_an_interval_by_scene_is_never_narrower_than_the_bootstrap():
    rng = np.random.default_rng(0)
    scenes = [str(number // 4) for number in range(80)]
    for share_of_hits in (0.05, 0.5, 0.95):
        hit_N = (rng.random(20) < share_of_hits).repeat(4).astype(float)
        drawn, ours = bootstrap_clusters(hit_N, scenes), estimate_by_scene(hit_N, scenes)
        assert ours.low <= drawn.low <= drawn.high <= ours.high


def test_no_change_in_a_few_photos_is_no_proof_that_nothing_is_lost():
    loss = estimate_loss(np.zeros(8), [str(number) for number in range(8)])
    assert (loss.low, loss.high) == pytest.approx((-0.2956, 0.2956), abs=1e-3)  # Student's t of 7, 2.365 / 8
    clean = share(1, 0.7, 1)
    assert judge_curve("blur", clean, {"mild": clean}, {"mild": loss}, 0.06).short == (
        "no clear loss, too few photos to be sure")  # fmt: skip


def test_a_small_loss_that_is_sure_is_a_loss():
    mild, lost = {"mild": share(0.86, 0.8, 0.9)}, {"mild": share(0.04, 0.01, 0.07)}
    words = judge_curve("blur", share(0.9, 0.8, 1), mild, lost, 0.06)
    assert (words.kind, words.short) == ("partly", "falls to 86 % at mild")


def test_a_table_in_a_terminal_shows_every_verdict_whole():
    unseen = judge_share("counts", share(0.5, 0.4, 0.6), 0.5, control=share(0.55, 0.5, 0.6), control_chance=0.5)
    half = judge_share("counts", share(0.5, 0.45, 0.55), 0.2, **SEEN)
    results = tuple(
        LimitResult(replace(TESTS[0], name=f"test-{number:05d}"), share(1, 1, 1), 0.5, share(1, 1, 1), 0.5,
                    share(1, 1, 1), (1, 1), {}, (unseen, half)[number % 2])
        for number in range(45)
    )  # fmt: skip
    section = summarise_limits(Limits("mini", "", 0, results, 1.0))
    text = render_text(Report("", "", "", [section], {}), width=100)
    assert text.count("drawings not recognised") == 23
    assert text.count("wrong about half of the time") == 22
    assert "more rows" not in text
