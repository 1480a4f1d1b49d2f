"""Sizes of batches that are compiled, and which is taken."""

import pytest

from wordsight.serve.engine.buckets import Buckets, measure_buckets
from wordsight.serve.engine.loading import text_lengths


@pytest.mark.parametrize(("waiting", "size"), [(1, 2), (2, 2), (3, 4), (4, 4), (5, 4), (6, 8), (8, 8), (500, 8)])
def test_the_largest_size_that_is_nearly_filled_is_taken(waiting, size):
    assert Buckets((2, 4, 8)).pick(waiting) == size


def test_rows_are_padded_to_the_next_size():
    assert [Buckets((2, 4, 8)).fit(rows) for rows in (1, 2, 3, 7)] == [2, 2, 4, 8]


def measured(seconds_per_row, limit, seconds_per_batch=0.0):
    """Sizes that are chosen on a machine of a speed, and those that were run."""
    now, run = [0.0], []

    def encode(rows):
        run.append(rows)
        now[0] += rows * seconds_per_row + seconds_per_batch

    return measure_buckets(run.append, encode, (2, 4, 8, 16), limit, lambda: now[0]).sizes, run


def test_batches_that_would_take_too_long_are_not_even_compiled():
    sizes, run = measured(0.004, limit=0.1, seconds_per_batch=0.03)
    assert sizes == (2, 4, 8)
    assert run == [2] * 4 + [4] * 4 + [8] * 4


def test_a_size_is_tried_only_while_the_last_one_gained():
    assert measured(0.001, limit=1)[0] == (2, 4)


def test_a_slow_machine_has_the_smallest_size():
    assert measured(1.0, limit=0.1)[0] == (2,)


def test_texts_are_compiled_for_each_length_that_the_encoder_tells_apart():
    from small_spec import small_spec

    assert text_lengths(small_spec()) == [8]
