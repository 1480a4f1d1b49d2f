"""Values that are made once for all who ask, and kept while they fit."""

import asyncio

import pytest

from wordsight.serve.made_once import MadeOnce


class Maker:
    """Makes values of a key, counting how often."""

    def __init__(self):
        self.times = 0
        self.go_on = asyncio.Event()

    async def __call__(self):
        self.times += 1
        await self.go_on.wait()
        return b"x" * 10


def test_those_who_ask_at_a_time_share_one_value():
    async def ask():
        kept, make = MadeOnce(100, len), Maker()
        asked = [asyncio.create_task(kept.get("a", make)) for _ in range(5)]
        await asyncio.sleep(0)
        make.go_on.set()
        assert await asyncio.gather(*asked) == [b"x" * 10] * 5
        await kept.get("a", make)
        return make.times

    assert asyncio.run(ask()) == 1


def test_the_value_is_made_even_if_who_asked_first_leaves():
    async def ask():
        kept, make = MadeOnce(100, len), Maker()
        first, second = (asyncio.create_task(kept.get("a", make)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        make.go_on.set()
        return await second

    assert asyncio.run(ask()) == b"x" * 10


def test_what_was_used_longest_ago_goes_first():
    async def ask():
        kept, make = MadeOnce(25, len), Maker()
        make.go_on.set()
        for key in "abac":  # b was used longest ago
            await kept.get(key, make)
        assert (len(kept), kept.bytes, make.times) == (2, 20, 3)
        await kept.get("a", make)
        return make.times

    assert asyncio.run(ask()) == 3


def test_a_failure_is_told_to_all_and_tried_again():
    async def ask():
        kept = MadeOnce(100, len)

        async def fail():
            raise OSError("no")

        asked = [asyncio.create_task(kept.get("a", fail)) for _ in range(2)]
        assert [type(answer) for answer in await asyncio.gather(*asked, return_exceptions=True)] == [OSError, OSError]
        with pytest.raises(OSError, match="no"):
            await kept.get("a", fail)
        make = Maker()
        make.go_on.set()
        return await kept.get("a", make)

    assert asyncio.run(ask()) == b"x" * 10
