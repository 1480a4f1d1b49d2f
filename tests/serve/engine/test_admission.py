"""How much may wait, and when a refused client should come again."""

import pytest

from wordsight.serve.engine.admission import QUEUED_BYTES, Admission, BusyError
from wordsight.serve.engine.callers import Lane


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def measured(limit, seconds_each, clock):
    """Admission that has seen so many seconds for each input."""
    admission = Admission(limit, clock)
    for _ in range(1000):
        admission.enter(1)
        clock.now += seconds_each
        admission.leave(1)
    return admission


def test_the_wait_is_that_of_half_the_queue_at_the_measured_rate():
    clock = Clock()
    admission = measured(100, 0.5, clock)
    admission.enter(100)
    with pytest.raises(BusyError, match=r"busy; try again in 25 seconds") as refused:
        admission.enter(1)
    assert refused.value.retry_after == pytest.approx(25, rel=0.01)
    with pytest.raises(BusyError) as refused:
        admission.enter(80)  # needs room of 80
    assert refused.value.retry_after == pytest.approx(40, rel=0.01)


def test_the_wait_is_at_least_a_second():
    admission = measured(10, 0.001, Clock())
    admission.enter(10)
    with pytest.raises(BusyError) as refused:
        admission.enter(1)
    assert refused.value.retry_after == 1


def test_room_comes_back_with_answers_and_with_clients_that_left():
    admission = Admission(10)
    admission.enter(10)
    admission.leave(4)
    admission.leave(2, answered=False)
    admission.enter(6)
    assert admission.waiting == 10


def test_an_empty_queue_takes_a_request_of_any_size():
    admission = Admission(10)
    admission.enter(500, 2 * QUEUED_BYTES)
    with pytest.raises(BusyError):
        admission.enter(1)
    admission.leave(500)
    admission.release(2 * QUEUED_BYTES)
    admission.enter(1)


def test_bulk_work_leaves_room_for_searches():
    admission = Admission(100)
    admission.enter(100)
    for _ in range(25):
        admission.enter(1, lane=Lane.SEARCH)
    with pytest.raises(BusyError):
        admission.enter(1, lane=Lane.SEARCH)


def test_bytes_are_limited_too():
    admission = Admission(1000)
    admission.enter(1, QUEUED_BYTES)
    with pytest.raises(BusyError):
        admission.enter(1, 1)
