"""The images show what their questions say is true, as far as pixels tell it."""

import functools
import itertools

import numpy as np
import pytest
from scipy import ndimage

from wordsight.evaluate.limits import composition, degraded, fine_classes, presence, writing
from wordsight.evaluate.limits.canvas import COLOURS, PAPERS, SIDE, Canvas
from wordsight.evaluate.limits.catalogue import TESTS
from wordsight.evaluate.limits.objects import SHAPES, draw_shape, paint_shape


@functools.cache
def ask_once(test):
    return test(np.random.default_rng(0))


def ask(test):
    return test(np.random.default_rng(0))


def painted(image, colour):
    """Where an image has a colour, (H, W)."""
    return np.abs(image.astype(int) - COLOURS[colour]).max(axis=2) < 40


def centre(mask):
    """Column and row of the middle of a mask."""
    rows, columns = np.nonzero(mask)
    return columns.mean(), rows.mean()


@pytest.fixture
def two_colours(monkeypatch):
    """Scenes of a red square, a blue circle, and others that are asked about but not drawn."""
    things = [paint_shape(*words) for words in (("square", "red"), ("circle", "blue"), ("star", "green"),
                                                ("heart", "black"), ("cross", "pink"))]  # fmt: skip
    monkeypatch.setattr(composition, "_pick_things", lambda rng, scene, number: ("shapes", things[:number]))
    monkeypatch.setattr(presence, "_take_turns", lambda rng, scene: things)


@pytest.mark.usefixtures("two_colours")
def test_what_is_called_left_is_left():
    for question in ask(composition.ask_left_right):
        red, blue = (centre(painted(question.image, colour))[0] for colour in ("red", "blue"))
        first = "red" if red < blue else "blue"
        assert question.choices[question.answer][0].split()[1] == first
        assert "to the left of" in question.choices[question.answer][0]


@pytest.mark.usefixtures("two_colours")
def test_what_is_called_above_is_above():
    for question in ask(composition.ask_above_below):
        red, blue = (centre(painted(question.image, colour))[1] for colour in ("red", "blue"))
        first = "red" if red < blue else "blue"
        assert question.choices[question.answer][0].split()[1] == first


@pytest.mark.usefixtures("two_colours")
def test_what_is_called_big_is_bigger():
    for question in ask(composition.ask_sizes):
        red, blue = (painted(question.image, colour).sum() for colour in ("red", "blue"))
        big = "red" if red > 2 * blue else "blue"
        assert max(red, blue) > 2 * min(red, blue)
        assert question.choices[question.answer][0].split()[2] == big, question.choices


@pytest.mark.usefixtures("two_colours")
def test_what_is_said_to_be_absent_is_absent():
    for question in ask(presence.ask_negation):
        assert question.choices[0][0] == "an image with a red square"
        assert question.choices[1][1] == "there is no red square"
        assert painted(question.image, "red").any() == (question.answer == 0)
        assert painted(question.image, "blue").any() == (question.answer == 1)  # which is there instead


@pytest.mark.usefixtures("two_colours")
def test_as_many_objects_are_drawn_as_are_counted():
    for question in ask(presence.ask_counts):
        _, number = ndimage.label(painted(question.image, "red"))
        assert number == int(question.condition) == question.answer + 2
        assert f"{number} red squares" in question.choices[question.answer]


def test_objects_of_a_count_lie_apart_whatever_they_are():
    for question in ask_once(presence.ask_counts)[:10]:  # circles, then strawberries
        paper = question.image[0, 0].astype(int)
        mask = ndimage.binary_closing(np.abs(question.image - paper).max(axis=2) > 60, iterations=2)
        sizes = np.bincount(ndimage.label(mask)[0].ravel())[1:]
        assert (sizes > 100).sum() == int(question.condition)


