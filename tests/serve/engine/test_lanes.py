"""The queue: searches first, clients in turn, kinds apart, nobody starved."""

import asyncio

from wordsight.serve.engine.admission import Admission
from wordsight.serve.engine.callers import Caller, Lane
from wordsight.serve.engine.inputs import Asked, Input
from wordsight.serve.engine.lanes import SEARCHES_IN_A_ROW, LaneQueue


def fill(queue, kind, names, client="anna", lane=Lane.BULK):
    """Put a request's inputs, named by their payload."""

    async def make():
        return Asked(kind, len(names), Caller(client, lane), Admission(1))

    asked = asyncio.run(make())
    for i, name in enumerate(names):
        queue.put(Input(asked, i, name))
    return asked


def take(queue, size, **more):
    return "".join(entry.payload for entry in queue.take(lambda *_: size, **more))


def test_clients_take_turns_whatever_the_length_of_their_lines():
    queue = LaneQueue()
    fill(queue, "text", "aaaaaa", "anna")
    fill(queue, "text", "bb", "ben")
    fill(queue, "text", "c", "carla")
    assert take(queue, 4) == "abca"
    assert take(queue, 4) == "baaa"  # ben was not served twice yet, so it is his turn
    assert take(queue, 4) == "a"
    assert len(queue) == 0


def test_searches_go_before_bulk_work_which_fills_their_empty_places():
    queue = LaneQueue()
    fill(queue, "text", "bbbb")
    fill(queue, "text", "s", lane=Lane.SEARCH)
    assert take(queue, 2) == "sb"


def test_constant_search_does_not_starve_bulk_work():
    queue = LaneQueue()
    fill(queue, "image", "b")
    fill(queue, "text", "s" * 100, lane=Lane.SEARCH)
    order = [take(queue, 1) for _ in range(SEARCHES_IN_A_ROW + 2)]
    assert "".join(order) == "s" * SEARCHES_IN_A_ROW + "b" + "s"


def test_a_batch_is_of_one_kind_and_the_oldest_comes_first():
    queue = LaneQueue()
    fill(queue, "image", "iii")
    fill(queue, "text", "tt")
    assert [take(queue, 8), take(queue, 8)] == ["iii", "tt"]


def test_the_size_of_a_batch_is_told_the_kind_and_what_waits():
    queue = LaneQueue()
    fill(queue, "text", "abc")
    seen = []
    queue.take(lambda *asked: seen.append(asked) or 2)
    assert seen == [("text", 3)]


def test_bulk_work_can_be_held_back():
    queue = LaneQueue()
    fill(queue, "text", "b")
    assert take(queue, 1, bulk=False) == ""
    fill(queue, "text", "s", lane=Lane.SEARCH)
    assert take(queue, 2, bulk=False) == "s"
    assert queue.count(Lane.BULK, "text") == 1


def test_a_request_that_leaves_takes_its_inputs_along():
    queue = LaneQueue()
    gone = fill(queue, "text", "ggg")
    fill(queue, "text", "aa")
    assert queue.remove(gone) == 3
    assert queue.remove(gone) == 0
    assert take(queue, 8) == "aa"