def test_a_shape_has_the_colour_that_it_is_said_to_have():
    for question in ask_once(composition.ask_colours)[:32]:
        shown = {colour for colour in COLOURS if painted(question.image, colour).sum() > 500}
        assert shown == {question.condition}
        assert question.condition in question.choices[question.answer][0].split()


def test_each_of_two_shapes_has_the_colour_that_it_is_said_to_have():
    for question in ask_once(composition.ask_binding)[:6]:
        _, first, first_shape, _, _, second, second_shape = question.choices[question.answer][0].split()
        for colour, shape in ((first, first_shape), (second, second_shape)):
            assert overlap(painted(question.image, colour), shape) > 0.9, question.choices


def overlap(mask, shape):
    """Intersection over union of a mask and a shape drawn as big."""
    rows, columns = np.nonzero(mask)
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    best = 0.0
    for size in np.linspace(0.95, 1.25, 9) * extent / SIDE:
        canvas = Canvas()
        draw_shape(canvas, shape, (0.5, 0.5), size, COLOURS["red"])
        drawn = painted(canvas.finish(), "red")
        (x, y), (x0, y0) = centre(mask), centre(drawn)
        moved = ndimage.shift(drawn.astype(float), (y - y0, x - x0), order=0) > 0.5
        best = max(best, (moved & mask).sum() / (moved | mask).sum())
    return best


def test_what_is_called_inside_lies_within_the_other():
    for question in ask_once(composition.ask_inside)[:12]:
        inner, outer = (words.split()[-1] for words in question.choices[question.answer][0].split(" inside "))
        paper = question.image[0, 0].astype(int)
        drawn = np.abs(question.image - paper).max(axis=2) > 40
        parts, number = ndimage.label(drawn)
        assert number == 2
        boxes = sorted(ndimage.find_objects(parts), key=lambda box: box[0].stop - box[0].start)
        assert all(big.start < small.start and small.stop < big.stop for small, big in zip(*boxes, strict=True))
        outline = ndimage.binary_fill_holes(drawn)
        assert overlap(outline, outer) > 0.9
        small = parts[boxes[0]]
        mask = np.zeros_like(drawn)
        mask[boxes[0]] = small > 0
        assert overlap(mask, inner) > 0.9


def test_the_short_hand_of_a_clock_points_to_the_hour():
    for question in ask_once(fine_classes.ask_clocks):
        angle = 2 * np.pi * np.arange(12) / 12
        rows = (SIDE * (0.5 - 0.13 * np.cos(angle))).astype(int)
        columns = (SIDE * (0.5 + 0.13 * np.sin(angle))).astype(int)
        dark = question.image[rows, columns].min(axis=1) < 160
        hour = (question.answer + 1) % 12
        assert set(np.flatnonzero(dark)) == {0, hour}
        assert question.choices[question.answer][1] == f"a clock at {question.answer + 1}:00"


def test_dice_have_as_many_dots_as_they_are_said_to_have():
    for question in ask_once(fine_classes.ask_dice)[:36]:
        middle = question.image.astype(int)
        is_red = painted(question.image, "red").sum() > 2000
        dots = middle.min(axis=2) > 200 if is_red else middle.max(axis=2) < 55
        parts, _ = ndimage.label(dots)
        sizes = [(parts[box] == k + 1).sum() for k, box in enumerate(ndimage.find_objects(parts))]
        # of a red die the paper is white too: it touches the edge of the image
        edge = set(np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])))
        number = sum(size > 50 and k + 1 not in edge for k, size in enumerate(sizes))
        assert number == question.answer + 1


def test_hearts_and_diamonds_are_red_and_the_others_black():
    for question in ask_once(fine_classes.ask_suits)[:20]:
        red = painted(question.image, "red").sum() > painted(question.image, "black").sum()
        assert red == (question.condition in ("hearts", "diamonds"))


def test_polygons_have_as_many_corners_as_their_names_say():
    corners = {"triangle": 3, "square": 4, "pentagon": 5, "hexagon": 6, "octagon": 8}
    for question in ask_once(fine_classes.ask_polygons)[:20]:
        paper = question.image[0, 0].astype(int)
        mask = ndimage.binary_fill_holes(np.abs(question.image - paper).max(axis=2) > 40)
        x, y = centre(mask)
        rows, columns = np.nonzero(mask)
        angle, reach = np.arctan2(rows - y, columns - x), np.hypot(rows - y, columns - x)
        bins = ((angle + np.pi) / (2 * np.pi) * 120).astype(int) % 120
        outline = np.array([reach[bins == k].max() for k in range(120)])
        waves = np.abs(np.fft.rfft(outline - outline.mean()))
        assert waves.argmax() == corners[question.condition]


def test_a_photo_with_an_empty_label_differs_from_that_with_a_name_in_the_label_alone():
    for question in ask_once(writing.ask_labelled_photos)[:24]:
        changed = (question.image != question.control_image).any(axis=2)
        assert 0.002 < changed.mean() < 0.2
        assert len({words[2] for words in question.choices}) == 2


def test_pasted_names_are_true_of_no_sample():
    assert not set(writing._WRONG) & {word for name in writing.NAMED_SAMPLES.values() for word in name.split()}
    assert not set(degraded._ABSENT) & set(writing.NAMED_SAMPLES.values())


def test_photos_are_worse_at_every_further_level():
    for test in (degraded.ask_blurred, degraded.ask_noisy, degraded.ask_low_resolution, degraded.ask_without_colour):
        questions = ask_once(test)
        levels = list(dict.fromkeys(question.condition for question in questions))
        change = {
            level: np.mean(
                [np.abs(q.image.astype(int) - q.control_image).mean() for q in questions if q.condition == level]
            )
            for level in levels
        }
        assert list(change.values()) == sorted(change.values())
        assert min(change.values()) > 0


def test_photos_without_colour_have_none():
    for question in ask_once(degraded.ask_without_colour):
        if question.condition == "grey":
            assert np.ptp(question.image, axis=2).max() <= 1
            assert np.ptp(question.control_image, axis=2).max() > 20


def test_digits_are_told_apart_by_their_pixels():
    questions = [q for q in ask_once(writing.ask_digits) if q.condition in ("handwritten", "typed", "seven-segment")]
    for _, hand in itertools.groupby(questions, key=lambda question: question.scene.rsplit(" ", 1)[0]):
        images = [q.image.astype(int) for q in hand][:10]
        for some, other in itertools.combinations(images, 2):
            assert np.abs(some - other).mean() > 1


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_equal_seeds_draw_equal_images(test):
    for one, same in zip(ask_once(test.ask), ask(test.ask), strict=True):
        assert (one.image == same.image).all()
        assert (one.choices, one.answer) == (same.choices, same.answer)


def test_other_seeds_draw_other_images():
    for test in (composition.ask_left_right, presence.ask_counts):
        other = test(np.random.default_rng(1))
        assert any((one.image != two.image).any() for one, two in zip(ask_once(test), other, strict=True))


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_every_question_can_be_answered_in_the_same_number_of_wordings(test):
    for question in ask_once(test.ask):
        assert (question.image.shape, question.image.dtype) == ((SIDE, SIDE, 3), np.uint8)
        assert len({len(wordings) for wordings in question.choices}) == 1
        assert len({len(wordings) for wordings in question.control}) <= 1
        texts = list(itertools.chain.from_iterable(question.choices))
        assert len(set(texts)) == len(texts), "two answers are worded alike"
        assert 0 <= question.answer < len(question.choices)
        assert question.control or question.control_image is not None


def test_shapes_differ_from_the_papers_they_lie_on():
    for colour, paper in itertools.product(COLOURS.values(), PAPERS):
        assert np.abs(np.array(colour) - paper).max() > 60


def test_shapes_are_within_their_bounds():
    for name, corners in SHAPES.items():
        assert np.abs(corners).max() <= 1.2, name
